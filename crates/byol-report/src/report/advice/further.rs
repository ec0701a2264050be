//! How much more pre-training brings a run to where gains usually begin, and what that takes. The warning before a run and the advice after it
//! reckon alike.

/// Image passes from which a ResNet-18 at 64 px began to gain on natural photographs in this project's own trials
/// (docs/experiments.md).
pub const FEW_PASSES: u64 = 200_000;

/// Further pre-training, with what it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Further {
    pub epochs: u64,
    pub passes: u64,
    pub seconds: f64,
    /// Images per second of the whole stage, monitoring included.
    pub rate: f64,
}

impl Further {
    /// What brings a pre-training of so many passes to where gains begin, at this rate in images per second.
    pub fn to_gains(passes: u64, per_epoch: u64, rate: f64) -> Further {
        Further::of(FEW_PASSES.saturating_sub(passes), per_epoch, rate)
    }

    /// At least so many passes more.
    pub fn of(wanted: u64, per_epoch: u64, rate: f64) -> Further {
        let epochs = wanted.div_ceil(per_epoch.max(1));
        Further::taking(epochs, epochs * per_epoch, rate)
    }

    /// These epochs, which are so many passes.
    pub fn taking(epochs: u64, passes: u64, rate: f64) -> Further {
        Further { epochs, passes, seconds: passes as f64 / rate.max(f64::MIN_POSITIVE), rate }
    }
}
