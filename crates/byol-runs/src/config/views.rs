//! The views that pre-training draws of every image: how many, of what side, with which recipe, and which network sees
//! them. Everything that depends on it asks here.

use std::borrow::Cow;

use super::Experiment;
use super::sides::Sides;
use crate::augment::Recipe;
use crate::random::ViewNumber;

/// One of the views that pre-training draws of every image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingView<'a> {
    /// In names of files, and in what a run records.
    pub name: Cow<'static, str>,
    /// How the view is drawn from the image.
    pub recipe: Cow<'a, Recipe>,
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
    /// stand together. The paper's are two of one side, each seen by both networks (section 3.1). Local views, where there
    /// are some, follow them: those of multi-crop, which the online network alone sees (arXiv 2006.09882, section 3.3; arXiv
    /// 2104.14294, section 3.1). They are drawn with the recipes of t and t' in turn, but for the area of their crops.
    pub fn training_views(&self) -> Vec<TrainingView<'_>> {
        let recipes = [("t", &self.pretrain.t), ("t_prime", &self.pretrain.t_prime)];
        let global = recipes.into_iter().enumerate().map(|(place, (name, recipe))| TrainingView {
            name: name.into(),
            recipe: Cow::Borrowed(recipe),
            side: self.view_size(),
            number: ViewNumber::Pretraining(place),
            seen_by: SeenBy::Both,
        });
        let local = (0..self.pretrain.local_views).map(|number| TrainingView {
            name: format!("local_{}", number + 1).into(),
            recipe: Cow::Owned(Recipe { crop_area: self.pretrain.local_area, ..recipes[number % 2].1.clone() }),
            side: self.local_size(),
            number: ViewNumber::Pretraining(recipes.len() + number),
            seen_by: SeenBy::Online,
        });
        global.chain(local).collect()
    }

    /// Sides of the two views over pre-training. What a training that was made longer adds has the full side.
    pub fn view_sides(&self) -> Sides {
        let first_length = self.pretrain.extended.first().copied().unwrap_or(self.pretrain.epochs);
        Sides::growing(self.pretrain.first_size, self.view_size(), first_length)
    }

    /// Side of the local views in pixels.
    pub fn local_size(&self) -> usize {
        match self.pretrain.local_size {
            0 => self.view_size().div_ceil(2),
            side => side,
        }
    }
}

impl TrainingView<'_> {
    /// Whether two views can stand in one tensor.
    pub fn goes_with(&self, other: &TrainingView<'_>) -> bool {
        (self.side, self.seen_by) == (other.side, other.seen_by)
    }
}
