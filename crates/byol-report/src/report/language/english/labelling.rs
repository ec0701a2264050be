//! The page on which images are labelled: what stands in it before its script fills it. The script's words are in `labelling.js`.

pub const OVER: &str = "byol label";
pub const NEEDS_SCRIPT: &str = "This page works with a script of its own, which your browser does not run.";
pub const PROGRESS: &str = "Answers";
pub const TASK: &str = "What is this?";
pub const CLASSES: &str = "Classes";
pub const GRID: &str = "Images alike";
pub const NEAR: &str = "Nearest images";
pub const WORTH: &str = "What the labels are worth";
pub const PER_CLASS: &str = "Labels per class";
pub const CURVE: &str = "Accuracy against the number of labels";
pub const END: &str = "Train with them";

/// The title.
pub fn title(name: &str) -> String {
    format!("Label {name}")
}

pub const END_IS: &str = "Whenever the accuracy is enough for you, or grows too little for the work: this command fine-tunes the encoder on \
     your labels and tests it on those that are set aside. `byol run`, with the same folder after --data and after --unlabeled, compares it with a \
     network that learned from the labels alone.";

/// Where the answers are.
pub const KEPT: &str =
    "Every answer is on disk before the next image appears; closing this page, or the program, loses nothing.";
