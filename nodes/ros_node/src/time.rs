//! ROS time: nanoseconds since the epoch of the node's clock.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use r2r::builtin_interfaces::msg::{Duration as DurationMsg, Time};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds of a stamp.
pub fn nanos(stamp: &Time) -> i64 {
    i64::from(stamp.sec) * NANOS_PER_SECOND + i64::from(stamp.nanosec)
}

/// The stamp of nanoseconds; beyond what a stamp can hold (1901 to 2038) it is the nearest end.
pub fn stamp(nanos: i64) -> Time {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    Time {
        sec: i32::try_from(seconds).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX }),
        nanosec: nanos.rem_euclid(NANOS_PER_SECOND) as u32,
    }
}

/// A duration message of nanoseconds.
pub fn duration(nanos: i64) -> DurationMsg {
    let Time { sec, nanosec } = stamp(nanos);
    DurationMsg { sec, nanosec }
}

/// A node's clock. With `use_sim_time` it reads 0 until the first `/clock`.
///
/// For ROS data only: deadlines of the safety path use [`std::time::Instant`].
#[derive(Clone)]
pub struct Clock {
    source: Arc<Mutex<r2r::Clock>>,
}

impl Clock {
    pub(crate) fn of(node: &mut r2r::Node, use_sim_time: bool) -> anyhow::Result<Self> {
        if use_sim_time {
            node.get_time_source()
                .enable_sim_time(node)
                .context("cannot follow /clock")?;
        }
        Ok(Self {
            source: node.get_ros_clock(),
        })
    }

    /// Now, in nanoseconds.
    pub fn now_nanos(&self) -> i64 {
        self.source
            .lock()
            .ok()
            .and_then(|mut clock| clock.get_now().ok())
            .map_or(0, |now| now.as_nanos() as i64)
    }

    /// Now, as a stamp.
    pub fn now(&self) -> Time {
        stamp(self.now_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_and_its_nanoseconds_are_the_same_time() {
        for n in [
            0,
            1,
            999_999_999,
            1_000_000_000,
            1_700_000_000_123_456_789,
            -1,
        ] {
            assert_eq!(nanos(&stamp(n)), n);
        }
        assert_eq!(stamp(-1).nanosec, 999_999_999);
    }
}
