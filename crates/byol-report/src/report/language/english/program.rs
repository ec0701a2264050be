//! What a command says of its own work, besides what the library has to say: one sentence each, without a capital and a full stop.

use std::path::Path;

use super::names::{kind, reason, with_first};
use super::numbers::{guessing, percent, plural, right_among, right_of, whole_duration};
use crate::report::language::values::{Calibrated, Encoder, Overview, Taken, Tested};
use crate::statistics::guess::Guess;

pub fn hardware(hardware: &str) -> String {
    format!("hardware: {hardware}")
}

pub fn looking_through(folder: &Path) -> String {
    format!("looking through {}", folder.display())
}

pub fn looked_at(done: usize, of: usize) -> String {
    format!("{done} of {of} images looked at")
}

pub const MEASURING: &str = "measuring a few steps of each kind on this machine";

/// These settings go with given weights.
pub fn go_with_weights(settings: &[&str]) -> String {
    format!("the weights set {} (--set KEY=VALUE overrides that)", settings.join(" "))
}

/// Images are small for weights of ImageNet.
pub fn small_for_weights(side: usize) -> String {
    format!(
        "images are {side} px; weights of ImageNet were mostly trained at 224, and --set image_size=224 is more accurate and slower"
    )
}

pub fn licence(weights: &str, licence: &str) -> String {
    format!("{weights}: {licence}")
}

/// A setting that a run of given weights does not use.
pub fn changes_nothing(pair: &str) -> String {
    format!("--set {pair} changes nothing: given weights are trained as fine-tuning is; set finetune.* instead")
}

pub fn extended([then, now]: [usize; 2], earlier: &Path) -> String {
    format!(
        "pre-training goes on from epoch {then} to {now}; until it has finished, use the results and classifiers with {} from {}",
        plural(then as u64, "epoch"),
        earlier.display()
    )
}

pub fn finished(run: &Path) -> String {
    format!("finished: {}", run.display())
}

pub fn finished_before(run: &Path) -> String {
    format!("{} was finished before; nothing was left to do", run.display())
}

/// A run that was interrupted, with the command that goes on.
pub fn interrupted(command: &str) -> String {
    format!("interrupted; to go on: {command}")
}

pub fn ablation_interrupted(folder: &Path) -> String {
    format!("interrupted; the same command with --resume continues {}", folder.display())
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

/// Which classifier is taken.
pub fn taken(taken: &Taken) -> String {
    let with = taken.budget.map(with_first).unwrap_or_default();
    let test = taken
        .test
        .map_or_else(|| ", its accuracy is not recorded".to_owned(), |test| format!(", right on {}", share(test)));
    let others: Vec<String> = taken
        .others
        .iter()
        .map(|&(of, (right, images))| format!("{} {}", kind(of), percent(right as f64 / images.max(1) as f64)))
        .collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("; others on the same images: {}", others.join(", ")),
    };
    let why = reason(taken.reason).map_or_else(String::new, |why| format!("; {why}; --classifier takes another"));
    format!("classifier: {}{with}{test}{others}{why}", kind(taken.kind))
}

/// That a classifier is no better than guessing, where it is not.
pub fn no_better_than_guessing((right, images): Tested, guess: Guess) -> Option<String> {
    let text = guessing(right, images, guess)?;
    Some(format!("the classifier is right on {}; {text}", share((right, images))))
}

fn share((right, images): Tested) -> String {
    right_of(right, images).unwrap_or_else(|| "no test images".to_owned())
}

/// Which encoder is taken.
pub fn encoder(encoder: &Encoder) -> String {
    match encoder {
        Encoder::Selftrained(with) => format!("encoder: self-trained{}", with.map(with_first).unwrap_or_default()),
        Encoder::Finetuned(with) => format!("encoder: fine-tuned{}", with.map(with_first).unwrap_or_default()),
        Encoder::Trained(with) => format!("encoder: trained{} alone", with.map(with_first).unwrap_or_default()),
        Encoder::Pretrained(knn) => {
            let worth = knn.map_or_else(String::new, |(of, test)| {
                format!(" (k-NN on it{}: right on {})", with_first(of), share(test))
            });
            format!(
                "encoder: pre-trained{worth}; it finds images that look alike, --stage finetune images of the same class"
            )
        }
    }
}

/// An image that cannot be read.
pub fn left_out(path: &Path, problem: &str) -> String {
    format!("left out {}: {problem}", path.display())
}

/// How many images could not be read.
pub fn unreadable(unreadable: usize, of: usize) -> String {
    let were = if unreadable == 1 { "was" } else { "were" };
    format!("{unreadable} of {of} images could not be read and {were} left out")
}

/// How far the work is.
pub fn going_through(done: u32, of: usize, rate: f64, seconds_left: f64) -> String {
    format!("{done} of {of} images, {rate:.0} images/s, {} left", whole_duration(seconds_left))
}

/// How fast the work went; on so many threads, or on the GPU.
pub fn throughput(images: usize, seconds: f64, rate: f64, threads: Option<usize>) -> String {
    let on = threads.map_or_else(|| "the GPU".to_owned(), |threads| plural(threads as u64, "thread"));
    format!("{} in {seconds:.1} s: {rate:.1} images/s on {on}", plural(images as u64, "image"))
}

/// `60 images: 19 dog, 12 ship; 23 are less than 60% sure`.
pub fn overview(found: &Overview) -> String {
    let Overview { images, counts, named, unsure, sure } = found;
    let mut parts: Vec<String> = counts.iter().take(*named).map(|(class, count)| format!("{count} {class}")).collect();
    let others: usize = counts.iter().skip(*named).map(|(_, count)| count).sum();
    if others > 0 {
        let classes = match counts.len() - named {
            1 => "another class".to_owned(),
            classes => format!("{classes} other classes"),
        };
        parts.push(format!("{others} of {classes}"));
    }
    let unsure = match unsure {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        several => format!("{several} are"),
    };
    let (images, parts) = (plural(*images as u64, "image"), parts.join(", "));
    format!("{images}: {parts}; {unsure} less than {:.0}% sure", 100.0 * sure)
}

pub fn predictions_are_in(images: usize, out: &Path) -> String {
    let predictions = if images == 1 { "1 prediction is".to_owned() } else { format!("{images} predictions are") };
    format!("{predictions} in {}", out.display())
}

pub fn images_are_in(page: &Path) -> String {
    format!("the images are in {}", page.display())
}

/// Labelled images that the run may have been trained on.
pub fn seen_in_training(seen: usize, images: usize, folder: &Path) -> String {
    format!(
        "{seen} of the {} in {} lie in the run's own data and are not among its test images, so the classifier may have been \
         trained on them: it is surer about these than about new images, and probabilities come out too high; calibrate on images \
         that the run has not seen",
        plural(images as u64, "image"),
        folder.display()
    )
}

/// Images to predict that the run may have been trained on.
pub fn perhaps_trained_on(seen: usize, images: usize) -> String {
    format!(
        "{seen} of the {} {} in the run's own data and not among its test images, so the classifier may have been trained on {}: it \
         is surer of such images, and more often right, than of new ones",
        plural(images as u64, "image"),
        if seen == 1 { "lies" } else { "lie" },
        if seen == 1 { "it" } else { "them" },
    )
}

/// How many of the images that have labels are answered rightly; nothing where none has one.
pub fn right_on_labelled(right: usize, labelled: usize) -> Option<String> {
    Some(format!("right on {}", right_among(right as u64, labelled as u64, "labelled image")?))
}

pub fn calibrated(found: &Calibrated) -> String {
    let ([loss_before, loss_after], [error_before, error_after]) = (found.loss, found.calibration_error);
    format!(
        "calibrated on {} images: temperature {:.3}, loss {loss_after:.4} (was {loss_before:.4}), calibration error \
         {error_after:.4} (was {error_before:.4})",
        found.images, found.temperature
    )
}

/// A file of representations that does not name its network.
pub fn unknown_network(file: &Path) -> String {
    format!(
        "{} does not say which network made it; if it was another one, these neighbours mean nothing (`byol embed` writes it \
         down)",
        file.display()
    )
}

pub fn watching(runs: &[String], address: &str) -> String {
    format!("watching {} at {address} (Ctrl-C ends this, not the run)", runs.join(", "))
}

pub fn port_taken(port: u16) -> String {
    format!("port {port} is taken, so another one is used")
}

/// A run directory that is waited for, with a hint at what may have been meant.
pub fn waited_for(run: &Path, exists: bool, hint: &str) -> String {
    let what = if exists { "holds no run yet (waiting for one)" } else { "is not there yet (waiting for it)" };
    format!("{} {what}{hint}", run.display())
}

pub fn no_browser(address: &str) -> String {
    format!("no browser could be opened; open {address} yourself")
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
