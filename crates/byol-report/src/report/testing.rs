//! A made-up run for the report's tests: four classes, 200 test images, label budgets of 10 per class (three draws) and
//! all (one draw).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::load::RunData;
use crate::data::{Decoding, Findings};
use crate::plan::{Kind, Plan, Rates, Step, Task};
use crate::run::record::{
    DataRecord, EmbeddingMap, Ended, EpochRecord, Gallery, LabelBudget, Neighbor, NeighborExample, Plane, PoolRecord,
    PredictionRecord, PretrainRecord, ResultName, ResultRecord, Stage, Summary, Suspect, Suspects, TestImages,
    Thumbnails, ViewExample,
};

pub(crate) const CLASSES: u16 = 4;
pub(crate) const TEST_IMAGES: usize = 200;
const CONFIG: &str = "\
preset = \"made-up\"
seed = 7
image_size = 32
encoder = \"resnet10\"

[pretrain]
epochs = 20
batch_size = 128

[supervised]
epochs = 60
learning_rate = 0.001
augmentation = \"color\"

[finetune]
epochs = 60
learning_rate = 0.001
augmentation = \"color\"
";

/// A plan of these steps, each with whether it has ended.
pub(crate) fn plan(steps: &[(Kind, bool)]) -> Plan {
    let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
    let step = |&(kind, ended)| Step { task: Task::only(kind), images: 0, planned_seconds: 1.0, seconds: 0.0, ended };
    Plan { hours: None, chosen: Vec::new(), rates, steps: steps.iter().map(step).collect(), others: None }
}

/// What is written into the run directory.
pub(crate) struct Run {
    pub config: String,
    pub metrics: Vec<EpochRecord>,
    pub predictions: Vec<PredictionRecord>,
    pub summary: Option<Summary>,
    pub gallery: Gallery,
    pub test_images: TestImages,
}

impl Run {
    /// Fine-tuned BYOL leads by 20 points with 10 labels per class and by 10 with all; the controls lie far behind.
    pub fn ahead() -> Run {
        Run::with_accuracies(&[
            (ResultName::SUPERVISED, 0.40, 0.60),
            (ResultName::PRETRAINED_FINETUNED, 0.60, 0.70),
            (ResultName::PRETRAINED_LINEAR, 0.55, 0.65),
            (ResultName::PRETRAINED_KNN, 0.52, 0.62),
            (ResultName::RANDOM_LINEAR, 0.35, 0.45),
            (ResultName::RANDOM_KNN, 0.33, 0.40),
        ])
    }

    /// A run that began with given weights, on which BYOL gained 5 points with 10 labels per class and lost 2 with all.
    pub fn of_given_weights() -> Run {
        let mut run = Run::with_accuracies(&[
            (ResultName::GIVEN_FINETUNED, 0.55, 0.72),
            (ResultName::PRETRAINED_FINETUNED, 0.60, 0.70),
            (ResultName::PRETRAINED_LINEAR, 0.55, 0.65),
            (ResultName::PRETRAINED_KNN, 0.42, 0.52),
            (ResultName::GIVEN_LINEAR, 0.50, 0.60),
            (ResultName::GIVEN_KNN, 0.48, 0.58),
        ]);
        run.config = format!("initial_weights = \"sha256:0a\"\n{CONFIG}");
        run
    }

    /// Accuracies with 10 labels per class (its draws 1 point apart) and with all labels.
    pub fn with_accuracies(accuracies: &[(ResultName, f64, f64)]) -> Run {
        let labels: Vec<u16> = (0..TEST_IMAGES).map(|image| image as u16 % CLASSES).collect();
        let mut predictions = Vec::new();
        for (place, &(name, few, all)) in accuracies.iter().enumerate() {
            for draw in 0..3 {
                let accuracy = few + 0.01 * (draw as f64 - 1.0);
                let budget = LabelBudget::PerClass(10);
                predictions.push(prediction(name, budget, draw, &predict(&labels, accuracy, place), &labels));
            }
            predictions.push(prediction(name, LabelBudget::All, 0, &predict(&labels, all, place), &labels));
        }
        let mut run = Run {
            config: CONFIG.to_owned(),
            metrics: metrics(),
            predictions,
            summary: Some(summary(labels)),
            gallery: gallery(),
            test_images: test_images(),
        };
        run.summarise();
        run
    }

    /// Removes a classifier altogether.
    pub fn drop_arm(&mut self, name: ResultName) {
        self.predictions.retain(|record| record.name != name);
        self.summarise();
    }

    pub fn set_labels(&mut self, labels: Vec<u16>) {
        if let Some(summary) = &mut self.summary {
            summary.data.test_labels = labels;
        }
    }

    fn summarise(&mut self) {
        let data = self.data();
        let mut results = Vec::new();
        for budget in [LabelBudget::PerClass(10), LabelBudget::All] {
            for name in ResultName::ALL {
                let found = data.predictions_of(name, budget);
                if !found.is_empty() {
                    let test_accuracy = data.accuracy(name, budget).expect("there are predictions");
                    results.push(ResultRecord { name, init: name.init, labels_per_class: budget, test_accuracy });
                }
            }
        }
        if let Some(summary) = &mut self.summary {
            summary.results = results;
        }
    }

    /// The run as if it had been read, without the images.
    pub fn data(&self) -> RunData {
        RunData {
            name: "made-up".to_owned(),
            config: self.config.parse().ok(),
            metrics: self.metrics.clone(),
            predictions: self.predictions.clone(),
            summary: self.summary.clone(),
            gallery: Gallery::default(),
            test_images: Some(self.test_images.clone()),
            ..RunData::default()
        }
    }

    /// Writes the run directory `made-up` into `folder`.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let run = folder.join("made-up");
        std::fs::create_dir_all(run.join("gallery")).expect("a writable scratch folder");
        let write = |name: &str, bytes: &[u8]| std::fs::write(run.join(name), bytes).expect("a writable folder");
        write("config.toml", self.config.as_bytes());
        write("metrics.jsonl", lines(&self.metrics).as_bytes());
        write("predictions.jsonl", lines(&self.predictions).as_bytes());
        if let Some(summary) = &self.summary {
            write("summary.json", &serde_json::to_vec(summary).expect("a plain record"));
        }
        write("test-images.json", &serde_json::to_vec(&self.test_images).expect("a plain record"));
        write("gallery/gallery.json", &serde_json::to_vec(&self.gallery).expect("a plain record"));
        for (place, name) in ["a", "t0", "t1", "p0", "q", "n0", "n1"].iter().enumerate() {
            let shade = 30 * place as u8;
            let image = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([shade, 8 * x as u8, 8 * y as u8]));
            image.save(run.join(format!("gallery/{name}.png"))).expect("a writable folder");
        }
        let sheet =
            image::RgbImage::from_fn(320, 320, |x, y| image::Rgb([(x / 16 * 12) as u8, (y / 16 * 12) as u8, 90]));
        sheet.save(run.join("gallery/thumbnails-0.jpg")).expect("a writable folder");
        write("gallery/thumbnails.json", &serde_json::to_vec(&thumbnails()).expect("a plain record"));
        write("gallery/map.json", &serde_json::to_vec(&map()).expect("a plain record"));
        run
    }
}

fn lines<T: serde::Serialize>(records: &[T]) -> String {
    records.iter().map(|record| serde_json::to_string(record).expect("a plain record") + "\n").collect()
}

/// The first `accuracy` of the images (in an order that `seed` turns) are right, the others one class too high.
fn predict(labels: &[u16], accuracy: f64, seed: usize) -> Vec<u16> {
    let right = (accuracy * labels.len() as f64).round() as usize;
    let turned = |image: usize| (image * 37 + seed * 11) % labels.len();
    let one = |(image, &label): (usize, &u16)| {
        if turned(image) < right { label } else { (label + 1) % CLASSES }
    };
    labels.iter().enumerate().map(one).collect()
}

fn prediction(
    name: ResultName,
    budget: LabelBudget,
    draw: usize,
    predicted: &[u16],
    labels: &[u16],
) -> PredictionRecord {
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
    PredictionRecord {
        top5_accuracy: None,
        calibration_error: None,
        temperature: None,
        name,
        labels_per_class: budget,
        draw,
        labels_used: if budget == LabelBudget::All { 2000 } else { 40 },
        test_accuracy: right as f64 / labels.len() as f64,
        predicted: predicted.to_vec(),
        // Surer, the later the image.
        probabilities: (0..predicted.len()).map(|image| short(0.3 + 0.003 * image as f64)).collect(),
        seconds: 12.0,
        chosen: None,
        self_training: None,
    }
}

fn metrics() -> Vec<EpochRecord> {
    let mut records: Vec<EpochRecord> = (1..=20).map(pretrain_epoch).collect();
    for stage in [Stage::Supervised, Stage::Finetune] {
        for (budget, draws) in [(LabelBudget::PerClass(10), 3), (LabelBudget::All, 1)] {
            for draw in 0..draws {
                records.extend((1..=60).map(|epoch| supervised_epoch(stage, budget, draw, epoch)));
            }
        }
    }
    records
}

/// Few decimals, so that writing and reading as JSON gives the same number.
fn short(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn pretrain_epoch(epoch: usize) -> EpochRecord {
    let images = 4000 * epoch as u64;
    EpochRecord {
        stage: Stage::Pretrain,
        labels_per_class: None,
        draw: 0,
        epoch,
        epochs: 20,
        step: 32 * epoch,
        images,
        loss: short(0.42 + 0.036 * (20 - epoch) as f64),
        train_accuracy: None,
        validation_loss: None,
        validation_accuracy: None,
        knn_accuracy: Some(short(0.52 - 0.2 / epoch as f64)),
        projection_deviation: Some(0.8),
        linear_accuracy: None,
        health: None,
        learning_rate: short(0.001 * (1.0 - epoch as f64 / 20.0)),
        tau: Some(short(0.99 + 0.0005 * epoch as f64)),
        images_per_second: 145.3,
        seconds: short(images as f64 / 145.3),
        processes: None,
    }
}

fn supervised_epoch(stage: Stage, budget: LabelBudget, draw: usize, epoch: usize) -> EpochRecord {
    let fine_tuned = if stage == Stage::Finetune { 0.2 } else { 0.0 };
    let done = epoch as f64 / 60.0;
    let labels = if budget == LabelBudget::All { 2000 } else { 40 };
    EpochRecord {
        stage,
        labels_per_class: Some(budget),
        draw,
        epoch,
        epochs: 60,
        step: epoch,
        images: labels * epoch as u64,
        loss: short(1.4 * (1.0 - 0.8 * done) - fine_tuned),
        train_accuracy: Some(short(0.25 + 0.5 * done + fine_tuned)),
        validation_loss: Some(short(1.4 * (1.0 - 0.4 * done) - fine_tuned)),
        validation_accuracy: Some(short(0.25 + 0.25 * done + fine_tuned)),
        knn_accuracy: None,
        projection_deviation: None,
        linear_accuracy: None,
        health: None,
        learning_rate: short(0.001 * (1.0 - done)),
        tau: None,
        images_per_second: 400.0,
        seconds: short((labels * epoch as u64) as f64 / 400.0),
        processes: None,
    }
}

fn summary(test_labels: Vec<u16>) -> Summary {
    Summary {
        data: DataRecord {
            name: "patterns".to_owned(),
            fingerprint: "0123456789abcdef".to_owned(),
            fingerprints: None,
            class_names: ["airplane", "bird <small>", "car", "deer"].map(str::to_owned).to_vec(),
            train_images: 2000,
            test_images: TEST_IMAGES,
            unlabeled: vec![PoolRecord { name: "unlabeled".to_owned(), images: 4000, decoding: Decoding::AtOnce }],
            skipped: 2,
            test_labels,
            findings: Findings::default(),
            split: None,
        },
        seed: 7,
        results: Vec::new(),
        pretrain: Some(PretrainRecord {
            epochs: 20,
            images: 80_000,
            images_per_second: 145.3,
            final_loss: 0.42,
            ended_by: Ended::Epochs,
        }),
        version: "byol 0.1.0 (0123abc)".to_owned(),
        processes: None,
        hardware: "CPU, 2 threads, fp32".to_owned(),
        seconds: 1234.0,
        finished: true,
        interrupted: false,
    }
}

fn test_images() -> TestImages {
    let name = |image: usize| format!("test/{}/{image:03}.jpg", image as u16 % CLASSES);
    let names = (0..TEST_IMAGES).map(name).collect();
    TestImages { root: Some("/home/me/my photos".to_owned()), files: true, names }
}

fn thumbnails() -> Thumbnails {
    Thumbnails {
        side: 16,
        columns: 20,
        per_sheet: 400,
        sheets: vec!["thumbnails-0.jpg".to_owned()],
        images: (0..TEST_IMAGES).collect(),
    }
}

/// A spiral of each class.
fn map() -> EmbeddingMap {
    let place = |image: usize| {
        let turn = image as f64 / 20.0 + f64::from(image as u16 % CLASSES);
        [short(turn.cos() * image as f64), short(turn.sin() * image as f64)]
    };
    EmbeddingMap {
        method: Plane::PrincipalAxes,
        variance: [0.31, 0.2],
        images: (0..TEST_IMAGES).collect(),
        places: (0..TEST_IMAGES).map(place).collect(),
        neighbors: (0..TEST_IMAGES)
            .map(|image| vec![((image + 4) % TEST_IMAGES, 0.9), ((image + 1) % TEST_IMAGES, 0.7)])
            .collect(),
    }
}

fn gallery() -> Gallery {
    Gallery {
        views: vec![ViewExample {
            name: "train 17".to_owned(),
            original: "a.png".to_owned(),
            views: [("t", vec!["t0.png", "t1.png"]), ("t_prime", vec!["p0.png"])]
                .map(|(name, files)| (name.to_owned(), files.into_iter().map(str::to_owned).collect()))
                .into(),
        }],
        neighbors: vec![NeighborExample {
            query: "q.png".to_owned(),
            name: "test/bird/q.jpg".to_owned(),
            label: 1,
            neighbors: vec![
                Neighbor {
                    image: "n0.png".to_owned(),
                    name: "train/bird/n0.jpg".to_owned(),
                    label: 1,
                    similarity: 0.91,
                },
                Neighbor { image: "n1.png".to_owned(), name: String::new(), label: 2, similarity: 0.84 },
            ],
        }],
        suspects: Some(Suspects {
            looked_at: 400,
            suspicious: 3,
            shown: vec![Suspect {
                file: "n1.png".to_owned(),
                name: "train/bird/n1.jpg".to_owned(),
                label: 1,
                likely: 2,
                own_probability: 0.04,
                likely_probability: 0.81,
            }],
        }),
    }
}

/// A folder that is removed when it goes out of scope.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("byol-report-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a writable temporary folder");
        Scratch(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
