//! Notices that the robot is not getting anywhere, as Nav2's pose progress checker.

use crate::geometry::Pose2;

/// A robot makes progress when, within `timeout`, it moves by `distance` or turns by `angle`.
#[derive(Debug, Clone)]
pub struct ProgressChecker {
    timeout: f64,
    since: Option<(f64, Pose2)>,
}

/// Least way that counts as progress, m.
const DISTANCE: f64 = 0.3;
/// Least turn that counts as progress, rad.
const ANGLE: f64 = 0.5;

impl ProgressChecker {
    /// A checker that allows `timeout` s of simulated time without progress.
    pub fn new(timeout: f64) -> Self {
        Self {
            timeout,
            since: None,
        }
    }

    /// Whether the robot, at `pose` at time `now` (s), still makes progress.
    pub fn makes_progress(&mut self, now: f64, pose: &Pose2) -> bool {
        if let Some((then, from)) = &self.since {
            let moved = from.inv_mul(pose);
            if moved.translation.vector.norm() < DISTANCE && moved.rotation.angle().abs() < ANGLE {
                return now - then <= self.timeout;
            }
        }
        self.since = Some((now, *pose));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::pose;

    #[test]
    fn standing_still_is_no_progress_and_turning_is() {
        let mut checker = ProgressChecker::new(10.0);
        assert!(checker.makes_progress(0.0, &pose(1.0, 0.0, 0.0)));
        assert!(checker.makes_progress(10.0, &pose(1.1, 0.0, 0.1)));
        assert!(!checker.makes_progress(10.1, &pose(1.1, 0.0, 0.1)));
        assert!(checker.makes_progress(10.2, &pose(1.1, 0.0, 0.6)));
        assert!(checker.makes_progress(20.0, &pose(1.1, 0.0, 0.6)));
    }
}
