//! The inverse discrete cosine transform (ITU-T T.81, A.3.3) of a block's low frequencies, to fewer pixels than 8x8: each pixel is near the mean
//! of those that it stands for. A block of 8 frequencies becomes 1, 2, 4 or 8 pixels, on each side by itself.

/// Writes a block's pixels, from coefficients row by row and the steps by which they were quantised, into lines that are so far apart.
pub(super) type Inverse = fn(&[i16; 64], &[f32; 64], &mut [u8], usize);

/// The transform to so many columns and rows, where there is one.
pub(super) fn inverse_to(columns: usize, rows: usize) -> Option<Inverse> {
    Some(match (columns, rows) {
        (1, 1) => inverse::<1, 1>,
        (1, 2) => inverse::<1, 2>,
        (2, 1) => inverse::<2, 1>,
        (2, 2) => inverse::<2, 2>,
        (2, 4) => inverse::<2, 4>,
        (4, 2) => inverse::<4, 2>,
        (4, 4) => inverse::<4, 4>,
        (4, 8) => inverse::<4, 8>,
        (8, 4) => inverse::<8, 4>,
        (8, 8) => inverse::<8, 8>,
        _ => return None,
    })
}

fn inverse<const COLUMNS: usize, const ROWS: usize>(
    block: &[i16; 64],
    steps: &[f32; 64],
    out: &mut [u8],
    apart: usize,
) {
    let (along, down) = (const { waves::<COLUMNS>() }, const { waves::<ROWS>() });
    // Of most blocks all but the first few rows are zero.
    let is_used = |v: &usize| block[8 * v..8 * v + COLUMNS].iter().any(|&coefficient| coefficient != 0);
    let used = (1..ROWS).rev().find(is_used).unwrap_or(0) + 1;
    let mut lines = [[0.0; COLUMNS]; ROWS];
    for (v, line) in lines.iter_mut().enumerate().take(used) {
        for (u, wave) in along.iter().enumerate() {
            let coefficient = f32::from(block[8 * v + u]) * steps[8 * v + u];
            for (value, wave) in line.iter_mut().zip(wave) {
                *value += coefficient * wave;
            }
        }
    }
    for (y, out) in out.chunks_mut(apart).take(ROWS).enumerate() {
        // Levels are stored less 128 (T.81, A.3.1).
        let mut sums = [128.0; COLUMNS];
        for (line, wave) in lines.iter().zip(&down).take(used) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += wave[y] * value;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = level(sum);
        }
    }
}

/// The nearest level. Adding 2^23 leaves a whole number in the lowest bits, in vector code.
#[inline(always)]
pub(super) fn level(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}

/// Frequency by frequency, the pixels of a wave of amplitude 1 along a side of so many pixels, times the square root of 1/8 for the
/// mean and a half for the others: what 8 pixels would have, at fewer places.
const fn waves<const PIXELS: usize>() -> [[f32; PIXELS]; PIXELS] {
    let mut waves = [[0.0; PIXELS]; PIXELS];
    let mut frequency = 0;
    while frequency < PIXELS {
        let mut x = 0;
        while x < PIXELS {
            waves[frequency][x] = match frequency {
                0 => std::f32::consts::FRAC_1_SQRT_2 / 2.0,
                _ => cosine((2 * x + 1) * frequency * (8 / PIXELS)) / 2.0,
            };
            x += 1;
        }
        frequency += 1;
    }
    waves
}

/// The cosine of sixteenths of half a turn.
const fn cosine(sixteenths: usize) -> f32 {
    const QUARTER: [f32; 9] = [
        1.0,
        0.980_785_3,
        0.923_879_5,
        0.831_469_6,
        std::f32::consts::FRAC_1_SQRT_2,
        0.555_570_2,
        0.382_683_43,
        0.195_090_32,
        0.0,
    ];
    match sixteenths % 32 {
        at @ 0..=8 => QUARTER[at],
        at @ 9..=16 => -QUARTER[16 - at],
        at @ 17..=24 => -QUARTER[at - 16],
        at => QUARTER[32 - at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in float64, of the frequencies that are shown.
    fn expected(block: &[i16; 64], columns: usize, rows: usize) -> Vec<u8> {
        let wave = |frequency: usize, at: usize, of: usize| {
            let angle = (2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / (2 * of) as f64;
            if frequency == 0 { 0.5f64.sqrt() } else { angle.cos() }
        };
        let pixel = |x: usize, y: usize| {
            let terms = (0..rows).flat_map(|v| (0..columns).map(move |u| (u, v)));
            let sum: f64 = terms
                .map(|(u, v)| f64::from(3 * i32::from(block[8 * v + u])) * wave(u, x, columns) * wave(v, y, rows))
                .sum();
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        };
        (0..rows).flat_map(|y| (0..columns).map(move |x| pixel(x, y).round() as u8)).collect()
    }

    #[test]
    fn waves_add_up_as_defined() {
        let block = std::array::from_fn(|at| ((at * 37 + 11) % 29) as i16 - 14);
        for columns in [1, 2, 4, 8] {
            for rows in [1, 2, 4, 8] {
                let Some(inverse) = inverse_to(columns, rows) else { continue };
                let mut found = vec![7; rows * 10];
                inverse(&block, &[3.0; 64], &mut found, 10);
                for (line, expected) in found.chunks(10).zip(expected(&block, columns, rows).chunks(columns)) {
                    assert!(line[..columns].iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{columns} {rows}");
                    assert!(line[columns..].iter().all(|&other| other == 7), "no more than the block is written");
                }
            }
        }
    }
}
