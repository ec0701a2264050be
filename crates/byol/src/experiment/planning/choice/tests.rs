//! What is chosen at given rates, and with measured ones.

use super::*;
use crate::config::resolve::{Request, resolve_typed};
use crate::data::patterns::{PatternOptions, dataset_with};
use crate::experiment::{Asked, fit, warnings};
use crate::run::notice::Notice;

/// Rates as an hour on two cores has them (docs/results.md).
const RATES: Rates =
    Rates { pretrain: 450.0, step_seconds: 0.005, image_seconds: 0.001, evaluate: 2500.0, linear_seconds: 0.01 };

fn images(unlabeled: usize) -> Dataset {
    dataset_with(PatternOptions { side: 64, train_per_class: 30, test_per_class: 10, unlabeled })
}

/// The lengths that are chosen at given rates.
fn lengths(typed: &[&str], data: &Dataset, hours: f64, rates: Rates) -> Result<(Experiment, Plan), PlanError> {
    let resolve = |chosen: &[String]| {
        let set: Vec<String> = chosen.iter().cloned().chain(typed.iter().map(|&pair| pair.to_owned())).collect();
        let (mut experiment, typed) = resolve_typed(Request { set: &set, ..Request::default() })?;
        fit(&mut experiment, &typed, data);
        Ok(experiment)
    };
    let (hardware, labeled) = (Hardware::auto().with_threads(1), data.train.clone().unwrap());
    let chooser = Chooser { resolve: &resolve, data, labeled: &labeled, hardware: &hardware };
    let candidate = Candidate { chosen: Vec::new(), rates };
    let groups = chooser.lengths(&candidate, Time { hours, measuring: 0.0, others: None })?;
    let chosen = chooser.that_matter(groups)?;
    let experiment = resolve(&pairs(&chosen))?;
    let plan = work::planned(&experiment, data, rates)?;
    Ok((experiment, Plan { chosen, ..plan }))
}

#[test]
fn the_time_is_kept_and_pre_training_gets_the_largest_part() {
    let data = images(20_000);
    for hours in [0.1, 0.2, 1.0, 3.0] {
        let (experiment, plan) = lengths(&[], &data, hours, RATES).unwrap();
        let seconds = plan.seconds();
        assert!(seconds <= hours * 3600.0, "{hours} h: {seconds} s");
        // An epoch takes 45 s.
        assert!(seconds >= 0.9 * hours * 3600.0 - 50.0, "{hours} h: {seconds} s");
        let pretrain = plan.total(Kind::Pretrain);
        assert!(pretrain.seconds >= 0.5 * seconds, "{hours} h: {} of {seconds} s", pretrain.seconds);
        let labelled: u64 = [Kind::Baseline, Kind::Finetune].into_iter().map(|kind| plan.total(kind).images).sum();
        assert!(labelled < 2 * pretrain.images, "{hours} h: {labelled} and {}", pretrain.images);
        assert_eq!(experiment.pretrain.tau, if pretrain.images < SHORT { 0.97 } else { 0.99 }, "{hours} h");
        experiment.validate().unwrap();
    }
}

#[test]
fn few_images_need_less_than_the_time() {
    let (experiment, plan) = lengths(&[], &images(100), 5.0, RATES).unwrap();
    assert_eq!(experiment.pretrain.epochs, MOST_EPOCHS);
    assert!(plan.seconds() < 3.0 * 3600.0, "{}", plan.seconds());
    assert_eq!((experiment.draws, experiment.supervised.minimum_steps), (3, 2400));
}

#[test]
fn what_was_typed_stays_and_is_not_called_chosen() {
    let typed = ["pretrain.epochs=1", "draws=5", "supervised.minimum_steps=77", "pretrain.tau=0.9"];
    let (experiment, plan) = lengths(&typed, &images(2000), 2.0, RATES).unwrap();
    assert_eq!((experiment.pretrain.epochs, experiment.draws), (1, 5));
    assert_eq!((experiment.supervised.minimum_steps, experiment.pretrain.tau), (77, 0.9));
    let chosen = plan.settings();
    for key in ["pretrain.epochs", "draws", "supervised.minimum_steps", "pretrain.tau"] {
        assert!(!chosen.iter().any(|pair| pair.starts_with(&format!("{key}="))), "{chosen:?}");
    }
    assert!(chosen.contains(&"finetune.minimum_steps=2400".to_owned()), "{chosen:?}");
}

#[test]
fn too_little_time_is_told_with_what_is_needed() {
    let data = images(20_000);
    for hours in [0.001, 0.01] {
        let error = lengths(&[], &data, hours, RATES).unwrap_err();
        let PlanError::TooLittleTime { needed, .. } = error else { panic!("{error}") };
        assert!(needed > hours && needed < 0.3, "{needed}");
        assert!(lengths(&[], &data, needed, RATES).is_ok(), "{needed}: what is named is enough");
    }
}

#[test]
fn looks_are_fewer_where_they_cost_more_than_training() {
    // 320 images an epoch; a look sees 360 twice and 300 once.
    let rates = Rates { evaluate: 20.0, ..RATES };
    let (experiment, plan) = lengths(&[], &images(60), 0.5, rates).unwrap();
    let looks = experiment.pretrain.epochs / experiment.pretrain.monitor_every;
    assert!((1..LOOKS).contains(&looks), "{looks}");
    assert!(plan.seconds() <= 1800.0, "{}", plan.seconds());
}

#[test]
fn a_slow_machine_gives_up_draws_and_budgets() {
    let slow =
        Rates { pretrain: 20.0, step_seconds: 0.05, image_seconds: 0.025, evaluate: 110.0, linear_seconds: 0.01 };
    let (experiment, plan) = lengths(&[], &images(2000), 1.0, slow).unwrap();
    assert!(experiment.draws < 3, "{}", experiment.draws);
    assert!(plan.seconds() <= 3600.0 && plan.total(Kind::Pretrain).seconds >= 0.4 * 3600.0);
}

#[test]
fn whatever_is_chosen_can_be_planned_on_this_machine() {
    let data = dataset_with(PatternOptions { side: 32, train_per_class: 4, test_per_class: 2, unlabeled: 40 });
    let hardware = Hardware::auto().with_threads(1);
    let resolve = |chosen: &[String]| {
        let (mut experiment, typed) = resolve_typed(Request { set: chosen, ..Request::default() })?;
        fit(&mut experiment, &typed, &data);
        Ok(experiment)
    };
    let wish = |hours| Wish { hours: Some(hours), runs: 1, scope: Scope::Everything };
    let plan = choose(wish(0.1), &resolve, &data, &hardware).unwrap().unwrap();
    let experiment = resolve(&plan.settings()).unwrap();
    assert_eq!((experiment.image_size, plan.hours), (32, Some(0.1)));
    assert!(plan.seconds() <= 360.0, "{}", plan.seconds());
    // Less than anything takes: the shortest run, which says that it is longer.
    let shortest = choose(wish(1e-6), &resolve, &data, &hardware).unwrap().unwrap();
    assert_eq!((shortest.hours, shortest.total(Kind::Pretrain).images > 0), (Some(1e-6), true));
    let experiment = resolve(&shortest.settings()).unwrap();
    assert_eq!(experiment.image_size, 32);
    let typed = Default::default();
    let asked = |hours| Asked { hours: Some(hours), runs: 1, typed: &typed };
    let warned = warnings(&experiment, &data, Some(&shortest), asked(1e-6));
    let longer = |notice: &Notice| matches!(notice, Notice::LongerThanAsked { hours, seconds, .. } if *hours == Some(1e-6) && *seconds > 1.0);
    assert!(warned.iter().any(longer), "{warned:?}");
    let said = |why: Why| shortest.chosen.iter().any(|chosen| chosen.why == why);
    assert!(said(Why::ShortestTrainings) && !said(Why::ShareOfTrainings { percent: 50.0 }), "{:?}", shortest.chosen);
    let warned = warnings(&experiment, &data, Some(&plan), asked(0.1));
    assert!(!warned.iter().any(longer), "{warned:?}");
    // Two runs share the time, and each is planned for its half.
    let half = choose(Wish { runs: 2, ..wish(0.2) }, &resolve, &data, &hardware).unwrap().unwrap();
    assert!(half.hours == Some(0.1) && half.seconds() <= 360.0, "{:?} {}", half.hours, half.seconds());
    let shared = Asked { runs: 100, ..asked(0.1) };
    let warned = warnings(&experiment, &data, Some(&plan), shared);
    let longer = |notice: &Notice| matches!(notice, Notice::LongerThanAsked { hours, .. } if *hours == Some(0.1));
    assert_eq!(warned.iter().any(longer), 100.0 * plan.seconds() > 360.0, "{warned:?}");
    let without = Dataset { test: None, ..data.clone() };
    assert!(choose(wish(0.1), &resolve, &without, &hardware).unwrap().is_none());
}

#[test]
fn time_is_shared_in_numbers_that_can_be_read() {
    assert_eq!([share(1.0, 3), share(8.0, 5), share(0.123456, 1)], [0.333, 1.6, 0.123456]);
    // Too little to be rounded.
    assert!((share(1e-6, 2) - 5e-7).abs() < 1e-18);
}

#[test]
fn a_busy_machine_is_named_where_time_is_too_little() {
    let time = |others| Time { hours: 0.1, measuring: 8.0, others };
    assert!(time(None).too_little(100.0).to_string().ends_with(" is enough at the speed that was measured"));
    let busy = time(Some(0.5)).too_little(100.0).to_string();
    assert!(
        busy.contains("is enough at the speed that was measured (other programs took about half of the processor while this was measured;"),
        "{busy}"
    );
}
