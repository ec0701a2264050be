//! The fixed views that answers are averaged over, against torchvision's ten crops (fixtures/tencrop, made by `make_fixtures.py` there).

use std::path::PathBuf;

use byol::augment::{Crop, FixedViews, Renderer, ViewParams};
use byol::data::Image;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    picture: String,
    evaluation_crop: f64,
    side: usize,
}

/// The largest difference of two views, in levels.
fn worst(found: &[u8], expected: &[u8]) -> u8 {
    found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// torchvision mirrors the whole image first, so that its sixth crop is the mirror image of the second.
const MIRRORS: [usize; 5] = [6, 5, 8, 7, 9];

#[test]
fn ten_crops_are_those_of_torchvision() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tencrop");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(folder.join("views.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("views.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert!(cases.len() >= 5);
    for Case { name, picture, evaluation_crop, side } in cases {
        let picture = tensors.tensor(&format!("picture/{picture}")).unwrap();
        let &[3, height, width] = picture.shape() else { panic!("the image of {name} is not planar") };
        let image = Image { width, height, pixels: picture.data().to_vec() };
        let case = tensors.tensor(&format!("case/{name}")).unwrap();
        let expected: Vec<&[u8]> = case.data().chunks_exact(3 * side * side).collect();
        let views = FixedViews::TenCrop.of(width, height, evaluation_crop);
        assert_eq!((views.len(), expected.len()), (10, 10));
        let places = (0..5).chain(MIRRORS);
        for (number, (view, place)) in views.iter().zip(places).enumerate() {
            let mut found = vec![0; 3 * side * side];
            Renderer::new(side).render_levels(&image, view, &mut found).unwrap();
            let off = worst(&found, expected[place]);
            assert!(off <= 2, "view {number} of {name} is off by {off} levels");
            let another = (0..10).filter(|&other| other != place).map(|other| worst(&found, expected[other])).min();
            assert!(another > Some(10), "{name}: view {number} could be another one");
        }
    }
}

#[test]
fn views_come_by_their_number_and_begin_with_the_plain_one() {
    for (count, views) in [(1, FixedViews::Plain), (2, FixedViews::Mirrored), (10, FixedViews::TenCrop)] {
        assert_eq!((FixedViews::of_count(count), views.count()), (Some(views), count));
        assert_eq!(views.of(50, 41, 0.9).len(), count);
    }
    assert!([0, 3, 4, 5, 12].into_iter().all(|count| FixedViews::of_count(count).is_none()));
    let plain = ViewParams::inner(50, 41, 0.9);
    assert_eq!(FixedViews::default().of(50, 41, 0.9), std::slice::from_ref(&plain));
    let mirrored = ViewParams { flip: true, ..plain.clone() };
    assert_eq!(FixedViews::Mirrored.of(50, 41, 0.9), [plain, mirrored]);
}

/// Whatever the image, all crops lie in the plain view and reach its four corners; the second five mirror the first.
#[test]
fn crops_stay_within_what_evaluations_see() {
    for (width, height, share) in [(50, 41, 0.9), (7, 9, 1.0), (1, 5, 0.5), (2, 2, 1.0), (640, 480, 0.875)] {
        let square = ViewParams::inner(width, height, share).crop;
        let views = FixedViews::TenCrop.of(width, height, share);
        let end = |crop: Crop| [crop.top + crop.height, crop.left + crop.width];
        for view in &views {
            assert!(view.crop.top >= square.top && view.crop.left >= square.left, "{view:?}");
            assert!(end(view.crop) <= end(square) && end(view.crop)[1] <= end(square)[1], "{view:?}");
        }
        assert_eq!([views[0].crop.top, views[0].crop.left], [square.top, square.left]);
        assert_eq!(end(views[3].crop), end(square));
        let (upright, mirrored) = views.split_at(5);
        let flipped = |view: &ViewParams| ViewParams { flip: true, ..view.clone() };
        assert_eq!(upright.iter().map(flipped).collect::<Vec<_>>(), mirrored);
    }
    // Seven eighths of 32 pixels, and the centre in the middle.
    let centre = FixedViews::TenCrop.of(40, 32, 1.0)[4].crop;
    assert_eq!(centre, Crop { top: 2, left: 6, height: 28, width: 28 });
}
