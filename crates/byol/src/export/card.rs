//! The model card: what a person who finds an exported file must know, in Markdown.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::facts::kind;
use super::onnx::{IMAGES, LOGITS, OPERATOR_SET, PROBABILITIES, RAW_IMAGES, REPRESENTATION};
use super::python::{HEIF, torchvision_call, upright};
use super::{Export, ExportError, ExportedNetwork, Format, GraphInput};
use crate::config::{Augmentation, Experiment};
use crate::model::encoder::plain;
use crate::report::language::english::method::method_with_source;
use crate::report::language::english::names::training;
use crate::report::language::english::numbers as words;
use crate::report::language::english::program::{closed_set, program_note};
use crate::run::record::HeadKind;
use crate::run::record::{LabelBudget, Stage, SupervisedStage};

/// The text of the card.
pub(super) fn write(export: &Export) -> Result<String, ExportError> {
    let network = export.network;
    let mut card = Card::default();
    let file = export.out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    card.line(&format!("# {file}"));
    card.line(&about(network));
    network_section(&mut card, network);
    data_section(&mut card, network);
    training_section(&mut card, network);
    accuracy_section(&mut card, export);
    card.heading("Licence");
    card.line(&licence(network));
    card.heading("In Python");
    usage(&mut card, export);
    Ok(card.text)
}

#[derive(Default)]
struct Card {
    text: String,
}

impl Card {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\n\n");
    }

    fn heading(&mut self, text: &str) {
        self.line(&format!("## {text}"));
    }

    fn table(&mut self, rows: &[(&str, String)]) {
        self.text.push_str("| | |\n|---|---|\n");
        for (name, value) in rows {
            // A bar would end the cell.
            let _ = writeln!(self.text, "| {name} | {} |", value.replace('|', "\\|").replace('\n', " "));
        }
        self.text.push('\n');
    }

    fn code(&mut self, language: &str, code: &str) {
        self.line(&format!("```{language}\n{}\n```", code.trim_end()));
    }
}

fn about(network: &ExportedNetwork) -> String {
    let architecture = architecture(network);
    let origin = network.origin();
    let pretraining = network.experiment().method();
    let method = method_with_source(pretraining);
    let frozen = |head: HeadKind| match head {
        HeadKind::Linear => format!(
            "a linear layer, fitted with labels by logistic regression or SGD, on an encoder that was pre-trained without labels \
             by {method} and not changed by them"
        ),
        HeadKind::Knn => format!(
            "votes of the nearest labelled images in the representation of an encoder that was pre-trained without labels by \
             {method}; the labelled images' representations are in the file"
        ),
    };
    let with_labels = || "trained with labels alone".to_owned();
    let fine_tuned = || format!("pre-trained without labels by {method}, then fine-tuned with labels");
    let self_trained = || {
        format!(
            "pre-trained without labels by {method}, fine-tuned with labels, then self-trained on what the fine-tuned network said of \
             images without labels"
        )
    };
    let (what, how) = match (network, origin.stage) {
        (ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_), _) if origin.head.is_some() => {
            ("classifier of images", frozen(origin.head.unwrap_or(HeadKind::Linear)))
        }
        (ExportedNetwork::Classifier(_), Stage::Finetune) => ("classifier of images", fine_tuned()),
        (ExportedNetwork::Classifier(_), Stage::Selftrain) => ("classifier of images", self_trained()),
        (ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_), _) => ("classifier of images", with_labels()),
        (ExportedNetwork::Encoder(_), Stage::Pretrain) => {
            let online = if pretraining.has_target() { "; it is the online network's" } else { "" };
            ("encoder of images", format!("pre-trained without labels by {method}{online}"))
        }
        (ExportedNetwork::Encoder(_), Stage::Finetune) => ("encoder of images", fine_tuned()),
        (ExportedNetwork::Encoder(_), Stage::Selftrain) => ("encoder of images", self_trained()),
        (ExportedNetwork::Encoder(_), Stage::Supervised) => ("encoder of images", with_labels()),
    };
    let unfinished = match origin.finished {
        true => String::new(),
        false => format!(" Its training had not come to its end: it is the state after step {}.", origin.step),
    };
    format!("A {what} ({architecture}), {how}, with byol {}.{unfinished}", crate::version())
}

fn architecture(network: &ExportedNetwork) -> String {
    let of_key = |(number, (key, value)): (usize, (&str, Value))| match (number, &value) {
        (0, name) => plain(name),
        (_, Value::String(word)) => format!("{key} `{word}`"),
        (_, number) => format!("{key} {}", plain(number)),
    };
    network.encoder().config().keys().into_iter().enumerate().map(of_key).collect::<Vec<_>>().join(", ")
}

fn network_section(card: &mut Card, network: &ExportedNetwork) {
    let experiment = network.experiment();
    let numbers = |values: &[f64; 3]| values.map(|value| value.to_string()).join(", ");
    card.heading("Network");
    let outputs = match network.classifies() {
        true => ("classes", format!("{}: {}", network.class_names().len(), network.class_names().join(", "))),
        false => ("representation", format!("{} values", network.encoder().features())),
    };
    card.table(&[
        ("kind", kind(network).to_owned()),
        ("architecture", architecture(network)),
        ("parameters", words::count(network.weights().layout().parameter_count() as u64)),
        ("image", format!("{0} x {0} pixels, red, green, blue", experiment.image_size)),
        ("mean (0-1, red, green, blue)", numbers(&experiment.mean)),
        ("standard deviation (likewise)", numbers(&experiment.deviation)),
        outputs,
    ]);
    card.line(&format!(
        "Of an image, {} is taken and resized by a smoothing bicubic filter to uint8 levels; these, divided by \
         255, less the mean, divided by the standard deviation, are what the network reads.",
        square(experiment)
    ));
}

/// What the network sees of an image.
fn square(experiment: &Experiment) -> String {
    match experiment.evaluation_crop {
        1.0 => "the centre square".to_owned(),
        share => format!("the square at the centre, {} of the shorter side long,", words::percent(share)),
    }
}

fn data_section(card: &mut Card, network: &ExportedNetwork) {
    card.heading("Data");
    let Some(data) = &network.origin().data else {
        card.line("Unknown: it was exported from a checkpoint outside its run directory.");
        return;
    };
    let mut rows = vec![
        ("data set", data.name.clone()),
        ("fingerprint", format!("`{}`", data.fingerprint)),
        ("training images with labels", words::count(data.train_images as u64)),
        ("test images", words::count(data.test_images as u64)),
    ];
    if network.origin().stage != Stage::Supervised && !data.unlabeled.is_empty() {
        let pools: Vec<String> = data
            .unlabeled
            .iter()
            .map(|pool| format!("{} of {}", words::count(pool.images as u64), pool_words(&pool.name)))
            .collect();
        rows.push(("images for pre-training", pools.join(", ")));
    }
    if data.skipped > 0 {
        rows.push(("files that could not be read", words::count(data.skipped as u64)));
    }
    card.table(&rows);
}

/// The labelled training images are a pool too, by the name `train`.
fn pool_words(pool: &str) -> String {
    match pool {
        "train" => "the labelled training images".to_owned(),
        other => shown(other),
    }
}

/// A pool's name without the folders that lead to it, which are nobody else's business.
fn shown(pool: &str) -> String {
    Path::new(pool).file_name().map_or_else(|| pool.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The preset, unless settings were chosen for the time instead.
fn preset(network: &ExportedNetwork) -> String {
    match network.origin().planned {
        true => "none (chosen for the time)".to_owned(),
        false => network.experiment().preset.clone(),
    }
}

fn training_section(card: &mut Card, network: &ExportedNetwork) {
    let experiment = network.experiment();
    let origin = network.origin();
    card.heading("Training");
    let mut rows = vec![("preset", preset(network)), ("seed", experiment.seed.to_string())];
    if let (Some(HeadKind::Knn), ExportedNetwork::Knn(knn)) = (origin.head, network) {
        rows.push(("neighbours that vote", knn.bank.neighbors.to_string()));
        rows.push(("weight of a vote", format!("exp(cosine similarity / {})", knn.bank.temperature)));
    }
    if let Some(stage) = origin.stage.supervised() {
        rows.extend(supervised(stage, experiment));
    } else {
        let settings = &experiment.pretrain;
        rows.extend([
            (
                training(origin.stage),
                format!("{}, batch size {}", words::plural(settings.epochs as u64, "epoch"), settings.batch_size),
            ),
            (
                "optimiser",
                format!(
                    "{}, learning rate {}, weight decay {}",
                    toml_name(&settings.optimizer),
                    settings.learning_rate,
                    settings.weight_decay
                ),
            ),
        ]);
        if network.experiment().method().has_target() {
            rows.push(("tau", format!("{} ({})", settings.tau, toml_name(&settings.tau_schedule))));
        }
    }
    rows.push(("steps of the last stage", words::count(origin.step as u64)));
    if let Some(pretrain) = &origin.pretrain {
        rows.push((
            "pre-training done",
            format!(
                "{}, {} image passes",
                words::plural(pretrain.epochs as u64, "epoch"),
                words::count(pretrain.images)
            ),
        ));
    }
    if let Some(budget) = origin.labels_per_class {
        let used = origin.test.map_or_else(String::new, |test| {
            format!(" ({})", words::plural(test.labels_used as u64, "labelled image"))
        });
        rows.push(("labels per class", format!("{}{used}", budget_words(budget))));
    }
    if !experiment.faults.is_empty() {
        rows.push(("faults, for an ablation", toml_name(&experiment.faults)));
    }
    card.table(&rows);
}

fn supervised(stage: SupervisedStage, experiment: &Experiment) -> Vec<(&'static str, String)> {
    if stage == SupervisedStage::Selftrain {
        let settings = &experiment.selftrain;
        let [optimizer, targets] = [toml_name(&settings.optimizer), toml_name(&settings.targets)];
        let optimiser =
            format!("{optimizer}, learning rate {}, weight decay {}", settings.learning_rate, settings.weight_decay);
        let steps = words::plural(settings.steps as u64, "step");
        let length =
            format!("{steps}, batch size {} and {} times as many without labels", settings.batch_size, settings.ratio);
        return vec![(training(stage.into()), length), ("optimiser", optimiser), ("targets", targets)];
    }
    let (name, settings) = (training(stage.into()), experiment.training(stage));
    let images = match settings.augmentation {
        Augmentation::None => "unchanged",
        Augmentation::Crop => "random crops and flips",
        Augmentation::Color => "random crops, flips and colours",
        Augmentation::Views => "views of pre-training",
    };
    let optimiser = format!(
        "{}, learning rate {}, weight decay {}",
        toml_name(&settings.optimizer),
        settings.learning_rate,
        settings.weight_decay
    );
    let length = format!(
        "{} or {}, whichever is more, batch size {}",
        words::plural(settings.epochs as u64, "epoch"),
        words::plural(settings.minimum_steps as u64, "step"),
        settings.batch_size
    );
    vec![(name, length), ("optimiser", optimiser), ("training images", images.to_owned())]
}

/// A setting as the configuration writes it.
fn toml_name(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().replace('"', "")
}

fn budget_words(budget: LabelBudget) -> String {
    match budget {
        LabelBudget::All => "all".to_owned(),
        LabelBudget::PerClass(labels) => labels.to_string(),
        LabelBudget::Folds => "the first predefined fold".to_owned(),
        LabelBudget::DrawnFolds => "the first drawn fold".to_owned(),
    }
}

fn accuracy_section(card: &mut Card, export: &Export) {
    let network = export.network;
    card.heading("Accuracy");
    let answers = network.origin().test.and_then(|test| Some((test, words::right_of(test.right, test.total)?)));
    match (network.classifies(), answers) {
        (true, Some((test, right))) => {
            card.line(&format!(
                "It is right on {right}. The interval (Wilson's) covers the choice of test images. This holds for images like those of the \
                 test split; nothing about this classifier was chosen by their labels."
            ));
            if let Some(text) =
                words::guessing(test.right, test.total, network.origin().guess(network.class_names().len()))
            {
                card.line(&format!("**Its accuracy {text}.**"));
            }
        }
        (true, None) => card.line("Not measured: the run has recorded no answers for test images."),
        (false, _) => card.line("An encoder has none of its own; a classifier on it must be fitted and judged."),
    }
    if network.classifies() {
        card.line(&format!("{}. {AGREEMENT}", words::capital(&closed_set(network.class_names().len()))));
        let how = match (export.calibration.in_use(), export.format) {
            (None, _) => String::new(),
            (Some(_), Format::Onnx) => {
                " The graph's probabilities are calibrated in this way (arXiv 1706.04599).".to_owned()
            }
            (Some(in_use), Format::Safetensors) => format!(
                " The network gives logits: divide them by {:.4} before the softmax (arXiv 1706.04599).",
                in_use.temperature.0
            ),
        };
        card.line(&format!("{}.{how}", words::capital(&program_note(&export.calibration.note()))));
    }
}

/// How near the answers are to those of `byol predict`; the tests of exports hold them to it.
const AGREEMENT: &str = "`byol predict` gives the same but for rounding (less than 0.005 for the same pixels) where it \
     computes in float32, as it does on a CPU. Programs decode JPEG a level or two apart, by which probabilities differed by \
     up to 0.013. In bfloat16 (`--precision bf16`, and on a GPU) and where another program resizes they differ by up to 0.02, \
     which can change a close answer.";

fn licence(network: &ExportedNetwork) -> String {
    let terms = match network.origin().data.as_ref().map(|data| data.name.as_str()) {
        Some("patterns") => "Its training images were drawn by the program itself and are free of others' rights.",
        Some("stl10") => {
            "STL-10's images were taken from ImageNet, which is for non-commercial research and education."
        }
        _ => "It was trained on the images of whoever ran the training.",
    };
    format!(
        "byol is under MIT or Apache-2.0, which says nothing about these weights. How they may be used depends on the terms \
         of the images that they were trained on. {terms} If you pass them on, write the terms here."
    )
}

fn usage(card: &mut Card, export: &Export) {
    let network = export.network;
    let file = export.out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match export.format {
        Format::Safetensors => {
            let module = export.out.with_extension("py");
            let module = module.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            if let Some(call) = torchvision_call(network) {
                let identity = match network {
                    ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_) => "",
                    ExportedNetwork::Encoder(_) => "network.fc = torch.nn.Identity()\n",
                };
                let imports = if identity.is_empty() { "import torchvision" } else { "import torch, torchvision" };
                card.line("With torchvision (`pip install torch torchvision safetensors pillow pillow-heif`):");
                card.code(
                    "python",
                    &format!(
                        "{imports}\nfrom safetensors.torch import load_file\n\nnetwork = {call}\n{identity}\
                     network.load_state_dict(load_file(\"{file}\"), strict=True)\nnetwork.eval()"
                    ),
                );
                card.line(&format!("`{module}` beside this file does the same and has the preprocessing."));
            } else {
                card.line(&format!(
                    "torchvision has no network of this form by itself; `{module}` beside this file builds it from \
                     torchvision's parts and has the preprocessing (`pip install torch torchvision safetensors pillow pillow-heif`)."
                ));
            }
        }
        Format::Onnx => onnx_usage(card, network, export.input, &file),
    }
}

fn onnx_usage(card: &mut Card, network: &ExportedNetwork, input: GraphInput, file: &str) {
    let Experiment { image_size: side, levels, evaluation_crop, .. } = network.experiment();
    let bleed = match *evaluation_crop {
        1.0 => String::new(),
        share => format!(", bleed={}", (1.0 - share) / 2.0),
    };
    let upright = upright(*levels);
    let outputs = match network.classifies() {
        true => format!("`{LOGITS}` and `{PROBABILITIES}`, float32 `[batch, classes]`"),
        false => format!("`{REPRESENTATION}`, float32 `[batch, {}]`", network.encoder().features()),
    };
    let asked = if network.classifies() { PROBABILITIES } else { REPRESENTATION };
    let (inputs, prepare) = match input {
        GraphInput::Images => (
            format!(
                "`{RAW_IMAGES}`, uint8 `[batch, 3, height, width]`, of any size: the graph takes {}, resizes and normalises",
                square(network.experiment()).trim_end_matches(',')
            ),
            format!(
                "image = np.asarray(upright(Image.open(\"image.jpg\")))\nfeed = {{\"{RAW_IMAGES}\": \
                 image.transpose(2, 0, 1)[None]}}"
            ),
        ),
        GraphInput::Normalized => (
            format!("`{IMAGES}`, float32 `[batch, 3, {side}, {side}]`, resized and normalised as said above"),
            format!(
                "image = ImageOps.fit(upright(Image.open(\"image.jpg\")), ({side}, {side}), Image.BICUBIC{bleed})\n\
                 mean, std = (np.array(json.loads(facts[name]), np.float32) for name in (\"mean\", \"std\"))\n\
                 values = (np.asarray(image, np.float32) / 255 - mean) / std\n\
                 feed = {{\"{IMAGES}\": values.transpose(2, 0, 1)[None]}}"
            ),
        ),
    };
    card.line(&format!(
        "ONNX operator set {OPERATOR_SET}. Input {inputs}; output {outputs}. Any batch size. Class names, image size, mean and \
         standard deviation are in the file's metadata."
    ));
    let answer = match network.classifies() {
        true => {
            format!(
                "[values] = session.run([\"{asked}\"], feed)\nprint(json.loads(facts[\"class_names\"])[values[0].argmax()])"
            )
        }
        false => format!("[values] = session.run([\"{asked}\"], feed)\nprint(values.shape)"),
    };
    card.line(
        "With ONNX Runtime (`pip install onnxruntime pillow pillow-heif`). The graph takes levels from 0 to 255; `upright` makes them of a file \
         as byol does, which matters for turned, transparent and 16-bit images:",
    );
    card.code(
        "python",
        &format!(
            "import json\n\nimport numpy as np\nimport onnxruntime\nfrom PIL import Image, ImageOps\n\n{HEIF}\n\n\
         {upright}\n\nsession = onnxruntime.InferenceSession(\"{file}\")\nfacts = session.get_modelmeta().custom_metadata_map\n\
         {prepare}\n{answer}"
        ),
    );
}
