//! Pixel kernels of the views, one subject per file. They take checked arguments and know nothing of parameters drawn,
//! images in files, or networks.
//!
//! Between two operations a view is held in uint8 levels, as torchvision holds it ([`planes`]). Every kernel is plain
//! Rust in a form that the compiler turns into vector instructions; `multiversion` compiles it for several instruction
//! sets and picks one at run time (its AVX-512 means Ice Lake's or Zen 4's, and later). None of them uses fused multiply-add, so that all give the same pixels.

pub mod blur;
pub mod color;
pub mod filter;
pub mod layout;
pub mod planes;
pub mod resize;
