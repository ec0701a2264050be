//! What is computed of images in order, by a network that does not learn: batch by batch, divided among ranks. Batches are the same
//! for every number of ranks, and so is what is computed of each.

use tch::{Device, Kind, Tensor};

use super::{Batch, ImageSet, LoadError, ViewGroup, in_order};
use crate::ranks::{Place, Ranks, RanksError};

/// Images, and how they are drawn.
pub(crate) struct InOrder<'a> {
    pub image_set: ImageSet,
    pub views: Vec<ViewGroup>,
    pub indices: &'a [usize],
    pub batch_size: usize,
}

/// The rows of all images, of each of the float32 tensors that `compute` makes of a batch: at rank 0, while the others have none. No
/// images have none anywhere.
///
/// # Errors
/// An image cannot be read, or a rank is gone.
pub(crate) fn computed<E: From<LoadError> + From<RanksError>>(
    of: InOrder,
    mut compute: impl FnMut(&Batch) -> Vec<Tensor>,
) -> Result<Vec<Tensor>, E> {
    let InOrder { image_set, views, indices, batch_size } = of;
    let (ranks, threads, device) =
        (image_set.hardware.ranks.clone(), image_set.hardware.threads, image_set.hardware.device);
    let Place { rank, size } = ranks.place();
    let all: Vec<&[usize]> = indices.chunks(batch_size).collect();
    let own: Vec<usize> = all.iter().skip(rank).step_by(size).flat_map(|batch| batch.iter().copied()).collect();
    let mut batches = in_order(image_set, views, own, batch_size, threads);
    let (mut rows, mut shapes): (Vec<Vec<Tensor>>, Option<Vec<Vec<i64>>>) = (Vec::new(), None);
    for round in all.chunks(size) {
        let made = match rank < round.len() {
            true => compute(&batches.next().unwrap_or(Err(LoadError::WorkerLost))?),
            false => Vec::new(),
        };
        let of_round: Vec<Vec<Tensor>> = match ranks.is_alone() {
            true => made.into_iter().map(|rows| vec![rows]).collect(),
            false => {
                if shapes.is_none() {
                    // Rank 0 has a batch of every round.
                    shapes = Some(ranks.value_of_first(made.iter().map(|rows| rows.size()).collect())?);
                }
                let known = shapes.as_deref().unwrap_or_default();
                let lengths: Vec<i64> = round.iter().map(|batch| batch.len() as i64).collect();
                gathered(&ranks, &made, (known, &lengths, device))
            }
        };
        ranks.check()?;
        rows.resize_with(of_round.len(), Vec::new);
        if ranks.is_first() {
            rows.iter_mut().zip(of_round).for_each(|(rows, more)| rows.extend(more));
        }
    }
    rows.retain(|rows| !rows.is_empty());
    Ok(rows.into_iter().map(|rows| Tensor::cat(&rows, 0)).collect())
}

/// What all ranks have made of the batches of a round, which have so many rows.
fn gathered(
    ranks: &Ranks,
    made: &[Tensor],
    (shapes, lengths, device): (&[Vec<i64>], &[i64], Device),
) -> Vec<Vec<Tensor>> {
    let longest = lengths.iter().max().copied().unwrap_or(0);
    let of_one = |(place, shape): (usize, &Vec<i64>)| {
        let empty = |rows: i64| Tensor::zeros([&[rows][..], &shape[1..]].concat().as_slice(), (Kind::Float, device));
        let own = match made.get(place) {
            Some(rows) if rows.size()[0] == longest => rows.shallow_clone(),
            Some(rows) => Tensor::cat(&[rows, &empty(longest - rows.size()[0])], 0),
            None => empty(longest),
        };
        let all = ranks.gather(&own);
        lengths.iter().enumerate().map(|(rank, &rows)| all.get(rank as i64).narrow(0, 0, rows)).collect()
    };
    shapes.iter().enumerate().map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Experiment;
    use crate::data::patterns::{PatternOptions, dataset_with};
    use crate::device::{DeviceChoice, Hardware, PrecisionChoice};
    use crate::loader::ViewKind;
    use crate::ranks::testing;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error(transparent)]
        Load(#[from] LoadError),
        #[error(transparent)]
        Ranks(#[from] RanksError),
    }

    /// The same bytes for every number of ranks, whether batches divide or not, and none elsewhere.
    #[test]
    fn ranks_divide_batches() {
        let data = dataset_with(PatternOptions { side: 16, train_per_class: 2, test_per_class: 2, unlabeled: 0 });
        let labeled = data.train.unwrap();
        let experiment = Experiment::preset("demo").unwrap();
        let (hardware, images) = (&alone(), &labeled.images);
        let compute = |ranks: Ranks, count: usize| {
            let hardware = Hardware { ranks, ..hardware.clone() };
            let indices: Vec<usize> = (0..count).rev().collect();
            let image_set = ImageSet::of(&experiment, images.clone(), &hardware);
            let views = ViewGroup::one(ViewKind::Plain, 16);
            let of = InOrder { image_set, views, indices: &indices, batch_size: 3 };
            computed::<Error>(of, |batch| {
                let rows = batch.images[0].flatten(1, -1).to_kind(Kind::Float);
                // What depends on the batch tells whether it is the same.
                vec![&rows * 2.0, rows.sum_dim_intlist([1i64].as_slice(), true, Kind::Float) + rows.mean(Kind::Float)]
            })
            .unwrap()
        };
        for count in [0, 2, 3, 9, 14] {
            let expected = compute(Ranks::default(), count);
            assert_eq!(expected.len(), if count == 0 { 0 } else { 2 });
            assert!(expected.iter().all(|rows| rows.size()[0] == count as i64));
            for size in [2, 3, 4] {
                let found = testing::threads(size, |ranks| compute(ranks, count));
                assert_eq!(found[0], expected, "{count} images, {size} ranks");
                assert!(found[1..].iter().all(Vec::is_empty));
            }
        }
    }

    fn alone() -> Hardware {
        Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap()
    }
}
