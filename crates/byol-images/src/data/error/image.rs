//! Why one image file cannot be used.

use std::io;

use thiserror::Error;

use crate::data::decode::{MAX_FILE_BYTES, MAX_PIXELS};

/// Why one image file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageProblem {
    /// There are no bytes.
    #[error("the file is empty (0 bytes)")]
    Empty,

    /// The file is larger than any that is read ([`MAX_FILE_BYTES`]).
    #[error("the file is enormous: {bytes} bytes, more than the {MAX_FILE_BYTES} that are read")]
    TooManyBytes {
        /// Its size.
        bytes: u64,
    },

    /// The image has more pixels than are decoded ([`MAX_PIXELS`]).
    #[error("the image is enormous: {width} x {height} pixels, more than the {} megapixels that are decoded", MAX_PIXELS / 1_000_000)]
    TooManyPixels {
        /// Width in pixels, as its header says.
        width: u32,
        /// Height in pixels, as its header says.
        height: u32,
    },

    /// One of the sides is 0.
    #[error("the image has no pixels ({width} x {height})")]
    NoPixels {
        /// Width in pixels, as its header says.
        width: u32,
        /// Height in pixels, as its header says.
        height: u32,
    },

    /// The first bytes are those of no format that is read.
    #[error("the content is neither JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC nor AVIF")]
    UnknownFormat,

    /// The format is known, and not read.
    #[error("the content is {what}, which is not read; {remedy}")]
    Unread {
        /// What the content is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The TIFF is of a kind that is not read, which this names.
    #[error("this kind of TIFF is not read: {0}; convert it to PNG")]
    Tiff(String),

    /// The content ends too early.
    #[error("the file is cut off: the image data does not end")]
    CutOff,

    /// It is a folder, a device or a socket.
    #[error("not a regular file")]
    NotAFile,

    /// The decoder refuses the content, for the reason that this gives.
    #[error("the image cannot be decoded: {0}")]
    Decode(String),

    /// Which line of which table names a file that is not there, and which may have been meant.
    #[error("{0}")]
    NamedInTable(String),

    /// What another process met with the file, in its words.
    #[error("{0}")]
    MetElsewhere(String),

    /// There is nothing at the path.
    #[error("the file is not there")]
    NotThere,

    /// The system refuses the file.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for ImageProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => ImageProblem::NotThere,
            _ => ImageProblem::Io(error),
        }
    }
}

impl ImageProblem {
    /// Whether there is no file.
    pub fn is_missing(&self) -> bool {
        matches!(self, ImageProblem::NotThere | ImageProblem::NamedInTable(_))
    }

    /// Whether it lies in what the file holds, so that it is the same whenever the file is read.
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            ImageProblem::TooManyPixels { .. }
            | ImageProblem::NoPixels { .. }
            | ImageProblem::UnknownFormat
            | ImageProblem::Unread { .. }
            | ImageProblem::Tiff(_)
            | ImageProblem::CutOff
            | ImageProblem::Decode(_) => true,
            ImageProblem::Empty
            | ImageProblem::MetElsewhere(_)
            | ImageProblem::TooManyBytes { .. }
            | ImageProblem::NotAFile
            | ImageProblem::NamedInTable(_)
            | ImageProblem::NotThere
            | ImageProblem::Io(_) => false,
        }
    }

    /// What to do about a file that is to be used.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            ImageProblem::NamedInTable(_) => "correct the line",
            _ => "replace or remove the file",
        }
    }
}
