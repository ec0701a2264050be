//! A saved train/test split: the lines of its file, and the images that they name. How a split is drawn and saved is in
//! `drawn_split`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::DataError;
use super::error::SavedSplitProblem;
use super::known_names::{KnownNames, Written, shortened};
use super::lines::Lines;
use super::names::composed;
use super::note::{DataNote, shown};
use super::split::Split;

/// The lines of a file, in their order.
pub(crate) struct SavedSplit {
    path: PathBuf,
    rows: Vec<Row>,
}

struct Row {
    line: u64,
    /// As it is written, but for the form of its letters.
    written: String,
    split: Split,
}

/// What the lines name among images.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Of each image that is named, by its place.
    pub splits: HashMap<usize, Split>,
    /// What names none, as it is written.
    pub gone: Vec<String>,
    /// Of it, for the test.
    pub gone_tests: usize,
    /// What of it would name an image, had it an ending or a folder.
    pub shortened: Shortened,
    /// How a name that is not an image's whole name was read.
    pub note: Option<DataNote>,
}

/// Names that lack the ending or the folder that others have.
#[derive(Debug, Default)]
pub(crate) struct Shortened {
    pub count: usize,
    /// The first: as it is written, and the image's.
    pub first: Option<(String, String)>,
}

impl SavedSplit {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not a name and `train` or `test`.
    pub fn read(path: &Path) -> Result<SavedSplit, DataError> {
        let text = std::fs::read(path).map_err(DataError::io("read", path))?;
        let mut saved = SavedSplit { path: path.to_path_buf(), rows: Vec::new() };
        let mut table = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_slice());
        let mut lines = Lines::new(&text);
        for (number, record) in table.records().enumerate() {
            let record = record.map_err(|error| {
                let line = lines.line_at(error.position().map_or(0, csv::Position::byte));
                saved.damaged(line, error.to_string())
            })?;
            let line = lines.line_at(record.position().map_or(0, csv::Position::byte));
            let cells: Vec<&str> = record.iter().collect();
            let (written, split) = match cells.as_slice() {
                ["path", "split"] if number == 0 => continue,
                _ if number == 0 => return Err(saved.damaged(line, "the header is not `path,split`".into())),
                [name, "train"] => (composed(name), Split::Train),
                [name, "test"] => (composed(name), Split::Test),
                _ => {
                    let problem = format!("`{}` is not a path and train or test", cells.join(","));
                    return Err(saved.damaged(line, problem));
                }
            };
            saved.rows.push(Row { line, written, split });
        }
        Ok(saved)
    }

    fn damaged(&self, line: u64, problem: String) -> DataError {
        SavedSplitProblem::Line { path: self.path.clone(), line, problem }.into()
    }

    /// What is written in its first line, and how many lines there are.
    pub fn sample(&self) -> (&str, usize) {
        (self.rows.first().map_or("", |row| row.written.as_str()), self.rows.len())
    }

    /// Names of test images, as they are written.
    pub fn written_tests(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter(|row| row.split == Split::Test).map(|row| row.written.as_str())
    }

    /// The image that each line names, among those in `folder`. As in tables of labels: where one is there as it is written, all are
    /// paths; otherwise names without ending or folder are looked for.
    ///
    /// # Errors
    /// A line may mean several images, or two that contradict each other mean one.
    pub fn among(&self, known: &KnownNames, folder: &Path) -> Result<Named, DataError> {
        let mut named = Named::default();
        let read: Vec<Option<Written>> = self.rows.iter().map(|row| Written::read(&row.written, folder).ok()).collect();
        let exact = |(row, read): (&Row, &Option<Written>)| {
            known.index_of(&row.written).or_else(|| match read {
                Some(Written::Within(name)) => known.index_of(name).or_else(|| known.but_for_capitals(name)),
                _ => None,
            })
        };
        let found: Vec<Option<usize>> = self.rows.iter().zip(&read).map(exact).collect();
        let as_written = found.iter().any(Option::is_some);
        let mut lines: HashMap<usize, &Row> = HashMap::new();
        for ((row, read), found) in self.rows.iter().zip(&read).zip(found) {
            let like = match (found, read) {
                (None, Some(written)) => known.like(written),
                _ => Vec::new(),
            };
            let searched = !(as_written && matches!(read, Some(Written::Within(_))));
            let image = match (found, like.as_slice()) {
                (Some(image), _) => Some(image),
                (None, &[only]) if searched => Some(only),
                (None, [_, _, ..]) if searched => {
                    let problem = format!(
                        "`{}` may mean {}; write the image's whole name",
                        shortened(&row.written),
                        known.describe(&like)
                    );
                    return Err(self.damaged(row.line, problem));
                }
                _ => None,
            };
            let Some(image) = image else {
                if let &[only] = like.as_slice() {
                    named.shortened.count += 1;
                    named.shortened.first.get_or_insert_with(|| (row.written.clone(), known.names()[only].clone()));
                }
                named.gone.push(row.written.clone());
                named.gone_tests += usize::from(row.split == Split::Test);
                continue;
            };
            let name = &known.names()[image];
            match lines.insert(image, row) {
                Some(first) if first.split != row.split => {
                    let problem = format!("{name} is for training and for the test; see line {}", first.line);
                    return Err(self.damaged(row.line, problem));
                }
                _ => {}
            }
            if *name != row.written && named.note.is_none() {
                let written = shortened(&row.written);
                named.note = Some(DataNote::FoundAs { table: shown(&self.path), written, name: name.clone() });
            }
            named.splits.insert(image, row.split);
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["cat/1.jpg", "cat/2.jpg", "dog/2.jpg", "dog/3.jpg"];

    fn among(lines: &str) -> Result<Named, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        std::fs::write(&path, format!("path,split\n{lines}")).unwrap();
        let known = KnownNames::of(NAMES.map(str::to_owned).to_vec());
        SavedSplit::read(&path).unwrap().among(&known, folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_in_another_form_are_found_where_none_is_whole() {
        for lines in ["1,test\ndog/3,train\n", "/disk/photos/cat/1.jpg,test\n./3.JPG,train\n"] {
            let named = among(lines).unwrap();
            assert_eq!(named.splits, [(0, Split::Test), (3, Split::Train)].into(), "{lines}");
            assert!(matches!(named.note, Some(DataNote::FoundAs { name, .. }) if name == "cat/1.jpg"));
            assert!(named.gone.is_empty());
        }
        let message = among("2,test\n").unwrap_err();
        assert!(
            message.contains("line 2: `2` may mean `cat/2.jpg` or `dog/2.jpg`; write the image's whole"),
            "{message}"
        );
    }

    #[test]
    fn beside_whole_names_shorter_ones_are_counted_and_not_guessed() {
        let named = among("cat/1.jpg,train\n3,test\n2,test\nx.jpg,train\n").unwrap();
        assert_eq!(named.splits, [(0, Split::Train)].into());
        assert_eq!((named.gone, named.gone_tests), (["3", "2", "x.jpg"].map(str::to_owned).to_vec(), 2));
        assert_eq!((named.shortened.count, named.shortened.first), (1, Some(("3".into(), "dog/3.jpg".into()))));
        assert_eq!(named.note, None);
    }

    #[test]
    fn one_image_has_one_split() {
        let message = among("cat/1.jpg,train\n./cat/1.jpg,test\n").unwrap_err();
        assert!(message.contains("line 3: cat/1.jpg is for training and for the test; see line 2"), "{message}");
        assert_eq!(among("cat/1.jpg,test\n./cat/1.jpg,test\n").unwrap().splits, [(0, Split::Test)].into());
    }
}
