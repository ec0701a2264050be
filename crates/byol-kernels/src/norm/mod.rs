//! Batch norm and what follows it in a residual network, over rows of channels in memory order (channels last).

pub mod pool;
pub mod rows;
