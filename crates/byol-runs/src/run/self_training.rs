//! What is recorded of a self-training: what the student learned from, and whether it is taken.

use serde::{Deserialize, Serialize};

/// How a classifier was self-trained, or why it was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTraining {
    /// Whether the student stands for the stage, or its teacher.
    pub verdict: Verdict,
    /// Images that the teacher answered for.
    pub pool: usize,
    /// Those of them that the student learned from.
    pub used: usize,
    /// Of these, how many the teacher takes for each class.
    pub per_class: Vec<usize>,
    /// Mean probability that the teacher gives the likeliest class of those that were used, 0-1.
    pub confidence: f64,
    /// How teacher and student did on held-out labels; absent where none were held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

impl SelfTraining {
    /// Whether the student stands for the stage.
    pub fn is_taken(&self) -> bool {
        self.verdict == Verdict::Taken
    }
}

/// Whether a student is taken instead of its teacher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The student is taken.
    Taken,
    /// The student did no better than the teacher on held-out labels.
    Worse,
    /// There are too few labels to hold some of them out.
    TooFewLabels,
    /// The teacher is sure enough of fewer than two images, or there are none.
    TooFewImages,
}

/// How teacher and student did on labels of the budget that trained neither.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Held-out images.
    pub images: usize,
    /// Images that both classify rightly.
    pub both: usize,
    /// Images that the teacher alone classifies rightly.
    pub lost: usize,
    /// Images that the student alone classifies rightly.
    pub won: usize,
    /// The teacher's mean negative log-likelihood of the labels, its probabilities calibrated on the same images.
    pub teacher_loss: f64,
    /// The student's.
    pub student_loss: f64,
}

impl Judgement {
    /// 0-1.
    pub fn teacher_accuracy(&self) -> f64 {
        (self.both + self.lost) as f64 / self.images.max(1) as f64
    }

    /// 0-1.
    pub fn student_accuracy(&self) -> f64 {
        (self.both + self.won) as f64 / self.images.max(1) as f64
    }

    /// Whether the student is to be refused: its loss, which says something of every image, is not the lower one (and not that of a
    /// classifier that is always right: where both know no more than chance, nothing speaks for either), or it loses more
    /// answers than it wins by over one standard deviation of that difference (the square root of their number, as McNemar's
    /// test has it). One answer more or less of a few says nothing.
    pub fn is_worse(&self) -> bool {
        let (lost, won) = (self.lost as f64, self.won as f64);
        let is_lower = self.student_loss.partial_cmp(&self.teacher_loss) == Some(std::cmp::Ordering::Less);
        !is_lower && self.student_loss != 0.0 || lost - won > (lost + won).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lost: usize, won: usize, student_loss: f64) -> Judgement {
        Judgement { images: 20, both: 8, lost, won, teacher_loss: 1.0, student_loss }
    }

    #[test]
    fn a_student_is_refused_for_its_loss_or_for_more_answers_than_chance() {
        assert!(!judged(0, 0, 0.99).is_worse());
        assert!(judged(0, 0, 1.01).is_worse());
        assert!(judged(0, 0, 1.0).is_worse(), "nothing speaks for it");
        assert!(!Judgement { teacher_loss: 0.0, ..judged(0, 0, 0.0) }.is_worse(), "both are always right");
        assert!(judged(0, 5, f64::NAN).is_worse(), "a student whose loss is no number");
        // One lost answer says nothing. Five lost and two won do: 3 against a deviation of 2.6; five and three, 2 against 2.8, do not.
        assert!(!judged(1, 0, 0.9).is_worse());
        assert!(judged(5, 2, 0.9).is_worse());
        assert!(!judged(5, 3, 0.9).is_worse());
        let found = judged(1, 3, 0.9);
        assert_eq!((found.teacher_accuracy(), found.student_accuracy()), (0.45, 0.55));
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let record = SelfTraining {
            verdict: Verdict::TooFewLabels,
            pool: 5,
            used: 2,
            per_class: vec![1, 1],
            confidence: 0.75,
            judgement: None,
        };
        let text = serde_json::to_string(&record).unwrap();
        let expected = r#"{"verdict":"too_few_labels","pool":5,"used":2,"per_class":[1,1],"confidence":0.75}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<SelfTraining>(&text).unwrap(), record);
        assert!(!record.is_taken());
    }
}
