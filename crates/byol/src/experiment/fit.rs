//! What the data allow: label budgets that the smallest class can fill, and batches that the pool can fill, where nobody
//! has typed others.

use super::plan::smallest_class;
use super::planning::{DEFAULT_HOURS, Plan};
use crate::config::Experiment;
use crate::config::resolve::Typed;
use crate::data::Dataset;
use crate::data::findings::few_test_images;
use crate::plan::{Begins, Expected, Prospect};
use crate::report::advice::{FEW_PASSES, Further};
use crate::run::notice::{Notice, Remedy, RemedyOption};
use crate::run::record::LabelBudget;
use crate::train;

/// Budgets to choose from where none of the preset's fits.
const ROUND: [usize; 8] = [100, 50, 25, 20, 10, 5, 2, 1];

/// Replaces settings of the preset that the data cannot meet, and says each.
pub fn fit(experiment: &mut Experiment, typed: &Typed, data: &Dataset) -> Vec<Notice> {
    let mut notes = Vec::new();
    if !typed.contains("labels_per_class") {
        notes.extend(fit_budgets(experiment, data));
    }
    if !typed.contains("pretrain.batch_size") {
        notes.extend(fit_batch(experiment, data));
    }
    notes
}

fn fit_budgets(experiment: &mut Experiment, data: &Dataset) -> Option<Notice> {
    let labeled = data.train.as_ref()?;
    let (class, smallest) = smallest_class(data, labeled)?;
    let classes = data.class_names.len();
    // As many labels of every class as there are would be all of them once more.
    let fits = |labels: usize| labels <= smallest && labels * classes < labeled.labels.len();
    let asked = &experiment.labels_per_class;
    let kept = |budget: &&LabelBudget| match **budget {
        LabelBudget::PerClass(labels) => fits(labels),
        LabelBudget::All | LabelBudget::Folds | LabelBudget::DrawnFolds => true,
    };
    let mut fitting: Vec<LabelBudget> = asked.iter().filter(kept).copied().collect();
    if fitting.len() == asked.len() {
        return None;
    }
    if !fitting.iter().any(|budget| matches!(budget, LabelBudget::PerClass(_))) {
        // Half of the labels at most, so that the budget and `all` tell different things.
        let smaller = ROUND.into_iter().find(|&labels| labels * 2 <= smallest.max(2) && fits(labels));
        fitting.splice(0..0, smaller.map(LabelBudget::PerClass));
    }
    if !fitting.contains(&LabelBudget::All) {
        fitting.push(LabelBudget::All);
    }
    experiment.labels_per_class.clone_from(&fitting);
    Some(Notice::BudgetsFitted { budgets: fitting, class: class.to_owned(), smallest })
}

fn fit_batch(experiment: &mut Experiment, data: &Dataset) -> Option<Notice> {
    let images: usize = data.pretraining_pool().iter().map(|pool| pool.images.len()).sum();
    let settings = &mut experiment.pretrain;
    let fitted = settings.optimizer.is_adaptive() && settings.accumulation_steps == 1;
    if !fitted || images < 2 || settings.batch_size <= images {
        return None;
    }
    settings.batch_size = train::smaller(images);
    Some(Notice::BatchFitted { batch_size: settings.batch_size, images })
}

/// What should be known about a test before anything is trained for it; nothing where it is large enough.
pub fn warn_of_test(data: &Dataset) -> Option<Notice> {
    few_test_images(data.test.as_ref().map_or(0, |test| test.labels.len())).map(Notice::Data)
}

/// What somebody asked for who begins a run.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The time that was typed, where one was.
    pub hours: Option<f64>,
    /// Runs that share this time, from 1: the same comparison with several seeds.
    pub runs: usize,
    /// The keys that were typed, and those that were chosen for that.
    pub typed: &'a Typed,
}

/// Keys that make a run longer; those of self-training are no part of what is chosen for the time.
const LENGTHS: [&str; 8] = [
    "labels_per_class",
    "draws",
    "pretrain.epochs",
    "pretrain.batch_size",
    "supervised.epochs",
    "supervised.minimum_steps",
    "finetune.epochs",
    "finetune.minimum_steps",
];

/// How many images the planned pre-training sees, and what that promises; nothing where there are so few that
/// [`warnings`] says so.
pub fn expected(experiment: &Experiment, plan: &Plan) -> Option<Notice> {
    let begins = match experiment.initial_weights.is_empty() && experiment.pretrain.extended.is_empty() {
        true => Begins::Anew,
        false => Begins::Trained,
    };
    let found = Expected::of(plan, begins, FEW_PASSES)?;
    match found.prospect {
        Prospect::Gains { .. } | Prospect::Open => Some(Notice::PassesExpected(found)),
        Prospect::TooFew { .. } => None,
    }
}

/// What should be known about a pre-training before it begins. Where its length was chosen by time,
/// `plan` says so.
pub fn warnings(experiment: &Experiment, data: &Dataset, plan: Option<&Plan>, asked: Asked) -> Vec<Notice> {
    let mut warnings = Vec::new();
    let images: usize = data.pretraining_pool().iter().map(|pool| pool.images.len()).sum();
    if data.unlabeled.is_empty() && images > 0 {
        warnings.push(Notice::NoUnlabeled { images });
    }
    let settings = &experiment.pretrain;
    let steps = images / settings.batch_size.max(1);
    let per_epoch = (steps * settings.batch_size) as u64;
    let passes = per_epoch * settings.epochs as u64;
    let begins_anew = experiment.initial_weights.is_empty();
    if begins_anew && per_epoch > 0 && passes < FEW_PASSES {
        let enough = FEW_PASSES.div_ceil(per_epoch);
        let remedy = match plan {
            Some(plan) => {
                let further = Further::to_gains(passes, per_epoch, plan.pretraining_rate());
                Remedy::Measured {
                    epochs: further.epochs,
                    passes: further.passes,
                    images_per_second: further.rate,
                    option: match plan.hours {
                        Some(_) => RemedyOption::Hours(asked.runs as f64 * plan.hours_for(FEW_PASSES)),
                        None => RemedyOption::Epochs(enough),
                    },
                }
            }
            None => Remedy::Epochs { epochs: enough },
        };
        let (epochs, batch_size) = (settings.epochs, settings.batch_size);
        warnings.push(Notice::FewPasses { epochs, steps, batch_size, images, passes, remedy });
    }
    let hours = asked.hours.unwrap_or(DEFAULT_HOURS);
    // A run whose settings nothing chose for a time is as long as these say.
    if let Some(plan) = plan.filter(|plan| asked.hours.or(plan.hours).is_some())
        && asked.runs as f64 * plan.seconds() > 3600.0 * hours
    {
        let seconds = asked.runs as f64 * plan.seconds();
        let chosen = plan.settings();
        let stays =
            |key: &&str| asked.typed.contains(key) && !chosen.iter().any(|pair| pair.starts_with(&format!("{key}=")));
        let typed = LENGTHS.into_iter().filter(stays).map(str::to_owned).collect();
        warnings.push(Notice::LongerThanAsked { hours: asked.hours, seconds, others: plan.others, typed });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve_typed};
    use crate::data::patterns::{PatternOptions, dataset_with};
    use crate::plan::{Chosen, Kind, Rates, Step, Task, Why};
    use crate::report::language::{advice, notices::notice};

    fn budgets(set: &[&str], train_per_class: usize) -> (String, Vec<String>) {
        let set: Vec<String> = set.iter().map(|&pair| pair.to_owned()).collect();
        let (mut experiment, typed) = resolve_typed(Request { set: &set, ..Request::default() }).unwrap();
        let data = dataset_with(PatternOptions { side: 32, train_per_class, test_per_class: 1, unlabeled: 3 });
        let notes = fit(&mut experiment, &typed, &data).iter().map(notice).collect();
        let words: Vec<String> = experiment.labels_per_class.iter().map(ToString::to_string).collect();
        (words.join(","), notes)
    }

    #[test]
    fn budgets_are_those_of_the_preset_that_fit() {
        for (images, expected) in
            [(1, "all"), (2, "1,all"), (3, "1,all"), (4, "2,all"), (9, "2,all"), (10, "5,all"), (11, "10,all")]
        {
            let (words, notes) = budgets(&[], images);
            assert_eq!(words, expected, "{images} images per class");
            assert!(
                notes[0].starts_with(&format!("labels per class: {}", expected.replace(',', " and "))),
                "{notes:?}"
            );
        }
        let (words, notes) = budgets(&["labels_per_class=[100]"], 3);
        assert_eq!(words, "100", "what was typed stays");
        assert!(notes.iter().all(|note| !note.contains("labels per class")), "{notes:?}");
    }

    #[test]
    fn a_batch_is_no_larger_than_the_pool() {
        let (_, notes) = budgets(&[], 1);
        assert!(notes[1].starts_with("batches of 2 in pre-training, because there are 13 images"), "{notes:?}");
    }

    #[test]
    fn few_passes_are_told_with_what_reaches_enough() {
        let (mut experiment, _) = resolve_typed(Request::default()).unwrap();
        let mut data = dataset_with(PatternOptions { side: 32, train_per_class: 10, test_per_class: 1, unlabeled: 60 });
        // 160 images are two full batches of 64.
        experiment.pretrain.epochs = 50;
        let asked = Asked { hours: None, runs: 1, typed: &Typed::default() };
        let warned = |experiment: &Experiment, data: &Dataset, plan: Option<&Plan>| -> Vec<String> {
            warnings(experiment, data, plan, asked).iter().map(notice).collect()
        };
        let [few] = &warned(&experiment, &data, None)[..] else { panic!("one warning") };
        assert!(few.starts_with("50 epochs of 2 steps (64 images each, of 160 images) are 6,400 image passes; gains usually begin near 200,000"), "{few}");
        assert!(few.contains("--set pretrain.epochs=1563 reaches that"), "{few}");
        let rates = Rates { pretrain: 10.0, step_seconds: 1.0, image_seconds: 0.0, evaluate: 1.0, linear_seconds: 0.0 };
        let plan = Plan { hours: Some(0.2), chosen: Vec::new(), rates, steps: Vec::new(), others: None };
        let [planned] = &warned(&experiment, &data, Some(&plan))[..] else { panic!("one warning") };
        let further = advice::further(&Further::to_gains(6400, 128, 10.0));
        assert!(further.starts_with("1,513 more epochs are 193,664 passes, about 5 h"), "{further}");
        assert!(planned.contains(&format!("{further} (--hours 5.6, or --more-epochs 1513 afterwards)")), "{planned}");
        experiment.pretrain.epochs = 1563;
        assert!(warned(&experiment, &data, None).is_empty());
        data.unlabeled.clear();
        let [alone] = &warned(&experiment, &data, None)[..1] else { panic!("a warning") };
        assert!(alone.contains("the 100 labelled training images alone"), "{alone}");
    }

    #[test]
    fn what_enough_passes_promise_is_told_and_few_are_left_to_the_warning() {
        let (mut experiment, _) = resolve_typed(Request::default()).unwrap();
        let rates = Rates { pretrain: 10.0, step_seconds: 1.0, image_seconds: 0.0, evaluate: 1.0, linear_seconds: 0.0 };
        let said = |experiment: &Experiment, images| {
            let task = Task::only(Kind::Pretrain);
            let step = Step { task, images, planned_seconds: 600.0, seconds: 0.0, ended: false };
            let plan = Plan { hours: None, chosen: Vec::new(), rates, steps: vec![step], others: None };
            expected(experiment, &plan).as_ref().map(notice)
        };
        let passes = "pre-training makes about 250,000 image passes in about 10 min 00 s on this machine";
        let gains = format!("{passes}; on natural photographs, gains were seen from 200,000 on");
        assert_eq!(said(&experiment, 250_000), Some(gains));
        assert_eq!(said(&experiment, FEW_PASSES - 1), None);
        experiment.initial_weights = "given".to_owned();
        assert_eq!(said(&experiment, 250_000).as_deref(), Some(passes));
        assert!(said(&experiment, 1000).is_some_and(|said| said.contains("about 1,000 image passes")));
    }

    #[test]
    fn a_run_is_longer_than_asked_for_a_cause_that_holds() {
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 10, test_per_class: 1, unlabeled: 60 });
        let rates = Rates { pretrain: 10.0, step_seconds: 1.0, image_seconds: 0.0, evaluate: 1.0, linear_seconds: 0.0 };
        let step =
            Step { task: Task::only(Kind::Pretrain), images: 0, planned_seconds: 7200.0, seconds: 0.0, ended: false };
        let chosen = vec![Chosen { settings: vec!["draws=1".to_owned()], why: Why::ShortestTrainings }];
        let plan = Plan { hours: Some(1.0), chosen, rates, steps: vec![step], others: None };
        let longer = |set: &[&str], hours| {
            let set: Vec<String> = set.iter().map(|&pair| pair.to_owned()).collect();
            let (mut experiment, typed) = resolve_typed(Request { set: &set, ..Request::default() }).unwrap();
            experiment.pretrain.epochs = 10_000;
            let found = warnings(&experiment, &data, Some(&plan), Asked { hours, runs: 1, typed: &typed });
            let mut said = found.iter().map(notice).filter(|said| said.contains("takes about"));
            said.next()
        };
        let said = longer(&[], None).unwrap();
        assert!(said.contains("longer than the hour that it has where --hours names no time; a shorter one"), "{said}");
        let said = longer(&["draws=1", "image_size=64"], Some(1.0)).unwrap();
        assert!(
            said.ends_with(
                "longer than --hours 1; a shorter one would lack a part of the comparison, so it begins all the same"
            ),
            "{said}"
        );
        let said = longer(&["draws=1", "pretrain.epochs=90", "labels_per_class=[2]"], Some(1.0)).unwrap();
        assert!(said.ends_with("longer than --hours 1; what was typed stays (labels_per_class and pretrain.epochs), so it begins all the same"), "{said}");
    }
}
