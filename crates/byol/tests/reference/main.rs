//! Numbers against reference values: PyTorch's, torchvision's and scikit-learn's, with the scripts that made them in
//! `../fixtures`. One binary, because each links libtorch.

mod augment;
mod eval;
mod fixed_views;
mod formula;
mod label;
mod model;
mod optim;
mod step;
