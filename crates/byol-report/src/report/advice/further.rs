//! How much more pre-training brings a run to where gains usually begin, and what that takes. The warning before a run and the advice after it
//! reckon alike.

use crate::report::words;

/// Image passes from which a ResNet-18 at 64 px began to gain on natural photographs in this project's own trials
/// (docs/experiments.md).
pub const FEW_PASSES: u64 = 200_000;

/// Further pre-training, with what it takes.
pub struct Further {
    pub epochs: u64,
    pub passes: u64,
    pub seconds: f64,
    rate: f64,
}

impl Further {
    /// What brings a pre-training of so many passes to where gains begin, at this rate in images per second.
    pub fn to_gains(passes: u64, per_epoch: u64, rate: f64) -> Further {
        Further::of(FEW_PASSES.saturating_sub(passes), per_epoch, rate)
    }

    /// At least so many passes more.
    pub fn of(wanted: u64, per_epoch: u64, rate: f64) -> Further {
        let epochs = wanted.div_ceil(per_epoch.max(1));
        let passes = epochs * per_epoch;
        Further { epochs, passes, seconds: passes as f64 / rate.max(f64::MIN_POSITIVE), rate }
    }
}

impl std::fmt::Display for Further {
    /// `12 epochs more are 1,200 passes, about 3 min at the 6.7 images/s that were measured`
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} more are {} passes, about {} at the {:.1} images/s that were measured",
            words::plural(self.epochs, "epoch"),
            words::count(self.passes),
            words::duration(self.seconds),
            self.rate
        )
    }
}
