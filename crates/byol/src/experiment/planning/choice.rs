//! Settings that fit the time: the network, its image size, epochs, label draws and budgets. Each rule stands beside its
//! reason. They look at the number and the size of images and at the machine's speed, and at no label of a test image.

use std::time::Instant;

use super::{Load, PlanError, rates, work};
use crate::config::{ConfigError, Experiment};
use crate::data::{Dataset, Image, LabeledImages};
use crate::device::Hardware;
use crate::plan::{Chosen, Kind, Plan, Rates, Why};
use crate::report::advice::FEW_PASSES;
use crate::run::record::LabelBudget;

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Network, image size and lengths: nobody has named settings to begin with.
    Everything,
    /// Epochs, steps, draws and budgets alone: network and optimiser are those of a preset, a file or given weights.
    Lengths,
}

/// How much time there is, and for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Where the shortest run takes longer, it is chosen all the same. Nothing stands for an hour, or for as long as that takes.
    pub hours: Option<f64>,
    /// Runs with the same settings that share this time, from 1: the same comparison with several seeds.
    pub runs: usize,
    /// Which settings may be chosen.
    pub scope: Scope,
}

/// Hours of a run, or of several that share them, where none are named.
pub const DEFAULT_HOURS: f64 = 1.0;

/// A network with its image size, as pairs.
struct NetworkSize {
    pairs: &'static [&'static str],
    /// Sides of the images that it sees in pixels.
    side: usize,
    /// Passes of pre-training that the time must hold for it to be taken instead of a smaller one.
    worth: u64,
}

impl NetworkSize {
    fn settings(&self) -> Vec<String> {
        self.pairs.iter().map(|&pair| pair.to_owned()).collect()
    }

    /// The network with the reason for it, where images make `most` passes at most.
    fn chosen(&self, most: u64) -> Chosen {
        let why = match self.worth.min(most) {
            0 => Why::FastestNetwork { enough: ENOUGH },
            passes => Why::LargestNetwork { passes },
        };
        Chosen { settings: self.settings(), why }
    }
}

/// The place of `hour`'s network, or of the largest one that is smaller.
fn known(networks: &[&NetworkSize]) -> usize {
    networks.iter().position(|network| network.pairs == HOUR.pairs || network.side < HOUR.side).unwrap_or(0)
}

/// Twice the passes with which gains begin: `hour`'s network learned from 200,000 to 1,000,000 passes
/// (docs/experiments.md), so a smaller network that is trained is better than a larger one that is not.
const ENOUGH: u64 = 2 * FEW_PASSES;

/// From large to small. Half width, with views of 64 px for images of 96, is `hour`, which has been measured; larger ones
/// are taken only where they get several times as many passes. Views of two thirds of the images' size teach more in the
/// same time than views of the whole (docs/experiments.md, 2026-11-30). Images of some 64 px have the next one. The smallest
/// is the demo's.
const NETWORKS: [NetworkSize; 5] = [
    NetworkSize { pairs: &["image_size=96", "pretrain.view_size=64", "width=1.0"], side: 96, worth: 4_000_000 },
    HOUR,
    NetworkSize { pairs: &["image_size=64", "width=0.5"], side: 64, worth: ENOUGH },
    NetworkSize { pairs: &["image_size=64", "width=0.25"], side: 64, worth: ENOUGH },
    SMALLEST,
];
const HOUR: NetworkSize =
    NetworkSize { pairs: &["image_size=96", "pretrain.view_size=64", "width=0.5"], side: 96, worth: ENOUGH };
/// For images of about 32 px, where the larger stem leaves nothing to see.
const SMALL_NETWORKS: [NetworkSize; 3] = [
    NetworkSize { pairs: &["image_size=32", "width=0.5", "stem=small-stride2"], side: 32, worth: ENOUGH },
    NetworkSize { pairs: &["image_size=32", "width=0.25", "stem=small-stride2"], side: 32, worth: ENOUGH },
    SMALLEST,
];
const SMALLEST: NetworkSize = NetworkSize {
    pairs: &["image_size=32", "width=0.25", "stem=small-stride2", "encoder=resnet10"],
    side: 32,
    worth: 0,
};
/// Images with a shorter side below this are small.
const SMALL_IMAGES: usize = 48;
/// Images of each pool whose sides are looked at.
const SIZED: usize = 31;

/// Lengths of trainings with labels, and how many draws of labels: (draws, steps at least, epochs at least). 2,400 steps
/// and 30 epochs helped baseline and fine-tuning alike over 800 (docs/results.md); intervals need draws, so a draw is
/// given up before the last steps are.
const LENGTHS: [(usize, usize, usize); 7] =
    [(3, 2400, 30), (3, 1200, 20), (3, 600, 10), (2, 600, 10), (2, 300, 5), (1, 300, 5), (1, 150, 3)];
/// Images per step with labels.
const BATCH: usize = 64;
/// Share of the time that trainings with labels may take, so that pre-training has the largest part; and where even the
/// shortest does not fit into that, with fewer label budgets.
const LABELS_SHARE: f64 = 0.35;
const LABELS_SHARE_AT_MOST: f64 = 0.5;
/// Share of the time that is not given away: machines have other things to do.
const RESERVE: f64 = 0.06;
/// What is said to be enough is more than what is, by as much as two measurements of one thing may differ.
const MARGIN: f64 = 1.1;
/// The paper's longest training. What a thousand epochs have not taught, further ones of the same images hardly will.
const MOST_EPOCHS: usize = 1000;
/// Below this many passes, tau begins at 0.97, the authors' value for their shortest training: a slow target costs time.
const SHORT: u64 = 2 * FEW_PASSES;
const SHORT_TAU: f64 = 0.97;
/// Looks at the representation, and checkpoints, over the whole of pre-training, and the share of its time that looks may
/// take: where images are few beside those that are looked at, there are fewer looks.
const LOOKS: usize = 12;
const LOOKS_SHARE: f64 = 0.1;
/// Optimiser steps of warm-up at least, but no more than a tenth of the epochs.
const WARM_UP_STEPS: f64 = 100.0;

/// Resolves an experiment from chosen pairs, which whatever somebody typed comes after.
pub type Resolve<'a> = dyn Fn(&[String]) -> Result<Experiment, ConfigError> + 'a;

/// Chooses settings for the time and the data on this machine, after measuring a few steps of the networks in question.
/// The experiment is what `resolve` makes of the plan's [`settings`](Plan::settings). Nothing where the data has no
/// labelled training or test images: such a run cannot begin.
///
/// # Errors
/// A label budget that was typed is larger than a class, or an image cannot be read.
pub fn choose(wish: Wish, resolve: &Resolve, data: &Dataset, hardware: &Hardware) -> Result<Option<Plan>, PlanError> {
    let Some(labeled) = data.train.as_ref().filter(|_| data.test.is_some()) else { return Ok(None) };
    // A budget that is too large is told before anything is measured.
    super::super::plan::plan(&resolve(&[])?, data, labeled)?;
    let (begun, load) = (Instant::now(), Load::begin());
    let chooser = Chooser { resolve, data, labeled, hardware };
    let hours = share(wish.hours.unwrap_or(DEFAULT_HOURS), wish.runs);
    let time = |hours| Time { hours, measuring: begun.elapsed().as_secs_f64(), others: load.others() };
    let (candidate, groups) = match wish.scope {
        Scope::Lengths => {
            let candidate = chooser.measured(Vec::new())?;
            let groups = chooser.lengths(&candidate, time(hours));
            (candidate, groups)
        }
        Scope::Everything => {
            let (networks, most) = chooser.networks()?;
            let mut at = chooser.network(&networks, most, hours * 3600.0)?;
            loop {
                let candidate = chooser.measured(vec![networks[at].chosen(most)])?;
                let groups = chooser.lengths(&candidate, time(hours));
                // A smaller network needs less: what is refused is too little for the smallest.
                match groups {
                    Err(PlanError::TooLittleTime { .. }) if at + 1 < networks.len() => at += 1,
                    groups => break (candidate, groups),
                }
            }
        }
    };
    let (hours, groups) = match groups {
        // Speed is measured, so what is enough differs from call to call. The shortest run is what is wanted; how long it takes
        // stands in the plan, and a warning says that it is longer.
        Err(PlanError::TooLittleTime { needed, .. }) => {
            let mut groups = chooser.lengths(&candidate, time(needed))?;
            // Their share is of the time that is enough, and not of the one that was asked for.
            let of_share =
                |chosen: &&mut Chosen| matches!(chosen.why, Why::ShareOfTrainings { .. }) && wish.hours.is_some();
            groups.iter_mut().filter(of_share).for_each(|chosen| chosen.why = Why::ShortestTrainings);
            (wish.hours.map_or(needed, |hours| share(hours, wish.runs)), groups)
        }
        groups => (hours, groups?),
    };
    let chosen = chooser.that_matter(groups)?;
    let pairs: Vec<String> = chosen.iter().flat_map(|chosen| chosen.settings.iter().cloned()).collect();
    let plan = work::planned(&resolve(&pairs)?, data, candidate.rates)?;
    Ok(Some(Plan { hours: Some(hours), chosen, others: load.others(), ..plan }))
}

/// What each of so many runs gets of a time, in hours: a number that can be read, and never more than its share.
pub fn share(hours: f64, runs: usize) -> f64 {
    let share = hours / runs.max(1) as f64;
    let readable = (1000.0 * share).floor() / 1000.0;
    if runs > 1 && readable > 0.0 { readable } else { share }
}

/// The time of a run.
#[derive(Clone, Copy)]
struct Time {
    hours: f64,
    /// Seconds of it that measuring has taken.
    measuring: f64,
    /// The share of the processor that other programs took meanwhile, where it was worth a word.
    others: Option<f64>,
}

impl Time {
    /// Seconds that can be given away.
    fn usable(self) -> f64 {
        (self.hours * 3600.0 - self.measuring).max(0.0) * (1.0 - RESERVE)
    }

    /// The error that says how much would be enough: what can be typed, when everything is measured anew.
    fn too_little(self, usable: f64) -> PlanError {
        let seconds = MARGIN * (usable / (1.0 - RESERVE) + self.measuring);
        PlanError::TooLittleTime { hours: self.hours, needed: (seconds / 36.0).ceil() / 100.0, others: self.others }
    }
}

/// A network, what it is made of, and its speed here.
struct Candidate {
    chosen: Vec<Chosen>,
    rates: Rates,
}

/// The trainings with labels, and the seconds of everything but pre-training.
struct Labelled {
    chosen: Chosen,
    seconds: f64,
}

struct Chooser<'a> {
    resolve: &'a Resolve<'a>,
    data: &'a Dataset,
    labeled: &'a LabeledImages,
    hardware: &'a Hardware,
}

impl Chooser<'_> {
    fn measured(&self, chosen: Vec<Chosen>) -> Result<Candidate, PlanError> {
        let experiment = (self.resolve)(&pairs(&chosen))?;
        let rates = rates::all(&experiment, self.data, self.labeled, self.hardware)?;
        Ok(Candidate { chosen, rates })
    }

    /// The networks for images of this size, from large to small, and the passes that the longest training makes of them.
    fn networks(&self) -> Result<(Vec<&'static NetworkSize>, u64), PlanError> {
        let side = self.shorter_side()?;
        let networks: &[NetworkSize] = if side < SMALL_IMAGES { &SMALL_NETWORKS } else { &NETWORKS };
        // Images are hardly enlarged.
        let fitting: Vec<&NetworkSize> =
            networks.iter().filter(|network| 3 * network.side <= 4 * side.max(32)).collect();
        let experiment = (self.resolve)(&fitting[known(&fitting)].settings())?;
        Ok((fitting, (work::per_epoch(&experiment, self.data) * MOST_EPOCHS) as u64))
    }

    /// The place of the largest network that gets the passes that make it worth while; beginning with `hour`'s, so that as
    /// few as possible are measured. Fewer images than a thousand epochs make enough passes of are no reason for a smaller
    /// network.
    fn network(&self, networks: &[&NetworkSize], most: u64, seconds: f64) -> Result<usize, PlanError> {
        let passes = |network: &NetworkSize| -> Result<u64, PlanError> {
            let experiment = (self.resolve)(&network.settings())?;
            let rate = rates::pretraining(&experiment, self.data, self.hardware)?;
            Ok(((rate * seconds * (1.0 - LABELS_SHARE - RESERVE)) as u64).min(most))
        };
        let known = known(networks);
        let mut at = known;
        let mut reached = passes(networks[at])?;
        if reached >= networks[at].worth {
            while at > 0 && most >= networks[at - 1].worth && passes(networks[at - 1])? >= networks[at - 1].worth {
                at -= 1;
            }
        }
        while at >= known && at + 1 < networks.len() && reached < networks[at].worth.min(most) {
            at += 1;
            reached = passes(networks[at])?;
        }
        Ok(at)
    }

    /// The shorter side of images in the middle of the order, in pixels.
    fn shorter_side(&self) -> Result<usize, PlanError> {
        let mut image = Image::default();
        let mut sides = Vec::new();
        for pool in self.data.pretraining_pool() {
            let (of, count) = (pool.images.len(), pool.images.len().min(SIZED));
            for place in 0..count {
                pool.images.read(place * of / count, &mut image)?;
                sides.push(image.width.min(image.height));
            }
        }
        sides.sort_unstable();
        Ok(sides.get(sides.len() / 2).copied().unwrap_or(0))
    }

    /// Settles draws, steps, label budgets and epochs for the time.
    fn lengths(&self, candidate: &Candidate, time: Time) -> Result<Vec<Chosen>, PlanError> {
        let usable = time.usable();
        let mut groups = candidate.chosen.clone();
        let probe = format!("pretrain.epochs={MOST_EPOCHS}");
        let experiment = (self.resolve)(&[pairs(&groups), vec![probe]].concat())?;
        let per_epoch = work::per_epoch(&experiment, self.data);
        let share = experiment.view_sides().share_of_pixels(experiment.pretrain.epochs);
        let epoch = share * per_epoch as f64 / candidate.rates.pretrain;
        let look = work::look_seconds(&experiment, self.data, &candidate.rates)?;
        // Somebody has typed another number, which stays.
        let typed = experiment.pretrain.epochs != MOST_EPOCHS;
        // The other part is for trainings with labels, which grow with the time.
        let least = if typed { 0.0 } else { (look + epoch) / (1.0 - LABELS_SHARE_AT_MOST) };
        let Labelled { chosen, seconds: others } = self.with_labels(candidate, time, least)?;
        groups.push(chosen);
        let time_left = usable - others;
        let looks = (LOOKS_SHARE * time_left / look.max(1e-9)).clamp(1.0, LOOKS as f64).floor();
        let epochs = ((time_left - looks * look) / epoch.max(1e-9)).floor();
        if epochs < 1.0 && !typed {
            return Err(time.too_little(least));
        }
        let epochs = if typed { experiment.pretrain.epochs } else { (epochs as usize).min(MOST_EPOCHS) };
        let length = Length { epochs, per_epoch, looks: looks as usize };
        groups.extend(pretraining(&experiment, &(self.resolve)(&[])?, length));
        Ok(groups)
    }

    /// The longest trainings with labels that leave pre-training the largest part. Where there are none, the error names what
    /// they take, and `least` seconds at least.
    fn with_labels(&self, candidate: &Candidate, time: Time, least: f64) -> Result<Labelled, PlanError> {
        let network = pairs(&candidate.chosen);
        let budgets = (self.resolve)(&network)?.labels_per_class;
        let fewer: Vec<LabelBudget> = match &budgets[..] {
            [first, .., last] if budgets.len() > 2 => vec![*first, *last],
            _ => budgets.clone(),
        };
        let last = budgets.last().copied().into_iter().collect();
        let mut shortest = f64::INFINITY;
        let all = (None, LABELS_SHARE);
        for (budgets, share) in [all, (Some(fewer), LABELS_SHARE_AT_MOST), (Some(last), LABELS_SHARE_AT_MOST)] {
            for (draws, steps, epochs) in LENGTHS {
                let mut settings = lengths_with_labels(draws, steps, epochs);
                settings.extend(budgets.as_ref().map(|budgets| budgets_pair(budgets)));
                let experiment = (self.resolve)(&[&network[..], &settings].concat())?;
                let steps = work::steps(&experiment, self.data, &candidate.rates)?;
                let others = steps.iter().filter(|step| step.task.kind != Kind::Pretrain);
                let seconds: f64 = others.map(|step| step.planned_seconds).sum();
                if seconds <= time.usable() * share {
                    let why = Why::ShareOfTrainings { percent: (100.0 * share).round() };
                    return Ok(Labelled { chosen: Chosen { settings, why }, seconds });
                }
                shortest = shortest.min(seconds);
            }
        }
        Err(time.too_little((shortest / LABELS_SHARE_AT_MOST).max(least)))
    }

    /// Leaves out what changes nothing, because it was typed otherwise or the preset has it.
    fn that_matter(&self, groups: Vec<Chosen>) -> Result<Vec<Chosen>, PlanError> {
        let all = pairs(&groups);
        let whole = (self.resolve)(&all)?;
        let matters = |pair: &String| {
            let others: Vec<String> = all.iter().filter(|other| *other != pair).cloned().collect();
            (self.resolve)(&others).ok().as_ref() != Some(&whole)
        };
        let mut chosen = Vec::new();
        for Chosen { mut settings, why } in groups {
            settings.retain(matters);
            if !settings.is_empty() {
                chosen.push(Chosen { settings, why });
            }
        }
        Ok(chosen)
    }
}

fn pairs(chosen: &[Chosen]) -> Vec<String> {
    chosen.iter().flat_map(|chosen| chosen.settings.iter().cloned()).collect()
}

fn lengths_with_labels(draws: usize, steps: usize, epochs: usize) -> Vec<String> {
    let mut settings = vec![format!("draws={draws}")];
    for stage in ["supervised", "finetune"] {
        settings.push(format!("{stage}.minimum_steps={steps}"));
        settings.push(format!("{stage}.epochs={epochs}"));
        settings.push(format!("{stage}.batch_size={BATCH}"));
    }
    settings
}

fn budgets_pair(budgets: &[LabelBudget]) -> String {
    let each = budgets.iter().map(|budget| match budget {
        LabelBudget::PerClass(labels) => labels.to_string(),
        LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => format!("\"{budget}\""),
    });
    format!("labels_per_class=[{}]", each.collect::<Vec<_>>().join(", "))
}

/// How long a pre-training is.
#[derive(Clone, Copy)]
struct Length {
    epochs: usize,
    /// Images of an epoch.
    per_epoch: usize,
    /// Looks at the representation at most.
    looks: usize,
}

/// The length of pre-training, with what goes with it; `basis` is the preset's.
fn pretraining(experiment: &Experiment, basis: &Experiment, length: Length) -> Vec<Chosen> {
    let Length { epochs, per_epoch, looks } = length;
    let settings = &experiment.pretrain;
    let steps_per_epoch = (per_epoch / settings.batch_size).max(1) as f64;
    let share = basis.pretrain.warmup_epochs / basis.pretrain.epochs.max(1) as f64;
    let warm_up = (share * epochs as f64).max((WARM_UP_STEPS / steps_per_epoch).min(0.1 * epochs as f64));
    let warm_up = if basis.pretrain.warmup_epochs == 0.0 { 0.0 } else { (100.0 * warm_up).round() / 100.0 };
    let every = epochs.div_ceil(looks.max(1));
    let mut pairs = vec![
        format!("pretrain.epochs={epochs}"),
        format!("pretrain.warmup_epochs={warm_up:?}"),
        format!("pretrain.checkpoint_every={every}"),
    ];
    if basis.pretrain.monitor_every > 0 {
        pairs.push(format!("pretrain.monitor_every={every}"));
    }
    let passes = (epochs * per_epoch) as u64;
    let why = match epochs {
        MOST_EPOCHS => Why::MostPasses { passes },
        _ => Why::RestOfTheTime { passes },
    };
    let mut chosen = vec![Chosen { settings: pairs, why }];
    if passes < SHORT && basis.preset == crate::config::preset::DEFAULT {
        chosen.push(Chosen { settings: vec![format!("pretrain.tau={SHORT_TAU}")], why: Why::ShortTraining });
    }
    chosen
}

#[cfg(test)]
mod tests;
