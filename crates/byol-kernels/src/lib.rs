//! The inner loops of `byol` on the CPU: pixels of augmented views and of reduced JPEG images, batch norm, and convolutions
//! in float32. Slices in, slices out, without threads, files, images or tensors.
//!
//! Every kernel but one (`product::panels`) is plain Rust in a form that the compiler turns into vector instructions; `multiversion`
//! compiles it for several instruction sets and picks one at run time (its AVX-512 means Ice Lake's or Zen 4's, and later). They are a crate of their own
//! because they must be compiled with every optimisation, which would take minutes for what surrounds them: so nothing generic
//! leaves this crate, but traits that are implemented here for float32 and bfloat16.
//!
//! Nothing here belongs to the surface of [`byol`](https://docs.rs/byol).

pub mod element;
pub mod jpeg;
pub mod norm;
mod product;
pub mod taps;
pub mod views;
pub mod winograd;
