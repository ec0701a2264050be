//! What the loss compares, and how: the paper's way, and what ablations and the university lab's faults compute instead of
//! the lines 5 to 7 of Algorithm 1.

use std::ops::Range;

use tch::Tensor;

use super::{Learner, Network, SeenGroup, SeenImages, Sides};
use crate::config::{Experiment, Fault, LossTarget, SeenBy, TrainingView};
use crate::loss;
use crate::model::byol::TargetPass;
use crate::run::record::Method;
use crate::train::phases::Phase;

/// What the loss compares, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// What the predictions are compared with.
    pub branch: TargetBranch,
    /// How they are compared.
    pub distance: Distance,
    /// The views of a batch.
    pub groups: Vec<SeenGroup>,
    /// Parts along each side that the online network sees a view in.
    pub patches: usize,
}

/// Where the vectors come from that the predictions are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetBranch {
    /// Projections by the target network, without gradient (paper, section 3.1).
    Average,
    /// Predictions of them, without gradient: the lab's step 6.
    AveragePrediction,
    /// The online network, with gradient: an ablation.
    OnlineWithGradient,
    /// The online network; in the second term the gradient stops at the prediction: the lab's fault.
    LabOnline,
}

/// Two different views of a batch.
pub(super) struct Pair {
    /// The one whose prediction is compared.
    pub view: usize,
    /// The one that it is compared with.
    pub other: usize,
    /// The number of that one among those of the target branch.
    pub aim: usize,
}

/// What the target branch makes of one view: of the images here, or of those of all ranks where each is told from all.
pub(super) struct Aims {
    /// `[images, projection]`.
    pub rows: Tensor,
    /// Those of the images here.
    pub own: Range<i64>,
}

impl Aims {
    /// Of the images here.
    pub(super) fn here(rows: &Tensor) -> Aims {
        Aims { own: 0..rows.size()[0], rows: rows.shallow_clone() }
    }

    fn detach(&self) -> Aims {
        Aims { rows: self.rows.detach(), own: self.own.clone() }
    }
}

/// How predictions and targets are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// [`loss::regression`]: between directions.
    Normalized,
    /// [`loss::squared_difference`]: the lab's fault.
    Unnormalized,
    /// [`loss::contrastive`], with its temperature: MoCo v3.
    Contrastive(f64),
}

impl Objective {
    /// The paper's, of two views of one side, compared with projections or with predictions.
    pub fn paper(loss_target: LossTarget) -> Objective {
        Objective {
            branch: TargetBranch::of(loss_target),
            distance: Distance::Normalized,
            groups: vec![SeenGroup { views: 2, seen_by: SeenBy::Both }],
            patches: 1,
        }
    }

    /// What an experiment describes.
    pub fn of(experiment: &Experiment) -> Objective {
        let has = |fault| experiment.faults.contains(&fault);
        let branch = match experiment.pretrain.stop_gradient {
            _ if has(Fault::OnlineTarget) => TargetBranch::LabOnline,
            true => TargetBranch::of(experiment.pretrain.loss_target),
            false => TargetBranch::OnlineWithGradient,
        };
        let distance = match experiment.method() {
            _ if has(Fault::Unnormalized) => Distance::Unnormalized,
            Method::Byol => Distance::Normalized,
            Method::MocoV3 => Distance::Contrastive(experiment.pretrain.temperature),
        };
        let views = experiment.training_views();
        let groups = views.chunk_by(TrainingView::goes_with);
        let groups = groups.map(|views| SeenGroup { views: views.len(), seen_by: views[0].seen_by }).collect();
        Objective { branch, distance, groups, patches: experiment.pretrain.patches }
    }

    /// What its target branch computes besides the online network's pass.
    pub fn target_pass(&self) -> TargetPass {
        match self.branch {
            TargetBranch::Average => TargetPass::Projection,
            TargetBranch::AveragePrediction => TargetPass::Prediction,
            TargetBranch::OnlineWithGradient | TargetBranch::LabOnline => TargetPass::None,
        }
    }

    /// How many views a network sees.
    pub(super) fn views(&self, network: Network) -> usize {
        self.groups.iter().filter(|group| network.sees(**group)).map(|group| group.views).sum()
    }

    /// The views that the target branch sees, by their numbers in a batch.
    fn of_target(&self) -> Vec<usize> {
        let seen_by = self.groups.iter().flat_map(|group| std::iter::repeat_n(group.seen_by, group.views));
        seen_by.enumerate().filter(|(_, seen_by)| *seen_by == SeenBy::Both).map(|(view, _)| view).collect()
    }

    /// Every pair of different views of which the target branch sees the second.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let of_target = self.of_target();
        let pairs_of = |view: usize| {
            let others = of_target.iter().enumerate().filter(move |(_, other)| **other != view);
            others.map(move |(aim, &other)| Pair { view, other, aim })
        };
        (0..self.views(Network::Online)).flat_map(pairs_of).collect()
    }

    /// The loss, whose terms of all pairs add up to `sum`: twice their mean.
    pub(super) fn of_sum(&self, sum: Tensor) -> Tensor {
        match self.pairs().len() {
            2 => sum,
            pairs => sum * (2.0 / pairs.max(1) as f64),
        }
    }

    /// How far the prediction of a pair is from its aim.
    pub(super) fn distance(&self, pair: &Pair, predictions: &[Tensor], aims: &[Aims]) -> Tensor {
        let (prediction, aim) = (&predictions[pair.view], &aims[pair.aim]);
        match self.branch {
            TargetBranch::LabOnline if pair.view < pair.other => self.between(prediction, &aim.detach()),
            TargetBranch::LabOnline => self.between(&prediction.detach(), aim),
            _ => self.between(prediction, aim),
        }
    }

    /// How far predictions are from an aim, whichever network made it.
    pub(super) fn between(&self, prediction: &Tensor, aim: &Aims) -> Tensor {
        match self.distance {
            Distance::Normalized => loss::regression(prediction, &repeated(&aim.rows, prediction)),
            Distance::Unnormalized => loss::squared_difference(prediction, &repeated(&aim.rows, prediction)),
            Distance::Contrastive(temperature) => {
                loss::contrastive(prediction, &aim.rows, aim.own.clone(), temperature)
            }
        }
    }
}

/// The target of every row of the predictions: of each pair of patches the same.
fn repeated(aim: &Tensor, predictions: &Tensor) -> Tensor {
    match predictions.size()[0] / aim.size()[0] {
        1 => aim.shallow_clone(),
        pairs => aim.repeat([pairs, 1]),
    }
}

impl TargetBranch {
    fn of(loss_target: LossTarget) -> TargetBranch {
        match loss_target {
            LossTarget::Projection => TargetBranch::Average,
            LossTarget::Prediction => TargetBranch::AveragePrediction,
        }
    }
}

impl Learner {
    /// What the predictions of the images here are compared with, of each view that the target branch sees. A contrastive loss
    /// tells the own target from those of all images of the batch, on whichever rank they are.
    pub(super) fn aims(&self, aims: &[Tensor]) -> Vec<Aims> {
        let of_all = |rows: &Tensor| {
            let (batch, rank) = (rows.size()[0], self.ranks.place().rank as i64);
            Aims { rows: self.ranks.gather_rows(rows), own: rank * batch..(rank + 1) * batch }
        };
        match self.objective.distance {
            Distance::Contrastive(_) => aims.iter().map(of_all).collect(),
            Distance::Normalized | Distance::Unnormalized => aims.iter().map(Aims::here).collect(),
        }
    }

    /// What is compared where the target branch is not the paper's.
    pub(super) fn ablated_sides(&self, views: &[SeenImages]) -> Sides {
        if self.objective.branch == TargetBranch::AveragePrediction {
            let aims = tch::no_grad(|| self.predict(&self.project(Network::Target, views), Network::Target));
            self.phases.lap(Phase::TargetForward);
            let predictions = self.predict(&self.project(Network::Online, views), Network::Online);
            return Sides {
                aims: self.views_of(Network::Target, &aims),
                predictions: self.views_of(Network::Online, &predictions),
            };
        }
        let projections = self.project(Network::Online, views);
        let of_target = self.objective.of_target();
        let aims = self.views_of(Network::Online, &projections).into_iter().enumerate();
        let aims = aims.filter(|(view, _)| of_target.contains(view)).map(|(_, aim)| aim).collect();
        let predictions = self.predict(&projections, Network::Online);
        Sides { aims, predictions: self.views_of(Network::Online, &predictions) }
    }
}
