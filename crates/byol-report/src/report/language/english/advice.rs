//! What to do next.

use super::names::{budget, classifier_with};
use super::numbers::{about, count, duration, nearly, percent, plural, rounded, size, whole_duration};
use crate::data::DataSplit;
use crate::report::advice::{Aim, FEW_PASSES, Further, IntoTest, Kind, Repair, What};

/// Above a piece of advice.
pub fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Repair => "Look at the data",
        Kind::Weights => "Begin with given weights",
        Kind::MoreTestImages => "Test on more images",
        Kind::MoreLabels => "Label more images",
        Kind::MorePasses => "Pre-train longer",
        Kind::Gpu => "Use a GPU",
        Kind::Use => "Use the classifier",
    }
}

/// Why, and what: a few sentences, which the commands follow.
pub fn text(what: &What) -> String {
    match what {
        What::Repair(found) => repair(found),
        What::Weights { images } => format!(
            "{} are few to learn from. Weights trained on ImageNet's 1.2 million photographs usually do better straight away, and \
             the comparison then shows what your own images add to them. This downloads 47 MB once; without a network, put \
             `resnet18-f37072fd.pth` into `~/.cache/byol/weights` yourself (docs/weights.md).",
            plural(*images, "image")
        ),
        What::MoreTestImages { images, aim, into } => {
            // From the number that is named.
            let wanted = match aim {
                Aim::Difference { wanted, .. } => rounded(*wanted),
                Aim::Accuracy { wanted, .. } => *wanted,
            };
            let more = count(wanted.saturating_sub(*images));
            format!("{} Label about {more} more. {} Afterwards:", more_test_images(*images, aim), into_the_test(into))
        }
        What::MoreLabels { rising, weakest } => {
            let rose = rising.map(|rising| {
                let doubled = rising.doubled.map_or_else(String::new, |doubled| {
                    format!(
                        ": if the curve goes on like that, twice as many ({} more) add about {}",
                        nearly(doubled.labels),
                        size(doubled.gain)
                    )
                });
                format!(
                    "From {} to {}, accuracy rose by {}, so more labels are likely to help{doubled}. ",
                    budget(rising.from),
                    budget(rising.to),
                    size(rising.gained)
                )
            });
            let class = weakest.as_ref().map(|(class, accuracy)| {
                format!(
                    "The class that needs them most is {class}: {} of its test images are classified correctly. ",
                    percent(*accuracy)
                )
            });
            format!(
                "{}{}Begin with the images that the classifier is least sure of, which the first command lists; run the second \
                 afterwards.",
                rose.unwrap_or_default(),
                class.unwrap_or_default()
            )
        }
        What::MorePasses { few, further: more } => {
            let why = match few {
                Some(passes) => format!(
                    "Pre-training made {} image passes; gains usually begin near {}.",
                    count(*passes),
                    count(FEW_PASSES)
                ),
                None => "k-NN accuracy was still rising when pre-training ended.".to_owned(),
            };
            format!(
                "{why} {}. The run continues with the data that it started with, so do this before you add images.",
                further(more)
            )
        }
        What::Gpu { passes, seconds } => format!(
            "Pre-training made {} image passes on a CPU{}. A GPU makes many more of them in the same time, with which gains are likelier and \
             larger networks can be trained. On a machine that has one, with the same data:",
            count(*passes),
            seconds.map_or_else(String::new, |seconds| format!(", in {}", whole_duration(seconds)))
        ),
        What::Use { name, budget, accuracy } => format!(
            "Nothing more needs to be done: {} is right on {} of the test images. Use it for new images, or export it for \
             other programs.",
            classifier_with(*name, *budget),
            percent(*accuracy)
        ),
    }
}

/// Above all advice, where there is more than one piece.
pub fn most_useful_first() -> &'static str {
    "The most useful step comes first. Run the commands in the folder that the run was started in."
}

/// Where there is no advice.
pub fn none(finished: bool) -> &'static str {
    match finished {
        true => "There is no advice for this run.",
        false => "Advice appears here when the run has finished.",
    }
}

/// `12 more epochs are 1,200 passes, about 3 min at 6.7 images/s, monitoring included`
pub fn further(further: &Further) -> String {
    format!(
        "{} {} {} passes, about {} at {:.1} images/s, monitoring included",
        plural(further.epochs, "more epoch"),
        if further.epochs == 1 { "is" } else { "are" },
        count(further.passes),
        duration(further.seconds),
        further.rate
    )
}

fn repair(found: &Repair) -> String {
    let mut texts = Vec::new();
    if let Some(copies) = found.copies {
        texts.push(format!(
            "{} {} of training images{}, so accuracies come out too high: remove the copies from one of the two.",
            plural(copies.images, "test image"),
            if copies.images == 1 { "is a copy" } else { "are copies" },
            match copies.exact as u64 {
                0 => String::new(),
                all if all == copies.images => ", to the last pixel".to_owned(),
                exact => format!(" ({} exact)", count(exact)),
            },
        ));
    }
    if let Some((images, first)) = &found.contradictions {
        let named: Vec<String> =
            first.images.iter().take(2).map(|named| format!("{} is `{}`", named.image, named.class)).collect();
        texts.push(format!(
            "{} {} several labels ({}), so a label {} wrong: correct it.",
            plural(*images, "image"),
            if *images == 1 { "has" } else { "have" },
            named.join(", "),
            if first.exact { "is" } else { "may be" },
        ));
    }
    if found.skipped > 0 {
        texts.push(format!(
            "{} could not be read and {} not used.",
            plural(found.skipped, "file"),
            if found.skipped == 1 { "was" } else { "were" },
        ));
    }
    let one = texts.len() == 1 && texts[0].starts_with("1 ");
    texts.push(format!("The command names {}.", if one { "it" } else { "them" }));
    texts.join(" ")
}

fn more_test_images(images: u64, aim: &Aim) -> String {
    let images = plural(images, "test image");
    let points = |share: f64| format!("±{:.0}", (100.0 * share).ceil());
    match aim {
        Aim::Difference { difference, wanted } => format!(
            "With {images} a difference of {} may be chance; about {} would be needed to tell.",
            size(*difference),
            about(*wanted)
        ),
        Aim::Accuracy { known, wanted, then_known } => format!(
            "With {images} an accuracy is known to about {} points; {} test images would give {}.",
            points(*known),
            count(*wanted),
            points(*then_known)
        ),
    }
}

/// How labelled images come into the test.
fn into_the_test(into: &IntoTest) -> String {
    let place = match &into.table {
        Some(table) => format!("Add a row for each to `{table}` (the image named as in the other rows)"),
        None => "Put them with the other labelled images".to_owned(),
    };
    match &into.split {
        Some(DataSplit::Drawn { file }) => {
            format!(
                "{place}, and add a line `path,test` for each to `{}`, with the path written as in the other lines.",
                file.display()
            )
        }
        Some(DataSplit::Given) if into.table.is_some() => format!("{place}, marked as a test image."),
        Some(DataSplit::Given) => "Put them with the other test images.".to_owned(),
        None => format!(
            "{place}, as test images (where the split was drawn, a line `path,test` in `byol-split.csv` does that)."
        ),
    }
}
