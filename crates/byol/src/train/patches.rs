//! Views cut into patches for the online network, and the pairs of them (Fast-MoCo, arXiv 2207.08220, section 3: divide,
//! encode, combine).

use tch::Tensor;

/// Cuts the images of each view into `parts` by `parts` patches.
///
/// # Shapes
/// `[views * batch, 3, side, side]` to `[views * parts * parts * batch, 3, side / parts, side / parts]`, channels-last in
/// memory: for each view the first patch of every image, then the second, row by row. `side` is a multiple of `parts`.
pub(super) fn divide(images: &Tensor, views: usize, parts: usize) -> Tensor {
    let [rows, channels, side, _] = images.size()[..] else { return images.shallow_clone() };
    let (views, parts) = (views as i64, parts as i64);
    let (batch, patch) = (rows / views, side / parts);
    let pixels = images.permute([0, 2, 3, 1]).reshape([views, batch, parts, patch, parts, patch, channels]);
    let patches = pixels.permute([0, 2, 4, 1, 3, 5, 6]).contiguous();
    patches.view([views * parts * parts * batch, patch, patch, channels]).permute([0, 3, 1, 2])
}

/// Pairs of different patches that `parts` by `parts` of them make.
pub(super) fn pairs(parts: usize) -> Vec<[i64; 2]> {
    let patches = (parts * parts) as i64;
    (0..patches).flat_map(|first| (first + 1..patches).map(move |second| [first, second])).collect()
}

/// The mean representation of each pair of patches of an image.
///
/// # Shapes
/// `[views * parts * parts * batch, features]`, in the order of [`divide`], to `[views * pairs * batch, features]`: for each
/// view the first pair of every image, then the second, in the order of [`pairs`].
pub(super) fn combine(representations: &Tensor, views: usize, parts: usize) -> Tensor {
    let features = representations.size()[1];
    let of_views = representations.view([views as i64, (parts * parts) as i64, -1, features]);
    let means: Vec<Tensor> = pairs(parts)
        .into_iter()
        .map(|[first, second]| (of_views.select(1, first) + of_views.select(1, second)) * 0.5)
        .collect();
    Tensor::stack(&means, 1).view([-1, features])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn patches_and_their_pairs_stand_in_order() {
        // Two views of three images of 4 by 4 pixels; a value tells view, image, channel, row and column.
        let images = Tensor::arange(2 * 3 * 3 * 16, (Kind::Float, Device::Cpu)).view([6, 3, 4, 4]);
        let patches = divide(&images, 2, 2);
        assert_eq!(patches.size(), [24, 3, 2, 2]);
        for (view, patch, image) in [(0, 0, 0), (0, 1, 2), (0, 2, 1), (1, 3, 2)] {
            let found = patches.get((view * 4 + patch) * 3 + image);
            let expected = images.get(view * 3 + image).narrow(1, 2 * (patch / 2), 2).narrow(2, 2 * (patch % 2), 2);
            assert_eq!(found, expected, "view {view}, patch {patch}, image {image}");
        }

        assert_eq!(pairs(2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        let representations = Tensor::randn([24, 5], (Kind::Double, Device::Cpu));
        let means = combine(&representations, 2, 2);
        assert_eq!(means.size(), [36, 5]);
        for (view, pair, image) in [(0, 0, 0), (0, 4, 2), (1, 5, 1)] {
            let [first, second] = pairs(2)[pair as usize];
            let of = |patch: i64| representations.get((view * 4 + patch) * 3 + image);
            assert_eq!(means.get((view * 6 + pair) * 3 + image), (of(first) + of(second)) * 0.5);
        }
    }

    /// What the network reads keeps its layout in memory.
    #[test]
    fn patches_are_channels_last() {
        let images = Tensor::zeros([4, 3, 8, 8], (Kind::Float, Device::Cpu));
        assert_eq!(divide(&images, 2, 2).stride(), [3 * 16, 1, 3 * 4, 3]);
    }
}
