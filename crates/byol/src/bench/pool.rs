//! The images that are measured on: the data's own, or as many as were asked for.

use std::sync::Arc;

use super::BenchOptions;
use crate::data::{ConcatSource, DataError, Dataset, Image, ImageSource};

/// What pre-training may learn from.
pub fn unlabeled(data: &Dataset, options: BenchOptions) -> Arc<dyn ImageSource> {
    sized(Arc::new(ConcatSource::from(data.pretraining_pool())), options.set_size)
}

/// The labelled training images, none where there are none.
pub fn labeled(data: &Dataset, options: BenchOptions) -> Arc<dyn ImageSource> {
    match &data.train {
        Some(labeled) => sized(Arc::clone(&labeled.images), options.set_size),
        None => Arc::new(ConcatSource::new(Vec::new())),
    }
}

fn sized(images: Arc<dyn ImageSource>, size: Option<usize>) -> Arc<dyn ImageSource> {
    match size {
        Some(len) if !images.is_empty() => Arc::new(RepeatedSource { images, len }),
        _ => images,
    }
}

/// Images over and over, until there are `len`.
struct RepeatedSource {
    images: Arc<dyn ImageSource>,
    len: usize,
}

impl ImageSource for RepeatedSource {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        self.images.read(index % self.images.len(), image)
    }

    fn name(&self, index: usize) -> String {
        self.images.name(index % self.images.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::patterns;

    #[test]
    fn images_repeat_until_there_are_enough() {
        let data = patterns::dataset();
        let own = unlabeled(&data, BenchOptions::default());
        let options = BenchOptions { set_size: Some(own.len() + 3), ..BenchOptions::default() };
        let repeated = unlabeled(&data, options);
        assert_eq!(repeated.len(), own.len() + 3);
        let [mut first, mut again] = [Image::default(), Image::default()];
        own.read(2, &mut first).unwrap();
        repeated.read(own.len() + 2, &mut again).unwrap();
        assert_eq!(first, again);
    }
}
