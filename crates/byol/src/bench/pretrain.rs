//! Steps of BYOL.

use tch::Tensor;

use super::training::{Input, Part, Trainee, run};
use super::{BenchOptions, BenchResult, pool};
use crate::config::{Experiment, LossTarget};
use crate::data::Dataset;
use crate::device::Hardware;
use crate::loader::ImageSet;
use crate::model::byol::TargetPass;
use crate::train::learner::{Learner, Objective, TargetBranch, networks};
use crate::train::phases::PhaseTimes;
use crate::train::{TrainError, pretrain};

struct Byol {
    learner: Learner,
    learning_rate: f64,
    tau: f64,
}

impl Trainee for Byol {
    fn part(&mut self, images: &Tensor, _indices: &[usize], part: Part) {
        self.learner.accumulate(images, part.of);
        if part.is_last() {
            self.learner.update(self.learning_rate, self.tau);
        }
    }

    fn measure_phases(&self) {
        self.learner.measure_phases();
    }

    fn take_phases(&self) -> Option<PhaseTimes> {
        self.learner.take_phases()
    }
}

pub fn measure(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let settings = &experiment.pretrain;
    let source = pool::unlabeled(data, options);
    let side = experiment.view_size();
    let model = networks(experiment);
    let flops_per_image = model.step_flops(side, target_pass(experiment));
    let online = model.initialize(experiment.seed, hardware.device);
    let learner = Learner::new(model, online, experiment, hardware.precision);
    let mut trainee = Byol { learner, learning_rate: settings.learning_rate, tau: settings.tau };
    let input = Input {
        schedule: pretrain::schedule(experiment, source.len()),
        image_set: ImageSet::of(experiment, source, hardware),
        views: pretrain::views(settings),
        flops_per_image,
    };
    let mut measured = run(hardware, options, input, &mut trainee)?;
    if let Some(breakdown) = measured.breakdown.as_mut().filter(|_| target_pass(experiment) == TargetPass::None) {
        breakdown.target_forward_ms = None;
    }
    Ok(measured)
}

/// What the target branch of this experiment computes.
fn target_pass(experiment: &Experiment) -> TargetPass {
    match Objective::of(experiment).branch {
        TargetBranch::Average(LossTarget::Projection) => TargetPass::Projection,
        TargetBranch::Average(LossTarget::Prediction) => TargetPass::Prediction,
        TargetBranch::OnlineWithGradient | TargetBranch::LabOnline => TargetPass::None,
    }
}
