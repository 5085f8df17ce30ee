//! The camera's picture, as the model gets it.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};
use thiserror::Error;

const JPEG_QUALITY: u8 = 85;
/// Larger pictures are refused: nobody's camera sends them, and the model would scale them down.
const MAX_SIDE: u32 = 4096;

/// A frame as `sensor_msgs/Image` holds it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `rgb8`, `bgr8`, `rgba8`, `bgra8` or `mono8`
    pub encoding: String,
    /// pixels
    pub width: u32,
    /// pixels
    pub height: u32,
    /// bytes a row
    pub step: u32,
    /// rows from the top
    pub data: Vec<u8>,
}

/// Why a frame cannot be shown to the model.
#[derive(Debug, Error)]
pub enum PictureError {
    /// None of the encodings above.
    #[error("camera encoding \"{0}\" is not known; rgb8, bgr8, rgba8, bgra8 and mono8 are")]
    Encoding(String),
    /// Size, step and data do not fit together.
    #[error("camera frame of {width} x {height} with {step} bytes a row holds {got} bytes")]
    Size {
        /// pixels
        width: u32,
        /// pixels
        height: u32,
        /// bytes
        step: u32,
        /// bytes
        got: usize,
    },
    /// The encoder failed.
    #[error("camera frame cannot be encoded")]
    Jpeg(#[from] ImageError),
}

impl Picture {
    /// The picture as JPEG.
    ///
    /// # Errors
    /// When it is of no known encoding or is not as large as it says.
    pub fn to_jpeg(&self) -> Result<Vec<u8>, PictureError> {
        // Where red, green and blue stand in a pixel, and how long it is.
        let (order, pixel_len): (&[usize], usize) = match self.encoding.as_str() {
            "rgb8" => (&[0, 1, 2], 3),
            "bgr8" => (&[2, 1, 0], 3),
            "rgba8" => (&[0, 1, 2], 4),
            "bgra8" => (&[2, 1, 0], 4),
            "mono8" => (&[0], 1),
            other => return Err(PictureError::Encoding(other.into())),
        };
        let &Self {
            width,
            height,
            step,
            ref data,
            ..
        } = self;
        let fits = (1..=MAX_SIDE).contains(&width)
            && (1..=MAX_SIDE).contains(&height)
            && step as usize >= width as usize * pixel_len
            && data.len() >= step as usize * height as usize;
        if !fits {
            return Err(PictureError::Size {
                width,
                height,
                step,
                got: data.len(),
            });
        }
        let mut pixels = Vec::with_capacity(width as usize * height as usize * order.len());
        for row in data.chunks_exact(step as usize).take(height as usize) {
            for pixel in row.chunks_exact(pixel_len).take(width as usize) {
                pixels.extend(order.iter().map(|&channel| pixel[channel]));
            }
        }
        let colour = match order.len() {
            1 => ExtendedColorType::L8,
            _ => ExtendedColorType::Rgb8,
        };
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .encode(&pixels, width, height, colour)?;
        Ok(jpeg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn red(encoding: &str, pixel: &[u8]) -> Picture {
        Picture {
            encoding: encoding.into(),
            width: 16,
            height: 16,
            step: 16 * pixel.len() as u32 + 4,
            data: [pixel.repeat(16), vec![9; 4]].concat().repeat(16),
        }
    }

    #[test]
    fn red_stays_red_in_every_encoding() {
        for picture in [
            red("rgb8", &[255, 0, 0]),
            red("bgr8", &[0, 0, 255]),
            red("rgba8", &[255, 0, 0, 7]),
            red("bgra8", &[0, 0, 255, 7]),
        ] {
            let jpeg = picture.to_jpeg().unwrap();
            let shown = image::load_from_memory(&jpeg).unwrap().to_rgb8();
            let [r, g, b] = shown.get_pixel(8, 8).0;
            assert!(r > 240 && g < 15 && b < 15, "{}", picture.encoding);
        }
    }

    #[test]
    fn frames_that_lie_about_themselves_are_refused() {
        let mut short = red("rgb8", &[255, 0, 0]);
        short.data.pop();
        assert!(matches!(short.to_jpeg(), Err(PictureError::Size { .. })));
        let mut narrow = red("rgb8", &[255, 0, 0]);
        narrow.step = 3;
        assert!(matches!(narrow.to_jpeg(), Err(PictureError::Size { .. })));
        let mut empty = red("rgb8", &[255, 0, 0]);
        empty.height = 0;
        assert!(matches!(empty.to_jpeg(), Err(PictureError::Size { .. })));
        let depth = red("16UC1", &[1, 2]);
        assert!(matches!(depth.to_jpeg(), Err(PictureError::Encoding(_))));
    }
}
