//! Several ranks against one process: the same function, up to rounding.

use tch::{Device, Kind, Tensor};

use super::super::*;
use crate::config::{LossTarget, OptimizerKind};
use crate::ranks::testing;

/// What is trained, and how.
#[derive(Clone, Debug)]
struct Case {
    objective: Objective,
    optimizer: OptimizerKind,
    rate: f64,
    kind: Kind,
    precision: Precision,
    /// Parts of a batch, each with a gradient of its own.
    parts: usize,
}

fn byol(optimizer: OptimizerKind, rate: f64) -> Case {
    let objective = Objective::paper(LossTarget::Projection);
    Case { objective, optimizer, rate, kind: Kind::Double, precision: Precision::Full, parts: 1 }
}

/// Images of a part, over all ranks.
const IMAGES: i64 = 12;

/// This rank's share of a part: of every view in each group.
fn share(case: &Case, ranks: &Ranks, part: usize) -> Vec<Tensor> {
    let count = ranks.count() as i64;
    let begin = IMAGES / count * ranks.place().rank as i64;
    let groups = case.objective.groups.iter().enumerate().map(|(number, group)| {
        let side = if number == 0 { 16 } else { 8 };
        let shape = [group.views as i64, IMAGES, 3, side, side];
        // Without libtorch's generator, which all threads share.
        let numbers = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
        let images = (numbers * (0.37 + 0.11 * (part % 6) as f64 + number as f64)).sin() * 1.5;
        let own = images.view(shape).narrow(1, begin, IMAGES / count).reshape([-1, 3, side, side]);
        own.to_kind(if case.precision == Precision::Bf16 { Kind::BFloat16 } else { case.kind })
    });
    groups.collect()
}

/// Weights and running statistics of both networks after some steps, and the mean loss of each, in float64.
fn trained(case: &Case, ranks: &Ranks, steps: usize) -> Vec<Tensor> {
    let mut experiment = Experiment::preset("demo").unwrap();
    experiment.width = 0.0625;
    let model = networks(&experiment);
    let online = model.initialize(1, Device::Cpu).to_kind(case.kind);
    let target = model.target_of(&model.initialize(2, Device::Cpu)).to_kind(case.kind);
    let optimizer = Optimizer::new(case.optimizer, 1e-4, &online);
    let learner = Learner::assemble(model, [online, target], optimizer, case.objective.clone(), case.precision);
    let mut learner = learner.among(ranks);
    let mut losses = Vec::new();
    for step in 0..steps {
        for part in 0..case.parts {
            let views = share(case, ranks, step * case.parts + part);
            losses.push(learner.accumulate(&views, case.parts).loss.double_value(&[]));
        }
        learner.update(case.rate, 0.9);
    }
    ranks.check().unwrap();
    let mut losses = Tensor::from_slice(&losses);
    ranks.mean(&mut losses);
    let numbers = [learner.online.flat(), learner.online.buffers(), learner.target.flat(), learner.target.buffers()];
    numbers.into_iter().map(Tensor::copy).chain([losses]).collect()
}

fn furthest(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs().max().double_value(&[])).fold(0.0, f64::max)
}

/// Asserts that every number of ranks ends where one process does, within a tolerance after so many steps.
fn require_equal(name: &str, case: &Case, lengths: &[(usize, f64)]) {
    for &(steps, tolerance) in lengths {
        let alone = testing::threads(1, |ranks| trained(case, &ranks, steps)).remove(0);
        for size in [2, 3, 4] {
            let all = testing::threads(size, |ranks| trained(case, &ranks, steps));
            for found in &all {
                assert_eq!(*found, all[0], "{name}: {size} ranks are not the same");
            }
            let difference = furthest(&all[0], &alone);
            println!("{name}, {size} ranks, {steps} steps: {difference:e}");
            assert!(difference < tolerance, "{name}: {size} ranks differ from one by {difference} after {steps} steps");
        }
    }
}

const LENGTHS: &[(usize, f64)] = &[(1, 1e-9), (20, 1e-9)];

#[test]
fn ranks_train_as_one_process_with_sgd() {
    require_equal("SGD", &byol(OptimizerKind::Sgd, 0.01), LENGTHS);
    require_equal("SGD in 2 parts", &Case { parts: 2, ..byol(OptimizerKind::Sgd, 0.01) }, LENGTHS);
}

#[test]
fn ranks_train_as_one_process_with_lars() {
    require_equal("LARS", &byol(OptimizerKind::Lars, 0.02), LENGTHS);
    require_equal("LARS in 2 parts", &Case { parts: 2, ..byol(OptimizerKind::Lars, 0.02) }, LENGTHS);
}

#[test]
fn ranks_train_as_one_process_with_adam() {
    require_equal("Adam", &byol(OptimizerKind::Adam, 1e-4), LENGTHS);
    require_equal("Adam in 2 parts", &Case { parts: 2, ..byol(OptimizerKind::Adam, 1e-4) }, LENGTHS);
}

/// The negatives of MoCo v3 are the images of all ranks; so are those of views in patches, and of views of two sides.
#[test]
fn ranks_contrast_with_the_images_of_all() {
    let case = byol(OptimizerKind::Sgd, 0.01);
    let paper = || case.objective.clone();
    let two_sides =
        vec![SeenGroup { views: 2, seen_by: SeenBy::Both }, SeenGroup { views: 2, seen_by: SeenBy::Online }];
    let objectives = [
        ("MoCo v3", Objective { distance: Distance::Contrastive(0.3), ..paper() }),
        ("MoCo v3 in patches", Objective { distance: Distance::Contrastive(0.3), patches: 2, ..paper() }),
        (
            "MoCo v3, small views",
            Objective { distance: Distance::Contrastive(0.3), groups: two_sides.clone(), ..paper() },
        ),
        ("patches", Objective { patches: 2, ..paper() }),
        ("small views", Objective { groups: two_sides, ..paper() }),
        (
            "MoCo v3 without stop-gradient",
            Objective { distance: Distance::Contrastive(0.3), branch: TargetBranch::OnlineWithGradient, ..paper() },
        ),
        ("predicted targets", Objective { branch: TargetBranch::AveragePrediction, ..paper() }),
        ("the lab's order", Objective { branch: TargetBranch::LabOnline, ..paper() }),
    ];
    for (name, objective) in objectives {
        require_equal(name, &Case { objective, ..case.clone() }, &[(3, 1e-9)]);
    }
}

/// In the types that people train in, one step tells rounding from any mistake of statistics or scale, and equal runs give equal
/// bytes.
#[test]
fn ranks_round_the_same_every_time() {
    let cases = [(Precision::Full, 1e-4), (Precision::Bf16, 3e-2)];
    for (precision, tolerance) in cases {
        let case = Case { kind: Kind::Float, precision, ..byol(OptimizerKind::Sgd, 0.01) };
        let alone = testing::threads(1, |ranks| trained(&case, &ranks, 1)).remove(0);
        for size in [2, 3] {
            let [first, second] = [(); 2].map(|()| testing::threads(size, |ranks| trained(&case, &ranks, 5)));
            assert_eq!(first, second, "{size} ranks, {precision:?}");
            assert!(first.iter().all(|found| *found == first[0]), "{size} ranks, {precision:?}");
            let step = testing::threads(size, |ranks| trained(&case, &ranks, 1)).remove(0);
            let difference = furthest(&step, &alone);
            println!("{size} ranks, {precision:?}: {difference:e}");
            assert!(difference < tolerance, "{size} ranks, {precision:?}: {difference}");
        }
    }
}
