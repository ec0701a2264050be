//! Parquet in the layout of Hugging Face image data sets: a column `image` of encoded pictures (`bytes`, `path`) and a
//! column `label`, whose class names are in the schema's metadata where it was written by their library.
//!
//! Parquet compresses whole pages, which forbids picking one picture out of a file. So the encoded pictures are copied
//! once into a temporary file that is mapped into memory and that the system removes when it is closed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use serde_json::Value;
use thiserror::Error;

use super::DataError;
use super::encoded::{Archive, Encoded, Place};
use super::folder::name_within;
use super::format::Format;
use super::listing::{Labels, Listed, Listing, SPLIT_FILE, number_classes};
use super::split::Split;

pub(crate) const EXTENSION: &str = "parquet";

const IMAGE_COLUMNS: [&str; 2] = ["image", "img"];
const LABEL_COLUMNS: [&str; 4] = ["label", "labels", "class", "fine_label"];

/// Rows that are read at a time: a picture may have megabytes.
const BATCH: usize = 16;

/// What is wrong with a Parquet file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParquetProblem {
    #[error("the file cannot be read as Parquet: {0}; it is cut off or damaged")]
    Unreadable(#[from] parquet::errors::ParquetError),

    #[error("there is no column of pictures (`image` or `img`, of encoded bytes); the columns are {0}")]
    NoImages(String),

    #[error(
        "row {row} names the picture `{path}` but does not hold it; save the data set with its pictures embedded \
         (`embed_external_files`)"
    )]
    NotEmbedded { row: usize, path: String },

    #[error("label {label} of row {row} is outside the {classes} classes that the schema names")]
    LabelRange { row: usize, label: i64, classes: usize },

    #[error("the schema names the classes {names:?}, but other files of the set have other names or other labels")]
    OtherClasses { names: Vec<String> },
}

/// Lists the pictures of all `shards`; `root` is what was opened.
///
/// # Errors
/// A file is damaged, or is not such a data set; the temporary file cannot be written.
pub(crate) fn list(root: &Path, shards: Vec<PathBuf>, wanted: Labels) -> Result<Listing, DataError> {
    let split_file = match root.is_dir() {
        true => root.join(SPLIT_FILE),
        false => root.with_extension(SPLIT_FILE),
    };
    let mut listing = Listing {
        format: Format::Parquet,
        root: root.to_path_buf(),
        class_names: Vec::new(),
        pictures: Vec::new(),
        split_file,
        read_files: shards,
        warnings: Vec::new(),
    };
    let mut names: Option<Option<Vec<String>>> = None;
    let mut labels = Vec::new();
    for shard in &listing.read_files {
        let wrong = |problem| DataError::Parquet { path: shard.clone(), problem };
        let within = if root.is_dir() { shard.strip_prefix(root).unwrap_or(shard) } else { shard.as_path() };
        let name = match root.is_dir() {
            true => name_within(root, shard),
            false => shard.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        // The reader of rows panics on some damaged files.
        let rows =
            catch_unwind(AssertUnwindSafe(|| read(shard, name.len() + 1, wanted, &wrong))).unwrap_or_else(|_| {
                Err(wrong(ParquetProblem::Unreadable(ParquetError::General("the reader failed".into()))))
            })?;
        if names.get_or_insert_with(|| rows.class_names.clone()) != &rows.class_names {
            return Err(wrong(ParquetProblem::OtherClasses { names: rows.class_names.unwrap_or_default() }));
        }
        let split = Split::from_shard(within);
        for (row, (place, label)) in rows.pictures.into_iter().enumerate() {
            let encoded = Encoded { name: format!("{name}/{row}"), place };
            listing.pictures.push(Listed { encoded, label: None, split });
            labels.push(label);
        }
    }
    if listing.pictures.is_empty() {
        return Err(DataError::NoPictures { path: root.to_path_buf() });
    }
    match names.flatten() {
        Some(names) => {
            // Every number was checked against the names when it was read.
            let number = |label: &Option<Label>| match label {
                Some(Label::Number(number)) => u16::try_from(*number).ok(),
                _ => None,
            };
            u16::try_from(names.len())
                .map_err(|_| DataError::TooManyClasses { path: root.to_path_buf(), classes: names.len() })?;
            listing.class_names = names;
            labels.iter().zip(&mut listing.pictures).for_each(|(label, listed)| listed.label = number(label));
        }
        None => {
            let text = |label: &Option<Label>| label.as_ref().map(Label::text);
            let labels: Vec<Option<String>> = labels.iter().map(text).collect();
            let (names, numbers) = number_classes(root, labels.iter().flatten().map(String::as_str))?;
            listing.class_names = names;
            for (listed, label) in listing.pictures.iter_mut().zip(labels) {
                listed.label = label.and_then(|label| numbers.get(&label).copied());
            }
        }
    }
    Ok(listing)
}

enum Label {
    Number(i64),
    Name(String),
}

impl Label {
    fn text(&self) -> String {
        match self {
            Label::Number(number) => number.to_string(),
            Label::Name(name) => name.clone(),
        }
    }
}

/// Whether a file has a column of pictures, or cannot be read, which whoever lists it finds out.
pub(crate) fn may_hold_pictures(shard: &Path) -> bool {
    let reader = catch_unwind(|| File::open(shard).ok().and_then(|file| SerializedFileReader::new(file).ok()));
    reader.ok().flatten().is_none_or(|reader| {
        let columns = reader.metadata().file_metadata().schema().get_fields();
        columns.iter().any(|column| IMAGE_COLUMNS.contains(&column.name()))
    })
}

/// What one file holds.
struct Rows {
    pictures: Vec<(Place, Option<Label>)>,
    class_names: Option<Vec<String>>,
}

fn read(
    shard: &Path,
    within: usize,
    wanted: Labels,
    wrong: &dyn Fn(ParquetProblem) -> DataError,
) -> Result<Rows, DataError> {
    let unreadable = |error| wrong(ParquetProblem::Unreadable(error));
    let file = File::open(shard).map_err(DataError::io("open", shard))?;
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<&str> = schema.get_fields().iter().map(|column| column.name()).collect();
    let find = |known: &[&'static str]| known.iter().copied().find(|name| columns.contains(name));
    let Some(image) = find(&IMAGE_COLUMNS) else {
        return Err(wrong(ParquetProblem::NoImages(columns.join(", "))));
    };
    let label = if wanted == Labels::Read { find(&LABEL_COLUMNS) } else { None };
    let class_names = label.and_then(|label| class_names(&reader, label));

    let wanted: BTreeSet<&str> = [Some(image), label].into_iter().flatten().collect();
    let fields = schema.get_fields().iter().filter(|column| wanted.contains(column.name())).map(Arc::clone).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(unreadable)?;
    let rows = reader.get_row_iter(Some(projection)).map_err(unreadable)?.with_batch_size(BATCH);

    let mut spool = Spool::new()?;
    let mut labels = Vec::new();
    for (number, row) in rows.enumerate() {
        let mut bytes = None;
        let mut class = None;
        for (name, field) in row.map_err(unreadable)?.into_columns() {
            if name == image {
                bytes = picture(field).map_err(|path| wrong(ParquetProblem::NotEmbedded { row: number, path }))?;
            } else {
                class = label_of(field);
            }
        }
        // The hub's test splits without labels have -1.
        if let (Some(Label::Number(value)), Some(names)) = (&class, &class_names) {
            match usize::try_from(*value) {
                Err(_) => class = None,
                Ok(index) if index < names.len() => {}
                Ok(_) => {
                    let (label, classes) = (*value, names.len());
                    return Err(wrong(ParquetProblem::LabelRange { row: number, label, classes }));
                }
            }
        }
        spool.add(bytes.as_deref().unwrap_or_default())?;
        labels.push(class);
    }
    Ok(Rows { pictures: spool.finish(shard, within)?.into_iter().zip(labels).collect(), class_names })
}

/// The encoded picture of a cell, or the path that stands in its place.
fn picture(field: Field) -> Result<Option<Vec<u8>>, String> {
    match field {
        Field::Bytes(bytes) => Ok(Some(bytes.data().to_vec())),
        Field::Str(path) => Err(path),
        Field::Group(row) => {
            let mut elsewhere = None;
            for (name, field) in row.into_columns() {
                match (name.as_str(), field) {
                    ("bytes", Field::Bytes(bytes)) => return Ok(Some(bytes.data().to_vec())),
                    ("path", Field::Str(path)) => elsewhere = Some(path),
                    _ => {}
                }
            }
            elsewhere.map_or(Ok(None), Err)
        }
        _ => Ok(None),
    }
}

fn label_of(field: Field) -> Option<Label> {
    Some(match field {
        Field::Byte(number) => Label::Number(number.into()),
        Field::Short(number) => Label::Number(number.into()),
        Field::Int(number) => Label::Number(number.into()),
        Field::Long(number) => Label::Number(number),
        Field::UByte(number) => Label::Number(number.into()),
        Field::UShort(number) => Label::Number(number.into()),
        Field::UInt(number) => Label::Number(number.into()),
        Field::ULong(number) => Label::Number(number.try_into().ok()?),
        Field::Bool(truth) => Label::Name(truth.to_string()),
        Field::Str(name) if !name.is_empty() => Label::Name(name),
        _ => return None,
    })
}

/// The class names of a column, from the metadata that Hugging Face's library writes.
fn class_names(reader: &SerializedFileReader<File>, label: &str) -> Option<Vec<String>> {
    let entries = reader.metadata().file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_deref()?;
    let metadata: Value = serde_json::from_str(text).ok()?;
    let names = metadata.pointer(&format!("/info/features/{label}/names"))?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The temporary file of a shard.
struct Spool {
    file: BufWriter<File>,
    /// Where each picture ends.
    ends: Vec<usize>,
}

impl Spool {
    fn new() -> Result<Self, DataError> {
        let mut file = BufWriter::new(tempfile::tempfile().map_err(Self::failed)?);
        // An empty file cannot be mapped.
        file.write_all(&[0; Self::START]).map_err(Self::failed)?;
        Ok(Spool { file, ends: Vec::new() })
    }

    const START: usize = 1;

    fn failed(source: io::Error) -> DataError {
        DataError::Temporary { folder: std::env::temp_dir(), source }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.file.write_all(bytes).map_err(Self::failed)?;
        self.ends.push(self.ends.last().unwrap_or(&Self::START) + bytes.len());
        Ok(())
    }

    /// `within` is where in a picture's name that of its row begins.
    fn finish(self, shard: &Path, within: usize) -> Result<Vec<Place>, DataError> {
        let file = self.file.into_inner().map_err(|error| Self::failed(error.into_error()))?;
        let archive = Archive::map(shard, &file)?;
        let mut start = Self::START;
        let place = |end| {
            let place = Place::Part { archive: Arc::clone(&archive), start, len: end - start, within };
            start = end;
            place
        };
        Ok(self.ends.into_iter().map(place).collect())
    }
}
