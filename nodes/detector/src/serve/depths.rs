//! The last depth pictures of each robot, and how its camera projects.

use std::collections::VecDeque;
use std::time::Instant;

use wire::Stamp;
use zenoh::bytes::ZBytes;

use super::per_robot::PerRobot;
use crate::position::Intrinsics;

/// Depth pictures that are kept, by robot: a quarter of a second at 30 Hz. A frame waits no longer than until the next
/// one comes.
const KEPT: usize = 8;
/// A depth picture further than this from the frame shows something else, ns.
const MAX_GAP_NANOS: u64 = 50_000_000;

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
    pub fn add(&self, prefix: &str, stamp: Stamp, payload: ZBytes, now: Instant) {
        let nanos = stamp.as_nanos();
        self.robots.update(prefix, now, |seen| {
            let pictures = &mut seen.pictures;
            if pictures.back().is_some_and(|(last, _)| *last > nanos) {
                // Time went back: a simulator was started anew.
                pictures.clear();
            }
            if pictures.len() == KEPT {
                pictures.pop_front();
            }
            pictures.push_back((nanos, payload));
        });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::messages::CameraInfo;

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

    #[test]
    fn a_frame_has_the_depth_picture_of_its_moment() {
        let depths = Depths::default();
        let now = Instant::now();
        let stamp = |millis: i64| Stamp::from_nanos(millis * 1_000_000);
        let at = |millis| Some(depths.at("r", stamp(millis))?.0.to_bytes()[0]);
        for number in 0..20_u8 {
            let payload = ZBytes::from(vec![number]);
            depths.add("r", stamp(1000 + 100 * i64::from(number)), payload, now);
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
        // Time starts anew.
        depths.add("r", stamp(10), ZBytes::from(vec![77]), now);
        assert_eq!((at(10), at(2900)), (Some(77), None));
        depths.forget_silent(now + Duration::from_secs(31));
        assert_eq!(at(10), None);
    }
}
