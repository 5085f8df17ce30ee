//! Follows a path by regulated pure pursuit, turning on the spot at its start and for the goal's heading.

use crate::geometry::{Point, Pose2, normalize_angle, position};

/// A command to the base.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Velocity {
    /// Forwards, m/s.
    pub linear: f64,
    /// To the left, rad/s.
    pub angular: f64,
}

/// Speeds, distances and tolerances of the follower.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowerConfig {
    /// Speed on a straight, m/s.
    pub max_linear: f64,
    /// Fastest turn, rad/s.
    pub max_angular: f64,
    /// Deceleration that a turn on the spot ends with, rad/s².
    pub angular_deceleration: f64,
    /// Deceleration towards the end of the path, m/s².
    pub linear_deceleration: f64,
    /// How far ahead on the path the robot steers to, m.
    pub lookahead: f64,
    /// The robot turns on the spot when the path leads off by more than this, rad.
    pub turn_threshold: f64,
    /// Curves narrower than this are driven more slowly, m.
    pub slow_radius: f64,
    /// The goal is reached within this distance, m.
    pub xy_tolerance: f64,
    /// And within this angle, rad.
    pub yaw_tolerance: f64,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            max_linear: 0.26,
            max_angular: 1.2,
            angular_deceleration: 1.0,
            linear_deceleration: 0.4,
            lookahead: 0.35,
            turn_threshold: 0.7,
            slow_radius: 0.6,
            xy_tolerance: 0.12,
            yaw_tolerance: 0.12,
        }
    }
}

/// The slowest that the robot creeps towards the end of the path, m/s.
const CREEP: f64 = 0.04;
/// A turn on the spot that was begun ends when the path leads straight ahead within this, rad.
const TURN_END: f64 = 0.15;
/// The slowest turn on the spot, rad/s.
const SLOW_TURN: f64 = 0.1;
/// How far along the path the nearest point is looked for beyond the last one, m.
const SEARCH_AHEAD: f64 = 1.0;

/// What the robot is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Turning,
    Driving,
    /// The place is reached; only the heading is missing. Not left again, so that the robot does not dither about
    /// the edge of the tolerance.
    Aligning,
}

/// Follows one path to its end.
#[derive(Debug, Clone)]
pub struct Follower {
    config: FollowerConfig,
    path: Vec<Point>,
    goal_yaw: f64,
    nearest: usize,
    phase: Phase,
}

/// What to do in this control period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Drive so.
    Drive(Velocity),
    /// The end of the path and the heading are reached.
    Arrived,
}

impl Follower {
    /// A follower of `path`, which ends at the goal, where the robot is to head `goal_yaw`. An empty path has arrived.
    pub fn new(config: FollowerConfig, path: Vec<Point>, goal_yaw: f64) -> Self {
        Self {
            config,
            path,
            goal_yaw,
            nearest: 0,
            phase: Phase::Driving,
        }
    }

    /// Goes on with a newer path to the same goal.
    pub fn replace_path(&mut self, path: Vec<Point>) {
        self.path = path;
        self.nearest = 0;
    }

    /// The path being followed.
    pub fn path(&self) -> &[Point] {
        &self.path
    }

    /// Whether only the heading is missing, so that no newer path is of use.
    pub fn is_aligning(&self) -> bool {
        self.phase == Phase::Aligning
    }

    /// The way left, in m.
    pub fn distance_remaining(&self, pose: &Pose2) -> f64 {
        match self.path.get(self.nearest) {
            Some(nearest) => {
                let rest = crate::planner::length(&self.path[self.nearest..]);
                if self.nearest + 1 == self.path.len() {
                    (nearest - position(pose)).norm()
                } else {
                    rest
                }
            }
            None => 0.0,
        }
    }

    /// The command of this control period for a robot at `pose` (map frame).
    pub fn step(&mut self, pose: &Pose2) -> Step {
        let Some(end) = self.path.last().copied() else {
            return Step::Arrived;
        };
        let here = position(pose);
        self.advance(&here);
        if self.phase != Phase::Aligning && (end - here).norm() < self.config.xy_tolerance {
            self.phase = Phase::Aligning;
        }
        if self.phase == Phase::Aligning {
            let error = normalize_angle(self.goal_yaw - pose.rotation.angle());
            if error.abs() < self.config.yaw_tolerance {
                return Step::Arrived;
            }
            return Step::Drive(self.turn(error));
        }
        let carrot = pose.inverse_transform_point(&self.carrot(&here));
        let bearing = carrot.y.atan2(carrot.x);
        let limit = match self.phase {
            Phase::Turning => TURN_END,
            _ => self.config.turn_threshold,
        };
        if bearing.abs() > limit {
            self.phase = Phase::Turning;
            return Step::Drive(self.turn(bearing));
        }
        self.phase = Phase::Driving;
        Step::Drive(self.pursue(&carrot, self.distance_remaining(pose)))
    }

    fn pursue(&self, carrot: &Point, remaining: f64) -> Velocity {
        let config = &self.config;
        let curvature = 2.0 * carrot.y / carrot.coords.norm_squared().max(1e-4);
        let radius = 1.0 / curvature.abs().max(1e-6);
        let mut linear = config.max_linear * (radius / config.slow_radius).clamp(0.3, 1.0);
        let braking = (2.0 * config.linear_deceleration * remaining).sqrt() * 0.5;
        linear = linear.min(braking.max(CREEP));
        linear = linear.min(config.max_angular * radius);
        Velocity {
            linear,
            angular: linear * curvature,
        }
    }

    fn turn(&self, error: f64) -> Velocity {
        let config = &self.config;
        let braking = (2.0 * config.angular_deceleration * error.abs()).sqrt() * 0.7;
        Velocity {
            linear: 0.0,
            angular: braking.clamp(SLOW_TURN, config.max_angular).copysign(error),
        }
    }

    /// Moves `nearest` on to the point of the path that is nearest to the robot, never back.
    fn advance(&mut self, here: &Point) {
        let mut along = 0.0;
        let mut best = (self.path[self.nearest] - here).norm();
        for at in self.nearest + 1..self.path.len() {
            along += (self.path[at] - self.path[at - 1]).norm();
            if along > SEARCH_AHEAD {
                break;
            }
            let distance = (self.path[at] - here).norm();
            if distance <= best {
                best = distance;
                self.nearest = at;
            }
        }
    }

    /// The first point of the path that lies the lookahead away from the robot, else its end.
    fn carrot(&self, here: &Point) -> Point {
        let ahead = &self.path[self.nearest..];
        for pair in ahead.windows(2) {
            let outside = (pair[1] - here).norm();
            if outside >= self.config.lookahead {
                let inside = (pair[0] - here).norm();
                let share = ((self.config.lookahead - inside) / (outside - inside).max(1e-9))
                    .clamp(0.0, 1.0);
                return pair[0] + (pair[1] - pair[0]) * share;
            }
        }
        ahead[ahead.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::pose;

    /// Drives an ideal robot for up to `seconds`; its poses, and whether it arrived.
    fn drive(follower: &mut Follower, start: Pose2, seconds: f64) -> (Vec<Pose2>, bool) {
        const PERIOD: f64 = 0.05;
        let mut poses = vec![start];
        for _ in 0..(seconds / PERIOD) as usize {
            let at = poses[poses.len() - 1];
            match follower.step(&at) {
                Step::Arrived => return (poses, true),
                Step::Drive(v) => {
                    assert!(v.linear.abs() <= 0.26 && v.angular.abs() <= 1.2, "{v:?}");
                    let moved = pose(v.linear * PERIOD, 0.0, v.angular * PERIOD);
                    poses.push(at * moved);
                }
            }
        }
        (poses, false)
    }

    fn line(corners: &[Point]) -> Vec<Point> {
        corners
            .windows(2)
            .flat_map(|pair| (0..20).map(|i| pair[0] + (pair[1] - pair[0]) * (f64::from(i) / 20.0)))
            .chain(corners.last().copied())
            .collect()
    }

    #[test]
    fn turns_first_then_drives_then_takes_the_heading() {
        let path = line(&[Point::new(0.0, 0.0), Point::new(-1.0, 0.0)]);
        let mut follower = Follower::new(FollowerConfig::default(), path, 1.0);
        let (poses, arrived) = drive(&mut follower, pose(0.0, 0.0, 0.0), 30.0);
        assert!(arrived);
        let turned = poses.iter().position(|p| p.translation.x < -0.01).unwrap();
        assert!(
            poses[turned].rotation.angle().abs() > 2.5,
            "turned before it drove"
        );
        let end = poses[poses.len() - 1];
        assert!((position(&end) - Point::new(-1.0, 0.0)).norm() < 0.12);
        assert!((end.rotation.angle() - 1.0).abs() < 0.12);
    }

    #[test]
    fn keeps_to_a_corner() {
        let corner = Point::new(1.0, 0.0);
        let path = line(&[Point::origin(), corner, Point::new(1.0, 1.0)]);
        let mut follower = Follower::new(FollowerConfig::default(), path, 1.57);
        let (poses, arrived) = drive(&mut follower, pose(0.0, 0.0, 0.0), 30.0);
        assert!(arrived);
        let off = poses
            .iter()
            .map(|p| p.translation.y.abs().min((p.translation.x - 1.0).abs()))
            .fold(0.0, f64::max);
        assert!(off < 0.12, "{off} m off the path");
    }

    #[test]
    fn has_arrived_where_it_stands_already() {
        let path = vec![Point::origin(), Point::origin()];
        let mut follower = Follower::new(FollowerConfig::default(), path, 0.0);
        assert_eq!(follower.step(&pose(0.0, 0.0, 0.0)), Step::Arrived);
    }
}
