//! What a pickle may name: the functions that put tensors together, what is passed over, and what is refused.

use std::fmt;

use super::storage::Element;

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Dict,
    RebuildTensor,
    /// Of a type that PyTorch's old classes of storages do not have.
    RebuildTyped,
    RebuildQuantised,
    RebuildParameter,
    UnreadType(&'static str),
    StorageType(Element),
    /// Anything else: it gives nothing that a tensor depends on.
    PassedOver,
}

/// A type of numbers that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnreadType {
    Named(&'static str),
    Quantised,
    /// Of a later PyTorch.
    Unknown,
}

impl fmt::Display for UnreadType {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            UnreadType::Named(name) => write!(formatter, "type {name}"),
            UnreadType::Quantised => formatter.write_str("a quantised type"),
            UnreadType::Unknown => formatter.write_str("a type that is not known here"),
        }
    }
}

/// Types that tensors are saved with in another way, because PyTorch's old classes of storages do not have them, and that are
/// not read (PyTorch's `storage._new_dtypes`).
const UNREAD: [&str; 10] = [
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
    "complex32",
    "uint16",
    "uint32",
    "uint64",
];

fn unread(name: &str) -> Option<&'static str> {
    UNREAD.iter().find(|known| **known == name).copied()
}

/// Modules that no checkpoint has a reason to name: whoever loads such a file elsewhere runs what it asks for.
const HOSTILE: [&str; 16] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "importlib",
    "runpy",
    "socket",
    "shutil",
    "webbrowser",
    "pty",
    "ctypes",
    "code",
    "timeit",
    "pickle",
    "commands",
];
const HOSTILE_BUILTINS: [&str; 7] = ["eval", "exec", "compile", "open", "getattr", "__import__", "input"];

/// The function of that name. None is run; those that put tensors together are done here.
///
/// # Errors
/// No weights have a reason to name it; in words.
pub(super) fn find(module: &str, name: &str) -> Result<Function, String> {
    let top = module.split('.').next().unwrap_or_default();
    match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") => Ok(Function::Dict),
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Ok(Function::RebuildTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Ok(Function::RebuildParameter),
        ("torch._utils", "_rebuild_tensor_v3") => Ok(Function::RebuildTyped),
        ("torch._utils", "_rebuild_qtensor") => Ok(Function::RebuildQuantised),
        ("torch", name) if unread(name).is_some() => Ok(Function::UnreadType(unread(name).unwrap_or_default())),
        ("torch", storage) if Element::of_storage(storage).is_some() => {
            Ok(Function::StorageType(Element::of_storage(storage).unwrap_or(Element::Float)))
        }
        _ if HOSTILE.contains(&top) || is_builtin(top) && HOSTILE_BUILTINS.contains(&name) => Err(format!(
            "it asks to run {module}.{name}, which is not done and which no weights need; do not load it elsewhere"
        )),
        _ => Ok(Function::PassedOver),
    }
}

fn is_builtin(module: &str) -> bool {
    matches!(module, "builtins" | "__builtin__")
}

/// Whether what it holds needs no word where it is passed over: sets, sizes, devices, types of numbers, and the class of the bytes
/// under a tensor.
pub(super) fn is_plain(module: &str, name: &str) -> bool {
    is_builtin(module)
        || matches!(module, "torch" | "collections" | "_codecs")
        || (module, name) == ("torch.storage", "UntypedStorage")
}
