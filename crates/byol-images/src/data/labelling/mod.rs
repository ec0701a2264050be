//! Labels that are given by hand, kept so that none is lost: a table in the form that `--data` reads (a CSV file with a row for each
//! labelled image), and beside it a journal of the answers. The table is the truth about labels: it can be edited by others meanwhile,
//! and what it says counts. The journal knows the order of the answers, for undoing, and what a table cannot say.
//!
//! Which image is labelled next, and who asks, is not here.

mod classes;
mod error;
mod journal;
mod marks;
mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::names::composed;
use super::table::is_table;
use super::{DataError, labels_csv};
use journal::{Journal, Line, Serving};
use marks::Renaming;
use table::{Table, Wanted};

pub use error::LabelFileError;
pub use marks::{Change, Edited, Label, Mark, Step};

/// A table of labels with its journal, open for answers; one process has it at a time.
#[derive(Debug)]
pub struct LabelFile {
    table: Table,
    journal: Journal,
    steps: Vec<Step>,
    undone: HashSet<u64>,
    /// What the journal alone knows of images.
    aside: HashMap<String, Mark>,
    /// In the order in which they came.
    classes: Vec<String>,
    points: Vec<serde_json::Value>,
}

impl LabelFile {
    /// Where labels of a folder's images are kept unless something else is said: `labels.csv` in it.
    pub fn beside(images: &Path) -> PathBuf {
        images.join(labels_csv::TABLE)
    }

    /// What names of images in the table begin with: the path from the table's folder to that of the images, with `/` at its end, or
    /// nothing where they are the same.
    ///
    /// # Errors
    /// The images lie elsewhere, or the table ends with neither `.csv` nor `.tsv`.
    pub fn prefix(table: &Path, images: &Path) -> Result<String, LabelFileError> {
        if !is_table(table) || table.extension().is_some_and(|end| end.eq_ignore_ascii_case("jsonl")) {
            return Err(LabelFileError::NotCsv { path: table.to_path_buf() });
        }
        let whole = |path: &Path| path.canonicalize().map_err(DataError::io("find", path));
        let (folder, images_folder) = (whole(labels_csv::folder_of(table))?, whole(images)?);
        let within = images_folder.strip_prefix(&folder);
        let elsewhere = |_| LabelFileError::Elsewhere { path: table.to_path_buf(), images: images.to_path_buf() };
        let parts: Vec<String> =
            within.map_err(elsewhere)?.iter().map(|part| composed(&part.to_string_lossy())).collect();
        Ok(parts.iter().map(|part| format!("{part}/")).collect())
    }

    /// Opens the table for answers, and its journal. Neither need be there; the table is made with the first label.
    ///
    /// # Errors
    /// Another process has it open; it cannot be read; its labels are in several columns.
    pub fn open(path: &Path) -> Result<LabelFile, LabelFileError> {
        // A link leads to the file that is meant.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let (journal, lines) = Journal::open(path)?;
        let last = lines.iter().rev().find_map(|line| match line {
            Line::Step(step) => Some(step.changes.as_slice()),
            _ => None,
        });
        let last: Vec<(&str, &Label)> = last
            .unwrap_or_default()
            .iter()
            .filter_map(|change| Some((change.image.as_str(), change.after.label()?)))
            .collect();
        let table = Table::open(path, &last)?;
        let (aside, classes, points) = (HashMap::new(), Vec::new(), Vec::new());
        let mut file = LabelFile { table, journal, steps: Vec::new(), undone: HashSet::new(), aside, classes, points };
        lines.into_iter().for_each(|line| file.apply(line));
        file.know_classes();
        Ok(file)
    }

    /// What a line of the journal means beside what the table says.
    fn apply(&mut self, line: Line) {
        match line {
            Line::Step(step) => {
                if let Some(renaming) = &step.renaming {
                    renaming.done(&mut self.classes);
                }
                for change in &step.changes {
                    self.know_of(&change.after);
                    self.put(&change.image, &change.after);
                }
                self.steps.push(step);
            }
            Line::Undone { step: number, .. } => {
                let step = self.steps.iter().find(|step| step.number == number).cloned();
                if let Some(renaming) = step.as_ref().and_then(|step| step.renaming.as_ref()) {
                    renaming.undone(&mut self.classes);
                }
                for change in step.map(|step| step.changes).unwrap_or_default() {
                    self.know_of(&change.before);
                    // What the table says is known there.
                    if self.aside.get(&change.image).cloned().unwrap_or_default() == change.after.beside_table() {
                        self.put(&change.image, &change.before);
                    }
                }
                self.undone.insert(number);
            }
            Line::Class(name) => self.know(name),
            Line::Renamed { from, to } => Renaming { from, to, before: Vec::new() }.done(&mut self.classes),
            Line::Dropped(name) => self.classes.retain(|class| *class != name),
            Line::Point(point) => self.points.push(point),
            Line::Serving(_) => {}
        }
    }

    fn put(&mut self, image: &str, mark: &Mark) {
        match mark {
            Mark::None | Mark::Skipped => self.aside.insert(image.to_owned(), mark.clone()),
            Mark::Open | Mark::Label(_) => self.aside.remove(image),
        };
    }

    fn know(&mut self, class: String) {
        if !self.classes.contains(&class) {
            self.classes.push(class);
        }
    }

    fn know_of(&mut self, mark: &Mark) {
        if let Mark::Label(label) = mark {
            self.know(label.class.clone());
        }
    }

    /// Those of the table too.
    fn know_classes(&mut self) {
        let mut names: Vec<String> = self.table.labels().map(|(_, label)| label.class).collect();
        names.sort();
        names.dedup();
        names.into_iter().for_each(|name| self.know(name));
    }

    /// The table.
    pub fn path(&self) -> &Path {
        self.table.path()
    }

    /// Whether the table has a column that says which split an image is of.
    pub fn has_splits(&self) -> bool {
        self.table.has_splits()
    }

    /// The classes, in the order in which they came.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// All labels of the table by the names of images.
    pub fn labels(&self) -> BTreeMap<String, Label> {
        self.table.labels().map(|(name, label)| (name.to_owned(), label)).collect()
    }

    /// What is said of an image.
    pub fn mark(&self, image: &str) -> Mark {
        match self.table.label(image) {
            Some(label) => Mark::Label(label),
            None => self.aside.get(image).cloned().unwrap_or_default(),
        }
    }

    /// Whether the table can name an image.
    pub fn can_name(&self, image: &str) -> bool {
        self.table.can_name(image)
    }

    /// Takes in what others changed in the table; what that was, where it was anything.
    ///
    /// # Errors
    /// The table is not there any more, or cannot be read as it is now. What was known stays until it can be.
    pub fn refresh(&mut self) -> Result<Option<Edited>, LabelFileError> {
        if !self.table.is_other()? {
            return Ok(None);
        }
        let before = self.labels();
        self.table.refresh()?;
        self.know_classes();
        let now = self.labels();
        let mut edited =
            Edited { removed: before.keys().filter(|image| !now.contains_key(*image)).count(), ..Edited::default() };
        for (image, label) in &now {
            match before.get(image) {
                None => edited.added += 1,
                Some(earlier) => edited.changed += usize::from(earlier != label),
            }
        }
        Ok((edited != Edited::default()).then_some(edited))
    }

    /// Records answers, on disk before it returns; all of them or none. Gives the step's number; nothing where they change nothing.
    ///
    /// # Errors
    /// A file cannot be written, a class cannot have its name, or the table cannot name an image.
    pub fn answer(&mut self, by: &str, answers: Vec<(String, Mark)>) -> Result<Option<u64>, LabelFileError> {
        let changes = self.changes(answers)?;
        match changes.is_empty() {
            true => Ok(None),
            false => self.take_step(by, changes, None).map(Some),
        }
    }

    /// What answers change; none of them is written.
    fn changes(&self, answers: Vec<(String, Mark)>) -> Result<Vec<Change>, LabelFileError> {
        let mut changes = Vec::new();
        for (image, mut after) in answers {
            let before = self.mark(&image);
            if let Mark::Label(label) = &mut after {
                Self::check_class(&label.class)?;
                if !self.table.can_name(&image) {
                    return Err(LabelFileError::ImageName { image });
                }
                label.split = label.split.filter(|_| self.has_splits());
            }
            if !self.is_as_said(&before, &after) {
                let bare = self.table.bare(&image).map(str::to_owned);
                changes.push(Change { image, before, after, bare });
            }
        }
        Ok(changes)
    }

    /// Records a step, on disk before it returns, and gives its number.
    fn take_step(&mut self, by: &str, changes: Vec<Change>, renaming: Option<Renaming>) -> Result<u64, LabelFileError> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = self.steps.last().map_or(1, |step| step.number + 1);
        let step = Step { number, by: by.to_owned(), at, changes, renaming };
        self.journal.append(&[Line::Step(step.clone())])?;
        let wanted: Vec<Wanted<'_>> = step.changes.iter().map(|change| change.wanted(&change.after)).collect();
        let written = self.table.write(&wanted);
        self.apply(Line::Step(step));
        if let Err(error) = written {
            // The journal says it and the table does not: such a step is none. That it is so is said where it can be.
            let undone = Line::Undone { step: number, by: by.to_owned() };
            let _ = self.journal.append(std::slice::from_ref(&undone));
            self.apply(undone);
            return Err(error);
        }
        Ok(number)
    }

    /// Whether a mark is this one; of tables without splits the class counts.
    fn is_as_said(&self, mark: &Mark, said: &Mark) -> bool {
        match (mark, said) {
            (Mark::Label(mark), Mark::Label(said)) => {
                mark.class == said.class && (mark.split == said.split || !self.has_splits())
            }
            _ => mark == said,
        }
    }

    /// Undoes the last step among those that `may` be undone by who gave them; what it changed, with `before` and `after` as they were
    /// given. Changes that others have changed since stay. Nothing where no step is left.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn undo(&mut self, by: &str, may: impl Fn(&str) -> bool) -> Result<Option<Vec<Change>>, LabelFileError> {
        let Some(place) = self.undoable(&may) else { return Ok(None) };
        let step = self.steps[place].clone();
        let changes: Vec<Change> = step
            .changes
            .into_iter()
            .filter(|change| self.is_as_said(&self.mark(&change.image), &change.after))
            .collect();
        let wanted: Vec<Wanted<'_>> = changes.iter().map(|change| change.wanted(&change.before)).collect();
        let undone = Line::Undone { step: step.number, by: by.to_owned() };
        if changes.iter().all(|change| change.after.label().is_none() && change.before.label().is_none()) {
            self.journal.append(std::slice::from_ref(&undone))?;
        } else {
            self.table.write(&wanted)?;
            // The table is as it was, so the step has no effect any more, whether the journal can say so or not.
            let _ = self.journal.append(std::slice::from_ref(&undone));
        }
        self.apply(undone);
        if step.renaming.is_some() {
            // Images that others gave the new name keep it.
            self.know_classes();
        }
        Ok(Some(changes))
    }

    fn undoable(&self, may: impl Fn(&str) -> bool) -> Option<usize> {
        let stands = |change: &Change| self.is_as_said(&self.mark(&change.image), &change.after);
        let has_effect = |step: &Step| match &step.renaming {
            Some(renaming) if step.changes.is_empty() => self.classes.contains(&renaming.to),
            _ => step.changes.iter().any(stands),
        };
        self.steps.iter().rposition(|step| !self.undone.contains(&step.number) && may(&step.by) && has_effect(step))
    }

    /// Whether a step is left that can be undone by who `may`.
    pub fn can_undo(&self, may: impl Fn(&str) -> bool) -> bool {
        self.undoable(may).is_some()
    }

    /// Records at which address answers are taken, for whoever comes second.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn serving(&mut self, address: &str) -> Result<(), LabelFileError> {
        self.journal.append(&[Line::Serving(Serving { address: address.to_owned(), process: std::process::id() })])
    }

    /// What was recorded with [`LabelFile::record`].
    pub fn points(&self) -> &[serde_json::Value] {
        &self.points
    }

    /// Keeps a value in the journal.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn record(&mut self, point: serde_json::Value) -> Result<(), LabelFileError> {
        self.journal.append(&[Line::Point(point.clone())])?;
        self.points.push(point);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
