//! What goes on beside the answers: the classifier is fitted to them again, and the next images are chosen.

use std::sync::PoisonError;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Next, Notice, Session, State, Why};
use crate::data::Split;
use crate::data::labelling::Mark;
use crate::eval::{EvalError, Features, metrics};
use crate::label::choice::{Asked, Chooser, shuffled};
use crate::label::head::Head;
use crate::label::prospect::{LEAST_LABELS, Prospect, prospect};
use crate::label::{LabelError, rows_of, values_of};
use crate::run::simulation::Strategy;

/// So many answers are waited for before the classifier is fitted again,
const ANSWERS: usize = 4;
/// or, where there are fewer, so long after the last.
const PAUSE: Duration = Duration::from_millis(800);
/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_millis(200);
/// Place of the random order of images that are set aside.
const SET_ASIDE: u64 = 2;
/// Further labels of which it is said what they are likely to bring.
const FURTHER: usize = 50;
/// It is said anew once there are so many times as many labels.
const GROWTH: f64 = 1.1;

/// Right answers among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Right answers.
    pub right: u64,
    /// All of them.
    pub images: u64,
}

/// How good the classifier was with so many labels to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Labels that it learned from.
    pub labels: usize,
    /// By cross-validation.
    pub held_out: Option<Tally>,
    /// On labels of random images that are set aside.
    pub aside: Option<Tally>,
}

/// The classifier of the moment.
#[derive(Debug)]
pub(super) struct Fitted {
    pub classes: Vec<String>,
    /// float32 `[images, classes]`.
    pub probabilities: Tensor,
    pub point: Point,
    pub prospect: Option<Prospect>,
}

impl Fitted {
    /// The most probable classes of an image with their probabilities, most probable first.
    pub fn best(&self, image: usize, count: usize) -> Vec<(String, f32)> {
        let values = values_of(&self.probabilities.get(image as i64));
        let mut found: Vec<(String, f32)> = self.classes.iter().cloned().zip(values).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(count);
        found
    }

    /// The class that it says.
    pub fn answer(&self, image: usize) -> Option<String> {
        self.best(image, 1).pop().map(|(class, _)| class)
    }
}

/// What is known when the work begins.
struct Snapshot {
    classes: Vec<String>,
    train: Vec<(usize, u16)>,
    aside: Vec<(usize, u16)>,
    /// Images that are not chosen: they have another answer, are gone or shown somewhere.
    barred: Vec<usize>,
    /// Images that have a label, were skipped, or are of no class.
    answered: usize,
    unfitted: usize,
}

/// A head with the classes that it knows.
type Known = (Vec<String>, Head);

impl Session {
    /// Fits and chooses until [`Session::end`]. `vectors` are the representations of the images.
    ///
    /// # Errors
    /// There is no image.
    pub fn work(&self, vectors: &Tensor) -> Result<(), LabelError> {
        let seed = self.options.linear.seed;
        let mut chooser = Chooser::new(vectors, self.options.strategy, 2, seed)?;
        let order = shuffled(self.names.len(), seed, SET_ASIDE);
        let (mut head, mut chosen_at, mut prospect_with): (Option<Known>, _, _) = (None, 0, 0);
        while let Some(snapshot) = self.await_work(chosen_at) {
            let known = self.fit(vectors, &snapshot, head.take());
            chooser.set_classes(snapshot.classes.len().max(2));
            let next = self.choose(&mut chooser, &snapshot, known.as_ref().map(|(_, head)| head), &order);
            let mut state = self.state();
            match next {
                Ok(next) => {
                    state.queue = next.into_iter().filter(|next| self.is_open(&state, next.image)).collect();
                }
                Err(error) => state.tell(Notice::NotFitted(error.to_string())),
            }
            state.fitting = false;
            state.changed();
            chosen_at = state.revision;
            drop(state);
            head = known;
            if let Some((_, head)) = &head {
                self.look_ahead(vectors, &snapshot, head, &mut prospect_with);
            }
        }
        Ok(())
    }

    fn is_open(&self, state: &State, image: usize) -> bool {
        state.file.mark(&self.names[image]) == Mark::Open
    }

    /// Waits until there is something to do; nothing once the session ends. `chosen_at` is the state in which images were chosen last.
    fn await_work(&self, chosen_at: u64) -> Option<Snapshot> {
        let mut state = self.state();
        loop {
            if state.ended {
                return None;
            }
            let short = state.queue.len() <= self.options.batch / 2 && state.revision != chosen_at;
            let paused = state.answered.elapsed() >= PAUSE || state.queue.is_empty();
            if short || state.unfitted >= ANSWERS || state.unfitted > 0 && paused {
                state.fitting = true;
                let snapshot = self.snapshot(&state);
                state.unfitted = 0;
                return Some(snapshot);
            }
            state = self.wake.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn snapshot(&self, state: &State) -> Snapshot {
        let classes = state.file.classes().to_vec();
        let number = |class: &str| classes.iter().position(|one| one == class).map(|place| place as u16);
        let (mut train, mut aside, mut validation) = (Vec::new(), Vec::new(), Vec::new());
        let mut barred: Vec<usize> = state.gone.iter().copied().collect();
        barred.extend(state.shown_elsewhere(""));
        let mut answered = 0;
        for (image, name) in self.names.iter().enumerate() {
            let mark = state.file.mark(name);
            answered += usize::from(mark != Mark::Open);
            match mark {
                Mark::Open => {}
                Mark::None | Mark::Skipped => barred.push(image),
                Mark::Label(label) => match (label.split, number(&label.class)) {
                    (Some(Split::Unlabeled), _) | (_, None) => barred.push(image),
                    (Some(Split::Test), Some(class)) => aside.push((image, class)),
                    (Some(Split::Validation), Some(class)) => validation.push((image, class)),
                    (Some(Split::Train) | None, Some(class)) => train.push((image, class)),
                },
            }
        }
        // As `--data` takes them: validation images are the test where there is no other, else they train.
        if aside.is_empty() {
            aside = validation
        } else {
            train.extend(validation)
        }
        Snapshot { classes, train, aside, barred, answered, unfitted: state.unfitted }
    }

    /// Fits the classifier to what is labelled, and shows what it is worth.
    fn fit(&self, vectors: &Tensor, snapshot: &Snapshot, before: Option<Known>) -> Option<Known> {
        if snapshot.train.is_empty() {
            self.state().fitted = None;
            return None;
        }
        let same = before.as_ref().is_some_and(|(classes, _)| *classes == snapshot.classes);
        if same && snapshot.unfitted == 0 {
            return before;
        }
        let fresh = || (snapshot.classes.clone(), Head::new(snapshot.classes.len(), self.options.linear.clone()));
        let (classes, mut head) = before.filter(|_| same).unwrap_or_else(fresh);
        match self.fitted(vectors, snapshot, &mut head) {
            Ok(fitted) => {
                let mut state = self.state();
                let point = fitted.point;
                let is_new = state.file.points().last() != serde_json::to_value(point).ok().as_ref();
                if let (true, Ok(value)) = (is_new, serde_json::to_value(point)) {
                    // A curve with a point less is no loss; a disk that is full says so with the next answer.
                    let _ = state.file.record(value);
                }
                state.fitted = Some(fitted);
                state.changed();
            }
            Err(error) => self.state().tell(Notice::NotFitted(error.to_string())),
        }
        Some((classes, head))
    }

    fn fitted(&self, vectors: &Tensor, snapshot: &Snapshot, head: &mut Head) -> Result<Fitted, EvalError> {
        let train = part(vectors, &snapshot.train);
        head.fit(&train)?;
        let held_out = head.validation(&train)?.map(|found| Tally { right: found.right, images: found.images });
        let classes = snapshot.classes.len() as i64;
        let none = || Tensor::zeros([vectors.size()[0], classes], (tch::Kind::Float, vectors.device()));
        let probabilities = head.probabilities(vectors)?.unwrap_or_else(none);
        let aside = match snapshot.aside.is_empty() {
            true => None,
            false => {
                let (images, labels): (Vec<usize>, Vec<u16>) = snapshot.aside.iter().copied().unzip();
                let answers = metrics::argmax(&rows_of(&probabilities, &images))?;
                let right = answers.iter().zip(&labels).filter(|(answer, label)| answer == label).count() as u64;
                Some(Tally { right, images: labels.len() as u64 })
            }
        };
        let point = Point { labels: snapshot.train.len(), held_out, aside };
        let prospect = self.state().fitted.as_ref().and_then(|fitted| fitted.prospect);
        Ok(Fitted { classes: snapshot.classes.clone(), probabilities, point, prospect })
    }

    /// The next images: those of the strategy, and among them random ones that are due to be set aside.
    fn choose(
        &self,
        chooser: &mut Chooser<'_>,
        snapshot: &Snapshot,
        head: Option<&Head>,
        order: &[usize],
    ) -> Result<Vec<Next>, LabelError> {
        let count = self.options.batch;
        let labelled: Vec<usize> = snapshot.train.iter().map(|&(image, _)| image).collect();
        let mut barred: Vec<usize> = snapshot.aside.iter().map(|&(image, _)| image).collect();
        barred.extend(&snapshot.barred);
        let given = snapshot.train.len() + snapshot.aside.len();
        let due = (self.options.test_share * (given + count) as f64).floor() as usize;
        // One label at least is learned from.
        let most = count - usize::from(snapshot.train.is_empty());
        let due = due.saturating_sub(snapshot.aside.len()).min(most);
        let mut taken = vec![false; order.len()];
        labelled.iter().chain(&barred).for_each(|&image| taken[image] = true);
        let aside: Vec<usize> = order.iter().copied().filter(|&image| !taken[image]).take(due).collect();
        barred.extend(&aside);
        let asked = Asked { labelled: &labelled, set_aside: &barred, head, count: count - aside.len() };
        let strategy = match chooser.strategy_now(asked) {
            Strategy::Margin | Strategy::Badge if head.is_none() => Strategy::Random,
            strategy => strategy,
        };
        let next = chooser.next(asked)?.into_iter().map(|image| Next { image, why: Why::Chosen(strategy) });
        let mut next: Vec<Next> = next.collect();
        // A label to learn from comes first.
        let at = usize::from(snapshot.answered == 0 && !next.is_empty());
        for (place, image) in aside.into_iter().enumerate() {
            let place = (at + 2 * place).min(next.len());
            next.insert(place, Next { image, why: Why::Aside });
        }
        Ok(next)
    }

    /// What further labels are likely to bring, where that has not been asked with about as many.
    fn look_ahead(&self, vectors: &Tensor, snapshot: &Snapshot, head: &Head, asked_with: &mut usize) {
        let labels = snapshot.train.len();
        let is_due = labels >= LEAST_LABELS && (labels as f64 >= GROWTH * *asked_with as f64 || labels < *asked_with);
        let (true, Some(l2)) = (is_due, head.penalty()) else { return };
        let train = part(vectors, &snapshot.train);
        let found = prospect(&train, snapshot.classes.len(), l2, FURTHER, self.options.linear.seed);
        let mut state = self.state();
        match found {
            Ok(found) => {
                if let Some(fitted) = &mut state.fitted {
                    fitted.prospect = found;
                }
            }
            Err(error) => state.tell(Notice::NotFitted(error.to_string())),
        }
        *asked_with = labels;
        state.changed();
    }
}

fn part(vectors: &Tensor, of: &[(usize, u16)]) -> Features {
    let (images, labels): (Vec<usize>, Vec<u16>) = of.iter().copied().unzip();
    Features { vectors: rows_of(vectors, &images), labels }
}
