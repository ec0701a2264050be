//! The three colour planes of a view between two operations. No operations.

/// Red, green and blue planes of a view in uint8 levels, row by row.
///
/// Each plane is followed by padding up to a multiple of [`Planes::BLOCK`], plus one block after the last plane, so
/// that kernels work on whole blocks; what the padding holds means nothing.
#[derive(Clone, Debug)]
pub struct Planes {
    side: usize,
    stride: usize,
    levels: Vec<u8>,
}

impl Planes {
    /// Pixels that kernels take at a time.
    pub const BLOCK: usize = 64;

    /// Black planes of `side` by `side` pixels.
    pub fn new(side: usize) -> Self {
        let stride = (side * side).next_multiple_of(Self::BLOCK);
        Planes { side, stride, levels: vec![0; 3 * stride + Self::BLOCK] }
    }

    pub fn side(&self) -> usize {
        self.side
    }

    /// The pixels of one plane, without padding.
    pub fn plane(&self, channel: usize) -> &[u8] {
        &self.levels[channel * self.stride..][..self.side * self.side]
    }

    /// The pixels of one plane and at least one block after them.
    pub fn plane_and_beyond(&self, channel: usize) -> &[u8] {
        &self.levels[channel * self.stride..]
    }

    /// As [`Planes::plane_and_beyond`], to write.
    ///
    /// Writing past the plane's end damages the next plane: fill planes in order.
    pub fn plane_and_beyond_mut(&mut self, channel: usize) -> &mut [u8] {
        &mut self.levels[channel * self.stride..]
    }

    /// The three planes with their padding, of equal length, a multiple of [`Planes::BLOCK`].
    pub fn padded(&self) -> [&[u8]; 3] {
        let (red, rest) = self.levels.split_at(self.stride);
        let (green, rest) = rest.split_at(self.stride);
        [red, green, &rest[..self.stride]]
    }

    /// Makes all planes equal to the first.
    pub fn repeat_first(&mut self) {
        let (red, rest) = self.levels.split_at_mut(self.stride);
        for plane in rest.chunks_exact_mut(self.stride).take(2) {
            plane.copy_from_slice(red);
        }
    }

    /// As [`Planes::padded`], to write.
    pub fn padded_mut(&mut self) -> [&mut [u8]; 3] {
        let (red, rest) = self.levels.split_at_mut(self.stride);
        let (green, rest) = rest.split_at_mut(self.stride);
        [red, green, &mut rest[..self.stride]]
    }
}
