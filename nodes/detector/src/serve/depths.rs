//! The last depth pictures of each robot, and how its camera projects.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, ensure};
use wire::Stamp;
use wire::messages::ImageHeader;
use zenoh::bytes::ZBytes;

use super::HEAD_LEN;
use super::per_robot::PerRobot;
use crate::pieces::Pieces;
use crate::position::{Depth, Intrinsics};

/// Depth pictures that are kept, by robot: a quarter of a second at 30 Hz. A frame waits no longer than until the next
/// one comes.
const KEPT: usize = 8;
/// A depth picture further than this from the frame shows something else, ns.
const MAX_GAP_NANOS: u64 = 50_000_000;
/// Stamps that go further back than this are of another run, ns; else a message has come late, and is passed over.
const LATE_NANOS: i64 = 1_000_000_000;
/// Longest message, bytes: a depth picture of 3840x2160 in metres.
const MAX_LEN: usize = 32 * 1024 * 1024;

/// Of all robots.
#[derive(Default)]
pub struct Depths {
    robots: PerRobot<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Messages by rising stamp in ns, as they came: no pixel is copied.
    pictures: VecDeque<(i64, ZBytes)>,
    intrinsics: Option<Intrinsics>,
}

impl Depths {
    /// Takes in a depth picture of the robot with this key prefix, which came at `now`.
    ///
    /// # Errors
    /// When the message is no depth picture, or longer than one can be.
    pub fn add(&self, prefix: &str, payload: &ZBytes, now: Instant) -> Result<()> {
        ensure!(
            payload.len() <= MAX_LEN,
            "{} bytes are too many",
            payload.len()
        );
        let (stamp, _) = read(payload)?;
        let nanos = stamp.as_nanos();
        self.robots.update(prefix, now, |seen| {
            let pictures = &mut seen.pictures;
            if let Some((last, _)) = pictures.back().filter(|(last, _)| *last > nanos) {
                if last - nanos <= LATE_NANOS {
                    return;
                }
                // A simulator was started anew.
                pictures.clear();
            }
            if pictures.len() == KEPT {
                pictures.pop_front();
            }
            pictures.push_back((nanos, payload.clone()));
        });
        Ok(())
    }

    /// Takes in how the colour camera projects; `None`: nobody knows.
    pub fn set_intrinsics(&self, prefix: &str, intrinsics: Option<Intrinsics>, now: Instant) {
        self.robots
            .update(prefix, now, |seen| seen.intrinsics = intrinsics);
    }

    /// The depth picture of the moment `stamp`, and how the camera projects; `None` unless both are known.
    pub fn at(&self, prefix: &str, stamp: Stamp) -> Option<(ZBytes, Intrinsics)> {
        let nanos = stamp.as_nanos();
        let gap = |picture: &&(i64, ZBytes)| picture.0.abs_diff(nanos);
        self.robots.read(prefix, |seen| {
            let nearest = seen.pictures.iter().min_by_key(gap)?;
            (gap(&nearest) <= MAX_GAP_NANOS).then_some((nearest.1.clone(), seen.intrinsics?))
        })
    }

    /// Drops what is kept of a robot.
    pub fn forget(&self, prefix: &str) {
        self.robots.forget(prefix);
    }

    /// Drops what is kept of silent robots.
    pub fn forget_silent(&self, now: Instant) {
        self.robots.forget_silent(now);
    }
}

/// The stamp of a depth picture, and the picture.
///
/// # Errors
/// When the message is none.
pub fn read(payload: &ZBytes) -> Result<(Stamp, Depth<'_>)> {
    let pieces = Pieces::Zenoh(payload);
    let mut head = [0; HEAD_LEN];
    let header = ImageHeader::read(pieces.head(&mut head), pieces.len())?;
    Ok((header.stamp, Depth::new(&header, pieces)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::messages::{CameraInfo, ImageView};

    use super::*;

    fn intrinsics() -> Option<Intrinsics> {
        Intrinsics::new(&CameraInfo {
            stamp: Stamp::default(),
            frame_id: "",
            height: 1,
            width: 1,
            k: [1.0; 9],
        })
    }

    fn stamp(millis: i64) -> Stamp {
        Stamp::from_nanos(millis * 1_000_000)
    }

    /// A picture of one pixel, and of `more` bytes behind it.
    fn picture(millis: i64, depth: u8, more: usize) -> ZBytes {
        let header = ImageHeader {
            stamp: stamp(millis),
            frame_id: "",
            height: 1,
            width: 1,
            encoding: "16UC1",
            is_bigendian: false,
            step: 2,
            data: 0..0,
        };
        let mut data = vec![depth, 0];
        data.resize(2 + more, 0);
        ZBytes::from(
            ImageView {
                header,
                data: &data,
            }
            .to_cdr(true),
        )
    }

    #[test]
    fn what_is_no_depth_picture_is_not_kept() {
        let depths = Depths::default();
        let now = Instant::now();
        depths.set_intrinsics("r", intrinsics(), now);
        assert!(depths.add("r", &ZBytes::from(vec![1, 2, 3]), now).is_err());
        assert!(depths.add("r", &picture(10, 1, MAX_LEN), now).is_err());
        assert!(depths.at("r", stamp(10)).is_none());
    }

    #[test]
    fn a_frame_has_the_depth_picture_of_its_moment() {
        let depths = Depths::default();
        let now = Instant::now();
        let at = |millis| {
            let (payload, _) = depths.at("r", stamp(millis))?;
            let bytes = payload.to_bytes();
            Some(bytes[bytes.len() - 2])
        };
        let add = |millis, depth| depths.add("r", &picture(millis, depth, 0), now).unwrap();
        for number in 0..20_u8 {
            add(1000 + 100 * i64::from(number), number);
        }
        assert_eq!(at(2900), None, "nobody knows how the camera projects");
        depths.set_intrinsics("r", intrinsics(), now);
        let expected = [
            (2900, Some(19)),
            (2940, Some(19)),
            (2951, None),
            (2260, Some(13)),
            // No longer kept.
            (2100, None),
        ];
        for (millis, number) in expected {
            assert_eq!(at(millis), number, "{millis}");
        }
        // One that comes late changes nothing; then time starts anew.
        add(2850, 88);
        assert_eq!(at(2900), Some(19));
        add(10, 77);
        assert_eq!((at(10), at(2900)), (Some(77), None));
        depths.forget_silent(now + Duration::from_secs(31));
        assert_eq!(at(10), None);
    }
}
