//! What libtorch says about itself: its version, the instructions that its kernels use, and the file it came from.

use std::ffi::{CStr, OsString, c_char};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::{byol_configuration, byol_library};

/// How the libtorch that was loaded has been built, and what it uses here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `2.11.0`.
    pub version: Option<String>,
    /// The instruction set of its own kernels here: `AVX512`, `AVX2`, `DEFAULT`.
    pub instructions: Option<String>,
    /// The version of oneDNN, which multiplies and convolves on the CPU.
    pub onednn: Option<String>,
    /// The library of its CPU half.
    pub library: Option<PathBuf>,
}

/// Asks the libtorch that this program was loaded with.
pub fn about() -> About {
    // SAFETY: the call returns null or a C string that is ours.
    let text = unsafe { owned(byol_configuration()) }.unwrap_or_default();
    // SAFETY: likewise.
    let library = unsafe { owned(byol_library()) };
    let library = library.map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
    About { library, ..read(&String::from_utf8_lossy(&text)) }
}

/// Takes a C string over.
///
/// # Safety
/// The pointer is null, or that of a C string from `malloc` that nobody else has.
pub(crate) unsafe fn owned(text: *mut c_char) -> Option<Vec<u8>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: it is a C string.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes().to_vec();
    // SAFETY: it is ours, and came from `malloc`.
    unsafe { libc::free(text.cast()) };
    Some(bytes)
}

/// Reads what `torch.__config__.show()` prints in Python.
fn read(text: &str) -> About {
    let word = |after: &str| {
        let (_, rest) = text.split_once(after)?;
        let word = rest.split([' ', ',', '\n']).next()?;
        (!word.is_empty()).then(|| word.to_owned())
    };
    About {
        version: word("TORCH_VERSION="),
        instructions: word("CPU capability usage: "),
        onednn: word("MKL-DNN v"),
        library: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read() {
        let text = "PyTorch built with:\n  - Intel(R) MKL-DNN v3.7.1 (Git Hash 8d263e6)\n  - CPU capability usage: AVX512\n  \
                    - Build settings: BLAS_INFO=mkl, TORCH_VERSION=2.11.0, USE_CUDA=ON, \n";
        let expected = About {
            version: Some("2.11.0".into()),
            instructions: Some("AVX512".into()),
            onednn: Some("3.7.1".into()),
            library: None,
        };
        assert_eq!(read(text), expected);
        assert_eq!(read("TORCH_VERSION="), About::default());
    }

    #[test]
    fn the_loaded_library_is_named() {
        let About { version, library, .. } = about();
        assert!(version.is_some_and(|version| version.starts_with("2.")));
        let library = library.unwrap();
        assert!(library.is_file() && library.to_string_lossy().contains("torch_cpu"), "{}", library.display());
    }
}
