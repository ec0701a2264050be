//! One AV1 image through `re_rav1d`, the Rust port of dav1d, by its C interface: there is no other yet. A panic could not pass it
//! and would end the process, which is why it is this fork: in `rav1d` 1.1.0 damaged data of one frame panics
//! (<https://github.com/memorysafety/rav1d/issues/1497>).

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use heifer_hevc_dec::recon::Frame;
use re_rav1d::include::dav1d::data::Dav1dData;
use re_rav1d::include::dav1d::dav1d::{Dav1dContext, Dav1dLogger, Dav1dSettings};
use re_rav1d::include::dav1d::headers::{
    DAV1D_PIXEL_LAYOUT_I400, DAV1D_PIXEL_LAYOUT_I420, DAV1D_PIXEL_LAYOUT_I422, DAV1D_PIXEL_LAYOUT_I444,
};
use re_rav1d::include::dav1d::picture::Dav1dPicture;
use re_rav1d::src::lib::{
    dav1d_close, dav1d_data_create, dav1d_data_unref, dav1d_default_settings, dav1d_get_picture, dav1d_open,
    dav1d_picture_unref, dav1d_send_data,
};

/// A decoder that is closed when it goes out of scope.
struct Decoder(Option<Dav1dContext>);

impl Decoder {
    /// On this thread alone, without messages, for images of at most so many pixels.
    fn open(max_pixels: u32) -> Result<Self, String> {
        let mut settings = MaybeUninit::<Dav1dSettings>::uninit();
        // SAFETY: the pointer is to memory for settings, which the call fills.
        let mut settings = unsafe {
            dav1d_default_settings(NonNull::from(&mut settings).cast());
            settings.assume_init()
        };
        settings.n_threads = 1;
        settings.max_frame_delay = 1;
        settings.all_layers = 0;
        settings.frame_size_limit = max_pixels;
        // SAFETY: an all-zero logger is one without a function.
        settings.logger = unsafe { MaybeUninit::<Dav1dLogger>::zeroed().assume_init() };
        let mut context = None;
        // SAFETY: both are valid for the call, which reads the settings and writes the context.
        let result = unsafe { dav1d_open(Some(NonNull::from(&mut context)), Some(NonNull::from(&mut settings))) };
        match result.0 {
            0 => Ok(Decoder(context)),
            _ => Err("no AV1 decoder could be opened".into()),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context is that of `dav1d_open` and is closed once.
        unsafe { dav1d_close(Some(NonNull::from(&mut self.0))) };
    }
}

/// Encoded bytes, given back when they go out of scope.
struct Data(Dav1dData);

impl Drop for Data {
    fn drop(&mut self) {
        // SAFETY: the data is of `dav1d_data_create`, or what `dav1d_send_data` left of it; an empty one may be given back.
        unsafe { dav1d_data_unref(Some(NonNull::from(&mut self.0))) };
    }
}

/// A decoded image, given back when it goes out of scope.
struct Image(Dav1dPicture);

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the image is empty or of `dav1d_get_image`, and is given back once.
        unsafe { dav1d_picture_unref(Some(NonNull::from(&mut self.0))) };
    }
}

/// Decodes the first image of a stream of at most `max_pixels`.
///
/// # Errors
/// The stream is damaged, cut off, or of a larger image.
pub(super) fn decode(stream: &[u8], max_pixels: u64) -> Result<Frame, String> {
    let damaged = || "its AV1 data is damaged or cut off".to_owned();
    if stream.is_empty() {
        return Err(damaged());
    }
    let decoder = Decoder::open(u32::try_from(max_pixels).unwrap_or(u32::MAX))?;
    let mut data = Data(Dav1dData::default());
    // SAFETY: the data is valid to be written; what comes back is memory for as many bytes as asked for, or null.
    unsafe {
        let place = dav1d_data_create(Some(NonNull::from(&mut data.0)), stream.len());
        if place.is_null() {
            return Err("there is not enough memory to decode it".into());
        }
        std::ptr::copy_nonoverlapping(stream.as_ptr(), place, stream.len());
    }
    let mut image = Image(Dav1dPicture::default());
    let again = -libc::EAGAIN;
    // Data may go in by parts; without an image and with nothing more to send there is none.
    loop {
        let before = data.0.sz;
        if before > 0 {
            // SAFETY: the context is open, and the data is valid.
            let sent = unsafe { dav1d_send_data(decoder.0, Some(NonNull::from(&mut data.0))) }.0;
            if sent != 0 && sent != again {
                return Err(damaged());
            }
        }
        // SAFETY: the context is open, and the image is empty and may be written.
        match unsafe { dav1d_get_picture(decoder.0, Some(NonNull::from(&mut image.0))) }.0 {
            0 => break,
            result if result == again && data.0.sz < before => {}
            _ => return Err(damaged()),
        }
    }
    planes(&image.0)
}

/// Copies the planes out.
fn planes(image: &Dav1dPicture) -> Result<Frame, String> {
    let (width, height) = (image.p.w as u32, image.p.h as u32);
    let (half_x, half_y, planes) = match image.p.layout {
        DAV1D_PIXEL_LAYOUT_I400 => (0, 0, 1),
        DAV1D_PIXEL_LAYOUT_I420 => (1, 1, 3),
        DAV1D_PIXEL_LAYOUT_I422 => (1, 0, 3),
        DAV1D_PIXEL_LAYOUT_I444 => (0, 0, 3),
        _ => return Err("its AV1 image has an unknown layout".into()),
    };
    let depth = image.p.bpc as u8;
    let mut frame = Frame {
        widths: [width, 0, 0],
        heights: [height, 0, 0],
        planes: [const { Vec::new() }; 3],
        bit_depth: [depth; 2],
        chroma_format: match (planes, half_x, half_y) {
            (1, ..) => 0,
            (_, 1, 1) => 1,
            (_, 1, _) => 2,
            _ => 3,
        },
        full_range: false,
        matrix_coeffs: 2,
    };
    if let Some(header) = image.seq_hdr {
        // SAFETY: the header belongs to the image, which is alive.
        let header = unsafe { header.as_ref() };
        frame.full_range = header.color_range != 0;
        frame.matrix_coeffs = header.mtrx as u8;
    }
    for plane in 0..planes {
        if plane > 0 {
            frame.widths[plane] = (width + half_x) >> half_x;
            frame.heights[plane] = (height + half_y) >> half_y;
        }
        let (columns, rows) = (frame.widths[plane] as usize, frame.heights[plane] as usize);
        let start = image.data[plane].ok_or("its AV1 image lacks a plane")?;
        let stride = image.stride[plane.min(1)];
        let values = &mut frame.planes[plane];
        values.reserve_exact(columns * rows);
        for row in 0..rows {
            // SAFETY: a plane of an image has this many rows, `stride` bytes apart, of at least as many samples as it is
            // wide, in one byte each at 8 bits and in two aligned ones above.
            unsafe {
                let row = start.as_ptr().cast::<u8>().offset(row as isize * stride);
                match depth {
                    8 => values.extend(std::slice::from_raw_parts(row, columns).iter().map(|&value| u16::from(value))),
                    _ => values.extend_from_slice(std::slice::from_raw_parts(row.cast::<u16>(), columns)),
                }
            }
        }
    }
    Ok(frame)
}
