//! The robot's outline, and whether a command would drive it into something that the lidar sees.

use crate::follower::Velocity;
use crate::geometry::{Point, Pose2, pose};

/// A rectangle in the base frame, in m.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// Front edge.
    pub front: f64,
    /// Rear edge, usually below zero.
    pub rear: f64,
    /// Half of the width.
    pub half_width: f64,
}

impl Footprint {
    /// A TurtleBot 3 Waffle: a box of 0.265 m by 0.265 m whose middle lies 0.064 m behind the axle.
    pub fn waffle() -> Self {
        Self {
            front: 0.0685,
            rear: -0.1965,
            half_width: 0.1325,
        }
    }

    /// The outline, larger by `margin` m on each side.
    pub fn padded(&self, margin: f64) -> Self {
        Self {
            front: self.front + margin,
            rear: self.rear - margin,
            half_width: self.half_width + margin,
        }
    }

    /// Whether a point of the base frame lies inside.
    pub fn contains(&self, point: &Point) -> bool {
        (self.rear..=self.front).contains(&point.x) && point.y.abs() <= self.half_width
    }

    /// Whether holding `velocity` for `horizon` s would bring the outline onto one of `hits` (base frame), which it
    /// does not cover yet. What it covers already cannot be avoided by standing still.
    pub fn would_hit(&self, velocity: Velocity, horizon: f64, hits: &[Point]) -> bool {
        const STEPS: usize = 10;
        let step = horizon / STEPS as f64;
        let mut base_from_future = Pose2::identity();
        for _ in 0..STEPS {
            base_from_future *= pose(velocity.linear * step, 0.0, velocity.angular * step);
            let hit = hits.iter().any(|hit| {
                !self.contains(hit) && self.contains(&base_from_future.inverse_transform_point(hit))
            });
            if hit {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORWARDS: Velocity = Velocity {
        linear: 0.2,
        angular: 0.0,
    };

    #[test]
    fn sees_what_lies_ahead_and_ignores_what_lies_beside() {
        let footprint = Footprint::waffle();
        assert!(footprint.would_hit(FORWARDS, 1.0, &[Point::new(0.2, 0.1)]));
        assert!(!footprint.would_hit(FORWARDS, 1.0, &[Point::new(0.5, 0.1)]));
        assert!(!footprint.would_hit(FORWARDS, 1.0, &[Point::new(0.2, 0.2)]));
        assert!(!footprint.would_hit(FORWARDS, 1.0, &[Point::new(-0.3, 0.0)]));
    }

    #[test]
    fn a_turn_sweeps_the_rear_corners() {
        let turn = Velocity {
            linear: 0.0,
            angular: 1.0,
        };
        assert!(Footprint::waffle().would_hit(turn, 1.0, &[Point::new(-0.215, 0.0)]));
    }

    #[test]
    fn the_way_off_an_obstacle_is_free() {
        let touching = [Point::new(-0.19, 0.0)];
        assert!(!Footprint::waffle().would_hit(FORWARDS, 1.0, &touching));
    }
}
