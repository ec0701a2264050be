//! What to do next, computed from what a run recorded: at most three pieces of advice, the one that is worth most first,
//! each with the command that follows it.

mod further;

use std::path::Path;

use super::choice::taken;
use super::compare::{FEW_TEST_IMAGES, Outcome, confusion};
use super::explain::{Explanation, MOST_TEST_IMAGES};
use super::load::RunData;
use super::words;
use crate::data::PATTERNS;
use crate::run::command::{CommandRecord, shell_word};
use crate::run::record::{Accuracy, Control, DataSplit, LabelBudget, ResultName, Stage};
use crate::statistics::uncertainty;
pub use further::{FEW_PASSES, Further};

/// An interval wider than this to either side says little about a classifier.
const WIDE: f64 = 0.075;
/// What a test should come to where there is no difference to be told.
const NARROW: f64 = 0.08;
/// Images below which weights that were learned from 1.2 million hardly can be matched in a run of hours.
const FEW_IMAGES: usize = 100_000;
/// A class that is right this much less often than all are is worth labels of its own.
const WEAK: f64 = 0.1;
/// Accuracy that is gained from one label budget to the next, from which more labels promise more.
const RISING: f64 = 0.03;

/// Advice that is given at most.
const MOST: usize = 3;

/// Ends of the names of runs that advice gave.
const SUFFIXES: [&str; 3] = ["imagenet", "more-tests", "more-labels"];

/// One thing to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    pub kind: Kind,
    /// Why, and what: one or two sentences.
    pub text: String,
    /// To be pasted into a shell.
    pub commands: Vec<String>,
    /// What it promises: advice that is worth more comes first.
    worth: f64,
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
    /// Nothing is amiss: the classifier is used.
    Use,
}

impl Kind {
    pub fn heading(self) -> &'static str {
        match self {
            Kind::Repair => "Look at the data",
            Kind::Weights => "Begin with given weights",
            Kind::MoreTestImages => "Test on more images",
            Kind::MoreLabels => "Label more images",
            Kind::MorePasses => "Pre-train longer",
            Kind::Use => "Use the classifier",
        }
    }
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
        more_labels(run, used),
        more_passes(run, explanation),
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
        let name = taken.kind.recorded_as(run.control());
        Some(Used { name, budget: taken.budget, accuracy: run.accuracy(name, taken.budget)? })
    }
}

/// The run directory as whoever made the report named it.
fn place(run: &RunData) -> String {
    match run.place.as_os_str().is_empty() {
        true => words::quoted(&run.name),
        false => words::quoted(&run.place.to_string_lossy()),
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
    words::quoted(&name)
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
        (Some(root), _) => words::quoted(root),
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
        text.push_str(&format!(" --unlabeled {}", words::quoted(&pool.name)));
    }
    text
}

/// `byol run` as it was typed, for another folder.
fn again(run: &RunData, out: &str) -> String {
    let mut text = format!("byol run {}", data(run));
    if let Some(record) = typed(run) {
        let files = [("--split", &record.split), ("--weights", &record.weights)];
        for (option, file) in files {
            text.extend(file.iter().map(|file| format!(" {option} {}", shell_word(file))));
        }
        text.push_str(if record.strict { " --strict" } else { "" });
        text.extend(record.device.iter().map(|device| format!(" --device {device}")));
        text.extend(record.precision.iter().map(|precision| format!(" --precision {precision}")));
        text.extend(record.threads.map(|threads| format!(" --threads {threads}")));
    }
    text.extend(run.hours.map(|hours| format!(" --hours {hours}")));
    format!("{text} --out {out}")
}

/// What is wrong with the data: labels that contradict each other, test images that are trained on, files that cannot be read.
fn repair(run: &RunData) -> Option<Advice> {
    let known = &run.summary.as_ref()?.data;
    let (mut texts, mut worth) = (Vec::new(), 1.0);
    if let Some(found) = &known.findings.test_in_train
        && found.exact + found.near > 0
    {
        let images = (found.exact + found.near) as u64;
        // Of a test that is trained on, no accuracy tells anything.
        worth = if images * 20 >= known.test_images as u64 { 7.0_f64 } else { 4.0 };
        texts.push(format!(
            "{} {} of training images ({} exact), so accuracies come out too high: remove the copies from one of the two.",
            words::plural(images, "test image"),
            if images == 1 { "is a copy" } else { "are copies" },
            found.exact,
        ));
    }
    let contradictions = &known.findings.contradictions;
    let exact = contradictions.iter().filter(|found| found.exact).count() as u64;
    if let Some(first) = contradictions.first() {
        worth = worth.max(if exact > 0 { 3.0 } else { 1.0 });
        let named: Vec<String> =
            first.images.iter().take(2).map(|named| format!("{} is `{}`", named.image, named.class)).collect();
        let all = contradictions.len() as u64;
        texts.push(format!(
            "{} {} several labels ({}), so a label {} wrong: correct it.",
            words::plural(all, "image"),
            if all == 1 { "has" } else { "have" },
            named.join(", "),
            if first.exact { "is" } else { "may be" },
        ));
    }
    let skipped = known.skipped as u64;
    if skipped > 0 {
        worth = worth.max(1.0 + (skipped as f64 / 100.0).min(1.0));
        texts.push(format!(
            "{} could not be read and {} not used.",
            words::plural(skipped, "file"),
            if skipped == 1 { "was" } else { "were" },
        ));
    }
    if texts.is_empty() {
        return None;
    }
    let one = texts.len() == 1 && texts[0].starts_with("1 ");
    texts.push(format!("The command names {}.", if one { "it" } else { "them" }));
    let command = format!("byol data info {}", data(run).trim_start_matches("--data "));
    Some(Advice { kind: Kind::Repair, text: texts.join(" "), commands: vec![command], worth })
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
        kind: Kind::Weights,
        text: format!(
            "{} are few to learn from. Weights trained on ImageNet's 1.2 million photographs usually do better straight away, and \
             the comparison then shows what your own images add to them. This downloads 47 MB once; without a network, put \
             `resnet18-f37072fd.pth` into `~/.cache/byol/weights` yourself (docs/weights.md).",
            words::plural(images as u64, "image")
        ),
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
    let main = explanation.comparisons.iter().filter(|found| found.name == ResultName::ByolFinetuned);
    let undecided = main.filter(|found| found.outcome() == Some(Outcome::Undecided)).filter_map(|found| {
        let paired = found.paired.as_ref().filter(|paired| !paired.few())?;
        let needed = paired.images_needed?;
        (needed > images && needed <= MOST_TEST_IMAGES).then_some((needed, found.difference()))
    });
    let own = uncertainty(images)?;
    let points = |share: f64| format!("±{:.0} points", (100.0 * share).ceil());
    // A difference that takes a tenfold test is no aim; an accuracy that can be trusted is.
    let (wanted, text) = match undecided.min_by_key(|&(needed, _)| needed) {
        Some((needed, difference)) if needed <= 20 * images => (
            needed,
            format!(
                "With {} a difference of {} may be chance; it would take about {}.",
                words::plural(images, "test image"),
                words::size(difference),
                words::about(needed)
            ),
        ),
        _ if own > WIDE => {
            let known = |of: u64| uncertainty(of).unwrap_or(1.0);
            let wanted = (10..10_000).map(|tens| 10 * tens).find(|&of| of > images && known(of) <= NARROW)?;
            (
                wanted,
                format!(
                    "With {} an accuracy is known to about {}; {} test images would give {}.",
                    words::plural(images, "test image"),
                    points(own),
                    words::count(wanted),
                    points(known(wanted)).trim_end_matches(" points")
                ),
            )
        }
        _ => return None,
    };
    Some(Advice {
        kind: Kind::MoreTestImages,
        text: format!("{text} Label about {} more. {} Afterwards:", words::about(wanted - images), into_the_test(run)),
        commands: vec![again(run, &beside(run, "more-tests"))],
        worth: if own > WIDE { 5.0 } else { 3.5 },
    })
}

/// How labelled images come into the test of this run's data.
fn into_the_test(run: &RunData) -> String {
    let data = run.summary.as_ref().map(|summary| &summary.data);
    let name = data.map_or("", |data| data.name.as_str());
    let is_table = ["csv", "tsv", "json", "jsonl"].iter().any(|end| name.ends_with(&format!(".{end}")));
    let place = match is_table {
        true => format!("Add a row for each to `{name}`"),
        false => "Put them with the other labelled images".to_owned(),
    };
    match data.and_then(|data| data.split.as_ref()) {
        Some(DataSplit::Drawn { file }) => {
            format!("{place}, and add a line `path,test` for each to `{}`.", file.display())
        }
        Some(DataSplit::Given) if is_table => format!("{place}, marked as a test image."),
        Some(DataSplit::Given) => "Put them with the other test images.".to_owned(),
        None => format!(
            "{place}, as test images (where the split was drawn, a line `path,test` in `byol-split.csv` does that)."
        ),
    }
}

/// More labels: where accuracy still rises from budget to budget, or a class lies behind.
fn more_labels(run: &RunData, used: Option<&Used>) -> Option<Advice> {
    let used = used?;
    let budgets = run.budgets();
    let (before, last) = match budgets.as_slice() {
        [.., before, last] => (Some(*before), *last),
        [last] => (None, *last),
        [] => return None,
    };
    let now = run.accuracy(used.name, last)?.mean;
    let gained = before.and_then(|before| Some((before, now - run.accuracy(used.name, before)?.mean)));
    let rising = gained.filter(|&(_, gained)| gained >= RISING);
    let enough = run.test_labels().is_some_and(|labels| labels.len() >= FEW_TEST_IMAGES);
    let weak = weakest(run, used.name, last).filter(|&(_, accuracy)| enough && now - accuracy >= WEAK);
    let mut texts = Vec::new();
    if let Some((before, gained)) = rising {
        texts.push(format!(
            "From {} to {}, accuracy rose by {}, so more labels are likely to help.",
            words::budget(before),
            words::budget(last),
            words::size(gained)
        ));
    }
    if let Some((class, accuracy)) = weak {
        texts.push(format!(
            "The class that needs them most is {}: {} of its test images are classified correctly.",
            run.class_name(class),
            words::percent(accuracy)
        ));
    }
    if texts.is_empty() || last != LabelBudget::All {
        return None;
    }
    let pools = run.summary.iter().flat_map(|summary| &summary.data.unlabeled);
    let pool = pools.into_iter().map(|pool| pool.name.as_str()).find(|&name| name != "train" && name != "unlabeled");
    texts.push("Begin with the images that the classifier is least sure of, which the first command lists; run the second afterwards.".to_owned());
    Some(Advice {
        kind: Kind::MoreLabels,
        text: texts.join(" "),
        commands: vec![
            format!(
                "byol predict --from {} {} --sort unsure --out predictions.csv",
                place(run),
                words::quoted(pool.unwrap_or("FOLDER"))
            ),
            again(run, &beside(run, "more-labels")),
        ],
        worth: 2.0 + rising.map_or(0.0, |(_, gained)| 20.0 * gained).min(2.5),
    })
}

/// The class with the lowest test accuracy.
fn weakest(run: &RunData, name: ResultName, budget: LabelBudget) -> Option<(u16, f64)> {
    let accuracies = confusion(run, name, budget)?.class_accuracies();
    let known =
        accuracies.iter().enumerate().filter_map(|(class, accuracy)| Some((u16::try_from(class).ok()?, (*accuracy)?)));
    known.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// More passes: where there were few, or k-NN accuracy still rises.
fn more_passes(run: &RunData, explanation: &Explanation) -> Option<Advice> {
    let found = run.pretraining()?;
    let per_epoch = found.images / (found.epochs as u64).max(1);
    let ahead = |budget: LabelBudget| {
        explanation.comparisons.iter().any(|found| {
            found.name == ResultName::ByolFinetuned && found.budget == budget && found.outcome() == Some(Outcome::Ahead)
        })
    };
    let everywhere = !run.budgets().is_empty() && run.budgets().into_iter().all(ahead);
    if per_epoch == 0 || found.ended_by.as_deref() == Some("patience") {
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
    let why = match few {
        true => format!(
            "Pre-training made {} image passes; gains usually begin near {}.",
            words::count(found.images),
            words::count(FEW_PASSES)
        ),
        false => "k-NN accuracy was still rising when pre-training ended.".to_owned(),
    };
    let shortfall = found.images as f64 / FEW_PASSES as f64;
    Some(Advice {
        kind: Kind::MorePasses,
        text: format!(
            "{why} {further}. The run goes on with the data that it began with, so do this before you add images."
        ),
        commands: vec![format!("byol run --resume {} --more-epochs {}", place(run), further.epochs)],
        worth: match (few, everywhere) {
            (true, false) => 4.5 - shortfall.min(1.0),
            (true, true) => 2.5 - shortfall.min(1.0),
            (false, _) => 2.5,
        },
    })
}

/// All is well: predictions and an export.
fn use_it(run: &RunData, used: Option<&Used>) -> Option<Advice> {
    let used = used?;
    let name = place(run);
    Some(Advice {
        kind: Kind::Use,
        text: format!(
            "Nothing more needs to be done: {} with {} is right about {} of the test images. Use it for new images, or export \
             it for other programs.",
            words::classifier(used.name),
            words::budget(used.budget),
            words::percent(used.accuracy.mean)
        ),
        commands: vec![
            format!("byol predict --from {name} FOLDER --out predictions.csv"),
            format!("byol export --from {name} --out classifier.onnx"),
        ],
        worth: 0.0,
    })
}

#[cfg(test)]
mod tests;
