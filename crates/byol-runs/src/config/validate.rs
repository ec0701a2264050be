//! Which values and combinations of values an experiment may have.

use std::fmt::Display;

use super::error::{ConfigError, Origin};
use super::{Experiment, Fault, FilterNorm, FirstHead, Pretrain, Supervised};
use crate::augment::RecipeError;
use crate::stage::LabelBudget;

/// What `labels_per_class` may be.
pub(super) const BUDGETS: &str = "a list of numbers above 0, \"all\" and \"folds\", as in [10, 100, \"all\"]";

impl Experiment {
    /// Checks every range and combination that does not depend on the data.
    ///
    /// # Errors
    /// [`ConfigError::WrongValue`] for the first value that is not allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("seed", self.seed, 0, i64::MAX as u64)?;
        let (budgets, listed) = (&self.labels_per_class, self.listed_budgets());
        let positive = !budgets.is_empty() && !budgets.contains(&LabelBudget::PerClass(0));
        check("labels_per_class", &listed, positive, BUDGETS)?;
        let once = budgets.iter().enumerate().all(|(index, budget)| !budgets[..index].contains(budget));
        check("labels_per_class", &listed, once, "each label budget once")?;
        within("draws", self.draws, 1, 1000)?;
        within("image_size", self.image_size, 8, 1024)?;
        within("evaluation_crop", self.evaluation_crop, 0.5, 1.0)?;
        within("width", self.width, 0.0625, 8.0)?;
        for (channel, value) in self.mean.iter().enumerate() {
            within(&format!("mean[{channel}]"), *value, 0.0, 1.0)?;
        }
        for (channel, value) in self.deviation.iter().enumerate() {
            check(&format!("deviation[{channel}]"), value, *value > 0.0 && *value <= 1.0, "above 0, up to 1")?;
        }
        let share = self.validation_share;
        check("validation_share", share, (0.0..1.0).contains(&share), "from 0 up to, not including, 1")?;
        within("evaluation_batch_size", self.evaluation_batch_size, 1, 65_536)?;
        not_negative("checkpoint_minutes", self.checkpoint_minutes)?;
        let faults: Vec<String> = self.faults.iter().map(|fault| format!("{fault:?}")).collect();
        let once = self.faults.iter().enumerate().all(|(index, fault)| !self.faults[..index].contains(fault));
        check("faults", format!("[{}]", faults.join(", ")), once, "each fault once")?;
        self.pretrain.validate()?;
        for (stage, settings) in [("supervised", &self.supervised), ("finetune", &self.finetune)] {
            settings.validate(stage)?;
            first_size(&format!("{stage}.first_size"), settings.first_size, self.image_size)?;
            let patience = settings.patience;
            let held_out = patience == 0 || share > 0.0;
            check(&format!("{stage}.patience"), patience, held_out, "0, because validation_share is 0")?;
        }
        self.validate_views()?;
        self.supervised.validate_beginning()?;
        let on_logits = self.faults.contains(&Fault::LabHeads) && self.finetune.head == FirstHead::Linear;
        check("finetune.head", "linear", !on_logits, "random, because faults has lab-heads")?;
        self.selftrain.validate()?;
        self.validate_evaluation()
    }

    /// Local views and patches, and what they do not go together with.
    fn validate_views(&self) -> Result<(), ConfigError> {
        let Pretrain { local_views, local_size, local_area: [low, high], patches, .. } = self.pretrain;
        within("pretrain.local_views", local_views, 0, 64)?;
        let fits = local_size == 0 || (8..=1024).contains(&local_size);
        check("pretrain.local_size", local_size, fits, "8 to 1024, or 0 for half of the side of the views")?;
        let is_area = low > 0.0 && low <= high && high <= 1.0;
        let what = "two shares above 0 and up to 1, the smaller first";
        check("pretrain.local_area", format!("[{low}, {high}]"), is_area, what)?;
        within("pretrain.patches", patches, 1, 8)?;
        let side = self.view_size();
        first_size("pretrain.first_size", self.pretrain.first_size, side)?;
        let what = format!("a divisor of the views' side, {side} pixels, that leaves patches of at least 4");
        check("pretrain.patches", patches, side.is_multiple_of(patches) && side / patches >= 4, &what)?;
        if patches > 1 {
            let what = "0, because pretrain.patches is above 1";
            check("pretrain.first_size", self.pretrain.first_size, self.pretrain.first_size == 0, what)?;
            let what = "1, because pretrain.local_views is above 0";
            check("pretrain.patches", patches, local_views == 0, what)?;
            let plain = self.pretrain.stop_gradient && !self.faults.contains(&Fault::OnlineTarget);
            check("pretrain.patches", patches, plain, "1, because the target branch is the online network itself")?;
        }
        Ok(())
    }

    fn listed_budgets(&self) -> String {
        let budgets: Vec<String> = self.labels_per_class.iter().map(ToString::to_string).collect();
        format!("[{}]", budgets.join(", "))
    }

    fn validate_evaluation(&self) -> Result<(), ConfigError> {
        let evaluate = &self.evaluate;
        within("evaluate.knn_neighbors", evaluate.knn_neighbors, 1, 100_000)?;
        positive("evaluate.knn_temperature", evaluate.knn_temperature)?;
        check("evaluate.linear_l2", "[]", !evaluate.linear_l2.is_empty(), "at least one penalty above 0")?;
        for (index, penalty) in evaluate.linear_l2.iter().enumerate() {
            positive(&format!("evaluate.linear_l2[{index}]"), *penalty)?;
        }
        within("evaluate.linear_folds", evaluate.linear_folds, 2, 100)?;
        within("evaluate.sgd_epochs", evaluate.sgd_epochs, 1, 1_000_000)?;
        within("evaluate.sgd_batch_size", evaluate.sgd_batch_size, 1, 1_048_576)?;
        within("evaluate.sgd_views", evaluate.sgd_views, 0, 10_000)?;
        check(
            "evaluate.sgd_learning_rates",
            "[]",
            !evaluate.sgd_learning_rates.is_empty(),
            "at least one rate above 0",
        )?;
        for (index, rate) in evaluate.sgd_learning_rates.iter().enumerate() {
            positive(&format!("evaluate.sgd_learning_rates[{index}]"), *rate)?;
        }
        Ok(())
    }
}

impl Pretrain {
    fn validate(&self) -> Result<(), ConfigError> {
        within("pretrain.epochs", self.epochs, 1, 1_000_000)?;
        within("pretrain.batch_size", self.batch_size, 2, 1_048_576)?;
        let parts = self.accumulation_steps;
        let even = parts > 0 && self.batch_size.is_multiple_of(parts) && self.batch_size / parts >= 2;
        let what = format!("a divisor of batch_size, {}, that leaves at least 2 images in a part", self.batch_size);
        check("pretrain.accumulation_steps", parts, even, &what)?;
        let size = self.view_size;
        check("pretrain.view_size", size, size == 0 || (8..=1024).contains(&size), "8 to 1024, or 0 for image_size")?;
        positive("pretrain.learning_rate", self.learning_rate)?;
        within("pretrain.predictor_learning_rate", self.predictor_learning_rate, 0.0, 1000.0)?;
        not_negative("pretrain.weight_decay", self.weight_decay)?;
        positive("pretrain.temperature", self.temperature)?;
        not_negative("pretrain.warmup_epochs", self.warmup_epochs)?;
        let lengths: Vec<usize> = self.extended.iter().copied().chain([self.epochs]).collect();
        let grows = lengths.windows(2).all(|pair| pair[0] > 0 && pair[0] < pair[1]);
        let what = format!("lengths that grow, below the {} of pretrain.epochs", self.epochs);
        check("pretrain.extended", format!("{:?}", self.extended), grows, &what)?;
        within("pretrain.tau", self.tau, 0.0, 1.0)?;
        within("pretrain.projector_hidden", self.projector_hidden, 1, 65_536)?;
        within("pretrain.projection_size", self.projection_size, 2, 65_536)?;
        within("pretrain.checkpoint_every", self.checkpoint_every, 1, 1_000_000)?;
        within("pretrain.keep_checkpoints", self.keep_checkpoints, 1, 1_000_000)?;
        if self.is_patient_by_knn() {
            let every = self.monitor_every;
            check("pretrain.monitor_every", every, every > 0, "1 or more, because patience_metric is \"knn\"")?;
        }
        for (view, recipe) in [("t", &self.t), ("t_prime", &self.t_prime)] {
            recipe.validate().map_err(|RecipeError { key, value, expected, .. }| ConfigError::WrongValue {
                key: format!("pretrain.{view}.{key}"),
                value,
                origin: Origin::Complete,
                allowed: expected.to_owned(),
            })?;
        }
        Ok(())
    }
}

impl Supervised {
    fn validate(&self, stage: &str) -> Result<(), ConfigError> {
        within(&format!("{stage}.epochs"), self.epochs, 1, 1_000_000)?;
        within(&format!("{stage}.minimum_steps"), self.minimum_steps, 0, 1_000_000_000)?;
        within(&format!("{stage}.batch_size"), self.batch_size, 2, 1_048_576)?;
        positive(&format!("{stage}.learning_rate"), self.learning_rate)?;
        not_negative(&format!("{stage}.weight_decay"), self.weight_decay)?;
        for (index, rate) in self.sweep_learning_rates.iter().enumerate() {
            positive(&format!("{stage}.sweep_learning_rates[{index}]"), *rate)?;
        }
        for (index, &epochs) in self.sweep_epochs.iter().enumerate() {
            within(&format!("{stage}.sweep_epochs[{index}]"), epochs, 1, 1_000_000)?;
        }
        not_negative(&format!("{stage}.warmup_epochs"), self.warmup_epochs)?;
        let decay = self.layer_decay;
        check(&format!("{stage}.layer_decay"), decay, decay > 0.0 && decay <= 1.0, "above 0, up to 1")?;
        within(&format!("{stage}.mixup"), self.mixup, 0.0, 100.0)?;
        within(&format!("{stage}.cutmix"), self.cutmix, 0.0, 100.0)?;
        within(&format!("{stage}.average"), self.average, 0.0, 1.0)?;
        let smoothing = self.label_smoothing;
        let below = "from 0 up to, not including, 1";
        check(&format!("{stage}.label_smoothing"), smoothing, (0.0..1.0).contains(&smoothing), below)
    }
}

impl Supervised {
    /// What only fine-tuning may have: a baseline of random weights has nothing to begin with.
    fn validate_beginning(&self) -> Result<(), ConfigError> {
        let kept = self.filter_norm == FilterNorm::Kept;
        let random = self.head == FirstHead::Random;
        check("supervised.head", "linear", random, "random: a random encoder tells a linear head little")?;
        check("supervised.filter_norm", "initial", kept, "kept: random filters have their initial norm")
    }
}

/// A side to begin with that is no larger than the one at the end.
fn first_size(key: &str, first: usize, full: usize) -> Result<(), ConfigError> {
    check(key, first, first == 0 || (8..=full).contains(&first), &format!("8 to the full side, {full}, or 0"))
}

/// Not-a-number passes no comparison, so it is never allowed.
fn check(key: &str, value: impl Display, allowed: bool, what: &str) -> Result<(), ConfigError> {
    if allowed {
        return Ok(());
    }
    let (key, value, allowed) = (key.to_owned(), value.to_string(), what.to_owned());
    Err(ConfigError::WrongValue { key, value, origin: Origin::Complete, allowed })
}

pub(super) fn within<T: PartialOrd + Display + Copy>(key: &str, value: T, low: T, high: T) -> Result<(), ConfigError> {
    check(key, value, low <= value && value <= high, &format!("{low} to {high}"))
}

pub(super) fn positive(key: &str, value: f64) -> Result<(), ConfigError> {
    check(key, value, value > 0.0 && value.is_finite(), "above 0")
}

pub(super) fn not_negative(key: &str, value: f64) -> Result<(), ConfigError> {
    check(key, value, value >= 0.0 && value.is_finite(), "0 or more")
}
