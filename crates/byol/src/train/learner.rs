//! The learner of BYOL: both networks, their optimiser, and one step of the paper's Algorithm 1. Where the images come
//! from, and what is recorded, is in `pretrain`.

use tch::Tensor;

use super::TrainError;
use super::phases::{Phase, PhaseClock, PhaseTimes};
use crate::config::{Experiment, Fault, LossTarget};
use crate::device::Hardware;
use crate::device::Precision;
use crate::loss;
use crate::model::EncoderConfig;
use crate::model::byol::{ByolConfig, Heads, update_target};
use crate::model::layers::Pass;
use crate::model::{Byol, Leaves, Mode, SharedImages, Weights};
use crate::optim::Optimizer;
use crate::trained::checkpoint::Checkpoint;

/// What the loss compares, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    pub branch: TargetBranch,
    pub distance: Distance,
}

/// Where the vectors come from that the predictions are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetBranch {
    /// The target network, without gradient (paper, section 3.1).
    Average(LossTarget),
    /// The online network, with gradient: an ablation.
    OnlineWithGradient,
    /// The online network; in the second term the gradient stops at the prediction: the lab's fault.
    LabOnline,
}

/// How predictions and targets are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// [`loss::regression`]: between directions.
    Normalized,
    /// [`loss::squared_difference`]: the lab's fault.
    Unnormalized,
}

impl Objective {
    /// The paper's, compared with projections or with predictions.
    pub fn paper(loss_target: LossTarget) -> Objective {
        Objective { branch: TargetBranch::Average(loss_target), distance: Distance::Normalized }
    }

    /// What an experiment describes.
    pub fn of(experiment: &Experiment) -> Objective {
        let has = |fault| experiment.faults.contains(&fault);
        let branch = match experiment.pretrain.stop_gradient {
            _ if has(Fault::OnlineTarget) => TargetBranch::LabOnline,
            true => TargetBranch::Average(experiment.pretrain.loss_target),
            false => TargetBranch::OnlineWithGradient,
        };
        let distance = if has(Fault::Unnormalized) { Distance::Unnormalized } else { Distance::Normalized };
        Objective { branch, distance }
    }

    fn distance(self, predictions: &Tensor, aims: &Tensor) -> Tensor {
        match self.distance {
            Distance::Normalized => loss::regression(predictions, aims),
            Distance::Unnormalized => loss::squared_difference(predictions, aims),
        }
    }
}

/// Both networks, their optimiser, and one step of training.
pub struct Learner {
    pub model: Byol,
    pub online: Weights,
    pub target: Weights,
    pub optimizer: Optimizer,
    online_leaves: Leaves,
    target_leaves: Leaves,
    precision: Precision,
    objective: Objective,
    /// The gradient that the parts of the batch have given so far.
    gradient: Option<Tensor>,
    phases: PhaseClock,
}

/// What a batch of pairs gives.
pub struct StepOutput {
    /// The symmetrised loss, a scalar; 0 to 8 where vectors are normalised.
    pub loss: Tensor,
    /// The projections of the first view by the target branch, `[batch, projection]`.
    pub projections: Tensor,
}

impl Learner {
    /// A learner that begins at the experiment's own random weights.
    pub fn of(experiment: &Experiment, hardware: &Hardware) -> Learner {
        let model = networks(experiment);
        let online = model.initialize(experiment.seed, hardware.device);
        Learner::new(model, online, experiment, hardware.precision)
    }

    /// A learner that begins at `online`; its target equals it.
    pub fn new(model: Byol, online: Weights, experiment: &Experiment, precision: Precision) -> Learner {
        let settings = &experiment.pretrain;
        let target = model.target_of(&online);
        let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &online);
        Learner::assemble(model, [online, target], optimizer, Objective::of(experiment), precision)
    }

    /// A learner of given parts: online and target weights.
    pub fn assemble(
        model: Byol,
        [online, target]: [Weights; 2],
        optimizer: Optimizer,
        objective: Objective,
        precision: Precision,
    ) -> Learner {
        let (online_leaves, target_leaves) = (online.leaves(precision), target.leaves(precision));
        Learner {
            model,
            online,
            target,
            optimizer,
            online_leaves,
            target_leaves,
            precision,
            objective,
            gradient: None,
            phases: PhaseClock::default(),
        }
    }

    /// The loss of a batch of pairs, with the graph for its gradient.
    ///
    /// Both views go through a network together, but through its batch norms one at a time.
    ///
    /// # Shapes
    /// `views` is `[2 * batch, 3, side, side]`: the first view of every image, then the second, in the same order.
    pub fn loss(&self, views: &Tensor) -> StepOutput {
        self.phases.begin();
        let output = self.compare(views);
        self.phases.lap(Phase::OnlineForward);
        output
    }

    fn compare(&self, views: &Tensor) -> StepOutput {
        let batch = views.size()[0] / 2;
        let views = &SharedImages::new(views);
        let online = self.pass(&self.online, &self.online_leaves, Mode::Train, 2);
        let predict = |projections: &Tensor| self.model.predict(&online, projections);
        let distance = |predictions: &Tensor, aims: &Tensor| self.objective.distance(predictions, aims);
        let halves = |both: &Tensor| [both.narrow(0, 0, batch), both.narrow(0, batch, batch)];
        match self.objective.branch {
            TargetBranch::Average(loss_target) => {
                let target = self.pass(&self.target, &self.target_leaves, Mode::Train, 2);
                let aims = tch::no_grad(|| {
                    let projections = self.model.project(&target, views);
                    match loss_target {
                        LossTarget::Projection => projections,
                        LossTarget::Prediction => predict(&projections),
                    }
                });
                self.phases.lap(Phase::TargetForward);
                let [first_aim, second_aim] = halves(&aims);
                let [first, second] = halves(&predict(&self.model.project(&online, views)));
                let loss = distance(&first, &second_aim) + distance(&second, &first_aim);
                StepOutput { loss, projections: first_aim }
            }
            TargetBranch::OnlineWithGradient => {
                let projections = self.model.project(&online, views);
                let [first, second] = halves(&projections);
                let [first_prediction, second_prediction] = halves(&predict(&projections));
                let loss = distance(&first_prediction, &second) + distance(&second_prediction, &first);
                StepOutput { loss, projections: first.detach() }
            }
            TargetBranch::LabOnline => {
                let projections = self.model.project(&online, views);
                let [first, second] = halves(&projections);
                let [first_prediction, second_prediction] = halves(&predict(&projections));
                let loss =
                    distance(&first_prediction, &second.detach()) + distance(&second_prediction.detach(), &first);
                StepOutput { loss, projections: first.detach() }
            }
        }
    }

    /// Algorithm 1, lines 7 to 9, for one of `parts` equal parts of a batch: loss and gradient of the online network.
    pub fn accumulate(&mut self, views: &Tensor, parts: usize) -> StepOutput {
        let output = self.loss(views);
        let gradient = self.gradient(&output.loss);
        self.gradient = Some(match self.gradient.take() {
            _ if parts == 1 => gradient,
            None => gradient / parts as f64,
            Some(mut sum) => {
                let share = Tensor::full([] as [i64; 0], 1.0 / parts as f64, (sum.kind(), sum.device()));
                tch::no_grad(|| sum.addcmul_(&gradient, &share))
            }
        });
        self.phases.lap(Phase::Backward);
        StepOutput { loss: output.loss.detach(), ..output }
    }

    /// Algorithm 1, lines 10 and 11: one optimiser step along the accumulated gradient, and the target's moving average.
    pub fn update(&mut self, learning_rate: f64, tau: f64) {
        self.phases.begin();
        if let Some(gradient) = self.gradient.take() {
            self.optimizer.step(self.online.flat_mut(), gradient, learning_rate);
        }
        self.phases.lap(Phase::Optimizer);
        update_target(&mut self.target, &self.online, tau);
        self.phases.lap(Phase::Average);
        self.refresh();
        self.phases.lap(Phase::Optimizer);
    }

    /// A whole step on one batch of pairs.
    pub fn step(&mut self, views: &Tensor, learning_rate: f64, tau: f64) -> StepOutput {
        let output = self.accumulate(views, 1);
        self.update(learning_rate, tau);
        output
    }

    /// Measures from here on how long the phases of a step take.
    pub fn measure_phases(&self) {
        self.phases.start(self.online.device());
    }

    /// What has been measured since [`Learner::measure_phases`], which ends with it.
    pub fn take_phases(&self) -> Option<PhaseTimes> {
        self.phases.stop()
    }

    /// The gradient of a loss with respect to the online network, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.online_leaves.gradient(loss, self.online.flat().kind())
    }

    /// Representations and projections by the online network in evaluation mode, without gradient.
    ///
    /// # Shapes
    /// `[batch, 3, side, side]` to float32 `[batch, features]` and `[batch, projection]`.
    pub fn embed(&self, images: &Tensor) -> [Tensor; 2] {
        let pass = self.pass(&self.online, &self.online_leaves, Mode::Evaluate, 1);
        tch::no_grad(|| {
            let representations = self.model.represent(&pass, images);
            let projections = self.model.project_representations(&pass, &representations);
            [representations, projections].map(|vectors| vectors.to_kind(tch::Kind::Float))
        })
    }

    /// Whether all weights of the online network are finite.
    pub fn is_finite(&self) -> bool {
        self.online.flat().isfinite().all().int64_value(&[]) != 0
    }

    fn pass<'a>(&self, weights: &'a Weights, leaves: &'a Leaves, mode: Mode, views: usize) -> Pass<'a> {
        Pass { weights, leaves, mode, precision: self.precision, views }
    }

    fn refresh(&mut self) {
        self.online.refresh(&mut self.online_leaves);
        self.target.refresh(&mut self.target_leaves);
    }

    /// Adds networks and optimiser to a checkpoint.
    pub(super) fn store(&self, checkpoint: &mut Checkpoint) {
        checkpoint.insert_part("online", self.online.named());
        checkpoint.insert_part("target", self.target.named());
        checkpoint.insert_part("optimizer", self.optimizer.state());
    }

    /// Takes over networks and optimiser of a checkpoint.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        self.online.load(&checkpoint.part("online"))?;
        self.target.load(&checkpoint.part("target"))?;
        self.optimizer.load(&checkpoint.part("optimizer"))?;
        self.refresh();
        Ok(())
    }
}

/// The networks that an experiment describes.
pub fn networks(experiment: &Experiment) -> Byol {
    Byol::new(ByolConfig {
        encoder: EncoderConfig::of(experiment),
        hidden: experiment.pretrain.projector_hidden as i64,
        projection: experiment.pretrain.projection_size as i64,
        heads: if experiment.faults.contains(&Fault::LabHeads) { Heads::Lab } else { Heads::Paper },
        predictor: experiment.pretrain.predictor,
    })
}
