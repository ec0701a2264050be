//! Which images each batch holds: a pure function of (seed, epoch).

use std::sync::Arc;

use rand::seq::SliceRandom;

use crate::random::{self, Coordinates, Stream};
use crate::ranks::{Place, share_of};

/// Which images one batch holds, in order, and the epoch their views are drawn for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchPlan {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The images of the rows, as indices into the source.
    pub indices: Vec<usize>,
    /// The images of the second view, where they are not those of the first.
    pub unpaired: Option<Vec<usize>>,
}

impl BatchPlan {
    /// The image that view number `view` of a row shows.
    pub(super) fn image(&self, row: usize, view: usize) -> usize {
        match &self.unpaired {
            Some(unpaired) if view > 0 => unpaired[row],
            _ => self.indices[row],
        }
    }
}

/// Whether the views of a row show the same image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// All views of a row are of one image.
    SameImage,
    /// The second view has an order of the images of its own: the lab's fault.
    Independent,
}

/// A training stage's batches: a fresh order of the images in each epoch.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Images that take part.
    pub indices: Arc<Vec<usize>>,
    /// Images per step.
    pub batch_size: usize,
    /// Batches that the images of a step are delivered in; divides `batch_size`.
    pub parts: usize,
    /// What happens to the images that are left over.
    pub last: LastBatch,
    /// Whether the views of a row show the same image.
    pub pairing: Pairing,
    /// Seed of the orders.
    pub seed: u64,
    /// Keeps the orders of different stages apart.
    pub order: u64,
    /// Which of how many shares of every batch is rendered here: they are as equal as can be.
    pub share: Place,
    /// Whether a share begins with the image before it in the batch (of the first, with the last): the partner of its first image
    /// where images are mixed.
    pub led: bool,
}

/// All of every batch.
pub const WHOLE: Place = Place { rank: 0, size: 1 };

/// What happens to images that do not fill a batch at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastBatch {
    /// They wait for another epoch's order.
    Drop,
    /// They are a smaller batch, unless only one image is left, which batch norm cannot do with.
    Keep,
}

impl Schedule {
    /// Batches of an epoch, each of one optimiser step.
    pub fn steps_per_epoch(&self) -> usize {
        let image_set = self.indices.len();
        let full = image_set / self.batch_size;
        match self.last {
            LastBatch::Keep if image_set % self.batch_size > 1 => full + 1,
            _ => full,
        }
    }

    /// The images in the order of `epoch`.
    pub fn order_of(&self, epoch: usize) -> Vec<usize> {
        self.shuffled(epoch, 0)
    }

    fn shuffled(&self, epoch: usize, view: u64) -> Vec<usize> {
        let mut order = self.indices.as_ref().clone();
        let at = Coordinates { epoch: epoch as u64, index: self.order, view };
        order.shuffle(&mut random::rng(self.seed, Stream::Shuffle, at));
        order
    }

    /// Images of optimiser step `step`, over all shares.
    pub fn rows(&self, step: usize) -> usize {
        let begin = step % self.steps_per_epoch() * self.batch_size;
        self.batch_size.min(self.indices.len() - begin)
    }

    /// The images of this share of optimiser step `step`, as its batch holds them.
    #[cfg(test)]
    pub(crate) fn share_of_step(&self, step: usize) -> Vec<usize> {
        self.plan(step, &self.orders_of(step / self.steps_per_epoch())).indices
    }

    pub(super) fn orders_of(&self, epoch: usize) -> Orders {
        let unpaired = (self.pairing == Pairing::Independent).then(|| self.shuffled(epoch, 1));
        Orders { epoch, indices: self.order_of(epoch), unpaired }
    }

    /// Batch number `batch` of the whole stage, from 0; `orders` are those of its epoch.
    pub(super) fn plan(&self, batch: usize, orders: &Orders) -> BatchPlan {
        let part_size = self.batch_size / self.parts;
        let begin = batch % (self.steps_per_epoch() * self.parts) * part_size;
        let length = part_size.min(orders.indices.len() - begin);
        let own = share_of(self.share, length);
        let lead = (self.led && own.len() < length).then(|| (own.start + length - 1) % length);
        let shown = |order: &[usize]| {
            let part = &order[begin..begin + length];
            lead.iter().map(|&place| part[place]).chain(part[own.clone()].iter().copied()).collect()
        };
        BatchPlan {
            epoch: orders.epoch,
            indices: shown(&orders.indices),
            unpaired: orders.unpaired.as_deref().map(shown),
        }
    }
}

/// The images of one epoch in order, for the first view and, where it has its own, for the second.
pub(super) struct Orders {
    pub epoch: usize,
    indices: Vec<usize>,
    unpaired: Option<Vec<usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(image_set: usize, batch_size: usize, last: LastBatch) -> Schedule {
        let indices = Arc::new((0..image_set).collect());
        let pairing = Pairing::SameImage;
        Schedule { indices, batch_size, parts: 1, last, pairing, seed: 3, order: 0, share: WHOLE, led: false }
    }

    #[test]
    fn every_image_once_an_epoch_in_a_new_order() {
        let schedule = schedule(10, 4, LastBatch::Keep);
        assert_eq!(schedule.steps_per_epoch(), 3);
        let mut orders = Vec::new();
        for epoch in 0..2 {
            let order = schedule.orders_of(epoch);
            let seen: Vec<usize> = (0..3).flat_map(|step| schedule.plan(epoch * 3 + step, &order).indices).collect();
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
            orders.push(seen);
        }
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn parts_hold_the_images_of_their_step() {
        let whole = schedule(10, 4, LastBatch::Drop);
        let parted = Schedule { parts: 2, ..whole.clone() };
        assert_eq!(parted.steps_per_epoch(), 2);
        for step in 0..4 {
            let orders = whole.orders_of(step / 2);
            let parts: Vec<usize> = (0..2).flat_map(|part| parted.plan(2 * step + part, &orders).indices).collect();
            assert_eq!(parts, whole.plan(step, &orders).indices);
        }
    }

    /// For every number of ranks that divides a part, the shares of all one after the other are the part.
    #[test]
    fn shares_make_up_their_part() {
        let whole = Schedule { parts: 2, pairing: Pairing::Independent, ..schedule(50, 24, LastBatch::Drop) };
        for size in [1, 2, 3, 4, 6, 12] {
            for part in 0..8 {
                let orders = whole.orders_of(part / 4);
                let plans = (0..size).map(|rank| {
                    let schedule = Schedule { share: Place { rank, size }, ..whole.clone() };
                    assert_eq!(schedule.steps_per_epoch(), whole.steps_per_epoch());
                    schedule.plan(part, &orders)
                });
                let plans: Vec<BatchPlan> = plans.collect();
                let expected = whole.plan(part, &orders);
                assert!(plans.iter().all(|plan| plan.indices.len() * size == 12));
                let indices: Vec<usize> = plans.iter().flat_map(|plan| plan.indices.clone()).collect();
                let unpaired: Vec<usize> = plans.iter().flat_map(|plan| plan.unpaired.clone().unwrap()).collect();
                assert_eq!((indices, Some(unpaired)), (expected.indices, expected.unpaired));
            }
        }
    }

    /// The last batch of an epoch may not divide, and may be smaller than the number of ranks.
    #[test]
    fn shares_of_what_is_left_over() {
        let whole = schedule(17, 5, LastBatch::Keep);
        assert_eq!((0..5).map(|step| whole.rows(step)).collect::<Vec<_>>(), [5, 5, 5, 2, 5]);
        let orders = whole.orders_of(0);
        let shares = |step: usize, led: bool| {
            let of =
                |rank| Schedule { share: Place { rank, size: 3 }, led, ..whole.clone() }.plan(step, &orders).indices;
            (0..3).map(of).collect::<Vec<_>>()
        };
        let batch = whole.plan(0, &orders).indices;
        assert_eq!(shares(0, false), [vec![batch[0]], batch[1..3].to_vec(), batch[3..].to_vec()]);
        assert_eq!(shares(0, true), [vec![batch[4], batch[0]], batch[..3].to_vec(), batch[2..].to_vec()]);
        let last = whole.plan(3, &orders).indices;
        assert_eq!(shares(3, true), [last.clone(), last.clone(), last]);
    }

    #[test]
    fn unpaired_views_have_an_order_of_their_own() {
        let schedule = Schedule { pairing: Pairing::Independent, ..schedule(100, 10, LastBatch::Drop) };
        let orders = schedule.orders_of(0);
        let plan = schedule.plan(3, &orders);
        let unpaired = plan.unpaired.unwrap();
        assert_eq!(unpaired.len(), 10);
        assert_ne!(unpaired, plan.indices);
        let mut all = orders.unpaired.unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn last_batches() {
        assert_eq!(schedule(10, 4, LastBatch::Drop).steps_per_epoch(), 2);
        assert_eq!(schedule(9, 4, LastBatch::Keep).steps_per_epoch(), 2);
    }
}
