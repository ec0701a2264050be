//! Parquet in the layout of Hugging Face image data sets: a column `image` of encoded images (`bytes`, `path`) and a
//! column `label`, whose class names are in the schema's metadata where it was written by their library.
//!
//! Parquet compresses whole pages, which forbids picking one image out of a file. So the encoded images are copied
//! once into a temporary file ([`super::spool`]).

use std::collections::BTreeSet;
use std::fs::File;
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
use super::encoded::{Encoded, Place};
use super::error::Unlabelled;
use super::folder::name_within;
use super::format::Format;
use super::labels;
use super::listing::{Labels, Listed, Listing};
use super::note::{DataNote, shown};
use super::split::Split;
use super::spool::{Companions, Spool};

pub(crate) const EXTENSION: &str = "parquet";

const IMAGE_COLUMNS: [&str; 2] = ["image", "img"];
const LABEL_COLUMNS: [&str; 4] = ["label", "labels", "class", "fine_label"];

/// Rows that are read at a time: an image may have megabytes.
const BATCH: usize = 16;

/// What is wrong with a Parquet file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParquetProblem {
    /// The file is cut off, or is no Parquet.
    #[error("the file cannot be read as Parquet: {0}; it is cut off or damaged")]
    Unreadable(#[from] parquet::errors::ParquetError),

    /// No column holds images; these are the columns.
    #[error("there is no column of images (`image` or `img`, of encoded bytes); the columns are {0}")]
    NoImages(String),

    /// A row has an image's path and not its bytes.
    #[error(
        "row {row} names the image `{path}` but does not hold it; with Hugging Face's `datasets`, \
         `data.save_to_disk(\"saved\")` and then `datasets.load_from_disk(\"saved\").to_parquet(\"{file}\")`, for each \
         split, write a file that holds its images"
    )]
    NotEmbedded {
        /// The row, from 0.
        row: usize,
        /// The path that it names.
        path: String,
        /// The name of the file, for the remedy.
        file: String,
    },

    /// A cell of the column of images holds something else.
    #[error(
        "column `{column}` holds {kind} in row {row}, but an image is its encoded bytes (those of a .jpg or .png), or a struct \
         with them in `bytes`; write one encoded image in each row"
    )]
    NotAnImage {
        /// The row, from 0.
        row: usize,
        /// The column.
        column: String,
        /// What the cell holds, as a phrase.
        kind: &'static str,
    },

    /// A cell of the column of labels holds something else.
    #[error(
        "column `{column}` holds {kind} in row {row}, but a label is a whole number, a text, or null where there is none; \
         convert the column, or rename it if it holds no labels"
    )]
    NotALabel {
        /// The row, from 0.
        row: usize,
        /// The column.
        column: String,
        /// What the cell holds, as a phrase.
        kind: String,
    },

    /// A label is a text that is no class of the schema.
    #[error("label `{label}` of row {row} is none of the classes that the schema names ({names})")]
    UnknownLabel {
        /// The row, from 0.
        row: usize,
        /// The label.
        label: String,
        /// The classes, as a list.
        names: String,
    },

    /// A label is a number that is no class of the schema.
    #[error("label {label} of row {row} is outside the {classes} classes that the schema names")]
    LabelRange {
        /// The row, from 0.
        row: usize,
        /// The label.
        label: i64,
        /// Classes that the schema names.
        classes: usize,
    },

    /// Files of one set do not have the same classes.
    #[error("the schema names the classes {names:?}, but other files of the set have other names or other labels")]
    OtherClasses {
        /// The classes of the file that differs; empty where its schema names none.
        names: Vec<String>,
    },
}

/// Lists the images of all `shards`; `root` is what was opened.
///
/// # Errors
/// A file is damaged, or is not such a data set; the temporary file cannot be written.
pub(crate) fn list(
    root: &Path,
    shards: Vec<PathBuf>,
    wanted: Labels,
    companions: Option<&dyn Companions>,
) -> Result<Listing, DataError> {
    let mut listing = Listing::new(Format::Parquet, root);
    let mut names: Option<Option<Vec<String>>> = None;
    let mut labels = Vec::new();
    for shard in &shards {
        let wrong = |problem| DataError::Parquet { path: shard.clone(), problem };
        let within = if root.is_dir() { shard.strip_prefix(root).unwrap_or(shard) } else { shard.as_path() };
        let name = match root.is_dir() {
            true => name_within(root, shard),
            false => shard.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        // The reader of rows panics on some damaged files.
        let rows = catch_unwind(AssertUnwindSafe(|| read(shard, name.len() + 1, (wanted, companions), &wrong)))
            .unwrap_or_else(|_| {
                Err(wrong(ParquetProblem::Unreadable(ParquetError::General("the reader failed".into()))))
            })?;
        if let Some(columns) = rows.without_labels {
            let found = Unlabelled::NoColumn { file: shown(shard), known: LABEL_COLUMNS.to_vec(), columns };
            listing.no_labels.get_or_insert(found.clone());
            listing.notes.push(DataNote::Unlabelled(found));
        } else if names.get_or_insert_with(|| rows.class_names.clone()) != &rows.class_names {
            return Err(wrong(ParquetProblem::OtherClasses { names: rows.class_names.unwrap_or_default() }));
        }
        if !rows.taken.is_empty() {
            listing.notes.push(DataNote::ColumnsNotRead { table: shown(shard), read: rows.taken });
        }
        let split = Split::from_shard(within);
        for (row, (place, label)) in rows.images.into_iter().enumerate() {
            let encoded = Encoded { name: format!("{name}/{row}"), place };
            listing.images.push(Listed { encoded, label: None, split });
            labels.push(label);
        }
    }
    listing.read_files = shards;
    if listing.images.is_empty() {
        return Err(DataError::NoRows { path: root.to_path_buf(), what: "its tables have no rows".into() });
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
            labels.iter().zip(&mut listing.images).for_each(|(label, listed)| listed.label = number(label));
        }
        None => {
            let text = |label: Option<Label>| label.map(|label| label.text());
            labels::assign(&mut listing, labels.into_iter().map(text).collect())?;
        }
    }
    Ok(listing)
}

pub(crate) enum Label {
    Number(i64),
    Name(String),
}

impl Label {
    pub fn text(&self) -> String {
        match self {
            Label::Number(number) => number.to_string(),
            Label::Name(name) => name.clone(),
        }
    }
}

/// Whether a file has a column of images, or cannot be read, which whoever lists it finds out.
pub(crate) fn may_hold_images(shard: &Path) -> bool {
    let reader = catch_unwind(|| File::open(shard).ok().and_then(|file| SerializedFileReader::new(file).ok()));
    reader.ok().flatten().is_none_or(|reader| {
        let columns = reader.metadata().file_metadata().schema().get_fields();
        columns.iter().any(|column| IMAGE_COLUMNS.iter().any(|known| known.eq_ignore_ascii_case(column.name())))
    })
}

/// What one file holds.
struct Rows {
    images: Vec<(Place, Option<Label>)>,
    class_names: Option<Vec<String>>,
    /// Which of several columns is read, where there are several, and which is not.
    taken: Vec<(String, String)>,
    /// All columns, where labels are wanted and none of them is known to hold any.
    without_labels: Option<String>,
}

/// The column that is known by one of these names, in their order, and the other one that would be.
fn find_column<'a>(columns: &[&'a str], known: &[&str]) -> (Option<&'a str>, Option<&'a str>) {
    let mut found =
        known.iter().filter_map(|name| columns.iter().copied().find(|column| column.eq_ignore_ascii_case(name)));
    (found.next(), found.next())
}

fn read(
    shard: &Path,
    within: usize,
    (wanted, companions): (Labels, Option<&dyn Companions>),
    wrong: &dyn Fn(ParquetProblem) -> DataError,
) -> Result<Rows, DataError> {
    let unreadable = |error| wrong(ParquetProblem::Unreadable(error));
    let file = File::open(shard).map_err(DataError::io("open", shard))?;
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<&str> = schema.get_fields().iter().map(|column| column.name()).collect();
    let (image, other_image) = find_column(&columns, &IMAGE_COLUMNS);
    let Some(image) = image else {
        return Err(wrong(ParquetProblem::NoImages(columns.join(", "))));
    };
    let (label, other_label) = match wanted {
        Labels::Read => find_column(&columns, &LABEL_COLUMNS),
        Labels::Ignored => (None, None),
    };
    let class_names = label.and_then(|label| class_names(&reader, label));
    let taken = |(taken, other): (Option<&str>, Option<&str>)| Some((taken?.to_owned(), other?.to_owned()));
    let taken = [(Some(image), other_image), (label, other_label)].into_iter().filter_map(taken).collect();
    let without_labels = (wanted == Labels::Read && label.is_none()).then(|| columns.join(", "));
    let file_name = shard.file_name().unwrap_or_default().to_string_lossy().into_owned();

    let wanted: BTreeSet<&str> = [Some(image), label].into_iter().flatten().collect();
    let fields = schema.get_fields().iter().filter(|column| wanted.contains(column.name())).map(Arc::clone).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(unreadable)?;
    let rows = reader.get_row_iter(Some(projection)).map_err(unreadable)?.with_batch_size(BATCH);

    let mut spool = Spool::new(companions)?;
    let mut labels = Vec::new();
    for (number, row) in rows.enumerate() {
        let mut bytes = None;
        let mut class = None;
        for (name, field) in row.map_err(unreadable)?.into_columns() {
            if name == image {
                bytes = image_bytes(field).map_err(|other| match other {
                    NoImage::Path(path) => {
                        wrong(ParquetProblem::NotEmbedded { row: number, path, file: file_name.clone() })
                    }
                    NoImage::Other(kind) => {
                        wrong(ParquetProblem::NotAnImage { row: number, column: image.into(), kind })
                    }
                })?;
            } else {
                class = label_of(field)
                    .map_err(|kind| wrong(ParquetProblem::NotALabel { row: number, column: name, kind }))?;
            }
        }
        if let Some(names) = &class_names {
            class = class.map_or(Ok(None), |label| label.among(names, number)).map_err(wrong)?;
        }
        spool.add(bytes.as_deref().unwrap_or_default())?;
        labels.push(class);
    }
    let images = spool.finish(shard, within)?.into_iter().zip(labels).collect();
    Ok(Rows { images, class_names, taken, without_labels })
}

/// What a cell holds in place of an image.
enum NoImage {
    Path(String),
    Other(&'static str),
}

/// The encoded image of a cell, or what stands in its place.
fn image_bytes(field: Field) -> Result<Option<Vec<u8>>, NoImage> {
    match field {
        Field::Bytes(bytes) => Ok(Some(bytes.data().to_vec())),
        Field::Str(path) => Err(NoImage::Path(path)),
        Field::Group(row) => {
            let (mut elsewhere, mut known) = (None, false);
            for (name, field) in row.into_columns() {
                match (name.as_str(), field) {
                    ("bytes", Field::Bytes(bytes)) => return Ok(Some(bytes.data().to_vec())),
                    ("bytes", Field::Null) => known = true,
                    ("path", Field::Str(path)) => elsewhere = Some(path),
                    ("path", Field::Null) => known = true,
                    _ => {}
                }
            }
            match elsewhere {
                Some(path) => Err(NoImage::Path(path)),
                None if known => Ok(None),
                None => Err(NoImage::Other("a struct without `bytes`")),
            }
        }
        Field::Null => Ok(None),
        other => Err(NoImage::Other(kind(&other))),
    }
}

impl Label {
    /// The label as a number, where the schema has names; test splits of the hub without labels have -1.
    fn among(self, names: &[String], row: usize) -> Result<Option<Label>, ParquetProblem> {
        match self {
            Label::Number(label) => match usize::try_from(label) {
                Err(_) => Ok(None),
                Ok(index) if index < names.len() => Ok(Some(self)),
                Ok(_) => Err(ParquetProblem::LabelRange { row, label, classes: names.len() }),
            },
            Label::Name(label) => match names.iter().position(|name| *name == label) {
                Some(index) => Ok(Some(Label::Number(index as i64))),
                None => Err(ParquetProblem::UnknownLabel { row, label, names: names.join(", ") }),
            },
        }
    }
}

/// The label of a cell, or what else it holds.
pub(crate) fn label_of(field: Field) -> Result<Option<Label>, String> {
    Ok(Some(match field {
        Field::Byte(number) => Label::Number(number.into()),
        Field::Short(number) => Label::Number(number.into()),
        Field::Int(number) => Label::Number(number.into()),
        Field::Long(number) => Label::Number(number),
        Field::UByte(number) => Label::Number(number.into()),
        Field::UShort(number) => Label::Number(number.into()),
        Field::UInt(number) => Label::Number(number.into()),
        Field::ULong(number) => Label::Number(number.try_into().map_err(|_| format!("the number {number}"))?),
        // Whole numbers with gaps are floating in pandas.
        Field::Float16(number) => return whole_number(number.to_f64()),
        Field::Float(number) => return whole_number(number.into()),
        Field::Double(number) => return whole_number(number),
        Field::Bool(truth) => Label::Name(truth.to_string()),
        Field::Str(name) if !name.is_empty() => Label::Name(name),
        Field::Str(_) | Field::Null => return Ok(None),
        other => return Err(kind(&other).into()),
    }))
}

fn whole_number(number: f64) -> Result<Option<Label>, String> {
    // Up to here a float64 tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        _ if number.is_nan() => Ok(None),
        _ if number.fract() == 0.0 && number.abs() <= EXACT => Ok(Some(Label::Number(number as i64))),
        _ => Err(format!("the number {number}")),
    }
}

/// What a cell holds, for people.
fn kind(field: &Field) -> &'static str {
    match field {
        Field::ListInternal(_) => "a list",
        Field::Group(_) => "a struct",
        Field::MapInternal(_) => "a map",
        Field::Bytes(_) => "bytes",
        Field::Str(_) => "a text",
        Field::Bool(_) => "a truth value",
        Field::Date(_) => "a date",
        Field::Decimal(_) => "a decimal number",
        Field::Null => "nothing",
        Field::Float16(_)
        | Field::Float(_)
        | Field::Double(_)
        | Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::Long(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_) => "a number",
        _ => "a time",
    }
}

/// The class names of a column, from the metadata that Hugging Face's library writes.
pub(crate) fn class_names(reader: &SerializedFileReader<File>, label: &str) -> Option<Vec<String>> {
    let entries = reader.metadata().file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_deref()?;
    let metadata: Value = serde_json::from_str(text).ok()?;
    let names = metadata.pointer(&format!("/info/features/{label}/names"))?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}
