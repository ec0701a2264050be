//! The comparison table and what stands around it in a terminal.

use super::names::budget;
use super::numbers::{capital, count, figure, plural};
use crate::plan::Expected;
use crate::report::pretraining::Known;
use crate::run::record::{Ended, LabelBudget};

/// Above the advice that follows a run.
pub const WHAT_NEXT: &str = "What next:";

/// Where there is no table, of a run that has finished or not.
pub fn nothing_evaluated(finished: bool) -> &'static str {
    match finished {
        true => "No classifier has been evaluated on the test images.",
        false => "No classifier has been evaluated on the test images yet.",
    }
}

/// The last row of the table.
pub const LABEL_DRAWS: &str = "Label draws";

/// Before a note.
pub fn noted(note: &str) -> String {
    format!("Note: {note}.")
}

/// The heads of the table's columns.
pub fn columns(budgets: &[LabelBudget]) -> Vec<String> {
    let names = ["classifier", "encoder began as"].map(str::to_owned);
    names.into_iter().chain(budgets.iter().map(|&of| budget(of))).collect()
}

/// What the table's numbers are; `several` label draws stand behind some.
pub fn accuracies_are(several: bool) -> &'static str {
    match several {
        true => "Test accuracy in percent; where there are several label draws, mean ± sample standard deviation.",
        false => "Test accuracy in percent.",
    }
}

/// What is to be expected of a pre-training that goes on, or is to come.
pub fn expected(expected: &Expected) -> String {
    format!("{}.", capital(&super::progress::expected(expected)))
}

/// One line on pre-training.
pub fn pretraining(known: &Known) -> String {
    let found = match known {
        Known::Recorded(found) => found,
        Known::Begun { epochs } => {
            let of = epochs.map_or_else(String::new, |epochs| format!(" (of {})", count(epochs)));
            return format!("Pre-training: its first epoch{of} has not ended yet.");
        }
        Known::ToCome { epochs } => {
            let of = epochs.map_or_else(String::new, |epochs| format!(", for {}", plural(epochs, "epoch")));
            return format!("Pre-training: not started yet; it follows the baseline{of}.");
        }
        Known::Nothing => return "Pre-training: none recorded.".to_owned(),
    };
    let ended = match found.ended_by {
        Some(Ended::Epochs) => "",
        Some(Ended::Patience) => ", stopped early by patience",
        Some(Ended::Interrupted) => ", interrupted",
        None => " so far",
    };
    format!(
        "Pre-training: {}, {} image passes at {:.1} images/s (monitoring included), final loss {}{ended}.",
        plural(found.epochs as u64, "epoch"),
        count(found.images),
        found.images_per_second,
        figure(found.final_loss),
    )
}
