//! The whole pipeline on a small embedded set: every stage, interruption and resumption, and what is refused.

mod tiny;

use std::path::Path;
use std::sync::Arc;

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use byol::data::patterns::{PatternOptions, dataset_with};
use byol::data::{ConcatSource, Dataset, ImageSource};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::ablation::{self, AblationOutcome, LAB, MECHANISM};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::gallery::{ViewSheet, write_views};
use byol::loader::{self, ImageSet};
use byol::report::language::notices::notice;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter, Silent};
use byol::run::record::{Control, HeadKind, LabelBudget, ResultName, Stage};
use byol::train::TrainError;
use byol::train::pretrain;

fn tiny(extra: &[&str]) -> Experiment {
    tiny::experiment(&[&["pretrain.epochs=4", "pretrain.checkpoint_every=1"], extra].concat())
}

/// Pre-training that is short, and long enough to collapse where nothing prevents it.
const COLLAPSING: [&str; 8] = [
    "image_size=16",
    "width=0.125",
    "draws=1",
    "pretrain.epochs=4",
    "pretrain.batch_size=64",
    "supervised.minimum_steps=4",
    "supervised.epochs=2",
    "finetune.minimum_steps=4",
];

/// Asks to stop after so many epochs of pre-training.
struct StopAfter {
    epochs: usize,
    interrupt: Interrupt,
}

impl Reporter for StopAfter {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::EpochEnded(record) = event
            && record.tau.is_some()
            && record.epoch == self.epochs
        {
            self.interrupt.request();
        }
    }
}

struct Try<'a> {
    experiment: &'a Experiment,
    data: &'a Dataset,
    out: &'a Path,
    mode: OpenMode,
}

impl Try<'_> {
    fn run(
        &self,
        work: impl FnOnce(&mut Context) -> Result<Outcome, ExperimentError>,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Outcome, ExperimentError> {
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
        work(&mut Context {
            experiment: self.experiment,
            data: self.data,
            hardware: &hardware,
            out: self.out,
            mode: self.mode,
            command: None,
            interrupt,
            reporter,
        })
    }

    fn quietly(
        &self,
        work: impl FnOnce(&mut Context) -> Result<Outcome, ExperimentError>,
    ) -> Result<Outcome, ExperimentError> {
        self.run(work, &mut Silent, &Interrupt::default())
    }
}

#[test]
fn a_run_compares_everything_and_a_resumed_one_equals_it() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
    let (experiment, data) = (tiny(&[]), tiny::data(8, 100));
    let attempt = |out, mode| Try { experiment: &experiment, data: &data, out, mode };

    let Outcome::Finished(summary) = attempt(&whole, OpenMode::Fresh).quietly(experiment::run).unwrap() else {
        panic!("the run did not finish")
    };
    assert!(summary.finished);
    for name in Control::Random.results().into_iter().filter(|&name| name != ResultName::PRETRAINED_SELFTRAINED) {
        let budgets = summary.results.iter().filter(|result| result.name == name).count();
        assert_eq!(budgets, 2, "{name:?}");
    }
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("data:image/png;base64,"));

    let interrupt = Interrupt::default();
    let mut stop = StopAfter { epochs: 2, interrupt: interrupt.clone() };
    let ended = attempt(&parted, OpenMode::Fresh).run(experiment::run, &mut stop, &interrupt).unwrap();
    assert!(matches!(ended, Outcome::Interrupted(_)));
    assert!(byol::report::load(&parted).is_ok());
    let resumed = attempt(&parted, OpenMode::Resume).quietly(experiment::run).unwrap();
    let Outcome::Finished(resumed) = resumed else { panic!("the resumed run did not finish") };
    assert_eq!(resumed.results, summary.results);
    let weights = |run: &Path| std::fs::read(run.join("checkpoints/step-00000044.safetensors")).unwrap();
    assert!(weights(&whole) == weights(&parted), "the resumed weights differ");

    let again = attempt(&whole, OpenMode::Resume).quietly(experiment::run).unwrap();
    assert!(matches!(again, Outcome::AlreadyFinished(_)));
}

/// Asks to stop after so many epochs of a stage, with the first labels of each budget.
struct StopIn {
    stage: Stage,
    epochs: usize,
    interrupt: Interrupt,
}

impl Reporter for StopIn {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::EpochEnded(record) = event
            && (record.stage, record.epoch, record.draw) == (self.stage, self.epochs, 0)
        {
            self.interrupt.request();
        }
    }
}

/// Everything that training with labels may be varied by, after pre-training with local views, stopped in the middle of the baseline and of fine-tuning, where weights
/// are being averaged.
#[test]
fn a_varied_training_that_was_stopped_ends_with_the_same_bytes() {
    let varied = |stage: &str| {
        let settings = "optimizer=\"adamw\" weight_decay=0.01 layer_decay=0.7 mixup=0.2 cutmix=1.0 label_smoothing=0.1 average=0.5 \
                        first_size=8";
        settings.split(' ').map(|pair| format!("{stage}.{pair}")).collect::<Vec<_>>()
    };
    let mut set = [varied("supervised"), varied("finetune")].concat();
    set.extend(["finetune.head=linear", "finetune.filter_norm=initial", "zero_init_residual=true"].map(str::to_owned));
    set.extend(["pretrain.predictor_learning_rate=2.0", "pretrain.first_size=8"].map(str::to_owned));
    // BYOL with multi-crop, where the preset has MoCo v3 with patches.
    let multi_crop = ["pretrain.method=byol", "pretrain.patches=1", "pretrain.local_views=2", "pretrain.local_size=8"];
    set.extend(multi_crop.map(str::to_owned));
    let experiment = tiny(&set.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
    let data = tiny::data(8, 100);
    let attempt = |out, mode| Try { experiment: &experiment, data: &data, out, mode };
    let Outcome::Finished(summary) = attempt(&whole, OpenMode::Fresh).quietly(experiment::run).unwrap() else {
        panic!("the run did not finish")
    };
    for (stage, mode) in [(Stage::Supervised, OpenMode::Fresh), (Stage::Finetune, OpenMode::Resume)] {
        let interrupt = Interrupt::default();
        // The last two of four steps are averaged.
        let mut stop = StopIn { stage, epochs: 3, interrupt: interrupt.clone() };
        let ended = attempt(&parted, mode).run(experiment::run, &mut stop, &interrupt).unwrap();
        assert!(matches!(ended, Outcome::Interrupted(_)), "{stage:?}");
    }
    let stopped = std::fs::read(parted.join("checkpoints/finetune-2-draw0/step-00000003.safetensors")).unwrap();
    assert!(stopped.windows(18).any(|name| name == b"average.fc.weight\""), "the mean is kept on the way");
    let Outcome::Finished(resumed) = attempt(&parted, OpenMode::Resume).quietly(experiment::run).unwrap() else {
        panic!("the resumed run did not finish")
    };
    assert_eq!(resumed.results, summary.results);
    let mut compared = 0;
    for name in ["supervised-2-draw0", "supervised-all-draw0", "finetune-2-draw0", "finetune-all-draw0"] {
        for entry in std::fs::read_dir(whole.join("checkpoints").join(name)).unwrap() {
            let file = entry.unwrap().file_name();
            let bytes = |run: &Path| std::fs::read(run.join("checkpoints").join(name).join(&file)).unwrap();
            assert!(bytes(&whole) == bytes(&parted), "{name}: {file:?} differs");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

fn refusal(experiment: &Experiment, data: &Dataset, out: &Path, mode: OpenMode) -> String {
    let attempt = Try { experiment, data, out, mode };
    let error = attempt.quietly(experiment::run).unwrap_err();
    error.to_string()
}

#[test]
fn what_cannot_work_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (experiment, data) = (tiny(&[]), tiny::data(8, 100));
    Try { experiment: &experiment, data: &data, out: &out, mode: OpenMode::Fresh }
        .quietly(experiment::pretrain)
        .unwrap();
    assert!(refusal(&experiment, &data, &out, OpenMode::Fresh).contains("holds another run already"));
    let changed = refusal(&tiny(&["pretrain.epochs=5"]), &data, &out, OpenMode::Resume);
    assert!(changed.contains("pretrain.epochs was 4, is 5"), "{changed}");
    let other = tiny::data(9, 100);
    // A finished run says so before it looks at anything else but the data.
    assert!(refusal(&experiment, &other, &out, OpenMode::Resume).contains("other data"));

    let fresh = |name: &str| folder.path().join(name);
    let large = refusal(&tiny(&["pretrain.batch_size=1000"]), &data, &fresh("large"), OpenMode::Fresh);
    assert!(large.contains("pretrain.batch_size is 1000 but there are only 180 images"), "{large}");
    let labels = refusal(&tiny(&["labels_per_class=[9]"]), &data, &fresh("labels"), OpenMode::Fresh);
    assert!(labels.contains("8 labelled training images") && labels.contains("9 per class"), "{labels}");
    let without = Dataset { test: None, ..tiny::data(8, 100) };
    let missing = refusal(&experiment, &without, &fresh("missing"), OpenMode::Fresh);
    assert!(missing.contains("no test split"), "{missing}");

    std::fs::create_dir(fresh("photos")).unwrap();
    std::fs::write(fresh("photos").join("cat.jpg"), b"not a run").unwrap();
    let occupied = refusal(&experiment, &data, &fresh("photos"), OpenMode::Fresh);
    assert!(occupied.contains("is not empty and holds no run"), "{occupied}");

    let wider = tiny(&["width=0.125"]);
    let error = Try { experiment: &wider, data: &data, out: &fresh("wider"), mode: OpenMode::Fresh }
        .quietly(|context| experiment::finetune(context, &out))
        .unwrap_err();
    assert!(error.to_string().contains("another architecture"), "{error}");
}

/// What is shown is what training sees: every pixel of the first epoch's views, at their own size.
#[test]
fn the_views_that_are_shown_are_those_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = tiny(&["pretrain.view_size=24"]);
    let pool: Arc<dyn ImageSource> = Arc::new(ConcatSource::from(tiny::data(8, 100).pretraining_pool()));
    let indices = vec![3, 150];
    let views = experiment.training_views();
    let sheet = ViewSheet { source: pool.as_ref(), indices: &indices, views: &views, draws: 1, seed: experiment.seed };
    let examples = write_views(&sheet, folder.path()).unwrap();

    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
    let image_set = ImageSet::of(&experiment, pool, &hardware);
    let batch = loader::in_order(image_set, pretrain::views(&experiment), indices, 2, 1).next().unwrap().unwrap();
    assert_eq!(batch.images.len(), 1, "two views of one side stand in one tensor");
    assert_eq!(batch.images[0].size(), [4, 3, 24, 24]);
    let normalization = experiment.normalization();
    for (row, example) in examples.iter().enumerate() {
        for (view, name) in ["t", "t_prime"].into_iter().enumerate() {
            let shown = image::open(folder.path().join(&example.views[name][0])).unwrap().to_rgb8();
            assert_eq!(shown.dimensions(), (24, 24));
            for (x, y, pixel) in shown.enumerate_pixels() {
                for channel in 0..3 {
                    let place = [(2 * view + row) as i64, channel as i64, y.into(), x.into()];
                    let seen = batch.images[0].double_value(&place) * f64::from(normalization.deviation[channel])
                        + f64::from(normalization.mean[channel]);
                    assert!((255.0 * seen - f64::from(pixel.0[channel])).abs() < 1.01, "{name} at {x}, {y}");
                }
            }
        }
    }
}

/// Every setting that no other test here uses, in one run: LARS, parts of a batch, views of another size, all of the
/// lab's faults, the paper's linear classifier, a sweep, and folds.
#[test]
fn every_option_runs_together_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let experiment = tiny(&[
        "labels_per_class=[2, \"folds\"]",
        "draws=1",
        "pretrain.patches=1",
        "faults=[\"unpaired-views\", \"online-target\", \"unnormalized\", \"lab-heads\", \"evaluation-mode\"]",
        "pretrain.optimizer=lars",
        "pretrain.accumulation_steps=2",
        "pretrain.view_size=24",
        "pretrain.stop_on_collapse=false",
        "evaluate.linear_solver=sgd",
        "evaluate.sgd_epochs=4",
        "evaluate.sgd_views=2",
        "finetune.optimizer=nesterov",
        "finetune.sweep_learning_rates=[0.001, 0.01]",
        "finetune.sweep_epochs=[2, 3]",
    ]);
    let data = tiny::data(8, 100);
    let attempt = |mode| Try { experiment: &experiment, data: &data, out: &out, mode };
    let interrupt = Interrupt::default();
    let mut stop = StopAfter { epochs: 3, interrupt: interrupt.clone() };
    let ended = attempt(OpenMode::Fresh).run(experiment::run, &mut stop, &interrupt).unwrap();
    assert!(matches!(ended, Outcome::Interrupted(_)));
    let Outcome::Finished(summary) = attempt(OpenMode::Resume).quietly(experiment::run).unwrap() else {
        panic!("the run did not finish")
    };
    for name in [
        ResultName::SUPERVISED,
        ResultName::PRETRAINED_FINETUNED,
        ResultName::PRETRAINED_LINEAR,
        ResultName::RANDOM_KNN,
    ] {
        let of = |budget| {
            let found = summary.results.iter().find(|result| result.name == name && result.labels_per_class == budget);
            found.map(|result| result.test_accuracy.runs.len())
        };
        assert_eq!(of(LabelBudget::PerClass(2)), Some(1), "{name:?}");
        assert_eq!(of(LabelBudget::DrawnFolds), Some(10), "{name:?}: the embedded set has no folds of its own");
    }
    let records = byol::report::load(&out).unwrap().predictions;
    let chosen = |name: ResultName| {
        let record = records.iter().find(|record| record.name == name).unwrap();
        record.chosen.clone().unwrap_or_default()
    };
    assert!(chosen(ResultName::PRETRAINED_LINEAR).starts_with("learning_rate="));
    assert!(chosen(ResultName::PRETRAINED_FINETUNED).starts_with("lr0.0"));
    assert_eq!(chosen(ResultName::SUPERVISED), "", "the baseline has no sweep");
    assert!(out.join("trials").read_dir().unwrap().count() >= 44, "four candidates for each of eleven draws");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("folds drawn here") && page.contains("Effective rank"));
}

#[test]
fn a_loss_that_is_no_number_ends_training_and_names_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = tiny(&["pretrain.learning_rate=1e38", "pretrain.optimizer=sgd", "pretrain.warmup_epochs=0"]);
    let out = folder.path().join("run");
    let error = Try { experiment: &experiment, data: &tiny::data(8, 100), out: &out, mode: OpenMode::Fresh }
        .quietly(experiment::pretrain)
        .unwrap_err();
    let ExperimentError::Train(TrainError::Diverged { step, .. }) = &error else { panic!("{error}") };
    assert!((2..=4).contains(step), "{error}");
    assert!(error.to_string().contains("lower pretrain.learning_rate"), "{error}");
}

/// The order that the paper's Table 5 leads one to expect, where it is robust: without predictor or stop-gradient the
/// representation collapses, with both it does not.
#[test]
fn ablations_share_runs_and_show_collapse() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ablation");
    let mut set = ablation::BASIS.map(str::to_owned).to_vec();
    set.extend(COLLAPSING.map(str::to_owned));
    let experiment = resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap();
    let data = dataset_with(PatternOptions { side: 32, train_per_class: 40, test_per_class: 10, unlabeled: 2000 });
    let named = |name: &str| *MECHANISM.iter().find(|variant| variant.name == name).unwrap();
    let ablate = |variants: &[ablation::Variant], mode| {
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
        let mut context = Context {
            experiment: &experiment,
            data: &data,
            hardware: &hardware,
            out: &out,
            mode,
            command: None,
            interrupt: &Interrupt::default(),
            reporter: &mut Silent,
        };
        match ablation::ablate(&mut context, variants, 1) {
            Ok(AblationOutcome::Finished(found)) => found,
            other => panic!("{other:?}"),
        }
    };
    let found = ablate(&[named("full"), named("no-predictor"), named("no-stop-gradient")], OpenMode::Fresh);
    let collapsed: Vec<(&str, usize)> =
        found.variants.iter().map(|variant| (variant.name.as_str(), variant.collapsed())).collect();
    println!("{}", byol::report::ablation::markdown(&found));
    // The page is made from the record alone.
    assert!(byol::report::ablation::is_ablation(&out));
    assert_eq!(byol::report::ablation::load(&out).unwrap(), found);
    let page = std::fs::read_to_string(byol::report::ablation::write(&found, &out).unwrap()).unwrap();
    assert!(page.contains("The representation collapsed in no-predictor (1 of 1 seeds)"));
    assert_eq!(collapsed, [("full", 0), ("no-predictor", 1), ("no-stop-gradient", 1)]);

    // The lab's set shares the run of BYOL as it is, and adds what it needs.
    let again = ablate(&LAB[..1], OpenMode::Resume);
    assert_eq!(again.variants.len(), 3);
    let full = &again.variants[0];
    let linear = |variant: &ablation::VariantRecord| variant.accuracy(ResultName::PRETRAINED_LINEAR, LabelBudget::All);
    assert_eq!(linear(full), linear(&found.variants[0]));
    assert!(full.accuracy(ResultName::PRETRAINED_FINETUNED, LabelBudget::PerClass(2)).is_some());
}

#[test]
fn an_encoder_that_sees_other_images_is_warned_about() {
    struct Warnings(Vec<String>);
    impl Reporter for Warnings {
        fn event(&mut self, event: &Event<'_>) {
            if let Event::Warning(what) = event {
                self.0.push(notice(what));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (run, data) = (folder.path().join("run"), tiny::data(8, 100));
    let attempt = |experiment: &Experiment, reporter: &mut Warnings, work: &dyn Fn(&mut Context)| {
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
        work(&mut Context {
            experiment,
            data: &data,
            hardware: &hardware,
            out: &run,
            mode: OpenMode::Resume,
            command: None,
            interrupt: &Interrupt::default(),
            reporter,
        });
    };
    let mut warnings = Warnings(Vec::new());
    let same = tiny(&["pretrain.epochs=1"]);
    attempt(&same, &mut warnings, &|context| drop(experiment::pretrain(context).unwrap()));
    let knn = |context: &mut Context| {
        drop(experiment::evaluate(context, &run, &[HeadKind::Knn], experiment::Keep::Nothing).unwrap())
    };
    attempt(&same, &mut warnings, &knn);
    assert!(warnings.0.is_empty(), "{:?}", warnings.0);
    attempt(&tiny(&["pretrain.epochs=1", "image_size=24"]), &mut warnings, &knn);
    assert!(warnings.0[0].contains("image_size is 24 and was 16"), "{:?}", warnings.0);
}
