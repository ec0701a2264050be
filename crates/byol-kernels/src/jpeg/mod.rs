//! Baseline JPEG files, as cameras write them, at a part of their size. Only the frequencies that the smaller image shows are read and
//! transformed, the others passed over; differences of colour that are stored at half the size come out at the size of the brightness, for they
//! need be reduced less. Whatever is not as it should be is left to a decoder of whole images, which says what is wrong. Headers are read
//! elsewhere.

mod entropy;
mod transform;

use self::entropy::Bits;
use self::transform::{Inverse, inverse_to, level};

pub use self::entropy::{Codes, ZIGZAG};

/// What is to be decoded: one scan of all components, with eight bits and Huffman codes.
pub struct Scan<'a> {
    /// Columns and rows of the image.
    pub size: [usize; 2],
    /// One, gray, or three.
    pub components: Vec<Component>,
    /// Tables of codes.
    pub codes: Vec<Codes>,
    /// Units between restarts; none where it is 0.
    pub restart_interval: usize,
    /// Whether the components are red, green and blue, and not brightness and two differences.
    pub is_rgb: bool,
    /// Entropy-coded data, and what follows.
    pub data: &'a [u8],
}

/// One component of the image.
pub struct Component {
    /// Blocks of it in a unit, columns and rows, 1 to 4.
    pub blocks: [usize; 2],
    /// By which coefficients were quantised, row by row.
    pub steps: [f32; 64],
    /// Places in [`Scan::codes`] of those of means and of the others.
    pub codes: [usize; 2],
}

/// The pixels of one component.
struct Plane {
    /// Columns and rows of a block.
    block: [usize; 2],
    inverse: Inverse,
    /// The last coefficient that is read, in the order in which they are stored.
    last: usize,
    /// Columns of all its blocks.
    width: usize,
    levels: Vec<u8>,
    /// The mean of the block before.
    mean: i32,
}

/// Decodes an image at one part in `by`, 2, 4 or 8, of its sides, into the first so many columns and rows of what comes out: red, green and
/// blue plane, one after the other. Nothing where something is wrong with it, or where a component is not reduced to 1, 2, 4 or 8 pixels a block; the
/// pixels may be any then.
pub fn decode(scan: &Scan, by: usize, size: [usize; 2], pixels: &mut Vec<u8>) -> Option<()> {
    let unit = [0, 1].map(|side| scan.components.iter().map(|component| component.blocks[side]).max().unwrap_or(1));
    let units = [0, 1].map(|side| scan.size[side].div_ceil(8 * unit[side]));
    let mut planes = Vec::new();
    for component in &scan.components {
        planes.push(Plane::new(component, by, unit, units)?);
    }
    let mut bits = Bits::new(scan.data);
    let mut until_restart = scan.restart_interval;
    for row in 0..units[1] {
        for column in 0..units[0] {
            if scan.restart_interval > 0 {
                if until_restart == 0 {
                    bits.restart()?;
                    planes.iter_mut().for_each(|plane| plane.mean = 0);
                    until_restart = scan.restart_interval;
                }
                until_restart -= 1;
            }
            for (plane, component) in planes.iter_mut().zip(&scan.components) {
                plane.read_blocks(&mut bits, &scan.codes, component, [column, row])?;
            }
        }
    }
    if !bits.is_end() {
        return None;
    }
    to_pixels(&planes, scan.is_rgb, size, pixels)
}

impl Plane {
    fn new(component: &Component, by: usize, unit: [usize; 2], units: [usize; 2]) -> Option<Self> {
        let side = |side: usize| {
            let pixels = unit[side] * 8 / by;
            pixels.is_multiple_of(component.blocks[side]).then(|| pixels / component.blocks[side])
        };
        let block = [side(0)?, side(1)?];
        let inverse = inverse_to(block[0], block[1])?;
        let is_read = |place: usize| {
            let place = usize::from(ZIGZAG[place]);
            place % 8 < block[0] && place / 8 < block[1]
        };
        let last = (0..64).rev().find(|&place| is_read(place))?;
        let [width, height] = [0, 1].map(|side| units[side] * component.blocks[side] * block[side]);
        Some(Plane { block, inverse, last, width, levels: vec![0; width * height], mean: 0 })
    }

    /// The blocks of one unit.
    #[inline(always)]
    fn read_blocks(&mut self, bits: &mut Bits, codes: &[Codes], component: &Component, unit: [usize; 2]) -> Option<()> {
        let (means, others) = (codes.get(component.codes[0])?, codes.get(component.codes[1])?);
        let [columns, rows] = component.blocks;
        for y in 0..rows {
            for x in 0..columns {
                let mut block = [0; 64];
                self.mean = self.mean.wrapping_add(means.difference(bits)?);
                block[0] = self.mean as i16;
                others.coefficients(bits, self.last, &mut block)?;
                let [left, top] = [(unit[0] * columns + x) * self.block[0], (unit[1] * rows + y) * self.block[1]];
                let out = self.levels.get_mut(top * self.width + left..)?;
                (self.inverse)(&block, &component.steps, out, self.width);
            }
        }
        Some(())
    }

    fn line(&self, y: usize, width: usize) -> Option<&[u8]> {
        self.levels.get(y * self.width..y * self.width + width)
    }
}

/// Red, green and blue (ITU-T T.871, section 7), without what the blocks have beyond the image.
fn to_pixels(planes: &[Plane], is_rgb: bool, [width, height]: [usize; 2], pixels: &mut Vec<u8>) -> Option<()> {
    pixels.clear();
    pixels.resize(3 * width * height, 0);
    let (red, rest) = pixels.split_at_mut(width * height);
    let (green, blue) = rest.split_at_mut(width * height);
    let lines = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width)).zip(blue.chunks_exact_mut(width));
    for (y, ((red, green), blue)) in lines.enumerate() {
        match planes {
            [first, second, third] => {
                let [first, second, third] = [first.line(y, width)?, second.line(y, width)?, third.line(y, width)?];
                if is_rgb {
                    red.copy_from_slice(first);
                    green.copy_from_slice(second);
                    blue.copy_from_slice(third);
                } else {
                    to_colors([first, second, third], [red, green, blue]);
                }
            }
            [gray, ..] => [red, green, blue].into_iter().try_for_each(|line| {
                line.copy_from_slice(gray.line(y, width)?);
                Some(())
            })?,
            [] => return None,
        }
    }
    Some(())
}

fn to_colors([brightness, bluish, reddish]: [&[u8]; 3], [red, green, blue]: [&mut [u8]; 3]) {
    let width = brightness.len();
    let (bluish, reddish) = (&bluish[..width], &reddish[..width]);
    let (red, green, blue) = (&mut red[..width], &mut green[..width], &mut blue[..width]);
    for x in 0..width {
        let (y, b, r) = (f32::from(brightness[x]), f32::from(bluish[x]) - 128.0, f32::from(reddish[x]) - 128.0);
        red[x] = level(y + 1.402 * r);
        green[x] = level(y - 0.344_136_3 * b - 0.714_136_3 * r);
        blue[x] = level(y + 1.772 * b);
    }
}
