//! One comparison with several seeds: a run directory for each that a run alone would have made too, interrupted and resumed, and what is
//! found over all of them.

mod tiny;

use std::path::Path;

use byol::config::Experiment;
use byol::data::Dataset;
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError};
use byol::report;
use byol::run::command::CommandRecord;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter, Silent};
use byol::run::notice::Notice;
use byol::run::record::{Ended, LabelBudget, ResultName, Stage};
use byol::run::seeds::SeedsRecord;
use byol::run::{RunDirectory, RunError};
use byol::train::TrainError;

/// Keeps which seeds were begun, and asks to stop after the first epoch of pre-training of one of them.
struct Watching {
    stop_at: Option<u64>,
    begun: Vec<u64>,
    interrupt: Interrupt,
}

impl Reporter for Watching {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Note(Notice::Seed { seed, .. }) => self.begun.push(*seed),
            Event::EpochEnded(record)
                if record.stage == Stage::Pretrain && self.begun.last() == self.stop_at.as_ref() =>
            {
                self.interrupt.request();
            }
            _ => {}
        }
    }
}

struct Try<'a> {
    experiment: &'a Experiment,
    data: &'a Dataset,
    out: &'a Path,
}

impl Try<'_> {
    fn with<T>(
        &self,
        mode: OpenMode,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
        work: impl FnOnce(&mut Context) -> T,
    ) -> T {
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
        let command = CommandRecord { settings: vec!["--seed".to_owned(), "4".to_owned()], ..CommandRecord::default() };
        work(&mut Context {
            experiment: self.experiment,
            data: self.data,
            hardware: &hardware,
            out: self.out,
            mode,
            command: Some(&command),
            interrupt,
            reporter,
        })
    }

    /// Runs these seeds; says how that ended, and which of them were begun.
    fn seeds(&self, mode: OpenMode, seeds: &[u64], stop_at: Option<u64>) -> (Result<Ended, ExperimentError>, Vec<u64>) {
        let record = SeedsRecord { seeds: seeds.to_vec(), hours: None, version: "1".to_owned() };
        let interrupt = Interrupt::default();
        let mut watching = Watching { stop_at, begun: Vec::new(), interrupt: interrupt.clone() };
        let ended = self.with(mode, &mut watching, &interrupt, |context| experiment::run_seeds(context, &record, None));
        (ended, watching.begun)
    }
}

#[test]
fn several_seeds_are_runs_of_their_own_and_go_on_where_they_were_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (several, alone) = (folder.path().join("several"), folder.path().join("alone"));
    let data = tiny::data(8, 100);
    let experiment = tiny::experiment(&["seed=4"]);
    let attempt = Try { experiment: &experiment, data: &data, out: &several };

    let (ended, begun) = attempt.seeds(OpenMode::Fresh, &[4, 5], Some(5));
    assert_eq!((ended.unwrap(), begun.as_slice()), (Ended::Interrupted, &[4, 5][..]));
    let found = report::seeds::load(&several).unwrap().found;
    assert_eq!((found.seeds.as_slice(), found.planned, found.finished), (&[4][..], 2, false));
    assert!(found.differences.iter().all(|one| one.interval.is_none() && one.runs.len() == 1));
    let page = std::fs::read_to_string(several.join("report.html")).unwrap();
    assert!(page.contains("1 of 2 seeds have finished") && page.contains("seed-5/report.html"));

    // Others are refused, and what is there stays.
    let refused = |mode, seeds: &[u64]| attempt.seeds(mode, seeds, None).0.unwrap_err();
    let other = refused(OpenMode::Resume, &[4, 5, 6]);
    assert!(matches!(other, ExperimentError::Run(RunError::OtherSeeds { then: 2, .. })), "{other}");
    let occupied = refused(OpenMode::Fresh, &[4, 5]);
    assert!(matches!(occupied, ExperimentError::Run(RunError::Occupied { .. })), "{occupied}");

    let (ended, begun) = attempt.seeds(OpenMode::Resume, &[4, 5], None);
    assert_eq!((ended.unwrap(), begun.as_slice()), (Ended::Epochs, &[5][..]), "the first is not repeated");
    let (ended, begun) = attempt.seeds(OpenMode::Resume, &[4, 5], None);
    assert_eq!((ended.unwrap(), begun.is_empty()), (Ended::Epochs, true), "nothing is left");

    // A run with that seed alone is the same.
    let other = Experiment { seed: 5, ..experiment.clone() };
    let single = Try { experiment: &other, data: &data, out: &alone };
    single.with(OpenMode::Fresh, &mut Silent, &Interrupt::default(), experiment::run).unwrap();
    let of = |run: &Path| RunDirectory::existing(run).unwrap().summary().unwrap().unwrap();
    let (first, second) = (of(&several.join("seed-4")), of(&several.join("seed-5")));
    assert_eq!((second.seed, &second.results), (5, &of(&alone).results));
    assert!(first.seed == 4 && first.results != second.results);

    // Each knows what it was asked for.
    let command = RunDirectory::existing(&several.join("seed-5")).unwrap().command().unwrap().unwrap();
    assert_eq!((command.settings, command.run), (vec!["--seed".to_owned(), "5".to_owned()], several.join("seed-5")));

    // By hand: the mean of the two seeds' means, and their distance over the root of two.
    let seeds = report::seeds::load(&several).unwrap();
    let mean = |summary: &byol::run::record::Summary, name| {
        let of = |result: &&byol::run::record::ResultRecord| {
            result.name == name && result.labels_per_class == LabelBudget::PerClass(2)
        };
        summary.results.iter().find(of).unwrap().test_accuracy.mean
    };
    let [a, b] = [&first, &second].map(|summary| mean(summary, ResultName::PRETRAINED_FINETUNED));
    let joined = seeds.found.results.iter().find(|result| {
        result.name == ResultName::PRETRAINED_FINETUNED && result.labels_per_class == LabelBudget::PerClass(2)
    });
    let joined = &joined.unwrap().test_accuracy;
    assert!((joined.mean - (a + b) / 2.0).abs() < 1e-12, "{joined:?}");
    assert!((joined.std.unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12, "{joined:?}");
    assert!(seeds.found.finished && seeds.found.differences.iter().all(|one| one.interval.is_some()));
    let text = report::seeds::markdown(&seeds);
    assert!(text.contains("Two seeds tell little") && !text.contains("have finished"), "{text}");

    // Whoever needs one run is told to name one.
    let message = RunDirectory::existing(&several).unwrap_err().to_string();
    assert!(message.ends_with(&format!("name one of them, as in {}", several.join("seed-4").display())), "{message}");
}

/// Here every seed fails; what counts is that the second is tried, and that the command does not end as if all were well.
#[test]
fn a_seed_that_fails_does_not_end_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("several");
    let set = ["seed=4", "pretrain.learning_rate=1e38", "pretrain.optimizer=sgd", "pretrain.warmup_epochs=0"];
    let (data, experiment) = (tiny::data(8, 100), tiny::experiment(&set));
    let attempt = Try { experiment: &experiment, data: &data, out: &out };
    for mode in [OpenMode::Fresh, OpenMode::Resume] {
        let (ended, begun) = attempt.seeds(mode, &[4, 5], None);
        assert_eq!(begun, [4, 5]);
        let error = ended.unwrap_err();
        assert!(matches!(error, ExperimentError::Train(TrainError::Diverged { .. })), "{error}");
    }
    assert!(!report::seeds::load(&out).unwrap().found.finished);
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("0 of 2 seeds have finished"));
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, experiment) = (tiny::data(4, 60), tiny::experiment(&[]));
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let attempt = Try { experiment: &experiment, data: &data, out: folder.path() };
    let error = attempt.seeds(OpenMode::Fresh, &[0, 1], None).0.unwrap_err();
    assert!(matches!(error, ExperimentError::Run(RunError::NotARun { .. })), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
