//! What a page is told: numbers, names and why, as values; the page has the words.

use serde::Serialize;

use super::worker::{Point, Tally};
use super::{Next, Notice, Session, State, Why};
use crate::data::Split;
use crate::data::labelling::{Edited, Mark};
use crate::label::prospect::LEAST_LABELS;
use crate::run::simulation::Strategy;
use crate::statistics::wilson;

/// Guesses that are shown.
const GUESSES: usize = 3;

/// Where the session stands for one page.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Another one where anything changed.
    pub revision: String,
    /// Images of the pool.
    pub images: usize,
    /// Those without an answer.
    pub open: usize,
    /// Those of none of the classes.
    pub none: usize,
    /// Those that were skipped.
    pub skipped: usize,
    /// Those whose files are not there any more.
    pub gone: usize,
    /// Images that came into the folder since.
    pub added: usize,
    /// Labels to learn from.
    pub train: usize,
    /// Labels that are set aside.
    pub aside: usize,
    /// The classes, in the order of their keys.
    pub classes: Vec<ClassView>,
    /// The image that is asked for.
    pub current: Option<ImageView>,
    /// The one that probably comes next.
    pub next: Option<usize>,
    /// Whether the page can undo something.
    pub can_undo: bool,
    /// Whether images are being chosen.
    pub fitting: bool,
    /// How good the classifier is.
    pub fitted: Option<FittedView>,
    /// How good it was with fewer labels.
    pub curve: Vec<PointView>,
    /// What happened meanwhile, with the revision that it happened in.
    pub notices: Vec<NoticeView>,
    /// Why the table cannot be read, where it cannot.
    pub problem: Option<String>,
    /// The table.
    pub table: String,
    /// Whether it has a column of splits.
    pub has_splits: bool,
    /// Share of the labels that are set aside.
    pub test_share: f64,
    /// Labels to learn from, with which it is said what more of them are likely to bring.
    pub prospect_from: usize,
}

/// A class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassView {
    /// Its name.
    pub name: String,
    /// Labels to learn from.
    pub train: usize,
    /// Labels that are set aside.
    pub aside: usize,
}

/// An image that is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct ImageView {
    /// Its number.
    pub image: usize,
    /// Its name.
    pub name: String,
    /// Why it is shown: the name of a strategy, `aside` or `taken_back`.
    pub why: &'static str,
    /// Whether its label is to be set aside.
    pub aside: bool,
    /// The most probable classes; none for an image that is set aside, lest they lead whoever answers.
    pub guess: Vec<Guess>,
}

/// A class with its probability.
#[derive(Clone, Debug, Serialize)]
pub struct Guess {
    /// The class.
    pub class: String,
    /// 0-1.
    pub probability: f32,
}

/// An accuracy with Wilson's 95% interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Share {
    /// Right answers.
    pub right: u64,
    /// All of them.
    pub images: u64,
    /// Their share, 0-1.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// How good the classifier is with so many labels.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PointView {
    /// Labels that it learned from.
    pub labels: usize,
    /// By cross-validation.
    pub held_out: Option<Share>,
    /// On what is set aside.
    pub aside: Option<Share>,
}

/// How good the classifier is now.
#[derive(Clone, Debug, Serialize)]
pub struct FittedView {
    /// The figures.
    #[serde(flatten)]
    pub now: PointView,
    /// What further labels are likely to bring: their number, points of accuracy 0-1, and the interval.
    pub prospect: Option<(usize, f64, Option<[f64; 2]>)>,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeView {
    /// When.
    pub revision: String,
    /// What others did to the table.
    pub edited: Option<Edited>,
    /// Why the classifier could not be fitted.
    pub not_fitted: Option<String>,
}

impl Session {
    /// What `page` is shown now. Asking is how it stays open.
    pub fn view(&self, page: &str) -> View {
        let mut state = self.state();
        // What cannot be read is told as a problem.
        let _ = state.take_in();
        let (shown, next) = self.shown_to(&mut state, page);
        let others = state.others(page);
        let mut view = View {
            revision: state.revision.to_string(),
            images: self.names.len(),
            open: 0,
            none: 0,
            skipped: 0,
            gone: state.gone.len(),
            added: state.added,
            train: 0,
            aside: 0,
            classes: Vec::new(),
            current: shown.map(|next| self.image(&state, next)),
            next,
            can_undo: state.file.can_undo(|by| !others.contains(by)),
            fitting: state.fitting || state.queue.is_empty() && state.unfitted > 0,
            fitted: state.fitted.as_ref().map(|fitted| FittedView {
                now: fitted.point.into(),
                prospect: fitted.prospect.map(|found| (found.more, found.gain, found.interval)),
            }),
            curve: curve(&state),
            notices: state.notices.iter().map(|(revision, notice)| notice.view(*revision)).collect(),
            problem: state.problem.clone(),
            table: state.file.path().display().to_string(),
            has_splits: state.file.has_splits(),
            test_share: self.options.test_share,
            prospect_from: LEAST_LABELS,
        };
        self.count(&state, &mut view);
        view
    }

    fn count(&self, state: &State, view: &mut View) {
        let name = |name: &String| ClassView { name: name.clone(), train: 0, aside: 0 };
        view.classes = state.file.classes().iter().map(name).collect();
        let places: std::collections::HashMap<&str, usize> =
            state.file.classes().iter().enumerate().map(|(place, class)| (class.as_str(), place)).collect();
        for (image, name) in self.names.iter().enumerate() {
            match state.file.mark(name) {
                Mark::Open => view.open += usize::from(!state.gone.contains(&image)),
                Mark::None => view.none += 1,
                Mark::Skipped => view.skipped += 1,
                Mark::Label(label) => {
                    let aside = matches!(label.split, Some(Split::Test | Split::Validation));
                    let class = places.get(label.class.as_str()).and_then(|&place| view.classes.get_mut(place));
                    *(if aside { &mut view.aside } else { &mut view.train }) += 1;
                    if let Some(class) = class {
                        *(if aside { &mut class.aside } else { &mut class.train }) += 1;
                    }
                }
            }
        }
    }

    fn image(&self, state: &State, next: Next) -> ImageView {
        let aside = next.why == Why::Aside;
        let best = state.fitted.as_ref().filter(|_| !aside).map(|fitted| fitted.best(next.image, GUESSES));
        let why = match next.why {
            Why::Chosen(strategy) => strategy.name(),
            Why::Aside => "aside",
            Why::TakenBack => "taken_back",
        };
        // What `auto` does is typical images until it asks the classifier.
        let why = if why == Strategy::Auto.name() { Strategy::Typical.name() } else { why };
        let guess = best.unwrap_or_default().into_iter().map(|(class, probability)| Guess { class, probability });
        ImageView { image: next.image, name: self.names[next.image].clone(), why, aside, guess: guess.collect() }
    }
}

/// The figures by number of labels, the last of each number.
fn curve(state: &State) -> Vec<PointView> {
    let read = |value: &serde_json::Value| serde_json::from_value::<Point>(value.clone()).ok();
    let points: std::collections::BTreeMap<usize, Point> =
        state.file.points().iter().filter_map(read).map(|point| (point.labels, point)).collect();
    points.into_values().map(PointView::from).collect()
}

impl From<Point> for PointView {
    fn from(point: Point) -> PointView {
        PointView {
            labels: point.labels,
            held_out: point.held_out.and_then(Share::of),
            aside: point.aside.and_then(Share::of),
        }
    }
}

impl Share {
    fn of(tally: Tally) -> Option<Share> {
        let Tally { right, images } = tally;
        let (low, high) = wilson(right, images).ok()?;
        Some(Share { right, images, share: right as f64 / images as f64, low, high })
    }
}

impl Notice {
    fn view(&self, revision: u64) -> NoticeView {
        let revision = revision.to_string();
        match self {
            Notice::Edited(edited) => NoticeView { revision, edited: Some(*edited), not_fitted: None },
            Notice::NotFitted(error) => NoticeView { revision, edited: None, not_fitted: Some(error.clone()) },
        }
    }
}
