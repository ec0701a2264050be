//! `byol export`.

use std::path::PathBuf;

use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::export::{self, ExportedNetwork, Format, GraphInput, Overwrite};
use byol::inference::calibration::{self, Calibration};
use byol::report::language::program::program_note;
use byol::run::event::{Event, Reporter};
use byol::run::record::{LabelBudget, Stage};
use byol::trained::model::{Choice, TrainedEncoder};
use clap::{Args, ValueEnum};

use super::images::{self, Which};
use crate::args::Output;
use crate::exit::{Ending, Usage};
use crate::output;
use crate::place::{self, Force};

#[derive(Args)]
pub struct Export {
    /// Run directory, or one of its checkpoints
    #[arg(long, value_name = "RUN")]
    pub from: PathBuf,
    /// What to write [default: what the extension of --out names]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatName>,
    /// The file; a model card goes beside it, and for safetensors the Python lines that load it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Leave the classifier's last layer out: images to representations
    #[arg(long)]
    pub encoder_only: bool,
    #[command(flatten)]
    pub which: Which,
    /// The label budget of the classifier, where a run has several [default: the largest]
    #[arg(long, value_name = "N")]
    pub labels_per_class: Option<LabelBudget>,
    /// What an ONNX graph takes
    #[arg(long, value_name = "INPUT", default_value = "pictures")]
    pub input: InputName,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FormatName {
    /// A state dict for PyTorch and torchvision
    Safetensors,
    /// A graph for ONNX Runtime and others
    Onnx,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum StageName {
    Pretrain,
    Supervised,
    Finetune,
    Selftrain,
}

impl StageName {
    pub fn stage(self) -> Stage {
        match self {
            StageName::Pretrain => Stage::Pretrain,
            StageName::Supervised => Stage::Supervised,
            StageName::Finetune => Stage::Finetune,
            StageName::Selftrain => Stage::Selftrain,
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum InputName {
    // The name of the graph's input, which programs that run earlier exports pass.
    #[value(name = "pictures")]
    /// uint8 images of any size: cropping, resizing and normalising are in the graph
    Images,
    /// float32, resized and normalised already
    Normalized,
}

pub fn export(options: &Export, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    // Whether it may be replaced, the library asks of all its files.
    Force { force: true }.file(&options.out)?;
    let format = match options.format {
        Some(FormatName::Safetensors) => Format::Safetensors,
        Some(FormatName::Onnx) => Format::Onnx,
        None => Format::of_extension(&options.out).ok_or_else(|| {
            let formats = Format::ALL.map(Format::name);
            place::unknown_extension(&options.out, &formats, &format!(", or add --format {}", formats.join(" or ")))
        })?,
    };
    if options.input == InputName::Normalized && format != Format::Onnx {
        return Err(Usage("--input is for --format onnx: the others take normalised images alone".to_owned()).into());
    }
    // Weights are only moved here.
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, None)?;
    let mut about = None;
    let network = match options.encoder_only {
        true if options.which.classifier.is_some() => {
            let text = "--classifier is for classifiers; which encoder is meant, --stage says".to_owned();
            return Err(Usage(text).into());
        }
        true => {
            let stage = options.which.stage.map(StageName::stage);
            let choice = Choice { stage, labels_per_class: options.labels_per_class };
            ExportedNetwork::Encoder(TrainedEncoder::open(&options.from, choice, hardware.device)?)
        }
        false => {
            let chosen = options.which.open(&options.from, options.labels_per_class, &hardware)?;
            about = Some((program_note(&images::about(&chosen)), images::about_json(&chosen)?));
            if let Some(note) = images::no_better_than_guessing(&chosen) {
                reporter.event(&Event::Warning(note.into()));
            }
            ExportedNetwork::from(chosen.classifier)
        }
    };
    let run = calibration::run_of(&options.from);
    let calibration = match network {
        ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_) => calibration::of(&run, network.origin())?,
        ExportedNetwork::Encoder(_) => Calibration::Unknown,
    };
    let files = export::export(&export::Export {
        network: &network,
        format,
        out: &options.out,
        input: match options.input {
            InputName::Images => GraphInput::Images,
            InputName::Normalized => GraphInput::Normalized,
        },
        calibration: &calibration,
        overwrite: if options.force { Overwrite::Replace } else { Overwrite::Refuse },
    })?;
    if output.json {
        let mut ended = serde_json::json!({ "event": "ended", "files": files });
        if let Some((_, about)) = about {
            ended["classifier"] = about;
        }
        output::json(&ended);
    } else {
        if let (Some((text, _)), false) = (about, output.quiet) {
            output::line(&text);
        }
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        output::text(&files.join("\n"));
    }
    Ok(Ending::Done)
}
