//! The pixels of augmented views, one subject per file. They take checked arguments and know nothing of parameters drawn,
//! images in files, or networks.
//!
//! Between two operations a view is held in uint8 levels, as torchvision holds it ([`planes`]). No kernel uses fused multiply-add, so that every
//! instruction set gives the same pixels.

pub mod blur;
pub mod color;
pub mod filter;
pub mod layout;
pub mod planes;
pub mod resize;
