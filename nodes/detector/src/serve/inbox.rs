//! Where frames wait for inference: one place a robot, in which the newest frame wins, emptied in turn.
//!
//! Memory is bounded by the number of robots: a robot that sends faster than it is served replaces its own frame and
//! takes nobody's turn. A robot that has left gives its place back.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zenoh::sample::Sample;

/// Longest frame, bytes: 8192x8192 pixels of four bytes. Further ones are dropped and counted.
const MAX_LEN: usize = 256 * 1024 * 1024;
/// Most robots at a time; frames of further ones are dropped and counted.
pub const MAX_ROBOTS: usize = 1024;
/// A robot that sent nothing for so long has left, unless a liveliness token says that its camera is there.
pub const SILENCE: Duration = Duration::from_secs(30);

/// A robot whose token was taken back has left after so long, if nothing comes: with a router that is lost all tokens
/// go, and that may be told after them.
const DEPARTURE: Duration = Duration::from_millis(500);

/// A frame as it came.
pub struct Frame {
    /// The message.
    pub sample: Sample,
    /// When it came.
    pub arrived: Instant,
}

/// A frame whose turn it is.
pub struct Turn {
    /// Place of the robot: its own until [`Inbox::forget_gone`] names it.
    pub robot: usize,
    /// Its newest frame.
    pub frame: Frame,
}

/// A robot whose place is free again.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its place.
    pub robot: usize,
    /// Its key prefix.
    pub prefix: String,
}

/// Counters of one robot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Frames that came.
    pub frames_in: u64,
    /// Frames that a newer one replaced.
    pub superseded: u64,
}

/// Counters of the inbox since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Place, prefix and counters of every robot that is here, and when it last sent a frame.
    pub robots: Vec<(usize, String, Arrivals, Instant)>,
    /// Of all robots, also those that have left.
    pub total: Arrivals,
    /// Frames that still waited when their robot left.
    pub left: u64,
    /// Frames of robots beyond [`MAX_ROBOTS`].
    pub refused: u64,
    /// Frames that are longer than any camera's.
    pub oversized: u64,
}

/// The places of all robots. One thread takes and forgets; any number put.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// `None`: free for the next robot that comes.
    places: Vec<Option<Place>>,
    place_of: HashMap<String, usize>,
    /// Liveliness tokens of cameras, by robot. At most [`MAX_ROBOTS`] robots.
    tokens: HashMap<String, usize>,
    /// The robot that is asked first next time.
    next: usize,
    /// A place is marked as left.
    someone_left: bool,
    /// The tokens that are taken back now are taken back by the router's loss.
    router_is_lost: bool,
    total: Arrivals,
    left: u64,
    refused: u64,
    oversized: u64,
    closed: bool,
}

struct Place {
    prefix: String,
    fresh: Option<Frame>,
    arrivals: Arrivals,
    heard: Instant,
    /// When the last token was taken back, if nothing came since.
    left: Option<Instant>,
}

impl Inbox {
    /// Puts a frame of the robot with this key prefix; it replaces the robot's waiting one. Allocates only for a robot
    /// that is new.
    pub fn put(&self, prefix: &str, frame: Frame) {
        let mut state = self.lock();
        state.total.frames_in += 1;
        if frame.sample.payload().len() > MAX_LEN {
            state.oversized += 1;
            return;
        }
        let place = match state.place_of.get(prefix) {
            Some(place) => *place,
            None if state.place_of.len() < MAX_ROBOTS => state.add(prefix, frame.arrived),
            None => {
                state.refused += 1;
                return;
            }
        };
        let Some(place) = &mut state.places[place] else {
            return;
        };
        place.arrivals.frames_in += 1;
        place.heard = frame.arrived;
        place.left = None;
        let old = place.fresh.replace(frame);
        place.arrivals.superseded += u64::from(old.is_some());
        state.total.superseded += u64::from(old.is_some());
        drop(state);
        // The old frame's memory is given back outside the lock.
        drop(old);
        self.changed.notify_one();
    }

    /// A liveliness token says that the robot's camera is there.
    pub fn token_came(&self, prefix: &str) {
        let mut state = self.lock();
        if let Some(tokens) = state.tokens.get_mut(prefix) {
            *tokens += 1;
        } else if state.tokens.len() < MAX_ROBOTS {
            state.tokens.insert(prefix.to_owned(), 1);
        }
    }

    /// A token was taken back at `now`. With its last one a robot has left.
    pub fn token_went(&self, prefix: &str, now: Instant) {
        let mut state = self.lock();
        let Some(tokens) = state.tokens.get_mut(prefix) else {
            return;
        };
        *tokens -= 1;
        if *tokens > 0 {
            return;
        }
        state.tokens.remove(prefix);
        if state.router_is_lost {
            return;
        }
        let place = state.place_of.get(prefix).copied();
        if let Some(Some(place)) = place.map(|place| &mut state.places[place]) {
            place.left = Some(now);
            state.someone_left = true;
        }
    }

    /// The router was lost: who has left by its token at about that time is still there for all that is known, until it
    /// is silent for [`SILENCE`].
    pub fn router_went(&self, now: Instant) {
        let mut state = self.lock();
        state.router_is_lost = true;
        for place in state.places.iter_mut().flatten() {
            let just_now = |left: Instant| now.saturating_duration_since(left) < DEPARTURE;
            if place.left.is_some_and(just_now) {
                place.left = None;
            }
        }
    }

    /// The router is back.
    pub fn router_came(&self) {
        self.lock().router_is_lost = false;
    }

    /// Whether a robot has said since the last [`Inbox::forget_gone`] that it leaves.
    pub fn someone_left(&self) -> bool {
        self.lock().someone_left
    }

    /// Frees the places of the robots that have left as of `now`; frames of theirs that still waited are counted and
    /// gone with them. To be called by the taker with no turn in hand.
    pub fn forget_gone(&self, now: Instant) -> Vec<Gone> {
        let mut state = self.lock();
        let State {
            places,
            place_of,
            tokens,
            someone_left,
            left: lost,
            ..
        } = &mut *state;
        let mut gone = Vec::new();
        for (robot, place) in places.iter_mut().enumerate() {
            let has_left = |place: &mut Place| {
                let silent = now.saturating_duration_since(place.heard) >= SILENCE;
                let left = |at: Instant| now.saturating_duration_since(at) >= DEPARTURE;
                place.left.is_some_and(left) || silent && !tokens.contains_key(&place.prefix)
            };
            if let Some(Place { prefix, fresh, .. }) = place.take_if(has_left) {
                *lost += u64::from(fresh.is_some());
                place_of.remove(&prefix);
                gone.push(Gone { robot, prefix });
            }
        }
        *someone_left = places.iter().flatten().any(|place| place.left.is_some());
        gone
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

    /// The counters as of now.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let of_robot = |(robot, place): (usize, &Option<Place>)| {
            let place = place.as_ref()?;
            Some((robot, place.prefix.clone(), place.arrivals, place.heard))
        };
        Counts {
            robots: state
                .places
                .iter()
                .enumerate()
                .filter_map(of_robot)
                .collect(),
            total: state.total,
            left: state.left,
            refused: state.refused,
            oversized: state.oversized,
        }
    }

    /// The prefix of the robot in this place.
    pub fn prefix(&self, robot: usize) -> String {
        let state = self.lock();
        let place = state.places.get(robot).and_then(Option::as_ref);
        place.map(|place| place.prefix.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves counters and places whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, prefix: &str, now: Instant) -> usize {
        let place = Some(Place {
            prefix: prefix.to_owned(),
            fresh: None,
            arrivals: Arrivals::default(),
            heard: now,
            left: None,
        });
        let index = match self.places.iter().position(Option::is_none) {
            Some(free) => {
                self.places[free] = place;
                free
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        self.place_of.insert(prefix.to_owned(), index);
        index
    }

    fn take_turns(&mut self, max: usize, turns: &mut Vec<Turn>) {
        for _ in 0..self.places.len() {
            if turns.len() == max {
                break;
            }
            let robot = self.next;
            self.next = (robot + 1) % self.places.len();
            let place = self.places[robot].as_mut();
            if let Some(frame) = place.and_then(|place| place.fresh.take()) {
                turns.push(Turn { robot, frame });
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
            inbox.counts().robots[0].2,
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

    #[test]
    fn a_silent_robot_gives_its_place_to_the_next() {
        let inbox = Inbox::default();
        let now = Instant::now();
        for (robot, later) in [("a", 0), ("b", 10)] {
            let arrived = now + Duration::from_secs(later);
            inbox.put(
                robot,
                Frame {
                    arrived,
                    ..frame(1)
                },
            );
        }
        assert_eq!(inbox.forget_gone(now + SILENCE / 2), []);
        let gone = |robot, prefix: &str| Gone {
            robot,
            prefix: prefix.to_owned(),
        };
        assert_eq!(inbox.forget_gone(now + SILENCE), [gone(0, "a")]);
        assert_eq!(inbox.forget_gone(now + SILENCE), []);
        inbox.put("c", frame(3));
        assert_eq!(taken(&inbox, 10), [named("c", 3), named("b", 1)]);
        // What was counted of one that left stays in the sum, and what still waited is told.
        let counts = inbox.counts();
        assert_eq!((counts.total.frames_in, counts.left), (3, 1));
    }

    #[test]
    fn a_robot_with_a_token_may_be_silent_and_leaves_with_its_last() {
        let inbox = Inbox::default();
        inbox.token_came("a");
        inbox.token_came("a");
        inbox.put("a", frame(1));
        let later = Instant::now() + 10 * SILENCE;
        assert_eq!(inbox.forget_gone(later), []);
        let now = Instant::now();
        inbox.token_went("a", now);
        assert_eq!(inbox.forget_gone(later), []);
        inbox.token_went("a", now);
        // Taken back once more than given, as no peer should.
        inbox.token_went("a", now);
        assert_eq!(inbox.forget_gone(now), []);
        assert_eq!(inbox.forget_gone(now + DEPARTURE).len(), 1);
        assert_eq!(inbox.counts().robots, []);
    }

    #[test]
    fn robots_whose_tokens_go_with_the_router_stay() {
        let inbox = Inbox::default();
        for robot in ["a", "b"] {
            inbox.token_came(robot);
            inbox.put(robot, frame(1));
        }
        let now = Instant::now();
        // Before the loss is told, and after.
        inbox.token_went("a", now);
        inbox.router_went(now);
        inbox.token_went("b", now);
        assert_eq!(inbox.forget_gone(now + DEPARTURE), []);
        inbox.router_came();
        inbox.token_came("a");
        // One that has gone meanwhile has no token any more.
        let gone = inbox.forget_gone(now + 2 * SILENCE);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].prefix, "b");
    }

    #[test]
    fn any_number_of_robots_may_come_one_after_the_other() {
        let inbox = Inbox::default();
        let mut now = Instant::now();
        for robot in 0..3 * MAX_ROBOTS {
            now += 2 * SILENCE / MAX_ROBOTS as u32;
            let frame = Frame {
                arrived: now,
                ..frame(0)
            };
            inbox.put(&format!("r{robot}"), frame);
            inbox.forget_gone(now);
        }
        let state = inbox.lock();
        assert!(state.places.len() <= MAX_ROBOTS && state.place_of.len() <= MAX_ROBOTS);
        assert_eq!(
            (state.refused, state.total.frames_in),
            (0, 3 * MAX_ROBOTS as u64)
        );
    }
}
