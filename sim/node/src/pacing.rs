//! Whom the simulator waits for with `--speed 0`, and how simulated time follows the wall clock otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Nobody is waited for longer than this for one instant, wall time.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Who was missed so many times in a row is not waited for until heard again.
const MISSES: u32 = 3;

/// Somebody who tells up to which simulated time all is done.
#[derive(Debug)]
struct Peer {
    /// Done up to here, ns.
    done: i64,
    /// Waited for in vain, since last heard.
    missed: u32,
    /// How often it may be missed.
    allowed: u32,
}

/// Everybody who is waited for.
#[derive(Debug, Default)]
pub struct Peers {
    peers: BTreeMap<String, Peer>,
}

impl Peers {
    /// Waits for `name` before it was ever heard, up to `allowed` times.
    pub fn expect(&mut self, name: &str, allowed: u32) {
        let peer = Peer {
            done: i64::MIN,
            missed: 0,
            allowed,
        };
        self.peers.insert(name.to_owned(), peer);
    }

    /// `name` has done everything up to `stamp` (ns).
    pub fn heard(&mut self, name: &str, stamp: i64) {
        match self.peers.get_mut(name) {
            Some(peer) => {
                peer.done = stamp;
                peer.missed = 0;
                peer.allowed = peer.allowed.max(MISSES);
            }
            None => {
                tracing::info!(name, "is waited for from now on");
                self.expect(name, MISSES);
                self.heard(name, stamp);
            }
        }
    }

    /// Whether `name` is there and has been heard, not only expected.
    pub fn has_heard(&self, name: &str) -> bool {
        self.peers
            .get(name)
            .is_some_and(|peer| peer.done != i64::MIN)
    }

    /// Whether `name` is waited for and has not done `stamp` yet.
    pub fn owes(&self, name: &str, stamp: i64) -> bool {
        self.peers.get(name).is_some_and(|peer| peer.done < stamp)
    }

    /// `name` was waited for in vain.
    pub fn miss(&mut self, name: &str) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.missed += 1;
        if peer.missed >= peer.allowed {
            tracing::warn!(name, "does not answer and is not waited for until it does");
            self.peers.remove(name);
        }
    }
}

/// Keeps simulated time at a multiple of wall time.
#[derive(Debug)]
pub struct WallPace {
    factor: f64,
    wall_start: Instant,
    simulated_start: Duration,
}

/// Farther behind than this the lost time is given up, not caught up with.
const CATCH_UP: Duration = Duration::from_millis(200);

impl WallPace {
    /// `factor` simulated seconds per second from now on.
    pub fn new(factor: f64, simulated: Duration, now: Instant) -> Self {
        Self {
            factor,
            wall_start: now,
            simulated_start: simulated,
        }
    }

    /// When simulated time may reach `simulated`.
    pub fn due(&mut self, simulated: Duration, now: Instant) -> Instant {
        let since = simulated.saturating_sub(self.simulated_start);
        let due = self.wall_start + since.div_f64(self.factor);
        if due + CATCH_UP < now {
            *self = Self::new(self.factor, simulated, now);
            return now;
        }
        due
    }
}

/// Simulated time per wall time, over the last seconds.
#[derive(Debug)]
pub struct RealTimeFactor {
    since: (Instant, Duration),
    value: Option<f64>,
}

/// Time over which the factor is measured.
const WINDOW: Duration = Duration::from_secs(2);

impl RealTimeFactor {
    /// Measures from now on.
    pub fn new(now: Instant, simulated: Duration) -> Self {
        Self {
            since: (now, simulated),
            value: None,
        }
    }

    /// The factor of the last full window; `None` in the first.
    pub fn at(&mut self, now: Instant, simulated: Duration) -> Option<f64> {
        let wall = now.saturating_duration_since(self.since.0);
        if wall >= WINDOW {
            let passed = simulated.saturating_sub(self.since.1);
            self.value = Some(passed.as_secs_f64() / wall.as_secs_f64());
            self.since = (now, simulated);
        }
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_heard_is_waited_for() {
        let mut peers = Peers::default();
        assert!(!peers.owes("navigation", 50));
        peers.heard("navigation", 50);
        assert!(!peers.owes("navigation", 50));
        assert!(peers.owes("navigation", 100));
    }

    #[test]
    fn who_is_gone_is_waited_for_no_more_until_it_is_back() {
        let mut peers = Peers::default();
        peers.heard("navigation", 50);
        for _ in 0..MISSES {
            assert!(peers.owes("navigation", 100));
            peers.miss("navigation");
        }
        assert!(!peers.owes("navigation", 100));
        peers.heard("navigation", 200);
        assert!(peers.owes("navigation", 250));
    }

    #[test]
    fn an_answer_makes_up_for_misses() {
        let mut peers = Peers::default();
        peers.expect("detector", 5);
        assert!(peers.owes("detector", 1) && !peers.has_heard("detector"));
        for _ in 0..4 {
            peers.miss("detector");
        }
        peers.heard("detector", 1);
        assert!(peers.has_heard("detector"));
        for _ in 0..4 {
            peers.miss("detector");
        }
        assert!(peers.owes("detector", 2));
    }

    #[test]
    fn wall_time_sets_the_pace_and_a_long_pause_is_not_caught_up() {
        let start = Instant::now();
        let mut pace = WallPace::new(2.0, Duration::from_secs(10), start);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.due(Duration::from_secs(11), start), at(500));
        // A little late: the schedule stays.
        assert_eq!(pace.due(Duration::from_secs(11), at(600)), at(500));
        // Far behind: the schedule begins anew.
        assert_eq!(pace.due(Duration::from_secs(12), at(5000)), at(5000));
        assert_eq!(pace.due(Duration::from_secs(13), at(5000)), at(5500));
    }

    #[test]
    fn the_real_time_factor_is_measured() {
        let start = Instant::now();
        let mut factor = RealTimeFactor::new(start, Duration::ZERO);
        assert_eq!(factor.at(start, Duration::ZERO), None);
        let later = start + Duration::from_secs(4);
        assert_eq!(factor.at(later, Duration::from_secs(2)), Some(0.5));
    }
}
