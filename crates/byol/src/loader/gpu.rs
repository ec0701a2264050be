//! Views rendered on a GPU from the same [`ViewParams`] as the CPU's, with the same pixels within rounding: the kernel of
//! `byol-cuda` on images in the device's memory.

use std::sync::Arc;

use byol_cuda::norm::Element;
use byol_cuda::views::{Batch, ColorStep, View, scratch_bytes};
use byol_cuda::{Address, CudaError, Kernels};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::augment::render::{Normalization, RenderError, check_parameters};
use crate::augment::view::{Adjustment, ViewParams};
use crate::data::{DataError, Image, ImageSource};
use crate::device::Precision;

/// Views that cannot be rendered on the GPU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// A view's parameters do not fit its image.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The kernels cannot be had, or the driver refuses.
    #[error("the GPU cannot render views")]
    Cuda(#[from] CudaError),
}

/// Where an image lies among others: its first byte, width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte of the image.
    pub offset: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
}

/// Images in a device's memory, uint8 `[3, height, width]` each, one after the other.
#[derive(Debug)]
pub struct DeviceImages {
    bytes: Tensor,
    places: Vec<Place>,
}

// SAFETY: the tensor is never changed, and its address alone is read.
unsafe impl Sync for DeviceImages {}

/// Images that are read before they travel to the device together.
const CHUNK: usize = 8192;

impl DeviceImages {
    /// All images of `source`, or nothing where they need more than `limit` bytes.
    ///
    /// # Errors
    /// An image cannot be read.
    pub fn upload(source: &dyn ImageSource, device: Device, limit: usize) -> Result<Option<DeviceImages>, DataError> {
        let mut chunks = Vec::new();
        let mut places = Vec::with_capacity(source.len());
        let mut total = 0;
        for begin in (0..source.len()).step_by(CHUNK) {
            let end = (begin + CHUNK).min(source.len());
            let images: Vec<Image> = (begin..end)
                .into_par_iter()
                .map(|index| {
                    let mut image = Image::default();
                    source.read(index, &mut image)?;
                    Ok(image)
                })
                .collect::<Result<_, DataError>>()?;
            let bytes: usize = images.iter().map(|image| image.pixels.len()).sum();
            if total + bytes > limit {
                return Ok(None);
            }
            places.extend(places_of(&images).map(|place| Place { offset: total + place.offset, ..place }));
            chunks.push(byol_torch::send(&joined(&images), device));
            total += bytes;
        }
        Ok(Some(DeviceImages { bytes: one_tensor(chunks, total, device), places }))
    }

    /// The images of one batch.
    pub fn of(images: &[Image], device: Device) -> DeviceImages {
        DeviceImages { bytes: byol_torch::send(&joined(images), device), places: places_of(images).collect() }
    }

    /// Where each image lies.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Bytes of all images.
    pub fn byte_count(&self) -> usize {
        self.bytes.numel()
    }
}

/// One after the other in a tensor that was made once, so that no more than one chunk is there twice.
fn one_tensor(mut chunks: Vec<Tensor>, total: usize, device: Device) -> Tensor {
    if let [_] = chunks[..] {
        return chunks.swap_remove(0);
    }
    let whole = Tensor::empty([total as i64], (Kind::Uint8, device));
    let mut begin = 0;
    for chunk in chunks {
        let count = chunk.size()[0];
        whole.narrow(0, begin, count).copy_(&chunk);
        begin += count;
    }
    whole
}

fn places_of(images: &[Image]) -> impl Iterator<Item = Place> {
    images.iter().scan(0, |next, image| {
        let offset = *next;
        *next += image.pixels.len();
        Some(Place { offset, width: image.width, height: image.height })
    })
}

fn joined(images: &[Image]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(images.iter().map(|image| image.pixels.len()).sum());
    images.iter().for_each(|image| bytes.extend_from_slice(&image.pixels));
    bytes
}

/// Renders batches of views on a GPU.
pub(crate) struct GpuRenderer {
    kernels: Arc<Kernels>,
    device: Device,
    side: usize,
    precision: Precision,
    /// Float32 `[2, 3]`: factors on levels, and what is added.
    normalization: Tensor,
}

impl GpuRenderer {
    /// A renderer of views of `side` by `side` pixels on GPU `index`.
    ///
    /// # Errors
    /// The kernels cannot be had.
    pub fn new(
        side: usize,
        normalization: Normalization,
        index: usize,
        precision: Precision,
    ) -> Result<GpuRenderer, CudaError> {
        let device = Device::Cuda(index);
        let kernels = Kernels::load(index)?;
        let normalization = Tensor::from_slice(&normalization.factors()).to_device(device);
        Ok(GpuRenderer { kernels, device, side, precision, normalization })
    }

    /// Side of its views in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Renders views of `images`, each named by its number.
    ///
    /// # Shapes
    /// `[views, 3, side, side]`, channels-last in memory, on the device, normalised, in the type of the precision.
    ///
    /// # Errors
    /// A crop reaches out of its image or a factor is out of range, or the driver refuses.
    pub fn render(&self, images: &DeviceImages, views: &[(usize, ViewParams)]) -> Result<Tensor, GpuError> {
        let side = self.side as i64;
        let (kind, element) = match self.precision {
            Precision::Full => (Kind::Float, Element::F32),
            Precision::Bf16 => (Kind::BFloat16, Element::Bf16),
        };
        let output = Tensor::empty([views.len() as i64, side, side, 3], (kind, self.device));
        if views.is_empty() {
            return Ok(output.permute([0, 3, 1, 2]));
        }
        let mut scratch_stride = 0;
        let mut packed = Vec::with_capacity(views.len());
        for (image, params) in views {
            packed.push(pack(images.places[*image], params, self.side)?);
            scratch_stride = scratch_stride.max(scratch_bytes(self.side, params.crop.width, params.crop.height));
        }
        let travelled = byol_torch::send(View::bytes(&packed), self.device);
        let scratch = Tensor::empty([(views.len() * scratch_stride) as i64], (Kind::Uint8, self.device));
        let address = |tensor: &Tensor| tensor.data_ptr() as Address;
        let batch = Batch {
            images: address(&images.bytes),
            views: address(&travelled),
            count: views.len(),
            side: self.side,
            normalization: address(&self.normalization),
            scratch: address(&scratch),
            scratch_stride,
            element,
            output: address(&output),
        };
        // SAFETY: the tensors are on this device and have the sizes that `Batch` documents; crops were checked; libtorch
        // keeps freed memory from others until the stream has passed this point.
        unsafe { batch.render(&self.kernels) }?;
        Ok(output.permute([0, 3, 1, 2]))
    }
}

/// A view's parameters as the kernel reads them.
///
/// # Errors
/// The crop reaches out of the image, or a factor is out of range.
fn pack(place: Place, params: &ViewParams, side: usize) -> Result<View, RenderError> {
    check_parameters([place.width, place.height], params)?;
    let crop = params.crop;
    let mut view =
        View::crop(place.offset, [place.width, place.height], [crop.left, crop.top, crop.width, crop.height]);
    view.flip = i32::from(params.flip);
    if let Some(jitter) = &params.jitter {
        for adjustment in jitter.order {
            match adjustment {
                Adjustment::Brightness if jitter.brightness != 1.0 => {
                    view.push(ColorStep::Brightness(jitter.brightness));
                }
                Adjustment::Contrast if jitter.contrast != 1.0 => view.push(ColorStep::Contrast(jitter.contrast)),
                Adjustment::Saturation if jitter.saturation != 1.0 => {
                    view.push(ColorStep::Saturation(jitter.saturation));
                }
                Adjustment::Hue if jitter.hue != 0.0 => view.push(ColorStep::Hue(jitter.hue)),
                _ => {}
            }
        }
    }
    if params.grayscale {
        view.push(ColorStep::Grayscale);
    }
    if let Some(blur) = params.blur {
        // As on the CPU: a mirrored edge has no more than side - 1 pixels.
        view.blur_radius = (blur.kernel_size(side).min(2 * side - 1) / 2) as i32;
        view.blur_sigma = blur.sigma;
    }
    if let Some(threshold) = params.solarize {
        view.solarize = i32::from(threshold);
    }
    Ok(view)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::augment::{Blur, Crop, Jitter, Recipe, Renderer};
    use crate::device::tests::device;
    use crate::random::{self, Coordinates, Stream};

    const NORMALIZATION: Normalization = Normalization { mean: [0.4, 0.5, 0.3], deviation: [0.2, 0.3, 0.25] };

    /// An image with smooth areas, edges and noise.
    fn image(width: usize, height: usize, seed: u64) -> Image {
        let mut rng = random::rng(seed, Stream::Shuffle, Coordinates { epoch: 0, index: seed, view: 0 });
        let mut pixels = Vec::with_capacity(3 * width * height);
        for channel in 0..3 {
            for row in 0..height {
                for column in 0..width {
                    let wave = ((row * (3 + channel) + column * 2) as f64 / 11.0).sin() * 90.0 + 120.0;
                    let edge = if (row / 9 + column / 13) % 3 == 0 { 60.0 } else { 0.0 };
                    let noise: f64 = rng.random_range(-20.0..20.0);
                    pixels.push((wave + edge + noise).clamp(0.0, 255.0) as u8);
                }
            }
        }
        Image { width, height, pixels }
    }

    /// The same kernels on the processor.
    fn renderer_on_host(side: usize, precision: Precision) -> GpuRenderer {
        let normalization = Tensor::from_slice(&NORMALIZATION.factors());
        GpuRenderer { kernels: Kernels::on_host(), device: Device::Cpu, side, precision, normalization }
    }

    /// Float32 `[views, side, side, 3]`, one after the other.
    fn rendered(renderer: &GpuRenderer, images: &[Image], views: &[(usize, ViewParams)]) -> Vec<f32> {
        let found = renderer.render(&DeviceImages::of(images, renderer.device), views).unwrap();
        assert_eq!(found.size(), [views.len() as i64, 3, renderer.side as i64, renderer.side as i64]);
        let found = found.permute([0, 2, 3, 1]).to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
        Vec::<f32>::try_from(found).unwrap()
    }

    /// Differences in levels between the kernel and the CPU's renderer.
    fn differences(image: &Image, params: &ViewParams, side: usize) -> Vec<f64> {
        let renderer = renderer_on_host(side, Precision::Full);
        let found = rendered(&renderer, std::slice::from_ref(image), &[(0, params.clone())]);
        let mut expected = vec![0f32; 3 * side * side];
        Renderer::new(side).render(image, params, NORMALIZATION, &mut expected).unwrap();
        let to_levels = NORMALIZATION.deviation.map(|deviation| 255.0 * f64::from(deviation));
        let pairs = found.iter().zip(&expected).enumerate();
        pairs.map(|(index, (a, b))| f64::from((a - b).abs()) * to_levels[index % 3]).collect()
    }

    fn plain(crop: Crop) -> ViewParams {
        ViewParams { crop, flip: false, jitter: None, grayscale: false, blur: None, solarize: None }
    }

    #[test]
    fn whole_views_agree_with_the_cpus() {
        let recipes = [Recipe::paper_t(), Recipe::paper_t_prime()];
        let (mut all, mut views) = (Vec::new(), 0);
        for side in [32, 96, 224] {
            for (number, (width, height)) in [(96, 96), (64, 64), (230, 170), (17, 40)].into_iter().enumerate() {
                let image = image(width, height, number as u64);
                for (view, recipe) in recipes.iter().enumerate() {
                    for index in 0..8 {
                        let at = Coordinates { epoch: number as u64, index, view: view as u64 };
                        let mut rng = random::rng(7, Stream::View, at);
                        let params = ViewParams { solarize: None, ..recipe.sample(width, height, &mut rng) };
                        let differences = differences(&image, &params, side);
                        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
                        assert!(mean < 1.5, "{params:?} differs by {mean} at {side}");
                        all.extend(differences);
                        views += 1;
                    }
                }
            }
        }
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let near = all.iter().filter(|&&difference| difference < 2.01).count() as f64 / all.len() as f64;
        assert!(mean < 0.4 && near > 0.99, "{views} views: mean {mean}, within 2 levels {near}");
    }

    #[test]
    fn resizing_is_within_two_levels() {
        let image = image(120, 90, 5);
        let crop = Crop { top: 7, left: 11, height: 64, width: 80 };
        for params in [plain(crop), ViewParams { flip: true, ..plain(crop) }] {
            for side in [32, 50, 96] {
                let largest = differences(&image, &params, side).into_iter().fold(0.0, f64::max);
                assert!(largest < 2.01, "{params:?} differs by {largest} at {side}");
            }
        }
    }

    /// A crop of the view's own size is copied exactly, so that every operation begins with equal levels.
    #[test]
    fn every_other_operation_is_within_a_level() {
        let image = image(120, 90, 5);
        let plain = plain(Crop { top: 3, left: 5, height: 64, width: 64 });
        let jitter = |brightness, contrast, saturation, hue| {
            Some(Jitter { order: Adjustment::ALL, brightness, contrast, saturation, hue })
        };
        let cases = [
            plain.clone(),
            ViewParams { flip: true, ..plain.clone() },
            ViewParams { jitter: jitter(1.3, 1.0, 1.0, 0.0), ..plain.clone() },
            ViewParams { jitter: jitter(1.0, 0.7, 1.0, 0.0), ..plain.clone() },
            ViewParams { jitter: jitter(1.0, 1.0, 1.35, 0.0), ..plain.clone() },
            ViewParams { jitter: jitter(1.0, 1.0, 1.0, 0.08), ..plain.clone() },
            ViewParams { jitter: jitter(1.0, 1.0, 1.0, -0.4), ..plain.clone() },
            ViewParams { grayscale: true, ..plain.clone() },
            ViewParams { blur: Some(Blur { sigma: 1.3, kernel: 0.1 }), ..plain.clone() },
            ViewParams { solarize: Some(128), ..plain.clone() },
        ];
        for params in &cases {
            let largest = differences(&image, params, 64).into_iter().fold(0.0, f64::max);
            assert!(largest < 1.01, "{params:?} differs by {largest}");
        }
    }

    /// So many views of three images, and the images.
    fn batch(count: usize) -> (Vec<Image>, Vec<(usize, ViewParams)>) {
        let images: Vec<Image> = [(96, 96), (230, 170), (17, 40)].map(|(w, h)| image(w, h, w as u64)).into();
        let view = |number: usize| {
            let image = &images[number % 3];
            let at = Coordinates { epoch: 0, index: number as u64, view: 0 };
            let recipe = if number.is_multiple_of(2) { Recipe::paper_t() } else { Recipe::paper_t_prime() };
            let mut rng = random::rng(3, Stream::View, at);
            let params = recipe.sample(image.width, image.height, &mut rng);
            (number % 3, ViewParams { solarize: None, ..params })
        };
        let views = (0..count).map(view).collect();
        (images, views)
    }

    #[test]
    fn bf16_is_the_rounded_float() {
        let (images, views) = batch(6);
        // A side that is a multiple of 4, and one that is not.
        for side in [32, 33] {
            let [full, half] =
                [Precision::Full, Precision::Bf16].map(|p| rendered(&renderer_on_host(side, p), &images, &views));
            let rounded = Tensor::from_slice(&full).to_kind(Kind::BFloat16).to_kind(Kind::Float);
            assert_eq!(half, Vec::<f32>::try_from(rounded).unwrap());
        }
    }

    /// On a machine with a GPU: `BYOL_TEST_DEVICE=cuda cargo test --release -p byol gpu`.
    #[test]
    fn the_gpu_renders_what_the_kernel_does_on_the_host() {
        let Device::Cuda(index) = device() else {
            eprintln!("SKIPPED: BYOL_TEST_DEVICE names no GPU");
            return;
        };
        let (images, views) = batch(60);
        for (side, precision, tolerance) in
            [(96, Precision::Full, 1.01), (224, Precision::Full, 1.01), (96, Precision::Bf16, 4.0)]
        {
            let renderer = GpuRenderer::new(side, NORMALIZATION, index, precision).unwrap();
            let found = rendered(&renderer, &images, &views);
            let expected = rendered(&renderer_on_host(side, Precision::Full), &images, &views);
            let largest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Levels to normalised values: 1 / (255 * 0.2) at most.
            assert!(f64::from(largest) < tolerance / 51.0 + 1e-4, "side {side}, {precision:?}: {largest}");
        }
    }

    #[test]
    fn a_crop_outside_is_refused() {
        let place = Place { offset: 0, width: 10, height: 10 };
        assert!(pack(place, &plain(Crop { top: 5, left: 0, height: 6, width: 10 }), 8).is_err());
    }
}
