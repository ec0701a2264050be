//! What a command says of its own work, besides what the library has to say: one sentence each, without a capital and a full stop.

use std::path::Path;

use super::names::{kind, reason, with_first};
use super::numbers::{
    count, expected_duration, guessing, list, percent, plural, right_among, right_of, whole_duration,
};
use crate::run::classifier::{ClassifierKind, Reason};
use crate::run::notice::{ProgramNote, SingleViews, Tested};
use crate::run::record::{LabelBudget, Stage};

/// What is known of the terms of known weights.
const LICENCE: &str = "torchvision's weights, trained on ImageNet: they may have terms of their own that come from that data set, whose images are \
     for research and education that is not commercial; whether you may use them is yours to find out";

/// A note on the work.
pub fn program_note(note: &ProgramNote) -> String {
    match note {
        ProgramNote::Hardware { hardware } => format!("hardware: {hardware}"),
        ProgramNote::HardwareOfMany { hardware, processes, hosts } => {
            let hosts = match hosts {
                1 => "this host".to_owned(),
                several => format!("{several} hosts"),
            };
            format!("hardware: {processes} processes on {hosts}, each like this one: {hardware}")
        }
        ProgramNote::WaitingForProcesses { ranks, of } => {
            let numbers: Vec<String> = ranks.iter().map(usize::to_string).collect();
            let rank = plural(ranks.len() as u64, "rank");
            format!("waiting for {} of {of} processes: {rank} {}", ranks.len(), list(&numbers))
        }
        ProgramNote::LookingThrough { folder } => format!("looking through {folder}"),
        ProgramNote::LookedAt { done, of, seconds_left } => {
            format!("{done} of {of} images looked at, {} left", whole_duration(*seconds_left))
        }
        ProgramNote::Measuring => "measuring a few steps of each kind on this machine".to_owned(),
        ProgramNote::GoWithWeights { settings } => {
            format!("the weights set {} (--set KEY=VALUE overrides that)", settings.join(" "))
        }
        ProgramNote::SmallForWeights { side } => format!(
            "images are {side} px; weights of ImageNet were mostly trained at 224, and --set image_size=224 is more accurate and slower"
        ),
        ProgramNote::Licence { weights } => format!("{weights}: {LICENCE}"),
        ProgramNote::ChangesNothing { pair } => {
            format!("--set {pair} changes nothing: given weights are trained as fine-tuning is; set finetune.* instead")
        }
        ProgramNote::Extended { then, now, earlier } => format!(
            "pre-training goes on from epoch {then} to {now}; until it has finished, use the results and classifiers with {} from {earlier}",
            plural(*then as u64, "epoch")
        ),
        ProgramNote::Seeds { runs, seeds, hours, seconds } => seeds_ahead(*runs, *seeds, *hours, *seconds),
        ProgramNote::WaitedFor { run, exists, hint } => {
            let what = if *exists { "holds no run yet (waiting for one)" } else { "is not there yet (waiting for it)" };
            format!("{run} {what}{hint}")
        }
        ProgramNote::Finished { run } => format!("finished: {run}"),
        ProgramNote::FinishedBefore { run } => format!("{run} was finished before; nothing was left to do"),
        ProgramNote::Interrupted { command } => interrupted(command),
        ProgramNote::AblationInterrupted { folder } => {
            format!("interrupted; the same command with --resume continues {folder}")
        }
        ProgramNote::Taken { kind: of, labels_per_class, test, others, reason: why } => {
            taken((*of, *labels_per_class, *test), others, why)
        }
        ProgramNote::NoBetterThanGuessing { right, images, guess } => {
            let right_on = format!("the classifier is right on {}", share((*right, *images)));
            guessing(*right, *images, *guess).map_or(right_on.clone(), |text| format!("{right_on}; that {text}"))
        }
        ProgramNote::Encoder { stage, labels_per_class, knn } => encoder(*stage, *labels_per_class, *knn),
        ProgramNote::UnknownNetwork { file } => format!(
            "{file} does not say which network made it; if it was another one, these neighbours mean nothing (`byol embed` writes it down)"
        ),
        ProgramNote::LeftOut { path, problem } => format!("left out {path}: {problem}"),
        ProgramNote::Unreadable { unreadable, of } => {
            let were = if *unreadable == 1 { "was" } else { "were" };
            format!("{unreadable} of {of} images could not be read and {were} left out")
        }
        ProgramNote::GoingThrough { done, of, images_per_second, seconds_left } => {
            format!("{done} of {of} images, {images_per_second:.0} images/s, {} left", whole_duration(*seconds_left))
        }
        ProgramNote::Representing { done, of } => {
            format!("{} of {} computed", count(*done as u64), plural(*of as u64, "representation"))
        }
        ProgramNote::Represented { images, computed } => {
            format!(
                "representations of {}, {} of them computed now",
                plural(*images as u64, "image"),
                count(*computed as u64)
            )
        }
        ProgramNote::RepresentationsNotKept { file, problem } => {
            format!("{file} cannot be written ({problem}), so representations are computed anew next time")
        }
        ProgramNote::Simulated { strategy, seed, labels, test_accuracy } => {
            format!("{strategy}, seed {seed}, {}: {}", plural(*labels as u64, "label"), percent(*test_accuracy))
        }
        ProgramNote::RefusedForTraining { problem } => {
            format!("training commands would refuse the data: {problem}; it is looked at without a division")
        }
        ProgramNote::Throughput { images, seconds, images_per_second, threads } => {
            let on = threads.map_or_else(|| "the GPU".to_owned(), |threads| plural(threads as u64, "thread"));
            let images = plural(*images as u64, "image");
            format!("{images} in {seconds:.1} s: {images_per_second:.1} images/s on {on}")
        }
        ProgramNote::Predicted { images, classes, named, unsure, sure } => {
            predicted(*images, classes, *named, (*unsure, *sure))
        }
        ProgramNote::ClosedSet { classes } => closed_set(*classes),
        ProgramNote::SeenInTraining { seen, images, folder } => format!(
            "{seen} of the {} in {folder} lie in the run's own data and are not among its test images, so the classifier may have been \
             trained on them: it is surer about these than about new images, and probabilities come out too high; calibrate on images \
             that the run has not seen",
            plural(*images as u64, "image")
        ),
        ProgramNote::PerhapsTrainedOn { seen, images } => format!(
            "{seen} of the {} {} in the run's own data and not among its test images, so the classifier may have been trained on {}: it \
             is surer of such images, and more often right, than of new ones",
            plural(*images as u64, "image"),
            if *seen == 1 { "lies" } else { "lie" },
            if *seen == 1 { "it" } else { "them" },
        ),
        ProgramNote::RightOnLabelled { right, images } => {
            let among = right_among(*right as u64, *images as u64, "labelled image");
            format!("right on {}", among.unwrap_or_else(|| "no labelled image".to_owned()))
        }
        ProgramNote::CannotBeNamed { image } => format!(
            "{image} is not asked for: a table cannot hold its name, which begins or ends with a blank or has a control character"
        ),
        ProgramNote::NothingSetAside { table } => format!(
            "{table} has no column `split`, so no label is set aside to measure the classifier; add `,split` to its first line and a \
             comma to each other for that"
        ),
        ProgramNote::NoBrowser { address } => format!("no browser could be opened; open {address} yourself"),
        ProgramNote::Calibrated {
            images,
            temperature,
            loss: [loss_before, loss_after],
            calibration_error: [error_before, error_after],
        } => format!(
            "calibrated on {images} images: temperature {temperature:.3}, loss {loss_after:.4} (was {loss_before:.4}), calibration error \
             {error_after:.4} (was {error_before:.4})"
        ),
        ProgramNote::ProbabilitiesCalibrated { temperature, images, folder } => {
            format!(
                "the probabilities are calibrated on {}: temperature {temperature:.3}",
                labelled(*images, folder.as_deref())
            )
        }
        ProgramNote::ProbabilitiesAveraged { views, scaled } => averaged(*views, scaled.as_ref()),
        ProgramNote::ProbabilitiesOfTooFew { images, folder, enough } => {
            let them = if *images == 1 { "is" } else { "are" };
            format!(
                "the probabilities are the network's own, not calibrated: {} {them} too few ({enough} are needed; --calibrate-on DIR takes \
                 others)",
                labelled(*images, folder.as_deref())
            )
        }
        ProgramNote::ProbabilitiesUncalibrated { enough } => format!(
            "the probabilities are the network's own, not calibrated; --calibrate-on DIR does that with at least {enough} labelled images that \
             trained nothing"
        ),
    }
}

/// What a plan is one of several of: the same settings with other seeds.
fn seeds_ahead(runs: usize, [first, last]: [u64; 2], hours: Option<[f64; 2]>, seconds: Option<f64>) -> String {
    let mut text = format!("{runs} runs follow this plan, with the same settings and seeds {first} to {last}");
    if let Some([all, each]) = hours {
        text += &format!("; each has its share of {all} h, {each} h");
    }
    if let Some(seconds) = seconds {
        text += &format!("; about {} for all of them", expected_duration(seconds));
    }
    text
}

/// Which classifier is taken: of a kind and with a label budget, with its test; beside others, and why.
fn taken(
    (of, with, test): (ClassifierKind, Option<LabelBudget>, Option<Tested>),
    others: &[(ClassifierKind, Tested)],
    why: &Reason,
) -> String {
    let with = with.map(with_first).unwrap_or_default();
    let test =
        test.map_or_else(|| ", its accuracy is not recorded".to_owned(), |test| format!(", right on {}", share(test)));
    let others: Vec<String> = others
        .iter()
        .map(|&(of, (right, images))| format!("{} {}", kind(of), percent(right as f64 / images.max(1) as f64)))
        .collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("; others on the same images: {}", others.join(", ")),
    };
    let why = reason(why).map_or_else(String::new, |why| format!("; {why}; --classifier takes another"));
    format!("classifier: {}{with}{test}{others}{why}", kind(of))
}

fn share((right, images): Tested) -> String {
    right_of(right, images).unwrap_or_else(|| "no test images".to_owned())
}

/// Which encoder is taken.
fn encoder(stage: Stage, with: Option<LabelBudget>, knn: Option<(LabelBudget, Tested)>) -> String {
    let with = with.map(with_first).unwrap_or_default();
    match stage {
        Stage::Selftrain => format!("encoder: self-trained{with}"),
        Stage::Finetune => format!("encoder: fine-tuned{with}"),
        Stage::Supervised => format!("encoder: trained{with} alone"),
        Stage::Pretrain => {
            let worth = knn.map_or_else(String::new, |(of, test)| {
                format!(" (k-NN on it{}: right on {})", with_first(of), share(test))
            });
            format!(
                "encoder: pre-trained{worth}; it finds images that look alike, --stage finetune images of the same class"
            )
        }
    }
}

/// `60 images: 19 dog, 12 ship; 23 are less than 60% sure`. Some classes are named, the others counted.
fn predicted(images: usize, classes: &[(String, usize)], named: usize, (unsure, sure): (usize, f64)) -> String {
    let (named, others) = classes.split_at(named.min(classes.len()));
    let mut parts: Vec<String> = named.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let rest: usize = others.iter().map(|(_, count)| count).sum();
    if rest > 0 {
        let classes = match others.len() {
            1 => "another class".to_owned(),
            classes => format!("{classes} other classes"),
        };
        parts.push(format!("{rest} of {classes}"));
    }
    let unsure = match unsure {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        several => format!("{several} are"),
    };
    let (images, parts) = (plural(images as u64, "image"), parts.join(", "));
    format!("{images}: {parts}; {unsure} less than {:.0}% sure", 100.0 * sure)
}

/// What the answers of a classifier cannot say.
pub fn closed_set(classes: usize) -> String {
    format!("every image gets one of the {classes} classes, also an image of something else")
}

/// What probabilities are that are means over several views.
fn averaged(views: usize, scaled: Option<&SingleViews>) -> String {
    let means = format!("the probabilities are means over {} of each image", plural(views as u64, "view"));
    scaled.map_or(means.clone(), |scaled| {
        format!(
            "{means}, each at temperature {:.3}, which was chosen on single views of {}; means are less sure than single views, so they are not \
             called calibrated",
            scaled.temperature,
            labelled(scaled.images, scaled.folder.as_deref())
        )
    })
}

/// Labelled images that a temperature was chosen on.
fn labelled(images: usize, folder: Option<&str>) -> String {
    match folder {
        None => format!("the run's {}", plural(images as u64, "test image")),
        Some(folder) => format!("{} of {folder}", plural(images as u64, "image")),
    }
}

/// A run that was interrupted, with the command that goes on.
pub fn interrupted(command: &str) -> String {
    format!("interrupted; to go on: {command}")
}

pub const NOTHING_BEGUN: &str = "interrupted; nothing was begun";

pub fn as_it_was(run: &Path) -> String {
    format!("interrupted; {} is as it was", run.display())
}

pub fn not_written(out: &Path) -> String {
    format!("interrupted; {} was not written", out.display())
}

/// Where the report is.
pub fn report(page: &Path) -> String {
    format!("report: {}", page.display())
}

/// What to do after it.
pub fn next(command: &str) -> String {
    format!("next: {command}")
}

/// How many labels there are when labelling ends, and what trains with them.
pub fn labels_kept(labels: usize, table: &Path, command: &str) -> String {
    format!("{} in {}; next: {command}", plural(labels as u64, "label"), table.display())
}

pub fn predictions_are_in(images: usize, out: &Path) -> String {
    let predictions = if images == 1 { "1 prediction is".to_owned() } else { format!("{images} predictions are") };
    format!("{predictions} in {}", out.display())
}

pub fn images_are_in(page: &Path) -> String {
    format!("the images are in {}", page.display())
}

pub fn watching(runs: &[String], address: &str) -> String {
    format!("watching {} at {address} (Ctrl-C ends this, not the run)", runs.join(", "))
}

/// Where suspicious labels are answered, and where the answers are kept.
pub fn asking(file: &str, address: &str) -> String {
    format!("answer at {address} (Ctrl-C ends this); answers are kept in {file}")
}

/// How many answers there are by now, and how they are used.
pub fn answers_kept(answers: usize, file: &str) -> String {
    format!("{} in {file}; commands with this --data apply them", plural(answers as u64, "answer"))
}

pub fn labelling(address: &str, table: &Path) -> String {
    format!("label at {address}; every answer is kept in {} at once (Ctrl-C ends this)", table.display())
}

pub fn port_taken(port: u16) -> String {
    format!("port {port} is taken, so another one is used")
}

/// Below a table of evaluations on folds that were drawn.
pub const DRAWN_FOLDS: &str =
    "drawn-folds: the data has no fold_indices.txt, so these folds of the same form were drawn here";

pub fn views_are_in(images: usize, folder: &Path) -> String {
    let images = plural(images as u64, "image");
    format!("views of {images}, and views.json with their parameters, are in {}", folder.display())
}

/// Where a page is.
pub fn page(page: &Path) -> String {
    format!("page: {}", page.display())
}

pub fn rows_are_in(rows: usize, columns: usize, out: &Path) -> String {
    format!("{rows} rows of {columns} values are in {}", out.display())
}

pub fn packed(images: usize, megabytes: f64, out: &Path) -> String {
    let out = out.display();
    format!("{images} images in {out}, {megabytes:.0} MB; use it with --data {out}")
}

/// A data set that was asked for, whether it was `fetched` now.
pub fn fetched(folder: &Path, fetched: bool) -> String {
    let what = if fetched { "fetched and verified" } else { "complete already; nothing was downloaded" };
    format!("{}: {what}", folder.display())
}

/// Pages of images that commands write.
pub mod pages {
    use std::path::Path;

    use super::plural;

    pub const PREDICTIONS: &str = "Predictions";
    pub const QUERY: &str = "The image";
    pub const NEAREST: &str = "Nearest first";
    pub const VIEWS: &str = "Views";
    pub const ORIGINAL: &str = "original";
    /// A class with a share (0-1) in percent.
    pub fn class_with_share(class: &str, share: f64) -> String {
        format!("{class} {:.1}%", 100.0 * share)
    }

    /// A class above its images.
    pub fn class(name: &str, images: usize) -> String {
        format!("{name}: {}", plural(images as u64, "image"))
    }

    pub fn like(image: &Path) -> String {
        format!("Like {}", image.display())
    }

    pub fn searched_in(among: &Path) -> String {
        format!("Searched in {}.", among.display())
    }

    pub fn similarity(similarity: f64) -> String {
        format!("similarity {similarity:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_plan_with_several_seeds_is_said() {
        let said = |hours, seconds| program_note(&ProgramNote::Seeds { runs: 3, seeds: [7, 9], hours, seconds });
        assert_eq!(
            said(Some([1.0, 0.333]), Some(3300.0)),
            "3 runs follow this plan, with the same settings and seeds 7 to 9; each has its share of 1 h, 0.333 h; about 55 min 00 s for \
             all of them"
        );
        assert_eq!(said(None, None), "3 runs follow this plan, with the same settings and seeds 7 to 9");
    }
}
