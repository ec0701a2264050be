//! The classes of labels that are given by hand: new ones, other names, two that become one.

use super::journal::Line;
use super::marks::Renaming;
use super::{Label, LabelFile, LabelFileError, Mark};
use crate::data::names::composed;

/// Letters of a class's name at most.
const LONGEST_NAME: usize = 200;
/// Classes at most: as many as labels count.
const MOST_CLASSES: usize = u16::MAX as usize;

impl LabelFile {
    /// Names a class that no image has yet.
    ///
    /// # Errors
    /// It cannot have the name; the journal cannot be written.
    pub fn add_class(&mut self, name: &str) -> Result<(), LabelFileError> {
        let name = composed(name.trim());
        Self::check_class(&name)?;
        let refused = |reason| Err(LabelFileError::ClassName { name: name.clone(), reason });
        if self.classes.contains(&name) {
            return Ok(());
        }
        if self.classes.len() >= MOST_CLASSES {
            return refused("there are as many classes as labels can count");
        }
        self.journal.append(&[Line::Class(name.clone())])?;
        self.know(name);
        Ok(())
    }

    /// Removes a class that no image has; of others nothing is removed.
    ///
    /// # Errors
    /// An image has it; the journal cannot be written.
    pub fn drop_class(&mut self, name: &str) -> Result<(), LabelFileError> {
        if self.table.labels().any(|(_, label)| label.class == name) {
            let reason = "images have it: give it another name, or make it one with another class";
            return Err(LabelFileError::ClassName { name: name.to_owned(), reason });
        }
        let line = Line::Dropped(name.to_owned());
        self.journal.append(std::slice::from_ref(&line))?;
        self.apply(line);
        Ok(())
    }

    /// Gives all images of a class another one: a new name, or that of a class that is there, with which it becomes one. It is one step,
    /// which can be undone, also where no image has the class. A new name takes the place, and the key, of the old one.
    ///
    /// # Errors
    /// The new name cannot be one; a file cannot be written.
    pub fn rename_class(&mut self, by: &str, from: &str, to: &str) -> Result<Option<u64>, LabelFileError> {
        let to = composed(to.trim());
        Self::check_class(&to)?;
        if from == to {
            return Ok(None);
        }
        let images = self.table.labels().filter(|(_, label)| label.class == from);
        let answers: Vec<(String, Mark)> =
            images.map(|(name, label)| (name.to_owned(), Mark::Label(Label { class: to.clone(), ..label }))).collect();
        let changes = self.changes(answers)?;
        if changes.is_empty() && !self.classes.iter().any(|class| class == from) {
            return Ok(None);
        }
        let renaming = Renaming { from: from.to_owned(), to, before: self.classes.clone() };
        self.take_step(by, changes, Some(renaming)).map(Some)
    }

    /// Refuses what cannot be the name of a class.
    ///
    /// # Errors
    /// It is empty or too long, begins or ends with a blank, or holds what a table would take for something else.
    pub fn check_class(name: &str) -> Result<(), LabelFileError> {
        let refused = |reason| Err(LabelFileError::ClassName { name: name.to_owned(), reason });
        match name {
            "" => refused("it is empty"),
            name if name.trim() != name => refused("it begins or ends with a blank"),
            name if name.chars().any(char::is_control) => refused("it has a line break or another control character"),
            name if name.chars().count() > LONGEST_NAME => refused("it is longer than 200 letters"),
            name if name.starts_with("{\"choices\"") => {
                refused("tables of Label Studio say by it that an image has several labels")
            }
            _ => Ok(()),
        }
    }
}
