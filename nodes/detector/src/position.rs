//! Where an object is, from a depth picture that is aligned with the colour one: the middle of the surface that is seen
//! of it, in the camera's optical frame.
//!
//! Depth is looked up on a grid over the middle half of the box, where the object is most likely. What is nearest there is
//! taken for it, so that a wall seen past it does not count.

use thiserror::Error;
use wire::CameraPosition;
use wire::messages::{CameraInfo, ImageHeader};

use crate::pieces::{Cursor, Pieces};
use crate::rows::MAX_SIDE;

/// Most places in a row and rows of the grid.
const GRID: usize = 24;
/// Share of the grid that must have a depth.
const LEAST_SHARE: f64 = 0.25;
/// Depths within this share of the nearest quarter's belong to the object.
const THICKNESS: f32 = 0.1;
/// A depth camera's own standard deviation, as a share of the distance (Intel gives 2 % as the D435's bound at 2 m).
const DEPTH_NOISE: f64 = 0.01;
/// Standard deviation of a box's middle, as a share of its side: what an overlap of 0.9 with the true one amounts to.
const BOX_NOISE: f64 = 0.05;
/// How far the proportions of two pictures may differ, as a share, when one shows the same as the other.
const SAME_PROPORTIONS: f64 = 0.01;

/// How the camera projects: pixels, of a picture of `size`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intrinsics {
    /// Width and height, pixels.
    size: [f64; 2],
    /// Focal lengths, pixels.
    focal: [f64; 2],
    /// Where the optical axis meets the picture, pixels.
    centre: [f64; 2],
}

impl Intrinsics {
    /// Of a rectified camera; `None` where the message says nothing of use, as drivers without a calibration send it.
    pub fn new(info: &CameraInfo<'_>) -> Option<Self> {
        let [fx, _, cx, _, fy, cy, ..] = info.k;
        let size = [info.width, info.height].map(f64::from);
        // A focal length below a pixel is none: what it places is anywhere.
        let real = [fx, fy].into_iter().all(|n| n >= 1.0) && size.into_iter().all(|n| n > 0.0);
        let finite = [fx, fy, cx, cy].into_iter().all(f64::is_finite);
        (real && finite).then_some(Self {
            size,
            focal: [fx, fy],
            centre: [cx, cy],
        })
    }
}

/// Why a message is no depth picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no depth picture: 16UC1 or 32FC1 whose rows fit into its data")]
pub struct DepthError;

/// A depth picture whose size and step have been checked against the bytes that are there.
#[derive(Debug, Clone, Copy)]
pub struct Depth<'a> {
    width: usize,
    height: usize,
    step: usize,
    unit: Unit,
    big_endian: bool,
    payload: Pieces<'a>,
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// `16UC1`; 0 where there is none.
    Millimetres,
    /// `32FC1`; not a number, infinite or 0 where there is none.
    Metres,
}

impl<'a> Depth<'a> {
    /// Checks what `header` claims of `payload`.
    ///
    /// # Errors
    /// When it is no depth picture, or reaches beyond its data.
    pub fn new(header: &ImageHeader<'_>, payload: Pieces<'a>) -> Result<Self, DepthError> {
        let unit = match header.encoding {
            "16UC1" | "mono16" => Unit::Millimetres,
            "32FC1" => Unit::Metres,
            _ => return Err(DepthError),
        };
        let [width, height, step] = [header.width, header.height, header.step].map(|n| n as usize);
        let row_len = width * unit.len();
        let sides = 1..=MAX_SIDE as usize;
        let fits = sides.contains(&width)
            && sides.contains(&height)
            && step >= row_len
            && step * (height - 1) + row_len <= header.data.len();
        fits.then_some(Self {
            width,
            height,
            step,
            unit,
            big_endian: header.is_bigendian,
            payload,
            start: header.data.start,
        })
        .ok_or(DepthError)
    }

    /// Where the object in `bbox` (x1, y1, x2, y2 in pixels of a colour picture of `frame_size`) is; `None` where depth
    /// is missing, or when the pictures cannot show the same. `depths` is a buffer to use again.
    pub fn locate(
        &self,
        intrinsics: &Intrinsics,
        frame_size: [usize; 2],
        bbox: [f32; 4],
        depths: &mut Vec<f32>,
    ) -> Option<CameraPosition> {
        let frame = frame_size.map(|side| side as f64);
        let depth = [self.width, self.height].map(|side| side as f64);
        let proportions = |size: [f64; 2]| size[0] / size[1];
        let same = |a, b| (proportions(a) / proportions(b) - 1.0).abs() <= SAME_PROPORTIONS;
        if !same(frame, depth) || !same(frame, intrinsics.size) {
            return None;
        }
        let [x1, y1, x2, y2] = bbox.map(f64::from);
        // A network may answer any numbers.
        if !(x1 <= x2 && y1 <= y2) {
            return None;
        }
        let (middle, side) = ([(x1 + x2) / 2.0, (y1 + y2) / 2.0], [x2 - x1, y2 - y1]);
        let grid = |axis: usize| {
            let scale = depth[axis] / frame[axis];
            let from = ((middle[axis] - side[axis] / 4.0) * scale).max(0.0) as usize;
            let to = ((middle[axis] + side[axis] / 4.0) * scale).max(0.0) as usize;
            let last = [self.width, self.height][axis] - 1;
            let (from, to) = (from.min(last), to.min(last));
            let count = (to - from + 1).min(GRID);
            (0..count).map(move |n| from + (2 * n + 1) * (to - from + 1) / (2 * count))
        };
        depths.clear();
        let mut cursor = Cursor::new(self.payload);
        // A sample may lie across two pieces.
        let mut across = Vec::new();
        let mut asked = 0_usize;
        for y in grid(1) {
            for x in grid(0) {
                asked += 1;
                let at = self.start + y * self.step + x * self.unit.len();
                let bytes = cursor.range(at, self.unit.len(), &mut across);
                depths.extend(self.unit.metres(bytes, self.big_endian));
            }
        }
        if depths.is_empty() || (depths.len() as f64) < LEAST_SHARE * asked as f64 {
            return None;
        }
        depths.sort_unstable_by(f32::total_cmp);
        let near = depths[depths.len() / 4];
        let own = |depth: &f32| (depth - near).abs() <= THICKNESS * near;
        let first = depths.iter().position(own)?;
        let own = depths[first..]
            .iter()
            .take_while(|depth| own(depth))
            .count();
        let surface = &depths[first..first + own];
        let rank = |share: usize| f64::from(surface[share * (own - 1) / 4]);
        let z = rank(2);
        // Of a normal distribution the quarters lie so far apart.
        let spread = (rank(3) - rank(1)) / 1.349;
        let z_dev = spread.hypot(DEPTH_NOISE * z);
        let across = |axis: usize| {
            let scale = frame[axis] / intrinsics.size[axis];
            let focal = intrinsics.focal[axis] * scale;
            let slope = (middle[axis] - intrinsics.centre[axis] * scale) / focal;
            (
                slope * z,
                (BOX_NOISE * side[axis] * z / focal).hypot(slope * z_dev),
            )
        };
        let ((x, x_dev), (y, y_dev)) = (across(0), across(1));
        let position = CameraPosition {
            xyz: [x, y, z],
            std_dev: [x_dev, y_dev, z_dev],
        };
        let mut numbers = position.xyz.iter().chain(&position.std_dev);
        // An optical axis that is said to be far out of the picture may place it beyond all numbers.
        numbers.all(|number| number.is_finite()).then_some(position)
    }
}

impl Unit {
    /// Bytes of a depth.
    fn len(self) -> usize {
        match self {
            Self::Millimetres => 2,
            Self::Metres => 4,
        }
    }

    fn metres(self, bytes: &[u8], big_endian: bool) -> Option<f32> {
        let metres = match (self, bytes) {
            (Self::Millimetres, &[a, b]) => {
                let bytes = if big_endian { [b, a] } else { [a, b] };
                f32::from(u16::from_le_bytes(bytes)) / 1000.0
            }
            (Self::Metres, &[a, b, c, d]) => {
                let bytes = if big_endian {
                    [d, c, b, a]
                } else {
                    [a, b, c, d]
                };
                f32::from_le_bytes(bytes)
            }
            _ => return None,
        };
        (metres > 0.0 && metres.is_finite()).then_some(metres)
    }
}

#[cfg(test)]
mod tests {
    use wire::Stamp;
    use zenoh::bytes::ZBytes;

    use super::*;

    const SIZE: [usize; 2] = [64, 48];

    fn intrinsics() -> Intrinsics {
        let info = CameraInfo {
            stamp: Stamp::default(),
            frame_id: "camera",
            height: 48,
            width: 64,
            k: [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0],
        };
        Intrinsics::new(&info).unwrap()
    }

    /// A ball at 1 m in the middle of the box 16 12 48 36, a wall at 4 m behind it. Its lower part has no depth.
    fn metres(x: usize, y: usize) -> f32 {
        let inside = (x as f32 - 32.0).powi(2) / 100.0 + (y as f32 - 24.0).powi(2) / 64.0 < 1.0;
        match inside {
            true if y > 26 => 0.0,
            true => 1.0,
            false => 4.0,
        }
    }

    fn header(encoding: &str, step: u32, data: std::ops::Range<usize>) -> ImageHeader<'_> {
        ImageHeader {
            stamp: Stamp::default(),
            frame_id: "camera",
            height: 48,
            width: 64,
            encoding,
            is_bigendian: false,
            step,
            data,
        }
    }

    #[test]
    fn an_object_is_where_its_near_surface_is() {
        let bbox = [16.0, 12.0, 48.0, 36.0];
        for (encoding, bytes) in [("32FC1", 4), ("16UC1", 2)] {
            for big_endian in [false, true] {
                // Rows with padding, in pieces that end within a depth.
                let step = 64 * bytes + 3;
                let mut data = vec![9];
                for y in 0..48 {
                    for x in 0..64 {
                        let mut sample = match bytes {
                            4 => metres(x, y).to_le_bytes().to_vec(),
                            _ => ((metres(x, y) * 1000.0) as u16).to_le_bytes().to_vec(),
                        };
                        if big_endian {
                            sample.reverse();
                        }
                        data.extend(sample);
                    }
                    data.extend([7; 3]);
                }
                let mut writer = ZBytes::writer();
                for piece in data.chunks(101) {
                    writer.append(ZBytes::from(piece.to_vec()));
                }
                let payload = writer.finish();
                let header = ImageHeader {
                    is_bigendian: big_endian,
                    ..header(encoding, step as u32, 1..data.len())
                };
                let depth = Depth::new(&header, Pieces::Zenoh(&payload)).unwrap();
                let mut buffer = Vec::new();
                let mut locate = |size, bbox| depth.locate(&intrinsics(), size, bbox, &mut buffer);
                let at = locate(SIZE, bbox).unwrap();
                assert_eq!(at.xyz, [0.0, 0.0, 1.0], "{encoding}");
                assert!((at.std_dev[2] - 0.01).abs() < 1e-9, "{at:?}");
                assert!((at.std_dev[0] - 0.05 * 32.0 / 50.0).abs() < 1e-9, "{at:?}");
                // The same in a colour picture of twice the size.
                let twice = locate(SIZE.map(|side| 2 * side), bbox.map(|side| 2.0 * side));
                assert_eq!(twice, Some(at));
                // The wall, aside: further away, to the right and below.
                let wall = locate(SIZE, [54.0, 38.0, 62.0, 46.0]).unwrap();
                let [x, y, z] = wall.xyz;
                assert!((z - 4.0).abs() < 1e-6 && (x - 2.08).abs() < 1e-6);
                assert!((y - 1.44).abs() < 1e-6 && wall.std_dev[2] >= 0.04);
                // Where there is no depth, and in a picture of other proportions, nothing is known.
                assert_eq!(locate(SIZE, [28.0, 27.0, 36.0, 33.0]), None);
                assert_eq!(locate([64, 64], bbox), None);
                // A box without extent at the picture's edge; then what is no box, and a camera that sees nothing.
                assert!(locate(SIZE, [64.0, 48.0, 64.0, 48.0]).is_some());
                for none in [
                    [48.0, 12.0, 16.0, 36.0],
                    [16.0, 36.0, 48.0, 12.0],
                    [f32::NAN; 4],
                ] {
                    assert_eq!(locate(SIZE, none), None, "{none:?}");
                }
                let mut far = intrinsics();
                far.centre[0] = f64::MAX;
                let twice = (SIZE.map(|side| 2 * side), bbox.map(|side| 2.0 * side));
                let located = depth.locate(&far, twice.0, twice.1, &mut Vec::new());
                assert_eq!(located, None);
            }
        }
    }

    #[test]
    fn a_depth_picture_that_lies_is_none() {
        let data = vec![0; 64 * 48 * 4];
        let pieces = Pieces::One(&data);
        assert!(Depth::new(&header("32FC1", 256, 0..data.len()), pieces).is_ok());
        for bad in [
            header("32FC1", 256, 0..data.len() - 1),
            header("32FC1", 255, 0..data.len()),
            header("32FC1", u32::MAX, 0..data.len()),
            header("rgb8", 256, 0..data.len()),
            ImageHeader {
                height: 0,
                ..header("32FC1", 256, 0..data.len())
            },
            ImageHeader {
                width: u32::MAX,
                height: u32::MAX,
                ..header("16UC1", u32::MAX, 0..data.len())
            },
        ] {
            assert!(Depth::new(&bad, pieces).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_camera_without_calibration_projects_nothing() {
        let info = |k, width| CameraInfo {
            stamp: Stamp::default(),
            frame_id: "",
            height: 48,
            width,
            k,
        };
        let good = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0];
        assert!(Intrinsics::new(&info(good, 64)).is_some());
        assert_eq!(Intrinsics::new(&info([0.0; 9], 64)), None);
        assert_eq!(Intrinsics::new(&info(good, 0)), None);
        assert_eq!(Intrinsics::new(&info([f64::NAN; 9], 64)), None);
    }
}
