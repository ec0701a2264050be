//! Image data sets ([`data`]), augmented views of their images on the CPU ([`augment`]), and what both rest on: random numbers that
//! are functions of their coordinates ([`random`]), statistics of answers ([`statistics`]), files that are written whole ([`files`]).
//! Nothing here needs libtorch. [`byol`](https://docs.rs/byol) re-exports what belongs to its surface.

#![warn(missing_docs)]

pub mod augment;
pub mod data;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod nearest;
pub mod random;
pub mod statistics;
