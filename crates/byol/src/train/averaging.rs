//! The mean of the weights over the last steps of a training: what one step is off by, the next ones are off by in other
//! directions, and the mean by less (Izmailov et al. 2018, arXiv 1803.05407).
//!
//! Every step of the window counts the same, so that the window is the only setting: a moving average with a decay rate
//! needs one that fits the number of steps, which goes from a hundred to some ten thousand here. Running
//! statistics of batch norm are averaged as weights are, where that paper computes them anew with a pass over the images.

use super::TrainError;
use super::supervised::Rest;
use crate::model::Weights;
use crate::trained::checkpoint::Checkpoint;

/// The name of the mean in the checkpoint of an unfinished training.
const PART: &str = "average";

/// The mean of the weights after each of the last steps.
pub(super) struct TailAverage {
    /// Steps before the window.
    before: usize,
    /// None until the window begins.
    mean: Option<Weights>,
}

impl TailAverage {
    /// Over the last `share` of `steps`, 0 to 1; of share 0 there is no mean.
    pub fn over(share: f64, steps: usize) -> TailAverage {
        let window = (share * steps as f64).round() as usize;
        TailAverage { before: steps.saturating_sub(window), mean: None }
    }

    /// Takes in the weights after step `step`, from 1.
    pub fn add(&mut self, weights: &Weights, step: usize) {
        let Some(count) = step.checked_sub(self.before).filter(|&count| count > 0) else { return };
        match &mut self.mean {
            Some(mean) => mean.approach(weights, 1.0 / count as f64),
            None => self.mean = Some(weights.copy()),
        }
    }

    /// What the classifier is to be judged by: the mean, or the weights as they are where it has not begun.
    pub fn or<'w>(&'w self, latest: &'w Weights) -> &'w Weights {
        self.mean.as_ref().unwrap_or(latest)
    }

    /// As [`or`](Self::or), at the end.
    pub fn end(self, latest: Weights) -> Weights {
        self.mean.unwrap_or(latest)
    }

    /// Adds the mean to a checkpoint that holds the classifier already: beside it, or in its place where nothing is left to
    /// train.
    pub fn store(&self, checkpoint: &mut Checkpoint, rest: Rest) {
        if let Some(mean) = &self.mean {
            let part = if rest == Rest::Some { PART } else { "classifier" };
            checkpoint.insert_part(part, mean.named());
        }
    }

    /// Takes over the mean of a checkpoint, where it holds one. `weights` are those of the network.
    pub fn restore(&mut self, checkpoint: &Checkpoint, weights: &Weights) -> Result<(), TrainError> {
        let part = checkpoint.part(PART);
        if !part.is_empty() {
            let mut mean = weights.copy();
            mean.load(&part)?;
            self.mean = Some(mean);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::config::{EncoderKind, Experiment, StemKind};
    use crate::model::classifier::ClassifierHead;
    use crate::model::{Classifier, EncoderConfig};
    use crate::run::record::Stage;
    use crate::trained::checkpoint::{Header, Progress};

    /// A small classifier's weights, every number and statistic of which is `value`.
    fn all(value: f64) -> Weights {
        let encoder = EncoderConfig::new(EncoderKind::Resnet10, StemKind::SmallStride2, 0.0625);
        let classifier = Classifier::new(encoder, ClassifierHead::Representation, 3);
        let mut weights = classifier.initialize(0, 0, Device::Cpu);
        let named = weights.named();
        let full = |tensor: &Tensor| Tensor::full(tensor.size(), value, (Kind::Float, Device::Cpu));
        weights.load(&named.iter().map(|(name, tensor)| (name.clone(), full(tensor))).collect()).unwrap();
        weights
    }

    fn value(weights: &Weights) -> f64 {
        let (flat, buffers) = (weights.flat(), weights.buffers());
        let value = flat.double_value(&[0]);
        for numbers in [flat, buffers] {
            assert!((numbers - value).abs().max().double_value(&[]) < 1e-6, "statistics are averaged as weights are");
        }
        value
    }

    fn checkpoint() -> Checkpoint {
        let experiment = Experiment::preset("demo").unwrap();
        Checkpoint::new(Header::of(&experiment, Stage::Finetune, 3, &Progress::default()).unwrap())
    }

    /// Weights 1, 4, 9, 16, ..., of which the last four of ten count.
    #[test]
    fn the_last_steps_count_the_same() {
        let mut average = TailAverage::over(0.4, 10);
        for step in 1..=6 {
            average.add(&all((step * step) as f64), step);
            assert_eq!(value(average.or(&all(7.0))), 7.0);
        }
        for (step, expected) in [(7, 49.0), (8, 56.5), (9, 194.0 / 3.0), (10, 73.5)] {
            average.add(&all((step * step) as f64), step);
            assert!((value(average.or(&all(7.0))) - expected).abs() < 1e-4, "{step}");
        }
        assert!((value(&average.end(all(100.0))) - 73.5).abs() < 1e-4);
        // Of nothing there is no mean, and of everything it begins with the first step.
        let mut none = TailAverage::over(0.0, 10);
        (1..=10).for_each(|step| none.add(&all(1.0), step));
        assert_eq!(value(none.or(&all(7.0))), 7.0);
        let mut whole = TailAverage::over(1.0, 2);
        whole.add(&all(1.0), 1);
        whole.add(&all(2.0), 2);
        assert_eq!(value(whole.or(&all(7.0))), 1.5);
    }

    #[test]
    fn a_checkpoint_keeps_the_mean_and_at_the_end_is_it() {
        let mut average = TailAverage::over(1.0, 3);
        average.add(&all(1.0), 1);
        average.add(&all(4.0), 2);
        let mut kept = checkpoint();
        kept.insert_part("classifier", all(4.0).named());
        average.store(&mut kept, Rest::Some);
        let mut resumed = TailAverage::over(1.0, 3);
        resumed.restore(&kept, &all(4.0)).unwrap();
        for average in [&mut average, &mut resumed] {
            average.add(&all(8.0), 3);
        }
        assert_eq!(resumed.or(&all(8.0)).flat(), average.or(&all(8.0)).flat());
        assert_eq!(resumed.or(&all(8.0)).buffers(), average.or(&all(8.0)).buffers());
        let mut last = checkpoint();
        last.insert_part("classifier", all(8.0).named());
        average.store(&mut last, Rest::None);
        assert!(last.part(PART).is_empty());
        let mut finished = TailAverage::over(1.0, 3);
        finished.restore(&last, &all(8.0)).unwrap();
        let mut found = all(0.0);
        found.load(&last.part("classifier")).unwrap();
        assert!((value(finished.or(&found)) - 13.0 / 3.0).abs() < 1e-5);
    }
}
