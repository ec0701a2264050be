//! Reading a pickled state dict without running anything that it asks for: the instructions that `torch.save` writes, and
//! of functions the ones that put tensors together. Objects of any other kind are passed over; what no checkpoint has a
//! reason to name is an error.

use std::collections::BTreeSet;

use super::functions::{self, Function, UnreadType};
use super::storage::Element;

/// A pickle is the list of a state dict's names and shapes; the numbers lie elsewhere.
pub(super) const LARGEST: usize = 64 << 20;
/// A value takes many times the memory of the byte that makes it; no state dict has nearly so many.
const MOST_VALUES: usize = 4 << 20;
/// Names of storages are copied with every tensor; `torch.save` writes numbers.
const LONGEST_KEY: usize = 256;

/// Where a value lies in [`Pickle::values`]. Values refer to each other by place, so that no nesting is deep for whoever
/// drops them.
pub(super) type Place = usize;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// None, a number with a point, an object of a kind that is passed over: nothing that a tensor depends on.
    Other,
    Truth(bool),
    Whole(i64),
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Function(Function),
    Storage(Storage),
    Tensor(Strided),
    /// A tensor of numbers that are not read.
    UnreadTensor(UnreadType),
}

/// A block of numbers in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub key: String,
    pub element: Element,
    pub count: usize,
}

/// A tensor as a part of a storage; sizes in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strided {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
    /// PyTorch's negation mark: the numbers have the other sign.
    pub negated: bool,
}

/// What a pickle holds.
#[derive(Debug)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
    pub top: Place,
    /// Bytes of it.
    pub length: usize,
    /// What it asks to run or to make that was passed over, by name.
    pub foreign: BTreeSet<String>,
}

/// Reads one pickle at the beginning of `bytes`.
///
/// # Errors
/// It is cut off, uses an instruction or names a function that is not admitted, or contradicts itself; in words.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, ..Machine::default() };
    loop {
        if machine.at > LARGEST {
            return Err(format!("its list of tensors is longer than {LARGEST} bytes"));
        }
        if machine.values.len() > MOST_VALUES {
            return Err(format!("its list of tensors has more than {MOST_VALUES} values"));
        }
        if machine.step()? {
            let top = machine.pop()?;
            let Machine { values, at: length, foreign, .. } = machine;
            return Ok(Pickle { values, top, length, foreign });
        }
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Option<Place>>,
    foreign: BTreeSet<String>,
}

impl Machine<'_> {
    /// Does one instruction; true at the end.
    fn step(&mut self) -> Result<bool, String> {
        let [instruction] = self.array()?;
        match instruction {
            b'.' => return Ok(true),
            // PROTO and FRAME.
            0x80 => {
                let [version] = self.array()?;
                if version > 5 {
                    return Err(format!("it is a pickle of protocol {version}"));
                }
            }
            0x95 => {
                self.array::<8>()?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            // A set, empty or frozen, is a list here.
            b']' | b')' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::Sequence(items));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(instruction - 0x84)).ok_or_else(empty)?;
                let items = self.stack.split_off(from);
                self.push(Value::Sequence(items));
            }
            // Texts.
            0x8c => {
                let [length] = self.array()?;
                self.text(usize::from(length))?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.text(length)?;
            }
            0x8d => {
                let length = self.long_length()?;
                self.text(length)?;
            }
            // Bytes.
            b'C' => {
                let [length] = self.array()?;
                self.skip(usize::from(length))?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.skip(length)?;
            }
            0x8e | 0x96 => {
                let length = self.long_length()?;
                self.skip(length)?;
            }
            // Numbers, truth values, None.
            b'K' => {
                let [number] = self.array()?;
                self.push(Value::Whole(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Whole(number.into()));
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Whole(number.into()));
            }
            0x8a => {
                let [length] = self.array()?;
                let bytes = self.take(usize::from(length))?;
                // PyTorch's old format begins with a number of ten bytes; only whether it fits matters.
                let value = match bytes {
                    [] => Value::Whole(0),
                    bytes if bytes.len() <= 8 => {
                        let fill = if bytes[bytes.len() - 1] & 0x80 == 0 { 0 } else { 0xff };
                        let mut whole = [fill; 8];
                        whole[..bytes.len()].copy_from_slice(bytes);
                        Value::Whole(i64::from_le_bytes(whole))
                    }
                    _ => Value::Other,
                };
                self.push(value);
            }
            b'G' => {
                self.array::<8>()?;
                self.push(Value::Other);
            }
            b'N' => self.push(Value::Other),
            0x88 | 0x89 => self.push(Value::Truth(instruction == 0x88)),
            // The memo.
            b'q' => {
                let [index] = self.array()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?) as usize;
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let [index] = self.array()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?) as usize;
                self.recall(index)?;
            }
            // Filling lists and dictionaries.
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(items)?;
            }
            // Functions.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.function(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (&self.values[module], &self.values[name]) else {
                    return Err("it names a function by something that is no text".to_owned());
                };
                let (module, name) = (module.clone(), name.clone());
                self.function(&module, &name)?;
            }
            b'R' => self.call()?,
            // A new object of a class, in one form with named arguments.
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            0x81 => self.call()?,
            b'Q' => self.storage()?,
            b'b' => {
                // The attributes of a dictionary or a parameter change no number.
                self.pop()?;
                let object = *self.stack.last().ok_or_else(empty)?;
                if !matches!(
                    self.values[object],
                    Value::Dict(_) | Value::Tensor(_) | Value::UnreadTensor(_) | Value::Other
                ) {
                    return Err("it gives attributes to something that has none".to_owned());
                }
            }
            other => {
                return Err(format!("it uses the pickle instruction 0x{other:02x}, which a state dict does not need"));
            }
        }
        Ok(false)
    }

    fn function(&mut self, module: &str, name: &str) -> Result<(), String> {
        let function = functions::find(module, name)?;
        if function == Function::PassedOver && !functions::is_plain(module, name) {
            self.foreign.insert(format!("{module}.{name}"));
        }
        self.push(Value::Function(function));
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or("it is cut off")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a name in it is not UTF-8")?.to_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn long_length(&mut self) -> Result<usize, String> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| "it is cut off".to_owned())
    }

    /// Bytes that nothing depends on.
    fn skip(&mut self, length: usize) -> Result<(), String> {
        self.take(length)?;
        self.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length =
            rest.iter().take(256).position(|&byte| byte == b'\n').ok_or("it names a function without an end")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Place, String> {
        // What lies below a mark belongs to whoever set it.
        match self.marks.last() {
            Some(&mark) if self.stack.len() <= mark => Err(empty()),
            _ => self.stack.pop().ok_or_else(empty),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.marks.pop().ok_or("it ends a list that it never began")?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err(empty()),
        }
    }

    fn remember(&mut self, index: usize) -> Result<(), String> {
        let place = *self.stack.last().ok_or_else(empty)?;
        // `torch.save` numbers in order, so a number far beyond is none of its.
        if index > self.memo.len() + 1 {
            return Err("it remembers a value out of order".to_owned());
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(place);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), String> {
        let place = self.memo.get(index).copied().flatten().ok_or("it recalls a value that it never remembered")?;
        self.stack.push(place);
        Ok(())
    }

    fn extend(&mut self, items: Vec<Place>) -> Result<(), String> {
        let list = *self.stack.last().ok_or_else(empty)?;
        match &mut self.values[list] {
            Value::Sequence(list) => list.extend(items),
            Value::Other => {}
            _ => return Err("it adds to something that is no list".to_owned()),
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Place>) -> Result<(), String> {
        let dict = *self.stack.last().ok_or_else(empty)?;
        match &mut self.values[dict] {
            Value::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            Value::Other => Ok(()),
            _ => Err("it sets a key of something that is no dictionary".to_owned()),
        }
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Sequence(arguments), Value::Function(function)) = (&self.values[arguments], &self.values[function])
        else {
            return match &self.values[function] {
                // What an object that was passed over would give.
                Value::Other | Value::Function(Function::PassedOver) => {
                    self.push(Value::Other);
                    Ok(())
                }
                _ => Err("it calls something that is no function".to_owned()),
            };
        };
        let value = match (function, arguments.as_slice()) {
            (Function::PassedOver, _) => Value::Other,
            // Python 2 gave the entries here.
            (Function::Dict, &[entries]) => self.dict(entries),
            (Function::Dict, _) => Value::Dict(Vec::new()),
            // Of a type that is not read.
            (Function::RebuildTensor, &[storage, ..]) if self.values[storage] == Value::Other => Value::Other,
            (Function::RebuildTensor, &[storage, offset, shape, strides, ref more @ ..]) => {
                // Requires a gradient, hooks, marks.
                let marks = more.get(2).map(|&marks| &self.values[marks]);
                let tensor = self.rebuild(storage, offset, shape, strides)?;
                Value::Tensor(Strided { negated: self.is_negated(marks), ..tensor })
            }
            // Storage, offset, shape, strides, whether it requires a gradient, hooks, type.
            (Function::RebuildTyped, &[_, _, _, _, _, _, kind, ..]) => Value::UnreadTensor(match self.values[kind] {
                Value::Function(Function::UnreadType(name)) => UnreadType::Named(name),
                _ => UnreadType::Unknown,
            }),
            (Function::RebuildQuantised, _) => Value::UnreadTensor(UnreadType::Quantised),
            (Function::RebuildParameter, &[tensor, ..]) => match &self.values[tensor] {
                Value::Tensor(tensor) => Value::Tensor(tensor.clone()),
                Value::UnreadTensor(kind) => Value::UnreadTensor(*kind),
                Value::Other => Value::Other,
                _ => return Err("a parameter in it is made of no tensor".to_owned()),
            },
            _ => return Err("it calls a function with arguments that it does not take".to_owned()),
        };
        self.push(value);
        Ok(())
    }

    fn rebuild(&self, storage: Place, offset: Place, shape: Place, strides: Place) -> Result<Strided, String> {
        let wrong = || "a tensor in it is put together from wrong parts".to_owned();
        let whole = |place: &Place| match self.values[*place] {
            Value::Whole(number) if number >= 0 => Ok(number),
            _ => Err(wrong()),
        };
        let numbers = |place: Place| match &self.values[place] {
            Value::Sequence(items) => items.iter().map(whole).collect::<Result<Vec<i64>, _>>(),
            _ => Err(wrong()),
        };
        let Value::Storage(storage) = &self.values[storage] else { return Err(wrong()) };
        let offset = usize::try_from(whole(&offset)?).map_err(|_| wrong())?;
        let (shape, strides) = (numbers(shape)?, numbers(strides)?);
        if shape.len() != strides.len() || shape.len() > 8 {
            return Err(wrong());
        }
        Ok(Strided { storage: storage.clone(), offset, shape, strides, negated: false })
    }

    fn dict(&self, entries: Place) -> Value {
        let Value::Sequence(entries) = &self.values[entries] else { return Value::Dict(Vec::new()) };
        let pair = |&entry: &Place| match &self.values[entry] {
            Value::Sequence(pair) => <[Place; 2]>::try_from(pair.as_slice()).ok(),
            _ => None,
        };
        Value::Dict(entries.iter().filter_map(pair).map(|[key, value]| (key, value)).collect())
    }

    /// Whether the marks of a tensor say that its numbers are to be taken with the other sign.
    fn is_negated(&self, marks: Option<&Value>) -> bool {
        let Some(Value::Dict(marks)) = marks else { return false };
        marks.iter().any(|&(key, value)| {
            self.values[key] == Value::Text("neg".to_owned()) && self.values[value] == Value::Truth(true)
        })
    }

    /// A persistent identifier: `("storage", type, key, location, count)`, in the old format with a view of it.
    fn storage(&mut self) -> Result<(), String> {
        let wrong = || "it refers to something outside that is no storage".to_owned();
        let identifier = self.pop()?;
        let Value::Sequence(parts) = &self.values[identifier] else { return Err(wrong()) };
        let parts: Vec<&Value> = parts.iter().map(|&part| &self.values[part]).collect();
        let storage = match parts.as_slice() {
            // A storage of a type that is not read, or the source text of a class.
            [Value::Text(kind), Value::Function(Function::PassedOver), ..] if kind == "storage" || kind == "module" => {
                self.push(Value::Other);
                return Ok(());
            }
            [
                Value::Text(kind),
                Value::Function(Function::StorageType(element)),
                Value::Text(key),
                Value::Text(_),
                Value::Whole(count),
                view @ ..,
            ] if kind == "storage" && key.len() <= LONGEST_KEY && matches!(view, [] | [Value::Other]) => {
                let count = usize::try_from(*count).map_err(|_| wrong())?;
                Storage { key: key.clone(), element: *element, count }
            }
            _ => return Err(wrong()),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }
}

fn empty() -> String {
    "it takes a value where there is none".to_owned()
}
