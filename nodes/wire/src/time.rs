//! ROS time, as it stands in a message header.

use serde::{Deserialize, Serialize};

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A moment as `builtin_interfaces/Time` writes it: seconds since the clock's epoch and nanoseconds into the second.
/// Ordered by time.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp {
    /// Whole seconds; negative before the epoch.
    pub sec: i32,
    /// Nanoseconds into the second, 0 to 999 999 999.
    pub nanosec: u32,
}

impl Stamp {
    /// The stamp of a number of nanoseconds since the epoch; saturates at what a ROS stamp can hold.
    pub fn from_nanos(nanos: i64) -> Self {
        let sec = nanos.div_euclid(NANOS_PER_SEC);
        match i32::try_from(sec) {
            Ok(sec) => Self {
                sec,
                nanosec: nanos.rem_euclid(NANOS_PER_SEC) as u32,
            },
            Err(_) if nanos < 0 => Self {
                sec: i32::MIN,
                nanosec: 0,
            },
            Err(_) => Self {
                sec: i32::MAX,
                nanosec: 999_999_999,
            },
        }
    }

    /// The stamp of a time in seconds; `None` unless it is finite and within a ROS stamp's range.
    pub fn from_secs_f64(secs: f64) -> Option<Self> {
        let in_range = (f64::from(i32::MIN)..f64::from(i32::MAX)).contains(&secs);
        in_range.then(|| Self::from_nanos((secs * 1e9).round() as i64))
    }

    /// Nanoseconds since the epoch.
    pub fn as_nanos(self) -> i64 {
        i64::from(self.sec) * NANOS_PER_SEC + i64::from(self.nanosec)
    }

    /// Seconds since the epoch. Rounds to about 0.2 µs for today's wall-clock times.
    pub fn as_secs_f64(self) -> f64 {
        f64::from(self.sec) + f64::from(self.nanosec) * 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_a_round_trip_on_both_sides_of_the_epoch() {
        for nanos in [
            0,
            1,
            999_999_999,
            1_000_000_000,
            -1,
            -1_500_000_000,
            1_764_000_000_123_456_789,
        ] {
            assert_eq!(Stamp::from_nanos(nanos).as_nanos(), nanos);
        }
        assert_eq!(
            Stamp::from_nanos(-1),
            Stamp {
                sec: -1,
                nanosec: 999_999_999
            }
        );
    }

    #[test]
    fn seconds_out_of_range_are_no_stamp() {
        assert_eq!(
            Stamp::from_secs_f64(1.5),
            Some(Stamp {
                sec: 1,
                nanosec: 500_000_000
            })
        );
        for secs in [f64::NAN, f64::INFINITY, 1e12, -1e12] {
            assert_eq!(Stamp::from_secs_f64(secs), None);
        }
    }
}
