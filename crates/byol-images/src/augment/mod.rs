//! Augmented views: what may happen ([`recipe`]), what happens to one view ([`view`]), which views are the same every time
//! ([`fixed`]), and how pixels are made ([`render`], over the kernels of `byol-kernels`). Sampling parameters and rendering pixels never mix.

pub mod fixed;
pub mod recipe;
pub mod render;
pub mod view;

pub use fixed::FixedViews;
pub use recipe::{Recipe, RecipeError};
pub use render::{Normalization, RenderError, Renderer};
pub use view::{Adjustment, Blur, Crop, Jitter, ViewParams};
