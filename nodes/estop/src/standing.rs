//! Whether the base stands still, from its odometry.

use std::time::Duration;

/// Slower than this is still; wheel odometry of a standing base shows less.
const STILL_LINEAR: f64 = 0.01; // m/s
const STILL_ANGULAR: f64 = 0.02; // rad/s
/// Odometry older than this says nothing.
const NEWEST: Duration = Duration::from_millis(500);
/// Without odometry the base counts as still when zeros have gone out for so long.
pub const SURELY_STILL: Duration = Duration::from_secs(2);

/// What has been told to the base and what its odometry shows, at monotonic times.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    last_motion_command: Duration,
    last_odometry: Option<(Duration, bool)>,
}

impl Standing {
    /// At `now` nothing is known: the base may be moving.
    pub fn new(now: Duration) -> Self {
        Self {
            last_motion_command: now,
            last_odometry: None,
        }
    }

    /// A velocity other than zero went to the base.
    pub fn motion_commanded(&mut self, now: Duration) {
        self.last_motion_command = now;
    }

    /// Odometry shows these speeds, m/s and rad/s.
    pub fn odometry(&mut self, now: Duration, linear: f64, angular: f64) {
        // Written so that NaN is not still.
        let still = linear.abs() < STILL_LINEAR && angular.abs() < STILL_ANGULAR;
        self.last_odometry = Some((now, still));
    }

    /// Whether the base stands still at `now`.
    pub fn is_still(&self, now: Duration) -> bool {
        match self.last_odometry {
            Some((at, still))
                if now.saturating_sub(at) < NEWEST && at > self.last_motion_command =>
            {
                still
            }
            _ => false,
        }
    }

    /// Whether it stands still, or zeros have gone out for so long that it must.
    pub fn must_be_still(&self, now: Duration) -> bool {
        self.is_still(now) || now.saturating_sub(self.last_motion_command) >= SURELY_STILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn still_is_what_fresh_odometry_shows_after_the_last_motion() {
        let ms = Duration::from_millis;
        let mut base = Standing::new(ms(0));
        assert!(!base.is_still(ms(10)));
        base.odometry(ms(20), 0.0, 0.0);
        assert!(base.is_still(ms(30)));
        base.motion_commanded(ms(40));
        assert!(
            !base.is_still(ms(50)),
            "the odometry is older than the motion"
        );
        base.odometry(ms(60), 0.2, 0.0);
        assert!(!base.is_still(ms(70)));
        for moving in [(0.0, -0.3), (f64::NAN, 0.0)] {
            base.odometry(ms(80), moving.0, moving.1);
            assert!(!base.is_still(ms(90)), "{moving:?}");
        }
        base.odometry(ms(100), -0.001, 0.001);
        assert!(
            base.is_still(ms(110)) && !base.is_still(ms(700)),
            "old odometry says nothing"
        );
        assert!(!base.must_be_still(ms(2039)) && base.must_be_still(ms(2040)));
    }
}
