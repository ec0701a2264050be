//! Views that pass both networks apart, each on threads of its own.
//!
//! Batch norm sees one view at a time, so that until the loss a view needs nothing of the others; of them the loss needs what
//! the target network makes of them, no gradient. In one pass of all views, every operation ends when the slowest of libtorch's
//! threads has done its part, some hundred times in a step. Here a view is the work of a *lane*: a thread with its share of the
//! cores as libtorch's threads, which meets the others once, for the loss.
//!
//! The numbers are those of one pass up to rounding: predictions, losses and statistics of a view are computed as if the view
//! were alone; the running statistics move view by view, and gradients are added, always in the same order. Which lane has
//! which view does not depend on the clock, so that a step gives the same bytes every time, on the same number of threads.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tch::{Kind, Tensor};

use super::ablated::{Aims, Pair};
use super::{Learner, Network, Objective, StepOutput, project_parts};
use crate::config::SeenBy;
use crate::device::Precision;
use crate::model::convolution::winograd::{Together, transform_with};
use crate::model::layers::Pass;
use crate::model::parameters::Apart;
use crate::model::{Byol, Mode, SharedImages};
use crate::ranks::Ranks;
use crate::train::phases::Phase;

/// Lanes whose threads would be at work for less than this share of the time are not worth it: about what one pass of all
/// views reaches on two cores.
const LEAST_USE: f64 = 0.85;

/// Which views are whose work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Division {
    /// Numbers of views, of each lane in rising order.
    lanes: Vec<Vec<usize>>,
    /// libtorch's threads of each lane.
    threads: usize,
}

/// What each view costs, in the pixels that a forward pass sees: the gradient is two passes more.
pub(super) fn costs(objective: &Objective, views: &[Tensor]) -> Vec<u64> {
    let groups = objective.groups.iter().zip(views);
    let of_group = groups.flat_map(|(group, images)| {
        let passes = if group.seen_by == SeenBy::Both { 4 } else { 3 };
        let pixels = images.size()[2..].iter().product::<i64>() as u64;
        std::iter::repeat_n(passes * pixels, group.views)
    });
    of_group.collect()
}

impl Division {
    /// The most lanes that divide the threads and are all at work nearly all of the time; none where that is one.
    pub(super) fn of(costs: &[u64], threads: usize) -> Option<Division> {
        let numbers = (2..=threads.min(costs.len())).rev().filter(|lanes| threads.is_multiple_of(*lanes));
        let mut divisions = numbers.map(|lanes| Division { lanes: distribute(costs, lanes), threads: threads / lanes });
        divisions.find(|division| {
            let longest = division.lanes.iter().map(|views| views.iter().map(|&view| costs[view]).sum::<u64>()).max();
            let whole: u64 = costs.iter().sum();
            whole as f64 >= LEAST_USE * (longest.unwrap_or(0) * division.lanes.len() as u64) as f64
        })
    }
}

/// Views from the dearest to the cheapest, each to the lane with the least to do so far (Graham 1969).
fn distribute(costs: &[u64], lanes: usize) -> Vec<Vec<usize>> {
    let mut divided = vec![(0, Vec::new()); lanes];
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&view| std::cmp::Reverse(costs[view]));
    for view in order {
        if let Some((load, views)) = divided.iter_mut().min_by_key(|(load, _)| *load) {
            *load += costs[view];
            views.push(view);
        }
    }
    divided.iter_mut().for_each(|(_, views)| views.sort_unstable());
    divided.into_iter().map(|(_, views)| views).collect()
}

/// Threads that pass views, and wait between steps.
pub(super) struct Lanes {
    division: Division,
    lanes: Vec<Lane>,
    filters: Arc<Together>,
}

/// The learner's ends of a lane.
struct Lane {
    images: Sender<Vec<Tensor>>,
    /// What its own views are compared with.
    own_aims: Receiver<Vec<Aim>>,
    /// What all views are.
    aims: Sender<Vec<Tensor>>,
    done: Receiver<Done>,
    thread: JoinHandle<()>,
}

/// The lane's ends.
struct Ends {
    images: Receiver<Vec<Tensor>>,
    own_aims: Sender<Vec<Aim>>,
    aims: Receiver<Vec<Tensor>>,
    done: Sender<Done>,
}

/// A view's number, and its projections by the target network.
type Aim = (usize, Tensor);

/// What a lane gives.
struct Done {
    views: Vec<ViewDone>,
    /// Of the terms of its views, `[parameters]`.
    gradient: Tensor,
    /// Of the target's and the online network's forward passes.
    seconds: [f64; 2],
}

struct ViewDone {
    number: usize,
    /// Scalars, one for each pair whose prediction is this view's.
    terms: Vec<Tensor>,
    statistics: (Tensor, Option<Tensor>),
}

/// What all lanes give.
pub(super) struct Passed {
    pub output: StepOutput,
    /// Of the online network, `[parameters]`.
    pub gradient: Tensor,
    /// Of each view, in order: its shares in the running statistics of the online network, and of the target network where that
    /// sees it.
    pub statistics: Vec<(Tensor, Option<Tensor>)>,
    /// Means over the lanes; waiting for the others counts where it happens.
    pub seconds: [(Phase, f64); 2],
}

impl Lanes {
    /// Lanes for a learner whose leaves are as new as its weights, and will be in every pass.
    pub(super) fn start(learner: &Learner, division: Division) -> Lanes {
        let seen_by = learner.objective.groups.iter().flat_map(|group| std::iter::repeat_n(group.seen_by, group.views));
        let seen_by: Vec<SeenBy> = seen_by.collect();
        let whole = tch::get_num_threads().max(1) as usize;
        let (ready, all_ready) = channel();
        let filters = Arc::new(Together::new(division.lanes.len()));
        let start = |views: &Vec<usize>| {
            let view = |&number: &usize| {
                let target = || Apart::of(&learner.target, &learner.target_leaves);
                View {
                    number,
                    pairs: learner.objective.pairs().into_iter().filter(|pair| pair.view == number).collect(),
                    online: Apart::of(&learner.online, &learner.online_leaves),
                    target: (seen_by[number] == SeenBy::Both).then(target),
                }
            };
            let work = Work {
                model: learner.model.clone(),
                objective: learner.objective.clone(),
                precision: learner.precision,
                kind: learner.online.flat().kind(),
                views: views.iter().map(view).collect(),
            };
            let ((images, to_images), (own_aims, from_own_aims)) = (channel(), channel());
            let ((aims, to_aims), (done, from_done)) = (channel(), channel());
            let ends = Ends { images: to_images, own_aims, aims: to_aims, done };
            let (ready, threads, filters) = (ready.clone(), division.threads, Arc::clone(&filters));
            let thread = std::thread::spawn(move || {
                byol_torch::set_own_threads(threads);
                transform_with(filters);
                // Nobody waits any more where starting has failed.
                let _ = ready.send(());
                work.run(&ends);
            });
            Lane { images, own_aims: from_own_aims, aims, done: from_done, thread }
        };
        let lanes: Vec<Lane> = division.lanes.iter().map(start).collect();
        drop(ready);
        lanes.iter().for_each(|_| {
            let _ = all_ready.recv();
        });
        // Threads that begin later are to have what this one has.
        byol_torch::set_own_threads(whole);
        Lanes { division, lanes, filters }
    }

    pub(super) fn serves(&self, division: &Division) -> bool {
        self.division == *division
    }

    /// Loss, gradient and statistics of a batch.
    ///
    /// # Shapes
    /// As [`Learner::loss`].
    ///
    /// # Panics
    /// As a lane did.
    pub(super) fn pass(&mut self, objective: &Objective, views: &[Tensor]) -> Passed {
        let passed = self.passed(objective, views);
        passed.unwrap_or_else(|| {
            let payloads = std::mem::take(&mut self.lanes).into_iter().map(Lane::end);
            match payloads.collect::<Vec<_>>().into_iter().find_map(Result::err) {
                Some(payload) => resume_unwind(payload),
                None => unreachable!("a lane ends when its learner does, or by a panic"),
            }
        })
    }

    /// Nothing where a lane has panicked.
    fn passed(&self, objective: &Objective, views: &[Tensor]) -> Option<Passed> {
        // Weights have changed.
        self.filters.clear();
        // Those of the last optimiser step would keep a core from a lane: measured, 12 of 210 ms of both cores in a step of the
        // demo's network.
        byol_torch::dismiss_own_threads();
        let groups = objective.groups.iter().zip(views);
        let images: Vec<Tensor> = groups.flat_map(|(group, images)| images.chunk(group.views as i64, 0)).collect();
        for (lane, numbers) in self.lanes.iter().zip(&self.division.lanes) {
            lane.images.send(numbers.iter().map(|&number| images[number].shallow_clone()).collect()).ok()?;
        }
        let aims: Option<Vec<Vec<Aim>>> = self.lanes.iter().map(|lane| lane.own_aims.recv().ok()).collect();
        let aims = in_order(aims?.into_iter().flatten());
        for lane in &self.lanes {
            lane.aims.send(aims.iter().map(Tensor::shallow_clone).collect()).ok()?;
        }
        let done: Option<Vec<Done>> = self.lanes.iter().map(|lane| lane.done.recv().ok()).collect();
        let mut done = done?;

        let views = done.iter_mut().flat_map(|done| std::mem::take(&mut done.views));
        let views = in_order(views.map(|view| (view.number, view)));
        let sum = views.iter().flat_map(|view| &view.terms).map(Tensor::shallow_clone).reduce(|sum, term| sum + term);
        let loss = objective.of_sum(sum.unwrap_or_else(|| Tensor::from(0f32)));
        let seconds = [0, 1].map(|phase| done.iter().map(|done| done.seconds[phase]).sum::<f64>() / done.len() as f64);
        let gradients = done.into_iter().map(|done| done.gradient);
        Some(Passed {
            output: StepOutput { loss, projections: aims[0].shallow_clone() },
            gradient: gradients.reduce(|mut sum, gradient| sum.g_add_(&gradient))?,
            statistics: views.into_iter().map(|view| view.statistics).collect(),
            seconds: [(Phase::TargetForward, seconds[0]), (Phase::OnlineForward, seconds[1])],
        })
    }
}

/// By the number before each.
fn in_order<T>(numbered: impl Iterator<Item = (usize, T)>) -> Vec<T> {
    let mut numbered: Vec<(usize, T)> = numbered.collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, item)| item).collect()
}

impl Lane {
    /// Lets the thread end, and waits for it.
    fn end(self) -> std::thread::Result<()> {
        let Lane { images, own_aims, aims, done, thread } = self;
        drop((images, own_aims, aims, done));
        thread.join()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // A lane that panicked has said so already.
        self.lanes.drain(..).for_each(|lane| drop(lane.end()));
    }
}

/// What a lane works with: everything is its own but the memory of parameters, which nobody changes while it works.
struct Work {
    model: Byol,
    objective: Objective,
    precision: Precision,
    /// The type of the gradient.
    kind: Kind,
    views: Vec<View>,
}

struct View {
    number: usize,
    pairs: Vec<Pair>,
    online: Apart,
    target: Option<Apart>,
}

impl Work {
    /// Goes on until the learner's ends are gone.
    fn run(mut self, ends: &Ends) {
        while let Ok(images) = ends.images.recv() {
            let Some(done) = self.pass(&images, ends) else { return };
            drop(images);
            if ends.done.send(done).is_err() {
                return;
            }
        }
    }

    /// Algorithm 1, lines 5 to 9, for the images of each of its views, `[batch, 3, side, side]`; nothing where the learner's ends
    /// are gone.
    fn pass(&mut self, images: &[Tensor], ends: &Ends) -> Option<Done> {
        let Work { model, objective, precision, kind, views } = self;
        let mut clock = Laps::begin();
        let images: Vec<SharedImages> = images.iter().map(SharedImages::new).collect();

        let seen =
            views.iter().zip(&images).filter_map(|(view, images)| Some((view.number, view.target.as_ref()?, images)));
        let project = |(number, target, images): (usize, &Apart, &SharedImages)| {
            (number, tch::no_grad(|| model.project(&pass(target, *precision), images)))
        };
        ends.own_aims.send(seen.map(project).collect()).ok()?;
        clock.lap(Network::Target);

        let (mut aims, mut sum, mut done): (Option<Vec<Tensor>>, Option<Tensor>, _) = (None, None, Vec::new());
        for (view, images) in views.iter_mut().zip(&images) {
            let online = pass(&view.online, *precision);
            let predictions = model.predict(&online, &project_parts(model, &online, images, objective.patches));
            // Not before: the others are done with line 6 by now.
            let aims = match &mut aims {
                Some(aims) => aims,
                none => none.insert(ends.aims.recv().ok()?),
            };
            let terms = view.pairs.iter().map(|pair| objective.between(&predictions, &Aims::here(&aims[pair.aim])));
            let terms: Vec<Tensor> = terms.collect();
            let of_view = terms.iter().map(Tensor::shallow_clone).reduce(|sum, term| sum + term)?;
            let loss = objective.of_sum(of_view);
            clock.lap(Network::Online);

            let gradient = view.online.leaves.gradient(&loss, *kind);
            sum = Some(match sum {
                Some(mut sum) => sum.g_add_(&gradient),
                None => gradient,
            });
            clock.skip();
            done.push(ViewDone {
                number: view.number,
                terms: terms.iter().map(Tensor::detach).collect(),
                statistics: (view.online.take_statistics(), view.target.as_mut().map(Apart::take_statistics)),
            });
        }
        Some(Done { views: done, gradient: sum?, seconds: clock.seconds })
    }
}

/// A pass of one view in training.
fn pass(network: &Apart, precision: Precision) -> Pass<'_> {
    Pass {
        weights: &network.weights,
        leaves: &network.leaves,
        mode: Mode::Train,
        precision,
        views: 1,
        ranks: Ranks::alone(),
    }
}

/// How long a lane's forward passes take.
struct Laps {
    began: Instant,
    /// Of the target's, and the online network's.
    seconds: [f64; 2],
}

impl Laps {
    fn begin() -> Laps {
        Laps { began: Instant::now(), seconds: [0.0; 2] }
    }

    fn lap(&mut self, network: Network) {
        let place = match network {
            Network::Target => 0,
            Network::Online => 1,
        };
        self.seconds[place] += self.began.elapsed().as_secs_f64();
        self.began = Instant::now();
    }

    fn skip(&mut self) {
        self.began = Instant::now();
    }
}

#[cfg(test)]
mod tests;
