//! The first frame of an animated WebP file, as libwebp shows it. Pixels are decoded elsewhere.

use std::borrow::Cow;

/// In the flags of a frame: it replaces what is below it, instead of being blended with it.
const DO_NOT_BLEND: u8 = 0b10;

/// The file with its first frame marked as one that is not blended. Nothing lies below the first frame, so libwebp never blends
/// it (`WebPAnimDecoderGetNext` blends from the second frame on); the decoder here does, with the canvas's transparent black,
/// and rounds every translucent level down. Files that are not animated are given back as they are.
pub fn unblended(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(flags) = first_frame_flags(bytes) else { return Cow::Borrowed(bytes) };
    let mut marked = bytes.to_vec();
    marked[flags] |= DO_NOT_BLEND;
    Cow::Owned(marked)
}

/// Where the flags of the first frame stand: in `ANMF`, after place, size and duration, of three bytes each.
fn first_frame_flags(bytes: &[u8]) -> Option<usize> {
    // After `RIFF`, the length, and `WEBP`.
    let mut at = 12;
    loop {
        let kind = bytes.get(at..at + 4)?;
        if kind == b"ANMF" {
            let flags = at + 8 + 15;
            return (flags < bytes.len()).then_some(flags);
        }
        let length = u32::from_le_bytes(*bytes.get(at + 4..)?.first_chunk()?) as usize;
        at = at.checked_add(8 + length + length % 2)?;
    }
}
