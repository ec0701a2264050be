//! Views against torchvision's (fixtures/augment, made by `make_fixtures.py` there), and properties of drawing and
//! rendering that hold for any parameters.

use std::path::PathBuf;

use byol::augment::{
    Adjustment, Blur, Crop, Jitter, Normalization, Recipe, RecipeError, RenderError, Renderer, ViewParams,
};
use byol::data::Image;
use byol::random::{Coordinates, Stream, rng};
use rand::RngExt;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Op,
    View,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: Kind,
    picture: String,
    side: usize,
    params: ViewParams,
}

struct Rendered {
    name: String,
    found: Vec<u8>,
    expected: Vec<u8>,
}

fn rendered_cases(kind: Kind) -> Vec<Rendered> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/augment");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(folder.join("views.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("views.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    cases
        .into_iter()
        .filter(|case| case.kind == kind)
        .map(|case| {
            let picture = tensors.tensor(&format!("picture/{}", case.picture)).unwrap();
            let &[3, height, width] = picture.shape() else { panic!("image {} is not planar", case.picture) };
            let image = Image { width, height, pixels: picture.data().to_vec() };
            let expected = tensors.tensor(&format!("case/{}", case.name)).unwrap().data().to_vec();
            Rendered { found: levels(&image, &case.params, case.side), name: case.name, expected }
        })
        .collect()
}

fn levels(image: &Image, params: &ViewParams, side: usize) -> Vec<u8> {
    let mut out = vec![0; 3 * side * side];
    Renderer::new(side).render_levels(image, params, &mut out).unwrap();
    out
}

fn noise(width: usize, height: usize) -> Image {
    let mut rng = rng(1, Stream::Pattern, Coordinates::default());
    Image { width, height, pixels: (0..3 * width * height).map(|_| rng.random()).collect() }
}

fn draws(recipe: &Recipe, width: usize, height: usize, count: u64) -> impl Iterator<Item = ViewParams> {
    (0..count).map(move |index| {
        recipe.sample(width, height, &mut rng(7, Stream::View, Coordinates { index, ..Default::default() }))
    })
}

#[test]
fn every_operation_is_within_two_levels_of_torchvision() {
    let cases = rendered_cases(Kind::Op);
    assert!(cases.len() > 60);
    for Rendered { name, found, expected } in cases {
        let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 2, "{name} is off by {worst} levels");
    }
}

#[test]
fn whole_views_match_torchvision() {
    let cases = rendered_cases(Kind::View);
    assert!(cases.len() >= 12);
    for Rendered { name, found, expected } in cases {
        let differences: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        let close = differences.iter().filter(|&&difference| difference <= 6.0).count() as f64;
        assert!(mean < 1.5, "{name}: mean absolute difference {mean}");
        assert!(close >= 0.99 * differences.len() as f64, "{name}: only {close} values within 6 levels");
    }
}

#[test]
fn crops_lie_inside_the_picture_with_the_area_and_ratio_of_the_recipe() {
    let recipe = Recipe::paper_t();
    let mut areas = Vec::new();
    for params in draws(&recipe, 120, 96, 4000) {
        let Crop { top, left, height, width } = params.crop;
        assert!(height > 0 && width > 0 && top + height <= 96 && left + width <= 120);
        let (height, width) = (height as f64, width as f64);
        let rounded = |value: f64, limits: [f64; 2], slack: f64| {
            value >= limits[0] * (1.0 - slack) && value <= limits[1] * (1.0 + slack)
        };
        assert!(rounded(height * width / (120.0 * 96.0), recipe.crop_area, 0.04), "{height} x {width}");
        assert!(rounded(width / height, recipe.crop_ratio, 0.04), "{height} x {width}");
        areas.push(height * width / (120.0 * 96.0));
    }
    // Uniform over 0.08-1, less the largest, of which some do not fit.
    areas.sort_by(f64::total_cmp);
    assert!(areas[0] < 0.085 && areas[areas.len() - 1] > 0.95);
    assert!((0.42..0.56).contains(&areas[areas.len() / 2]), "median {}", areas[areas.len() / 2]);
}

#[test]
fn each_part_of_a_view_happens_as_often_as_the_recipe_says() {
    for recipe in [Recipe::paper_t(), Recipe::paper_t_prime(), Recipe::lab(), Recipe::crop(), Recipe::color()] {
        let drawn: Vec<ViewParams> = draws(&recipe, 96, 96, 6000).collect();
        let share = |happens: fn(&ViewParams) -> bool| {
            drawn.iter().filter(|params| happens(params)).count() as f64 / drawn.len() as f64
        };
        for (found, expected) in [
            (share(|params| params.flip), recipe.flip_probability),
            (share(|params| params.jitter.is_some()), recipe.jitter_probability),
            (share(|params| params.grayscale), recipe.grayscale_probability),
            (share(|params| params.blur.is_some()), recipe.blur_probability),
            (share(|params| params.solarize.is_some()), recipe.solarize_probability),
        ] {
            // Four standard deviations; exact at 0 and 1.
            let deviation = (expected * (1.0 - expected) / 6000.0).sqrt();
            assert!((found - expected).abs() <= 4.0 * deviation, "{found} instead of {expected}");
        }
    }
}

#[test]
fn factors_span_their_ranges_and_every_order_occurs() {
    let recipe = Recipe::paper_t();
    let drawn: Vec<ViewParams> = draws(&recipe, 96, 96, 4000).collect();
    let jitters: Vec<Jitter> = drawn.iter().filter_map(|params| params.jitter).collect();
    let sigmas: Vec<f32> = drawn.iter().filter_map(|params| params.blur).map(|blur| blur.sigma).collect();
    let spans = |values: Vec<f32>, low: f32, high: f32| {
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let slack = (high - low) * 0.01;
        assert!(least >= low && most <= high, "{least} to {most}");
        assert!(least <= low + slack && most >= high - slack, "{least} to {most}");
    };
    spans(jitters.iter().map(|jitter| jitter.brightness).collect(), 0.6, 1.4);
    spans(jitters.iter().map(|jitter| jitter.contrast).collect(), 0.6, 1.4);
    spans(jitters.iter().map(|jitter| jitter.saturation).collect(), 0.8, 1.2);
    spans(jitters.iter().map(|jitter| jitter.hue).collect(), -0.1, 0.1);
    spans(sigmas, 0.1, 2.0);

    let mut orders: Vec<String> = jitters.iter().map(|jitter| format!("{:?}", jitter.order)).collect();
    let expected = orders.len() as f64 / 24.0;
    orders.sort();
    let counts: Vec<usize> = orders.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(counts.len(), 24);
    assert!(counts.iter().all(|&count| (count as f64 - expected).abs() < 5.0 * expected.sqrt()), "{counts:?}");
}

#[test]
fn kernels_are_a_tenth_of_the_side_and_odd() {
    let blur = Blur { sigma: 1.0, kernel: 0.1 };
    for (side, size) in [(1, 3), (24, 3), (32, 3), (64, 7), (96, 9), (224, 23)] {
        assert_eq!(blur.kernel_size(side), size);
    }
}

#[test]
fn no_parameter_is_drawn_or_rendered_differently_twice() {
    let image = noise(50, 41);
    let mut warm = Renderer::new(37);
    let mut out = vec![0; 3 * 37 * 37];
    let first: Vec<ViewParams> = draws(&Recipe::paper_t_prime(), 50, 41, 40).collect();
    assert!(first.iter().eq(draws(&Recipe::paper_t_prime(), 50, 41, 40).collect::<Vec<_>>().iter()));
    for params in &first {
        warm.render_levels(&image, params, &mut out).unwrap();
        assert_eq!(out, levels(&image, params, 37), "a used renderer differs from a new one");
        let text = serde_json::to_string(params).unwrap();
        assert_eq!(&serde_json::from_str::<ViewParams>(&text).unwrap(), params);
    }
}

#[test]
fn network_input_is_the_normalised_levels_channels_last() {
    let image = noise(60, 45);
    let normalization = Normalization { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
    for side in [1, 5, 32, 51] {
        let mut renderer = Renderer::new(side);
        let mut input = vec![0.0; 3 * side * side];
        for params in draws(&Recipe::paper_t(), 60, 45, 10) {
            renderer.render(&image, &params, normalization, &mut input).unwrap();
            let levels = levels(&image, &params, side);
            for (at, &value) in input.iter().enumerate() {
                let (pixel, channel) = (at / 3, at % 3);
                let level = f32::from(levels[channel * side * side + pixel]);
                let expected = (level / 255.0 - normalization.mean[channel]) / normalization.deviation[channel];
                assert!((value - expected).abs() < 1e-5, "{value} instead of {expected}");
            }
        }
    }
}

#[test]
fn the_whole_view_is_the_centre_square() {
    let mut image = Image { width: 5, height: 3, pixels: (0..45).collect() };
    let square = levels(&image, &ViewParams::whole(5, 3), 3);
    assert_eq!(&square[..9], &[1, 2, 3, 6, 7, 8, 11, 12, 13]);
    image = Image { width: 2, height: 4, pixels: (0..24).collect() };
    assert_eq!(&levels(&image, &ViewParams::whole(2, 4), 2)[..4], &[2, 3, 4, 5]);
}

/// Its sides are whole pixels, and it lies in the middle of the centre square.
#[test]
fn the_inner_view_is_the_middle_of_the_centre_square() {
    let crop = |width, height, share| ViewParams::inner(width, height, share).crop;
    assert_eq!(crop(80, 64, 0.875), Crop { top: 4, left: 12, height: 56, width: 56 });
    assert_eq!(crop(256, 341, 224.0 / 256.0), Crop { top: 58, left: 16, height: 224, width: 224 });
    assert_eq!(crop(232, 232, 224.0 / 232.0), Crop { top: 4, left: 4, height: 224, width: 224 });
    assert_eq!(crop(9, 7, 1.0), ViewParams::whole(9, 7).crop);
    assert_eq!(crop(1, 5, 0.5), Crop { top: 2, left: 0, height: 1, width: 1 });
}

/// torchvision's own transforms of its weights (fixtures/crop) resize the shorter side and then crop; here one crop is resized. The
/// outermost pixels apart, whose filter there sees what lies outside, both are the same to two levels.
#[test]
fn inner_views_match_torchvisions_evaluation() {
    #[derive(Deserialize)]
    struct Evaluated {
        name: String,
        picture: String,
        resize: usize,
        crop: usize,
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/crop");
    let cases: Vec<Evaluated> = serde_json::from_slice(&std::fs::read(folder.join("crops.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("crops.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert!(cases.len() >= 6);
    for Evaluated { name, picture, resize, crop: side } in cases {
        let picture = tensors.tensor(&format!("picture/{picture}")).unwrap();
        let &[3, height, width] = picture.shape() else { panic!("the image of {name} is not planar") };
        let image = Image { width, height, pixels: picture.data().to_vec() };
        let expected = tensors.tensor(&format!("case/{name}")).unwrap().data().to_vec();
        let differences = |share: f64| -> Vec<u8> {
            let found = levels(&image, &ViewParams::inner(width, height, share), side);
            let inside = |place: usize| (EDGE..side - EDGE).contains(&place);
            let inner = |index: usize| inside(index % side) && inside(index / side % side);
            let pairs = found.iter().zip(&expected).enumerate();
            pairs.filter(|&(index, _)| inner(index)).map(|(_, (a, b))| a.abs_diff(*b)).collect()
        };
        let worst = |share| differences(share).into_iter().max().unwrap();
        let share = side as f64 / resize as f64;
        assert!(worst(share) <= 2, "{name} is off by {} levels", worst(share));
        assert!(worst(1.0) > 10, "{name}: the whole square is something else, by {} levels", worst(1.0));
    }
}

/// Pixels of a view whose filter reaches beyond the crop, where there is something.
const EDGE: usize = 3;

#[test]
fn flipping_mirrors_the_unflipped_view() {
    for (side, image) in [(40, noise(23, 31)), (11, noise(60, 50)), (20, noise(20, 20))] {
        let mut params = ViewParams::whole(image.width, image.height);
        let straight = levels(&image, &params, side);
        params.flip = true;
        let mirrored: Vec<u8> = straight.chunks(side).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(levels(&image, &params, side), mirrored);
    }
}

#[test]
fn pictures_of_any_shape_and_size_give_views() {
    for (width, height) in [(1, 1), (2, 500), (500, 2), (7, 3), (640, 480), (1, 40)] {
        let flat = Image { width, height, pixels: [10, 128, 255].repeat(width * height) };
        let plain = Image { pixels: flat.pixels.iter().map(|_| 77).collect(), ..flat };
        for side in [1, 2, 8, 33] {
            for params in draws(&Recipe::paper_t(), width, height, 20) {
                levels(&noise(width, height), &params, side);
                let unchanged = ViewParams { jitter: None, grayscale: false, ..params };
                assert!(levels(&plain, &unchanged, side).iter().all(|&level| level == 77), "{width}x{height} {side}");
            }
        }
    }
}

#[test]
fn out_of_range_recipes_name_key_and_value() {
    for recipe in [Recipe::paper_t(), Recipe::paper_t_prime(), Recipe::lab(), Recipe::crop(), Recipe::color()] {
        assert_eq!(recipe.validate(), Ok(()));
    }
    let good = Recipe::paper_t;
    for (recipe, key, value) in [
        (Recipe { crop_area: [0.0, 1.0], ..good() }, "crop_area", "[0, 1]"),
        (Recipe { crop_area: [0.5, 1.5], ..good() }, "crop_area", "[0.5, 1.5]"),
        (Recipe { crop_area: [0.5, 0.2], ..good() }, "crop_area", "[0.5, 0.2]"),
        (Recipe { crop_ratio: [-1.0, 1.0], ..good() }, "crop_ratio", "[-1, 1]"),
        (Recipe { crop_ratio: [1.0, f64::INFINITY], ..good() }, "crop_ratio", "[1, inf]"),
        (Recipe { flip_probability: 1.1, ..good() }, "flip_probability", "1.1"),
        (Recipe { jitter_probability: -0.1, ..good() }, "jitter_probability", "-0.1"),
        (Recipe { grayscale_probability: 2.0, ..good() }, "grayscale_probability", "2"),
        (Recipe { blur_probability: f64::NAN, ..good() }, "blur_probability", "NaN"),
        (Recipe { solarize_probability: 7.0, ..good() }, "solarize_probability", "7"),
        (Recipe { brightness: -1.0, ..good() }, "brightness", "-1"),
        (Recipe { contrast: f64::INFINITY, ..good() }, "contrast", "inf"),
        (Recipe { saturation: f64::NAN, ..good() }, "saturation", "NaN"),
        (Recipe { hue: 0.6, ..good() }, "hue", "0.6"),
        (Recipe { blur_sigma: [0.0, 2.0], ..good() }, "blur_sigma", "[0, 2]"),
        (Recipe { blur_kernel: 0.0, ..good() }, "blur_kernel", "0"),
    ] {
        let RecipeError { key: found, value: found_value, .. } = recipe.validate().unwrap_err();
        assert_eq!((found, found_value.as_str()), (key, value));
    }
    let message = Recipe { hue: 0.6, ..good() }.validate().unwrap_err().to_string();
    assert_eq!(message, "hue = 0.6 is out of range: it must be a share of the colour circle, 0 to 0.5");
}

#[test]
fn what_cannot_be_rendered_is_an_error() {
    let image = noise(10, 8);
    let whole = || ViewParams::whole(10, 8);
    let render = |image: &Image, params: ViewParams, length| {
        Renderer::new(4).render_levels(image, &params, &mut vec![0; length]).unwrap_err()
    };
    for crop in [
        Crop { top: 0, left: 3, height: 8, width: 8 },
        Crop { top: usize::MAX, left: 0, height: 2, width: 2 },
        Crop { top: 0, left: 0, height: 0, width: 2 },
    ] {
        assert_eq!(
            render(&image, ViewParams { crop, ..whole() }, 48),
            RenderError::Crop { crop, width: 10, height: 8 }
        );
    }
    let empty = Image::default();
    let params = Recipe::paper_t().sample(0, 0, &mut rng(0, Stream::View, Coordinates::default()));
    assert!(matches!(render(&empty, params, 48), RenderError::Crop { .. }));
    assert_eq!(render(&image, whole(), 47), RenderError::Output { side: 4, found: 47 });
    let damaged = Image { height: 9, ..image.clone() };
    assert_eq!(render(&damaged, whole(), 48), RenderError::Image { width: 10, height: 9, found: 240 });

    let jitter = Jitter { order: Adjustment::ALL, brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };
    for (params, key) in [
        (ViewParams { jitter: Some(Jitter { brightness: -0.1, ..jitter }), ..whole() }, "brightness"),
        (ViewParams { jitter: Some(Jitter { contrast: f32::NAN, ..jitter }), ..whole() }, "contrast"),
        (ViewParams { jitter: Some(Jitter { hue: 0.7, ..jitter }), ..whole() }, "hue"),
        (ViewParams { blur: Some(Blur { sigma: 0.0, kernel: 0.1 }), ..whole() }, "sigma"),
        (ViewParams { blur: Some(Blur { sigma: 1.0, kernel: 1.5 }), ..whole() }, "kernel"),
    ] {
        assert!(matches!(render(&image, params, 48), RenderError::Parameter { key: found, .. } if found == key));
    }
}
