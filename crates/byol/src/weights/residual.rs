//! Residual networks in other programs' files: which tensors belong to one, what torchvision calls them, and which form it
//! has.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::WeightsError;
use crate::config::StemKind;
use crate::model::encoder::plain;
use crate::model::parameters::Parameter;
use crate::model::resnet::{BlockKind, FirstBranches, ResNetConfig, ResNetDepth};
use crate::model::{Encoder, EncoderConfig};
use crate::run::notice::Notice;

/// The convolution that every residual network begins with: its shape tells the stem.
const FIRST: &str = "conv1.weight";

/// Who wrote the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Writer {
    /// torchvision and whoever follows it: `conv1`, `layer1.0.conv1`. Some call `downsample` `shortcut`, and `fc` `linear`.
    Torchvision,
    /// A `Sequential` of a network's children, as lightly's examples make it: `0`, `1`, `4.0.conv1`.
    Sequential,
    /// Hugging Face's transformers: `embedder.embedder.convolution`, `encoder.stages.0.layers.0.layer.0.convolution`.
    HuggingFace,
}

/// A network in a file: who wrote the names, and what stands in front of them.
type Place = (String, Writer);

/// The one network of a file, by torchvision's names, and what was left out or renamed.
pub(super) fn network(
    path: &Path,
    named: BTreeMap<String, Tensor>,
) -> Result<(BTreeMap<String, Tensor>, Vec<Notice>), WeightsError> {
    let mut notes = Vec::new();
    let (prefix, writer) = place(path, &named, &mut notes)?;
    if !prefix.is_empty() {
        notes.insert(0, Notice::PrefixLeftOut { path: path.display().to_string(), prefix: prefix.clone() });
    }
    let all = named.len();
    let inside: BTreeMap<String, Tensor> =
        named.into_iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor))).collect();
    if inside.len() < all {
        notes.push(Notice::OutsideLeftOut { tensors: all - inside.len(), prefix: prefix.clone() });
    }
    let renamed = match writer {
        Writer::Torchvision => inside.into_iter().map(|(name, tensor)| (of_torchvision(&name), tensor)).collect(),
        Writer::Sequential => {
            notes.push(Notice::NumberedLayers);
            of_sequential(inside)
        }
        Writer::HuggingFace => {
            notes.push(Notice::HuggingFaceNames);
            inside.into_iter().filter_map(|(name, tensor)| Some((of_hugging_face(&name)?, tensor))).collect()
        }
    };
    Ok((renamed, notes))
}

/// Where the network is. Of a network and its moving average the network is taken.
fn place(path: &Path, named: &BTreeMap<String, Tensor>, notes: &mut Vec<Notice>) -> Result<Place, WeightsError> {
    let mut places: Vec<Place> = named.keys().filter_map(|name| begins(name)).collect();
    places.sort();
    places.dedup();
    // Four stages make a network; fewer numbered ones are parts of something else.
    places.retain(|(prefix, writer)| *writer != Writer::Sequential || stages(prefix, named).len() == 4);
    if places.len() > 1 {
        let (averages, others): (Vec<Place>, Vec<Place>) =
            places.iter().cloned().partition(|(prefix, _)| is_average(prefix));
        if let ([_, ..], [(taken, _), ..]) = (&averages[..], &others[..]) {
            let averages = averages.iter().map(|(prefix, _)| prefix.clone()).collect();
            notes.push(Notice::AveragesLeftOut { taken: taken.clone(), averages });
            places = others;
        }
    }
    // One network may be reached by several names.
    places.dedup_by(|(later, _), (first, _)| are_same(first, later, named));
    match places.as_slice() {
        [] => {
            let some: Vec<&str> = named.keys().take(3).map(String::as_str).collect();
            Err(WeightsError::NoNetwork { path: path.to_owned(), names: some.join(", ") })
        }
        [place] => Ok(place.clone()),
        _ => {
            let prefixes = places.into_iter().map(|(prefix, _)| format!("'{prefix}'")).collect();
            Err(WeightsError::Several { path: path.to_owned(), prefixes })
        }
    }
}

/// The network that begins with a tensor of that name.
fn begins(name: &str) -> Option<Place> {
    let place = |ending: &str, writer: Writer| {
        let prefix = name.strip_suffix(ending)?;
        (prefix.is_empty() || prefix.ends_with('.')).then(|| (prefix.to_owned(), writer))
    };
    place("layer1.0.conv1.weight", Writer::Torchvision)
        .or_else(|| place("embedder.embedder.convolution.weight", Writer::HuggingFace))
        .or_else(|| {
            let parts: Vec<&str> = name.strip_suffix(".0.conv1.weight")?.split('.').collect();
            let (number, before) = parts.split_last()?;
            let prefix: String = before.iter().map(|part| format!("{part}.")).collect();
            number.parse::<usize>().is_ok().then_some((prefix, Writer::Sequential))
        })
}

/// Numbers of the children that hold blocks, in order.
fn stages(prefix: &str, named: &BTreeMap<String, Tensor>) -> Vec<usize> {
    let number = |name: &String| name.strip_prefix(prefix)?.strip_suffix(".0.conv1.weight")?.parse::<usize>().ok();
    let mut found: Vec<usize> = named.keys().filter_map(number).collect();
    found.sort_unstable();
    found
}

/// Whether a network by that name follows another one, as a target of BYOL does.
fn is_average(prefix: &str) -> bool {
    let words = ["momentum", "target", "teacher", "ema", "averaged", "k", "key"];
    prefix.to_lowercase().split(['.', '_']).any(|part| words.contains(&part))
}

/// Whether all tensors behind two prefixes are equal.
fn are_same(first: &str, second: &str, named: &BTreeMap<String, Tensor>) -> bool {
    let of = |prefix: &str| -> Vec<(String, &Tensor)> {
        named.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor))).collect()
    };
    let (first, second) = (of(first), of(second));
    first.len() == second.len()
        && first.iter().zip(&second).all(|((a, one), (b, other))| {
            a == b && one.size() == other.size() && one.kind() == other.kind() && one.equal(other)
        })
}

fn of_torchvision(name: &str) -> String {
    match name.strip_prefix("linear.") {
        Some(rest) => format!("fc.{rest}"),
        None => name.replacen(".shortcut.", ".downsample.", 1),
    }
}

/// By what the children hold: four dimensions are the convolution, one the norm, two the last layer; the others have
/// blocks.
fn of_sequential(inside: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let stages = stages("", &inside);
    let child = |number: &str| {
        let number_of = number.parse::<usize>().ok();
        let place = number_of.and_then(|number| stages.iter().position(|&stage| stage == number));
        if let Some(place) = place {
            return Some(format!("layer{}", place + 1));
        }
        match inside.get(&format!("{number}.weight"))?.dim() {
            4 => Some("conv1".to_owned()),
            2 => Some("fc".to_owned()),
            1 => Some("bn1".to_owned()),
            _ => None,
        }
    };
    let names: BTreeMap<String, String> = inside
        .keys()
        .filter_map(|name| {
            let (number, rest) = name.split_once('.')?;
            Some((name.clone(), of_torchvision(&format!("{}.{rest}", child(number)?))))
        })
        .collect();
    inside.into_iter().filter_map(|(name, tensor)| Some((names.get(&name)?.clone(), tensor))).collect()
}

/// `encoder.stages.S.layers.B.layer.K.convolution.weight` and its like; nothing of what is no part of the network.
fn of_hugging_face(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let after = |number: &str| number.parse::<usize>().ok().map(|number| number + 1);
    let found = match parts.as_slice() {
        ["embedder", "embedder", "convolution", rest] => format!("conv1.{rest}"),
        ["embedder", "embedder", "normalization", rest] => format!("bn1.{rest}"),
        ["encoder", "stages", stage, "layers", block, inner @ .., rest] => {
            let inner = match inner {
                ["layer", number, "convolution"] => format!("conv{}", after(number)?),
                ["layer", number, "normalization"] => format!("bn{}", after(number)?),
                ["shortcut", "convolution"] => "downsample.0".to_owned(),
                ["shortcut", "normalization"] => "downsample.1".to_owned(),
                _ => return None,
            };
            format!("layer{}.{block}.{inner}.{rest}", after(stage)?)
        }
        _ => return None,
    };
    Some(found)
}

/// Why a network is another one than its names and shapes say; nothing where it is not.
pub(super) fn another(architecture: Option<&str>, path: &Path) -> Option<String> {
    let file = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let named = architecture.map(str::to_lowercase).unwrap_or(file);
    let smoothing = ["resnetaa", "resnetblur"].into_iter().find(|name| named.contains(name))?;
    Some(format!(
        "they are of a network that smooths before it strides (timm's {smoothing}), with the names of one that does not"
    ))
}

/// What fits where a network does not.
pub(super) const INSTEAD: &str =
    "the plain resnet18, 34 and 50 of torchvision and timm fit, and --weights imagenet fetches one";

/// Whether a tensor belongs to a squeeze-and-excitation layer: `layer1.0.se.fc1.weight`, `layer1.0.se_module.fc1.weight`.
fn is_excitation(name: &str) -> bool {
    name.starts_with("layer") && name.split('.').any(|part| part == "se" || part.starts_with("se_"))
}

/// What to set so that the encoder has the form of the weights.
pub(super) fn remedy(given: &BTreeMap<String, Tensor>, config: ResNetConfig) -> String {
    let other = |what: &str| format!("{what}; {INSTEAD}");
    if given.contains_key("bn1.weight") && !given.contains_key("bn1.running_mean") {
        return other(
            "they have no running statistics, so their norms are not batch norm (timm's resnet50_gn has group norm), and no \
             encoder here has others",
        );
    }
    if given.contains_key("conv1.0.weight") {
        return other("they begin with three convolutions (timm's resnet50d and its like), and no encoder here does");
    }
    if given.keys().any(|name| is_excitation(name)) {
        return other(
            "they have squeeze-and-excitation layers (timm's seresnet50 and its like), and no encoder here has",
        );
    }
    let Some(found) = form(given, config.stem) else {
        return other(
            "no encoder here has their form (resnet10, 18, 34 and 50 with stems imagenet, small and small-stride2)",
        );
    };
    let configured = EncoderConfig::ResNet(config).keys();
    let other = EncoderConfig::ResNet(found).keys().into_iter().filter(|pair| !configured.contains(pair));
    let set: Vec<String> = other.map(|(key, value)| format!("--set {key}={}", plain(&value))).collect();
    match set.is_empty() {
        true => "they are of another form than their names say".to_owned(),
        false => format!("{} has their form", set.join(" ")),
    }
}

/// Whether a tensor of that name is one of a residual network's.
pub(super) fn is_part(name: &str) -> bool {
    ["layer", "conv", "bn"].iter().any(|part| name.starts_with(part))
}

/// The residual network that weights by torchvision's names belong to. Of a stem of 3x3 they do not tell the stride: it is
/// that of `stem` where this has 3x3 too, else 1, as in other programs' networks for small images.
pub(super) fn form(given: &BTreeMap<String, Tensor>, stem: StemKind) -> Option<ResNetConfig> {
    let first = given.get(FIRST)?.size();
    let stem = match *first.as_slice() {
        [_, 3, 7, 7] => StemKind::Imagenet,
        [_, 3, 3, 3] if stem != StemKind::Imagenet => stem,
        [_, 3, 3, 3] => StemKind::Small,
        _ => return None,
    };
    let width = first[0] as f64 / 64.0;
    let block = match given.contains_key("layer1.0.conv3.weight") {
        true => BlockKind::Bottleneck,
        false => BlockKind::Basic,
    };
    let depths = [1, 2, 3, 4].map(|stage| {
        (0..).take_while(|index| given.contains_key(&format!("layer{stage}.{index}.conv1.weight"))).count()
    });
    let depth = ResNetDepth::ALL.into_iter().find(|depth| depth.block() == block && depth.blocks() == depths)?;
    let found = ResNetConfig { depth, stem, width, branches: FirstBranches::Whole };
    let (_, layout) = Encoder::alone(EncoderConfig::ResNet(found));
    let fits =
        |Parameter { name, shape, .. }: &Parameter| given.get(name).is_some_and(|tensor| tensor.size() == *shape);
    let counted = layout.buffers.iter().all(|buffer| given.contains_key(&buffer.name));
    (counted && layout.parameters.iter().all(fits)).then_some(found)
}
