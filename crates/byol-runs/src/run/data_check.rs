//! What `byol data check` finds in labelled data. How it is found and how it is said are elsewhere.

use serde::{Deserialize, Serialize};

/// What was found in a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataCheck {
    /// What the data is called.
    pub data: String,
    /// Labelled images that were looked at.
    pub images: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How a classifier on the run's representations does on images whose labels it did not see; absent where there is one class alone.
    pub held_out: Option<HeldOut>,
    /// Most suspicious first.
    pub findings: Vec<Finding>,
    /// The program that looked.
    pub version: String,
}

/// Answers of a classifier for labels that it did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Answers that are the label.
    pub right: u64,
    /// All of them.
    pub images: u64,
    /// Whether that is not clearly better than answering without looking at an image, so that suspicions say little.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_better_than_guessing: bool,
}

/// A labelled image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledImage {
    /// Its place among all labelled images, the training images first.
    pub index: usize,
    /// Its name within the data.
    pub image: String,
    /// The class that it is given.
    pub class: String,
    /// Whether it is a test image by a division that came with the data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// One thing that is suspicious.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Images that are the same or look alike and have different labels.
    Contradiction {
        /// The images, two or more.
        images: Vec<LabelledImage>,
        /// Whether two of them with different labels have equal pixels; otherwise they look alike.
        exact: bool,
    },
    /// Images that are the same or look alike, in training and in test.
    InTrainAndTest {
        /// The images, two or more, of one class.
        images: Vec<LabelledImage>,
        /// Whether two of them in different parts have equal pixels.
        exact: bool,
    },
    /// An image whose label is probably wrong.
    WrongLabel {
        /// The image.
        image: LabelledImage,
        /// The class that it probably shows.
        likely: String,
        /// Probability of its label by a classifier that did not see it, 0-1.
        own_probability: f64,
        /// The same of the likely class.
        likely_probability: f64,
    },
    /// An image that is unlike all others.
    Outlier {
        /// The image.
        image: LabelledImage,
        /// Mean distance to its nearest images, as a multiple of the median of all.
        distance: f64,
    },
    /// Images of one class that are the same or look alike.
    Repeated {
        /// The images, two or more.
        images: Vec<LabelledImage>,
        /// Whether all have equal pixels.
        exact: bool,
    },
    /// Two classes that the classifier takes for each other.
    AlikeClasses {
        /// Their names.
        classes: [String; 2],
        /// Images of the two that were taken for the other of the two.
        mistaken: u64,
        /// Images of the two that were taken for one of the two.
        images: u64,
    },
    /// A class with too few images to judge or to learn it.
    SmallClass {
        /// Its name.
        class: String,
        /// Its labelled images.
        images: usize,
    },
}

impl Finding {
    /// As records and tables name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Finding::Contradiction { .. } => "contradiction",
            Finding::InTrainAndTest { .. } => "in_train_and_test",
            Finding::WrongLabel { .. } => "wrong_label",
            Finding::Outlier { .. } => "outlier",
            Finding::Repeated { .. } => "repeated",
            Finding::AlikeClasses { .. } => "alike_classes",
            Finding::SmallClass { .. } => "small_class",
        }
    }

    /// The images that it is about; none where it is about classes.
    pub fn images(&self) -> &[LabelledImage] {
        match self {
            Finding::Contradiction { images, .. }
            | Finding::InTrainAndTest { images, .. }
            | Finding::Repeated { images, .. } => images,
            Finding::WrongLabel { image, .. } | Finding::Outlier { image, .. } => std::slice::from_ref(image),
            Finding::AlikeClasses { .. } | Finding::SmallClass { .. } => &[],
        }
    }
}

impl Finding {
    /// As [`images`](Self::images), to be changed.
    pub fn images_mut(&mut self) -> &mut [LabelledImage] {
        match self {
            Finding::Contradiction { images, .. }
            | Finding::InTrainAndTest { images, .. }
            | Finding::Repeated { images, .. } => images,
            Finding::WrongLabel { image, .. } | Finding::Outlier { image, .. } => std::slice::from_mut(image),
            Finding::AlikeClasses { .. } | Finding::SmallClass { .. } => &mut [],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_a_finding_by_its_kind() {
        let finding = Finding::SmallClass { class: "newt".to_owned(), images: 2 };
        let text = serde_json::to_string(&finding).unwrap();
        assert_eq!(text, r#"{"kind":"small_class","class":"newt","images":2}"#);
        assert_eq!(serde_json::from_str::<Finding>(&text).unwrap(), finding);
        assert!(text.contains(finding.kind()) && finding.images().is_empty());
    }
}
