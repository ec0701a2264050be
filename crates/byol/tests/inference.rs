//! A trained classifier on files: its answers are those of the run's own evaluation, in the order of the files, whatever is
//! unreadable between them.

use std::path::{Path, PathBuf};

use byol::augment::FixedViews;
use byol::config::resolve::{Request, resolve};
use byol::data::patterns::{PatternOptions, dataset_with};
use byol::data::{Dataset, Image, ImageSource};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::eval::temperature::{Labelled, Temperature};
use byol::experiment::{self, Context};
use byol::inference::InferenceError;
use byol::inference::network::Network;
use byol::inference::pipeline::{self, Division, Outcome};
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::train::answering::Answering;
use byol::trained::model::{Choice, TrainedClassifier, TrainedEncoder};
use tch::{Device, Tensor};

/// Trains a tiny classifier on synthetic images.
fn train(out: &Path, data: &Dataset, hardware: &Hardware) {
    let set = ["image_size=24", "width=0.0625", "draws=1", "supervised.epochs=2", "supervised.minimum_steps=30"];
    let set: Vec<String> = set.iter().map(|&pair| pair.to_owned()).collect();
    let experiment = resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap();
    experiment::supervised(&mut Context {
        experiment: &experiment,
        data,
        hardware,
        out,
        mode: OpenMode::Fresh,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    })
    .unwrap();
}

/// Writes images as PNG files, which keep every level, with files that are no images between them.
fn write(source: &dyn ImageSource, folder: &Path) -> Vec<PathBuf> {
    let mut image = Image::default();
    let mut files = Vec::new();
    for index in 0..source.len() {
        source.read(index, &mut image).unwrap();
        let (width, area) = (image.width, image.width * image.height);
        let image = image::RgbImage::from_fn(width as u32, image.height as u32, |x, y| {
            let at = y as usize * width + x as usize;
            image::Rgb([image.pixels[at], image.pixels[area + at], image.pixels[2 * area + at]])
        });
        let path = folder.join(format!("{index:03}.png"));
        image.save(&path).unwrap();
        files.push(path);
        if index % 5 == 2 {
            let path = folder.join(format!("{index:03}-broken.png"));
            std::fs::write(&path, "no image").unwrap();
            files.push(path);
        }
    }
    files
}

/// Rows of the readable files, and the names of the others.
fn go(network: &Network, files: &[PathBuf], division: Division) -> (Vec<f32>, Vec<String>) {
    let (mut rows, mut unreadable, mut order) = (Vec::new(), Vec::new(), Vec::new());
    let timing = pipeline::run::<InferenceError>(network, files, division, |path, outcome| {
        order.push(path.to_owned());
        match outcome {
            Outcome::Row(row) => rows.extend_from_slice(row),
            Outcome::Unreadable(_) => unreadable.push(path.file_name().unwrap().to_string_lossy().into_owned()),
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(order, files);
    assert_eq!((timing.images, timing.unreadable), (files.len() - unreadable.len(), unreadable.len()));
    let parts = timing.read + timing.decode + timing.resize + timing.forward + timing.waiting;
    assert!(parts <= timing.elapsed * timing.threads as u32 && !timing.forward.is_zero());
    (rows, unreadable)
}

#[test]
fn answers_are_those_of_the_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
    let data = dataset_with(PatternOptions { side: 40, train_per_class: 8, test_per_class: 3, unlabeled: 0 });
    let run = folder.path().join("run");
    train(&run, &data, &hardware);
    let test = data.test.as_ref().unwrap();
    let files = write(test.images.as_ref(), folder.path());

    let trained = TrainedClassifier::open(&run, Choice::default(), Device::Cpu).unwrap();
    let network = Network::classifier(&trained, &hardware).unwrap();
    let all: Vec<usize> = (0..test.labels.len()).collect();
    let TrainedClassifier { experiment, classifier, weights, .. } = &trained;
    let logits = Answering { experiment, hardware: &hardware, classifier, weights }.logits(test, &all).unwrap();
    let recorded = RunDirectory::existing(&run).unwrap().predictions().unwrap().remove(0).predicted;
    for (batch_size, threads) in [(4, 3), (1, 1), (64, 2)] {
        let (rows, unreadable) = go(&network, &files, Division { batch_size, threads });
        let rows = Tensor::from_slice(&rows).view(logits.size().as_slice());
        let error = (&rows - &logits).abs().max().double_value(&[]);
        assert!(error < 1e-4, "batches of {batch_size}: {error}");
        let answers: Vec<i64> = rows.argmax(1, false).try_into().unwrap();
        assert_eq!(answers, recorded.iter().map(|&class| i64::from(class)).collect::<Vec<_>>());
        assert_eq!(unreadable.first().map(String::as_str), Some("002-broken.png"));
    }

    // A representation is what the last linear layer makes logits of.
    let encoder = TrainedEncoder::open(&run, Choice::default(), Device::Cpu).unwrap();
    let network = Network::encoder(&encoder, &hardware).unwrap();
    let (rows, _) = go(&network, &files, Division { batch_size: 7, threads: 2 });
    let rows = Tensor::from_slice(&rows).view([-1, network.columns() as i64]);
    let named = trained.weights.named();
    let error = (rows.linear(&named["fc.weight"], Some(&named["fc.bias"])) - &logits).abs().max();
    assert!(error.double_value(&[]) < 1e-4, "{error:?}");
}

/// Ten crops that are cut by hand, and given as files of their own, are answered as the ten views of the whole file.
#[test]
fn views_of_a_file_are_answered_as_files_that_were_cut_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
    let data = dataset_with(PatternOptions { side: 40, train_per_class: 2, test_per_class: 1, unlabeled: 0 });
    let run = folder.path().join("run");
    train(&run, &data, &hardware);
    let trained = TrainedClassifier::open(&run, Choice::default(), Device::Cpu).unwrap();
    let network = || Network::classifier(&trained, &hardware).unwrap();
    let files = write(data.test.as_ref().unwrap().images.as_ref(), folder.path());
    let mut cut = Vec::new();
    for (number, path) in files.iter().enumerate() {
        let Ok(image) = image::open(path) else { continue };
        let image = image.to_rgb8();
        // Seven eighths of 40 pixels.
        for (place, (left, top)) in [(0, 0), (5, 0), (0, 5), (5, 5), (2, 2)].into_iter().enumerate() {
            let crop = image::imageops::crop_imm(&image, left, top, 35, 35).to_image();
            for (flip, view) in [crop.clone(), image::imageops::flip_horizontal(&crop)].into_iter().enumerate() {
                let path = folder.path().join(format!("{number:03}-{flip}-{place}.png"));
                view.save(&path).unwrap();
                cut.push(path);
            }
        }
    }
    cut.sort();
    let (expected, _) = go(&network(), &cut, Division { batch_size: 16, threads: 2 });
    let ten = network().seeing(FixedViews::TenCrop);
    assert_eq!(Division::fitting(&ten, 2).batch_size, 1, "ten views of one file are a batch");
    for batch_size in [1, 3] {
        let (rows, unreadable) = go(&ten, &files, Division { batch_size, threads: 2 });
        assert_eq!((rows.len(), unreadable.len()), (expected.len(), 2));
        let error = (Tensor::from_slice(&rows) - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
        assert!(error < 1e-4, "batches of {batch_size}: {error}");
    }
    let columns = ten.columns();
    let (plain, _) = go(&network(), &files, Division { batch_size: 4, threads: 2 });
    let (two, _) = go(&network().seeing(FixedViews::Mirrored), &files, Division { batch_size: 4, threads: 2 });
    for (two, plain) in two.chunks_exact(2 * columns).zip(plain.chunks_exact(columns)) {
        let error = two.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-4, "the first of two views is the plain one: {error}");
        assert_ne!(two[..columns], two[columns..], "the second is another");
    }
}

#[test]
fn an_error_of_the_taker_ends_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
    let data = dataset_with(PatternOptions { side: 32, train_per_class: 2, test_per_class: 1, unlabeled: 0 });
    let run = folder.path().join("run");
    train(&run, &data, &hardware);
    let encoder = TrainedEncoder::open(&run, Choice::default(), Device::Cpu).unwrap();
    let network = Network::encoder(&encoder, &hardware).unwrap();
    let files = vec![folder.path().join("none.png"); 500];
    let mut taken = 0;
    let result =
        pipeline::run::<InferenceError>(&network, &files, Division { batch_size: 1, threads: 2 }, |path, _| {
            taken += 1;
            match taken {
                3 => Err(InferenceError::FolderAsImage { path: path.to_owned() }),
                _ => Ok(()),
            }
        });
    assert!(matches!(result, Err(InferenceError::FolderAsImage { .. })));
    assert_eq!(taken, 3);
}

/// Against PyTorch's L-BFGS (tests/fixtures/calibration/make_fixtures.py). Its logits are in double precision, these in single.
#[test]
fn temperatures_are_those_of_pytorch() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/calibration/calibration.json")).unwrap();
    let classes = fixture["classes"].as_u64().unwrap() as usize;
    for case in fixture["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let logits: Vec<f32> = case["logits"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let labels: Vec<u16> = case["labels"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u16).collect();
        let data = Labelled { logits: &logits, labels: &labels, classes };
        let temperature = Temperature::fit(data).unwrap();
        let error = temperature.0 / number("temperature") - 1.0;
        assert!(error.abs() < 1e-5, "{temperature:?}: {error}");
        assert!((data.loss(Temperature::default()) - number("loss_before")).abs() < 1e-5);
        assert!((data.loss(temperature) - number("loss_after")).abs() < 1e-6);
    }
}
