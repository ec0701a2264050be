//! What a program that runs the library says of its own work, with its values. How it is said, the report's `language` knows; no sentence is
//! made here. Paths and commands are as they are shown.

use serde::Serialize;

use super::super::classifier::{ClassifierKind, Reason};
use super::super::record::{LabelBudget, Stage};
use crate::statistics::guess::Guess;

/// How a classifier did on the test images: so many of so many are right.
pub type Tested = (u64, u64);

/// One thing that a program says of its work.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum ProgramNote {
    // Before the work.
    /// What computes.
    Hardware {
        /// Device, precision and threads.
        hardware: String,
    },
    /// What computes, where several processes do.
    HardwareOfMany {
        /// Device, precision and threads of rank 0.
        hardware: String,
        /// How many processes there are.
        processes: usize,
        /// On how many hosts.
        hosts: usize,
    },
    /// Processes of a training have not come yet.
    WaitingForProcesses {
        /// Their ranks.
        ranks: Vec<usize>,
        /// How many processes there are to be.
        of: usize,
    },
    /// A folder of images without labels is looked through.
    LookingThrough {
        /// The folder.
        folder: String,
    },
    /// How many images have been looked at.
    LookedAt {
        /// So many of them.
        done: usize,
        /// All that there are.
        of: usize,
        /// What the others will take, at the speed so far.
        seconds_left: f64,
    },
    /// The speed of this machine is being measured.
    Measuring,
    /// Settings that go with given weights.
    GoWithWeights {
        /// Pairs of key and value.
        settings: Vec<String>,
    },
    /// Images are small for weights of ImageNet.
    SmallForWeights {
        /// Side of the images in pixels.
        side: usize,
    },
    /// On which terms known weights may be used.
    Licence {
        /// Their name.
        weights: &'static str,
    },
    /// A typed setting that a run of given weights does not use.
    ChangesNothing {
        /// Key and value.
        pair: String,
    },
    /// A finished pre-training is made longer.
    Extended {
        /// Epochs that it had.
        then: usize,
        /// Epochs that it will have.
        now: usize,
        /// Where its results and classifiers are kept.
        earlier: String,
    },
    /// A comparison is repeated with several seeds.
    Seeds {
        /// Runs, one for each seed.
        runs: usize,
        /// The first seed, and the last.
        seeds: [u64; 2],
        /// Hours of all runs together, and of each, where they are planned for a time.
        hours: Option<[f64; 2]>,
        /// Seconds that all runs together are expected to take, where that was measured.
        seconds: Option<f64>,
    },
    /// A run that is watched does not hold anything yet.
    WaitedFor {
        /// Its directory.
        run: String,
        /// Whether there is such a folder.
        exists: bool,
        /// What may have been meant, as errors say it; empty where nothing is like it.
        hint: String,
    },

    /// A table of labels cannot name an image, so it is not asked for.
    CannotBeNamed {
        /// The image.
        image: String,
    },
    /// No share of the labels is set aside, because the table has no column that could say so.
    NothingSetAside {
        /// The table.
        table: String,
    },

    /// No browser could be opened on a live page.
    NoBrowser {
        /// The page's address.
        address: String,
    },

    // How the work ended.
    /// A run is finished.
    Finished {
        /// Its directory.
        run: String,
    },
    /// A run had been finished before.
    FinishedBefore {
        /// Its directory.
        run: String,
    },
    /// A run was interrupted.
    Interrupted {
        /// The command line that goes on.
        command: String,
    },
    /// An ablation was interrupted.
    AblationInterrupted {
        /// Its folder.
        folder: String,
    },

    // Which network is used.
    /// Which classifier is taken, how good it is beside the others, and why it was taken.
    Taken {
        /// What was trained how.
        kind: ClassifierKind,
        /// The labels that it was trained with; absent where a lone checkpoint does not tell.
        labels_per_class: Option<LabelBudget>,
        /// How it did on the test images, where that is known.
        test: Option<Tested>,
        /// The other classifiers of the run on the same images.
        others: Vec<(ClassifierKind, Tested)>,
        /// Why it was taken.
        reason: Reason,
    },
    /// A classifier is no better than guessing, or not clearly.
    NoBetterThanGuessing {
        /// Test images that it is right on.
        right: u64,
        /// All test images.
        images: u64,
        /// The best way to answer without looking.
        guess: Guess,
    },
    /// Which encoder is taken, and what it is worth for searching as far as that is known.
    Encoder {
        /// The stage that trained it.
        stage: Stage,
        /// The labels that it was trained with.
        labels_per_class: Option<LabelBudget>,
        /// How k-NN on a pre-trained one did, and with which labels.
        knn: Option<(LabelBudget, Tested)>,
    },
    /// A file of representations does not name the network that made it.
    UnknownNetwork {
        /// The file.
        file: String,
    },

    // Going through images.
    /// An image cannot be read.
    LeftOut {
        /// The file.
        path: String,
        /// Why, as the error says it.
        problem: String,
    },
    /// How many images could not be read.
    Unreadable {
        /// So many of them.
        unreadable: usize,
        /// All that were given.
        of: usize,
    },
    /// How far the work is.
    GoingThrough {
        /// Images that are done.
        done: u32,
        /// All that were given.
        of: usize,
        /// Speed until now.
        images_per_second: f64,
        /// Seconds that are left at this speed.
        seconds_left: f64,
    },
    /// How fast the work went.
    Throughput {
        /// Images that were read.
        images: usize,
        /// Seconds that they took together.
        seconds: f64,
        /// Speed over all of them.
        images_per_second: f64,
        /// Threads that computed; absent where a GPU did.
        threads: Option<usize>,
    },

    // Representations of a pool.
    /// How many representations have been computed.
    Representing {
        /// Images that are done.
        done: usize,
        /// All that are to be computed.
        of: usize,
    },
    /// Representations are there.
    Represented {
        /// Images of the pool.
        images: usize,
        /// Those that were computed now; the others' had been kept.
        computed: usize,
    },
    /// Representations cannot be kept in the run.
    RepresentationsNotKept {
        /// The file that cannot be written.
        file: String,
        /// Why, as the system says it.
        problem: String,
    },
    /// A simulation of labelling has reached a number of labels.
    Simulated {
        /// Name of the strategy.
        strategy: String,
        /// Seed of the simulation.
        seed: u64,
        /// Labels by now.
        labels: usize,
        /// Accuracy on the test images, 0-1.
        test_accuracy: f64,
    },
    /// Data is looked at that training commands refuse.
    RefusedForTraining {
        /// Why they do, as the error says it.
        problem: String,
    },

    // What predictions are.
    /// How often each class was predicted, and how sure that was.
    Predicted {
        /// Images with a prediction.
        images: usize,
        /// Each predicted class and how often it was, the most frequent first.
        classes: Vec<(String, usize)>,
        /// Classes that are named at most.
        named: usize,
        /// Predictions that are less sure than `sure`.
        unsure: usize,
        /// A probability, 0-1.
        sure: f64,
    },
    /// A classifier knows its classes only.
    ClosedSet {
        /// How many these are.
        classes: usize,
    },
    /// Labelled images to calibrate on may be among those that the run was trained on.
    SeenInTraining {
        /// Images that lie in the run's own data and are none of its test images.
        seen: usize,
        /// All labelled images.
        images: usize,
        /// Where they lie.
        folder: String,
    },
    /// Images to predict may be among those that the run was trained on.
    PerhapsTrainedOn {
        /// Images that lie in the run's own data and are none of its test images.
        seen: usize,
        /// All images.
        images: usize,
    },
    /// How many of the images that have a label are answered rightly.
    RightOnLabelled {
        /// So many of them.
        right: usize,
        /// All images that have a label.
        images: usize,
    },
    /// A temperature was chosen.
    Calibrated {
        /// Labelled images that it was chosen on.
        images: usize,
        /// What logits are divided by.
        temperature: f64,
        /// Mean negative log-likelihood of the labels, before and after.
        loss: [f64; 2],
        /// Expected calibration error, 0-1, before and after.
        calibration_error: [f64; 2],
    },
    /// Probabilities are made with a temperature.
    ProbabilitiesCalibrated {
        /// What logits are divided by.
        temperature: f64,
        /// Labelled images that it was chosen on.
        images: usize,
        /// The folder that these lie in; absent where they are the run's test images.
        folder: Option<String>,
    },
    /// Probabilities are means over several fixed views of each image.
    ProbabilitiesAveraged {
        /// How many views.
        views: usize,
        /// The temperature that each view's logits are divided by, where there is one: it was chosen on single views.
        scaled: Option<SingleViews>,
    },
    /// Probabilities are the network's own, because there are too few labelled images to choose a temperature on.
    ProbabilitiesOfTooFew {
        /// Labelled images that there are.
        images: usize,
        /// The folder that these lie in; absent where they are the run's test images.
        folder: Option<String>,
        /// How many it takes.
        enough: usize,
    },
    /// Probabilities are the network's own, because nothing is known.
    ProbabilitiesUncalibrated {
        /// How many labelled images it takes to calibrate them.
        enough: usize,
    },
}

/// A temperature that was chosen on single views of labelled images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SingleViews {
    /// What logits are divided by.
    pub temperature: f64,
    /// Labelled images that it was chosen on.
    pub images: usize,
    /// The folder that these lie in; absent where they are the run's test images.
    pub folder: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::super::record::HeadKind;
    use super::super::Notice;
    use super::*;

    #[test]
    fn a_note_is_written_with_its_values() {
        let note = ProgramNote::Taken {
            kind: ClassifierKind::Finetuned,
            labels_per_class: Some(LabelBudget::PerClass(10)),
            test: Some((91, 100)),
            others: vec![(ClassifierKind::Frozen(HeadKind::Knn), (80, 100))],
            reason: Reason::Undecided,
        };
        assert_eq!(
            serde_json::to_value(Notice::from(note)).unwrap(),
            serde_json::json!({
                "notice": "program",
                "about": "taken",
                "kind": "finetuned",
                "labels_per_class": 10,
                "test": [91, 100],
                "others": [["knn", [80, 100]]],
                "reason": "undecided"
            })
        );
        let guess = ProgramNote::NoBetterThanGuessing { right: 5, images: 25, guess: Guess::AnyOf { classes: 5 } };
        let written = serde_json::to_value(Notice::from(guess)).unwrap();
        assert_eq!(written["guess"], serde_json::json!({ "any_of": { "classes": 5 } }));
    }
}
