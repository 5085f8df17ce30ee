//! `LookForObject`: whether the wanted object is in view.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use behavior_tree::{In, Io, Leaf, Outcome, Ports, Status};
use nalgebra::Point3;
use ros_node::time::Clock;

use crate::vision::{Eyes, Look, Sighting};

/// Sightings further apart than this are not of one object, m.
const SAME_OBJECT_M: f64 = 0.6;

/// The look that decided, for who reports it.
pub type Found = Arc<Mutex<Option<Look>>>;

/// Looks at `frames` frames taken from now on. SUCCESS as soon as `hits` of them show the object at one place.
pub struct LookForObject {
    eyes: Eyes,
    clock: Clock,
    found: Found,
    frames: In<i32>,
    hits: In<i32>,
    min_confidence: In<f64>,
    timeout: In<f64>,
    since: i64,
    deadline: Duration,
    last: u64,
    looked: i32,
    sightings: Vec<Sighting>,
}

impl LookForObject {
    pub fn new(ports: &mut Ports, eyes: Eyes, clock: Clock, found: Found) -> Self {
        Self {
            eyes,
            clock,
            found,
            frames: ports.input_or("frames", "6", "How many frames are looked at"),
            hits: ports.input_or("hits", "3", "How many of them must show the object"),
            min_confidence: ports.input_or(
                "min_confidence",
                "0.5",
                "A detection below this does not count, 0 to 1",
            ),
            timeout: ports.input_or("timeout", "10.0", "How long to wait for frames, s"),
            since: 0,
            deadline: Duration::ZERO,
            last: 0,
            looked: 0,
            sightings: Vec::new(),
        }
    }

    /// The place in the middle of the sightings that agree with the newest one, when there are enough.
    fn agreed(&self, hits: i32) -> Option<Point3<f64>> {
        let newest = self.sightings.last()?;
        let near: Vec<_> = self
            .sightings
            .iter()
            .filter(|sighting| (sighting.place - newest.place).norm() < SAME_OBJECT_M)
            .collect();
        let middle = near
            .iter()
            .map(|sighting| sighting.place.coords)
            .sum::<nalgebra::Vector3<f64>>();
        (near.len() >= usize::try_from(hits).unwrap_or(0))
            .then(|| Point3::from(middle / near.len() as f64))
    }
}

impl Leaf for LookForObject {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let timeout = Duration::try_from_secs_f64(io.read(self.timeout)?);
        let Ok(timeout) = timeout else {
            return Ok(io.fail("the port timeout is no span of time"));
        };
        self.since = self.clock.now_nanos();
        self.deadline = io.now() + timeout;
        self.last = 0;
        self.looked = 0;
        self.sightings.clear();
        Ok(Status::Running)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        let hits = io.read(self.hits)?;
        let min_confidence = io.read(self.min_confidence)?;
        for look in self.eyes.since(self.since, self.last) {
            self.last = look.number;
            self.looked += 1;
            let sure = look
                .sighting
                .as_ref()
                .filter(|sighting| f64::from(sighting.confidence) >= min_confidence);
            let Some(sighting) = sure else {
                continue;
            };
            self.sightings.push(sighting.clone());
            if let Some(place) = self.agreed(hits) {
                tracing::info!(
                    object = self.eyes.target(),
                    x = place.x,
                    y = place.y,
                    "found"
                );
                let sighting = Sighting {
                    place,
                    ..sighting.clone()
                };
                let decided = Look {
                    sighting: Some(sighting),
                    ..look
                };
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(decided);
                return Ok(Status::Success);
            }
        }
        if self.looked >= io.read(self.frames)? {
            return Ok(io.fail(format!("no {} in view", self.eyes.target())));
        }
        if io.now() >= self.deadline {
            return Ok(io.fail(format!(
                "only {} frames came in time (is the detector running, and the camera?)",
                self.looked
            )));
        }
        Ok(Status::Running)
    }
}
