//! The figures on `tb/detector/status`.

use std::time::{Duration, Instant};

use wire::{DetectorStatus, Percentiles, RobotStatus};

use super::inbox::{Arrivals, Counts, Inbox};
use crate::pipeline::Times;

/// Samples that percentiles are taken over.
const WINDOW: usize = 1024;

/// Why a frame was not inferred. Reasons that count frames before they are looked at are the inbox's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// No message of the expected type, or one that claims more than it has.
    Malformed,
    /// An encoding that is not supported.
    Encoding,
    /// A compressed picture that cannot be decoded.
    Undecodable,
    /// A size that cannot be inferred.
    Size,
    /// ONNX Runtime failed.
    Inference,
    /// Zenoh refused the answer.
    Unanswered,
    /// The robot has not moved, and key frames were asked for.
    NoKeyFrame,
}

impl Dropped {
    const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Encoding,
        Self::Undecodable,
        Self::Size,
        Self::Inference,
        Self::Unanswered,
        Self::NoKeyFrame,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Encoding => "encoding",
            Self::Undecodable => "undecodable",
            Self::Size => "size",
            Self::Inference => "inference",
            Self::Unanswered => "unanswered",
            Self::NoKeyFrame => "no_key_frame",
        }
    }
}

/// Counters and times since the start. Adding to them allocates nothing, but for a robot that is new.
pub struct Figures {
    started: Instant,
    dropped: [u64; Dropped::ALL.len()],
    latency: Window,
    age: Window,
    preprocess: Window,
    inference: Window,
    postprocess: Window,
    inferred: u64,
    robots_left: u64,
    /// Inferred and dropped, by the robot's place.
    robots: Vec<(u64, u64)>,
}

impl Figures {
    /// All zero.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            dropped: [0; Dropped::ALL.len()],
            latency: Window::new(),
            age: Window::new(),
            preprocess: Window::new(),
            inference: Window::new(),
            postprocess: Window::new(),
            inferred: 0,
            robots_left: 0,
            robots: Vec::new(),
        }
    }

    /// The robot in this place has left.
    pub fn forget(&mut self, robot: usize) {
        *self.robot(robot) = (0, 0);
        self.robots_left += 1;
    }

    /// A frame of `robot` was not inferred.
    pub fn dropped(&mut self, robot: usize, reason: Dropped) {
        self.dropped[reason as usize] += 1;
        self.robot(robot).1 += 1;
    }

    /// Frames that were answered, of all robots.
    pub fn inferred(&self) -> u64 {
        self.inferred
    }

    /// A frame of `robot` was answered: its age when inference started, and the time from its arrival to the answer.
    pub fn answered(&mut self, robot: usize, age: Duration, latency: Duration, times: Times) {
        self.age.add(age);
        self.latency.add(latency);
        self.preprocess.add(times.preprocess);
        self.inference.add(times.inference);
        self.postprocess.add(times.postprocess);
        self.robot(robot).0 += 1;
        self.inferred += 1;
    }

    /// The figures as of now.
    pub fn status(&self, inbox: &Inbox) -> DetectorStatus {
        let Counts {
            robots,
            total,
            left,
            refused,
            oversized,
        } = inbox.counts();
        let reasons = Dropped::ALL.map(|reason| (reason.name(), self.dropped[reason as usize]));
        let counted = reasons.into_iter().chain([
            ("superseded", total.superseded),
            ("robot_left", left),
            ("too_many_robots", refused),
            ("oversized", oversized),
        ]);
        let now = Instant::now();
        let of_robot = |(robot, prefix, arrivals, heard): (usize, String, Arrivals, Instant)| {
            let (frames_inferred, dropped) = self.robots.get(robot).copied().unwrap_or_default();
            let status = RobotStatus {
                frames_in: arrivals.frames_in,
                frames_inferred,
                frames_dropped: dropped + arrivals.superseded,
                silent_s: now.saturating_duration_since(heard).as_secs_f64(),
            };
            (prefix, status)
        };
        DetectorStatus {
            uptime_s: self.started.elapsed().as_secs_f64(),
            frames_in: total.frames_in,
            frames_inferred: self.inferred,
            frames_dropped: counted
                .filter(|(_, n)| *n > 0)
                .map(|(reason, n)| (reason.to_owned(), n))
                .collect(),
            robots_left: self.robots_left,
            latency_ms: self.latency.percentiles(),
            age_ms: self.age.percentiles(),
            preprocess_ms: self.preprocess.percentiles(),
            inference_ms: self.inference.percentiles(),
            postprocess_ms: self.postprocess.percentiles(),
            robots: robots.into_iter().map(of_robot).collect(),
            ..DetectorStatus::default()
        }
    }

    fn robot(&mut self, robot: usize) -> &mut (u64, u64) {
        if self.robots.len() <= robot {
            self.robots.resize(robot + 1, (0, 0));
        }
        &mut self.robots[robot]
    }
}

/// The last times, in ms.
struct Window {
    samples: Vec<f64>,
    next: usize,
}

impl Window {
    fn new() -> Self {
        Self {
            samples: Vec::with_capacity(WINDOW),
            next: 0,
        }
    }

    fn add(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1e3;
        if self.samples.len() < WINDOW {
            self.samples.push(ms);
        } else {
            self.samples[self.next] = ms;
            self.next = (self.next + 1) % WINDOW;
        }
    }

    fn percentiles(&self) -> Percentiles {
        Percentiles::of(&mut self.samples.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn times_are_over_the_last_samples_only() {
        let mut window = Window::new();
        for ms in 0..5000 {
            window.add(Duration::from_millis(ms));
        }
        let percentiles = window.percentiles();
        assert_eq!(percentiles.count, WINDOW as u64);
        assert!((percentiles.p50 - 4487.0).abs() <= 1.0, "{percentiles:?}");
    }

    #[test]
    fn drops_are_told_by_reason() {
        let mut figures = Figures::new();
        figures.dropped(3, Dropped::Encoding);
        figures.dropped(3, Dropped::Encoding);
        let status = figures.status(&Inbox::default());
        assert_eq!(
            status.frames_dropped,
            BTreeMap::from([("encoding".to_owned(), 2)])
        );
    }
}
