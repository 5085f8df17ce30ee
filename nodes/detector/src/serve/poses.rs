//! Where each robot was when a frame was taken: odometry, interpolated to the frame's stamp.

use std::collections::{HashMap, VecDeque};
use std::f64::consts::TAU;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use wire::Stamp;
use wire::messages::Odometry;

use super::inbox::{MAX_ROBOTS, SILENCE};

/// Odometry that is kept, by robot: 5 s at 50 Hz, longer than any frame waits.
const KEPT: usize = 256;
/// A frame further than this from the nearest odometry has no pose, ns.
const MAX_GAP_NANOS: i64 = 200_000_000;

/// A pose in the plane, in the frame that odometry counts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// m.
    pub x: f64,
    /// m.
    pub y: f64,
    /// rad, -π to π.
    pub yaw: f64,
}

/// The last poses of all robots.
#[derive(Default)]
pub struct Poses {
    robots: Mutex<HashMap<String, Track>>,
}

/// The last poses of one robot, by rising time in ns.
struct Track {
    poses: VecDeque<(i64, Pose)>,
    heard: Instant,
}

impl Poses {
    /// Takes in odometry of the robot with this key prefix, which came at `now`.
    pub fn add(&self, prefix: &str, odometry: &Odometry<'_>, now: Instant) {
        let nanos = odometry.stamp.as_nanos();
        let [x, y, _] = odometry.position;
        let pose = Pose {
            x,
            y,
            yaw: odometry.yaw(),
        };
        if ![pose.x, pose.y, pose.yaw].into_iter().all(f64::is_finite) {
            return;
        }
        let mut robots = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
        if !robots.contains_key(prefix) {
            if robots.len() == MAX_ROBOTS {
                return;
            }
            let track = Track {
                poses: VecDeque::with_capacity(KEPT),
                heard: now,
            };
            robots.insert(prefix.to_owned(), track);
        }
        let Some(Track { poses, heard }) = robots.get_mut(prefix) else {
            return;
        };
        *heard = now;
        if poses.back().is_some_and(|(last, _)| *last >= nanos) {
            // Time went back: a simulator was started anew.
            poses.clear();
        }
        if poses.len() == KEPT {
            poses.pop_front();
        }
        poses.push_back((nanos, pose));
    }

    /// Drops the poses of robots whose odometry has been silent for [`SILENCE`] as of `now`.
    pub fn forget_silent(&self, now: Instant) {
        let mut robots = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
        robots.retain(|_, track| now.saturating_duration_since(track.heard) < SILENCE);
    }

    /// Where the robot was at `stamp`; `None` without odometry near it.
    pub fn at(&self, prefix: &str, stamp: Stamp) -> Option<Pose> {
        let robots = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
        let poses = &robots.get(prefix)?.poses;
        let nanos = stamp.as_nanos();
        let after = poses.partition_point(|(at, _)| *at < nanos);
        let before = after.checked_sub(1).and_then(|index| poses.get(index));
        match (before, poses.get(after)) {
            (Some((from, a)), Some((to, b))) if to - from <= 2 * MAX_GAP_NANOS => {
                Some(between(a, b, (nanos - from) as f64 / (to - from) as f64))
            }
            (before, after) => {
                let near = |pose: &&(i64, Pose)| (pose.0 - nanos).abs() <= MAX_GAP_NANOS;
                after
                    .filter(near)
                    .or(before.filter(near))
                    .map(|(_, pose)| *pose)
            }
        }
    }
}

/// The pose at a share of the way from `a` to `b`, turning the shorter way.
fn between(a: &Pose, b: &Pose, share: f64) -> Pose {
    let wrap = |angle: f64| angle - TAU * (angle / TAU).round();
    Pose {
        x: a.x + share * (b.x - a.x),
        y: a.y + share * (b.y - a.y),
        yaw: wrap(a.yaw + share * wrap(b.yaw - a.yaw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(poses: &Poses, nanos: i64, x: f64, yaw: f64) {
        poses.add(
            "robot",
            &Odometry {
                stamp: Stamp::from_nanos(nanos),
                frame_id: "odom",
                child_frame_id: "base_footprint",
                position: [x, 2.0 * x, 0.0],
                orientation: [0.0, 0.0, (yaw / 2.0).sin(), (yaw / 2.0).cos()],
            },
            Instant::now(),
        );
    }

    #[test]
    fn the_pose_is_that_of_the_frames_moment() {
        let poses = Poses::default();
        add(&poses, 1_000_000_000, 1.0, 3.0);
        add(&poses, 1_020_000_000, 2.0, -3.0);
        let pose = poses.at("robot", Stamp::from_nanos(1_005_000_000)).unwrap();
        assert!(
            (pose.x - 1.25).abs() < 1e-9 && (pose.y - 2.5).abs() < 1e-9,
            "{pose:?}"
        );
        // The shorter way from 3 to -3 rad leads over π.
        assert!(
            (pose.yaw - (3.0 + 0.25 * (TAU - 6.0))).abs() < 1e-9,
            "{pose:?}"
        );
        assert_eq!(
            poses
                .at("robot", Stamp::from_nanos(1_020_000_000))
                .unwrap()
                .x,
            2.0
        );
    }

    #[test]
    fn a_frame_far_from_any_odometry_has_no_pose() {
        let poses = Poses::default();
        assert_eq!(poses.at("robot", Stamp::from_nanos(0)), None);
        add(&poses, 1_000_000_000, 1.0, 0.0);
        assert_eq!(
            poses
                .at("robot", Stamp::from_nanos(1_150_000_000))
                .unwrap()
                .x,
            1.0
        );
        assert_eq!(poses.at("robot", Stamp::from_nanos(1_250_000_000)), None);
        assert_eq!(poses.at("other", Stamp::from_nanos(1_000_000_000)), None);
    }

    #[test]
    fn time_that_starts_anew_is_followed() {
        let poses = Poses::default();
        for step in 0..1000 {
            add(&poses, 1_000_000_000 + step * 20_000_000, step as f64, 0.0);
        }
        add(&poses, 20_000_000, -1.0, 0.0);
        assert_eq!(
            poses.at("robot", Stamp::from_nanos(20_000_000)).unwrap().x,
            -1.0
        );
    }

    #[test]
    fn a_robot_whose_odometry_is_silent_is_forgotten() {
        let poses = Poses::default();
        add(&poses, 1_000_000_000, 1.0, 0.0);
        poses.forget_silent(Instant::now());
        assert!(
            poses
                .at("robot", Stamp::from_nanos(1_000_000_000))
                .is_some()
        );
        poses.forget_silent(Instant::now() + SILENCE);
        assert_eq!(poses.at("robot", Stamp::from_nanos(1_000_000_000)), None);
    }
}
