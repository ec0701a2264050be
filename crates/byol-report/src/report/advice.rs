//! What to do next, computed from what a run recorded: at most three pieces of advice, the one that is worth most first,
//! each with the command that follows it.

mod further;
mod gpu;
mod labels;

use std::path::Path;

use super::choice::taken;
use super::compare::Outcome;
use super::explain::{Explanation, MOST_TEST_IMAGES};
use super::load::RunData;
use crate::data::findings::Contradiction;
use crate::data::{DataSplit, PATTERNS};
use crate::run::command::{CommandRecord, shell_word};
use crate::run::record::{Accuracy, Control, Ended, LabelBudget, ResultName, Stage};
use crate::statistics::uncertainty;
pub use further::{FEW_PASSES, Further};

/// An interval wider than this to either side says little about a classifier.
const WIDE: f64 = 0.075;
/// What a test should come to where there is no difference to be told.
const NARROW: f64 = 0.08;
/// Images below which weights that were learned from 1.2 million hardly can be matched in a run of hours.
const FEW_IMAGES: usize = 100_000;

/// Advice that is given at most.
const MOST: usize = 3;

/// Ends of the names of runs that advice gave.
const SUFFIXES: [&str; 4] = ["imagenet", "more-tests", "more-labels", "gpu"];

/// One thing to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What, and why.
    pub what: What,
    /// To be pasted into a shell.
    pub commands: Vec<String>,
    /// What it promises: advice that is worth more comes first.
    worth: f64,
}

impl Advice {
    pub fn kind(&self) -> Kind {
        match self.what {
            What::Repair(_) => Kind::Repair,
            What::Weights { .. } => Kind::Weights,
            What::MoreTestImages { .. } => Kind::MoreTestImages,
            What::MoreLabels { .. } => Kind::MoreLabels,
            What::MorePasses { .. } => Kind::MorePasses,
            What::Gpu { .. } => Kind::Gpu,
            What::Use { .. } => Kind::Use,
        }
    }
}

/// What is to be done, with the values that tell why.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Repair(Repair),
    /// So many images are few to learn from.
    Weights {
        images: u64,
    },
    /// There are so many test images.
    MoreTestImages {
        images: u64,
        aim: Aim,
        into: IntoTest,
    },
    /// Accuracy rose with the labels, or the class with this name and accuracy (0-1) lies behind.
    MoreLabels {
        rising: Option<Rising>,
        weakest: Option<(String, f64)>,
    },
    /// There were few passes (so many), or k-NN accuracy still rose.
    MorePasses {
        few: Option<u64>,
        further: Further,
    },
    /// A CPU made so many passes in so many seconds, where these are recorded.
    Gpu {
        passes: u64,
        seconds: Option<f64>,
    },
    /// All is well with this classifier, which is right on this share of the test images.
    Use {
        name: ResultName,
        budget: LabelBudget,
        accuracy: f64,
    },
}

/// What is wrong with the data.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Repair {
    /// Test images that are trained on.
    pub copies: Option<Copies>,
    /// How many images have several labels, and the first of them.
    pub contradictions: Option<(u64, Contradiction)>,
    /// Files that could not be read.
    pub skipped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    pub images: u64,
    /// How many of them to the last pixel.
    pub exact: usize,
}

/// What more test images would tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// This difference of accuracies, from so many test images on.
    Difference { difference: f64, wanted: u64 },
    /// An accuracy that is known to within `known` (0-1): so many test images give `then_known`.
    Accuracy { known: f64, wanted: u64, then_known: f64 },
}

/// How labelled images come into the test of a run's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntoTest {
    /// The table that names the images, where one does.
    pub table: Option<String>,
    /// Absent where it is not recorded.
    pub split: Option<DataSplit>,
}

/// Accuracy (0-1) that was gained from one label budget to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rising {
    pub from: LabelBudget,
    pub to: LabelBudget,
    pub gained: f64,
    /// What as many labels again promise, where that can be reckoned.
    pub doubled: Option<Doubled>,
}

/// What twice as many labels promise: accuracy rises about as much with every doubling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubled {
    /// Labels that are added.
    pub labels: u64,
    /// Accuracy (0-1) that they add.
    pub gain: f64,
}

/// What advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Images that are not used as they should be.
    Repair,
    Weights,
    MoreTestImages,
    MoreLabels,
    MorePasses,
    Gpu,
    /// Nothing is amiss: the classifier is used.
    Use,
}

/// What to do next with a run; nothing while it goes on without a result, or where nothing tells.
pub fn advice(run: &RunData, explanation: &Explanation) -> Vec<Advice> {
    if !run.finished() {
        return Vec::new();
    }
    let used = Used::of(run);
    let used = used.as_ref();
    let mut found: Vec<Advice> = [
        repair(run),
        weights(run),
        more_test_images(run, explanation),
        labels::more_labels(run, used),
        more_passes(run, explanation),
        gpu::on_a_gpu(run, explanation),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.sort_by(|a, b| b.worth.total_cmp(&a.worth));
    found.truncate(MOST);
    if found.is_empty() {
        found.extend(use_it(run, used));
    }
    found
}

/// The classifier that is taken where none is named.
struct Used {
    name: ResultName,
    budget: LabelBudget,
    accuracy: Accuracy,
}

impl Used {
    fn of(run: &RunData) -> Option<Used> {
        let taken = taken(run)?;
        let name = run.name_of(taken.kind);
        Some(Used { name, budget: taken.budget, accuracy: run.accuracy(name, taken.budget)? })
    }
}

/// The run directory as whoever made the report named it.
fn place(run: &RunData) -> String {
    match run.place.as_os_str().is_empty() {
        true => shell_word(Path::new(&run.name)),
        false => shell_word(&run.place),
    }
}

/// A run beside this one that is not there yet. What this one's name says of an earlier piece of advice is left out.
fn beside(run: &RunData, what: &str) -> String {
    let path = match run.place.as_os_str().is_empty() {
        true => run.name.clone(),
        false => run.place.to_string_lossy().trim_end_matches(['/', '\\']).to_owned(),
    };
    let numberless = path.trim_end_matches(|letter: char| letter.is_ascii_digit()).strip_suffix('-').unwrap_or(&path);
    let base = SUFFIXES
        .iter()
        .find_map(|suffix| {
            [path.as_str(), numberless].into_iter().find_map(|path| path.strip_suffix(suffix)?.strip_suffix('-'))
        })
        .unwrap_or(&path);
    let mut name = format!("{base}-{what}");
    for number in 2.. {
        if name != path && !Path::new(&name).exists() {
            break;
        }
        name = format!("{base}-{what}-{number}");
    }
    shell_word(Path::new(&name))
}

/// What the run was begun with, as it was typed; absent in runs of earlier versions.
fn typed(run: &RunData) -> Option<&CommandRecord> {
    run.command.as_ref().filter(|record| !record.data.as_os_str().is_empty())
}

/// Where the data lies; a name to be replaced where that is not recorded.
fn place_of_data(run: &RunData) -> String {
    if let Some(record) = typed(run) {
        return shell_word(&record.data);
    }
    let root = run.test_images.as_ref().and_then(|images| images.root.as_deref());
    match (root, run.summary.as_ref().map(|summary| summary.data.name.as_str())) {
        (Some(root), _) => shell_word(Path::new(root)),
        (None, Some(PATTERNS)) => PATTERNS.to_owned(),
        (None, _) => "DATA".to_owned(),
    }
}

/// `--data` and `--unlabeled` of the run.
fn data(run: &RunData) -> String {
    if let Some(record) = typed(run) {
        let pools = record.unlabeled.iter().map(|pool| format!(" --unlabeled {}", shell_word(pool)));
        return format!("--data {}{}", shell_word(&record.data), pools.collect::<String>());
    }
    let summary = run.summary.as_ref();
    let mut text = format!("--data {}", place_of_data(run));
    // `unlabeled` and `train` are splits of the data itself.
    let pools = summary.iter().flat_map(|summary| &summary.data.unlabeled);
    for pool in pools.filter(|pool| !matches!(pool.name.as_str(), "train" | "unlabeled")) {
        text.push_str(&format!(" --unlabeled {}", shell_word(Path::new(&pool.name))));
    }
    text
}

/// Epochs of a pre-training that was made longer than it was begun with.
fn extended(run: &RunData) -> Option<i64> {
    let pretrain = run.config.as_ref()?.get("pretrain")?;
    pretrain.get("extended")?.as_array().filter(|before| !before.is_empty())?;
    pretrain.get("epochs")?.as_integer()
}

/// The settings as they were typed; of a run that was extended, with its length of now instead of the one that it began with.
fn settings(run: &RunData, record: &CommandRecord) -> Vec<String> {
    const EPOCHS: &str = "pretrain.epochs=";
    let mut words = record.settings.clone();
    let Some(epochs) = extended(run) else { return words };
    while let Some(place) = words.windows(2).position(|pair| pair[0] == "--set" && pair[1].trim().starts_with(EPOCHS)) {
        words.drain(place..place + 2);
    }
    words.extend(["--set".to_owned(), format!("{EPOCHS}{epochs}")]);
    words
}

/// `byol run` as it was typed, for another folder.
fn again(run: &RunData, out: &str) -> String {
    again_on(run, typed(run).and_then(|record| record.device.as_deref()), out)
}

/// The same on a device that is named.
fn again_on(run: &RunData, device: Option<&str>, out: &str) -> String {
    let mut text = format!("byol run {}", data(run));
    if let Some(record) = typed(run) {
        let files = [("--split", &record.split), ("--weights", &record.weights)];
        for (option, file) in files {
            text.extend(file.iter().map(|file| format!(" {option} {}", shell_word(file))));
        }
        text.push_str(if record.strict { " --strict" } else { "" });
        text.extend(settings(run, record).iter().map(|word| format!(" {}", shell_word(Path::new(word)))));
    }
    text.extend(device.map(|device| format!(" --device {device}")));
    if let Some(record) = typed(run) {
        text.extend(record.precision.iter().map(|precision| format!(" --precision {precision}")));
        text.extend(record.threads.map(|threads| format!(" --threads {threads}")));
    }
    let hours = run.plan.as_ref().and_then(|plan| plan.hours);
    text.extend(hours.map(|hours| format!(" --hours {hours}")));
    format!("{text} --out {out}")
}

/// What is wrong with the data: labels that contradict each other, test images that are trained on, files that cannot be read.
fn repair(run: &RunData) -> Option<Advice> {
    let known = &run.summary.as_ref()?.data;
    let (mut found, mut worth) = (Repair::default(), 1.0_f64);
    if let Some(copied) = &known.findings.test_in_train
        && copied.exact + copied.near > 0
    {
        let images = (copied.exact + copied.near) as u64;
        // Of a test that is trained on, no accuracy tells anything.
        worth = if images * 20 >= known.test_images as u64 { 7.0 } else { 4.0 };
        found.copies = Some(Copies { images, exact: copied.exact });
    }
    let contradictions = &known.findings.contradictions;
    if let Some(first) = contradictions.first() {
        // One of two labels of the same image is wrong for certain, and is quickly mended.
        worth = worth.max(if contradictions.iter().any(|found| found.exact) { 4.5 } else { 1.0 });
        found.contradictions = Some((contradictions.len() as u64, first.clone()));
    }
    found.skipped = known.skipped as u64;
    if found.skipped > 0 {
        worth = worth.max(1.0 + (found.skipped as f64 / 100.0).min(1.0));
    }
    if found == Repair::default() {
        return None;
    }
    let command = format!("byol data info {}", data(run).trim_start_matches("--data "));
    Some(Advice { what: What::Repair(found), commands: vec![command], worth })
}

/// Images of every kind that pre-training had.
fn images(run: &RunData) -> usize {
    let summary = run.summary.as_ref();
    summary.map_or(0, |summary| summary.data.unlabeled.iter().map(|pool| pool.images).sum())
}

fn weights(run: &RunData) -> Option<Advice> {
    let summary = run.summary.as_ref()?;
    let images = images(run);
    // The embedded set is drawn: photographs teach nothing about it.
    if run.control() == Control::Given
        || images == 0
        || images >= FEW_IMAGES
        || summary.data.name == PATTERNS
        || run.pretraining().is_none()
    {
        return None;
    }
    Some(Advice {
        what: What::Weights { images: images as u64 },
        commands: vec![match again(run, &beside(run, "imagenet")).rsplit_once(" --out ") {
            Some((begun, out)) => format!("{begun} --weights imagenet --out {out}"),
            None => String::new(),
        }],
        worth: if images < FEW_IMAGES / 10 { 6.0 } else { 3.0 },
    })
}

/// More test images: where a difference is undecided, or the accuracy itself is uncertain.
fn more_test_images(run: &RunData, explanation: &Explanation) -> Option<Advice> {
    let images = run.test_labels()?.len() as u64;
    let main = explanation.comparisons.iter().filter(|found| found.name == ResultName::PRETRAINED_FINETUNED);
    let undecided = main.filter(|found| found.outcome() == Some(Outcome::Undecided)).filter_map(|found| {
        let paired = found.paired.as_ref().filter(|paired| !paired.few())?;
        let needed = paired.images_needed?;
        (needed > images && needed <= MOST_TEST_IMAGES).then_some((needed, found.difference()))
    });
    let own = uncertainty(images)?;
    // A difference that takes a tenfold test is no aim; an accuracy that can be trusted is.
    let aim = match undecided.min_by_key(|&(needed, _)| needed) {
        Some((wanted, difference)) if wanted <= 20 * images => Aim::Difference { difference, wanted },
        _ if own > WIDE => {
            let known = |of: u64| uncertainty(of).unwrap_or(1.0);
            let wanted = (10..10_000).map(|tens| 10 * tens).find(|&of| of > images && known(of) <= NARROW)?;
            Aim::Accuracy { known: own, wanted, then_known: known(wanted) }
        }
        _ => return None,
    };
    Some(Advice {
        what: What::MoreTestImages { images, aim, into: into_the_test(run) },
        commands: vec![again(run, &beside(run, "more-tests"))],
        worth: if own > WIDE { 5.0 } else { 3.5 },
    })
}

fn into_the_test(run: &RunData) -> IntoTest {
    let data = run.summary.as_ref().map(|summary| &summary.data);
    let is_table =
        |name: &&String| ["csv", "tsv", "json", "jsonl"].iter().any(|end| name.ends_with(&format!(".{end}")));
    IntoTest {
        table: data.map(|data| &data.name).filter(is_table).cloned(),
        split: data.and_then(|data| data.split.clone()),
    }
}

/// More passes: where there were few, or k-NN accuracy still rises.
fn more_passes(run: &RunData, explanation: &Explanation) -> Option<Advice> {
    let found = run.pretraining()?;
    let per_epoch = found.images / (found.epochs as u64).max(1);
    let everywhere = ahead_everywhere(run, explanation);
    if per_epoch == 0 || found.ended_by == Some(Ended::Patience) {
        return None;
    }
    let few = found.images < FEW_PASSES;
    if !few && (everywhere || !super::explain::still_rising(&run.epochs(Stage::Pretrain, None, 0))) {
        return None;
    }
    // As long again where there were enough to begin with.
    let further = match few {
        true => Further::to_gains(found.images, per_epoch, found.images_per_second),
        false => Further::of(found.images, per_epoch, found.images_per_second),
    };
    let shortfall = found.images as f64 / FEW_PASSES as f64;
    Some(Advice {
        what: What::MorePasses { few: few.then_some(found.images), further },
        commands: vec![format!("byol run --resume {} --more-epochs {}", place(run), further.epochs)],
        worth: match (few, everywhere) {
            (true, false) => 4.5 - shortfall.min(1.0),
            (true, true) => 2.5 - shortfall.min(1.0),
            (false, _) => 2.5,
        },
    })
}

/// Whether pre-training has gained something at every label budget.
fn ahead_everywhere(run: &RunData, explanation: &Explanation) -> bool {
    let ahead = |budget: LabelBudget| {
        explanation.comparisons.iter().any(|found| {
            found.name == ResultName::PRETRAINED_FINETUNED
                && found.budget == budget
                && found.outcome() == Some(Outcome::Ahead)
        })
    };
    !run.budgets().is_empty() && run.budgets().into_iter().all(ahead)
}

/// All is well: predictions and an export. Nobody is told to use what only guesses.
fn use_it(run: &RunData, used: Option<&Used>) -> Option<Advice> {
    let used = used?;
    let own = used.accuracy.runs.first().zip(run.test_labels());
    if own.and_then(|(accuracy, labels)| run.beats_guess((accuracy * labels.len() as f64).round() as u64))
        == Some(false)
    {
        return None;
    }
    let name = place(run);
    Some(Advice {
        what: What::Use { name: used.name, budget: used.budget, accuracy: used.accuracy.mean },
        commands: vec![
            format!("byol predict --from {name} FOLDER --out predictions.csv"),
            format!("byol export --from {name} --out classifier.onnx"),
        ],
        worth: 0.0,
    })
}

#[cfg(test)]
mod tests;
