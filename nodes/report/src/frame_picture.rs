//! `frame.png`: the camera frame in which the object was found, with its box.

use image::RgbImage;
use thiserror::Error;
use wire::messages::ImageView;

use crate::canvas::{Canvas, Color, Size};

const BOX: Color = [230, 30, 120];
const TEXT: Color = [255, 255, 255];

/// Why a camera frame gives no picture.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A pixel layout that is not drawn.
    #[error("encoding \"{0}\" is not one of rgb8, bgr8, rgba8, bgra8, mono8")]
    Encoding(String),
    /// Fewer bytes than the frame's size claims.
    #[error("{width}x{height} {encoding} with {step} bytes a row does not fit in {have} bytes")]
    Size {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Name of the pixel layout.
        encoding: String,
        /// Bytes from one row to the next.
        step: u32,
        /// Bytes that are there.
        have: usize,
    },
}

/// What was found in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Find {
    /// Name of the class.
    pub class: String,
    /// 0 to 1.
    pub confidence: f32,
    /// x1, y1, x2, y2 in px.
    pub bbox: [f32; 4],
}

/// The frame with a box around what was found.
///
/// # Errors
/// When the frame is in no encoding that is drawn, or shorter than it claims.
pub fn draw(frame: &ImageView<'_>, find: &Find) -> Result<RgbImage, FrameError> {
    let picture = to_rgb(frame)?;
    let mut canvas = Canvas::over(&picture);
    let [x1, y1, x2, y2] = find.bbox.map(f64::from);
    canvas.frame([x1, y1], [x2, y2], 2.5, BOX);
    let text = format!("{} {:.2}", find.class, find.confidence);
    let (width, height) = (
        Size::Large.width(text.chars().count()) + 8.0,
        Size::Large.height() + 2.0,
    );
    // The label stands on the box, or below its upper edge where there is no room, and never leaves the picture.
    let top = if y1 >= height {
        y1 - height
    } else {
        y1.max(0.0)
    };
    let left = x1.min(f64::from(picture.width()) - width).max(0.0);
    canvas.rectangle([left, top], [left + width, top + height], BOX);
    canvas.text(text, [left + 4.0, top + 1.0], Size::Large, TEXT);
    Ok(canvas.into_image())
}

/// The frame's pixels as RGB.
///
/// # Errors
/// As [`draw`].
pub fn to_rgb(frame: &ImageView<'_>) -> Result<RgbImage, FrameError> {
    let header = &frame.header;
    let channels: [usize; 3] = match header.encoding {
        "rgb8" | "rgba8" => [0, 1, 2],
        "bgr8" | "bgra8" => [2, 1, 0],
        "mono8" => [0, 0, 0],
        other => return Err(FrameError::Encoding(other.to_owned())),
    };
    let pixel_size = match header.encoding {
        "mono8" => 1,
        "rgba8" | "bgra8" => 4,
        _ => 3,
    };
    let (width, height, step) = (
        header.width as usize,
        header.height as usize,
        header.step as usize,
    );
    let too_short = || FrameError::Size {
        width: header.width,
        height: header.height,
        encoding: header.encoding.to_owned(),
        step: header.step,
        have: frame.data.len(),
    };
    let row_size = width * pixel_size;
    if row_size == 0 || height == 0 || step < row_size {
        return Err(too_short());
    }
    let rows: Vec<&[u8]> = frame
        .data
        .chunks(step)
        .take(height)
        .filter_map(|row| row.get(..row_size))
        .collect();
    if rows.len() < height {
        return Err(too_short());
    }
    let pixels = rows.iter().flat_map(|row| row.chunks_exact(pixel_size));
    let bytes = pixels
        .flat_map(|pixel| channels.map(|channel| pixel[channel]))
        .collect();
    RgbImage::from_raw(header.width, header.height, bytes).ok_or_else(too_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use wire::Stamp;
    use wire::messages::ImageHeader;

    fn view<'a>(
        encoding: &'a str,
        width: u32,
        height: u32,
        step: u32,
        data: &'a [u8],
    ) -> ImageView<'a> {
        let header = ImageHeader {
            stamp: Stamp::default(),
            frame_id: "camera_color_optical_frame",
            height,
            width,
            encoding,
            is_bigendian: false,
            step,
            data: 0..data.len(),
        };
        ImageView { header, data }
    }

    fn find(bbox: [f32; 4]) -> Find {
        Find {
            class: "ball".to_owned(),
            confidence: 0.934,
            bbox,
        }
    }

    #[test]
    fn every_encoding_gives_the_same_colours_whatever_the_padding() {
        let [r, g, b] = [10, 20, 30];
        for (encoding, pixel) in [
            ("rgb8", &[r, g, b][..]),
            ("bgr8", &[b, g, r]),
            ("rgba8", &[r, g, b, 255]),
            ("bgra8", &[b, g, r, 255]),
        ] {
            let mut data = Vec::new();
            for _row in 0..2 {
                data.extend(pixel.repeat(3));
                data.extend([99; 5]);
            }
            let step = pixel.len() as u32 * 3 + 5;
            let rgb = to_rgb(&view(encoding, 3, 2, step, &data)).expect("a sound frame");
            assert!(
                rgb.pixels().all(|pixel| *pixel == Rgb([r, g, b])),
                "{encoding}"
            );
        }
        let gray = to_rgb(&view("mono8", 1, 1, 1, &[7])).expect("a sound frame");
        assert_eq!(gray.get_pixel(0, 0), &Rgb([7; 3]));
    }

    #[test]
    fn the_box_and_its_label_are_drawn_inside_the_picture_wherever_it_is() {
        let data = vec![128; 320 * 240 * 3];
        let frame = view("rgb8", 320, 240, 960, &data);
        for bbox in [
            [100.0, 80.0, 180.0, 200.0],
            [0.0, 0.0, 319.0, 239.0],
            [300.0, 2.0, 319.0, 30.0],
            [-9e9, f32::NAN, 9e9, 1.0],
        ] {
            let picture = draw(&frame, &find(bbox)).expect("a sound frame");
            assert_eq!(picture.dimensions(), (320, 240));
            assert!(
                picture.pixels().filter(|pixel| pixel.0 == BOX).count() > 100,
                "{bbox:?}"
            );
        }
        let picture = draw(&frame, &find([100.0, 80.0, 180.0, 200.0])).expect("a sound frame");
        assert_eq!(picture.get_pixel(180, 150).0, BOX);
        assert_eq!(picture.get_pixel(140, 150).0, [128; 3]);
        if let Some(folder) = std::env::var_os("KEEP_PICTURES") {
            picture
                .save(std::path::Path::new(&folder).join("frame.png"))
                .expect("saved");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_with_the_reason() {
        let error = to_rgb(&view("16UC1", 1, 1, 2, &[0, 0])).expect_err("depth is not drawn");
        assert!(error.to_string().contains("16UC1"), "{error}");
        for frame in [
            view("rgb8", 2, 2, 6, &[0; 11]),
            view("rgb8", 2, 2, 5, &[0; 12]),
            view("rgb8", 0, 0, 0, &[]),
        ] {
            assert!(matches!(to_rgb(&frame), Err(FrameError::Size { .. })));
        }
    }
}
