//! Where each robot was when a frame was taken: by SLAM where it is at work, else by odometry, interpolated to the
//! frame's stamp.
//!
//! A SLAM pose has no stamp. It is that of the newest frame that had come when it came, for SLAM looks at one frame after
//! the other; from there odometry leads on to the stamp that is asked for.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use wire::messages::Odometry;
use wire::{PoseFrame, SlamPose, Stamp};

use super::per_robot::PerRobot;

/// Odometry that is kept, by robot: 5 s at 50 Hz, longer than any frame waits.
const KEPT: usize = 256;
/// A frame further than this from the nearest odometry has no pose, ns.
const MAX_GAP_NANOS: i64 = 200_000_000;
/// SLAM poses that are kept, by robot.
const KEPT_SLAM: usize = 8;
/// So long odometry leads on from a SLAM pose, ns; then SLAM counts as lost.
const MAX_SLAM_AGE_NANOS: i64 = 1_000_000_000;
/// So long a SLAM pose is good without odometry, ns: a little more than from one to the next at its 5 Hz.
const MAX_SLAM_GAP_NANOS: i64 = 300_000_000;
/// A SLAM pose that came before any frame is that of the first, if it comes so soon.
const FIRST_FRAME: Duration = Duration::from_millis(500);
/// A SLAM pose that comes so long after the newest frame is of one that was lost on its way here, and of no use.
const MAX_SLAM_DELAY: Duration = Duration::from_millis(400);
/// Stamps that go further back than this are of another run, ns; else a message has come late, and is passed over.
const LATE_NANOS: i64 = 1_000_000_000;

/// A pose in the plane.
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
    robots: PerRobot<Track>,
}

/// What is known of one robot's way.
#[derive(Default)]
struct Track {
    odometry: History<KEPT>,
    slam: History<KEPT_SLAM>,
    /// Stamp of the newest frame, ns, and when it came.
    newest_frame: Option<(i64, Instant)>,
    /// A SLAM pose that came before any frame.
    waiting: Option<(Pose, Instant)>,
}

/// Poses by rising time in ns, `MOST` of them at most.
#[derive(Default)]
struct History<const MOST: usize>(VecDeque<(i64, Pose)>);

impl Poses {
    /// Takes in odometry of the robot with this key prefix, which came at `now`.
    pub fn add(&self, prefix: &str, odometry: &Odometry<'_>, now: Instant) {
        let [x, y, _] = odometry.position;
        let pose = Pose {
            x,
            y,
            yaw: odometry.yaw(),
        };
        if ![pose.x, pose.y, pose.yaw].into_iter().all(f64::is_finite) {
            return;
        }
        self.robots.update(prefix, now, |track| {
            track.odometry.add(odometry.stamp.as_nanos(), pose);
        });
    }

    /// Takes in a SLAM pose, which came at `now`.
    pub fn add_slam(&self, prefix: &str, slam: &SlamPose, now: Instant) {
        let [x, y, yaw] = slam.in_plane();
        let pose = Pose { x, y, yaw };
        self.robots
            .update(prefix, now, |track| match track.newest_frame {
                Some((nanos, came)) if now.saturating_duration_since(came) <= MAX_SLAM_DELAY => {
                    track.slam.add(nanos, pose);
                }
                Some(_) => {}
                None => track.waiting = Some((pose, now)),
            });
    }

    /// A frame with this stamp has come.
    pub fn frame_came(&self, prefix: &str, stamp: Stamp, now: Instant) {
        let nanos = stamp.as_nanos();
        self.robots.update(prefix, now, |track| {
            track.newest_frame = Some((nanos, now));
            if let Some((pose, came)) = track.waiting.take()
                && now.saturating_duration_since(came) <= FIRST_FRAME
            {
                track.slam.add(nanos, pose);
            }
        });
    }

    /// Drops the poses of a robot.
    pub fn forget(&self, prefix: &str) {
        self.robots.forget(prefix);
    }

    /// Drops the poses of silent robots.
    pub fn forget_silent(&self, now: Instant) {
        self.robots.forget_silent(now);
    }

    /// Where the robot was at `stamp`, and in which frame that is; `None` when nothing is known near it.
    pub fn at(&self, prefix: &str, stamp: Stamp) -> Option<(Pose, PoseFrame)> {
        let nanos = stamp.as_nanos();
        self.robots.read(prefix, |track| {
            let by_slam = track.by_slam(nanos).map(|pose| (pose, PoseFrame::Map));
            by_slam.or_else(|| {
                let pose = track.odometry.at(nanos, MAX_GAP_NANOS)?;
                Some((pose, PoseFrame::Odom))
            })
        })
    }

    /// As [`Poses::at`], by odometry alone.
    pub fn by_odometry(&self, prefix: &str, stamp: Stamp) -> Option<Pose> {
        let nanos = stamp.as_nanos();
        self.robots
            .read(prefix, |track| track.odometry.at(nanos, MAX_GAP_NANOS))
    }
}

impl Track {
    fn by_slam(&self, nanos: i64) -> Option<Pose> {
        let near = self
            .slam
            .0
            .iter()
            .min_by_key(|(at, _)| at.abs_diff(nanos))?;
        let (at, pose) = *near;
        if at.abs_diff(nanos) > MAX_SLAM_AGE_NANOS as u64 {
            return None;
        }
        let by_odometry = |nanos| self.odometry.at(nanos, MAX_GAP_NANOS);
        match (by_odometry(at), by_odometry(nanos)) {
            (Some(from), Some(to)) => Some(pose.after(&from, &to)),
            _ => self.slam.at(nanos, MAX_SLAM_GAP_NANOS),
        }
    }
}

impl<const MOST: usize> History<MOST> {
    fn add(&mut self, nanos: i64, pose: Pose) {
        let Self(poses) = self;
        match poses.back() {
            Some((last, _)) if *last == nanos => _ = poses.pop_back(),
            Some((last, _)) if (1..=LATE_NANOS).contains(&(*last - nanos)) => return,
            // A simulator was started anew.
            Some((last, _)) if *last > nanos => poses.clear(),
            _ => {}
        }
        if poses.len() == MOST {
            poses.pop_front();
        }
        poses.push_back((nanos, pose));
    }

    /// The pose at a time that is at most `max_gap` from the nearest, or between two that are at most twice that apart.
    fn at(&self, nanos: i64, max_gap: i64) -> Option<Pose> {
        let Self(poses) = self;
        let after = poses.partition_point(|(at, _)| *at < nanos);
        let before = after.checked_sub(1).and_then(|index| poses.get(index));
        match (before, poses.get(after)) {
            (Some((from, a)), Some((to, b))) if to - from <= 2 * max_gap => {
                Some(a.towards(b, (nanos - from) as f64 / (to - from) as f64))
            }
            (before, after) => {
                let near = |pose: &&(i64, Pose)| (pose.0 - nanos).abs() <= max_gap;
                after
                    .filter(near)
                    .or(before.filter(near))
                    .map(|(_, pose)| *pose)
            }
        }
    }
}

impl Pose {
    /// The pose at a share of the way to `other`, turning the shorter way.
    fn towards(&self, other: &Self, share: f64) -> Self {
        Self {
            x: self.x + share * (other.x - self.x),
            y: self.y + share * (other.y - self.y),
            yaw: wrap(self.yaw + share * wrap(other.yaw - self.yaw)),
        }
    }

    /// Where a robot at this pose is after what leads from `from` to `to` in another frame.
    fn after(&self, from: &Self, to: &Self) -> Self {
        let (sin, cos) = (self.yaw - from.yaw).sin_cos();
        let (x, y) = (to.x - from.x, to.y - from.y);
        Self {
            x: self.x + cos * x - sin * y,
            y: self.y + sin * x + cos * y,
            yaw: wrap(self.yaw + to.yaw - from.yaw),
        }
    }
}

fn wrap(angle: f64) -> f64 {
    angle - TAU * (angle / TAU).round()
}

#[cfg(test)]
mod tests {
    use super::super::inbox::SILENCE;
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
        let pose = poses
            .by_odometry("robot", Stamp::from_nanos(1_005_000_000))
            .unwrap();
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
                .by_odometry("robot", Stamp::from_nanos(1_020_000_000))
                .unwrap()
                .x,
            2.0
        );
    }

    #[test]
    fn a_frame_far_from_any_odometry_has_no_pose() {
        let poses = Poses::default();
        assert_eq!(poses.by_odometry("robot", Stamp::from_nanos(0)), None);
        add(&poses, 1_000_000_000, 1.0, 0.0);
        assert_eq!(
            poses
                .by_odometry("robot", Stamp::from_nanos(1_150_000_000))
                .unwrap()
                .x,
            1.0
        );
        assert_eq!(
            poses.by_odometry("robot", Stamp::from_nanos(1_250_000_000)),
            None
        );
        assert_eq!(
            poses.by_odometry("other", Stamp::from_nanos(1_000_000_000)),
            None
        );
    }

    #[test]
    fn time_that_starts_anew_is_followed() {
        let poses = Poses::default();
        for step in 0..1000 {
            add(&poses, 1_000_000_000 + step * 20_000_000, step as f64, 0.0);
        }
        let x_at = |nanos| Some(poses.by_odometry("robot", Stamp::from_nanos(nanos))?.x);
        // One message that comes late is no new time.
        add(&poses, 20_970_000_000, 5.0, 0.0);
        assert_eq!(x_at(20_980_000_000), Some(999.0));
        add(&poses, 20_000_000, -1.0, 0.0);
        assert_eq!((x_at(20_000_000), x_at(20_980_000_000)), (Some(-1.0), None));
    }

    #[test]
    fn a_robot_whose_odometry_is_silent_is_forgotten() {
        let poses = Poses::default();
        add(&poses, 1_000_000_000, 1.0, 0.0);
        poses.forget_silent(Instant::now());
        assert!(
            poses
                .by_odometry("robot", Stamp::from_nanos(1_000_000_000))
                .is_some()
        );
        poses.forget_silent(Instant::now() + SILENCE);
        assert_eq!(
            poses.by_odometry("robot", Stamp::from_nanos(1_000_000_000)),
            None
        );
    }

    fn add_slam(poses: &Poses, x: f64, y: f64, yaw: f64) {
        let (sin, cos) = yaw.sin_cos();
        // The optical frame: x to the right, z ahead.
        let pose = [cos, 0.0, -sin, -y, 0.0, 1.0, 0.0, 0.0, sin, 0.0, cos, x];
        poses.add_slam("robot", &SlamPose { pose }, Instant::now());
    }

    fn frame_came(poses: &Poses, nanos: i64) {
        poses.frame_came("robot", Stamp::from_nanos(nanos), Instant::now());
    }

    fn assert_near(pose: Pose, [x, y, yaw]: [f64; 3]) {
        let near = (pose.x - x).abs() < 1e-9 && (pose.y - y).abs() < 1e-9;
        assert!(near && wrap(pose.yaw - yaw).abs() < 1e-9, "{pose:?}");
    }

    #[test]
    fn slam_goes_before_odometry_which_leads_on_from_its_last_pose() {
        let poses = Poses::default();
        for step in 0..=10 {
            // Straight ahead at 1 m/s, as odometry counts.
            let x = f64::from(step) * 0.1;
            poses.add(
                "robot",
                &Odometry {
                    stamp: Stamp::from_nanos(1_000_000_000 + i64::from(step) * 100_000_000),
                    frame_id: "odom",
                    child_frame_id: "base_footprint",
                    position: [x, 0.0, 0.0],
                    orientation: [0.0, 0.0, 0.0, 1.0],
                },
                Instant::now(),
            );
        }
        let at = |millis: i64| poses.at("robot", Stamp::from_nanos(millis * 1_000_000));
        assert_eq!(at(1_200).unwrap().1, PoseFrame::Odom);
        frame_came(&poses, 1_200_000_000);
        // In the map the robot looks to the left.
        add_slam(&poses, 5.0, 3.0, TAU / 4.0);
        let (pose, frame) = at(1_200).unwrap();
        assert_eq!(frame, PoseFrame::Map);
        assert_near(pose, [5.0, 3.0, TAU / 4.0]);
        let (pose, _) = at(1_700).unwrap();
        assert_near(pose, [5.0, 3.5, TAU / 4.0]);
        // Too long ago: SLAM is lost.
        for step in 11..=13 {
            add(&poses, 1_000_000_000 + step * 100_000_000, 9.0, 0.0);
        }
        assert_eq!(at(2_250).unwrap().1, PoseFrame::Odom);
        // Key frames go by odometry, which does not jump.
        let stamp = Stamp::from_nanos(1_200_000_000);
        assert_near(poses.by_odometry("robot", stamp).unwrap(), [0.2, 0.0, 0.0]);
    }

    #[test]
    fn a_slam_pose_of_a_frame_that_was_lost_is_of_no_use() {
        let poses = Poses::default();
        let came = Instant::now();
        poses.frame_came("robot", Stamp::from_nanos(1_000_000_000), came);
        let pose = SlamPose {
            pose: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 7.0],
        };
        let at = || poses.at("robot", Stamp::from_nanos(1_000_000_000));
        poses.add_slam("robot", &pose, came + 2 * MAX_SLAM_DELAY);
        assert_eq!(at(), None);
        poses.add_slam("robot", &pose, came + MAX_SLAM_DELAY / 2);
        assert_eq!(at().unwrap().0.x, 7.0);
    }

    #[test]
    fn slam_without_odometry_has_poses_near_its_frames() {
        let poses = Poses::default();
        // It came before the first frame.
        add_slam(&poses, 1.0, 0.0, 0.0);
        frame_came(&poses, 1_000_000_000);
        frame_came(&poses, 1_200_000_000);
        add_slam(&poses, 2.0, 0.0, 0.0);
        let at = |millis: i64| poses.at("robot", Stamp::from_nanos(millis * 1_000_000));
        let expected = [(1_000, 1.0), (1_050, 1.25), (1_200, 2.0), (1_400, 2.0)];
        for (millis, x) in expected {
            let (pose, frame) = at(millis).unwrap();
            assert_eq!(frame, PoseFrame::Map);
            assert_near(pose, [x, 0.0, 0.0]);
        }
        assert_eq!(at(1_600), None);
    }
}
