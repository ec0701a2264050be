//! PyTorch's state dict as a safetensors file: names and order of dimensions are torchvision's.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use serde_json::Value;
use tch::{Kind, Tensor};

use super::{ExportError, ExportedNetwork, Format};
use crate::run::record::Stage;

/// The bytes of the file; equal networks give equal bytes.
pub(super) fn write(network: &ExportedNetwork, facts: &[(&'static str, String)]) -> Result<Vec<u8>, ExportError> {
    let form = |reason: String| ExportError::Form { format: Format::Safetensors.name(), reason };
    let mut blobs = Vec::new();
    for (name, tensor) in state_dict(network) {
        let (dtype, width) = match tensor.kind() {
            Kind::Int64 => (Dtype::I64, 8),
            _ => (Dtype::F32, 4),
        };
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        blobs.push((name, dtype, shape, bytes_of(&tensor, width).map_err(form)?));
    }
    let views = blobs.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| form(error.to_string()))?;
    // Programs that read state dicts of several frameworks look for this.
    let framework = ("format".to_owned(), "pt".to_owned());
    let metadata = facts.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).chain([framework]);
    let metadata: HashMap<String, String> = metadata.collect();
    let bytes = serialize(views, Some(metadata)).map_err(|error| form(error.to_string()))?;
    sort_header(&bytes).ok_or_else(|| form("the header is not what the format says".to_owned()))
}

/// Parameters, running statistics and, as PyTorch has them, counts of batches: on the CPU, contiguous.
///
/// The counts are the optimiser steps of the last training, in pre-training a batch for each view; nothing depends on them.
pub(super) fn state_dict(network: &ExportedNetwork) -> BTreeMap<String, Tensor> {
    let origin = network.origin();
    let batches = match origin.stage {
        Stage::Pretrain => {
            let experiment = network.experiment();
            experiment.training_views().len() * origin.step * experiment.pretrain.accumulation_steps
        }
        Stage::Supervised | Stage::Finetune | Stage::Selftrain => origin.step,
    };
    let mut named: BTreeMap<String, Tensor> = network
        .weights()
        .named()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous()))
        .collect();
    let counts: Vec<String> = named
        .keys()
        .filter_map(|name| name.strip_suffix("running_mean"))
        .map(|norm| format!("{norm}num_batches_tracked"))
        .collect();
    named.extend(counts.into_iter().map(|name| (name, Tensor::from(batches as i64))));
    if let ExportedNetwork::Knn(knn) = network {
        let on_cpu = |tensor: &Tensor| tensor.to_device(tch::Device::Cpu).contiguous();
        named.insert("fc.vectors".to_owned(), on_cpu(&knn.bank.vectors));
        named.insert("fc.labels".to_owned(), on_cpu(&knn.bank.labels));
    }
    named
}

/// A tensor's values, row by row, little-endian.
pub(super) fn bytes_of(tensor: &Tensor, width: usize) -> Result<Vec<u8>, String> {
    let count = tensor.numel();
    let mut bytes = vec![0; count * width];
    tensor.f_copy_data_u8(&mut bytes, count).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The same file with the metadata in the order of its names; `serialize` takes them out of an unordered map.
fn sort_header(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).ok()?;
    let header: BTreeMap<String, BTreeMap<String, Value>> = header
        .into_iter()
        .map(|(name, entry)| match entry {
            Value::Object(entry) => Some((name, entry.into_iter().collect())),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let mut header = serde_json::to_vec(&header).ok()?;
    // Data begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    Some([&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_sorted_and_says_the_same() {
        let values: Vec<u8> = (0..24).collect();
        let view = TensorView::new(Dtype::F32, vec![2, 3], &values).unwrap();
        let metadata = ["b", "c", "a", "format"].map(|name| (name.to_owned(), format!("text of {name}")));
        let bytes = serialize([("weight", view)], Some(HashMap::from(metadata.clone()))).unwrap();
        let sorted = sort_header(&bytes).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&sorted).unwrap();
        assert_eq!(header.metadata().as_ref(), Some(&HashMap::from(metadata)));
        let file = safetensors::SafeTensors::deserialize(&sorted).unwrap();
        assert_eq!(file.tensor("weight").unwrap().data(), values);
        let text = String::from_utf8_lossy(&sorted).into_owned();
        let places = ["\"a\"", "\"b\"", "\"c\"", "\"format\""].map(|name| text.find(name).unwrap());
        assert!(places.is_sorted());
        assert_eq!(sort_header(&bytes[..7]), None);
        assert_eq!(sort_header(&bytes[..20]), None);
    }
}
