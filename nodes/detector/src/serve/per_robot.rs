//! What is kept of each robot, by its key prefix.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::inbox::{MAX_ROBOTS, SILENCE};

/// A `T` for each robot that was heard of lately, [`MAX_ROBOTS`] at most.
#[derive(Default)]
pub struct PerRobot<T> {
    robots: Mutex<HashMap<String, Heard<T>>>,
}

struct Heard<T> {
    kept: T,
    at: Instant,
}

impl<T: Default> PerRobot<T> {
    /// Changes what is kept of a robot, which was heard at `now`. A robot that is new is passed over when there is no
    /// room for it.
    pub fn update(&self, prefix: &str, now: Instant, change: impl FnOnce(&mut T)) {
        self.with(|robots| {
            if let Some(robot) = robots.get_mut(prefix) {
                robot.at = now;
                change(&mut robot.kept);
            } else if robots.len() < MAX_ROBOTS {
                let mut kept = T::default();
                change(&mut kept);
                robots.insert(prefix.to_owned(), Heard { kept, at: now });
            }
        });
    }

    /// What `read` finds in what is kept of a robot.
    pub fn read<R>(&self, prefix: &str, read: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        self.with(|robots| read(&robots.get(prefix)?.kept))
    }

    /// Drops what is kept of a robot.
    pub fn forget(&self, prefix: &str) {
        self.with(|robots| robots.remove(prefix));
    }

    /// Drops what is kept of robots of which nothing was heard for [`SILENCE`] as of `now`.
    pub fn forget_silent(&self, now: Instant) {
        self.with(|robots| {
            robots.retain(|_, robot| now.saturating_duration_since(robot.at) < SILENCE);
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut HashMap<String, Heard<T>>) -> R) -> R {
        // A panic elsewhere leaves what is kept whole.
        work(&mut self.robots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_have_their_own_and_the_silent_are_forgotten() {
        let kept = PerRobot::<u32>::default();
        let start = Instant::now();
        kept.update("a", start, |number| *number += 1);
        kept.update("b", start + SILENCE / 2, |number| *number += 5);
        kept.update("b", start + SILENCE / 2, |number| *number += 5);
        let read = |robot| kept.read(robot, |number| Some(*number));
        assert_eq!((read("a"), read("b"), read("c")), (Some(1), Some(10), None));
        kept.forget_silent(start + SILENCE);
        assert_eq!((read("a"), read("b")), (None, Some(10)));
    }

    #[test]
    fn there_is_room_for_so_many_and_those_stay() {
        let kept = PerRobot::<()>::default();
        let now = Instant::now();
        for robot in 0..=MAX_ROBOTS {
            kept.update(&robot.to_string(), now, |()| {});
        }
        let is_kept = |robot: usize| kept.read(&robot.to_string(), |()| Some(())).is_some();
        assert!(is_kept(0) && is_kept(MAX_ROBOTS - 1) && !is_kept(MAX_ROBOTS));
    }
}
