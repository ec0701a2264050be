//! Test images on a plane: what the encoder takes for alike lies close together. The page's script shows their images and
//! nearest neighbours.

use maud::{Markup, html};
use serde_json::json;

use super::super::chart::{data, short};
use super::super::language::{answers as said, names, page};
use super::super::load::RunData;
use super::{nothing, thumbnails};
use crate::run::record::{EmbeddingMap, PredictionRecord, ResultName};

/// Fewer images lie on any plane as they must.
const FEWEST: usize = 10;
/// Width, height and edge of the image, in the page's pixels.
const SIZE: (f64, f64, f64) = (720.0, 480.0, 16.0);

pub(super) fn section(run: &RunData, sheets: &str) -> Markup {
    let (Some(map), Some(labels)) = (&run.map, run.test_labels()) else {
        return nothing(page::nothing::MAP);
    };
    if map.images.len() < FEWEST {
        return nothing(page::nothing::MAP_OF_SO_FEW);
    }
    let class_of = |place: usize| map.images.get(place).and_then(|&image| labels.get(image)).copied().unwrap_or(0);
    let classes: Vec<u16> = (0..run.classes().unwrap_or(0)).filter_map(|class| u16::try_from(class).ok()).collect();
    html! {
        p { (said::map(map.images.len() as u64, map.variance)) }
        div.map data-map=(sheets) {
            svg viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="img" {
                title { (said::MAP) }
                desc { (said::MAP_SHOWS) }
                @for &class in &classes {
                    path class={ "dots s" (class % 6) } d=(dots(map, |place| class_of(place) == class)) {}
                }
                @for &class in &classes {
                    @if let Some((x, y)) = middle(map, |place| class_of(place) == class) {
                        text.label x=(format!("{x:.0}")) y=(format!("{y:.0}")) text-anchor="middle" { (run.class_name(class)) }
                    }
                }
            }
            (data(&figures(run, map, &class_of)))
        }
    }
}

/// What the page's script draws the map from.
fn figures(run: &RunData, map: &EmbeddingMap, class_of: &dyn Fn(usize) -> u16) -> serde_json::Value {
    let numbers = thumbnails::numbers(run).unwrap_or_default();
    let answers = answers(run);
    let places = 0..map.images.len();
    let images = map.images.iter().map(|image| numbers.get(image));
    let predicted =
        answers.map(|record| map.images.iter().map(|&image| record.predicted.get(image)).collect::<Vec<_>>());
    json!({
        "classes": (0..run.classes().unwrap_or(0)).filter_map(|class| Some(run.class_name(u16::try_from(class).ok()?))).collect::<Vec<_>>(),
        "images": map.images,
        "thumbnails": images.collect::<Vec<_>>(),
        "labels": places.map(class_of).collect::<Vec<_>>(),
        "predicted": predicted,
        "by": answers.map(|record| names::classifier_with(record.name, record.labels_per_class)),
        "places": map.places.iter().map(|place| place.map(short)).collect::<Vec<_>>(),
        "neighbors": map.neighbors,
    })
}

/// The classifier whose answers stand beside the classes: fine-tuned BYOL with the most labels, first draw.
fn answers(run: &RunData) -> Option<&PredictionRecord> {
    let of = |name: ResultName| run.predictions.iter().filter(move |record| record.name == name && record.draw == 0);
    of(ResultName::PRETRAINED_FINETUNED)
        .chain(of(ResultName::PRETRAINED_LINEAR))
        .max_by_key(|record| (record.name == ResultName::PRETRAINED_FINETUNED, record.labels_used))
}

/// Round dots, in one path.
fn dots(map: &EmbeddingMap, mut wanted: impl FnMut(usize) -> bool) -> String {
    let at = laid_out(map);
    let chosen = (0..map.places.len()).filter(|&place| wanted(place));
    chosen.map(at).map(|(x, y)| format!("M{x:.0},{y:.0}h0")).collect()
}

/// The middle of a class's dots: of each coordinate the median.
fn middle(map: &EmbeddingMap, mut wanted: impl FnMut(usize) -> bool) -> Option<(f64, f64)> {
    let at = laid_out(map);
    let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = (0..map.places.len()).filter(|&place| wanted(place)).map(at).unzip();
    xs.sort_by(f64::total_cmp);
    ys.sort_by(f64::total_cmp);
    Some((*xs.get(xs.len() / 2)?, *ys.get(ys.len() / 2)?))
}

/// Where a place of the map lies in the image.
fn laid_out(map: &EmbeddingMap) -> impl Fn(usize) -> (f64, f64) + '_ {
    let range = |axis: usize| {
        let values = map.places.iter().map(|place| place[axis]).filter(|value| value.is_finite());
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
        if high > low { (low, high) } else { (low - 1.0, low + 1.0) }
    };
    let (across, upwards) = (range(0), range(1));
    let (width, height, edge) = SIZE;
    // The same scale for both, so that distances are distances.
    let scale = ((width - 2.0 * edge) / (across.1 - across.0)).min((height - 2.0 * edge) / (upwards.1 - upwards.0));
    let middle = |(low, high): (f64, f64)| (low + high) / 2.0;
    move |place| {
        let [x, y] = map.places[place];
        (width / 2.0 + (x - middle(across)) * scale, height / 2.0 - (y - middle(upwards)) * scale)
    }
}
