//! The page's charts and tables of results: titles, axes, legends and captions.

use super::method::method_name;
use super::names::{budget, fine_tuned, label, stage};
use super::numbers::{capital, count, figure, name_of_guess, percent, points, points_between};
use super::table::accuracies_are;
use crate::report::compare::{Comparison, Outcome};
use crate::report::language::values::{Measure, Watched};
use crate::run::record::{LabelBudget, Method, Stage};
use crate::statistics::guess::Guess;
use crate::statistics::significance::McNemar;

/// In a legend, and in the chart's title.
pub fn measure(of: Measure) -> &'static str {
    match of {
        Measure::Loss => "loss",
        Measure::Accuracy => "accuracy",
        Measure::Knn => "k-NN",
        Measure::LinearProbe => "linear probe",
        Measure::KnnAndProbe => "k-NN accuracy and linear probe",
        Measure::EffectiveRank => "effective rank",
        Measure::Alignment => "alignment",
        Measure::Uniformity => "uniformity",
        Measure::ProjectionDeviation => "projection deviation",
        Measure::LearningRate => "learning rate",
        Measure::Tau => "tau",
    }
}

/// Along the y axis of a run's own charts.
pub fn axis(of: Measure) -> &'static str {
    match of {
        Measure::Loss => "training loss",
        Measure::Accuracy | Measure::Knn | Measure::LinearProbe | Measure::KnnAndProbe => "accuracy, %",
        Measure::EffectiveRank => "effective rank",
        Measure::Alignment => "squared distance",
        Measure::Uniformity => "log mean potential",
        Measure::ProjectionDeviation => "deviation",
        Measure::LearningRate => "learning rate",
        Measure::Tau => "tau",
    }
}
pub const CROSS_ENTROPY: &str = "cross-entropy";
pub const EPOCH: &str = "epoch";
pub const LABELS_PER_CLASS: &str = "labels per class";
pub const TEST_ACCURACY: &str = "test accuracy, %";
pub const DIFFERENCE: &str = "difference, percentage points";

/// Titles, for readers who do not see the chart.
pub fn over_epochs(what: &str) -> String {
    capital(&format!("{what} over epochs"))
}
pub const ACCURACY_BY_BUDGET: &str = "Test accuracy against label budget";
pub const DIFFERENCES_BY_BUDGET: &str = "Differences of test accuracy against label budget";

/// What a chart is about that has no points to be seen.
pub fn description(y: &str, x: &str, series: &[String]) -> String {
    format!("{y} over {x}. {}", series.join(" "))
}

/// One series of a description: its only point, or its first and last.
pub fn series(label: &str, first: &str, last: Option<&str>) -> String {
    match last {
        None => format!("{label}: {first}."),
        Some(last) => format!("{label}: from {first} to {last}."),
    }
}

/// A point of a curve.
pub fn at_epoch(value: f64, epoch: usize) -> String {
    format!("{} at epoch {epoch}", figure(value))
}

/// Mean and deviation in percent at a label budget.
pub fn accuracy_point(mean: f64, deviation: Option<f64>, with: LabelBudget) -> String {
    let spread = deviation.map_or_else(String::new, |deviation| format!(" ± {deviation:.1}"));
    format!("{mean:.1}%{spread} with {}", budget(with))
}

/// A difference with its interval at a label budget.
pub fn difference_point(difference: f64, interval: Option<(f64, f64)>, with: LabelBudget) -> String {
    let between =
        interval.map_or_else(String::new, |(low, high)| format!(" (95% interval {})", points_between(low, high)));
    format!("{} points{between} with {}", points(difference), budget(with))
}

/// Below a chart of a run's pre-training; `watched` says of which images its figures are.
pub fn pretraining_caption(of: Measure, watched: &str, method: Method) -> String {
    match of {
        Measure::Loss => format!(
            "{}'s training loss, mean of each epoch. A low loss alone says nothing about the representation.",
            method_name(method)
        ),
        Measure::EffectiveRank => {
            format!(
                "Effective rank (RankMe) of the vectors of {watched}: how many directions they use; 1 means a line."
            )
        }
        Measure::Alignment => {
            format!(
                "Alignment: mean squared distance between two views of each of {watched}, vectors normalised; 0 means identical."
            )
        }
        Measure::Uniformity => {
            format!(
                "Uniformity over {watched}: 0 when all vectors coincide, about \u{2212}4 when they are spread evenly."
            )
        }
        Measure::ProjectionDeviation => SPREAD.to_owned(),
        Measure::LearningRate => "Learning rate at the end of each epoch.".to_owned(),
        Measure::Tau => "Decay rate tau of the target network's moving average.".to_owned(),
        Measure::Accuracy | Measure::Knn | Measure::LinearProbe | Measure::KnnAndProbe => {
            "Accuracy of k-NN and of a linear probe during pre-training, on a part of the labelled training images that the two are not \
             fitted to. It is there to watch: trainings with labels learn from that part too."
                .to_owned()
        }
    }
}

const SPREAD: &str = "Spread of the normalised projections: 1 when they fill all directions evenly, 0 when collapsed.";

pub fn watched(images: Option<u64>, which: Watched) -> String {
    let count = images.map_or_else(String::new, |images| format!("{} ", count(images)));
    let kind = match which {
        Watched::HeldOut => "labelled training images",
        // Labelled ones are among them.
        Watched::Unlabeled => "images for pre-training",
        Watched::Training => "training images",
    };
    format!("{count}{kind}")
}

/// Layers, in a legend.
pub const REPRESENTATIONS: &str = "representations";
pub const PROJECTIONS: &str = "projections";

/// Above the curves of trainings with labels.
pub const TRAINING: &str = "Solid lines: training images. Dashed lines with hollow markers: held-out training images, where some were held \
     out. Test images play no part here.";

/// The curves with one label budget: so many draws there are, and which of them (from 0) is shown.
pub fn training_heading(with: LabelBudget, draw: usize, draws: usize) -> String {
    let which = if draws > 1 { format!(", label draw {} of {draws}", draw + 1) } else { String::new() };
    format!("{}{which}", capital(&budget(with)))
}

/// A curve in a legend.
pub fn training_curve(of: Stage, held_out: bool) -> String {
    format!("{}, {}", stage(of), if held_out { "held out" } else { "training" })
}

pub fn training_caption(of: Measure, with: LabelBudget) -> String {
    format!("{} of baseline and fine-tuning with {}.", capital(measure(of)), budget(with))
}

/// Below the chart of accuracies.
pub fn accuracy_caption(budgets: usize, guess: Option<Guess>) -> String {
    let chance = guess.map_or_else(String::new, |guess| {
        format!(" {} gives {}.", capital(&name_of_guess(guess)), percent(guess.accuracy()))
    });
    let scale = if budgets > 1 { " (logarithmic)" } else { "" };
    format!(
        "Test accuracy against label budget{scale}. Bars: ± one sample standard deviation over label draws; single draws have \
         none.{chance}"
    )
}

/// Below the chart of differences.
pub const DIFFERENCES: &str = "Differences of test accuracy at the same label budget, with 95% intervals. Where an interval crosses \
     the line at 0, the difference may be chance.";

/// The table of differences.
pub const EVERY_DIFFERENCE: &str = "Every difference with its interval and tests";
pub const EVERY_DIFFERENCE_IS: &str = "Differences in percentage points. The last column gives, for every label draw, how many test images only \
     the first and only the second classifier got right, and the p-value of the exact McNemar test.";
pub const DIFFERENCE_COLUMNS: [&str; 6] =
    ["classifiers", "labels", "difference", "95% interval", "", "McNemar, by draw"];
pub const NO_SINGLE_PREDICTIONS: &str = "individual predictions are not recorded";

pub fn minus(found: &Comparison) -> String {
    format!("{} − {}", capital(&label(found.name)), label(found.against))
}

pub fn outcome(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Ahead) => "ahead",
        Some(Outcome::Behind) => "behind",
        Some(Outcome::Undecided) => "undecided",
        None => crate::report::table::MISSING,
    }
}

/// Which label draw, from 0.
pub fn draw(draw: usize) -> String {
    format!("draw {}", draw + 1)
}

pub fn test(test: &McNemar) -> String {
    format!("{} : {}, {}", test.only_a, test.only_b, super::numbers::p_value(test.p_value))
}

/// Above the table of results: whether there are `several` label draws, and whether the best are set apart.
pub fn results_caption(several: bool, ranked: bool) -> String {
    let best = if ranked { "; the highest accuracy in each column is bold" } else { "" };
    format!(
        "{} All classifiers in a column use the same labels{best}. Nothing is chosen by test accuracy: the top of the page says which \
         classifier `predict` and `export` take.",
        accuracies_are(several)
    )
}

/// Several runs on one page.
pub mod overview {
    use super::*;

    pub const HEADING: &str = "Overview";
    pub const RUNS_SHOWN: &str = "Runs shown";
    pub const OTHER_TEST_IMAGES: &str = "These runs have different test images (the fingerprints differ), so their accuracies are not \
         comparable.";

    pub fn caption(methods: &[Method]) -> String {
        format!("Test accuracy in percent, mean over label draws: baseline → {}.", fine_tuned(methods))
    }

    /// The heads of the table.
    pub fn columns(budgets: &[LabelBudget]) -> Vec<String> {
        let names = ["run", "image passes"].map(str::to_owned);
        names.into_iter().chain(budgets.iter().map(|&of| budget(of))).collect()
    }

    /// Which arm of runs by those methods: the fine-tuned encoder, or what it is held against.
    pub fn arm(is_fine_tuned: bool, methods: &[Method]) -> String {
        if is_fine_tuned { fine_tuned(methods) } else { "the baseline".to_owned() }
    }

    pub fn accuracy_title(fine_tuned: bool, methods: &[Method]) -> String {
        format!("Test accuracy of {} against label budget", arm(fine_tuned, methods))
    }

    pub fn accuracy_caption(fine_tuned: bool, methods: &[Method]) -> String {
        format!("Test accuracy of {}. Bars: one standard deviation over draws.", arm(fine_tuned, methods))
    }

    /// Title and y axis of a chart of pre-training, and what stands below it.
    pub fn pretraining(of: Measure) -> (&'static str, &'static str) {
        match of {
            Measure::Loss => ("pre-training loss", "Loss of pre-training."),
            Measure::EffectiveRank => (
                "effective rank",
                "Effective rank (RankMe) of the representations of the images that are watched during pre-training.",
            ),
            Measure::ProjectionDeviation => ("projection deviation", SPREAD),
            _ => (
                "k-NN accuracy, %",
                "k-NN accuracy during pre-training, on labelled training images that it is not fitted to.",
            ),
        }
    }

    pub fn training_with(with: LabelBudget) -> String {
        format!("Training with {}", budget(with))
    }

    /// Title and y axis of a chart of a training with labels.
    pub fn training(of: Measure, stage: Stage) -> String {
        let arm = training_arm(stage);
        if of == Measure::Loss { format!("loss of {arm}") } else { format!("accuracy of {arm}, %") }
    }

    pub fn training_caption(of: Measure, stage: Stage, with: LabelBudget) -> String {
        let what = if of == Measure::Loss { "Loss" } else { "Training accuracy" };
        format!("{what} of {} with {}, first label draw.", training_arm(stage), budget(with))
    }

    fn training_arm(stage: Stage) -> &'static str {
        match stage {
            Stage::Supervised => "the baseline",
            Stage::Selftrain => "self-training",
            Stage::Pretrain | Stage::Finetune => "fine-tuning",
        }
    }
}
