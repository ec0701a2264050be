//! The learner of BYOL: both networks, their optimiser, and one step of the paper's Algorithm 1, whose lines the comments
//! name. What ablations and the lab's faults compute instead is in `ablated`; where the images come from, and what is
//! recorded, in [`pretrain`](super::pretrain). Of several ranks each computes this for its share of a batch; batch norm, the
//! negatives of a contrastive loss and the gradient are those of all.

mod ablated;
mod lanes;

pub use ablated::{Distance, Objective, TargetBranch};

use lanes::{Division, Lanes};
use tch::{Device, Tensor};

use super::patches;
use super::phases::{Phase, PhaseClock, PhaseTimes};
use crate::config::{Experiment, Fault, SeenBy};
use crate::device::Hardware;
use crate::device::Precision;
use crate::model::EncoderConfig;
use crate::model::byol::{ByolConfig, Heads, is_of_predictor, update_target};
use crate::model::layers::Pass;
use crate::model::{Byol, Leaves, Mode, SharedImages, Weights};
use crate::optim::Optimizer;
use crate::optim::factors::RateFactors;
use crate::ranks::Ranks;

/// Both networks, their optimiser, and one step of training.
pub struct Learner {
    /// The structure of both networks.
    pub model: Byol,
    /// The online network's numbers.
    pub online: Weights,
    /// The target network's numbers.
    pub target: Weights,
    /// What moves the online network.
    pub optimizer: Optimizer,
    /// Factors on the learning rate.
    pub factors: RateFactors,
    online_leaves: Leaves,
    target_leaves: Leaves,
    precision: Precision,
    objective: Objective,
    /// The gradient that the parts of the batch have given so far.
    gradient: Option<Tensor>,
    /// What passes the views apart, once they have been.
    lanes: Option<Lanes>,
    /// Who else has a share of each batch.
    ranks: Ranks,
    phases: PhaseClock,
}

/// What a batch gives.
#[non_exhaustive]
pub struct StepOutput {
    /// The loss, a scalar: twice the mean over all pairs of views, so that of two views it is the paper's sum of both
    /// directions; 0 to 8 where vectors are normalised.
    pub loss: Tensor,
    /// The projections of the first view by the target branch, `[batch, projection]`.
    pub projections: Tensor,
}

/// Views in a batch that stand in one tensor: of one side, and seen by the same networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenGroup {
    /// How many views stand in the tensor.
    pub views: usize,
    /// The networks that see them.
    pub seen_by: SeenBy,
}

/// A group of views with its images, `[views * batch, 3, side, side]`.
struct SeenImages<'a> {
    group: SeenGroup,
    images: SharedImages<'a>,
}

/// What is compared, a tensor `[batch, projection]` for each view.
struct Sides {
    /// By the online network, of every view; `[pairs * batch, projection]` of one that it sees in patches.
    predictions: Vec<Tensor>,
    /// By the target branch, of the views that it sees.
    aims: Vec<Tensor>,
}

#[derive(Clone, Copy)]
enum Network {
    Online,
    Target,
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
        let of_predictor = settings.predictor_learning_rate;
        let factors = RateFactors::new(&online, |parameter| match is_of_predictor(&parameter.name) {
            true => of_predictor,
            false => 1.0,
        });
        let learner = Learner::assemble(model, [online, target], optimizer, Objective::of(experiment), precision);
        Learner { factors, ..learner }
    }

    /// A learner of given parts: online and target weights, with one learning rate for all.
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
            factors: RateFactors::default(),
            online_leaves,
            target_leaves,
            precision,
            objective,
            gradient: None,
            lanes: None,
            ranks: Ranks::default(),
            phases: PhaseClock::default(),
        }
    }

    /// The same learner as one of several ranks, all of which have the same weights.
    pub fn among(self, ranks: &Ranks) -> Learner {
        Learner { ranks: ranks.clone(), ..self }
    }

    /// A whole step on one batch: Algorithm 1, lines 5 to 11.
    ///
    /// # Shapes
    /// As [`Learner::loss`].
    pub fn step(&mut self, views: &[Tensor], learning_rate: f64, tau: f64) -> StepOutput {
        let output = self.accumulate(views, 1);
        self.update(learning_rate, tau);
        output
    }

    /// Lines 5 to 9 for one of `parts` equal parts of a batch: loss and gradient of the online network.
    pub fn accumulate(&mut self, views: &[Tensor], parts: usize) -> StepOutput {
        let (output, gradient) = match self.division(views) {
            Some(division) => self.apart(views, division),
            None => self.together(views),
        };
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

    /// Lines 5 to 9 of all views in one pass of each network, whose operations occupy all of libtorch's threads.
    fn together(&self, views: &[Tensor]) -> (StepOutput, Tensor) {
        let output = self.loss(views);
        let gradient = self.gradient(&output.loss);
        (output, gradient)
    }

    /// Lines 5 to 9, every view by itself on threads of its own: [`lanes`] says why, and that the numbers are the same.
    fn apart(&mut self, views: &[Tensor], division: Division) -> (StepOutput, Tensor) {
        self.phases.begin();
        self.refresh();
        let kept = self.lanes.take().filter(|lanes| lanes.serves(&division));
        let mut lanes = kept.unwrap_or_else(|| Lanes::start(self, division));
        let passed = lanes.pass(&self.objective, views);
        for (online, target) in &passed.statistics {
            self.online.move_statistics(online);
            target.iter().for_each(|target| self.target.move_statistics(target));
        }
        self.lanes = Some(lanes);
        self.phases.lap_divided(&passed.seconds, Phase::Backward);
        (passed.output, passed.gradient)
    }

    /// How the views divide libtorch's threads among them; not where one pass of all is as good, or what is compared needs it. Of
    /// several ranks all views pass together: the collective functions of two lanes would meet each other's.
    fn division(&self, views: &[Tensor]) -> Option<Division> {
        let fits = self.online.device() == Device::Cpu && self.objective.branch == TargetBranch::Average;
        let fits = fits && self.ranks.is_alone();
        let threads = tch::get_num_threads().max(1) as usize;
        fits.then(|| Division::of(&lanes::costs(&self.objective, views), threads)).flatten()
    }

    /// Lines 5 to 7: the loss of a batch, with the graph for its gradient.
    ///
    /// The views of a group go through a network together, but through its batch norms one at a time.
    ///
    /// # Shapes
    /// A tensor `[views * batch, 3, side, side]` for each group of views of the objective: the first view of every image,
    /// then the second, in the same order.
    pub fn loss(&self, views: &[Tensor]) -> StepOutput {
        self.phases.begin();
        let groups = self.objective.groups.iter().zip(views);
        let views: Vec<SeenImages> =
            groups.map(|(&group, images)| SeenImages { group, images: SharedImages::new(images) }).collect();
        let sides = match self.objective.branch {
            TargetBranch::Average => self.sides(&views),
            _ => self.ablated_sides(&views),
        };
        let output = self.compare(sides);
        self.phases.lap(Phase::OnlineForward);
        output
    }

    /// Lines 5 and 6, and the predictions of line 7.
    fn sides(&self, views: &[SeenImages]) -> Sides {
        // Line 6 stands first: what it needs in memory is free again before line 5 keeps its activations for the gradient.
        let aims = tch::no_grad(|| self.project(Network::Target, views));
        self.phases.lap(Phase::TargetForward);
        let projections = self.project(Network::Online, views);
        let predictions = self.predict(&projections, Network::Online);
        Sides { predictions: self.views_of(Network::Online, &predictions), aims: self.views_of(Network::Target, &aims) }
    }

    /// Line 7, symmetrised: the prediction of every view beside what the target branch makes of every other one.
    fn compare(&self, sides: Sides) -> StepOutput {
        let (pairs, aims) = (self.objective.pairs(), self.aims(&sides.aims));
        let mut terms = pairs.iter().map(|pair| self.objective.distance(pair, &sides.predictions, &aims));
        let first = terms.next().unwrap_or_else(|| Tensor::from(0f32));
        let loss = self.objective.of_sum(terms.fold(first, |sum, term| sum + term));
        StepOutput { loss, projections: sides.aims[0].detach() }
    }

    /// Line 9: the gradient of a loss with respect to the online network, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.online_leaves.gradient(loss, self.online.flat().kind())
    }

    /// Lines 10 and 11: one optimiser step along the accumulated gradient, of all ranks, and the target's moving average.
    pub fn update(&mut self, learning_rate: f64, tau: f64) {
        self.phases.begin();
        if let Some(mut gradient) = self.gradient.take() {
            self.ranks.mean(&mut gradient);
            self.factors.step(&mut self.optimizer, self.online.flat_mut(), gradient, learning_rate);
        }
        self.phases.lap(Phase::Optimizer);
        update_target(&mut self.target, &self.online, tau);
        self.phases.lap(Phase::Average);
        self.refresh();
        self.phases.lap(Phase::Optimizer);
    }

    /// Projections of the views that a network sees, `[views * batch, projection]`; where it sees them in patches, `[views *
    /// pairs * batch, projection]`.
    fn project(&self, network: Network, views: &[SeenImages]) -> Tensor {
        let seen = views.iter().filter(|seen| network.sees(seen.group));
        let project = |seen: &SeenImages| {
            let (pass, parts) = (self.pass(network, Mode::Train, seen.group.views), self.objective.patches);
            match network {
                Network::Online => project_parts(&self.model, &pass, &seen.images, parts),
                Network::Target => self.model.project(&pass, &seen.images),
            }
        };
        let mut projections: Vec<Tensor> = seen.map(project).collect();
        match projections.len() {
            1 => projections.remove(0),
            _ => Tensor::cat(&projections, 0),
        }
    }

    /// The online network's predictions of the projections of the views that `network` sees.
    fn predict(&self, projections: &Tensor, network: Network) -> Tensor {
        let views = self.objective.views(network);
        self.model.predict(&self.pass(Network::Online, Mode::Train, views), projections)
    }

    /// The rows of each view.
    fn views_of(&self, network: Network, rows: &Tensor) -> Vec<Tensor> {
        let views = self.objective.views(network) as i64;
        let batch = rows.size()[0] / views;
        (0..views).map(|view| rows.narrow(0, view * batch, batch)).collect()
    }

    /// Representations and projections by the online network in evaluation mode, without gradient.
    ///
    /// # Shapes
    /// `[batch, 3, side, side]` to float32 `[batch, features]` and `[batch, projection]`.
    pub fn embed(&self, images: &Tensor) -> [Tensor; 2] {
        let pass = self.pass(Network::Online, Mode::Evaluate, 1);
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

    /// Measures from here on how long the phases of a step take.
    pub fn measure_phases(&self) {
        self.phases.start(self.online.device());
    }

    /// What has been measured since [`Learner::measure_phases`], which ends with it.
    pub fn take_phases(&self) -> Option<PhaseTimes> {
        self.phases.stop()
    }

    fn pass(&self, network: Network, mode: Mode, views: usize) -> Pass<'_> {
        let (weights, leaves) = match network {
            Network::Online => (&self.online, &self.online_leaves),
            Network::Target => (&self.target, &self.target_leaves),
        };
        Pass { weights, leaves, mode, precision: self.precision, views, ranks: &self.ranks }
    }

    /// Takes over weights that were changed from outside.
    pub(super) fn refresh(&mut self) {
        self.online.refresh(&mut self.online_leaves);
        self.target.refresh(&mut self.target_leaves);
    }
}

/// Projections of views as the online network sees them: whole where `parts` is 1, else of every pair of `parts` by `parts`
/// patches of each view.
fn project_parts(model: &Byol, pass: &Pass, images: &SharedImages, parts: usize) -> Tensor {
    if parts == 1 {
        return model.project(pass, images);
    }
    let patches = patches::divide(images.whole(), pass.views, parts);
    let pairs = patches::combine(&model.represent(pass, &patches), pass.views, parts);
    model.project_representations(pass, &pairs)
}

impl Network {
    fn sees(self, group: SeenGroup) -> bool {
        matches!((self, group.seen_by), (Network::Online, _) | (Network::Target, SeenBy::Both))
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

#[cfg(test)]
mod tests;
