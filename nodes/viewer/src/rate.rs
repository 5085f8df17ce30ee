//! How often something is shown at most.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Names that are told apart; beyond, they share a place.
const MAX_NAMES: usize = 256;

/// Lets one of a stream of events pass a period, in wall time and, where the events carry stamps, in theirs too.
#[derive(Debug)]
pub struct RateLimit {
    period: Duration,
    last: HashMap<String, (Instant, i64)>,
}

impl RateLimit {
    /// One event of each name a `period`.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            last: HashMap::new(),
        }
    }

    /// Whether the event of this name, with this stamp (ns), may pass at `now`. The first of a name always may.
    pub fn admits(&mut self, name: &str, stamp: i64, now: Instant) -> bool {
        let name = if self.last.len() < MAX_NAMES || self.last.contains_key(name) {
            name
        } else {
            ""
        };
        if let Some((last, last_stamp)) = self.last.get_mut(name) {
            let stamp_period = i64::try_from(self.period.as_nanos()).unwrap_or(i64::MAX);
            // A stamp that runs backwards is a simulator that began anew.
            let soon =
                (0..stamp_period - stamp_period / 100).contains(&stamp.saturating_sub(*last_stamp));
            if now.saturating_duration_since(*last) < self.period || soon {
                return false;
            }
            (*last, *last_stamp) = (now, stamp);
        } else {
            self.last.insert(name.to_owned(), (now, stamp));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_a_period_passes_in_wall_time_and_by_stamp() {
        let t = Instant::now();
        let mut limit = RateLimit::new(100 * MS);
        let passed = |limit: &mut RateLimit, stamp_step: i64, wall_step: u32| {
            (1..=100)
                .filter(|i| limit.admits("a", i64::from(*i) * stamp_step, t + wall_step * *i * MS))
                .count()
        };
        // 100 events in 1 s of wall time and 10 s by stamp: 10 pass. Then the same the other way round.
        assert_eq!(passed(&mut limit, 100_000_000, 10), 10);
        let mut limit = RateLimit::new(100 * MS);
        assert_eq!(passed(&mut limit, 10_000_000, 100), 10);
    }

    #[test]
    fn names_do_not_hold_each_other_up_and_time_may_begin_anew() {
        let t = Instant::now();
        let mut limit = RateLimit::new(100 * MS);
        assert!(limit.admits("a", 50_000_000_000, t) && limit.admits("b", 0, t));
        assert!(!limit.admits("a", 50_010_000_000, t + 200 * MS));
        assert!(limit.admits("a", 0, t + 200 * MS));
    }
}
