//! What an image is for, and how folders, shards and tables say so.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the division of labelled images into training and test images comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataSplit {
    /// The data says it.
    #[default]
    Given,
    /// It was drawn, and is kept in this file.
    Drawn {
        /// The file, which later openings read.
        file: PathBuf,
    },
}

/// What an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// To train with.
    Train,
    /// To judge with.
    Test,
    /// The test split where there is no other; beside a test split its images are training images.
    Validation,
    /// To pre-train with; its labels, where there are any, are not read.
    Unlabeled,
}

impl Split {
    /// The words that stand for each split, in any case.
    pub(crate) const WORDS: &str = "train, test, val or unlabeled";

    /// The split that a folder's name or a table's cell means.
    pub(crate) fn from_word(word: &str) -> Option<Split> {
        match word.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "test" | "testing" | "holdout" => Some(Split::Test),
            "val" | "valid" | "validation" | "dev" | "eval" | "evaluation" => Some(Split::Validation),
            "unlabeled" | "unlabelled" => Some(Split::Unlabeled),
            _ => None,
        }
    }

    /// The split that a part of a name means, as in `seg_train`, `test1` or `valid-images`; a name may say so by chance
    /// (`bullet train`). None where parts mean different ones.
    pub(crate) fn from_part(name: &str) -> Option<Split> {
        let mut splits = name.split(|letter: char| !letter.is_alphabetic()).filter_map(Split::from_word);
        let first = splits.next()?;
        splits.all(|split| split == first).then_some(first)
    }

    /// Its name where splits are named.
    pub fn word(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Validation => "val",
            Split::Unlabeled => "unlabeled",
        }
    }

    /// The split that a shard's path within the data means: `train-00000-of-00002.parquet`, `test/000.tar`. The last
    /// part that names one decides.
    pub(crate) fn from_shard(path: &Path) -> Option<Split> {
        let mut parts = path.iter().rev().map(|part| part.to_string_lossy());
        let file = parts.next()?;
        file.split(|letter: char| !letter.is_alphabetic())
            .find_map(Split::from_word)
            .or_else(|| parts.find_map(|folder| Split::from_word(&folder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_name_their_split() {
        let split = |path: &str| Split::from_shard(Path::new(path));
        assert_eq!(split("data/train-00000-of-00002.parquet"), Some(Split::Train));
        assert_eq!(split("imagenet-validation-0003.tar"), Some(Split::Validation));
        assert_eq!(split("Test/000001.tar"), Some(Split::Test));
        assert_eq!(split("train/test-1.tar"), Some(Split::Test));
        assert_eq!(split("unlabelled.tar"), Some(Split::Unlabeled));
        assert_eq!(split("trainer/latest.tar"), None);
    }

    #[test]
    fn a_part_of_a_name_ends_where_its_letters_end() {
        for (name, split) in [
            ("seg_train", Some(Split::Train)),
            ("train2", Some(Split::Train)),
            ("test1", Some(Split::Test)),
            ("Valid-images", Some(Split::Validation)),
            ("dev", Some(Split::Validation)),
            ("holdout 3", Some(Split::Test)),
            ("trainer", None),
            ("device", None),
            ("train_test", None),
            ("contest", None),
        ] {
            assert_eq!(Split::from_part(name), split, "{name}");
        }
    }
}
