//! HEIF files: HEIC (HEVC) as phones write it, and AVIF (AV1). The container is read by `heifer-isobmff`, HEVC is decoded by
//! `heifer-hevc-dec`, AV1 in [`av1`]; here the parts are put together: tiles of a grid, the alpha plane, cropping, turning and
//! mirroring. The container alone says how an image is turned; an EXIF orientation repeats it, and is not read (ISO/IEC
//! 23008-12, 6.5.10).

mod av1;
mod color;

use heifer_hevc_dec::decoder::{DecodeOptions, decode_picture};
use heifer_hevc_dec::recon::Frame;
use heifer_isobmff::boxes::{ColorInfo, Property};
use heifer_isobmff::{HeifFile, Item, ItemId};

use self::color::{Coding, Upsampling};
use super::over_white;
use crate::data::Image;
use crate::data::error::ImageProblem;

/// An image may be made of another one, and so on, but not without end.
const MAX_DEPTH: u32 = 4;

const UNFIT: &str = "the tiles of its grid do not fit together";

/// What an image may take beyond its stated size while it is decoded: coding blocks at its edges.
const PADDING: u64 = 128;

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    TooManyPixels { width: u32, height: u32 },
    Other(String),
}

impl From<heifer_isobmff::Error> for Problem {
    fn from(error: heifer_isobmff::Error) -> Self {
        match error {
            heifer_isobmff::Error::UnexpectedEof => other("it is cut off"),
            error => Problem::Other(error.to_string()),
        }
    }
}

impl From<Problem> for ImageProblem {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::TooManyPixels { width, height } => ImageProblem::TooManyPixels { width, height },
            Problem::Other(text) => ImageProblem::Decode(text),
        }
    }
}

fn other(text: impl Into<String>) -> Problem {
    Problem::Other(text.into())
}

/// A decoded image, row by row: red, green, blue, alpha.
#[derive(Debug)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 4]>,
    pub has_alpha: bool,
    /// Colours are multiplied by alpha already.
    pub premultiplied: bool,
}

/// Decodes the primary image, as it is meant to be looked at.
///
/// # Errors
/// The container or an image in it is damaged, has more than `max_pixels`, or is coded in a way that is not read.
pub(super) fn decode(bytes: &[u8], max_pixels: u64) -> Result<Canvas, Problem> {
    let file = HeifFile::parse(bytes)?;
    Reader { file: &file, max_pixels }.item(file.primary_id, 0)
}

struct Reader<'a> {
    file: &'a HeifFile<'a>,
    max_pixels: u64,
}

impl Reader<'_> {
    /// An image with its alpha plane, cropped, turned and mirrored as its properties say, in their order.
    fn item(&self, id: ItemId, depth: u32) -> Result<Canvas, Problem> {
        let mut canvas = self.plain(id, depth)?;
        for auxiliary in self.file.referencing_items(id, b"auxl") {
            if self.is_alpha(auxiliary)? {
                canvas.take_alpha(&self.plain(auxiliary, depth)?);
                canvas.premultiplied = self.file.referenced_items(id, b"prem").contains(&auxiliary);
                break;
            }
        }
        for property in self.file.item_properties(id)? {
            canvas = match *property {
                Property::CleanAperture { width, height, horiz_offset, vert_offset } => {
                    canvas.cropped([width, height], [horiz_offset, vert_offset])?
                }
                Property::Rotation(quarters) => canvas.turned(quarters),
                Property::Mirror(top_bottom) => canvas.mirrored(top_bottom),
                _ => canvas,
            };
        }
        Ok(canvas)
    }

    fn is_alpha(&self, id: ItemId) -> Result<bool, Problem> {
        let names = ["urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"];
        let mut properties = self.file.item_properties(id)?;
        Ok(properties
            .any(|property| matches!(property, Property::AuxiliaryType(name) if names.contains(&name.as_str()))))
    }

    /// An image without its alpha plane and as it is stored.
    fn plain(&self, id: ItemId, depth: u32) -> Result<Canvas, Problem> {
        if depth > MAX_DEPTH {
            return Err(other("its images are made of one another without end"));
        }
        let item = self.file.item(id)?;
        if let Some((width, height)) = self.file.image_size(id)? {
            self.check_size(width, height)?;
        }
        match &item.item_type.0 {
            b"grid" => self.grid(id, depth),
            b"iden" => match *self.file.referenced_items(id, b"dimg") {
                [source] => self.item(source, depth + 1),
                _ => Err(other("an image is made of another one that is not there")),
            },
            b"iovl" => Err(other("it is laid together of several images, which is not read; save it as JPEG or PNG")),
            _ => self.coded(item),
        }
    }

    fn check_size(&self, width: u32, height: u32) -> Result<(), Problem> {
        match u64::from(width) * u64::from(height) {
            0 => Err(other(format!("it has no pixels ({width} x {height})"))),
            pixels if pixels > self.max_pixels => Err(Problem::TooManyPixels { width, height }),
            _ => Ok(()),
        }
    }

    fn coded(&self, item: &Item) -> Result<Canvas, Problem> {
        let (frame, upsampling) = self.frame(item)?;
        // The stated size decides; a coded image may be a little larger.
        let (width, height) = self.file.image_size(item.id)?.unwrap_or((frame.widths[0], frame.heights[0]));
        self.check_size(width, height)?;
        if frame.widths[0] < width || frame.heights[0] < height {
            return Err(other("its image is smaller than its container says"));
        }
        Ok(Canvas::of(&frame, self.coding(item.id, &frame, upsampling)?, width, height))
    }

    /// The samples of a coded image.
    fn frame(&self, item: &Item) -> Result<(Frame, Upsampling), Problem> {
        let limit = match self.file.image_size(item.id)? {
            Some((width, height)) => (u64::from(width) + PADDING) * (u64::from(height) + PADDING),
            None => self.max_pixels,
        };
        match &item.item_type.0 {
            b"hvc1" | b"hev1" => {
                let options = DecodeOptions { max_pixels: limit, ..DecodeOptions::default() };
                let frame = decode_picture(&self.file.hevc_bitstream(item.id)?, options);
                Ok((frame.map_err(|error| other(format!("HEVC: {error}")))?, Upsampling::Nearest))
            }
            b"av01" => Ok((av1::decode(&self.file.item_data(item.id)?, limit).map_err(other)?, Upsampling::Bilinear)),
            _ => {
                let text =
                    format!("its image is coded as `{}`, which is not read; save it as JPEG or PNG", item.item_type);
                Err(other(text))
            }
        }
    }

    /// What the container says of the samples, else the coded image.
    fn coding(&self, id: ItemId, frame: &Frame, upsampling: Upsampling) -> Result<Coding, Problem> {
        let stated = self.stated_coding(id)?;
        let (matrix, full_range) = stated.unwrap_or((u16::from(frame.matrix_coeffs), frame.full_range));
        Ok(Coding { matrix, full_range, upsampling })
    }

    /// Matrix and whether the range is full, by the container.
    fn stated_coding(&self, id: ItemId) -> Result<Option<(u16, bool)>, Problem> {
        Ok(self.file.item_properties(id)?.find_map(|property| match *property {
            Property::Color(ColorInfo::Nclx { matrix, full_range, .. }) => Some((matrix, full_range)),
            _ => None,
        }))
    }

    /// Equal tiles, row by row, cut off at the right and below, as phones write large photographs.
    fn grid(&self, id: ItemId, depth: u32) -> Result<Canvas, Problem> {
        let grid = self.file.grid(id)?;
        self.check_size(grid.output_width, grid.output_height)?;
        let tiles = self.file.referenced_items(id, b"dimg");
        let (columns, rows) = (usize::from(grid.columns), usize::from(grid.rows));
        if tiles.len() != columns * rows {
            return Err(other(format!("its grid has {} of {} tiles", tiles.len(), columns * rows)));
        }
        if let Some(tiles) = self.tiles_to_join(tiles)? {
            let (frame, upsampling) = self.joined(&tiles, (columns, rows))?;
            if frame.widths[0] < grid.output_width || frame.heights[0] < grid.output_height {
                return Err(other(UNFIT));
            }
            let id = if self.stated_coding(id)?.is_some() { id } else { tiles[0].id };
            let coding = self.coding(id, &frame, upsampling)?;
            return Ok(Canvas::of(&frame, coding, grid.output_width, grid.output_height));
        }
        let mut canvas = Canvas::new(grid.output_width, grid.output_height);
        let mut side = None;
        for (place, &tile) in tiles.iter().enumerate() {
            // A grid of grids could be small and take days.
            if self.file.item(tile)?.item_type.0 == *b"grid" {
                return Err(other("the tiles of its grid are grids"));
            }
            let tile = self.item(tile, depth + 1)?;
            let &mut (width, height) = side.get_or_insert((tile.width, tile.height));
            let fits = |tile: usize, tiles: usize, whole: usize| tile * tiles >= whole && tile * (tiles - 1) < whole;
            if (tile.width, tile.height) != (width, height)
                || !fits(width, columns, canvas.width)
                || !fits(height, rows, canvas.height)
            {
                return Err(other(UNFIT));
            }
            canvas.has_alpha |= tile.has_alpha;
            canvas.premultiplied |= tile.premultiplied;
            canvas.place(&tile, place % columns * width, place / columns * height);
        }
        Ok(canvas)
    }

    /// The tiles, if they are plain AV1 images. libavif interpolates chroma across their edges.
    fn tiles_to_join(&self, tiles: &[ItemId]) -> Result<Option<Vec<&Item>>, Problem> {
        let mut items = Vec::new();
        for &tile in tiles {
            let changed = self.file.item_properties(tile)?.any(|property| {
                matches!(property, Property::CleanAperture { .. } | Property::Rotation(_) | Property::Mirror(_))
            });
            let item = self.file.item(tile)?;
            if changed || item.item_type.0 != *b"av01" || !self.file.referencing_items(tile, b"auxl").is_empty() {
                return Ok(None);
            }
            items.push(item);
        }
        Ok(Some(items))
    }

    /// The planes of all tiles as those of one image.
    fn joined(&self, tiles: &[&Item], (columns, rows): (usize, usize)) -> Result<(Frame, Upsampling), Problem> {
        let mut whole: Option<(Frame, Upsampling)> = None;
        for (place, tile) in tiles.iter().enumerate() {
            let (frame, upsampling) = self.frame(tile)?;
            let (whole, _) = match &mut whole {
                Some(whole) => whole,
                None => whole.insert((self.frame_of_tiles(&frame, (columns, rows))?, upsampling)),
            };
            let alike = frame.widths.iter().zip(&whole.widths).all(|(tile, whole)| tile * columns as u32 == *whole)
                && frame.heights.iter().zip(&whole.heights).all(|(tile, whole)| tile * rows as u32 == *whole);
            if !alike || frame.bit_depth != whole.bit_depth {
                return Err(other(UNFIT));
            }
            let (column, row) = (place % columns, place / columns);
            for (plane, from) in frame.planes.iter().enumerate().filter(|(_, from)| !from.is_empty()) {
                let (width, height) = (frame.widths[plane] as usize, frame.heights[plane] as usize);
                for (y, line) in from.chunks_exact(width).enumerate() {
                    let at = ((row * height + y) * columns + column) * width;
                    whole.planes[plane][at..at + width].copy_from_slice(line);
                }
            }
        }
        whole.ok_or_else(|| other(UNFIT))
    }

    /// Room for so many tiles like this one.
    fn frame_of_tiles(&self, tile: &Frame, (columns, rows): (usize, usize)) -> Result<Frame, Problem> {
        let larger = |sides: [u32; 3], tiles: usize| sides.map(|side| side.saturating_mul(tiles as u32));
        let (widths, heights) = (larger(tile.widths, columns), larger(tile.heights, rows));
        self.check_size(widths[0], heights[0])?;
        // Half of an odd side is rounded up in each tile.
        let whole = |sides: [u32; 3], tiles: usize| tiles == 1 || sides[1] == 0 || sides[0].is_multiple_of(sides[1]);
        if !whole(tile.widths, columns) || !whole(tile.heights, rows) {
            return Err(other(UNFIT));
        }
        let planes = [0, 1, 2].map(|plane| vec![0; widths[plane] as usize * heights[plane] as usize]);
        Ok(Frame { widths, heights, planes, ..tile.clone() })
    }
}

impl Canvas {
    fn of(frame: &Frame, coding: Coding, width: u32, height: u32) -> Self {
        let mut canvas = Canvas::new(width, height);
        let (columns, rows) = (canvas.width, canvas.height);
        color::write(frame, coding, &mut canvas.pixels, columns, (columns, rows));
        canvas
    }

    /// Opaque black.
    fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Canvas { width, height, pixels: vec![[0, 0, 0, 255]; width * height], has_alpha: false, premultiplied: false }
    }

    /// An image of the same kind, each of whose pixels comes from a place in this one.
    fn mapped(&self, width: usize, height: usize, from: impl Fn(usize, usize) -> (usize, usize)) -> Self {
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            pixels.extend((0..width).map(|x| {
                let (x, y) = from(x, y);
                self.pixels[y * self.width + x]
            }));
        }
        Canvas { width, height, pixels, has_alpha: self.has_alpha, premultiplied: self.premultiplied }
    }

    /// Takes the gray levels of another image, perhaps of another size, for alpha.
    fn take_alpha(&mut self, alpha: &Canvas) {
        self.has_alpha = true;
        for y in 0..self.height {
            let row = y * alpha.height / self.height * alpha.width;
            for x in 0..self.width {
                self.pixels[y * self.width + x][3] = alpha.pixels[row + x * alpha.width / self.width][0];
            }
        }
    }

    fn place(&mut self, tile: &Canvas, left: usize, top: usize) {
        let columns = tile.width.min(self.width - left);
        for y in 0..tile.height.min(self.height - top) {
            let at = (top + y) * self.width + left;
            self.pixels[at..at + columns].copy_from_slice(&tile.pixels[y * tile.width..y * tile.width + columns]);
        }
    }

    /// Red, green and blue plane, over white.
    pub fn into_planes(self, image: &mut Image) {
        let area = self.width * self.height;
        (image.width, image.height) = (self.width, self.height);
        image.pixels.clear();
        image.pixels.resize(3 * area, 0);
        for (channel, plane) in image.pixels.chunks_exact_mut(area).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(&self.pixels) {
                *value = match (self.has_alpha, self.premultiplied) {
                    (false, _) => pixel[channel],
                    (true, false) => over_white(pixel[channel], pixel[3]),
                    (true, true) => pixel[channel].saturating_add(255 - pixel[3]),
                };
            }
        }
    }

    /// By quarters of a turn, against the clock.
    fn turned(self, quarters: u8) -> Self {
        let (width, height) = (self.width, self.height);
        match quarters % 4 {
            1 => self.mapped(height, width, |x, y| (width - 1 - y, x)),
            2 => self.mapped(width, height, |x, y| (width - 1 - x, height - 1 - y)),
            3 => self.mapped(height, width, |x, y| (y, height - 1 - x)),
            _ => self,
        }
    }

    fn mirrored(self, top_bottom: bool) -> Self {
        let (width, height) = (self.width, self.height);
        match top_bottom {
            true => self.mapped(width, height, |x, y| (x, height - 1 - y)),
            false => self.mapped(width, height, |x, y| (width - 1 - x, y)),
        }
    }

    /// The clean aperture of ISO/IEC 14496-12, 12.1.4: sizes, and distances of its centre from that of the image, as
    /// fractions.
    fn cropped(self, size: [(u32, u32); 2], offset: [(i32, u32); 2]) -> Result<Self, Problem> {
        let side = |whole: usize, (size, of): (u32, u32), (offset, part): (i32, u32)| {
            let (size, offset) = (f64::from(size) / f64::from(of), f64::from(offset) / f64::from(part));
            let start = (offset + (whole as f64 - 1.0) / 2.0 - (size - 1.0) / 2.0).round();
            let (start, size) = (start.max(0.0) as usize, size.round() as usize);
            let sound = of > 0 && part > 0 && size > 0 && start < whole;
            sound.then(|| (start, size.min(whole.saturating_sub(start))))
        };
        let columns = side(self.width, size[0], offset[0]);
        let rows = side(self.height, size[1], offset[1]);
        match (columns, rows) {
            (Some((left, width)), Some((top, height))) => Ok(self.mapped(width, height, |x, y| (left + x, top + y))),
            _ => Err(other("it is cropped to nothing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 1 2 above 3 4 5.
    fn numbered() -> Canvas {
        let pixels = (0..6).map(|number| [number; 4]).collect();
        Canvas { width: 3, height: 2, pixels, has_alpha: false, premultiplied: false }
    }

    fn numbers(canvas: &Canvas) -> Vec<u8> {
        canvas.pixels.iter().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn turning_mirroring_and_cropping() {
        assert_eq!(numbers(&numbered().turned(1)), [2, 5, 1, 4, 0, 3]);
        assert_eq!(numbers(&numbered().turned(2)), [5, 4, 3, 2, 1, 0]);
        assert_eq!(numbers(&numbered().turned(3)), [3, 0, 4, 1, 5, 2]);
        assert_eq!(numbers(&numbered().mirrored(false)), [2, 1, 0, 5, 4, 3]);
        assert_eq!(numbers(&numbered().mirrored(true)), [3, 4, 5, 0, 1, 2]);
        let cropped = numbered().cropped([(2, 1), (1, 1)], [(1, 2), (1, 2)]).unwrap();
        assert_eq!((numbers(&cropped), cropped.width), (vec![4, 5], 2));
        for (size, offset) in [((0, 1), (0, 1)), ((1, 0), (0, 1)), ((1, 1), (9, 1)), ((1, 1), (0, 0))] {
            assert!(numbered().cropped([size, (1, 1)], [offset, (0, 1)]).is_err());
        }
    }

    #[test]
    fn transparency_lies_over_white() {
        let planes = |premultiplied, pixel: [u8; 4]| {
            let mut image = Image { width: 9, height: 9, pixels: vec![7; 300] };
            Canvas { width: 1, height: 1, pixels: vec![pixel], has_alpha: true, premultiplied }.into_planes(&mut image);
            image.pixels
        };
        // 51 / 255 is a fifth: 0.2 * value + 0.8 * 255.
        assert_eq!(planes(false, [0, 100, 255, 51]), [204, 224, 255]);
        assert_eq!(planes(true, [0, 20, 51, 51]), [204, 224, 255]);
        assert_eq!(planes(true, [0, 20, 60, 51]), [204, 224, 255], "more than alpha allows");
    }

    #[test]
    fn alpha_of_another_size_is_spread() {
        let mut canvas = numbered();
        let pixels = vec![[10; 4], [20; 4]];
        canvas.take_alpha(&Canvas { width: 1, height: 2, pixels, has_alpha: false, premultiplied: false });
        assert_eq!(canvas.pixels.iter().map(|pixel| pixel[3]).collect::<Vec<_>>(), [10, 10, 10, 20, 20, 20]);
    }
}
