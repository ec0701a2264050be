//! Lanes against one pass of all views.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor};

use super::*;
use crate::config::{Experiment, LossTarget};
use crate::optim::Optimizer;
use crate::train::learner::{Distance, SeenGroup, networks};

/// What a learner is made of, besides its weights.
#[derive(Clone)]
struct Case {
    objective: Objective,
    kind: Kind,
    precision: Precision,
}

fn both() -> Case {
    Case { objective: Objective::paper(LossTarget::Projection), kind: Kind::Float, precision: Precision::Full }
}

fn of_two_sides() -> Objective {
    let groups = vec![SeenGroup { views: 2, seen_by: SeenBy::Both }, SeenGroup { views: 3, seen_by: SeenBy::Online }];
    Objective { groups, ..both().objective }
}

fn learner(case: &Case) -> Learner {
    let mut experiment = Experiment::preset("demo").unwrap();
    experiment.width = 0.0625;
    let model = networks(&experiment);
    let online = model.initialize(1, Device::Cpu);
    let target = model.target_of(&model.initialize(2, Device::Cpu));
    let [online, target] = [online, target].map(|weights| weights.to_kind(case.kind));
    let settings = &experiment.pretrain;
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &online);
    Learner::assemble(model, [online, target], optimizer, case.objective.clone(), case.precision)
}

/// Eight images for each view; 16 pixels in the first group, 12 in the others.
fn batch(case: &Case, seed: i64) -> Vec<Tensor> {
    tch::manual_seed(seed);
    let groups = case.objective.groups.iter().enumerate();
    groups
        .map(|(number, group)| {
            let side = if number == 0 { 16 } else { 12 };
            Tensor::randn([8 * group.views as i64, 3, side, side], (case.kind, Device::Cpu))
        })
        .collect()
}

fn passed(learner: &mut Learner, views: &[Tensor], threads: usize) -> (StepOutput, Tensor) {
    byol_torch::set_own_threads(threads);
    let division = learner.division(views).expect("the views divide the threads");
    learner.apart(views, division)
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    ((a - b).abs().max() / b.abs().max()).double_value(&[])
}

#[test]
fn views_divide_threads_where_that_keeps_all_at_work() {
    let of =
        |costs: &[u64], threads: usize| Division::of(costs, threads).map(|division| (division.lanes, division.threads));
    assert_eq!(of(&[4, 4], 2), Some((vec![vec![0], vec![1]], 1)));
    assert_eq!(of(&[4, 4], 16), Some((vec![vec![0], vec![1]], 8)));
    for (costs, threads) in [(&[4, 4][..], 1), (&[4, 4], 3), (&[4], 8), (&[], 8), (&[9, 1], 2)] {
        assert_eq!(of(costs, threads), None, "{costs:?} on {threads}");
    }
    // Of 25 in all, four lanes would have 8, 8, 6 and 3, and two have 14 and 11.
    let several = [8, 8, 3, 3, 3];
    assert_eq!(of(&several, 4), Some((vec![vec![0, 2, 4], vec![1, 3]], 2)));
    assert_eq!(of(&several, 5), None);
    assert_eq!(of(&[8, 8, 8, 8], 4), Some((vec![vec![0], vec![1], vec![2], vec![3]], 1)));
}

/// Loss and gradient are those of one pass of all views, within rounding.
#[test]
fn lanes_compute_what_one_pass_does() {
    let paper = both();
    let of = |objective: Objective| Case { objective, kind: Kind::Double, ..paper.clone() };
    let narrow = Case { precision: Precision::Bf16, ..paper.clone() };
    let contrastive = Objective { distance: Distance::Contrastive(0.2), ..paper.objective.clone() };
    let in_patches = Objective { patches: 2, ..paper.objective.clone() };
    let cases = [
        ("float64", of(paper.objective.clone()), 1e-12),
        ("float32", paper.clone(), 1e-4),
        ("bfloat16", narrow, 0.05),
        ("MoCo v3's loss", of(contrastive), 1e-12),
        ("patches", of(in_patches), 1e-12),
        ("two sides", of(of_two_sides()), 1e-12),
    ];
    for (name, case, tolerance) in cases {
        let views = batch(&case, 3);
        let (mut apart, together) = (learner(&case), learner(&case));
        // The second step's statistics rest on the first one's.
        for step in 0..2 {
            let ((found, gradient), (expected, whole)) = (passed(&mut apart, &views, 2), together.together(&views));
            assert!(difference(&found.loss, &expected.loss) <= tolerance, "{name}, step {step}: loss");
            assert!(difference(&found.projections, &expected.projections) <= tolerance, "{name}, step {step}");
            let deviation = difference(&gradient, &whole);
            assert!(deviation <= tolerance, "{name}, step {step}: gradient by {deviation}");
            assert!(!found.loss.requires_grad() && !gradient.requires_grad());
        }
        for (found, expected) in [(&apart.online, &together.online), (&apart.target, &together.target)] {
            assert!(difference(found.buffers(), expected.buffers()) <= tolerance, "{name}: statistics");
        }
    }
}

/// Running statistics move as if each view passed the networks alone, one after the other, to the last bit.
#[test]
fn statistics_move_view_by_view() {
    let case = Case { objective: of_two_sides(), ..both() };
    let (mut apart, alone) = (learner(&case), learner(&case));
    let views = batch(&case, 4);
    byol_torch::set_own_threads(1);
    for (images, group) in views.iter().zip(&case.objective.groups) {
        for images in images.chunk(group.views as i64, 0) {
            let images = SharedImages::new(&images);
            if group.seen_by == SeenBy::Both {
                let _ = alone.model.project(&alone.pass(Network::Target, Mode::Train, 1), &images);
            }
            let online = alone.pass(Network::Online, Mode::Train, 1);
            let _ = alone.model.predict(&online, &alone.model.project(&online, &images));
        }
    }
    let before = [apart.online.buffers().copy(), apart.target.buffers().copy()];
    let _ = passed(&mut apart, &views, 2);
    for (moved, [expected, before]) in [&apart.online, &apart.target]
        .iter()
        .zip([[alone.online.buffers(), &before[0]], [alone.target.buffers(), &before[1]]])
    {
        assert_eq!(moved.buffers(), expected);
        assert_ne!(moved.buffers(), before);
    }
}

/// Steps of several parts give the same bytes every time, with one thread a lane and with two.
#[test]
fn steps_repeat_to_the_last_bit() {
    for precision in [Precision::Full, Precision::Bf16] {
        let case = Case { objective: of_two_sides(), precision, ..both() };
        let stepped = |threads: usize| {
            let mut learner = learner(&case);
            byol_torch::set_own_threads(threads);
            for step in 0..3 {
                let parts = [0, 1].map(|part| learner.accumulate(&batch(&case, 10 * step + part), 2).loss);
                assert!(parts.iter().all(|loss| loss.isfinite().int64_value(&[]) != 0));
                learner.update(0.01, 0.9);
            }
            assert!(learner.lanes.is_some(), "the views went through the networks apart");
            [learner.online.flat(), learner.online.buffers(), learner.target.flat(), learner.target.buffers()]
                .map(Tensor::copy)
        };
        for threads in [2, 4] {
            assert_eq!(stepped(threads), stepped(threads), "{precision:?} on {threads}");
        }
    }
}

/// Two parts of a batch, accumulated, have the mean of their gradients, with lanes as without.
#[test]
fn parts_of_a_batch_add_up() {
    let case = Case { kind: Kind::Double, ..both() };
    let (mut apart, together) = (learner(&case), learner(&case));
    let parts = [batch(&case, 5), batch(&case, 6)];
    byol_torch::set_own_threads(2);
    parts.iter().for_each(|part| drop(apart.accumulate(part, 2)));
    let gradients = [0, 1].map(|part| together.together(&parts[part]).1);
    let mean: Tensor = (&gradients[0] + &gradients[1]) / 2.0;
    assert!(difference(apart.gradient.as_ref().unwrap(), &mean) < 1e-12);
}

/// One thread, and what is compared with the online network itself, go through the networks together.
#[test]
fn what_does_not_divide_stays_together() {
    let case = both();
    let views = batch(&case, 7);
    let mut learner = learner(&case);
    byol_torch::set_own_threads(1);
    assert_eq!(learner.division(&views), None);
    byol_torch::set_own_threads(2);
    assert!(learner.division(&views).is_some());
    learner.objective.branch = super::super::TargetBranch::OnlineWithGradient;
    assert_eq!(learner.division(&views), None);
}

/// A lane's panic is the learner's, and leaves nobody waiting.
#[test]
fn a_panic_of_a_lane_reaches_the_learner() {
    let case = both();
    let mut learner = learner(&case);
    let wrong = Tensor::zeros([16, 1, 16, 16], (Kind::Float, Device::Cpu));
    byol_torch::set_own_threads(2);
    let failed = catch_unwind(AssertUnwindSafe(|| drop(learner.accumulate(&[wrong], 1))));
    assert!(failed.is_err());
    let output = learner.accumulate(&batch(&case, 8), 1);
    assert!(output.loss.isfinite().int64_value(&[]) != 0);
}
