//! What tells the weights of one network from those of another.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

/// The digest of tensors by name: what a configuration records of the weights that a run began with.
pub fn digest(tensors: &BTreeMap<String, Tensor>) -> String {
    let mut digest = Sha256::new();
    for (name, tensor) in tensors {
        let count = tensor.numel();
        let mut bytes = vec![0; 4 * count];
        tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().copy_data_u8(&mut bytes, count);
        for part in [name.as_bytes(), format!("{:?}", tensor.size()).as_bytes(), &bytes] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    format!("sha256:{:x}", digest.finalize())
}
