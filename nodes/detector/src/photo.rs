//! Photo files and compressed frames: decoded, turned as EXIF says, alpha dropped, 8 bits a channel.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use thiserror::Error;

use crate::rows::MAX_SIDE;

/// Most bytes of decoded pixels of a file that its owner names: a picture of 700 million pixels.
const MOST_OF_FILE: u64 = 2 * 1024 * 1024 * 1024;
/// And of a frame that anyone may send: 32 million pixels of 8 bits a channel. Decoding takes a turn of every other robot.
const MOST_OF_FRAME: u64 = 96 * 1024 * 1024;

/// Deflate, PNG's packing, makes nothing shorter than by a factor of 1032, and JPEG does not come near it. A picture that
/// claims more pixels than its bytes can hold lies, and must not cost the memory that it claims.
const MAX_PACKING: u64 = 1032;
/// Few bytes of pixels that any header may claim.
const ALWAYS_GRANTED: u64 = 1024 * 1024;

/// Why a photo cannot be read.
#[derive(Debug, Error)]
pub enum PhotoError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(std::io::Error),
    /// The bytes are no picture of a known format.
    #[error("cannot decode the picture (JPEG and PNG are known): {0}")]
    Decode(image::ImageError),
    /// The decoder would make up the rest.
    #[error("the JPEG picture is cut off: it has no end")]
    CutOff,
    /// The header claims more pixels than the bytes can hold, or more than any camera has.
    #[error("the picture claims {claimed} bytes of pixels in a file of {len} bytes")]
    Oversized {
        /// Bytes of decoded pixels that the header claims.
        claimed: u64,
        /// Bytes of the file.
        len: usize,
    },
}

/// The picture in a file.
///
/// # Errors
/// When the file cannot be read or decoded.
pub fn read(path: &Path) -> Result<RgbImage, PhotoError> {
    let bytes = std::fs::read(path).map_err(PhotoError::Read)?;
    let (mut image, orientation) = decode_within(&bytes, MOST_OF_FILE)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// The picture in the bytes of a compressed frame, as the camera sees it: whatever EXIF says, for depth pictures and the camera's
/// intrinsics know nothing of it.
///
/// # Errors
/// When they are no picture, or their header claims one larger than any camera's or than the bytes can hold.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, PhotoError> {
    let (image, _) = decode_within(bytes, MOST_OF_FRAME)?;
    Ok(image.into_rgb8())
}

fn decode_within(bytes: &[u8], most: u64) -> Result<(DynamicImage, Orientation), PhotoError> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(PhotoError::Read)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(most);
    reader.limits(limits);
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    if is_jpeg && !jpeg_is_whole(bytes) {
        return Err(PhotoError::CutOff);
    }
    let mut decoder = reader.into_decoder().map_err(PhotoError::Decode)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let claimed = decoder.total_bytes().max(3 * pixels);
    let packed = pixels * u64::from(decoder.original_color_type().bits_per_pixel()) / 8;
    let possible = (bytes.len() as u64 * MAX_PACKING).max(ALWAYS_GRANTED);
    if packed > possible || claimed > most {
        return Err(PhotoError::Oversized {
            claimed,
            len: bytes.len(),
        });
    }
    let orientation = decoder.orientation().map_err(PhotoError::Decode)?;
    let image = DynamicImage::from_decoder(decoder).map_err(PhotoError::Decode)?;
    Ok((image, orientation))
}

/// Whether the end marker of a JPEG picture is there. Its segments are passed over, for a preview in one has an end of
/// its own; in the scans, whose length is written nowhere, every FF that is no marker is followed by 00.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    // Behind the start marker.
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) = rest.windows(2).position(is_marker) {
        if rest[at + 1] == END {
            return true;
        }
        rest = &rest[at + 2..];
        let Some(len) = rest.first_chunk().map(|len| u16::from_be_bytes(*len)) else {
            return false;
        };
        rest = rest.get(usize::from(len)..).unwrap_or_default();
    }
    false
}
