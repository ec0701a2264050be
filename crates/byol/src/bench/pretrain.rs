//! Steps of pre-training.

use tch::Tensor;

use super::training::{Input, Part, Trainee, run};
use super::{BenchOptions, BenchResult, pool};
use crate::config::Experiment;
use crate::data::Dataset;
use crate::device::Hardware;
use crate::loader::{ImageSet, Schedule};
use crate::train::method::{self, Method, Moment};
use crate::train::phases::PhaseTimes;
use crate::train::{TrainError, pretrain};

struct Pretraining {
    method: Box<dyn Method>,
    moment: Moment<'static>,
}

impl Trainee for Pretraining {
    fn part(&mut self, images: &[Tensor], _indices: &[usize], part: Part) {
        self.method.accumulate(images, part.of);
        if part.is_last() {
            self.method.update(&self.moment);
        }
    }

    fn measure_phases(&self) {
        self.method.measure_phases();
    }

    fn take_phases(&self) -> Option<PhaseTimes> {
        self.method.take_phases()
    }
}

pub fn measure(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let ranks = &hardware.ranks;
    pretrain::require_shares(&experiment.pretrain, ranks)?;
    let mut share = experiment.clone();
    share.pretrain.batch_size /= ranks.count();
    // Rank 0 by itself, while the others wait.
    let of_one = match !ranks.is_alone() && ranks.is_first() {
        true => steps(&share, data, &hardware.alone(), options)?.images_per_second,
        false => 0.0,
    };
    let of_one = ranks.value_of_first(of_one)?;
    let mut measured = steps(experiment, data, hardware, options)?;
    ranks.check()?;
    if let Some(together) = &mut measured.together {
        together.images_per_second_of_one = of_one;
        together.efficiency = measured.images_per_second / (of_one * ranks.count() as f64);
    }
    Ok(measured)
}

fn steps(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let source = pool::unlabeled(data, options);
    let method = method::begin(experiment, hardware, None)?;
    let input = Input {
        schedule: Schedule { share: hardware.ranks.place(), ..pretrain::schedule(experiment, source.len()) },
        image_set: ImageSet::of(experiment, source, hardware),
        views: pretrain::views(experiment),
        flops_per_image: method.step_flops(),
    };
    let mut trainee = Pretraining { method, moment: Moment::first(experiment.pretrain.learning_rate) };
    run(hardware, options, input, &mut trainee)
}
