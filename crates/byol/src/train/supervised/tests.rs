//! Several ranks against one process: the same function, up to rounding, however the rows of a batch divide.

use tch::{Device, Kind, Tensor};

use super::together::over_all;
use super::*;
use crate::config::{EncoderKind, OptimizerKind, StemKind};
use crate::device::Precision;
use crate::ranks::{Ranks, testing};

const CLASSES: i64 = 4;

#[derive(Clone)]
struct Case {
    optimizer: OptimizerKind,
    rate: f64,
    /// Images of a batch, over all ranks.
    rows: usize,
    mixup: f64,
    cutmix: f64,
    kind: Kind,
}

fn case(optimizer: OptimizerKind, rate: f64) -> Case {
    Case { optimizer, rate, rows: 12, mixup: 0.0, cutmix: 0.0, kind: Kind::Double }
}

/// The images of a step, `[rows, 3, 16, 16]`.
fn images(case: &Case, step: usize) -> Tensor {
    let shape = [case.rows as i64, 3, 16, 16];
    // Without libtorch's generator, which all threads share.
    let numbers = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((numbers * (0.37 + 0.11 * (step % 6) as f64)).sin() * 1.5).view(shape).to_kind(case.kind)
}

/// Weights and running statistics after some steps, mean losses and numbers of right answers.
fn trained(case: &Case, ranks: &Ranks, steps: usize) -> Vec<Tensor> {
    let encoder = EncoderConfig::new(EncoderKind::Resnet10, StemKind::SmallStride2, 0.0625);
    let classifier = Classifier::new(encoder, ClassifierHead::Representation, CLASSES as usize);
    let weights = classifier.initialize(1, 1, Device::Cpu).to_kind(case.kind);
    let optimizer = Optimizer::new(case.optimizer, 1e-4, &weights);
    let mut learner = SupervisedLearner::new(classifier, weights, optimizer, Precision::Full).among(ranks);
    learner.label_smoothing = 0.1;
    let settings =
        Supervised { mixup: case.mixup, cutmix: case.cutmix, ..Experiment::preset("demo").unwrap().finetune };
    let mixing = Mixing::of(&settings, CLASSES as usize, 3, 1);
    let schedule = Schedule {
        indices: Arc::new((0..case.rows).collect()),
        batch_size: case.rows,
        parts: 1,
        last: LastBatch::Keep,
        pairing: Pairing::SameImage,
        seed: 0,
        order: 1,
        share: ranks.place(),
        led: mixing.mixes(),
    };
    let (mut losses, mut right_answers) = (Vec::new(), Vec::new());
    for step in 0..steps {
        learner.share(case.rows);
        let own = schedule.share_of_step(step);
        let rows = Tensor::from_slice(&own.iter().map(|&row| row as i64).collect::<Vec<_>>());
        let images = images(case, step).index_select(0, &rows);
        let labels = (&rows * 7).remainder(5).clamp_max(CLASSES - 1);
        let examples = mixing.mix(&images, &labels, step).last(share_of(ranks.place(), case.rows).len());
        let (loss, logits) = learner.step(&examples.images, &examples.targets, case.rate);
        let right = logits.argmax(1, false).eq_tensor(&examples.labels).sum(Kind::Int64);
        let (loss, right) = over_all(ranks, learner.sharing(), (loss, right));
        losses.push(loss.double_value(&[]));
        right_answers.push(right.int64_value(&[]));
    }
    ranks.check().unwrap();
    let numbers = [learner.weights.flat(), learner.weights.buffers()].map(Tensor::copy);
    let of_steps = [Tensor::from_slice(&losses), Tensor::from_slice(&right_answers)];
    numbers.into_iter().chain(of_steps).collect()
}

fn furthest(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs().max().double_value(&[])).fold(0.0, f64::max)
}

/// Asserts that every number of ranks ends 20 steps where one process does, of few images two: batch norm over three rows makes
/// rounding grow a millionfold in 20.
fn require_equal(name: &str, case: &Case) {
    let steps = if case.rows < 5 { 2 } else { 20 };
    let alone = testing::threads(1, |ranks| trained(case, &ranks, steps)).remove(0);
    for size in [2, 3, 4] {
        let all = testing::threads(size, |ranks| trained(case, &ranks, steps));
        assert!(all.iter().all(|found| *found == all[0]), "{name}: {size} ranks are not the same");
        let difference = furthest(&all[0], &alone);
        println!("{name}, {size} ranks: {difference:e}");
        assert!(difference < 1e-9, "{name}: {size} ranks differ from one by {difference}");
    }
}

#[test]
fn ranks_fine_tune_as_one_process() {
    for (name, optimizer, rate) in [
        ("SGD", OptimizerKind::Sgd, 0.01),
        ("LARS", OptimizerKind::Lars, 0.02),
        ("Adam", OptimizerKind::Adam, 1e-4),
        ("AdamW", OptimizerKind::Adamw, 1e-4),
    ] {
        require_equal(name, &case(optimizer, rate));
    }
}

/// The last batch of an epoch, and batches of a few labels: shares of other sizes, and fewer images than ranks.
#[test]
fn batches_that_do_not_divide_count_every_image_alike() {
    for rows in [11, 7, 5, 3, 2] {
        require_equal(&format!("{rows} images"), &Case { rows, ..case(OptimizerKind::Sgd, 0.01) });
    }
}

/// An image's partner may be in the share of another rank.
#[test]
fn images_are_mixed_over_shares() {
    for (mixup, cutmix) in [(0.2, 0.0), (0.0, 1.0), (0.2, 1.0)] {
        for rows in [12, 11, 3] {
            let name = format!("mixup {mixup}, CutMix {cutmix}, {rows} images");
            require_equal(&name, &Case { rows, mixup, cutmix, ..case(OptimizerKind::Sgd, 0.01) });
        }
    }
}

/// In float32 the same ranks give the same bytes every time.
#[test]
fn ranks_round_the_same_every_time() {
    let case = Case { rows: 11, kind: Kind::Float, mixup: 0.2, ..case(OptimizerKind::Sgd, 0.01) };
    for size in [2, 3] {
        let [first, second] = [(); 2].map(|()| testing::threads(size, |ranks| trained(&case, &ranks, 5)));
        assert_eq!(first, second, "{size} ranks");
    }
}
