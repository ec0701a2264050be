//! Labelled images mixed in pairs, and their labels with them: mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et
//! al. 2019, arXiv 1905.04899), in the form of torchvision's training script: an image's partner is the one before it in the
//! batch, and a batch is mixed in one way.

use rand::RngExt;
use rand_distr::{Beta, Distribution};
use tch::{Kind, Tensor};

use crate::config::Supervised;
use crate::random::{self, Coordinates, Stream};

/// How the batches of a training are mixed.
pub(super) struct Mixing {
    /// Both parameters of the Beta distribution that shares are drawn from; 0 for none.
    mixup: f64,
    cutmix: f64,
    classes: i64,
    seed: u64,
    /// Tells the trainings of one seed apart.
    order: u64,
}

/// What a step is computed of.
pub(super) struct Examples {
    /// `[batch, 3, side, side]`.
    pub images: Tensor,
    /// int64 `[batch]`; of mixed images probabilities, float32 `[batch, classes]`.
    pub targets: Tensor,
    /// int64 `[batch]`: of a mixed image, the label of the larger part.
    pub labels: Tensor,
}

impl Examples {
    /// The last so many of them.
    pub fn last(self, count: usize) -> Examples {
        let (all, count) = (self.images.size()[0], count as i64);
        if all == count {
            return self;
        }
        let last = |tensor: Tensor| tensor.narrow(0, all - count, count);
        Examples { images: last(self.images), targets: last(self.targets), labels: last(self.labels) }
    }
}

/// What becomes of the images of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mix {
    /// They stay.
    None,
    /// This share of each, and the rest of its partner.
    Blend(f64),
    /// Each with a part of its partner in this window.
    Paste(Window),
}

/// Part of an image, in pixels from its upper left corner; ends are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    rows: [i64; 2],
    columns: [i64; 2],
}

impl Mixing {
    /// The mixing of a stage; `order` tells trainings of one seed apart.
    pub fn of(settings: &Supervised, classes: usize, seed: u64, order: u64) -> Mixing {
        Mixing { mixup: settings.mixup, cutmix: settings.cutmix, classes: classes as i64, seed, order }
    }

    /// Whether any batch is mixed.
    pub fn mixes(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0
    }

    /// The examples of step `step`, from 0. Of a share of a batch that is led by the image before it, the first example is none.
    ///
    /// # Shapes
    /// Images `[batch, 3, side, side]`, labels int64 `[batch]`.
    pub fn mix(&self, images: &Tensor, labels: &Tensor, step: usize) -> Examples {
        let side = images.size()[2];
        self.apply(self.draw(side, step), images, labels)
    }

    /// What is done with the batch of a step. If there are both ways, each is as probable as the other.
    fn draw(&self, side: i64, step: usize) -> Mix {
        let at = Coordinates { epoch: self.order, index: step as u64, view: 0 };
        let mut rng = random::rng(self.seed, Stream::Mixing, at);
        let pastes = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return Mix::None,
            (true, true) => rng.random_bool(0.5),
            (_, cutmix) => cutmix,
        };
        let alpha = if pastes { self.cutmix } else { self.mixup };
        // The range of both keys is one that Beta has.
        let share = Beta::new(alpha, alpha).map_or(1.0, |beta| beta.sample(&mut rng));
        if !pastes {
            return Mix::Blend(share);
        }
        let center = [rng.random_range(0..side), rng.random_range(0..side)];
        Mix::Paste(Window::around(center, share, side))
    }

    fn apply(&self, mix: Mix, images: &Tensor, labels: &Tensor) -> Examples {
        let (images, share) = match mix {
            Mix::None => {
                let [targets, labels] = [labels.shallow_clone(), labels.shallow_clone()];
                return Examples { images: images.shallow_clone(), targets, labels };
            }
            Mix::Blend(share) => (partners(images).lerp(images, share), share),
            Mix::Paste(window) => (window.pasted(images), 1.0 - window.share(images.size()[2])),
        };
        let others = partners(labels);
        let probabilities = |labels: &Tensor| labels.one_hot(self.classes).to_kind(Kind::Float);
        Examples {
            images,
            targets: probabilities(labels) * share + probabilities(&others) * (1.0 - share),
            labels: if share >= 0.5 { labels.shallow_clone() } else { others },
        }
    }
}

/// The partner of each row: the one before it; of the first, the last.
fn partners(rows: &Tensor) -> Tensor {
    let count = rows.size()[0];
    // Pieces that lie in one order in memory are put together in that order.
    Tensor::cat(&[rows.narrow(0, count - 1, 1), rows.narrow(0, 0, count - 1)], 0)
}

impl Window {
    /// A window about a center, row and column, that leaves `share` of an image with sides of `side` pixels; what is beyond
    /// the edges is cut off (Yun et al. 2019, equation 2).
    fn around(center: [i64; 2], share: f64, side: i64) -> Window {
        let half = (0.5 * (1.0 - share).sqrt() * side as f64) as i64;
        let [rows, columns] = center.map(|center| [(center - half).max(0), (center + half).min(side)]);
        Window { rows, columns }
    }

    /// Its share of the image.
    fn share(self, side: i64) -> f64 {
        let Window { rows, columns } = self;
        ((rows[1] - rows[0]) * (columns[1] - columns[0])) as f64 / (side * side) as f64
    }

    /// Every image with its partner's pixels in this window.
    fn pasted(self, images: &Tensor) -> Tensor {
        let Window { rows, columns } = self;
        let mixed = images.copy();
        let inside = |images: &Tensor| {
            images.narrow(2, rows[0], rows[1] - rows[0]).narrow(3, columns[0], columns[1] - columns[0])
        };
        inside(&mixed).copy_(&partners(&inside(images)));
        mixed
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn mixing(mixup: f64, cutmix: f64) -> Mixing {
        Mixing { mixup, cutmix, classes: 4, seed: 3, order: 1 }
    }

    /// Three images of 4 x 4 pixels that hold 0, 10 and 20, of classes 2, 0 and 1.
    fn batch() -> (Tensor, Tensor) {
        let values = Tensor::from_slice(&[0f32, 10.0, 20.0]).view([3, 1, 1, 1]);
        (values.expand([3, 3, 4, 4], false).contiguous(), Tensor::from_slice(&[2i64, 0, 1]))
    }

    fn rows(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).unwrap()
    }

    #[test]
    fn mixup_by_hand() {
        let (images, labels) = batch();
        let found = mixing(1.0, 0.0).apply(Mix::Blend(0.25), &images, &labels);
        for (image, expected) in [15.0, 2.5, 12.5].into_iter().enumerate() {
            let image = found.images.get(image as i64);
            assert_eq!((image.min().double_value(&[]), image.max().double_value(&[])), (expected, expected));
        }
        let expected = [[0.0, 0.75, 0.25, 0.0], [0.25, 0.0, 0.75, 0.0], [0.75, 0.25, 0.0, 0.0]];
        assert_eq!(rows(&found.targets), expected.concat());
        assert_eq!(rows(&found.labels), [1.0, 2.0, 0.0], "the label of the larger part");
    }

    #[test]
    fn cutmix_by_hand() {
        let (images, labels) = batch();
        // Half of the square root of 1 - 0.75 is a quarter of the side: one pixel to each side of the center.
        let window = Window::around([0, 2], 0.75, 4);
        assert_eq!(window, Window { rows: [0, 1], columns: [1, 3] });
        let found = mixing(0.0, 1.0).apply(Mix::Paste(window), &images, &labels);
        let first = [vec![0.0, 20.0, 20.0, 0.0], vec![0.0; 12]].concat();
        assert_eq!(rows(&found.images.get(0)), [first.clone(), first.clone(), first].concat());
        // Two of sixteen pixels.
        let (own, other) = (0.875, 0.125);
        let expected = [[0.0, other, own, 0.0], [own, 0.0, other, 0.0], [other, own, 0.0, 0.0]];
        assert_eq!(rows(&found.targets), expected.concat());
        assert_eq!(rows(&found.labels), [2.0, 0.0, 1.0]);
        assert_eq!(rows(&images), rows(&batch().0), "what was given stays");
    }

    #[test]
    fn none_leaves_everything() {
        let (images, labels) = batch();
        let found = mixing(0.0, 0.0).mix(&images, &labels, 5);
        assert!(found.images == images && found.targets == labels && found.labels == labels);
    }

    #[test]
    fn draws_depend_on_the_step_alone_and_have_their_distribution() {
        let steps = 4000;
        let draws = |mixing: &Mixing| (0..steps).map(|step| mixing.draw(32, step)).collect::<Vec<_>>();
        let shares = |mixing: &Mixing| -> Vec<f64> {
            let share = |mix| match mix {
                Mix::Blend(share) => share,
                other => panic!("{other:?}"),
            };
            draws(mixing).into_iter().map(share).collect()
        };
        assert_eq!(draws(&mixing(0.2, 1.0)), draws(&mixing(0.2, 1.0)));
        let other = Mixing { order: 2, ..mixing(0.2, 0.0) };
        assert_ne!(shares(&mixing(0.2, 0.0)), shares(&other));
        // Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
        for alpha in [0.2, 1.0, 4.0] {
            let shares = shares(&mixing(alpha, 0.0));
            let mean = shares.iter().sum::<f64>() / steps as f64;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / steps as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.03 && (variance / expected - 1.0).abs() < 0.1, "{alpha}: {mean} {variance}");
        }
        let both = draws(&mixing(0.2, 1.0));
        let pasted = both.iter().filter(|mix| matches!(mix, Mix::Paste(_))).count();
        assert!((pasted as f64 / steps as f64 - 0.5).abs() < 0.05, "{pasted}");
        let windows = draws(&mixing(0.0, 1.0)).into_iter().map(|mix| match mix {
            Mix::Paste(window) => window,
            other => panic!("{other:?}"),
        });
        for Window { rows, columns } in windows {
            for [begin, end] in [rows, columns] {
                assert!(0 <= begin && begin <= end && end <= 32);
            }
        }
    }

    #[test]
    fn channels_last_stays() {
        let images = Tensor::rand([4, 3, 8, 8], (Kind::Float, Device::Cpu)).permute([0, 2, 3, 1]).contiguous();
        let images = images.permute([0, 3, 1, 2]);
        let labels = Tensor::from_slice(&[0i64, 1, 2, 3]);
        for mix in [Mix::Blend(0.3), Mix::Paste(Window { rows: [2, 5], columns: [0, 4] })] {
            let found = mixing(1.0, 1.0).apply(mix, &images, &labels).images;
            assert!(found.permute([0, 2, 3, 1]).is_contiguous(), "{mix:?}");
        }
    }
}
