//! What ranks of a supervised training have to agree on beside batch norm and gradients.

use std::path::Path;

use tch::{Kind, Tensor};

use super::{Rest, SupervisedLearner};
use crate::ranks::Ranks;
use crate::train::TrainError;
use crate::train::averaging::TailAverage;
use crate::train::sitting::Sitting;
use crate::trained::checkpoint::Checkpoint;

/// All ranks go on with the classifier, the optimiser and the mean of rank 0, which may come from a checkpoint or from an encoder that
/// the others have not.
pub(super) fn begin_alike(
    sitting: &mut Sitting,
    learner: &mut SupervisedLearner,
    average: &mut TailAverage,
) -> Result<(), TrainError> {
    let ranks = sitting.setting.hardware.ranks.clone();
    if ranks.is_alone() {
        return Ok(());
    }
    let (named, rest) = (Path::new("what rank 0 begins with"), Rest::of(sitting));
    let mut own = Vec::new();
    if ranks.is_first() {
        let mut checkpoint = sitting.checkpoint()?;
        learner.store(&mut checkpoint, rest);
        average.store(&mut checkpoint, rest);
        own = checkpoint.bytes(named)?;
    }
    let bytes = ranks.of_first(&own)?;
    if !ranks.is_first() {
        let checkpoint = Checkpoint::of_bytes(&bytes, named)?;
        learner.restore(&checkpoint, rest)?;
        average.restore(&checkpoint, &learner.weights)?;
    }
    Ok(())
}

/// The mean loss of a batch and its number of right answers over all ranks, of which `sharing` have shares: where that is one alone,
/// each has the whole batch.
pub(super) fn over_all(ranks: &Ranks, sharing: &Ranks, (loss, right): (Tensor, Tensor)) -> (Tensor, Tensor) {
    if ranks.is_alone() {
        return (loss, right);
    }
    let (kind, wide) = (loss.kind(), |tensor: &Tensor| tensor.to_kind(Kind::Double));
    let mut both = Tensor::stack(&[wide(&loss), wide(&right)], 0);
    ranks.mean(&mut both);
    let right = both.get(1) * sharing.count() as f64;
    (both.get(0).to_kind(kind), right.round().to_kind(Kind::Int64))
}
