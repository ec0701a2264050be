//! The images that a run directory keeps for its report: views, nearest neighbours, a map and small test images.

use tch::Tensor;

use super::Session;
use crate::check::suspects;
use crate::data::LabeledImages;
use crate::eval::knn::nearest;
use crate::eval::linear::LinearOptions;
use crate::eval::plane::principal_plane;
use crate::experiment::frozen::FrozenFeatures;
use crate::experiment::{ExperimentError, shown};
use crate::gallery;
use crate::report::choice::{self, Candidate, ClassifierKind};
use crate::run::record::{EmbeddingMap, Gallery, Plane, PredictionRecord, Suspect, Suspects, ViewExample};

/// Images in the report: with views, and with nearest neighbours.
const GALLERY_VIEWS: usize = 4;
const GALLERY_QUERIES: usize = 8;
const GALLERY_NEIGHBORS: usize = 6;
const GALLERY_SUSPECTS: usize = 12;
const MAP_NEIGHBORS: usize = 6;

/// Four decimals: more than a screen shows.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// `count` places of `of`, evenly apart.
fn evenly(of: usize, count: usize) -> Vec<usize> {
    let count = count.min(of);
    (0..count).map(|place| place * of / count).collect()
}

impl Session<'_, '_> {
    /// What can be shown before anything is trained: views of training images, and thumbnails of test images. An earlier
    /// sitting's images stay.
    pub(in crate::experiment) fn write_first_images(
        &self,
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<(), ExperimentError> {
        if self.directory.has_gallery() {
            return Ok(());
        }
        let views = self.views(labeled)?;
        self.write_thumbnails(test)?;
        Ok(self.directory.write_gallery(&Gallery { views, neighbors: Vec::new(), suspects: None })?)
    }

    fn views(&self, labeled: &LabeledImages) -> Result<Vec<ViewExample>, ExperimentError> {
        let experiment = self.context.experiment;
        let shown = evenly(labeled.labels.len(), GALLERY_VIEWS);
        Ok(gallery::write_views(
            &gallery::ViewSheet {
                source: labeled.images.as_ref(),
                indices: &shown,
                views: &experiment.training_views(),
                draws: 3,
                seed: experiment.seed,
            },
            &self.directory.gallery_path(),
        )?)
    }

    /// The report's images: views of training images, and nearest neighbours of test images.
    pub(in crate::experiment) fn write_gallery(
        &self,
        labeled: &LabeledImages,
        test: &LabeledImages,
        features: FrozenFeatures,
    ) -> Result<(), ExperimentError> {
        let views = self.views(labeled)?;
        let queries = evenly(test.labels.len(), GALLERY_QUERIES);
        let rows: Vec<i64> = queries.iter().map(|&query| query as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(features.test.vectors.device());
        let vectors = features.test.vectors.index_select(0, &rows);
        let found: Vec<gallery::Neighbors> = nearest(&features.train.vectors, &vectors, GALLERY_NEIGHBORS)?
            .into_iter()
            .zip(queries)
            .map(|(nearest, query)| gallery::Neighbors { query, nearest })
            .collect();
        let neighbors = gallery::write_neighbors(test, labeled, &found, &self.directory.gallery_path())?;
        let suspects = self.suspects(labeled, &features)?;
        self.directory.write_gallery(&Gallery { views, neighbors, suspects: Some(suspects) })?;
        self.write_map(&features.test.vectors)
    }

    /// Labels of training images that are probably wrong, with the images of the most suspicious.
    fn suspects(&self, labeled: &LabeledImages, features: &FrozenFeatures) -> Result<Suspects, ExperimentError> {
        let experiment = self.context.experiment;
        let evaluate = &experiment.evaluate;
        let (l2, folds) = (evaluate.linear_l2.clone(), evaluate.linear_folds);
        let options = LinearOptions { l2, folds, seed: experiment.seed };
        let (found, looked_at) = suspects(&features.train, self.context.data.class_names.len(), &options)?;
        let mut shown = Vec::new();
        for (place, issue) in found.iter().take(GALLERY_SUSPECTS).enumerate() {
            let file = format!("suspect-{place:02}.png");
            gallery::write_image(labeled.images.as_ref(), issue.row, &self.directory.gallery_path(), &file)?;
            shown.push(Suspect {
                file,
                name: labeled.images.name(issue.row),
                label: labeled.labels[issue.row],
                likely: issue.likely,
                own_probability: rounded(issue.own_probability),
                likely_probability: rounded(issue.likely_probability),
            });
        }
        Ok(Suspects { looked_at, suspicious: found.len(), shown })
    }

    /// Test images on a plane, by their representations.
    fn write_map(&self, vectors: &Tensor) -> Result<(), ExperimentError> {
        let images = shown::on_map(vectors.size()[0] as usize);
        let rows: Vec<i64> = images.iter().map(|&image| image as i64).collect();
        let vectors = vectors.index_select(0, &Tensor::from_slice(&rows).to_device(vectors.device()));
        let plane = principal_plane(&vectors)?;
        // The nearest to an image is the image itself, or one that is equal to it.
        let neighbors =
            nearest(&vectors, &vectors, MAP_NEIGHBORS + 1)?.into_iter().enumerate().map(|(own, nearest)| {
                let others = nearest.into_iter().filter(|(other, _)| *other != own).take(MAP_NEIGHBORS);
                others.map(|(other, similarity)| (other, rounded(similarity))).collect()
            });
        let map = EmbeddingMap {
            method: Plane::PrincipalAxes,
            variance: plane.variance.map(rounded),
            neighbors: neighbors.collect(),
            places: plane.places.into_iter().map(|place| place.map(rounded)).collect(),
            images,
        };
        Ok(self.directory.write_map(&map)?)
    }

    /// Thumbnails of test images, for the confusions and the map. Which ones depends on all answers.
    pub(in crate::experiment) fn write_thumbnails(&self, test: &LabeledImages) -> Result<(), ExperimentError> {
        let images = shown::with_images(&test.labels, &self.predictions, self.answers_of_taken());
        let thumbnails = gallery::write_thumbnails(test, &images, &self.directory.gallery_path())?;
        Ok(self.directory.write_thumbnails(&thumbnails)?)
    }

    /// The answers of the classifier that is taken where none is named.
    fn answers_of_taken(&self) -> Option<&PredictionRecord> {
        let control = self.context.experiment.control();
        let metrics = self.directory.metrics().unwrap_or_default();
        let mut candidates = Vec::new();
        for record in self.predictions.iter().filter(|record| record.draw == 0) {
            let recorded = |kind: &ClassifierKind| kind.recorded_as(control) == record.name.under(control);
            if let Some(kind) = ClassifierKind::ALL.into_iter().find(recorded) {
                let budget = record.labels_per_class;
                let validation = choice::validation(self.directory.path(), kind, budget, &metrics);
                candidates.push(Candidate { kind, budget, validation });
            }
        }
        let taken = choice::choose(&candidates, None)?;
        choice::answers(&self.predictions, control, (taken.kind, taken.budget))
    }
}
