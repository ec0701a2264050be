//! The table that answers are written to: a row is appended, changed or removed, and every other byte of the file stays as it is. Which
//! answers may be given is not here.

use std::collections::HashMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Label, LabelFileError};
use crate::data::DataError;
use crate::data::known_names::Written;
use crate::data::labels_csv::folder_of;
use crate::data::labels_csv::stated::stated;
use crate::data::split::Split;
use crate::files;

/// The first line of a table that is made here.
const HEADER: [&str; 3] = ["path", "label", "split"];
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A table of labels in memory and on disk.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    folder: PathBuf,
    bytes: Vec<u8>,
    layout: Layout,
    rows: Vec<Row>,
    by_name: HashMap<String, usize>,
    stamp: Option<Stamp>,
}

/// How its rows are written.
#[derive(Clone, Debug)]
struct Layout {
    delimiter: u8,
    columns: usize,
    path: usize,
    label: usize,
    split: Option<usize>,
    windows: bool,
}

#[derive(Debug)]
struct Row {
    span: Range<usize>,
    cells: Vec<String>,
    /// The image; absent where a row can mean none.
    name: Option<String>,
    label: Option<String>,
    split: Option<Split>,
}

/// By which a file is known to be as it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    number: u64,
}

/// What a row of an image is to say.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub image: &'a str,
    /// None for no label.
    pub label: Option<&'a Label>,
    /// The split cell of a row that stays without its label; none where the row goes.
    pub bare: Option<&'a str>,
}

impl Table {
    /// Reads the table, or begins one that is not there yet. `last` are the labels that were written last: what is left of one of their rows,
    /// whose writing was ended in the middle, is cut off.
    pub fn open(path: &Path, last: &[(&str, &Label)]) -> Result<Table, LabelFileError> {
        let folder = folder_of(path).to_path_buf();
        let layout = Layout { delimiter: b',', columns: 3, path: 0, label: 1, split: Some(2), windows: false };
        let mut table = Table {
            path: path.to_path_buf(),
            folder,
            bytes: Vec::new(),
            layout,
            rows: Vec::new(),
            by_name: HashMap::new(),
            stamp: None,
        };
        if path.exists() {
            table.mend(last)?;
            table.read()?;
        }
        Ok(table)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can say which split an image is of.
    pub fn has_splits(&self) -> bool {
        self.layout.split.is_some()
    }

    /// The label of an image.
    pub fn label(&self, image: &str) -> Option<Label> {
        self.row(image).and_then(Row::read)
    }

    /// All labels, in the order of the rows.
    pub fn labels(&self) -> impl Iterator<Item = (&str, Label)> {
        self.rows.iter().filter_map(|row| Some((row.name.as_deref()?, row.read()?)))
    }

    /// The split cell of an image's row that has no label; none where there is no such row.
    pub fn bare(&self, image: &str) -> Option<&str> {
        let row = self.row(image).filter(|row| row.label.is_none())?;
        Some(self.layout.split.map_or("", |split| row.cells[split].as_str()))
    }

    fn row(&self, image: &str) -> Option<&Row> {
        self.by_name.get(image).map(|&row| &self.rows[row])
    }

    /// Whether the file is not as it was left.
    pub fn is_other(&self) -> Result<bool, LabelFileError> {
        match Stamp::of(&self.path)? {
            now if now == self.stamp => Ok(false),
            None => Err(LabelFileError::Vanished { path: self.path.clone() }),
            Some(_) => Ok(true),
        }
    }

    /// Reads the file again where it is not as it was left.
    pub fn refresh(&mut self) -> Result<(), LabelFileError> {
        match self.is_other()? {
            true => self.read(),
            false => Ok(()),
        }
    }

    fn read(&mut self) -> Result<(), LabelFileError> {
        // Before the content: what changes in between is read once more.
        let stamp = Stamp::of(&self.path)?;
        let bytes = fs::read(&self.path).map_err(DataError::io("read", &self.path))?;
        self.take(bytes)?;
        self.stamp = stamp;
        Ok(())
    }

    /// Takes the content of a file over.
    fn take(&mut self, bytes: Vec<u8>) -> Result<(), LabelFileError> {
        if bytes.strip_prefix(BOM).unwrap_or(&bytes).iter().all(u8::is_ascii_whitespace) {
            let layout = Layout { columns: 3, path: 0, label: 1, split: Some(2), ..self.layout.clone() };
            self.layout = layout;
            (self.rows, self.by_name, self.bytes) = (Vec::new(), HashMap::new(), bytes);
            return Ok(());
        }
        let found = stated(&self.path, &bytes)?;
        let (Some(label), Some(form)) = (found.label_column, &found.table.form) else {
            return Err(LabelFileError::NotOneColumn { path: self.path.clone() });
        };
        let past_line_ends =
            |start: usize| start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let starts: Vec<usize> = form.starts.iter().map(|&start| past_line_ends(start)).collect();
        let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
        let spans: Vec<Range<usize>> =
            starts.iter().zip(ends).map(|(&start, end)| start..start + one_line(&bytes[start..end])).collect();
        self.layout = Layout {
            delimiter: form.delimiter,
            columns: found.table.columns.len(),
            path: found.path_column,
            label,
            split: found.split_column,
            windows: bytes.windows(2).any(|pair| pair == b"\r\n"),
        };
        let said = found.table.rows.into_iter().zip(found.rows).zip(spans);
        self.rows = said
            .map(|(((_, cells), said), span)| {
                let (name, label, split) =
                    said.map_or((None, None, None), |said| (Some(said.name), said.label, said.split));
                Row { span, cells, name, label, split }
            })
            .collect();
        self.index();
        self.bytes = bytes;
        Ok(())
    }

    fn index(&mut self) {
        let names = self.rows.iter().enumerate();
        self.by_name = names.filter_map(|(row, said)| Some((said.name.clone()?, row))).collect();
    }

    /// That a row with this name would be read as this image.
    pub fn can_name(&self, image: &str) -> bool {
        let plain = image.trim() == image && !image.chars().any(char::is_control);
        plain && Written::read(image, &self.folder).is_ok_and(|read| read == Written::Within(image.to_owned()))
    }

    /// The bytes of a row.
    fn line(&self, cells: &[String]) -> Vec<u8> {
        let terminator = if self.layout.windows { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().delimiter(self.layout.delimiter).terminator(terminator).from_writer(Vec::new());
        // Writing into memory does not fail, and a row that has all columns fits the others.
        let _ = writer.write_record(cells);
        writer.into_inner().unwrap_or_default()
    }

    /// The cells of a row that an image gets which has none.
    fn new_cells(&self, image: &str, label: &Label) -> Vec<String> {
        let mut cells = vec![String::new(); self.layout.columns];
        cells[self.layout.path] = image.to_owned();
        cells[self.layout.label] = label.class.clone();
        if let (Some(split), Some(part)) = (self.layout.split, label.split) {
            cells[split] = part.word().to_owned();
        }
        cells
    }

    /// Makes the rows of these images say what is wanted, all of them or none, on disk before it returns.
    pub fn write(&mut self, wanted: &[Wanted<'_>]) -> Result<(), LabelFileError> {
        let is_new = |one: &Wanted<'_>| !self.by_name.contains_key(one.image);
        let wanted: Vec<&Wanted<'_>> = wanted.iter().filter(|one| !is_new(one) || one.label.is_some()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        match wanted.iter().all(|one| is_new(one)) {
            true => self.append(&wanted),
            false => self.rewrite(&wanted),
        }
    }

    fn append(&mut self, wanted: &[&Wanted<'_>]) -> Result<(), LabelFileError> {
        let mut added = Vec::new();
        match (self.bytes.is_empty(), self.bytes.last()) {
            (true, _) => added = self.line(&HEADER.map(str::to_owned)),
            (false, Some(b'\n' | b'\r')) if self.rows.is_empty() && self.is_blank() => {
                added = self.line(&HEADER.map(str::to_owned));
            }
            (false, Some(b'\n' | b'\r')) => {}
            _ => added.extend_from_slice(if self.layout.windows { b"\r\n" } else { b"\n" }),
        }
        let mut rows = Vec::new();
        for one in wanted {
            let Some(label) = one.label else { continue };
            let cells = self.new_cells(one.image, label);
            let start = self.bytes.len() + added.len();
            added.extend(self.line(&cells));
            let (name, class) = (Some(one.image.to_owned()), Some(label.class.clone()));
            let split = label.split.filter(|_| self.layout.split.is_some());
            rows.push(Row { span: start..self.bytes.len() + added.len(), cells, name, label: class, split });
        }
        let before = self.bytes.len() as u64;
        let failed = |source| LabelFileError::Unwritten { path: self.path.clone(), source };
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed)?;
        if let Err(error) = files::append(&mut file, before, &added) {
            // Nothing of it stays. Where the system refuses that too, the file is read again, for its length is another.
            self.stamp = Stamp::of(&self.path).ok().flatten().filter(|now| now.bytes == before).or(self.stamp.take());
            return Err(failed(error));
        }
        if before == 0 {
            files::name_endures(&self.path);
        }
        self.bytes.extend(added);
        for row in rows {
            self.by_name.extend(row.name.clone().map(|name| (name, self.rows.len())));
            self.rows.push(row);
        }
        self.stamp = Stamp::of(&self.path)?;
        Ok(())
    }

    /// Whether nothing stands in it.
    fn is_blank(&self) -> bool {
        self.bytes.strip_prefix(BOM).unwrap_or(&self.bytes).iter().all(u8::is_ascii_whitespace)
    }

    /// Writes the file anew, with other rows for these images.
    fn rewrite(&mut self, wanted: &[&Wanted<'_>]) -> Result<(), LabelFileError> {
        let mut other: HashMap<usize, Option<Vec<String>>> = HashMap::new();
        let mut new = Vec::new();
        for one in wanted {
            let Some(&row) = self.by_name.get(one.image) else {
                new.extend(one.label.map(|label| self.new_cells(one.image, label)));
                continue;
            };
            let cells = match (one.label, one.bare) {
                (None, None) => None,
                (label, bare) => Some(self.other_cells(&self.rows[row], label, bare)),
            };
            other.insert(row, cells);
        }
        let (mut bytes, mut at) = (Vec::with_capacity(self.bytes.len()), 0);
        for (number, row) in self.rows.iter().enumerate() {
            let Some(cells) = other.get(&number) else { continue };
            bytes.extend_from_slice(&self.bytes[at..row.span.start]);
            bytes.extend(cells.iter().flat_map(|cells| self.line(cells)));
            at = row.span.end;
        }
        bytes.extend_from_slice(&self.bytes[at..]);
        if !bytes.ends_with(b"\n") && !new.is_empty() {
            bytes.push(b'\n');
        }
        new.iter().for_each(|cells| bytes.extend(self.line(cells)));
        self.replace(bytes)
    }

    /// The cells of a row that is there, with another label or none.
    fn other_cells(&self, row: &Row, label: Option<&Label>, bare: Option<&str>) -> Vec<String> {
        let mut cells = row.cells.clone();
        cells[self.layout.label] = label.map_or_else(String::new, |label| label.class.clone());
        let part = label.and_then(|label| label.split).map(Split::word);
        if let (Some(split), Some(text)) = (self.layout.split, part.or(bare)) {
            // What the row says already stays as it is written there.
            if Split::from_word(&cells[split]) != Split::from_word(text) || cells[split].is_empty() || text.is_empty() {
                cells[split] = text.to_owned();
            }
        }
        cells
    }

    fn replace(&mut self, bytes: Vec<u8>) -> Result<(), LabelFileError> {
        let failed = |source| LabelFileError::Unwritten { path: self.path.clone(), source };
        if self.bytes.starts_with(&bytes) {
            // The last rows go: the file is cut off.
            let file = OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
            file.set_len(bytes.len() as u64).and_then(|()| file.sync_data()).map_err(failed)?;
            self.rows.retain(|row| row.span.end <= bytes.len());
            self.index();
            self.bytes = bytes;
        } else {
            let rights = fs::metadata(&self.path).map(|found| found.permissions());
            files::write_atomically(&self.path, &bytes).map_err(failed)?;
            if let Ok(rights) = rights {
                // The file is whole, and whoever may write it may change this.
                let _ = fs::set_permissions(&self.path, rights);
            }
            self.take(bytes)?;
        }
        self.stamp = Stamp::of(&self.path)?;
        Ok(())
    }

    fn mend(&mut self, last: &[(&str, &Label)]) -> Result<(), LabelFileError> {
        let Ok(bytes) = fs::read(&self.path) else { return Ok(()) };
        let start = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
        let tail = &bytes[start..];
        // The rows before it tell how rows are written here. What cannot be read even so is no affair of the last row.
        if tail.is_empty() || last.is_empty() || self.take(bytes[..start].to_vec()).is_err() {
            return Ok(());
        }
        let mut whole: Vec<Vec<u8>> =
            last.iter().map(|(image, label)| self.line(&self.new_cells(image, label))).collect();
        if start == 0 {
            whole = vec![self.line(&HEADER.map(str::to_owned))];
        }
        let is_torn = |line: &Vec<u8>| {
            let line = line.trim_ascii_end();
            line.len() > tail.len() && line.starts_with(tail)
        };
        if !whole.iter().any(is_torn) {
            return Ok(());
        }
        let failed = |source| LabelFileError::Unwritten { path: self.path.clone(), source };
        let file = OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
        file.set_len(start as u64).and_then(|()| file.sync_data()).map_err(failed)
    }
}

/// The length of a row with its line end, of what lies from it to the next.
fn one_line(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let row = bytes.len() - bytes.iter().rev().take_while(|byte| ends(byte)).count();
    let line_end = if bytes[row..].starts_with(b"\r\n") { 2 } else { 1 };
    (row + line_end).min(bytes.len())
}

impl Row {
    fn read(&self) -> Option<Label> {
        Some(Label { class: self.label.clone()?, split: self.split })
    }
}

impl Stamp {
    /// None where there is no file.
    fn of(path: &Path) -> Result<Option<Stamp>, LabelFileError> {
        match fs::metadata(path) {
            Ok(found) => {
                Ok(Some(Stamp { bytes: found.len(), modified: found.modified().ok(), number: number(&found) }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataError::io("look at", path)(error).into()),
        }
    }
}

#[cfg(unix)]
fn number(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}
