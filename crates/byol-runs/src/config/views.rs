//! The views that pre-training draws of every image: how many, of what side, with which recipe, and which network sees
//! them. Everything that depends on it asks here.

use super::Experiment;
use crate::augment::Recipe;
use crate::random::ViewNumber;

/// One of the views that pre-training draws of every image.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingView<'a> {
    /// In names of files, and in what a run records.
    pub name: &'static str,
    /// How the view is drawn from the image.
    pub recipe: &'a Recipe,
    /// Side in pixels.
    pub side: usize,
    /// What keeps its random numbers apart from those of other views.
    pub number: ViewNumber,
    /// The networks that it is shown to.
    pub seen_by: SeenBy,
}

/// Which networks see a view in pre-training. What is learned from are pairs of views of which the target sees at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenBy {
    /// The online and the target network.
    Both,
    /// The online network alone.
    Online,
}

impl Experiment {
    /// The views of pre-training, in the order in which batches hold them: those of one side that the same networks see
    /// stand together. The paper's are two of one side, each seen by both networks (section 3.1).
    pub fn training_views(&self) -> Vec<TrainingView<'_>> {
        let recipes = [("t", &self.pretrain.t), ("t_prime", &self.pretrain.t_prime)];
        let views = recipes.into_iter().enumerate().map(|(place, (name, recipe))| TrainingView {
            name,
            recipe,
            side: self.view_size(),
            number: ViewNumber::Pretraining(place),
            seen_by: SeenBy::Both,
        });
        views.collect()
    }
}

impl TrainingView<'_> {
    /// Whether two views can stand in one tensor.
    pub fn goes_with(&self, other: &TrainingView<'_>) -> bool {
        (self.side, self.seen_by) == (other.side, other.seen_by)
    }
}
