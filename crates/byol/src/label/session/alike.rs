//! Images that look like one: its neighbours, and those of them without an answer, to be labelled at once.

use std::sync::PoisonError;

use serde::Serialize;

use super::{Session, SessionError};
use crate::data::labelling::Mark;

/// Neighbours that are shown.
const NEIGHBOURS: usize = 12;
/// Images that are labelled at once, at most.
const AT_ONCE: usize = 24;

/// An image that looks like another.
#[derive(Clone, Debug, Serialize)]
pub struct Alike {
    /// Its number.
    pub image: usize,
    /// Its name.
    pub name: String,
    /// Cosine of the angle between both, without what all images have in common, -1 to 1.
    pub similarity: f32,
    /// Its class, where it has a label.
    pub class: Option<String>,
}

impl Session {
    /// The nearest images to one, labelled or not, nearest first.
    ///
    /// # Errors
    /// There is no such image.
    pub fn neighbours(&self, image: usize) -> Result<Vec<Alike>, SessionError> {
        let near = self.nearest(image)?;
        let state = self.state();
        let near = near.into_iter().filter(|&(other, _)| other != image).take(NEIGHBOURS);
        let class = |name: &str| state.file.mark(name).label().map(|label| label.class.clone());
        Ok(near
            .map(|(image, similarity)| {
                let name = self.names[image].clone();
                Alike { image, class: class(&name), name, similarity }
            })
            .collect())
    }

    /// Images without an answer that look most like one, itself first: of those for which the classifier says the same, where there is
    /// one.
    ///
    /// # Errors
    /// There is no such image.
    pub fn cluster(&self, page: &str, image: usize) -> Result<Vec<Alike>, SessionError> {
        let near = self.nearest(image)?;
        let state = self.state();
        let elsewhere = state.shown_elsewhere(page);
        let guess = |image: usize| state.fitted.as_ref().and_then(|fitted| fitted.answer(image));
        let own = guess(image);
        let fits = |other: usize| {
            other == image
                || state.file.mark(&self.names[other]) == Mark::Open
                    && !elsewhere.contains(&other)
                    && !state.gone.contains(&other)
                    && guess(other) == own
        };
        let first = near.iter().filter(|&&(other, _)| other == image);
        let rest = near.iter().filter(|&&(other, _)| other != image);
        let found = first.chain(rest).filter(|&&(other, _)| fits(other)).take(AT_ONCE);
        Ok(found
            .map(|&(image, similarity)| Alike { image, name: self.names[image].clone(), similarity, class: None })
            .collect())
    }

    /// All images with their similarity, itself first, the others nearest first.
    fn nearest(&self, image: usize) -> Result<Vec<(usize, f32)>, SessionError> {
        if image >= self.names.len() {
            return Err(SessionError::Unknown { what: "image" });
        }
        let near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = vec![(image, 1.0)];
        found.extend(near.nearest(image, self.names.len()));
        Ok(found)
    }
}
