//! A training with the labels of one part, and the settings that its sweep chooses among.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::config::{Experiment, Supervised};
use crate::data::LabeledImages;
use crate::experiment::plan::Part;
use crate::run::record::SupervisedStage;
use crate::train::supervised::{Lengths, Task};

/// One supervised stage with the labels of one part.
pub(in crate::experiment) struct Arm<'a> {
    pub stage: SupervisedStage,
    pub part: &'a Part,
    pub labeled: &'a LabeledImages,
    /// What fine-tuning begins with.
    pub encoder: Option<&'a BTreeMap<String, Tensor>>,
}

impl Arm<'_> {
    /// The stage's settings before its sweep.
    pub(super) fn settings<'e>(&self, experiment: &'e Experiment) -> &'e Supervised {
        experiment.training(self.stage)
    }

    pub(super) fn trial_name(&self, candidate: &Supervised) -> String {
        let Part { budget, draw, .. } = self.part;
        format!("{}-{budget}-draw{draw}-{}", self.stage.name(), candidate_name(candidate))
    }

    /// The training of this arm; which of its images train and which validate is still open.
    pub(super) fn task<'t>(&'t self, settings: &'t Supervised, classes: usize) -> Task<'t> {
        Task {
            stage: self.stage,
            settings,
            budget: self.part.budget,
            draw: self.part.draw,
            labeled: self.labeled,
            classes,
            train: Vec::new(),
            validation: Vec::new(),
            encoder: self.encoder,
            lengths: Lengths::Asked,
        }
    }
}

/// The settings of a stage, and what was chosen of them, for people.
pub(super) struct Choice {
    pub settings: Supervised,
    pub words: Option<String>,
}

/// Every combination of the sweep of a stage; the stage's own settings where it has none.
pub(in crate::experiment) fn candidates(settings: &Supervised) -> Vec<Supervised> {
    let or = |list: &[f64], own: f64| if list.is_empty() { vec![own] } else { list.to_vec() };
    let rates = or(&settings.sweep_learning_rates, settings.learning_rate);
    let epochs = if settings.sweep_epochs.is_empty() { vec![settings.epochs] } else { settings.sweep_epochs.clone() };
    let pairs = epochs.iter().flat_map(|&epochs| rates.iter().map(move |&learning_rate| (learning_rate, epochs)));
    pairs.map(|(learning_rate, epochs)| Supervised { learning_rate, epochs, ..settings.clone() }).collect()
}

pub(super) fn candidate_name(settings: &Supervised) -> String {
    format!("lr{}-epochs{}", settings.learning_rate, settings.epochs)
}
