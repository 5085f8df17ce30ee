//! Borrowed views of the ROS messages that are read outside ROS. Reading one costs no allocation and copies no pixel.

use std::ops::Range;

use crate::Stamp;
use crate::cdr::{CdrError, Reader, Writer};

/// `std_msgs/Header`, with which every stamped message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// When what the message says was so.
    pub stamp: Stamp,
    /// The frame that it is said in.
    pub frame_id: &'a str,
}

impl<'a> Header<'a> {
    /// Reads the header from `head`, the first bytes of a payload.
    ///
    /// # Errors
    /// When the bytes are no such message, or when the header is longer than `head`.
    pub fn read(head: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(head)?;
        Ok(Self {
            stamp: reader.stamp("header.stamp")?,
            frame_id: reader.string("header.frame_id")?,
        })
    }
}

/// `sensor_msgs/Image` without its pixels: read from the start of the payload alone, so that the payload may lie in
/// several pieces, as large Zenoh payloads do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHeader<'a> {
    /// When the picture was taken.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// Rows.
    pub height: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Name of the pixel layout, as in `sensor_msgs/image_encodings.hpp`.
    pub encoding: &'a str,
    /// Byte order of pixels wider than one byte.
    pub is_bigendian: bool,
    /// Bytes from one row to the next. As claimed: not yet compared with the width or with the data's length.
    pub step: u32,
    /// Where the pixels lie in the payload; always within it.
    pub data: Range<usize>,
}

impl<'a> ImageHeader<'a> {
    /// Reads the header from `head`, the first bytes of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// When the bytes are no such message, when the header is longer than `head`, or when the payload is shorter than
    /// the data's claimed length.
    pub fn read(head: &'a [u8], payload_len: usize) -> Result<Self, CdrError> {
        let mut reader = Reader::new(head)?;
        let stamp = reader.stamp("header.stamp")?;
        let frame_id = reader.string("header.frame_id")?;
        let height = reader.u32("height")?;
        let width = reader.u32("width")?;
        let encoding = reader.string("encoding")?;
        let is_bigendian = reader.u8("is_bigendian")? != 0;
        let step = reader.u32("step")?;
        let data = data_range(&mut reader, payload_len)?;
        Ok(Self {
            stamp,
            frame_id,
            height,
            width,
            encoding,
            is_bigendian,
            step,
            data,
        })
    }
}

/// `sensor_msgs/CompressedImage` without its data, read from the start of the payload alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedImageHeader<'a> {
    /// When the picture was taken.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// Free text; usually contains `jpeg` or `png`.
    pub format: &'a str,
    /// Where the compressed picture lies in the payload; always within it.
    pub data: Range<usize>,
}

impl<'a> CompressedImageHeader<'a> {
    /// Reads the header from `head`, the first bytes of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// As [`ImageHeader::read`].
    pub fn read(head: &'a [u8], payload_len: usize) -> Result<Self, CdrError> {
        let mut reader = Reader::new(head)?;
        let stamp = reader.stamp("header.stamp")?;
        let frame_id = reader.string("header.frame_id")?;
        let format = reader.string("format")?;
        let data = data_range(&mut reader, payload_len)?;
        Ok(Self {
            stamp,
            frame_id,
            format,
            data,
        })
    }
}

fn data_range(reader: &mut Reader<'_>, payload_len: usize) -> Result<Range<usize>, CdrError> {
    let len = reader.u32("data")? as usize;
    let start = reader.position();
    let have = payload_len.saturating_sub(start);
    if len > have {
        return Err(CdrError::Truncated {
            field: "data",
            at: start,
            need: len,
            have,
        });
    }
    Ok(start..start + len)
}

/// `sensor_msgs/Image` in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageView<'a> {
    /// Everything but the pixels.
    pub header: ImageHeader<'a>,
    /// The pixels, row after row.
    pub data: &'a [u8],
}

impl<'a> ImageView<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// As [`ImageHeader::read`].
    pub fn read(payload: &'a [u8]) -> Result<Self, CdrError> {
        let header = ImageHeader::read(payload, payload.len())?;
        let data = payload.get(header.data.clone()).unwrap_or_default();
        Ok(Self { header, data })
    }

    /// The CDR bytes of this picture; `header.data` is not used.
    pub fn to_cdr(&self, little_endian: bool) -> Vec<u8> {
        let header = &self.header;
        Writer::new(little_endian)
            .stamp(header.stamp)
            .string(header.frame_id)
            .u32(header.height)
            .u32(header.width)
            .string(header.encoding)
            .u8(u8::from(header.is_bigendian))
            .u32(header.step)
            .byte_sequence(self.data)
            .finish()
    }
}

/// The parts of `sensor_msgs/CameraInfo` that a projection needs.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraInfo<'a> {
    /// When it was valid.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// Rows of the picture it describes.
    pub height: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Intrinsic matrix, row by row, in pixels: fx 0 cx, 0 fy cy, 0 0 1.
    pub k: [f64; 9],
}

impl<'a> CameraInfo<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// When the bytes are no such message.
    pub fn read(payload: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(payload)?;
        let stamp = reader.stamp("header.stamp")?;
        let frame_id = reader.string("header.frame_id")?;
        let height = reader.u32("height")?;
        let width = reader.u32("width")?;
        reader.string("distortion_model")?;
        reader.skip_f64_sequence("d")?;
        let k = reader.f64s("k")?;
        Ok(Self {
            stamp,
            frame_id,
            height,
            width,
            k,
        })
    }
}

/// The pose of `nav_msgs/Odometry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Odometry<'a> {
    /// When it was measured.
    pub stamp: Stamp,
    /// Frame of the pose, usually `odom`.
    pub frame_id: &'a str,
    /// Frame that is at the pose, usually `base_footprint`.
    pub child_frame_id: &'a str,
    /// x, y, z in m.
    pub position: [f64; 3],
    /// Quaternion x, y, z, w.
    pub orientation: [f64; 4],
}

impl<'a> Odometry<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// When the bytes are no such message.
    pub fn read(payload: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(payload)?;
        let stamp = reader.stamp("header.stamp")?;
        let frame_id = reader.string("header.frame_id")?;
        let child_frame_id = reader.string("child_frame_id")?;
        let position = reader.f64s("pose.pose.position")?;
        let orientation = reader.f64s("pose.pose.orientation")?;
        Ok(Self {
            stamp,
            frame_id,
            child_frame_id,
            position,
            orientation,
        })
    }

    /// Heading in rad, counter-clockwise from the frame's x axis, -π to π.
    pub fn yaw(&self) -> f64 {
        let [x, y, z, w] = self.orientation;
        (2.0 * (w * z + x * y)).atan2(1.0 - 2.0 * (y * y + z * z))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(data: &[u8]) -> ImageView<'_> {
        let header = ImageHeader {
            stamp: Stamp {
                sec: 12,
                nanosec: 345,
            },
            frame_id: "camera_color_optical_frame",
            height: 2,
            width: 2,
            encoding: "rgb8",
            is_bigendian: false,
            step: 6,
            data: 0..0,
        };
        ImageView { header, data }
    }

    #[test]
    fn a_picture_is_read_in_place_in_both_byte_orders() {
        let pixels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        for little_endian in [true, false] {
            let payload = picture(&pixels).to_cdr(little_endian);
            let view = ImageView::read(&payload).unwrap();
            assert_eq!(view.data, pixels);
            assert_eq!(
                (view.header.width, view.header.height, view.header.step),
                (2, 2, 6)
            );
            assert_eq!(
                (view.header.encoding, view.header.frame_id),
                ("rgb8", "camera_color_optical_frame")
            );
            assert_eq!(
                view.header.stamp,
                Stamp {
                    sec: 12,
                    nanosec: 345
                }
            );
        }
    }

    #[test]
    fn the_header_is_read_from_the_first_bytes_alone() {
        let payload = picture(&[7; 1000]).to_cdr(true);
        let start = Header::read(&payload[..60]).unwrap();
        assert_eq!(
            (start.stamp.sec, start.frame_id),
            (12, "camera_color_optical_frame")
        );
        let header = ImageHeader::read(&payload[..128], payload.len()).unwrap();
        assert_eq!(header.data, payload.len() - 1000..payload.len());
    }

    #[test]
    fn a_claimed_length_beyond_the_payload_is_refused() {
        let payload = picture(&[7; 1000]).to_cdr(true);
        let error = ImageHeader::read(&payload[..128], payload.len() - 1).unwrap_err();
        assert!(
            matches!(
                error,
                CdrError::Truncated {
                    field: "data",
                    need: 1000,
                    have: 999,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn odometry_gives_position_and_heading() {
        let half = std::f64::consts::FRAC_PI_8;
        let mut writer = Writer::new(true);
        writer
            .stamp(Stamp { sec: 1, nanosec: 2 })
            .string("odom")
            .string("base_footprint");
        for number in [1.0, 2.0, 0.0, 0.0, 0.0, half.sin(), half.cos()] {
            writer.f64(number);
        }
        let payload = writer.finish();
        let odometry = Odometry::read(&payload).unwrap();
        assert_eq!(odometry.position, [1.0, 2.0, 0.0]);
        assert!((odometry.yaw() - std::f64::consts::FRAC_PI_4).abs() < 1e-12);
    }

    #[test]
    fn camera_info_passes_over_the_distortion() {
        let mut writer = Writer::new(false);
        writer
            .stamp(Stamp::default())
            .string("optical")
            .u32(480)
            .u32(640)
            .string("plumb_bob")
            .u32(5);
        for number in (0..5).chain(100..109) {
            writer.f64(f64::from(number));
        }
        let payload = writer.finish();
        let info = CameraInfo::read(&payload).unwrap();
        assert_eq!((info.width, info.height), (640, 480));
        assert_eq!(
            info.k,
            [
                100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0, 107.0, 108.0
            ]
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), order in 0..3u8) {
            // Most random payloads fail in the first two bytes: let two in three get past them.
            if let [hi, lo, ..] = bytes.as_mut_slice() && order < 2 {
                (*hi, *lo) = (0, order);
            }
            let _ = Header::read(&bytes);
            let _ = ImageView::read(&bytes);
            let _ = CompressedImageHeader::read(&bytes, bytes.len());
            let _ = CameraInfo::read(&bytes);
            let _ = Odometry::read(&bytes);
        }

        #[test]
        fn a_damaged_header_never_gives_data_outside_the_payload(at in 0..80usize, value in any::<u8>(), cut in 0..120usize) {
            let mut payload = picture(&[5; 48]).to_cdr(true);
            if let Some(byte) = payload.get_mut(at) {
                *byte = value;
            }
            payload.truncate(payload.len().saturating_sub(cut));
            if let Ok(header) = ImageHeader::read(&payload, payload.len()) {
                prop_assert!(header.data.end <= payload.len());
            }
        }
    }
}
