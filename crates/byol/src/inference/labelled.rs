//! Labelled images for a classifier that is there already: which of its classes each is of, and what the network says of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::network::Network;
use super::{InferenceError, pipeline};
use crate::data::{Dataset, ImageSource, LabeledImages, labelled_files};
use crate::device::Hardware;
use crate::loader::{self, ImageSet, ViewGroup, ViewKind};

/// The labelled images of a data set ([`Dataset::open_labelled`]) with the classifier's class indices; `path` is what was opened. Not
/// every class need be there.
///
/// # Errors
/// An image is of another class.
pub fn of_classes(data: Dataset, path: &Path, class_names: &[String]) -> Result<LabeledImages, InferenceError> {
    let Some(LabeledImages { images, labels }) = data.train else {
        return Ok(LabeledImages { images: Arc::new(crate::data::ConcatSource::new(Vec::new())), labels: Vec::new() });
    };
    let own: Vec<Option<u16>> = data.class_names.iter().map(|name| index_of(name, class_names)).collect();
    let index = |label: &u16| {
        own[usize::from(*label)].ok_or_else(|| InferenceError::UnknownClass {
            path: path.to_owned(),
            name: data.class_names[usize::from(*label)].clone(),
            classes: class_names.to_vec(),
        })
    };
    Ok(LabeledImages { labels: labels.iter().map(index).collect::<Result<_, _>>()?, images })
}

fn index_of(name: &str, class_names: &[String]) -> Option<u16> {
    class_names.iter().position(|known| known == name).and_then(|index| u16::try_from(index).ok())
}

/// The class index of each image file in those of the `given` folders that hold labelled images: class folders, or a table. A folder
/// one of whose classes is none of the classifier's tells nothing.
pub fn labels_of(given: &[PathBuf], class_names: &[String]) -> HashMap<PathBuf, u16> {
    let mut found = HashMap::new();
    for folder in given.iter().filter(|path| path.is_dir()) {
        // What cannot be read as labelled has no labels.
        let files = labelled_files(folder).unwrap_or_default();
        let own = files.into_iter().map(|(file, class)| Some((file, index_of(&class, class_names)?)));
        found.extend(own.collect::<Option<Vec<_>>>().unwrap_or_default());
    }
    found
}

/// The network's answers for images of any source, one after the other, [`Network::columns`] values each.
///
/// # Errors
/// An image cannot be read any more.
pub fn answers(
    network: &Network,
    images: &Arc<dyn ImageSource>,
    hardware: &Hardware,
) -> Result<Vec<f32>, InferenceError> {
    let image_set = ImageSet {
        source: Arc::clone(images),
        normalization: network.normalization(),
        evaluation_crop: network.evaluation_crop(),
        seed: 0,
        hardware: hardware.clone(),
        resident: None,
    };
    let views = ViewGroup::one(ViewKind::Plain, network.side());
    let indices = (0..images.len()).collect();
    let mut rows = Vec::with_capacity(images.len() * network.columns());
    for batch in loader::in_order(image_set, views, indices, network.fitting_batch(), hardware.threads) {
        let batch = batch?;
        rows.extend(pipeline::values(&tch::no_grad(|| network.forward(&batch.images[0]))));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::OpenOptions;

    fn image(path: &Path, gray: u8) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(4, 4, image::Rgb([gray; 3])).save(path).unwrap();
    }

    #[test]
    fn labels_are_those_of_the_classifier() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = ["cat", "bird", "dog"].map(str::to_owned);
        for (gray, name) in ["photos/dog/b.png", "photos/dog/in/a.png", "photos/cat/c.png"].iter().enumerate() {
            image(&at(name), gray as u8);
        }
        for name in ["listed/1.png", "listed/2.png", "loose/3.png"] {
            image(&at(name), 90);
        }
        std::fs::write(at("listed/labels.csv"), "path,label\n1.png,bird\n2.png,cat\n").unwrap();
        let of = |given: &[&str]| labels_of(&given.iter().map(|name| at(name)).collect::<Vec<_>>(), &names);
        let expected = [("photos/dog/b.png", 2), ("photos/dog/in/a.png", 2), ("photos/cat/c.png", 0)];
        assert_eq!(of(&["photos"]), expected.map(|(name, label)| (at(name), label)).into());
        let both = of(&["photos", "listed", "loose", "loose/3.png"]);
        assert_eq!((both.len(), both[&at("listed/1.png")], both[&at("listed/2.png")]), (5, 1, 0));
        assert!(of(&["photos/dog", "nowhere"]).is_empty());

        let open = |path: &str| Dataset::open_labelled(at(path), &OpenOptions::default()).unwrap();
        assert_eq!(of_classes(open("photos"), &at("photos"), &names).unwrap().labels, [0, 2, 2]);
        assert_eq!(of_classes(open("listed"), &at("listed"), &names).unwrap().labels, [1, 0]);
        image(&at("photos/dogs/d.png"), 70);
        let unknown = of_classes(open("photos"), &at("photos"), &names).err().unwrap().to_string();
        assert!(unknown.contains("'dogs'"), "{unknown}");
        assert!(of(&["photos"]).is_empty());
    }
}
