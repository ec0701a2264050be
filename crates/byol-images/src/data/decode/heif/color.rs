//! Decoded planes (YCbCr, gray or RGB, 8 to 12 bits) to 8-bit RGB. The matrices are those of ITU-T H.273.

use heifer_hevc_dec::recon::Frame;

/// How chroma that was stored at half the size becomes as large as luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// Each sample stands for the pixels that it covers, as in libheif.
    Nearest,
    /// Weights 9, 3, 3 and 1 of the four samples around a pixel, as in libavif; with 8 bits rounded to whole levels, as in the
    /// libyuv that it uses then.
    Bilinear,
}

/// How samples are to be understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding {
    /// `MatrixCoefficients` of H.273: 0 is RGB, 1 BT.709, 5 and 6 BT.601, 8 YCgCo, 9 BT.2020.
    pub matrix: u16,
    /// 0 to 255 in 8 bits, otherwise 16 to 235.
    pub full_range: bool,
    pub upsampling: Upsampling,
}

/// Writes the upper left `width` x `height` pixels of the frame (not larger than it) as red, green, blue into rows of
/// `stride` pixels; alpha stays as it is.
pub(super) fn write(
    frame: &Frame,
    coding: Coding,
    out: &mut [[u8; 4]],
    stride: usize,
    (width, height): (usize, usize),
) {
    let luma = Samples::new(frame, 0, coding.full_range, frame.bit_depth[0], true);
    let chroma_is_scaled = coding.matrix != 0;
    let chroma = |plane| Samples::new(frame, plane, coding.full_range, frame.bit_depth[1], !chroma_is_scaled);
    let gray = frame.widths[1] == 0 || frame.heights[1] == 0;
    let (first, second) = (chroma(1), chroma(2));
    let half = (!gray && frame.widths[1] < frame.widths[0], !gray && frame.heights[1] < frame.heights[0]);
    for y in 0..height {
        let row = &mut out[y * stride..y * stride + width];
        for (x, pixel) in row.iter_mut().enumerate() {
            let level = luma.at(x, y);
            let [r, g, b] = match gray {
                true => [level; 3],
                false => {
                    let near = (x >> usize::from(half.0), y >> usize::from(half.1));
                    let sample = |plane: &Samples| match coding.upsampling {
                        Upsampling::Nearest => plane.at(near.0, near.1),
                        Upsampling::Bilinear => plane.between((x, y), half),
                    };
                    rgb(coding.matrix, level, sample(&first), sample(&second))
                }
            };
            let byte = |value: f32| (value * 255.0 + 0.5) as u8;
            (pixel[0], pixel[1], pixel[2]) = (byte(r), byte(g), byte(b));
        }
    }
}

/// One plane, as values of 0 to 1, or of -0.5 to 0.5.
struct Samples<'a> {
    values: &'a [u16],
    width: usize,
    height: usize,
    offset: f32,
    scale: f32,
    /// Whether values between samples are rounded.
    whole: bool,
}

impl<'a> Samples<'a> {
    /// `unsigned` as luma and RGB are.
    fn new(frame: &'a Frame, plane: usize, full_range: bool, depth: u8, unsigned: bool) -> Self {
        let (most, unit) = (((1u32 << depth) - 1) as f32, (1u32 << (depth - 8)) as f32);
        let (offset, span) = match (unsigned, full_range) {
            (true, true) => (0.0, most),
            (true, false) => (16.0 * unit, 219.0 * unit),
            (false, true) => (128.0 * unit, most),
            (false, false) => (128.0 * unit, 224.0 * unit),
        };
        let (width, height) = (frame.widths[plane] as usize, frame.heights[plane] as usize);
        Samples { values: &frame.planes[plane], width, height, offset, scale: 1.0 / span, whole: depth == 8 }
    }

    #[inline]
    fn raw(&self, x: usize, y: usize) -> f32 {
        f32::from(self.values[y.min(self.height - 1) * self.width + x.min(self.width - 1)])
    }

    #[inline]
    fn at(&self, x: usize, y: usize) -> f32 {
        (self.raw(x, y) - self.offset) * self.scale
    }

    /// At a pixel of an image that is twice as wide and high where `half` says so.
    #[inline]
    fn between(&self, (x, y): (usize, usize), half: (bool, bool)) -> f32 {
        let neighbor = |place: usize, half: bool| match (half, place % 2) {
            (false, _) => (place, place),
            (true, 0) => (place / 2, (place / 2).saturating_sub(1)),
            (true, _) => (place / 2, place / 2 + 1),
        };
        let ((near_x, far_x), (near_y, far_y)) = (neighbor(x, half.0), neighbor(y, half.1));
        let row = |y: usize| 0.75 * self.raw(near_x, y) + 0.25 * self.raw(far_x, y);
        let value = 0.75 * row(near_y) + 0.25 * row(far_y);
        let value = if self.whole { (value + 0.5).floor() } else { value };
        (value - self.offset) * self.scale
    }
}

#[inline]
fn rgb(matrix: u16, luma: f32, blue: f32, red: f32) -> [f32; 3] {
    let [r, g, b] = match matrix {
        // Planes are green, blue, red.
        0 => [red, luma, blue],
        8 => [luma - blue + red, luma + blue, luma - blue - red],
        _ => {
            let (kr, kb) = match matrix {
                1 => (0.2126, 0.0722),
                4 => (0.30, 0.11),
                7 => (0.212, 0.087),
                9 | 10 => (0.2627, 0.0593),
                _ => (0.299, 0.114),
            };
            let (r, b) = (luma + 2.0 * (1.0 - kr) * red, luma + 2.0 * (1.0 - kb) * blue);
            [r, (luma - kr * r - kb * b) / (1.0 - kr - kb), b]
        }
    };
    [r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(planes: [Vec<u16>; 3], depth: u8, coding: Coding) -> Vec<[u8; 4]> {
        let chroma = if planes[1].is_empty() { 0 } else { 1 };
        let frame = Frame {
            widths: [2, chroma, chroma],
            heights: [2, chroma, chroma],
            planes,
            bit_depth: [depth; 2],
            chroma_format: chroma as u8,
            full_range: coding.full_range,
            matrix_coeffs: coding.matrix as u8,
        };
        let mut out = vec![[0, 0, 0, 7]; 4];
        write(&frame, coding, &mut out, 2, (2, 2));
        out
    }

    #[test]
    fn ranges_and_matrices() {
        let coding = |matrix, full_range| Coding { matrix, full_range, upsampling: Upsampling::Bilinear };
        let gray = |level, depth, full| pixels([vec![level; 4], vec![], vec![]], depth, coding(1, full))[3];
        assert_eq!(gray(128, 8, true), [128, 128, 128, 7]);
        assert_eq!((gray(16, 8, false)[0], gray(235, 8, false)[0], gray(255, 8, false)[0]), (0, 255, 255));
        assert_eq!((gray(1023, 10, true)[1], gray(64, 10, false)[1], gray(2048, 12, true)[2]), (255, 0, 128));
        // Pure red in BT.601: 76, 85, 255; BT.709's limited range: 63, 102, 240.
        let red = pixels([vec![76; 4], vec![85], vec![255]], 8, coding(6, true))[0];
        assert!(red[0] >= 253 && red[1] <= 2 && red[2] <= 2, "{red:?}");
        let red = pixels([vec![63; 4], vec![102], vec![240]], 8, coding(1, false))[0];
        assert!(red[0] >= 253 && red[1] <= 2 && red[2] <= 2, "{red:?}");
        assert_eq!(pixels([vec![20; 4], vec![30], vec![10]], 8, coding(0, true))[0], [10, 20, 30, 7]);
    }
}
