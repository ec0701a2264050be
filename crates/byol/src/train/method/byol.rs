//! BYOL as a [`Method`], and MoCo v3, whose networks are the same and whose loss is another: the [`Learner`] with the schedule of its target's decay rate, its checkpoint, and what a step costs.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Method, Moment};
use crate::config::{Experiment, ScheduleKind, SeenBy};
use crate::device::Hardware;
use crate::model::byol::with_encoder;
use crate::optim::schedule::Tau;
use crate::train::TrainError;
use crate::train::learner::{Learner, Objective, StepOutput, networks};
use crate::train::phases::PhaseTimes;
use crate::trained::checkpoint::Checkpoint;

pub(super) struct ByolMethod {
    learner: Learner,
    /// Base decay rate of the moving average, and what it does over training.
    tau: (f64, ScheduleKind),
    flops: u64,
}

impl ByolMethod {
    pub(super) fn begin(
        experiment: &Experiment,
        hardware: &Hardware,
        given: Option<BTreeMap<String, Tensor>>,
    ) -> Result<ByolMethod, TrainError> {
        let model = networks(experiment);
        let mut online = model.initialize(experiment.seed, hardware.device);
        if let Some(given) = given {
            let mut named = online.named();
            named.extend(with_encoder(given));
            online.load(&named)?;
        }
        let views: Vec<(usize, SeenBy)> =
            experiment.training_views().iter().map(|view| (view.side, view.seen_by)).collect();
        Ok(ByolMethod {
            flops: model.step_flops(&views, Objective::of(experiment).target_pass(), experiment.pretrain.patches),
            learner: Learner::new(model, online, experiment, hardware.precision).among(&hardware.ranks),
            tau: (experiment.pretrain.tau, experiment.pretrain.tau_schedule),
        })
    }
}

impl Method for ByolMethod {
    fn accumulate(&mut self, views: &[Tensor], parts: usize) -> StepOutput {
        self.learner.accumulate(views, parts)
    }

    fn update(&mut self, moment: &Moment) -> Option<f64> {
        let (base, kind) = self.tau;
        let tau = Tau { base, steps: moment.steps, kind }.extended_at(moment.step, moment.ends);
        self.learner.update(moment.learning_rate, tau);
        Some(tau)
    }

    fn embed(&self, images: &Tensor) -> [Tensor; 2] {
        self.learner.embed(images)
    }

    fn is_finite(&self) -> bool {
        self.learner.is_finite()
    }

    fn weight_sum(&self) -> i64 {
        let networks = [&self.learner.online, &self.learner.target];
        let tensors = networks.into_iter().flat_map(|network| [network.flat(), network.buffers()]);
        tensors.map(sum_of_bits).fold(0, i64::wrapping_add)
    }

    fn network(&self) -> BTreeMap<String, Tensor> {
        self.learner.online.named()
    }

    fn store(&self, checkpoint: &mut Checkpoint) {
        checkpoint.insert_part("online", self.learner.online.named());
        checkpoint.insert_part("target", self.learner.target.named());
        checkpoint.insert_part("optimizer", self.learner.optimizer.state());
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        self.learner.online.load(&checkpoint.part("online"))?;
        self.learner.target.load(&checkpoint.part("target"))?;
        self.learner.optimizer.load(&checkpoint.part("optimizer"))?;
        self.learner.refresh();
        Ok(())
    }

    fn step_flops(&self) -> u64 {
        self.flops
    }

    fn measure_phases(&self) {
        self.learner.measure_phases();
    }

    fn take_phases(&self) -> Option<PhaseTimes> {
        self.learner.take_phases()
    }
}

/// The sum of a tensor's numbers, read as whole ones: exact, in whichever order they are added.
fn sum_of_bits(tensor: &Tensor) -> i64 {
    let whole = if tensor.kind() == Kind::Double { Kind::Int64 } else { Kind::Int };
    tensor.view_dtype(whole).sum(Kind::Int64).int64_value(&[])
}
