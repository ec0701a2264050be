//! Pre-training on a pool that would not fit into memory: it ends with the bytes of one that was looked through, and what cannot be used is
//! told, recorded, and the same after an interruption.

mod tiny;

use std::path::Path;

use byol::config::Experiment;
use byol::data::{Dataset, Decoding, Image, OpenOptions, Pools};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::report::language::notices::notice;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter};

const EPOCHS: usize = 3;
/// Of 64 images of the pool and 20 of training, 16 in a step.
const LAST: &str = "checkpoints/step-00000015.safetensors";

fn write(image: &Image, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let area = image.width * image.height;
    let level = |x: u32, y: u32, plane: usize| image.pixels[plane * area + y as usize * image.width + x as usize];
    let (width, height) = (image.width as u32, image.height as u32);
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([0, 1, 2].map(|plane| level(x, y, plane))))
        .save(to)
        .unwrap();
}

/// Class folders `data` with two training and four test images of each class, and 64 others in `pool`.
fn folders(root: &Path) {
    let drawn = tiny::data(2, 64);
    let mut image = Image::default();
    for (split, labeled) in [("train", drawn.train.as_ref().unwrap()), ("test", drawn.test.as_ref().unwrap())] {
        for (index, label) in labeled.labels.iter().enumerate() {
            labeled.images.read(index, &mut image).unwrap();
            write(&image, &root.join(format!("data/{split}/{label}/{index}.png")));
        }
    }
    for index in 0..64 {
        drawn.unlabeled[0].images.read(index, &mut image).unwrap();
        write(&image, &root.join(format!("pool/{index:02}.png")));
    }
}

fn open(root: &Path, decoding: Decoding) -> Dataset {
    let options = OpenOptions { decoding, memory_budget_bytes: 40 * 3 * 32 * 32, ..OpenOptions::default() };
    let mut data = Dataset::open(root.join("data"), &options).unwrap();
    data.add_unlabeled(root.join("pool"), &options).unwrap();
    data.look_for_copies(Pools::LeaveCopiesOut).unwrap();
    assert_eq!(data.unlabeled[0].decoding(), decoding);
    data
}

/// Notes what it was warned of, and asks to stop after so many steps.
#[derive(Default)]
struct Watching {
    steps: usize,
    stop_after: Option<usize>,
    interrupt: Interrupt,
    warnings: Vec<String>,
}

impl Reporter for Watching {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Warning(what) => self.warnings.push(notice(what)),
            Event::Step(report) => self.steps = report.step,
            _ => {}
        }
        if self.stop_after.is_some_and(|steps| self.steps >= steps) {
            self.interrupt.request();
        }
    }
}

fn pretrain(experiment: &Experiment, data: &Dataset, out: &Path, watching: &mut Watching) -> Outcome {
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
    let interrupt = watching.interrupt.clone();
    let outcome: Result<Outcome, ExperimentError> = experiment::pretrain(&mut Context {
        experiment,
        data,
        hardware: &hardware,
        out,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &interrupt,
        reporter: watching,
    });
    outcome.unwrap()
}

fn settings() -> Experiment {
    let epochs = format!("pretrain.epochs={EPOCHS}");
    tiny::experiment(&[&epochs, "pretrain.checkpoint_every=1", "pretrain.monitor_every=1"])
}

#[test]
fn a_pool_that_waits_is_trained_on_as_one_that_was_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let runs = [Decoding::AtOnce, Decoding::AtFirstUse].map(|decoding| {
        let out = folder.path().join(format!("{decoding:?}"));
        let mut watching = Watching::default();
        let data = open(folder.path(), decoding);
        let Outcome::Finished(summary) = pretrain(&settings(), &data, &out, &mut watching) else {
            panic!("unfinished")
        };
        assert_eq!(summary.data.unlabeled[0].decoding, decoding);
        assert!(watching.warnings.is_empty() && !out.join("not-used.jsonl").exists(), "{:?}", watching.warnings);
        (std::fs::read(out.join(LAST)).unwrap(), summary.data.fingerprint, summary.data.findings)
    });
    assert!(runs[0].0 == runs[1].0, "the weights differ");
    assert_eq!((&runs[0].1, &runs[0].2), (&runs[1].1, &runs[1].2));
}

#[test]
fn what_is_not_used_is_told_once_and_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let at = |name: &str| folder.path().join("pool").join(name);
    for name in ["07.png", "40.png"] {
        let bytes = std::fs::read(at(name)).unwrap();
        std::fs::write(at(name), &bytes[..bytes.len() - 100]).unwrap();
    }
    let test = folder.path().join("data/test/3");
    let first = std::fs::read_dir(&test).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(first, at("21.png")).unwrap();

    let run = |name: &str, stops: &[usize]| {
        let out = folder.path().join(name);
        let mut warnings = Vec::new();
        for stop_after in stops.iter().map(|&steps| Some(steps)).chain([None]) {
            // Every sitting opens the data anew.
            let data = open(folder.path(), Decoding::AtFirstUse);
            let mut watching = Watching { stop_after, ..Watching::default() };
            let outcome = pretrain(&settings(), &data, &out, &mut watching);
            assert_eq!(matches!(outcome, Outcome::Finished(_)), stop_after.is_none(), "{stop_after:?}");
            warnings.append(&mut watching.warnings);
        }
        warnings.sort();
        let summary = byol::run::RunDirectory::existing(&out).unwrap().summary().unwrap().unwrap();
        let read = |name: &str| std::fs::read(out.join(name)).unwrap();
        (read(LAST), read("not-used.jsonl"), summary.data, warnings)
    };
    let whole = run("whole", &[]);
    let (_, not_used, data, warnings) = &whole;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("07.png")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("copies of test images")), "{warnings:?}");
    assert_eq!((data.skipped, data.findings.unreadable.len(), data.findings.left_out[0].total()), (2, 2, 1));
    assert_eq!(String::from_utf8_lossy(not_used).lines().count(), 3);
    for stops in [&[1][..], &[4, 9]] {
        let parted = run(&format!("parted {stops:?}"), stops);
        assert!(parted.0 == whole.0, "the weights differ: {stops:?}");
        assert_eq!((&parted.1, &parted.2.findings, parted.2.skipped), (&whole.1, &whole.2.findings, 2), "{stops:?}");
        assert_eq!(parted.3.len(), 3, "told once: {:?}", parted.3);
    }
}
