//! Files of weights, whoever wrote them: safetensors, and what `torch.save` writes, as an archive or in the old form.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};
use std::path::Path;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use tch::Tensor;
use zip::ZipArchive;

use super::WeightsError;
use super::pickle::{self, Pickle, Value};
use super::storage::{named, tensor};
use crate::trained::checkpoint::tensor_of;

/// Tensors by their names in the file, and the file's SHA-256.
pub struct File {
    /// Every tensor, by its name in the file.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What the header of a safetensors file says beside them.
    pub facts: BTreeMap<String, String>,
    /// What a file of `torch.save` asks for beside tensors, by name; it was passed over.
    pub passed_over: Vec<String>,
    /// The name that the file itself gives the network, such as timm's `arch`.
    pub architecture: Option<String>,
}

/// Reads a file of weights. Code in it is not run.
///
/// # Errors
/// The file is missing or torn, has another format, or holds no tensors.
pub fn read(path: &Path) -> Result<File, WeightsError> {
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let content = |reason| WeightsError::Content { path: path.to_owned(), reason };
    let read = match bytes.as_slice() {
        [b'P', b'K', 3, 4, ..] => from_archive(&bytes),
        // Before any look at pickles: the length of a header may begin with their first byte.
        [a, b, c, d, e, f, g, h, b'{', rest @ ..]
            if u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) <= rest.len() as u64 + 1 =>
        {
            from_safetensors(&bytes)
        }
        [0x80, _, 0x8a, 10, ..] => from_old_form(&bytes),
        [0x80, ..] => Err("it is a pickle that torch.save did not write".to_owned()),
        _ => from_safetensors(&bytes),
    };
    let Read { tensors, facts, passed_over, architecture } = read.map_err(content)?;
    let architecture = architecture.or_else(|| architecture_beside(path));
    Ok(File { tensors, sha256, facts, passed_over: passed_over.into_iter().collect(), architecture })
}

/// What a file holds.
#[derive(Default)]
struct Read {
    tensors: BTreeMap<String, Tensor>,
    facts: BTreeMap<String, String>,
    passed_over: BTreeSet<String>,
    architecture: Option<String>,
}

fn from_safetensors(bytes: &[u8]) -> Result<Read, String> {
    let damaged = |error: safetensors::SafeTensorError| format!("it is no safetensors file, or a damaged one: {error}");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let facts = header.metadata().clone().into_iter().flatten().collect();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        match tensor_of(&view) {
            Ok(tensor) => {
                tensors.insert(name.to_owned(), tensor);
            }
            // What is no parameter may be of any type.
            Err(_) if !PARAMETERS.iter().any(|ending| name.ends_with(ending)) => {}
            Err(_) => return Err(unread(name, &format_args!("type {:?}", view.dtype()))),
        }
    }
    Ok(Read { tensors, facts, ..Read::default() })
}

/// Endings of the names of what a network computes with.
pub(super) const PARAMETERS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// That a parameter is of a type that is not read.
pub(super) fn unread(name: &str, kind: &dyn std::fmt::Display) -> String {
    format!(
        "'{name}' is of {kind}, which is not read; save it as float32 (in PyTorch, `tensor.float()`, or `dequantize()`)"
    )
}

/// The architecture in the `config.json` that timm and Hugging Face put beside a file of weights.
fn architecture_beside(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path.parent()?.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config.get("architecture")?.as_str().map(str::to_owned)
}

/// The name that timm's training gives the network beside its state dict.
fn architecture_inside(pickle: &Pickle) -> Option<String> {
    let Value::Dict(entries) = &pickle.values[pickle.top] else { return None };
    let text = |place: usize| match &pickle.values[place] {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    entries.iter().find(|(key, _)| text(*key).as_deref() == Some("arch")).and_then(|&(_, value)| text(value))
}

/// PyTorch's archives: a ZIP file with the pickle `NAME/data.pkl` and a file `NAME/data/KEY` for each storage.
fn from_archive(bytes: &[u8]) -> Result<Read, String> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("it is a damaged archive: {error}"))?;
    let names = archive.file_names().map(|name| name.map(|name| name.into_owned()));
    let names: Vec<String> =
        names.collect::<Result<_, _>>().map_err(|error| format!("it is a damaged archive: {error}"))?;
    let list = names.iter().find(|name| name.ends_with("/data.pkl"));
    let list = list.ok_or("it is an archive without data.pkl, so torch.save did not write it")?;
    let folder = list.strip_suffix("data.pkl").unwrap_or_default().to_owned();
    if names.contains(&format!("{folder}constants.pkl")) {
        return Err(
            "it is a TorchScript program; save the state dict alone, torch.save(model.state_dict(), FILE)".to_owned()
        );
    }
    let mut entry = |name: &str| {
        let damaged = |error: &dyn std::fmt::Display| format!("{name} in it cannot be read: {error}");
        let mut file = archive.by_name(name).map_err(|error| damaged(&error))?;
        // Entries are stored as they are, so none can be longer than the file.
        let mut content = Vec::new();
        file.by_ref().take(bytes.len() as u64).read_to_end(&mut content).map_err(|error| damaged(&error))?;
        Ok::<_, String>(content)
    };
    if entry(&format!("{folder}byteorder")).is_ok_and(|order| order != b"little") {
        return Err("its numbers are big-endian".to_owned());
    }
    let pickle = pickle::read(&entry(list)?)?;
    let mut storages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, strided) in named(&pickle)? {
        let key = &strided.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key.clone(), entry(&format!("{folder}data/{key}"))?);
        }
        tensors.insert(name, tensor(&storages[key], &strided)?);
    }
    let architecture = architecture_inside(&pickle);
    Ok(Read { tensors, passed_over: pickle.foreign, architecture, ..Read::default() })
}

/// What PyTorch wrote before version 1.6: pickles of a mark, a version, the machine, the state dict and the keys of the
/// storages, one after the other, then for each key the number of values and the values.
fn from_old_form(bytes: &[u8]) -> Result<Read, String> {
    let mut rest = bytes;
    let mut next = || {
        let pickle = pickle::read(rest)?;
        rest = &rest[pickle.length..];
        Ok::<_, String>(pickle)
    };
    let [_, version, _, state, keys] = [next()?, next()?, next()?, next()?, next()?];
    if version.values[version.top] != Value::Whole(1001) {
        return Err("it has another version of PyTorch's old format than 1001".to_owned());
    }
    let named = named(&state)?;
    let elements: BTreeMap<&str, usize> = state
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key.as_str(), storage.element.size())),
            _ => None,
        })
        .collect();
    let Value::Sequence(list) = &keys.values[keys.top] else {
        return Err("it has no list of its storages".to_owned());
    };
    let mut storages: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for &key in list {
        let Value::Text(key) = &keys.values[key] else { return Err("a storage in it has no name".to_owned()) };
        let size = *elements.get(key.as_str()).ok_or("it has a storage that nothing refers to")?;
        let (count, after) = rest.split_first_chunk::<8>().ok_or("it is cut off")?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(size));
        let (values, after) = length.and_then(|length| after.split_at_checked(length)).ok_or("it is cut off")?;
        storages.insert(key, values);
        rest = after;
    }
    let mut tensors = BTreeMap::new();
    for (name, strided) in named {
        let values = storages.get(strided.storage.key.as_str()).ok_or("a storage of it is missing")?;
        tensors.insert(name, tensor(values, &strided)?);
    }
    let architecture = architecture_inside(&state);
    Ok(Read { tensors, passed_over: state.foreign, architecture, ..Read::default() })
}
