//! A picture as rows of 8-bit pixels, whatever its encoding: read in place where the bytes are pixels already, else
//! converted row by row into one row's buffer. The conversions are OpenCV's, to the bit.

use thiserror::Error;
use wire::messages::ImageHeader;

use crate::encoding::{Encoding, PixelOrder, RedAt};
use crate::pieces::{Cursor, Pieces};

/// Longest side that is accepted, pixels: the longest that JPEG knows.
pub const MAX_SIDE: u32 = 65_535;

/// A picture whose size, step and encoding have been checked against the bytes that are there.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What the bytes mean.
    pub encoding: Encoding,
    big_endian: bool,
    step: usize,
    payload: Pieces<'a>,
    /// Offset of the first pixel in the payload.
    start: usize,
}

/// Why a picture cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PictureError {
    /// An encoding that is no colour or grey picture, or one that is not known.
    #[error("encoding {0:?} is not supported")]
    Encoding(String),
    /// No pixels, or more than any camera has.
    #[error("size {width}x{height} is outside 1x1 to {MAX_SIDE}x{MAX_SIDE}")]
    Size {
        /// Claimed width, pixels.
        width: u32,
        /// Claimed height, pixels.
        height: u32,
    },
    /// A row does not fit into the step.
    #[error("step {step} is shorter than a row of {row_len} bytes")]
    Step {
        /// Claimed step, bytes.
        step: u32,
        /// Bytes that a row needs.
        row_len: usize,
    },
    /// The rows do not fit into the data.
    #[error("truncated: the rows need {need} bytes, {have} are there")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes present.
        have: usize,
    },
}

impl<'a> Picture<'a> {
    /// Checks what `header` claims of `payload`.
    ///
    /// # Errors
    /// When the picture would reach beyond its data, or is none.
    pub fn new(header: &ImageHeader<'_>, payload: Pieces<'a>) -> Result<Self, PictureError> {
        let encoding = Encoding::from_name(header.encoding)
            // The name is foreign: a log line holds only as much of it as a real one has.
            .ok_or_else(|| PictureError::Encoding(header.encoding.chars().take(40).collect()))?;
        let (width, height) = (header.width, header.height);
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(PictureError::Size { width, height });
        }
        let (width, height, step) = (width as usize, height as usize, header.step as usize);
        let row_len = encoding.row_len(width);
        if step < row_len {
            return Err(PictureError::Step {
                step: header.step,
                row_len,
            });
        }
        // The last row may end with its last pixel.
        let need = match encoding {
            Encoding::SemiPlanar420 { .. } => {
                step * height
                    + step * (height.div_ceil(2) - 1)
                    + width.next_multiple_of(2).min(step)
            }
            Encoding::SemiPlanar444 => step * height + 2 * step * (height - 1) + 2 * width,
            _ => step * (height - 1) + row_len,
        };
        let have = header.data.len();
        if have < need {
            return Err(PictureError::Truncated { need, have });
        }
        Ok(Self {
            width,
            height,
            encoding,
            big_endian: header.is_bigendian,
            step,
            payload,
            start: header.data.start,
        })
    }

    /// A picture of interleaved 8-bit pixels without padding: what photo files become.
    ///
    /// # Errors
    /// When `pixels` is shorter than the picture.
    pub fn from_pixels(
        pixels: &'a [u8],
        width: u32,
        height: u32,
        order: PixelOrder,
    ) -> Result<Self, PictureError> {
        let name = match order {
            PixelOrder::Rgb => "rgb8",
            PixelOrder::Bgr => "bgr8",
            PixelOrder::Rgba => "rgba8",
            PixelOrder::Bgra => "bgra8",
            PixelOrder::Mono => "mono8",
        };
        let header = ImageHeader {
            stamp: wire::Stamp::default(),
            frame_id: "",
            height,
            width,
            encoding: name,
            is_bigendian: false,
            step: width.saturating_mul(order.channels() as u32),
            data: 0..pixels.len(),
        };
        Self::new(&header, Pieces::One(pixels))
    }
}

/// Buffers that are kept from picture to picture, so that a warm reader allocates nothing.
#[derive(Debug, Default)]
pub struct RowBuffers {
    gathered: [Vec<u8>; 3],
    narrowed: [Vec<u8>; 3],
    converted: Vec<u8>,
}

/// Gives a picture's rows, fastest from top to bottom.
pub struct Rows<'a> {
    picture: Picture<'a>,
    luma: Cursor<'a>,
    chroma: Cursor<'a>,
}

impl<'a> Rows<'a> {
    /// Of `picture`.
    pub fn new(picture: Picture<'a>) -> Self {
        Self {
            picture,
            luma: Cursor::new(picture.payload),
            chroma: Cursor::new(picture.payload),
        }
    }

    /// Row `y` in the order that the encoding's [`Encoding::row_order`] says; `y` is less than the height.
    pub fn row<'b>(&mut self, y: usize, buffers: &'b mut RowBuffers) -> &'b [u8]
    where
        'a: 'b,
    {
        let Picture {
            width,
            step,
            big_endian,
            start,
            ..
        } = self.picture;
        let row_len = self.picture.encoding.row_len(width);
        let RowBuffers {
            gathered,
            narrowed,
            converted,
        } = buffers;
        let [gathered, gathered_below, gathered_chroma] = gathered;
        match self.picture.encoding {
            Encoding::Interleaved { wide: false, .. } => {
                self.luma.range(start + y * step, row_len, gathered)
            }
            Encoding::Interleaved { wide: true, .. } => {
                let row = self.luma.range(start + y * step, row_len, gathered);
                narrow(row, big_endian, converted);
                converted
            }
            Encoding::Bayer { red, wide } => {
                self.bayer_row(
                    y,
                    red,
                    wide,
                    [gathered, gathered_below, gathered_chroma],
                    narrowed,
                    converted,
                );
                converted
            }
            Encoding::Yuv422 { luma_first } => {
                let row = self.luma.range(start + y * step, row_len, gathered);
                yuv422_row(row, luma_first, width, converted);
                converted
            }
            Encoding::SemiPlanar420 { v_first } => {
                let chroma_start = start + self.picture.height * step + y / 2 * step;
                let luma = self.luma.range(start + y * step, width, gathered);
                let chroma_len = width.next_multiple_of(2).min(step);
                let chroma = self.chroma.range(chroma_start, chroma_len, gathered_chroma);
                semi_planar_row(luma, chroma, 2, v_first, converted);
                converted
            }
            Encoding::SemiPlanar444 => {
                let chroma_start = start + self.picture.height * step + y * 2 * step;
                let luma = self.luma.range(start + y * step, width, gathered);
                let chroma = self.chroma.range(chroma_start, 2 * width, gathered_chroma);
                semi_planar_row(luma, chroma, 1, false, converted);
                converted
            }
        }
    }

    fn bayer_row(
        &mut self,
        y: usize,
        red: RedAt,
        wide: bool,
        gathered: [&mut Vec<u8>; 3],
        narrowed: &mut [Vec<u8>; 3],
        converted: &mut Vec<u8>,
    ) {
        let Picture {
            width,
            height,
            step,
            big_endian,
            start,
            encoding,
            ..
        } = self.picture;
        let row_len = encoding.row_len(width);
        // As in OpenCV, the outermost rows are those next to them: their own neighbours are missing.
        let y = if height < 3 {
            y
        } else {
            y.clamp(1, height - 2)
        };
        let mut rows: [&[u8]; 3] = [&[]; 3];
        for (((row, offset), gathered), narrowed) in
            rows.iter_mut().zip([-1, 0, 1]).zip(gathered).zip(narrowed)
        {
            let y = y.saturating_add_signed(offset).min(height - 1);
            let bytes = self.luma.range(start + y * step, row_len, gathered);
            *row = if wide {
                narrow(bytes, big_endian, narrowed);
                narrowed
            } else {
                bytes
            };
        }
        demosaic_row(rows, y % 2 == red.row, red.column, width, converted);
    }
}

/// 16-bit samples to 8 bits: divided by 257, rounded.
fn narrow(row: &[u8], big_endian: bool, out: &mut Vec<u8>) {
    let eight_bits = |sample: u16| ((u32::from(sample) + 128) / 257) as u8;
    out.clear();
    out.extend(row.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        eight_bits(if big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    }));
}

/// Bilinear demosaicing of one row from it and its neighbours. `has_red`: the row holds red pixels, else blue ones;
/// `red_column`: the parity of the columns that hold red in rows that have it.
fn demosaic_row(
    rows: [&[u8]; 3],
    has_red: bool,
    red_column: usize,
    width: usize,
    out: &mut Vec<u8>,
) {
    let [above, here, below] = rows;
    out.clear();
    out.resize(width * 3, 0);
    let sample = |row: &[u8], x: usize| u32::from(row.get(x).copied().unwrap_or_default());
    // In a row with blue pixels, blue stands in the columns that are not red's.
    let coloured_column = if has_red { red_column } else { 1 - red_column };
    for x in 0..width {
        // As with rows, the outermost columns are those next to them.
        let x_from = if width < 3 { x } else { x.clamp(1, width - 2) };
        let (left, right) = (x_from.saturating_sub(1), (x_from + 1).min(width - 1));
        let (own, green, other) = if x_from % 2 == coloured_column {
            let green = sample(above, x_from)
                + sample(below, x_from)
                + sample(here, left)
                + sample(here, right);
            let other = sample(above, left)
                + sample(above, right)
                + sample(below, left)
                + sample(below, right);
            (sample(here, x_from), (green + 2) >> 2, (other + 2) >> 2)
        } else {
            let own = (sample(here, left) + sample(here, right) + 1) >> 1;
            let other = (sample(above, x_from) + sample(below, x_from) + 1) >> 1;
            (own, sample(here, x_from), other)
        };
        let (r, b) = if has_red { (own, other) } else { (other, own) };
        out[x * 3..x * 3 + 3].copy_from_slice(&[r as u8, green as u8, b as u8]);
    }
}

fn yuv422_row(row: &[u8], luma_first: bool, width: usize, out: &mut Vec<u8>) {
    out.clear();
    for pair in row.chunks_exact(4) {
        let (y0, u, y1, v) = if luma_first {
            (pair[0], pair[1], pair[2], pair[3])
        } else {
            (pair[1], pair[0], pair[3], pair[2])
        };
        let chroma = Chroma::new(u, v);
        out.extend_from_slice(&chroma.rgb(y0));
        out.extend_from_slice(&chroma.rgb(y1));
    }
    out.truncate(width * 3);
}

/// `pixels_per_pair`: luma samples that share one pair of chroma samples.
fn semi_planar_row(
    luma: &[u8],
    chroma: &[u8],
    pixels_per_pair: usize,
    v_first: bool,
    out: &mut Vec<u8>,
) {
    out.clear();
    for (luma, pair) in luma.chunks(pixels_per_pair).zip(chroma.chunks_exact(2)) {
        let (u, v) = if v_first {
            (pair[1], pair[0])
        } else {
            (pair[0], pair[1])
        };
        let chroma = Chroma::new(u, v);
        for y in luma {
            out.extend_from_slice(&chroma.rgb(*y));
        }
    }
    // An odd width with a step of the same length leaves the last pixel without its chroma: it stays grey.
    let grey = Chroma::new(128, 128);
    for y in luma.iter().skip(out.len() / 3) {
        out.extend_from_slice(&grey.rgb(*y));
    }
}

/// ITU-R BT.601, limited range, in OpenCV's 20-bit fixed point.
struct Chroma {
    r: i32,
    g: i32,
    b: i32,
}

impl Chroma {
    const SHIFT: i32 = 20;

    fn new(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let half = 1 << (Self::SHIFT - 1);
        Self {
            r: half + 1_673_527 * v,
            g: half - 852_492 * v - 409_993 * u,
            b: half + 2_116_026 * u,
        }
    }

    fn rgb(&self, y: u8) -> [u8; 3] {
        let y = (i32::from(y) - 16).max(0) * 1_220_542;
        [self.r, self.g, self.b].map(|c| ((y + c) >> Self::SHIFT).clamp(0, 255) as u8)
    }
}
