//! What a listing must hold for what it is opened for, told from names and labels alone. How it is divided is in `listing.rs`.

use super::{Divided, Listed, Listing};
use crate::data::DataError;
use crate::data::drawn_split;
use crate::data::format::Format;
use crate::data::meant::Meant;
use crate::data::note::DataNote;
use crate::data::split::Split;

impl Listing {
    /// That there are images to train a classifier on, as far as can be told without decoding any.
    ///
    /// # Errors
    /// No image has a label, none is for training, or there is one class.
    pub fn require_labels(&self) -> Result<(), DataError> {
        self.require_a_label()?;
        let trains = |listed: &&Listed| !matches!(listed.split, Some(Split::Test | Split::Unlabeled));
        if !self.images.iter().filter(|listed| listed.label.is_some()).any(|listed| trains(&listed)) {
            let root = self.root.display();
            return Err(self.refused(format!(
                "{root} has labelled images for the test and none for training; add some, or give the folder that holds both"
            )));
        }
        self.refuse_one_class()
    }

    /// That an image has a label, whatever it is for.
    ///
    /// # Errors
    /// None has one.
    pub fn require_a_label(&self) -> Result<(), DataError> {
        if self.images.iter().any(|listed| listed.label.is_some()) {
            return Ok(());
        }
        let unknown = || format!("no image of {} has a label, and --data needs labelled ones", self.root.display());
        Err(self.refused(self.no_labels.as_ref().map_or_else(unknown, ToString::to_string)))
    }

    fn refused(&self, why: String) -> DataError {
        DataError::NoLabels(Meant::question(&self.root).unwrap_or(why))
    }

    /// That each class has so many labelled images to train on, as far as can be told without decoding any.
    ///
    /// # Errors
    /// The smallest class has fewer.
    pub(super) fn require_budget(&self, wanted: usize) -> Result<(), DataError> {
        let labelled = |split| self.images.iter().any(|listed| listed.label.is_some() && listed.split == Some(split));
        let (test, validation) = (labelled(Split::Test), labelled(Split::Validation));
        let trains = |listed: &Listed| match listed.split {
            Some(Split::Test | Split::Unlabeled) => false,
            Some(Split::Validation) => test,
            Some(Split::Train) | None => true,
        };
        let training: Vec<usize> = (0..self.images.len()).filter(|&index| trains(&self.images[index])).collect();
        let counts = self.count(&training);
        let Some((class, &count)) =
            counts.iter().enumerate().filter(|(_, count)| **count > 0).min_by_key(|(_, count)| **count)
        else {
            return Ok(());
        };
        if count < 2 && !test && !validation {
            // Nothing can be drawn from it, and `divide` says so.
            return Ok(());
        }
        // Of a test that is drawn, one image of the class is certain; copies may keep others out of it.
        let (possible, available) = match test || validation {
            true => (count, count),
            false => (count - 1, count - drawn_split::share(count)),
        };
        match wanted > possible {
            true => Err(DataError::BudgetTooLarge { class: self.class_names[class].clone(), available, wanted }),
            false => Ok(()),
        }
    }

    pub(super) fn refuse_one_class(&self) -> Result<(), DataError> {
        match self.class_names.as_slice() {
            [class] => Err(DataError::OneClass {
                path: self.root.clone(),
                class: class.clone(),
                hint: match (Meant::question(&self.root), self.format) {
                    (Some(question), _) => question,
                    (None, Format::ClassFolders) => {
                        let inner = self.root.join(class);
                        format!(
                            "give each class a folder; if the folders in {} are the classes, give that folder; if there \
                             are no labels, give it with --unlabeled",
                            inner.display()
                        )
                    }
                    _ => "add images of another one".into(),
                },
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_classes(&self, divided: &mut Divided) -> Result<(), DataError> {
        if divided.train.is_empty() && divided.test.is_empty() {
            return Ok(());
        }
        let (train, test) = (self.count(&divided.train), self.count(&divided.test));
        for ((class, &train), &test) in self.class_names.iter().zip(&train).zip(&test) {
            match (train, test) {
                (0, 1..) => {
                    return Err(DataError::ClassOnlyInTest {
                        path: self.root.clone(),
                        class: class.clone(),
                        images: test,
                    });
                }
                (0, 0) => divided.warnings.push(DataNote::ClassWithoutImage { class: class.clone() }),
                (_, 0) => divided.warnings.push(DataNote::ClassWithoutTest { class: class.clone() }),
                _ => {}
            }
        }
        Ok(())
    }
}
