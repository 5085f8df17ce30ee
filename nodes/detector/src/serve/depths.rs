//! The last depth pictures of each robot, and how its camera projects.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wire::Stamp;
use zenoh::bytes::ZBytes;

use super::inbox::{MAX_ROBOTS, SILENCE};
use crate::position::Intrinsics;

/// Depth pictures that are kept, by robot: a quarter of a second at 30 Hz. A frame waits no longer than until the next
/// one comes.
const KEPT: usize = 8;
/// A depth picture further than this from the frame shows something else, ns.
const MAX_GAP_NANOS: u64 = 50_000_000;

/// Of all robots.
#[derive(Default)]
pub struct Depths {
    robots: Mutex<HashMap<String, Seen>>,
}

struct Seen {
    /// Messages by rising stamp in ns, as they came: no pixel is copied.
    pictures: VecDeque<(i64, ZBytes)>,
    intrinsics: Option<Intrinsics>,
    heard: Instant,
}

impl Depths {
    /// Takes in a depth picture of the robot with this key prefix, which came at `now`.
    pub fn add(&self, prefix: &str, stamp: Stamp, payload: ZBytes, now: Instant) {
        let nanos = stamp.as_nanos();
        self.update(prefix, now, |seen| {
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
        self.update(prefix, now, |seen| seen.intrinsics = intrinsics);
    }

    /// The depth picture of the moment `stamp`, and how the camera projects; `None` unless both are known.
    pub fn at(&self, prefix: &str, stamp: Stamp) -> Option<(ZBytes, Intrinsics)> {
        let robots = self.lock();
        let seen = robots.get(prefix)?;
        let intrinsics = seen.intrinsics?;
        let nanos = stamp.as_nanos();
        let gap = |picture: &&(i64, ZBytes)| picture.0.abs_diff(nanos);
        let nearest = seen.pictures.iter().min_by_key(gap)?;
        (gap(&nearest) <= MAX_GAP_NANOS).then(|| (nearest.1.clone(), intrinsics))
    }

    /// Drops what is kept of robots of which nothing was heard for [`SILENCE`] as of `now`.
    pub fn forget_silent(&self, now: Instant) {
        self.lock()
            .retain(|_, seen| now.saturating_duration_since(seen.heard) < SILENCE);
    }

    /// Changes what is known of a robot, if there is room for a robot that is new.
    fn update(&self, prefix: &str, now: Instant, change: impl FnOnce(&mut Seen)) {
        let mut robots = self.lock();
        if !robots.contains_key(prefix) {
            if robots.len() >= MAX_ROBOTS {
                return;
            }
            robots.insert(
                prefix.to_owned(),
                Seen {
                    pictures: VecDeque::new(),
                    intrinsics: None,
                    heard: now,
                },
            );
        }
        if let Some(seen) = robots.get_mut(prefix) {
            seen.heard = now;
            change(seen);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        // A panic elsewhere leaves what is known whole.
        self.robots.lock().unwrap_or_else(PoisonError::into_inner)
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
