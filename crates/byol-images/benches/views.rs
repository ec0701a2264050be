//! Milliseconds per view on one core: the paper's t and t' in turn, parameters drawn anew, normalised output.
//!
//! `cargo bench --bench views`

use std::hint::black_box;

use byol_images::augment::{Normalization, Recipe, Renderer};
use byol_images::data::Image;
use byol_images::random::{Coordinates, Stream, rng};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Smooth waves of different colours, so that levels, hues and edges vary as in a photograph.
fn image(side: usize) -> Image {
    let mut pixels = Vec::with_capacity(3 * side * side);
    for channel in 0..3 {
        for y in 0..side {
            for x in 0..side {
                let (x, y) = (x as f32 / side as f32, y as f32 / side as f32);
                let wave = (7.0 * x + 3.0 * y + channel as f32).sin() + (40.0 * x * y).cos() * 0.4;
                pixels.push((127.5 + 90.0 * wave) as u8);
            }
        }
    }
    Image { width: side, height: side, pixels }
}

fn views(criterion: &mut Criterion) {
    let recipes = [Recipe::paper_t(), Recipe::paper_t_prime()];
    let normalization = Normalization { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
    let mut group = criterion.benchmark_group("views");
    for side in [96, 224] {
        let image = image(side);
        let mut renderer = Renderer::new(side);
        let mut out = vec![0.0; 3 * side * side];
        group.bench_with_input(BenchmarkId::from_parameter(side), &side, |bencher, &side| {
            let mut drawn = 0;
            bencher.iter(|| {
                let mut rng = rng(0, Stream::View, Coordinates { index: drawn / 2, view: drawn % 2, epoch: 0 });
                let params = recipes[drawn as usize % 2].sample(side, side, &mut rng);
                drawn += 1;
                renderer.render(&image, &params, normalization, &mut out).expect("drawn parameters fit");
                black_box(&out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, views);
criterion_main!(benches);
