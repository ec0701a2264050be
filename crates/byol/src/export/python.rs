//! The Python file that builds an exported network and loads its weights.

use std::path::Path;

use super::{ExportedNetwork, residual};
use crate::data::levels::{Levels, SampleKind};
use crate::eval::knn::Bank;
use crate::model::Encoder;

/// The range of the type becomes the levels 0 to 255; of floating values, 0 to 1. `examples/python` has these lines too.
const FULL: &str = r#"    if image.mode.startswith("I"):
        image = Image.fromarray(((np.asarray(image).clip(0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        image = Image.fromarray((np.asarray(image).clip(0, 1) * 255 + 0.5).astype(np.uint8))
"#;

/// Pillow reads HEIC, which iPhones write, with a package of its own. `examples/python` has these lines too.
pub(super) const HEIF: &str = r#"try:  # pip install pillow-heif, for HEIC
    import pillow_heif

    pillow_heif.register_heif_opener()
except ImportError:
    pass
"#;

/// How Python reads an image file as byol does with these levels, for the model card and the module.
pub(super) fn upright(levels: Levels) -> String {
    let scaled = match levels {
        Levels::Full => FULL.to_owned(),
        // Whatever the samples are, the values are the same.
        Levels::Bits(_) | Levels::Between { .. } => {
            let (black, white) = levels.range(SampleKind::Unsigned(16));
            format!(
                r#"    if image.mode[0] in "IF":
        levels = (np.asarray(image, np.float64) - ({black})) * 255 / {span} + 0.5
        image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
"#,
                span = white - black
            )
        }
    };
    format!(
        r#"def upright(image):
    """As it is meant to be looked at: turned, 16 bits scaled to 8, transparent pixels laid over white."""
    image = ImageOps.exif_transpose(image)
{scaled}    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
"#
    )
}

/// k-NN as a layer.
const VOTES: &str = r#"class Votes(nn.Module):
    """Logarithms of the classes' shares of the votes of the nearest labelled images."""

    def __init__(self, rows, features, classes, neighbors, temperature):
        super().__init__()
        self.register_buffer("vectors", torch.zeros(rows, features))
        self.register_buffer("labels", torch.zeros(rows, dtype=torch.int64))
        self.classes, self.neighbors, self.temperature = classes, min(neighbors, rows), temperature

    def forward(self, representations):
        similar, rows = (nn.functional.normalize(representations) @ self.vectors.T).topk(self.neighbors)
        votes = representations.new_zeros(len(representations), self.classes)
        votes.scatter_add_(1, self.labels[rows], (similar / self.temperature).softmax(1))
        return votes.clamp_min(torch.finfo(torch.float32).tiny).log()


"#;

/// The file that goes beside a safetensors file at `out`.
pub(super) fn write(network: &ExportedNetwork, out: &Path) -> String {
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let module = out.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let file = name(out);
    let experiment = network.experiment();
    let outputs = match network {
        ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_) => {
            "logits of CLASS_NAMES, [batch, classes]".to_owned()
        }
        ExportedNetwork::Encoder(_) => format!("representations, [batch, {}]", network.encoder().features()),
    };
    let import = match torchvision_call(network) {
        Some(_) => "import torchvision",
        None => parts(network.encoder()).import,
    };
    format!(
        r#""""The network of {shown}, in PyTorch: build() makes it, load() gives it its weights.

Its input is [batch, 3, IMAGE_SIZE, IMAGE_SIZE], float32, from preprocess(); its output {outputs}.
{how}"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
{import}
from torchvision.transforms.v2 import InterpolationMode, functional
from safetensors.torch import load_file
from torch import nn

{HEIF}
CLASS_NAMES = {classes}
IMAGE_SIZE = {side}
EVALUATION_CROP = {crop:?}
MEAN = {mean:?}
STD = {std:?}
WEIGHTS = Path(__file__).with_name({quoted})


{votes}def build():
{build}    return network


def load(path=WEIGHTS):
    network = build()
    network.load_state_dict(load_file(path), strict=True)
    return network.eval()


{upright}

def preprocess(image):
    """An image of PIL's to [3, IMAGE_SIZE, IMAGE_SIZE]: upright, its centre square (of it the share EVALUATION_CROP), resized and normalised, as in byol."""
    levels = functional.pil_to_tensor(upright(image))
    height, width = levels.shape[1:]
    side = int(min(height, width) * EVALUATION_CROP + 0.5)
    levels = functional.crop(levels, (height - side) // 2, (width - side) // 2, side, side)
    levels = functional.resize(levels, [IMAGE_SIZE, IMAGE_SIZE], InterpolationMode.BICUBIC, antialias=True)
    return functional.normalize(levels.to(torch.float32) / 255, MEAN, STD)
"#,
        // Neither ends the text nor escapes in it.
        shown = file.replace(['"', '\\'], "_"),
        upright = upright(experiment.levels),
        // JSON's texts are Python's too.
        quoted = serde_json::Value::from(file.as_str()),
        how = match module.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            true => format!("\n    from {module} import load, preprocess\n"),
            false => String::new(),
        },
        classes = python_list(network.class_names()),
        side = experiment.image_size,
        crop = experiment.evaluation_crop,
        mean = experiment.mean,
        std = experiment.deviation,
        votes = match network {
            ExportedNetwork::Knn(_) => VOTES,
            ExportedNetwork::Classifier(_) | ExportedNetwork::Encoder(_) => "",
        },
        build = build(network),
    )
}

/// How torchvision itself builds the network; nothing where it has none of that form.
pub(super) fn torchvision_call(network: &ExportedNetwork) -> Option<String> {
    let name = match network.encoder() {
        Encoder::ResNet(resnet) => residual::torchvision_name(resnet)?,
    };
    match network {
        ExportedNetwork::Classifier(classifier) => {
            Some(format!("torchvision.models.{name}(num_classes={})", classifier.class_names.len()))
        }
        ExportedNetwork::Encoder(_) => Some(format!("torchvision.models.{name}()")),
        // The votes are a layer of our own.
        ExportedNetwork::Knn(_) => None,
    }
}

/// How Python builds an encoder from parts.
pub(super) struct PythonParts {
    /// The import of what the lines need.
    pub import: &'static str,
    /// Lines that make `network`, whose last layer is called `fc`.
    pub lines: Vec<String>,
}

fn parts(encoder: &Encoder) -> PythonParts {
    match encoder {
        Encoder::ResNet(resnet) => residual::parts(resnet),
    }
}

/// The lines of `build()` that make `network`.
fn build(network: &ExportedNetwork) -> String {
    let features = network.encoder().features();
    let mut lines = Vec::new();
    match torchvision_call(network) {
        Some(call) => lines.push(format!("network = {call}")),
        None => {
            lines.extend(parts(network.encoder()).lines);
            if let ExportedNetwork::Classifier(classifier) = network {
                let classes = classifier.class_names.len();
                lines.push(format!("network.fc = nn.Linear({features}, {classes})"));
            }
        }
    }
    match network {
        ExportedNetwork::Encoder(_) => lines.push("network.fc = nn.Identity()".to_owned()),
        ExportedNetwork::Knn(knn) => {
            let (Bank { neighbors, temperature, .. }, rows) = (&knn.bank, knn.bank.vectors.size()[0]);
            let classes = knn.class_names.len();
            lines.push(format!(
                "network.fc = Votes({rows}, {features}, {classes}, neighbors={neighbors}, temperature={temperature})"
            ));
        }
        ExportedNetwork::Classifier(_) => {}
    }
    lines.into_iter().map(|line| format!("    {line}\n")).collect()
}

/// JSON's texts without escapes of its own are Python's too.
fn python_list(names: &[String]) -> String {
    serde_json::to_string(names).unwrap_or_default().replace("\",\"", "\", \"")
}
