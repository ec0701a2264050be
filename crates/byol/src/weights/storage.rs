//! From blocks of bytes to tensors: the types of PyTorch's storages, and parts of them with sizes and strides.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::pickle::{Pickle, Place, Strided, Value};
use super::read::{PARAMETERS, unread};

/// The type of the numbers of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float,
    Double,
    Half,
    BFloat16,
    Long,
    Int,
    Short,
    Char,
    Byte,
    Bool,
    ComplexFloat,
    ComplexDouble,
}

impl Element {
    /// By the name of the storage's class.
    pub fn of_storage(name: &str) -> Option<Element> {
        match name {
            "FloatStorage" => Some(Element::Float),
            "DoubleStorage" => Some(Element::Double),
            "HalfStorage" => Some(Element::Half),
            "BFloat16Storage" => Some(Element::BFloat16),
            "LongStorage" => Some(Element::Long),
            "IntStorage" => Some(Element::Int),
            "ShortStorage" => Some(Element::Short),
            "CharStorage" => Some(Element::Char),
            "ByteStorage" => Some(Element::Byte),
            "BoolStorage" => Some(Element::Bool),
            "ComplexFloatStorage" => Some(Element::ComplexFloat),
            "ComplexDoubleStorage" => Some(Element::ComplexDouble),
            _ => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Element::Float => Kind::Float,
            Element::Double => Kind::Double,
            Element::Half => Kind::Half,
            Element::BFloat16 => Kind::BFloat16,
            Element::Long => Kind::Int64,
            Element::Int => Kind::Int,
            Element::Short => Kind::Int16,
            Element::Char => Kind::Int8,
            Element::Byte => Kind::Uint8,
            Element::Bool => Kind::Bool,
            Element::ComplexFloat => Kind::ComplexFloat,
            Element::ComplexDouble => Kind::ComplexDouble,
        }
    }

    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Element::ComplexDouble => 16,
            Element::Double | Element::Long | Element::ComplexFloat => 8,
            Element::Float | Element::Int => 4,
            Element::Half | Element::BFloat16 | Element::Short => 2,
            Element::Char | Element::Byte | Element::Bool => 1,
        }
    }
}

/// Dictionaries inside dictionaries that names are collected from.
const DEEPEST: usize = 4;
/// More than any network has.
const MOST: usize = 100_000;

/// The tensors of a pickle by the path of their keys, `state_dict.conv1.weight`.
pub(super) fn named(pickle: &Pickle) -> Result<BTreeMap<String, Strided>, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<(String, Place, usize)> = vec![(String::new(), pickle.top, 0)];
    let mut looked_at = 0usize;
    while let Some((prefix, place, depth)) = waiting.pop() {
        let Value::Dict(entries) = &pickle.values[place] else { continue };
        for &(key, value) in entries {
            looked_at += 1;
            if looked_at > MOST {
                return Err(format!("it has more than {MOST} entries"));
            }
            let Value::Text(key) = &pickle.values[key] else { continue };
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match &pickle.values[value] {
                Value::Tensor(tensor) => {
                    found.insert(name, tensor.clone());
                }
                // What is no parameter may be of any type.
                Value::UnreadTensor(kind) if PARAMETERS.iter().any(|ending| name.ends_with(ending)) => {
                    return Err(unread(&name, kind));
                }
                Value::Dict(_) if depth < DEEPEST => waiting.push((name, value, depth + 1)),
                _ => {}
            }
        }
    }
    match (found.is_empty(), pickle.foreign.first()) {
        (false, _) => Ok(found),
        (true, Some(name)) => Err(format!(
            "it asks to run {name}, which is not done; save the state dict alone, torch.save(model.state_dict(), FILE)"
        )),
        (true, None) => {
            Err("it holds no tensors by name; save a state dict, torch.save(model.state_dict(), FILE)".to_owned())
        }
    }
}

/// A tensor of its own out of the bytes of its storage.
pub(super) fn tensor(bytes: &[u8], strided: &Strided) -> Result<Tensor, String> {
    let Strided { storage, offset, shape, strides, negated } = strided;
    if storage.count.checked_mul(storage.element.size()) != Some(bytes.len()) {
        return Err(format!(
            "its storage '{}' has {} bytes where {} values are due",
            storage.key,
            bytes.len(),
            storage.count
        ));
    }
    let outside = || format!("a tensor reaches beyond its storage '{}'", storage.key);
    let mut count = 1i64;
    let mut last = i64::try_from(*offset).map_err(|_| outside())?;
    for (&side, &stride) in shape.iter().zip(strides) {
        count = count.checked_mul(side).ok_or_else(outside)?;
        last = (side - 1).max(0).checked_mul(stride).and_then(|step| last.checked_add(step)).ok_or_else(outside)?;
    }
    // A tensor that repeats its storage is none of a network, and could be of any size.
    if count > storage.count as i64 || (count > 0 && last >= storage.count as i64) {
        return Err(outside());
    }
    if count == 0 {
        // The other sides may be of any length, which libtorch refuses.
        let nothing = Tensor::f_zeros(shape.as_slice(), (storage.element.kind(), tch::Device::Cpu));
        return nothing.map_err(|error| error.to_string());
    }
    let flat = Tensor::f_from_data_size(bytes, &[storage.count as i64], storage.element.kind());
    let part = flat.and_then(|flat| flat.f_as_strided(shape.as_slice(), strides.as_slice(), *offset as i64));
    let part = part.and_then(|part| if *negated { part.f_neg() } else { Ok(part) });
    part.map(|part| part.contiguous()).map_err(|error| error.to_string())
}
