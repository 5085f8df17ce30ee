//! Key frames: of a robot that stands still every frame shows the same, and one is enough.
//!
//! The limits are the published application's.

use std::time::Duration;

use super::poses::Pose;

/// A frame is a key frame when the robot has moved so far since the last one, m.
const MOVED: f64 = 0.5;
/// Or has turned so far.
const TURNED: f64 = 15.0 * std::f64::consts::PI / 180.0;

/// Which frames are inferred besides those of a robot that has moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyFrames {
    /// The first one so long after the last key frame, by the frames' stamps.
    pub every: Option<Duration>,
}

/// One robot's last key frame: its stamp, ns, and the robot's pose.
#[derive(Debug, Default)]
pub struct LastKeyFrame(Option<(i64, Pose)>);

impl LastKeyFrame {
    /// Whether a frame with this stamp (ns) is a key frame. A frame without a pose is one: nobody knows where the robot
    /// is.
    pub fn is_next(&self, rule: KeyFrames, nanos: i64, pose: Option<Pose>) -> bool {
        let Some(pose) = pose else {
            return true;
        };
        self.0.is_none_or(|(last, from)| {
            let turned = (pose.yaw - from.yaw).rem_euclid(std::f64::consts::TAU);
            let turned = turned.min(std::f64::consts::TAU - turned);
            let passed = u64::try_from(nanos.saturating_sub(last)).map(Duration::from_nanos);
            (pose.x - from.x).hypot(pose.y - from.y) >= MOVED
                || turned >= TURNED
                // Time that went back is another run's.
                || passed.map_or(true, |passed| rule.every.is_some_and(|every| passed >= every))
        })
    }

    /// From now on the frame with this stamp (ns) is the last one.
    pub fn set(&mut self, nanos: i64, pose: Option<Pose>) {
        if let Some(pose) = pose {
            self.0 = Some((nanos, pose));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Whether a frame is a key frame, which is then inferred.
    fn is_next(last: &mut LastKeyFrame, rule: KeyFrames, nanos: i64, pose: Option<Pose>) -> bool {
        let is_next = last.is_next(rule, nanos, pose);
        if is_next {
            last.set(nanos, pose);
        }
        is_next
    }

    fn at(x: f64, y: f64, degrees: f64) -> Option<Pose> {
        let yaw = degrees.to_radians();
        Some(Pose { x, y, yaw })
    }

    #[test]
    fn a_key_frame_is_half_a_metre_or_15_degrees_from_the_last() {
        let mut last = LastKeyFrame::default();
        let mut is_next = |pose| is_next(&mut last, KeyFrames::default(), SECOND, pose);
        assert!(is_next(at(0.0, 0.0, 170.0)));
        assert!(!is_next(at(0.0, 0.0, 170.0)));
        assert!(!is_next(at(0.3, 0.39, 184.0)));
        // Counted from the last key frame, not from the last frame; over π the shorter way.
        assert!(is_next(at(0.3, 0.41, 184.0)));
        assert!(!is_next(at(0.3, 0.41, -170.0)));
        assert!(is_next(at(0.3, 0.41, -160.0)));
        // Nobody knows where the robot is.
        assert!(is_next(None));
    }

    #[test]
    fn time_alone_makes_a_key_frame_where_that_is_asked_for() {
        let every = Some(Duration::from_secs(2));
        let (mut timed, mut untimed) = (LastKeyFrame::default(), LastKeyFrame::default());
        let pose = at(1.0, 1.0, 0.0);
        let expected = [
            (10, true, true),
            (11, false, false),
            (12, true, false),
            (13, false, false),
            (3, true, true),
        ];
        for (second, with, without) in expected {
            let nanos = second * SECOND;
            assert_eq!(
                is_next(&mut timed, KeyFrames { every }, nanos, pose),
                with,
                "{second}"
            );
            assert_eq!(
                is_next(&mut untimed, KeyFrames::default(), nanos, pose),
                without,
                "{second}"
            );
        }
    }
}
