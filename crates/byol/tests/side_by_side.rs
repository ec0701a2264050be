//! Label draws that are trained side by side: the results of one after another, in the same order, also where they were stopped.

mod tiny;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use byol::config::Experiment;
use byol::data::splits::label_draw;
use byol::data::{DataError, Dataset, Image, ImageSource};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter};
use byol::run::record::PredictionRecord;

const DRAWS: usize = 4;

/// Four label draws of the baseline, of steps that one thread is worth.
fn draws() -> Experiment {
    tiny::experiment(&["labels_per_class=[2]", "draws=4", "supervised.epochs=20", "supervised.minimum_steps=20"])
}

/// What was told of which draw, in order.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Started(usize),
    Evaluated(usize),
}

/// Keeps what was told, and asks to stop after so many epochs, of whichever draws.
#[derive(Default)]
struct Watching {
    told: Vec<Told>,
    epochs: usize,
    stop: Option<usize>,
    interrupt: Interrupt,
}

impl Reporter for Watching {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::StageStarted { draw, .. } => self.told.push(Told::Started(*draw)),
            Event::Evaluated { draw, .. } => self.told.push(Told::Evaluated(*draw)),
            Event::EpochEnded(_) => {
                self.epochs += 1;
                if self.stop == Some(self.epochs) {
                    self.interrupt.request();
                }
            }
            _ => {}
        }
    }
}

fn train(
    data: &Dataset,
    out: &Path,
    (threads, mode): (usize, OpenMode),
    watching: &mut Watching,
) -> Result<Outcome, ExperimentError> {
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(threads)).unwrap();
    let interrupt = watching.interrupt.clone();
    experiment::supervised(&mut Context {
        experiment: &draws(),
        data,
        hardware: &hardware,
        out,
        mode,
        command: None,
        interrupt: &interrupt,
        reporter: watching,
    })
}

/// Without the time that it took.
fn answers(run: &Path) -> Vec<PredictionRecord> {
    let records = RunDirectory::existing(run).unwrap().predictions().unwrap();
    records.into_iter().map(|record| PredictionRecord { seconds: 0.0, ..record }).collect()
}

fn first_classifier(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/supervised-2-draw0/step-00000020.safetensors")).unwrap()
}

/// Draw and epoch of every line of `metrics.jsonl`, sorted.
fn epochs(run: &Path) -> Vec<(usize, usize)> {
    let records = RunDirectory::existing(run).unwrap().metrics().unwrap();
    let mut epochs: Vec<(usize, usize)> = records.iter().map(|record| (record.draw, record.epoch)).collect();
    epochs.sort_unstable();
    epochs
}

/// One test, for the number of threads is the process's.
#[test]
fn draws_side_by_side_are_those_of_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let [serial, beside, parted] = ["serial", "beside", "parted"].map(|name| folder.path().join(name));
    let data = tiny::data(8, 0);

    let mut watching = Watching::default();
    train(&data, &serial, (1, OpenMode::Fresh), &mut watching).unwrap();
    let one_by_one: Vec<Told> = (0..DRAWS).flat_map(|draw| [Told::Started(draw), Told::Evaluated(draw)]).collect();
    assert_eq!(watching.told, one_by_one);

    let mut watching = Watching::default();
    train(&data, &beside, (2, OpenMode::Fresh), &mut watching).unwrap();
    let evaluated: Vec<Told> =
        watching.told.iter().filter(|told| matches!(told, Told::Evaluated(_))).cloned().collect();
    assert_eq!(evaluated, (0..DRAWS).map(Told::Evaluated).collect::<Vec<_>>());
    assert!(watching.told[..2].iter().all(|told| matches!(told, Told::Started(_))), "{:?}", watching.told);
    assert_eq!(answers(&beside), answers(&serial));
    assert!(first_classifier(&beside) == first_classifier(&serial), "the weights differ");
    let all: Vec<(usize, usize)> = (0..DRAWS).flat_map(|draw| (1..=20).map(move |epoch| (draw, epoch))).collect();
    assert_eq!(epochs(&beside), all);

    // Stopped twice; which draws are how far then is chance.
    for (stop, mode) in [(5, OpenMode::Fresh), (7, OpenMode::Resume)] {
        let mut watching = Watching { stop: Some(stop), ..Watching::default() };
        let ended = train(&data, &parted, (2, mode), &mut watching).unwrap();
        assert!(matches!(ended, Outcome::Interrupted(_)), "{stop}");
    }
    let ended = train(&data, &parted, (2, OpenMode::Resume), &mut Watching::default()).unwrap();
    assert!(matches!(ended, Outcome::Finished(_)));
    assert_eq!(answers(&parted), answers(&serial));
    assert!(first_classifier(&parted) == first_classifier(&serial), "the resumed weights differ");
    assert_eq!(epochs(&parted), all);
    what_fails_ends_the_run_and_loses_nothing(&folder.path().join("failed"), &answers(&serial));
}

/// Images of which one cannot be read.
struct Broken {
    inner: Arc<dyn ImageSource>,
    index: usize,
}

impl ImageSource for Broken {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        if index == self.index {
            return Err(DataError::NotFound { path: PathBuf::from("vanished.png") });
        }
        self.inner.read(index, image)
    }

    fn name(&self, index: usize) -> String {
        self.inner.name(index)
    }
}

/// An image of the second draw alone cannot be read: that ends the run, and the next one goes on.
fn what_fails_ends_the_run_and_loses_nothing(out: &Path, expected: &[PredictionRecord]) {
    let (experiment, mut data) = (draws(), tiny::data(8, 0));
    let labeled = data.train.as_mut().unwrap();
    let draw = |draw| label_draw(&labeled.labels, 10, 2, experiment.seed, draw).unwrap();
    let others: Vec<usize> = [0, 2, 3].into_iter().flat_map(draw).collect();
    let index = draw(1).into_iter().find(|index| !others.contains(index)).unwrap();
    labeled.images = Arc::new(Broken { inner: labeled.images.clone(), index });
    let error = train(&data, out, (2, OpenMode::Fresh), &mut Watching::default()).unwrap_err();
    assert!(error.to_string().contains("vanished.png"), "{error}");
    let ended = train(&tiny::data(8, 0), out, (2, OpenMode::Resume), &mut Watching::default()).unwrap();
    assert!(matches!(ended, Outcome::Finished(_)));
    assert_eq!(answers(out), expected);
}
