//! Where frames wait for inference: one place a robot, in which the newest frame wins, emptied in turn.
//!
//! Memory is bounded by the number of robots: a robot that sends faster than it is served replaces its own frame and
//! takes nobody's turn.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use zenoh::sample::Sample;

/// Most robots at a time; frames of further ones are dropped and counted.
pub const MAX_ROBOTS: usize = 1024;

/// A frame as it came.
pub struct Frame {
    /// The message.
    pub sample: Sample,
    /// When it came.
    pub arrived: Instant,
}

/// A frame whose turn it is.
pub struct Turn {
    /// Index of the robot, constant while the process lives.
    pub robot: usize,
    /// Its newest frame.
    pub frame: Frame,
}

/// Counters of one robot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Frames that came.
    pub frames_in: u64,
    /// Frames that a newer one replaced.
    pub superseded: u64,
}

/// The places of all robots. One thread takes; any number put.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    robots: Vec<Place>,
    index_of: HashMap<String, usize>,
    /// The robot that is asked first next time.
    next: usize,
    refused: u64,
    closed: bool,
}

struct Place {
    prefix: String,
    fresh: Option<Frame>,
    arrivals: Arrivals,
}

impl Inbox {
    /// Puts a frame of the robot with this key prefix; it replaces the robot's waiting one. Allocates only for a robot
    /// that is new.
    pub fn put(&self, prefix: &str, frame: Frame) {
        let mut state = self.lock();
        let index = match state.index_of.get(prefix) {
            Some(index) => *index,
            None if state.robots.len() < MAX_ROBOTS => state.add(prefix),
            None => {
                state.refused += 1;
                return;
            }
        };
        let place = &mut state.robots[index];
        place.arrivals.frames_in += 1;
        let old = place.fresh.replace(frame);
        place.arrivals.superseded += u64::from(old.is_some());
        drop(state);
        // The old frame's memory is given back outside the lock.
        drop(old);
        self.changed.notify_one();
    }

    /// Waits until a frame is there or `deadline` has passed, then takes at most `max` frames, in turn over the
    /// robots, into `turns`. `false` once the inbox is closed.
    pub fn take(&self, max: usize, deadline: Instant, turns: &mut Vec<Turn>) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            state.take_turns(max, turns);
            let left = deadline.saturating_duration_since(Instant::now());
            if !turns.is_empty() || left.is_zero() {
                return true;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends the taker's loop.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Prefix and counters of every robot, by index.
    pub fn arrivals(&self) -> Vec<(String, Arrivals)> {
        self.lock()
            .robots
            .iter()
            .map(|place| (place.prefix.clone(), place.arrivals))
            .collect()
    }

    /// Frames of robots beyond [`MAX_ROBOTS`].
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// The prefix of the robot with this index.
    pub fn prefix(&self, robot: usize) -> String {
        self.lock()
            .robots
            .get(robot)
            .map(|place| place.prefix.clone())
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves counters and places whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, prefix: &str) -> usize {
        let index = self.robots.len();
        self.robots.push(Place {
            prefix: prefix.to_owned(),
            fresh: None,
            arrivals: Arrivals::default(),
        });
        self.index_of.insert(prefix.to_owned(), index);
        index
    }

    fn take_turns(&mut self, max: usize, turns: &mut Vec<Turn>) {
        for _ in 0..self.robots.len() {
            if turns.len() == max {
                break;
            }
            let robot = self.next;
            self.next = (robot + 1) % self.robots.len();
            if let Some(frame) = self.robots[robot].fresh.take() {
                turns.push(Turn { robot, frame });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zenoh::key_expr::KeyExpr;
    use zenoh::sample::SampleBuilder;

    use super::*;

    fn frame(number: u8) -> Frame {
        let key = KeyExpr::try_from("camera").unwrap();
        Frame {
            sample: SampleBuilder::put(key, vec![number]).into(),
            arrived: Instant::now(),
        }
    }

    fn taken(inbox: &Inbox, max: usize) -> Vec<(String, u8)> {
        let mut turns = Vec::new();
        assert!(inbox.take(max, Instant::now(), &mut turns));
        turns
            .iter()
            .map(|turn| {
                (
                    inbox.prefix(turn.robot),
                    turn.frame.sample.payload().to_bytes()[0],
                )
            })
            .collect()
    }

    fn named(prefix: &str, number: u8) -> (String, u8) {
        (prefix.to_owned(), number)
    }

    #[test]
    fn the_newest_frame_of_each_robot_wins() {
        let inbox = Inbox::default();
        for number in 1..=5 {
            inbox.put("a", frame(number));
        }
        inbox.put("b", frame(9));
        assert_eq!(taken(&inbox, 10), [named("a", 5), named("b", 9)]);
        assert_eq!(taken(&inbox, 10), []);
        assert_eq!(
            inbox.arrivals()[0].1,
            Arrivals {
                frames_in: 5,
                superseded: 4
            }
        );
    }

    #[test]
    fn a_robot_that_floods_takes_nobodys_turn() {
        let inbox = Inbox::default();
        for robot in ["a", "b", "c"] {
            inbox.put(robot, frame(0));
        }
        let mut served = Vec::new();
        for _ in 0..9 {
            for robot in ["a", "b", "c"] {
                inbox.put(robot, frame(0));
            }
            for _ in 0..10 {
                inbox.put("b", frame(1));
            }
            served.extend(taken(&inbox, 1).into_iter().map(|(robot, _)| robot));
        }
        assert_eq!(served.concat(), "abcabcabc");
    }

    #[test]
    fn a_closed_inbox_ends_the_wait() {
        let inbox = Inbox::default();
        std::thread::scope(|scope| {
            let waiting = scope
                .spawn(|| inbox.take(1, Instant::now() + Duration::from_secs(60), &mut Vec::new()));
            inbox.close();
            assert!(!waiting.join().unwrap());
        });
    }
}
