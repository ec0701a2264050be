//! Data sets put together in code, from image sources of one's own.

use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::split::DataSplit;
use super::{DataError, Dataset, Findings, Fingerprints, ImageSource, LabeledImages, UnlabeledImages};

/// Puts a [`Dataset`] together, split by split.
///
/// ```
/// # fn main() -> Result<(), byol_images::data::DataError> {
/// use byol_images::data::{Dataset, patterns};
///
/// let patterns = patterns::dataset();
/// let (train, pool) = (patterns.train.unwrap(), &patterns.unlabeled[0]);
/// let data = Dataset::builder("mine", patterns.class_names)
///     .train(train.images, train.labels)?
///     .unlabeled("drawn", pool.images.clone())
///     .build();
/// assert_eq!(data.pretraining_pool().len(), 2);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct DatasetBuilder {
    dataset: Dataset,
    fingerprint: Fingerprint,
}

impl Dataset {
    /// Begins a data set of one's own. The classes may be empty where nothing has labels.
    pub fn builder<C: Into<String>>(name: impl Into<String>, classes: impl IntoIterator<Item = C>) -> DatasetBuilder {
        let (name, class_names): (String, Vec<String>) = (name.into(), classes.into_iter().map(Into::into).collect());
        let mut fingerprint = Fingerprint::new("built");
        fingerprint.bytes(name.as_bytes());
        class_names.iter().for_each(|class| fingerprint.bytes(class.as_bytes()));
        let dataset = Dataset {
            name,
            class_names,
            train: None,
            test: None,
            unlabeled: Vec::new(),
            folds: None,
            fingerprint: String::new(),
            parts: Fingerprints::default(),
            notes: Vec::new(),
            warnings: Vec::new(),
            skipped: 0,
            no_labels: None,
            findings: Findings::default(),
            split: DataSplit::Given,
            kept_from_pretraining: Vec::new(),
            unsaved_split: None,
            unreadable: Vec::new(),
        };
        DatasetBuilder { dataset, fingerprint }
    }
}

impl DatasetBuilder {
    /// The labelled training images, with one class index for each.
    ///
    /// # Errors
    /// There are not as many labels as images, or a label is not among the classes.
    pub fn train(mut self, images: Arc<dyn ImageSource>, labels: Vec<u16>) -> Result<Self, DataError> {
        let (train, fingerprint) = self.labeled("train", images, labels)?;
        self.dataset.train = Some(train);
        self.dataset.parts.train = fingerprint;
        Ok(self)
    }

    /// The test images. Their labels are read when a trained classifier is judged, and never before.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn test(mut self, images: Arc<dyn ImageSource>, labels: Vec<u16>) -> Result<Self, DataError> {
        let (test, fingerprint) = self.labeled("test", images, labels)?;
        self.dataset.test = Some(test);
        self.dataset.parts.test = fingerprint;
        Ok(self)
    }

    /// Images to pre-train on; may be called several times.
    pub fn unlabeled(mut self, name: impl Into<String>, images: Arc<dyn ImageSource>) -> Self {
        let name = name.into();
        let pool = self.take_in(&name, images.as_ref(), &[]);
        self.dataset.parts.add_unlabeled(&pool);
        self.dataset.unlabeled.push(UnlabeledImages::new(name, images));
        self
    }

    /// The data set. Its fingerprint is that of the names, of the images' names, and of the labels: give images whose
    /// content has changed other names, so that a run is not resumed on them.
    #[must_use]
    pub fn build(self) -> Dataset {
        Dataset { fingerprint: self.fingerprint.finish(), ..self.dataset }
    }

    fn labeled(
        &mut self,
        split: &str,
        images: Arc<dyn ImageSource>,
        labels: Vec<u16>,
    ) -> Result<(LabeledImages, String), DataError> {
        if images.len() != labels.len() {
            let (what, value) = ("number of labels", labels.len().to_string());
            return Err(DataError::SplitSetting { what, value, expected: format!("{}, one per image", images.len()) });
        }
        let classes = self.dataset.class_names.len();
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
            return Err(DataError::UnknownClass { index, label: labels[index], classes });
        }
        let fingerprint = self.take_in(split, images.as_ref(), &labels);
        Ok((LabeledImages { images, labels }, fingerprint))
    }

    /// Takes images into the fingerprint of the whole; gives that of the part by itself.
    fn take_in(&mut self, split: &str, images: &dyn ImageSource, labels: &[u16]) -> String {
        let mut part = Fingerprint::new("built");
        for fingerprint in [&mut self.fingerprint, &mut part] {
            fingerprint.bytes(split.as_bytes());
            fingerprint.number(images.len() as u64);
            (0..images.len()).for_each(|index| fingerprint.bytes(images.name(index).as_bytes()));
            labels.iter().for_each(|&label| fingerprint.number(u64::from(label)));
        }
        part.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::patterns::{PatternOptions, dataset_with};

    fn labeled() -> LabeledImages {
        let options = PatternOptions { side: 32, train_per_class: 1, test_per_class: 1, unlabeled: 1 };
        dataset_with(options).train.unwrap()
    }

    #[test]
    fn labels_fit_images_and_classes() {
        let LabeledImages { images, labels } = labeled();
        let few = Dataset::builder("few", ["a", "b"]);
        let error = few.train(Arc::clone(&images), vec![0]).err().unwrap().to_string();
        assert_eq!(error, "number of labels is 1, expected 10, one per image");
        let error = Dataset::builder("few", ["a", "b"]).test(images, labels).err().unwrap().to_string();
        assert_eq!(error, "label 2 of image 2 is not among the 2 classes");
    }

    #[test]
    fn the_fingerprint_is_that_of_names_and_labels() {
        let fingerprint = |name: &str, swap: bool| {
            let LabeledImages { images, mut labels } = labeled();
            if swap {
                labels.swap(0, 1);
            }
            let classes: Vec<String> = (0..10).map(|class| class.to_string()).collect();
            Dataset::builder(name, classes).train(images, labels).unwrap().build().fingerprint
        };
        assert_eq!(fingerprint("a", false), fingerprint("a", false));
        assert_ne!(fingerprint("a", false), fingerprint("b", false));
        assert_ne!(fingerprint("a", false), fingerprint("a", true));
    }
}
