//! Periodic functions of turns (1 turn = one period), made of additions, multiplications and square roots alone: they
//! give the same bits on every platform, which the standard library's `sin` and `atan2` do not promise. They are inlined everywhere, so that loops over them become vector
//! instructions in whatever unit they are compiled.

/// The nearest whole number, of two the even one, for numbers below 4 million.
#[inline]
pub(super) fn nearest(number: f32) -> f32 {
    // 1.5 * 2^23: beyond it f32 holds whole numbers only. Unlike `round` it needs no call on any platform.
    const WHOLE: f32 = 12_582_912.0;
    (number + WHOLE) - WHOLE
}

/// A triangle wave: 1 at whole turns, -1 half-way between.
#[inline]
pub(super) fn triangle(turns: f32) -> f32 {
    1.0 - 4.0 * (turns - nearest(turns)).abs()
}

/// Sine; the error stays below 0.0015.
#[inline]
pub(super) fn sine(turns: f32) -> f32 {
    let part = turns - nearest(turns);
    let parabola = part * (8.0 - 16.0 * part.abs());
    parabola * (0.775 + 0.225 * parabola.abs())
}

/// Cosine; the error stays below 0.0015.
#[inline]
pub(super) fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}

/// The angle of the point (x, y) in turns, -0.5 to 0.5; the error stays below 0.0003. The origin has angle 0.
#[inline]
pub(super) fn angle(y: f32, x: f32) -> f32 {
    let (long, short) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
    if long == 0.0 {
        return 0.0;
    }
    // A cubic fit of atan(q) / (2 pi) on 0..1 that is exact at both ends.
    let q = short / long;
    let mut turns = q * (0.125 + (1.0 - q) * (0.038_95 + 0.010_56 * q));
    if y.abs() > x.abs() {
        turns = 0.25 - turns;
    }
    if x < 0.0 {
        turns = 0.5 - turns;
    }
    if y < 0.0 { -turns } else { turns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn functions_are_close_to_the_exact_ones() {
        for step in -2000..2000 {
            let turns = step as f32 / 700.0;
            let exact = f64::from(turns) * TAU;
            assert!((f64::from(sine(turns)) - exact.sin()).abs() < 0.0015, "sine at {turns}");
            assert!((f64::from(cosine(turns)) - exact.cos()).abs() < 0.0015, "cosine at {turns}");
            let (y, x) = (exact.sin() * 3.0, exact.cos() * 3.0);
            let error = (f64::from(angle(y as f32, x as f32)) - y.atan2(x) / TAU).abs();
            assert!(error.min((error - 1.0).abs()) < 0.0003, "angle at {turns}: {error}");
        }
        assert_eq!(angle(0.0, 0.0), 0.0);
        assert_eq!(
            [triangle(0.0), triangle(0.25), triangle(0.5), triangle(-0.5), triangle(3.0)],
            [1.0, 0.0, -1.0, -1.0, 1.0]
        );
    }
}
