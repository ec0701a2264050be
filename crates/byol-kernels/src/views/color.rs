//! Brightness, contrast, saturation, hue, grayscale and solarising: what happens to each pixel by itself. No
//! neighbours.
//!
//! Arithmetic is float32 on 0-255 levels; after every operation levels are cut to integers, as torchvision does on
//! uint8 tensors.

use multiversion::multiversion;

use super::planes::Planes;

/// One operation on the colour of a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColorStep {
    /// Multiplies by a factor.
    Brightness(f32),
    /// Multiplies the difference from `mean` (of the image's gray) by `factor`.
    Contrast { factor: f32, mean: f32 },
    /// Multiplies the difference from the pixel's gray by a factor.
    Saturation(f32),
    /// Turns the hue by a share of the colour circle, -0.5 to 0.5.
    Hue(f32),
    /// Replaces the colour by its gray.
    Grayscale,
}

/// Does the steps in order, on every pixel.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn apply(planes: &mut Planes, steps: &[ColorStep]) {
    let [red, green, blue] = planes.padded_mut();
    let red = red.chunks_exact_mut(Planes::BLOCK);
    let green = green.chunks_exact_mut(Planes::BLOCK);
    let blue = blue.chunks_exact_mut(Planes::BLOCK);
    for ((red, green), blue) in red.zip(green).zip(blue) {
        let mut block = Block::load(red, green, blue);
        for &step in steps {
            block.apply(step);
        }
        block.store(red, green, blue);
    }
}

/// The mean over all pixels of their gray level, each cut to an integer.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn mean_gray(planes: &Planes) -> f32 {
    let pixels = planes.side() * planes.side();
    let [red, green, blue] = planes.padded();
    let red = red.chunks_exact(Planes::BLOCK);
    let green = green.chunks_exact(Planes::BLOCK);
    let blue = blue.chunks_exact(Planes::BLOCK);
    // Sums of integers: exact up to 2^24 per lane.
    let mut sums = [0.0; Planes::BLOCK];
    for (index, ((red, green), blue)) in red.zip(green).zip(blue).enumerate() {
        let gray = Block::load(red, green, blue).gray();
        let inside = pixels - index * Planes::BLOCK;
        if inside >= Planes::BLOCK {
            for (sum, gray) in sums.iter_mut().zip(gray) {
                *sum += gray;
            }
        } else {
            for (sum, gray) in sums.iter_mut().zip(gray).take(inside) {
                *sum += gray;
            }
        }
    }
    (sums.iter().copied().map(f64::from).sum::<f64>() / pixels as f64) as f32
}

/// Inverts levels at or above `threshold`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn solarize(planes: &mut Planes, threshold: u8) {
    for plane in planes.padded_mut() {
        for level in plane {
            *level = if *level >= threshold { 255 - *level } else { *level };
        }
    }
}

type Lanes = [f32; Planes::BLOCK];

struct Block {
    red: Lanes,
    green: Lanes,
    blue: Lanes,
}

impl Block {
    #[inline(always)]
    fn load(red: &[u8], green: &[u8], blue: &[u8]) -> Self {
        let lanes = |levels: &[u8]| {
            let mut lanes = [0.0; Planes::BLOCK];
            for (lane, &level) in lanes.iter_mut().zip(levels) {
                *lane = f32::from(level);
            }
            lanes
        };
        Block { red: lanes(red), green: lanes(green), blue: lanes(blue) }
    }

    #[inline(always)]
    fn store(&self, red: &mut [u8], green: &mut [u8], blue: &mut [u8]) {
        for (levels, lanes) in [(red, &self.red), (green, &self.green), (blue, &self.blue)] {
            for (level, &lane) in levels.iter_mut().zip(lanes) {
                *level = integer(lane) as u8;
            }
        }
    }

    #[inline(always)]
    fn apply(&mut self, step: ColorStep) {
        match step {
            ColorStep::Brightness(factor) => self.each_level(|level, _| level * factor),
            ColorStep::Contrast { factor, mean } => {
                let offset = mean * (1.0 - factor);
                self.each_level(|level, _| level * factor + offset);
            }
            ColorStep::Saturation(factor) => self.each_level(|level, gray| level * factor + gray * (1.0 - factor)),
            ColorStep::Hue(turn) => self.turn_hue(turn),
            ColorStep::Grayscale => self.each_level(|_, gray| gray),
        }
    }

    /// Changes every level, given the gray of its pixel.
    #[inline(always)]
    fn each_level(&mut self, change: impl Fn(f32, f32) -> f32) {
        for lane in 0..Planes::BLOCK {
            let gray = gray(self.red[lane], self.green[lane], self.blue[lane]);
            self.red[lane] = cut(change(self.red[lane], gray));
            self.green[lane] = cut(change(self.green[lane], gray));
            self.blue[lane] = cut(change(self.blue[lane], gray));
        }
    }

    /// Turns the hue in HSV, without branches and without the way through saturation: with `h` the hue in sixths of the
    /// circle, each channel is `max - range * clamp(min(k, 4 - k), 0, 1)`, where `k = (n + h) mod 6` and `n` is 5, 3, 1
    /// for red, green, blue.
    #[inline(always)]
    fn turn_hue(&mut self, turn: f32) {
        // torchvision goes back from 0-1 to levels by the factor 256 - 0.001, and cuts.
        const TO_LEVELS: f32 = 255.999 / 255.0;
        let turn = 6.0 * turn;
        for lane in 0..Planes::BLOCK {
            let (r, g, b) = (self.red[lane], self.green[lane], self.blue[lane]);
            let most = larger(larger(r, g), b);
            let least = smaller(smaller(r, g), b);
            let range = most - least;
            let (difference, sector) = if g == most { (b - r, 2.0) } else { (r - g, 4.0) };
            let (difference, sector) = if r == most { (g - b, 0.0) } else { (difference, sector) };
            // Levels are integers, so a range that is not zero is at least 1.
            let hue = wrap(sector + difference / larger(range, 1.0) + turn);
            let channel = |n: f32| {
                let k = wrap(n + hue);
                let share = larger(smaller(smaller(k, 4.0 - k), 1.0), 0.0);
                // Within 0-255 up to rounding, because the share is within 0-1.
                integer((most - range * share) * TO_LEVELS) as f32
            };
            self.red[lane] = channel(5.0);
            self.green[lane] = channel(3.0);
            self.blue[lane] = channel(1.0);
        }
    }

    #[inline(always)]
    fn gray(&self) -> Lanes {
        let mut lanes = [0.0; Planes::BLOCK];
        for (lane, level) in lanes.iter_mut().enumerate() {
            *level = gray(self.red[lane], self.green[lane], self.blue[lane]);
        }
        lanes
    }
}

/// The gray level of a pixel (weights of ITU-R BT.601 as torchvision rounds them), cut to an integer.
#[inline(always)]
fn gray(red: f32, green: f32, blue: f32) -> f32 {
    cut(red * 0.2989 + green * 0.587 + blue * 0.114)
}

/// Clamps to 0-255 and cuts to an integer. Not a number gives 0.
#[inline(always)]
fn cut(level: f32) -> f32 {
    integer(smaller(larger(level, 0.0), 255.0)) as f32
}

/// The integer part of a level that is in 0-255.
#[inline(always)]
fn integer(level: f32) -> i32 {
    debug_assert!((-1.0..256.0).contains(&level));
    // SAFETY: the number is finite and within -1..256, so it fits an i32. Every level in a block comes from a uint8, from
    // `cut`, which clamps to 0-255 and maps NaN to 0, or from `turn_hue`, which subtracts from a level a share (clamped
    // to 0-1, NaN mapped to 1) of the range below it. The checked conversion would cost several instructions per lane.
    unsafe { level.to_int_unchecked() }
}

/// Brings a number from -6..12 into 0..6.
#[inline(always)]
fn wrap(sixths: f32) -> f32 {
    let sixths = if sixths < 0.0 { sixths + 6.0 } else { sixths };
    if sixths >= 6.0 { sixths - 6.0 } else { sixths }
}

/// The larger number; `b` if either is not a number. One vector instruction, which `f32::max` is not.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The smaller number; `b` if either is not a number.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}
