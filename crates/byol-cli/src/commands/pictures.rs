//! What `byol predict`, `embed` and `neighbors` share: which network, which pictures, going through them, and the sentences
//! about it.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use byol::device::Hardware;
use byol::inference::InferenceError;
use byol::inference::files::{self, Separator};
use byol::inference::network::Network;
use byol::inference::pipeline::{self, Division, Outcome, Timing};
use byol::run::event::{Event, Reporter};
use byol::run::model::Choice;
use byol::run::record::LabelBudget;
use clap::Args;

use super::export::StageName;
use crate::exit::Usage;
use crate::wording;

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// Plain lines of progress are this far apart.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct Trained {
    /// Run directory, or one of its checkpoints
    #[arg(long, value_name = "RUN")]
    pub from: PathBuf,
    /// The stage that trained the network [default: the last there is]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<StageName>,
    /// The label budget that it was trained with [default: the largest there is]
    #[arg(long, value_name = "N")]
    pub labels_per_class: Option<LabelBudget>,
}

impl Trained {
    pub fn choice(&self) -> Choice {
        Choice { stage: self.stage.map(StageName::stage), labels_per_class: self.labels_per_class }
    }
}

#[derive(Args)]
pub struct Pictures {
    /// Picture files, and folders, which are searched with all that is in them; `-` reads a list of paths from standard
    /// input, one a line
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Paths on standard input end with a NUL byte, as `find -print0` writes them
    #[arg(long, short = '0')]
    pub null: bool,
    /// An unreadable picture ends the work instead of being left out
    #[arg(long)]
    pub strict: bool,
}

impl Pictures {
    /// The files that are meant.
    pub fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let from_input = |path: &&PathBuf| path.as_os_str() == STANDARD_INPUT;
        match self.paths.iter().filter(from_input).count() {
            0 if self.null => return Err(Usage("--null is for paths on standard input, which `-` reads".into()).into()),
            0 | 1 => {}
            _ => return Err(Usage("standard input (`-`) can be read once only".into()).into()),
        }
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
        Ok(files::find(&given)?)
    }
}

/// Puts `files` through `network` and hands the rows to `take` in their order. Names and counts what cannot be read.
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
    let left_out = |path: &Path, problem: &str| {
        let text = format!("left out {}: {problem}", path.display());
        Event::Warning { text }
    };
    let division = Division::fitting(network, hardware.threads);
    let timing = pipeline::run::<anyhow::Error>(network, files, division, |path, outcome| {
        done += 1;
        match outcome {
            Outcome::Row(row) => take(path, row)?,
            Outcome::Unreadable(problem) if strict => bail!("{}: {problem}", path.display()),
            Outcome::Unreadable(problem) => {
                let problem = problem.to_string();
                // Of a single file, the error below says it.
                if files.len() > 1 {
                    reporter.event(&left_out(path, &problem));
                }
                first_problem.get_or_insert((path.to_owned(), problem));
            }
        }
        if told.elapsed() >= BETWEEN_LINES {
            told = Instant::now();
            let rate = f64::from(done) / begun.elapsed().as_secs_f64();
            let left = wording::duration((files.len() as f64 - f64::from(done)) / rate);
            let text = format!("{done} of {} pictures, {rate:.0} images/s, {left} left", files.len());
            reporter.event(&Event::Note { text });
        }
        Ok(())
    })?;
    if let (0, Some((path, problem))) = (timing.pictures, first_problem) {
        return Err(InferenceError::NoneReadable { files: files.len(), path, problem }.into());
    }
    if timing.unreadable > 0 {
        let were = if timing.unreadable == 1 { "was" } else { "were" };
        let text = format!("{} of {} pictures could not be read and {were} left out", timing.unreadable, files.len());
        reporter.event(&Event::Warning { text });
    }
    Ok(timing)
}

/// Throughput. Where the time went is for programs, and for `byol bench`.
pub fn sentence(timing: &Timing, network: &Network) -> String {
    let on = match network.device().is_cuda() {
        true => "the GPU".to_owned(),
        false => wording::counted(timing.threads, "thread"),
    };
    format!(
        "{} in {:.1} s: {:.1} images/s on {on}",
        wording::counted(timing.pictures, "picture"),
        timing.elapsed.as_secs_f64(),
        timing.images_per_second(),
    )
}

/// How the work went, for programs.
pub fn ended(timing: &Timing) -> serde_json::Value {
    let breakdown: serde_json::Map<String, serde_json::Value> =
        parts(timing).into_iter().map(|(name, time)| (format!("{}_ms", name.replace(' ', "_")), time.into())).collect();
    serde_json::json!({
        "event": "ended",
        "pictures": timing.pictures,
        "unreadable": timing.unreadable,
        "threads": timing.threads,
        "seconds": timing.elapsed.as_secs_f64(),
        "images_per_second": timing.images_per_second(),
        "breakdown": breakdown,
    })
}

/// Milliseconds of a thread for each picture.
fn parts(timing: &Timing) -> [(&'static str, f64); 5] {
    let pictures = (timing.pictures + timing.unreadable).max(1) as f64;
    [
        ("read", timing.read),
        ("decode", timing.decode),
        ("resize", timing.resize),
        ("forward", timing.forward),
        ("waiting", timing.waiting),
    ]
    .map(|(name, time)| (name, 1000.0 * time.as_secs_f64() / pictures))
}
