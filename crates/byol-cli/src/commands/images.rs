//! What `byol predict`, `embed` and `neighbors` share: which network, which images, going through them, and the notes on it.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use byol::device::Hardware;
use byol::inference::InferenceError;
use byol::inference::divided;
use byol::inference::files::{self, Separator};
use byol::inference::network::Network;
use byol::inference::pipeline::{Division, Outcome, Timing};
use byol::run::event::{Event, Reporter};
use byol::run::notice::{ProgramNote, Tested};
use byol::run::record::HeadKind;
use byol::run::record::{LabelBudget, Stage};
use byol::statistics::wilson;
use byol::trained::classifiers::{self, Chosen, ClassifierKind};
use byol::trained::model::{Choice, Origin, TestResult};
use clap::{Args, ValueEnum};

use super::export::StageName;
use crate::exit::Usage;

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// Plain lines of progress are this far apart.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct TrainedEncoder {
    /// Run directory, or one of its checkpoints
    #[arg(long, value_name = "RUN")]
    pub from: PathBuf,
    /// Whose encoder: the pre-trained one finds what looks alike, the one that was fine-tuned what is of one class [default:
    /// pretrain, else selftrain, else finetune, else supervised]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<StageName>,
    /// The label budget that it was trained with, where it was trained with labels [default: the largest there is]
    #[arg(long, value_name = "N")]
    pub labels_per_class: Option<LabelBudget>,
}

impl TrainedEncoder {
    pub fn choice(&self) -> Choice {
        Choice { stage: self.stage.map(StageName::stage), labels_per_class: self.labels_per_class }
    }

    /// Says which encoder is taken, and what it is worth for searching as far as that is known.
    pub fn tell(&self, origin: &Origin, reporter: &mut dyn Reporter) -> anyhow::Result<()> {
        let knn = match origin.stage {
            Stage::Pretrain if self.from.is_dir() => classifiers::knn_of_encoder(&self.from)?,
            Stage::Pretrain | Stage::Supervised | Stage::Finetune | Stage::Selftrain => None,
        };
        let note = ProgramNote::Encoder {
            stage: origin.stage,
            labels_per_class: origin.labels_per_class,
            knn: knn.map(|(budget, test)| (budget, tested(test))),
        };
        reporter.event(&Event::Note(note.into()));
        Ok(())
    }
}

#[derive(Args)]
pub struct Trained {
    /// Run directory, or one of its checkpoints
    #[arg(long, value_name = "RUN")]
    pub from: PathBuf,
    #[command(flatten)]
    pub which: Which,
    /// The label budget that it was trained with [default: the largest there is]
    #[arg(long, value_name = "N")]
    pub labels_per_class: Option<LabelBudget>,
}

#[derive(Args)]
pub struct Which {
    /// Which classifier of a run [default: the one that does best on labels held out of training; where none were, the fine-tuned
    /// one with the largest label budget]
    #[arg(long, value_name = "CLASSIFIER", conflicts_with = "stage")]
    pub classifier: Option<ClassifierName>,
    /// The stage that trained the network
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<StageName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClassifierName {
    /// The fine-tuned classifier, self-trained on images without labels
    Selftrained,
    /// The pre-trained encoder, fine-tuned with labels
    Finetuned,
    /// Trained with the labels alone
    Baseline,
    /// A linear layer on the frozen pre-trained encoder
    Linear,
    /// Votes of the nearest labelled images in the pre-trained encoder's representation
    Knn,
}

impl Trained {
    /// The classifier that is meant.
    pub fn open(&self, hardware: &Hardware) -> anyhow::Result<Chosen> {
        self.which.open(&self.from, self.labels_per_class, hardware)
    }
}

impl Which {
    /// The classifier of `from` that is meant.
    pub fn open(
        &self,
        from: &Path,
        labels_per_class: Option<LabelBudget>,
        hardware: &Hardware,
    ) -> anyhow::Result<Chosen> {
        let choice = Choice { stage: self.stage.map(StageName::stage), labels_per_class };
        let kind = self.classifier.map(|name| match name {
            ClassifierName::Selftrained => ClassifierKind::Selftrained,
            ClassifierName::Finetuned => ClassifierKind::Finetuned,
            ClassifierName::Baseline => ClassifierKind::Baseline,
            ClassifierName::Linear => ClassifierKind::Frozen(HeadKind::Linear),
            ClassifierName::Knn => ClassifierKind::Frozen(HeadKind::Knn),
        });
        Ok(Chosen::open(from, choice, kind, hardware.device)?)
    }
}

fn tested(test: TestResult) -> Tested {
    (test.right, test.total)
}

/// Which classifier is taken, how good it is beside the others, and why it was taken.
pub fn about(chosen: &Chosen) -> ProgramNote {
    let origin = chosen.classifier.origin();
    ProgramNote::Taken {
        kind: chosen.kind,
        labels_per_class: origin.labels_per_class,
        test: origin.test.map(tested),
        others: chosen.others.iter().map(|&(kind, test)| (kind, tested(test))).collect(),
        reason: chosen.reason.clone(),
    }
}

/// That the classifier is no better than guessing, where it is not.
pub fn no_better_than_guessing(chosen: &Chosen) -> Option<ProgramNote> {
    let origin = chosen.classifier.origin();
    let (right, images) = tested(origin.test?);
    let guess = origin.guess(chosen.classifier.class_names().len());
    (!guess.is_beaten_by(right, images)?).then_some(ProgramNote::NoBetterThanGuessing { right, images, guess })
}

/// The same for programs.
pub fn about_json(chosen: &Chosen) -> anyhow::Result<serde_json::Value> {
    let origin = chosen.classifier.origin();
    let mut about = serde_json::json!({ "name": chosen.kind.name(), "labels_per_class": origin.labels_per_class });
    if let Some(test) = origin.test {
        let (low, high) = wilson(test.right, test.total)?;
        about["test_accuracy"] = (test.right as f64 / test.total.max(1) as f64).into();
        about["test_accuracy_interval"] = serde_json::json!([low, high]);
        about["test_images"] = test.total.into();
    }
    Ok(about)
}

#[derive(Args)]
pub struct Images {
    /// Image files, and folders, which are searched with all that is in them; `-` reads a list of paths from standard
    /// input, one a line
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Paths on standard input end with a NUL byte, as `find -print0` writes them
    #[arg(long, short = '0')]
    pub null: bool,
    /// An unreadable image ends the work instead of being left out
    #[arg(long)]
    pub strict: bool,
}

impl Images {
    /// The files that are meant; reports what was passed over. It comes before a network is opened: whoever mistyped a path
    /// need not wait for one.
    pub fn files(&self, reporter: &mut dyn Reporter) -> anyhow::Result<Vec<PathBuf>> {
        let from_input = |path: &&PathBuf| path.as_os_str() == STANDARD_INPUT;
        match self.paths.iter().filter(from_input).count() {
            0 if self.null => return Err(Usage("--null is for paths on standard input, which `-` reads".into()).into()),
            0 | 1 => {}
            _ => return Err(Usage("standard input (`-`) can be read once only".into()).into()),
        }
        let typed: Vec<PathBuf> = self.paths.iter().filter(|path| !from_input(path)).cloned().collect();
        files::require(&typed)?;
        let mut given = Vec::new();
        for path in &self.paths {
            if from_input(&path) {
                let separator = if self.null { Separator::Nul } else { Separator::Newline };
                let list = files::read_list(BufReader::new(std::io::stdin()), separator);
                given.extend(list.context("failed to read paths from standard input")?);
            } else {
                given.push(path.clone());
            }
        }
        if given.is_empty() {
            bail!("standard input holds no paths");
        }
        let found = files::find(&given)?;
        for note in files::passed_over(&given).notes() {
            reporter.event(&Event::Warning(note.into()));
        }
        Ok(found)
    }
}

/// Puts `files` through `network`, by all ranks, and hands the rows to `take` in their order. Names and counts what cannot be read.
pub fn go_through(
    network: &Network,
    files: &[PathBuf],
    hardware: &Hardware,
    strict: bool,
    reporter: &mut dyn Reporter,
    mut take: impl FnMut(&Path, &[f32]) -> anyhow::Result<()>,
) -> anyhow::Result<Timing> {
    let (begun, mut told) = (Instant::now(), Instant::now());
    let (mut done, mut first_problem) = (0, None);
    let division = Division::fitting(network, hardware.threads);
    let timing = divided::run::<anyhow::Error>(network, files, division, &hardware.ranks, |path, outcome| {
        done += 1;
        match outcome {
            Outcome::Row(row) => take(path, row)?,
            Outcome::Unreadable(problem) if strict => bail!("{}: {problem}", path.display()),
            Outcome::Unreadable(problem) => {
                let problem = problem.to_string();
                // Of a single file, the error below says it.
                if files.len() > 1 {
                    let note = ProgramNote::LeftOut { path: path.display().to_string(), problem: problem.clone() };
                    reporter.event(&Event::Warning(note.into()));
                }
                first_problem.get_or_insert((path.to_owned(), problem));
            }
        }
        if told.elapsed() >= BETWEEN_LINES {
            told = Instant::now();
            let (of, images_per_second) = (files.len(), f64::from(done) / begun.elapsed().as_secs_f64());
            let seconds_left = (of as f64 - f64::from(done)) / images_per_second;
            let note = ProgramNote::GoingThrough { done, of, images_per_second, seconds_left };
            reporter.event(&Event::Note(note.into()));
        }
        Ok(())
    })?;
    if let (0, Some((path, problem))) = (timing.images, first_problem) {
        return Err(InferenceError::NoneReadable { files: files.len(), path, problem }.into());
    }
    for note in timing.warnings(network) {
        reporter.event(&Event::Warning(note.into()));
    }
    if timing.unreadable > 0 {
        let note = ProgramNote::Unreadable { unreadable: timing.unreadable, of: files.len() };
        reporter.event(&Event::Warning(note.into()));
    }
    Ok(timing)
}

/// Throughput. Where the time went is for programs, and for `byol bench`.
pub fn throughput(timing: &Timing, network: &Network) -> ProgramNote {
    ProgramNote::Throughput {
        images: timing.images,
        seconds: timing.elapsed.as_secs_f64(),
        images_per_second: timing.images_per_second(),
        threads: (!network.device().is_cuda()).then_some(timing.threads),
    }
}

/// How the work went, for programs.
pub fn ended(timing: &Timing) -> serde_json::Value {
    let breakdown: serde_json::Map<String, serde_json::Value> =
        parts(timing).into_iter().map(|(name, time)| (format!("{}_ms", name.replace(' ', "_")), time.into())).collect();
    serde_json::json!({
        "event": "ended",
        "pictures": timing.images,
        "unreadable": timing.unreadable,
        "threads": timing.threads,
        "seconds": timing.elapsed.as_secs_f64(),
        "images_per_second": timing.images_per_second(),
        "breakdown": breakdown,
    })
}

/// Milliseconds of a thread for each image.
fn parts(timing: &Timing) -> [(&'static str, f64); 5] {
    let images = (timing.images + timing.unreadable).max(1) as f64;
    [
        ("read", timing.read),
        ("decode", timing.decode),
        ("resize", timing.resize),
        ("forward", timing.forward),
        ("waiting", timing.waiting),
    ]
    .map(|(name, time)| (name, 1000.0 * time.as_secs_f64() / images))
}
