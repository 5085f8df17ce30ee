//! Where a detected object is: its box, the depth picture, and the camera's intrinsics.

use nalgebra::Point3;
use r2r::sensor_msgs::msg::{CameraInfo, Image};

/// Share of the box, about its middle, that is looked at: the rest is mostly background.
const INNER_SHARE: f32 = 0.6;
/// The quantile of the depths in the box that is taken for the object's: its front stands before the background, and
/// single pixels of noise or of an occluding edge stand before its front.
const FRONT_QUANTILE: f64 = 0.3;
/// Depths beyond this are no measurement, m.
const MAX_DEPTH_M: f32 = 20.0;

/// The pinhole camera of a `CameraInfo`, rectified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intrinsics {
    /// Focal lengths, pixels
    pub fx: f64,
    /// pixels
    pub fy: f64,
    /// Principal point, pixels
    pub cx: f64,
    /// pixels
    pub cy: f64,
}

impl Intrinsics {
    /// From the message; `None` when its matrix is none of a camera.
    pub fn of(info: &CameraInfo) -> Option<Self> {
        let k: &[f64] = info.k.as_ref();
        let [fx, _, cx, _, fy, cy, ..] = k[..] else {
            return None;
        };
        let usable = fx.is_finite()
            && fx > 0.0
            && fy.is_finite()
            && fy > 0.0
            && cx.is_finite()
            && cy.is_finite();
        usable.then_some(Self { fx, fy, cx, cy })
    }
}

/// The object's place in the camera's optical frame (x right, y down, z forward; m), or `None` when the picture has no
/// depth there.
///
/// `bbox` is `[x1, y1, x2, y2]` in pixels of a colour picture that the depth picture is aligned with.
pub fn locate(bbox: [f32; 4], depth: &Image, camera: Intrinsics) -> Option<Point3<f64>> {
    let (width, height) = (depth.width as f32, depth.height as f32);
    let [x1, y1, x2, y2] = bbox;
    if !bbox.iter().all(|edge| edge.is_finite()) || x2 <= x1 || y2 <= y1 {
        return None;
    }
    let inner = |low: f32, high: f32, size: f32| {
        let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0 * INNER_SHARE);
        let begin = (middle - half).clamp(0.0, size) as usize;
        (
            begin,
            ((middle + half).clamp(0.0, size) as usize)
                .max(begin + 1)
                .min(size as usize),
        )
    };
    let (columns, rows) = (inner(x1, x2, width), inner(y1, y2, height));
    let mut depths: Vec<f32> = (rows.0..rows.1)
        .flat_map(|row| (columns.0..columns.1).map(move |column| (column, row)))
        .filter_map(|(column, row)| depth_at(depth, column, row))
        .collect();
    if depths.is_empty() {
        return None;
    }
    let front = ((depths.len() - 1) as f64 * FRONT_QUANTILE) as usize;
    let z = f64::from(*depths.select_nth_unstable_by(front, f32::total_cmp).1);
    let (u, v) = (f64::from(x1 + x2) / 2.0, f64::from(y1 + y2) / 2.0);
    Some(Point3::new(
        (u - camera.cx) * z / camera.fx,
        (v - camera.cy) * z / camera.fy,
        z,
    ))
}

/// Depth of one pixel in m; `None` where there is none, or the picture is too short for what its header says.
fn depth_at(image: &Image, column: usize, row: usize) -> Option<f32> {
    let at = |size: usize| {
        let begin = row
            .checked_mul(image.step as usize)?
            .checked_add(column * size)?;
        image.data.get(begin..begin + size)
    };
    let big = image.is_bigendian != 0;
    let metres = match image.encoding.as_str() {
        "16UC1" => {
            let bytes: [u8; 2] = at(2)?.try_into().ok()?;
            let millimetres = if big {
                u16::from_be_bytes(bytes)
            } else {
                u16::from_le_bytes(bytes)
            };
            f32::from(millimetres) / 1000.0
        }
        "32FC1" => {
            let bytes: [u8; 4] = at(4)?.try_into().ok()?;
            if big {
                f32::from_be_bytes(bytes)
            } else {
                f32::from_le_bytes(bytes)
            }
        }
        _ => return None,
    };
    (metres.is_finite() && metres > 0.0 && metres < MAX_DEPTH_M).then_some(metres)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: Intrinsics = Intrinsics {
        fx: 100.0,
        fy: 100.0,
        cx: 20.0,
        cy: 10.0,
    };

    /// A 40x20 picture: background at 5 m, an object at 2 m in columns 20 to 30.
    fn picture(encoding: &str, bigendian: bool) -> Image {
        let mut data = Vec::new();
        for _ in 0..20 {
            for column in 0..40 {
                let metres = if (20..30).contains(&column) {
                    2.0_f32
                } else {
                    5.0
                };
                let millimetres = (metres * 1000.0) as u16;
                match (encoding, bigendian) {
                    ("16UC1", false) => data.extend(millimetres.to_le_bytes()),
                    ("16UC1", true) => data.extend(millimetres.to_be_bytes()),
                    (_, false) => data.extend(metres.to_le_bytes()),
                    (_, true) => data.extend(metres.to_be_bytes()),
                }
            }
        }
        let step = data.len() as u32 / 20;
        let is_bigendian = u8::from(bigendian);
        Image {
            width: 40,
            height: 20,
            step,
            is_bigendian,
            encoding: encoding.into(),
            data,
            ..Image::default()
        }
    }

    #[test]
    fn the_object_is_found_before_its_background_in_every_encoding() {
        for encoding in ["16UC1", "32FC1"] {
            for bigendian in [false, true] {
                let at = locate(
                    [18.0, 4.0, 32.0, 16.0],
                    &picture(encoding, bigendian),
                    CAMERA,
                )
                .unwrap();
                assert!(
                    (at - Point3::new(0.1, 0.0, 2.0)).norm() < 1e-6,
                    "{encoding} {bigendian}: {at}"
                );
            }
        }
    }

    #[test]
    fn a_picture_without_depth_or_with_a_lying_header_gives_no_place() {
        let mut short = picture("16UC1", false);
        short.data.truncate(10);
        assert_eq!(locate([18.0, 4.0, 32.0, 16.0], &short, CAMERA), None);
        let mut huge = picture("16UC1", false);
        (huge.step, huge.height) = (u32::MAX, u32::MAX);
        assert_eq!(locate([18.0, 400.0, 32.0, 1600.0], &huge, CAMERA), None);
        assert_eq!(
            locate([18.0, 4.0, 32.0, 16.0], &picture("rgb8", false), CAMERA),
            None
        );
        assert_eq!(
            locate(
                [f32::NAN, 4.0, 32.0, 16.0],
                &picture("16UC1", false),
                CAMERA
            ),
            None
        );
        assert_eq!(
            locate([32.0, 4.0, 18.0, 16.0], &picture("16UC1", false), CAMERA),
            None
        );
    }
}
