//! What of a run that is not finished can be used already, with the options that ask for it.

use super::checkpoint::CheckpointFolder;
use super::found::Run;
use super::heads;
use super::model::Ready;
use crate::report::language::english::names::head;
use crate::run::record::{LabelBudget, SupervisedStage};

/// `--classifier` calls them so.
const TRAINED: [(SupervisedStage, &str, &str); 3] = [
    (SupervisedStage::Selftrain, "selftrained", "the self-trained classifier"),
    (SupervisedStage::Finetune, "finetuned", "the fine-tuned classifier"),
    (SupervisedStage::Baseline, "baseline", "the baseline"),
];

impl Run {
    /// Classifiers that are trained to their end.
    pub(super) fn ready_classifiers(&self) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (stage, name, words) in TRAINED {
            ready.extend(
                self.finished(stage).into_iter().map(|budget| of(words, &format!("--classifier {name}"), budget)),
            );
        }
        // Of an extended run, those on the shorter pre-training are still there.
        let mut kept = if self.pretrained().is_ok() { heads::list(&self.path) } else { Vec::new() };
        kept.sort_by_key(|(_, budget)| std::cmp::Reverse(budget.size()));
        ready.extend(kept.into_iter().map(|(kind, budget)| {
            of(&format!("the {} classifier", head(kind)), &format!("--classifier {}", kind.name()), budget)
        }));
        ready
    }

    /// Encoders that are trained to their end.
    pub(super) fn ready_encoders(&self) -> Vec<Ready> {
        let mut ready = Vec::new();
        if self.pretrained().is_ok() {
            ready.push(Ready { what: "the pre-trained encoder".to_owned(), options: "--stage pretrain".to_owned() });
        }
        for (stage, _, words) in TRAINED {
            let option = format!("--stage {}", stage.name());
            let encoders = self.finished(stage).into_iter();
            ready.extend(encoders.map(|budget| of(&format!("the encoder of {words}"), &option, budget)));
        }
        ready
    }

    /// The label budgets of which a stage is done, the largest first.
    fn finished(&self, stage: SupervisedStage) -> Vec<LabelBudget> {
        let places = self.places.iter().rev().filter(|place| place.stage == stage);
        let is_finished = |budget: &LabelBudget| {
            let folder = CheckpointFolder::new(self.directory.supervised_checkpoints(stage, *budget, 0), 1);
            // Without its optimiser's state.
            folder.require().is_ok_and(|checkpoint| checkpoint.part("optimizer").is_empty())
        };
        places.map(|place| place.budget).filter(is_finished).collect()
    }
}

fn of(words: &str, option: &str, budget: LabelBudget) -> Ready {
    let labels = match budget {
        LabelBudget::All => " with all labels".to_owned(),
        LabelBudget::PerClass(1) => " with 1 label per class".to_owned(),
        LabelBudget::PerClass(labels) => format!(" with {labels} labels per class"),
        LabelBudget::Folds | LabelBudget::DrawnFolds => String::new(),
    };
    Ready { what: format!("{words}{labels}"), options: format!("{option} --labels-per-class {budget}") }
}
