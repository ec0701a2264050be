//! Files that look like images and are not read: their kinds, and what can be done with them. Errors and notes say it in these words.

use serde::Serialize;
use thiserror::Error;

/// What can be done with files that are not read.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRemedy {
    /// Camera raw files.
    #[error("develop camera raw files into JPEG or TIFF")]
    Develop,

    /// Files of formats that are not decoded here: convert them to PNG or JPEG.
    #[error("convert {} to PNG or JPEG", kinds.join(", "))]
    Convert {
        /// Extensions, each with its dot.
        kinds: Vec<String>,
    },

    /// Videos.
    #[error("take single frames out of videos")]
    TakeFrames,

    /// Files without an extension.
    #[error("give files without an extension one, such as .jpg")]
    NameThem,
}

impl FileRemedy {
    /// Several, one after the other.
    #[doc(hidden)]
    pub fn all(remedies: &[FileRemedy]) -> String {
        remedies.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// `8 .CR2, 1 without an extension`, of extensions with their dots and how many files there are of each.
#[doc(hidden)]
pub fn counted_kinds(kinds: &[(String, usize)]) -> String {
    let kinds = kinds.iter().map(|(name, count)| match name.as_str() {
        "" => format!("{count} without an extension"),
        name => format!("{count} {name}"),
    });
    kinds.collect::<Vec<_>>().join(", ")
}
