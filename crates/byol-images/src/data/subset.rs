//! Some images of a source, in an order of their own, as a source.

use std::path::PathBuf;
use std::sync::Arc;

use super::look::Look;
use super::{DataError, Image, ImageSource};

/// The images of `images` at `indices`.
pub struct SubsetSource {
    images: Arc<dyn ImageSource>,
    indices: Vec<usize>,
}

impl SubsetSource {
    /// The images of a source at these indices, in their order. Each index must be below the source's length.
    pub fn new(images: Arc<dyn ImageSource>, indices: Vec<usize>) -> Self {
        SubsetSource { images, indices }
    }
}

impl ImageSource for SubsetSource {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        match self.indices.get(index) {
            Some(&inner) => self.images.read(inner, image),
            None => Err(DataError::IndexOutOfRange { source_name: "the split".into(), index, len: self.len() }),
        }
    }

    fn name(&self, index: usize) -> String {
        self.indices.get(index).map_or_else(String::new, |&inner| self.images.name(inner))
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.indices.get(index).and_then(|&inner| self.images.origin(inner))
    }

    fn look(&self, index: usize) -> Option<&Look> {
        self.indices.get(index).and_then(|&inner| self.images.look(inner))
    }
}
