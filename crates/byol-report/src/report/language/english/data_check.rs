//! What a look at labelled data found.

use super::numbers::{count, list, plural, right_among};
use crate::data::corrections::Answer;
use crate::run::data_check::{DataCheck, Finding, LabelledImage};

pub const OVER: &str = "byol data check";
pub const FINDINGS: &str = "Most suspicious first";
/// What the findings are.
pub const LEAD: &str = "Each is a suspicion by what a frozen encoder makes of the images, not a judgement: look before you change a \
     label. No file was changed.";
/// Where an image cannot be shown.
pub const NOT_SHOWN: &str = "cannot be read";
/// Under a test image.
pub const TEST: &str = "test";
/// What the page that is answered is for.
pub const ASKED: &str = "Each is a suspicion by what a frozen encoder makes of the images, not a judgement. Keep the label, change it, or \
     drop the image: every answer is in the file at once, and commands that take this data apply it. Images and labels themselves stay as they are.";
/// The keys of that page.
pub const KEYS: &str = "Keys: n begins at the first image without an answer, then n and p go to the next and the previous one; k keeps \
     the label, Enter takes the suggested class, c asks for another one, d drops the image, u undoes, as often as wanted.";
pub const ANSWERED: &str = "Answered before";
pub const KEEP: &str = "Keep";
pub const DROP: &str = "Drop";
pub const ANOTHER: &str = "Another class …";
pub const UNDO: &str = "Undo";
/// Words of the page's script.
pub const WORDS: &[(&str, &str)] = &[
    ("standing", "{given} answered, kept in {file}"),
    ("another", ANOTHER),
    ("changed", "Changed to {class}"),
    ("findClass", "Part of a class's name; Enter takes the first"),
    ("noSuchClass", "No class has that in its name."),
    ("take", "Take"),
    ("cancel", "Cancel"),
    ("notKept", "{problem}. This answer is not kept; give it again once that is mended."),
    (
        "dataChanged",
        "The data has changed since this page was made: answers to labels that are others by now will not apply. End the command and \
         begin it again.",
    ),
    ("elsewhere", "This image was answered in another window meanwhile; its answer is shown now."),
    ("gone", "The server does not answer: nothing is kept until it does. Start the command again, and reload."),
    ("nothing", "There is nothing to undo."),
];

/// The button that takes the suggested class.
pub fn change_to(class: &str) -> String {
    format!("Change to {class}")
}

/// An answer that was given before, below its image.
pub fn answered(class: &str, answer: &Answer) -> String {
    match answer {
        Answer::Keep => format!("{class}, kept"),
        Answer::Change(to) => format!("{class}, changed to {to}"),
        Answer::Drop => format!("{class}, dropped"),
        Answer::Open => class.to_owned(),
    }
}

/// Where the classifier says nothing.
const CAUTION: &str = " That is not clearly better than guessing, so the encoder says little of these labels, and most of what looks wrong \
     may be right: pre-train for longer, or look with another encoder.";

/// Copies that a line names at most.
const NAMED: usize = 4;

/// Title and heading of the page.
pub fn title(check: &DataCheck) -> String {
    format!("What is suspicious in {}", check.data)
}

/// One line on a finding, without a full stop.
pub fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Contradiction { images, exact } => {
            let each: Vec<String> =
                images.iter().take(NAMED).map(|one| format!("{} ({})", name(one), one.class)).collect();
            let more = more(images);
            format!("different labels: {}{more} {}", list_of(&each, more.is_empty()), alike(*exact))
        }
        Finding::InTrainAndTest { images, exact } => {
            format!("in training and in test: {} {}", names(images), alike(*exact))
        }
        Finding::WrongLabel { image, likely, own_probability, likely_probability } => format!(
            "wrong label: {} is labelled {} ({}), probably {likely} ({})",
            name(image),
            image.class,
            whole_percent(*own_probability),
            whole_percent(*likely_probability)
        ),
        Finding::Outlier { image, distance } => format!(
            "outlier: {} ({}) is {distance:.1} times as far from its nearest images as is usual",
            name(image),
            image.class
        ),
        Finding::Repeated { images, exact } => {
            let class = images.first().map(|one| one.class.as_str()).unwrap_or_default();
            format!("repeated in {class}: {} {}", names(images), alike(*exact))
        }
        Finding::AlikeClasses { classes: [one, other], mistaken, images } => format!(
            "classes alike: {one} and {other}, {} of {} taken for the other",
            count(*mistaken),
            plural(*images, "image")
        ),
        Finding::SmallClass { class, images } => {
            format!("small class: {class} has {}, too few to judge", plural(*images as u64, "labelled image"))
        }
    }
}

fn alike(exact: bool) -> &'static str {
    if exact { "have equal pixels" } else { "look alike" }
}

fn whole_percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

fn name(image: &LabelledImage) -> String {
    if image.test { format!("{} [test]", image.image) } else { image.image.clone() }
}

fn names(images: &[LabelledImage]) -> String {
    let named: Vec<String> = images.iter().take(NAMED).map(name).collect();
    let more = more(images);
    format!("{}{more}", list_of(&named, more.is_empty()))
}

/// A list, or the beginning of one.
fn list_of(parts: &[String], whole: bool) -> String {
    if whole { list(parts) } else { parts.join(", ") }
}

fn more(images: &[LabelledImage]) -> String {
    match images.len().saturating_sub(NAMED) {
        0 => String::new(),
        left => format!(" and {}", plural(left as u64, "other")),
    }
}

/// How much there is of what, and how far the labels can be judged.
pub fn closing(check: &DataCheck) -> String {
    let looked = format!("{} of {}", plural(check.images as u64, "labelled image"), check.data);
    let held_out = check.held_out.and_then(|found| {
        let right = right_among(found.right, found.images, "label")?;
        let caution = if found.no_better_than_guessing { CAUTION } else { "" };
        Some(format!(" A classifier that did not see them agrees with {right}.{caution}"))
    });
    let held_out = held_out.unwrap_or_else(|| " There is one class alone, so no label can be judged.".to_owned());
    if check.findings.is_empty() {
        return format!("Nothing suspicious in {looked}.{held_out}");
    }
    let kinds = [
        ("contradiction", "contradiction"),
        ("in_train_and_test", "image in training and in test"),
        ("wrong_label", "probable wrong label"),
        ("outlier", "outlier"),
        ("repeated", "repeated image"),
        ("alike_classes", "pair of classes alike"),
        ("small_class", "small class"),
    ];
    let of = |(kind, said): (&str, &str)| {
        let found = check.findings.iter().filter(|finding| finding.kind() == kind).count();
        (found > 0).then(|| counted(found, said))
    };
    let counts: Vec<String> = kinds.into_iter().filter_map(of).collect();
    format!("{} in {looked}: {}.{held_out}", plural(check.findings.len() as u64, "finding"), list(&counts))
}

fn counted(found: usize, said: &str) -> String {
    match (found, said) {
        (1, _) => format!("1 {said}"),
        (_, "image in training and in test") => format!("{} images in training and in test", count(found as u64)),
        (_, "pair of classes alike") => format!("{} pairs of classes alike", count(found as u64)),
        (_, "small class") => format!("{} small classes", count(found as u64)),
        _ => plural(found as u64, said),
    }
}

/// How many images of a finding the page leaves out.
pub fn not_shown(images: usize) -> String {
    let are = if images == 1 { "is" } else { "are" };
    format!("{} more {are} not shown.", count(images as u64))
}

/// How many findings the page leaves out with their images.
pub fn without_images(findings: usize) -> String {
    let are = if findings == 1 { "is" } else { "are" };
    format!(
        "{} {are} not on this page: --csv lists them, and once those above are answered (--serve) the next look shows them.",
        plural_more(findings)
    )
}

fn plural_more(findings: usize) -> String {
    format!("{} more finding{}", count(findings as u64), if findings == 1 { "" } else { "s" })
}

/// Why an answer to an image is not kept.
pub fn gone(image: &str) -> String {
    format!("{image} is not there any more")
}

/// What made the page.
pub fn made_by(check: &DataCheck) -> String {
    format!("Made by byol {}.", check.version)
}
