//! Holding a student against its teacher on labels that trained neither.

use tch::{Device, Kind, Tensor};

use crate::eval::EvalError;
use crate::eval::metrics::argmax;
use crate::eval::temperature::{CalibrationError, Labelled, Temperature};
use crate::run::record::Judgement;

/// Least probability of a label whose logarithm is taken.
const LEAST: f64 = 1e-12;

/// How both did.
///
/// # Shapes
/// Logits `[images, classes]` of the same images, whose labels are `labels`.
///
/// # Errors
/// There are no images, or a logit is no number.
pub(super) fn judge(teacher: &Tensor, student: &Tensor, labels: &[u16]) -> Result<Judgement, EvalError> {
    let (answers, learned) = (argmax(teacher)?, argmax(student)?);
    let count = |wanted: [bool; 2]| {
        let right = answers.iter().zip(&learned).zip(labels);
        right.filter(|((teacher, student), label)| [*teacher == *label, *student == *label] == wanted).count()
    };
    Ok(Judgement {
        images: labels.len(),
        both: count([true, true]),
        lost: count([true, false]),
        won: count([false, true]),
        teacher_loss: calibrated_loss(teacher, labels)?,
        student_loss: calibrated_loss(student, labels)?,
    })
}

/// Mean negative log-likelihood of the labels at the temperature with the least: how sure a network is by habit says nothing
/// about what it knows.
fn calibrated_loss(logits: &Tensor, labels: &[u16]) -> Result<f64, EvalError> {
    let classes = logits.size()[1] as usize;
    let logits = Vec::<f32>::try_from(logits.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1))?;
    let temperature = match Temperature::fit(Labelled { logits: &logits, labels, classes }) {
        Ok(temperature) => temperature,
        // The lower the temperature the better, and the higher the better.
        Err(CalibrationError::AllRight { .. }) => return Ok(0.0),
        Err(CalibrationError::NoBetterThanChance { .. }) => return Ok((classes as f64).ln()),
        Err(_) => return Ok(f64::INFINITY),
    };
    let of_image = |(row, &label): (&[f32], &u16)| -temperature.probabilities(row)[usize::from(label)].max(LEAST).ln();
    Ok(logits.chunks_exact(classes).zip(labels).map(of_image).sum::<f64>() / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(logits: &[f32]) -> Tensor {
        Tensor::from_slice(logits).view([-1, 2])
    }

    #[test]
    fn answers_are_counted_and_losses_do_not_depend_on_scale() {
        let labels = [0, 0, 1, 1];
        // Right, right, right, wrong; and right, wrong, right, right.
        let teacher = rows(&[2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 0.0]);
        let student = rows(&[9.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0, 9.0]);
        let found = judge(&teacher, &student, &labels).unwrap();
        assert_eq!((found.images, found.both, found.lost, found.won), (4, 2, 1, 1));
        // Three of four right with one margin: the best probability is 3/4.
        let expected = -(3.0 * 0.75f64.ln() + 0.25f64.ln()) / 4.0;
        assert!((found.teacher_loss - expected).abs() < 1e-6, "{found:?}");
        assert!((found.student_loss - expected).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn the_ends_have_losses_too() {
        let labels = [0, 1];
        let right = rows(&[1.0, 0.0, 0.0, 1.0]);
        let wrong = rows(&[0.0, 1.0, 1.0, 0.0]);
        let found = judge(&right, &wrong, &labels).unwrap();
        assert_eq!((found.teacher_loss, found.student_loss), (0.0, 2f64.ln()));
        assert!(found.is_worse() && !judge(&wrong, &right, &labels).unwrap().is_worse());
        let same = |logits: &Tensor| judge(logits, logits, &labels).unwrap().is_worse();
        assert!(same(&wrong) && !same(&right), "a teacher that knows nothing has nothing to teach");
        assert!(judge(&right, &rows(&[f32::NAN, 0.0, 0.0, 1.0]), &labels).is_err());
    }
}
