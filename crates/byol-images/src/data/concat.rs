//! Several image sources, one after the other, as one.

use std::path::PathBuf;
use std::sync::Arc;

use super::look::Look;
use super::{DataError, Image, ImageSource, UnlabeledImages};

/// The images of several sources, in order.
pub struct ConcatSource {
    parts: Vec<Arc<dyn ImageSource>>,
    /// Where each part ends; the last end is the length.
    ends: Vec<usize>,
}

impl ConcatSource {
    /// The images of `parts`, those of the first part first.
    pub fn new(parts: Vec<Arc<dyn ImageSource>>) -> Self {
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        ConcatSource { ends: ends.collect(), parts }
    }

    /// The part that holds image `index`, and the index within it.
    fn locate(&self, index: usize) -> Option<(&dyn ImageSource, usize)> {
        let part = self.ends.partition_point(|&end| end <= index);
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.parts.get(part).map(|source| (source.as_ref(), index - start))
    }
}

impl From<Vec<UnlabeledImages>> for ConcatSource {
    fn from(pools: Vec<UnlabeledImages>) -> Self {
        ConcatSource::new(pools.into_iter().map(|pool| pool.images).collect())
    }
}

impl ImageSource for ConcatSource {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        match self.locate(index) {
            Some((source, index)) => source.read(index, image),
            None => Err(DataError::IndexOutOfRange { source_name: "the pool".into(), index, len: self.len() }),
        }
    }

    fn name(&self, index: usize) -> String {
        self.locate(index).map_or_else(String::new, |(source, index)| source.name(index))
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.locate(index).and_then(|(source, index)| source.origin(index))
    }

    fn look(&self, index: usize) -> Option<&Look> {
        self.locate(index).and_then(|(source, index)| source.look(index))
    }
}
