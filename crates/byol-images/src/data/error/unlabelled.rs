//! Why data that may have labels has none: an error where labels are needed, a note where they are not.

use serde::Serialize;
use thiserror::Error;

/// Why no image has a label, and how labels would be given.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
#[non_exhaustive]
pub enum Unlabelled {
    /// The folder is called `unlabeled` or alike, and is read as one pool whatever it holds.
    #[error(
        "{root} is read as images without labels because of its name, and --data needs a folder for each class \
         (docs/data.md); rename it if the folders in it are classes"
    )]
    ByName {
        /// The folder.
        root: String,
    },

    /// The folder holds images and no folders.
    #[error(
        "{root} has no class folders: --data needs a folder for each class (docs/data.md), or `path,label` in \
         {root}/labels.csv; images without labels are given with --unlabeled"
    )]
    NoClassFolders {
        /// The folder.
        root: String,
    },

    /// No column of a table is called as labels are.
    #[error(
        "{file} has no column of labels ({}); its columns are {columns}; rename the one that holds the labels",
        .known.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
    )]
    NoColumn {
        /// The table.
        file: String,
        /// The names under which labels are found.
        known: Vec<&'static str>,
        /// Its columns, as they are shown.
        columns: String,
    },

    /// With the most frequent endings of the members of samples.
    #[error(
        "no sample of {root} has a label: members end in {endings}{}; labels are looked for in .cls, .json (`label`, \
         `cls` or `class`) and .txt",
        if json_keys.is_empty() { String::new() } else { format!(", and the keys of .json are {}", json_keys.join(", ")) }
    )]
    NoSample {
        /// The archives.
        root: String,
        /// The endings, each with its dot, as they are shown.
        endings: String,
        /// The keys that members in JSON have, in alphabetical order.
        json_keys: Vec<String>,
    },
}
