//! ROS's image encodings, by the names of `sensor_msgs/image_encodings.hpp`.

/// How a row of 8-bit pixels is laid out once an encoding has been undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelOrder {
    /// Three bytes: red, green, blue.
    Rgb,
    /// Three bytes: blue, green, red.
    Bgr,
    /// Four bytes; the last is passed over.
    Rgba,
    /// Four bytes; the last is passed over.
    Bgra,
    /// One byte.
    Mono,
}

impl PixelOrder {
    /// Bytes a pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
            Self::Mono => 1,
        }
    }
}

/// Where the red pixel of a Bayer mosaic's 2x2 cell lies: column and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedAt {
    /// 0 or 1.
    pub column: usize,
    /// 0 or 1.
    pub row: usize,
}

/// What the bytes of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Interleaved samples of one byte, or of two.
    Interleaved {
        /// Order of the samples.
        order: PixelOrder,
        /// Two bytes a sample.
        wide: bool,
    },
    /// A Bayer mosaic.
    Bayer {
        /// Where red is.
        red: RedAt,
        /// Two bytes a sample.
        wide: bool,
    },
    /// 4:2:2, two pixels in four bytes.
    Yuv422 {
        /// Luma first (YUY2) instead of chroma first (UYVY).
        luma_first: bool,
    },
    /// A luma plane, then interleaved chroma at half width and height.
    SemiPlanar420 {
        /// V before U (NV21) instead of U before V (NV12).
        v_first: bool,
    },
    /// A luma plane, then interleaved chroma at full size (NV24).
    SemiPlanar444,
}

impl Encoding {
    /// By ROS's name; `None` for names that are no colour or grey picture.
    pub fn from_name(name: &str) -> Option<Self> {
        use PixelOrder::{Bgr, Bgra, Mono, Rgb, Rgba};
        let narrow = |order| Self::Interleaved { order, wide: false };
        let wide = |order| Self::Interleaved { order, wide: true };
        let bayer = |row, column, wide| Self::Bayer {
            red: RedAt { column, row },
            wide,
        };
        Some(match name {
            "rgb8" => narrow(Rgb),
            "bgr8" | "8UC3" => narrow(Bgr),
            "rgba8" => narrow(Rgba),
            "bgra8" | "8UC4" => narrow(Bgra),
            "mono8" | "8UC1" => narrow(Mono),
            "rgb16" => wide(Rgb),
            "bgr16" => wide(Bgr),
            "rgba16" => wide(Rgba),
            "bgra16" => wide(Bgra),
            "mono16" => wide(Mono),
            "bayer_rggb8" => bayer(0, 0, false),
            "bayer_grbg8" => bayer(0, 1, false),
            "bayer_gbrg8" => bayer(1, 0, false),
            "bayer_bggr8" => bayer(1, 1, false),
            "bayer_rggb16" => bayer(0, 0, true),
            "bayer_grbg16" => bayer(0, 1, true),
            "bayer_gbrg16" => bayer(1, 0, true),
            "bayer_bggr16" => bayer(1, 1, true),
            "yuv422" | "uyvy" => Self::Yuv422 { luma_first: false },
            "yuv422_yuy2" | "yuyv" => Self::Yuv422 { luma_first: true },
            "nv12" => Self::SemiPlanar420 { v_first: false },
            "nv21" => Self::SemiPlanar420 { v_first: true },
            "nv24" => Self::SemiPlanar444,
            _ => return None,
        })
    }

    /// Layout of the rows that [`crate::rows::Rows`] gives for this encoding.
    pub fn row_order(self) -> PixelOrder {
        match self {
            Self::Interleaved { order, .. } => order,
            _ => PixelOrder::Rgb,
        }
    }

    /// Bytes that a row of `width` pixels needs at least (of the luma plane, for semi-planar encodings).
    pub fn row_len(self, width: usize) -> usize {
        match self {
            Self::Interleaved { order, wide } => {
                width * order.channels() * if wide { 2 } else { 1 }
            }
            Self::Bayer { wide, .. } => width * if wide { 2 } else { 1 },
            Self::Yuv422 { .. } => width.next_multiple_of(2) * 2,
            Self::SemiPlanar420 { .. } | Self::SemiPlanar444 => width,
        }
    }
}
