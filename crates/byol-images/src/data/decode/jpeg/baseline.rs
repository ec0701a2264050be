//! Baseline JPEG files, as cameras write them, at a part of their size. Only the frequencies that the smaller image shows are read and
//! transformed, the others passed over; differences of colour that are stored at half the size come out at the size of the brightness, for they
//! need be reduced less. Whatever is not as it should be is left to the decoder of whole images, which says what is wrong.

use super::entropy::Bits;
use super::header::{Component, Header};
use super::transform::{Inverse, inverse_to, level};
use crate::data::Image;

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

/// Decodes a file at one part in `by`, 2, 4 or 8, of its sides, into so many columns and rows. Nothing where it is of another kind or
/// something is wrong with it.
pub(super) fn decode(bytes: &[u8], by: usize, size: [usize; 2], image: &mut Image) -> Option<()> {
    let header = Header::read(bytes)?;
    let unit = [0, 1].map(|side| header.components.iter().map(|component| component.blocks[side]).max().unwrap_or(1));
    let units = [0, 1].map(|side| header.size[side].div_ceil(8 * unit[side]));
    let planes = header.components.iter().map(|component| Plane::new(component, by, unit, units));
    let mut planes: Vec<Plane> = planes.collect::<Option<_>>()?;
    let mut bits = Bits::new(header.scan);
    for row in 0..units[1] {
        for column in 0..units[0] {
            let number = row * units[0] + column;
            if header.restart_interval > 0 && number > 0 && number % header.restart_interval == 0 {
                bits.restart()?;
                planes.iter_mut().for_each(|plane| plane.mean = 0);
            }
            for (plane, component) in planes.iter_mut().zip(&header.components) {
                plane.read_blocks(&mut bits, &header, component, [column, row])?;
            }
        }
    }
    if !bits.is_end() {
        return None;
    }
    to_image(&planes, header.is_rgb, size, image)
}

impl Plane {
    fn new(component: &Component, by: usize, unit: [usize; 2], units: [usize; 2]) -> Option<Self> {
        let side = |side: usize| {
            let pixels = unit[side] * 8 / by;
            (pixels % component.blocks[side] == 0).then(|| pixels / component.blocks[side])
        };
        let block = [side(0)?, side(1)?];
        let inverse = inverse_to(block[0], block[1])?;
        let is_read = |place: usize| {
            let place = usize::from(super::entropy::ZIGZAG[place]);
            place % 8 < block[0] && place / 8 < block[1]
        };
        let last = (0..64).rev().find(|&place| is_read(place))?;
        let [width, height] = [0, 1].map(|side| units[side] * component.blocks[side] * block[side]);
        Some(Plane { block, inverse, last, width, levels: vec![0; width * height], mean: 0 })
    }

    /// The blocks of one unit.
    #[inline(always)]
    fn read_blocks(&mut self, bits: &mut Bits, header: &Header, component: &Component, unit: [usize; 2]) -> Option<()> {
        let [(_, means), (_, others)] = component.codes.map(|place| &header.codes[place]);
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
fn to_image(planes: &[Plane], is_rgb: bool, [width, height]: [usize; 2], image: &mut Image) -> Option<()> {
    (image.width, image.height) = (width, height);
    image.pixels.clear();
    image.pixels.resize(3 * width * height, 0);
    let (red, rest) = image.pixels.split_at_mut(width * height);
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
    let stored = brightness.iter().zip(bluish).zip(reddish);
    for ((((y, b), r), red), (green, blue)) in stored.zip(red).zip(green.iter_mut().zip(blue)) {
        let (y, b, r) = (f32::from(*y), f32::from(*b) - 128.0, f32::from(*r) - 128.0);
        *red = level(y + 1.402 * r);
        *green = level(y - 0.344_136_3 * b - 0.714_136_3 * r);
        *blue = level(y + 1.772 * b);
    }
}
