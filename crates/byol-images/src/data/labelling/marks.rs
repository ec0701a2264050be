//! What can be said of an image, and steps from one saying to another.

use serde::{Deserialize, Serialize};

use super::table::Wanted;
use crate::data::split::Split;

/// The label of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// The class.
    pub class: String,
    /// What the image is for, where that is said.
    #[serde(default, with = "as_word", skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// What was answered of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing yet.
    #[default]
    Open,
    /// It is of a class. This stands in the table, all else in the journal alone.
    Label(Label),
    /// It is of none of the classes.
    None,
    /// It was passed over.
    Skipped,
}

/// What an answer changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The image's name within the table's folder.
    pub image: String,
    /// What was said of it before.
    pub before: Mark,
    /// What is said of it from then on.
    pub after: Mark,
    /// The split cell of the row without a label that the table had of it; absent where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bare: Option<String>,
}

/// Answers that were given together and are undone together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which it is, from 1.
    pub number: u64,
    /// Who gave them.
    pub by: String,
    /// Seconds since 1970.
    pub at: u64,
    /// What they changed.
    pub changes: Vec<Change>,
    /// The class that they gave another name, or made one with another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) renaming: Option<Renaming>,
}

/// A class gets another name, or becomes one with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Renaming {
    /// The name until then.
    pub from: String,
    /// The name from then on.
    pub to: String,
    /// All classes until then, in their order.
    pub before: Vec<String>,
}

impl Renaming {
    /// The classes with the new name: in the place of the old one, or where the other class stands.
    pub fn done(&self, classes: &mut Vec<String>) {
        match classes.iter().position(|class| *class == self.from) {
            Some(place) if classes.contains(&self.to) => drop(classes.remove(place)),
            Some(place) => classes[place] = self.to.clone(),
            None if classes.contains(&self.to) => {}
            None => classes.push(self.to.clone()),
        }
    }

    /// The classes with the old name in its place; others that have come since stay behind them, and those that have gone stay away.
    pub fn undone(&self, classes: &mut Vec<String>) {
        let later = classes.iter().filter(|class| !self.before.contains(class) && **class != self.to);
        let stays = |class: &&String| **class == self.from || classes.contains(class);
        *classes = self.before.iter().filter(stays).chain(later).cloned().collect();
    }
}

/// What others did to the table meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// Images that have a label now and had none.
    pub added: usize,
    /// Images that have another label now.
    pub changed: usize,
    /// Images that have no label any more.
    pub removed: usize,
}

impl Mark {
    /// The label, where it is one.
    pub fn label(&self) -> Option<&Label> {
        match self {
            Mark::Label(label) => Some(label),
            Mark::Open | Mark::None | Mark::Skipped => None,
        }
    }

    /// What the journal alone says with it.
    pub(super) fn beside_table(&self) -> Mark {
        match self {
            Mark::None | Mark::Skipped => self.clone(),
            Mark::Open | Mark::Label(_) => Mark::Open,
        }
    }
}

impl Change {
    /// What the row is to say with this mark.
    pub(super) fn wanted<'a>(&'a self, mark: &'a Mark) -> Wanted<'a> {
        Wanted { image: &self.image, label: mark.label(), bare: self.bare.as_deref() }
    }
}

/// Splits by their words.
mod as_word {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Split;

    pub fn serialize<S: Serializer>(split: &Option<Split>, to: S) -> Result<S::Ok, S::Error> {
        match split {
            Some(split) => to.serialize_str(split.word()),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Split>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.as_deref().and_then(Split::from_word))
    }
}
