//! What was odd about a run directory: sentences without a capital and a full stop, to stand in a list or after `Note:`.

use super::numbers::capital;
use crate::report::notes::{Answers, ImageProblem, Note};

pub fn note(note: &Note) -> String {
    match note {
        Note::Unfinished => "the run has not finished; this is what it had recorded so far".to_owned(),
        Note::TornLine { file, line } => format!("{file}: its last line ({line}) is incomplete and was skipped"),
        Note::NoConfiguration => "config.toml is missing; the configuration is not shown".to_owned(),
        Note::UnreadableConfiguration { reason } => {
            format!("config.toml cannot be read ({reason}); the configuration is not shown")
        }
        Note::OtherPredictions { of, predictions, images } => {
            format!("{}: {predictions} predictions for {images} test images; left out", answers(of))
        }
        Note::OtherProbabilities { of, probabilities, predictions } => {
            format!("{}: {probabilities} probabilities for {predictions} predictions; left out", answers(of))
        }
        Note::OtherAccuracy { of, recorded, computed } => format!(
            "{}: records an accuracy of {recorded:.4}, but its predictions give {computed:.4}; the recorded one is shown, \
             comparisons use the predictions",
            answers(of)
        ),
        Note::OtherTestImages { names, images } => {
            format!("test-images.json: {names} names for {images} test images; they are not shown")
        }
        Note::GalleryImage { name, problem } => {
            format!("gallery image '{name}' is not shown: {}", image_problem(problem))
        }
        Note::OtherThumbnails => {
            "gallery/thumbnails.json does not belong to the test images; they are not shown".to_owned()
        }
        Note::Thumbnails { problem } => format!("thumbnails of test images are not shown: {}", image_problem(problem)),
        Note::OtherMap => "gallery/map.json does not belong to the test images; it is not shown".to_owned(),
    }
}

fn answers(of: &Answers) -> String {
    format!("predictions.jsonl: {} with {} labels per class, draw {}", of.name.key(), of.budget, of.draw + 1)
}

fn image_problem(problem: &ImageProblem) -> String {
    match problem {
        ImageProblem::OutsideGallery => "its name does not stay inside the gallery".to_owned(),
        ImageProblem::Unreadable(error) => error.clone(),
        ImageProblem::NotA(format) => format!("it is not a {format} file"),
        ImageProblem::TooLarge { bytes, most } => format!("it has {bytes} bytes, more than {most}"),
    }
}

/// A note as a sentence.
pub fn in_a_list(of: &Note) -> String {
    format!("{}.", capital(&note(of)))
}
