//! Weights that can be named instead of a file: torchvision's residual networks, trained on ImageNet. Where they are, and
//! the settings that go with them.

use std::path::{Path, PathBuf};

use super::source::Settings;
use super::{IMAGENET, WeightsError};
use crate::config::{EncoderKind, StemKind};
use crate::data::fetch::{FetchOptions, NamedFile, fetch_file};
use crate::files::cache_folder;
use crate::model::EncoderConfig;

/// Where torchvision's weights are; the names of files are those of its `models/resnet.py` (0.26.0).
const SERVER: &str = "https://download.pytorch.org/models/";

/// Weights with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// In full: network, and torchvision's name of the weights.
    pub name: &'static str,
    /// Shorter names.
    pub aliases: &'static [&'static str],
    /// The file's name, whose last part is the beginning of its SHA-256, as PyTorch's `load_state_dict_from_url` has it.
    pub file: &'static str,
    /// The network that they are of.
    pub encoder: EncoderKind,
    /// Pixels to which torchvision resizes the shorter side of an image for their evaluation (its `Weights.transforms`).
    pub resize_size: usize,
    /// Side of the square that it then takes, and that they see.
    pub crop_size: usize,
}

/// All of them. `resnet50` is torchvision's `DEFAULT`; `imagenet` is the one that a CPU trains within hours.
pub const KNOWN: [Known; 4] = [
    Known {
        name: "resnet18.imagenet1k_v1",
        aliases: &["imagenet", "resnet18"],
        file: "resnet18-f37072fd.pth",
        encoder: EncoderKind::Resnet18,
        resize_size: 256,
        crop_size: 224,
    },
    Known {
        name: "resnet34.imagenet1k_v1",
        aliases: &["resnet34"],
        file: "resnet34-b627a593.pth",
        encoder: EncoderKind::Resnet34,
        resize_size: 256,
        crop_size: 224,
    },
    Known {
        name: "resnet50.imagenet1k_v1",
        aliases: &[],
        file: "resnet50-0676ba61.pth",
        encoder: EncoderKind::Resnet50,
        resize_size: 256,
        crop_size: 224,
    },
    Known {
        name: "resnet50.imagenet1k_v2",
        aliases: &["resnet50"],
        file: "resnet50-11ad3fa6.pth",
        encoder: EncoderKind::Resnet50,
        resize_size: 232,
        crop_size: 224,
    },
];

/// Every name, the short ones first.
pub fn names() -> Vec<&'static str> {
    let short = KNOWN.iter().flat_map(|known| known.aliases.iter().copied());
    short.chain(KNOWN.iter().map(|known| known.name)).collect()
}

/// The weights of that name.
pub fn by_name(name: &Path) -> Option<&'static Known> {
    let name = name.to_str()?;
    KNOWN.iter().find(|known| known.name == name || known.aliases.contains(&name))
}

/// Options to fetch into the user's cache with.
///
/// # Errors
/// Neither the environment nor the user's home names a cache.
pub fn options() -> Result<FetchOptions, WeightsError> {
    let folder = cache_folder().ok_or(WeightsError::NoCache)?;
    Ok(FetchOptions { url_option: "--weights-url", ..FetchOptions::new(folder.join("weights")) })
}

impl Known {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            form: Some(EncoderConfig::new(self.encoder, StemKind::Imagenet, 1.0)),
            normalization: Some(IMAGENET),
            image_size: Some(self.crop_size),
            evaluation_crop: Some(self.crop_size as f64 / self.resize_size as f64),
        }
    }

    fn named_file(&self) -> NamedFile {
        let digits = self.file.rsplit_once('-').and_then(|(_, rest)| rest.strip_suffix(".pth"));
        NamedFile {
            url: format!("{SERVER}{}", self.file),
            file_name: self.file.to_owned(),
            sha256_begins: digits.unwrap_or_default().to_owned(),
        }
    }

    /// The file in the folder of the options, downloaded unless it is there.
    ///
    /// # Errors
    /// It cannot be fetched, or is another file.
    pub fn fetch(&self, options: &FetchOptions) -> Result<PathBuf, WeightsError> {
        let fetched = fetch_file(&self.named_file(), options);
        fetched.map_err(|source| WeightsError::Fetch { name: self.name, source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_one_file_with_eight_digits() {
        let mut all = names();
        for name in &all {
            let file = by_name(Path::new(name)).unwrap().named_file();
            assert!(file.url.ends_with(&file.file_name) && file.url.starts_with("https://"), "{file:?}");
            let digits = file.sha256_begins;
            assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{name}: {digits}");
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), count), (8, 8));
        assert_eq!(by_name(Path::new("imagenet")), by_name(Path::new("resnet18")));
        assert_eq!(by_name(Path::new("resnet50")).unwrap().name, "resnet50.imagenet1k_v2");
        assert_eq!(by_name(Path::new("ImageNet")), None);
    }
}
