//! `LookForObject`: whether the wanted object is in view. `LookAgain`: whether it still is, from somewhere else; what is not it
//! then is not looked at any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use behavior_tree::{In, InOut, Io, Leaf, Out, Outcome, Ports, Status, UserValue};
use nalgebra::Point3;

use crate::vision::{Eyes, Look, Sighting};

impl UserValue for Sighting {
    const NAME: &'static str = "Sighting";
}

/// The look that decided, for who reports it.
pub type Found = Arc<Mutex<Option<Look>>>;

/// The time of the node, ns: what frames are stamped with.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every look needs of the node.
#[derive(Clone)]
pub struct Gaze {
    eyes: Eyes,
    now: Now,
    found: Found,
}

impl Gaze {
    pub fn new(eyes: &Eyes, now: Now, found: &Found) -> Self {
        Self {
            eyes: eyes.clone(),
            now,
            found: Found::clone(found),
        }
    }
}

/// Looks at `frames` frames taken from now on. SUCCESS as soon as `hits` of them show the object at one place.
pub struct LookForObject {
    gaze: Gaze,
    frames: In<i32>,
    hits: In<i32>,
    min_confidence: In<f64>,
    timeout: In<f64>,
    object: Out<Arc<Sighting>>,
    /// For `LookAgain`: only what is seen at the place of this counts.
    before: Option<In<Arc<Sighting>>>,
    since: i64,
    deadline: Duration,
    last: u64,
    looked: i32,
    sightings: Vec<Sighting>,
}

impl LookForObject {
    /// `LookForObject`: the object anywhere in view.
    pub fn new(ports: &mut Ports, gaze: Gaze) -> Self {
        let object = ports.output("object", "The sighting, where there was one");
        Self::with(ports, gaze, object, None)
    }

    /// `LookAgain`: the object where it was sighted before.
    pub fn again(ports: &mut Ports, gaze: Gaze) -> Self {
        let object: InOut<Arc<Sighting>> =
            ports.inout("object", "The sighting before; then the new one");
        Self::with(ports, gaze, object.as_out(), Some(object.as_in()))
    }

    fn with(
        ports: &mut Ports,
        gaze: Gaze,
        object: Out<Arc<Sighting>>,
        before: Option<In<Arc<Sighting>>>,
    ) -> Self {
        Self {
            gaze,
            object,
            before,
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
            .filter(|sighting| sighting.is_near(newest))
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
        self.since = (self.gaze.now)();
        self.deadline = io.now() + timeout;
        self.last = 0;
        self.looked = 0;
        self.sightings.clear();
        Ok(Status::Running)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        let hits = io.read(self.hits)?;
        let min_confidence = io.read(self.min_confidence)?;
        let before = self.before.map(|port| io.read(port)).transpose()?;
        for look in self.gaze.eyes.since(self.since, self.last) {
            self.last = look.number;
            self.looked += 1;
            let sure = look.sightings.iter().find(|sighting| {
                f64::from(sighting.confidence) >= min_confidence
                    && match &before {
                        Some(before) => sighting.is_near(before),
                        None => !self.gaze.eyes.memory().is_dismissed(sighting),
                    }
            });
            let Some(sighting) = sure else {
                continue;
            };
            self.sightings.push(sighting.clone());
            if let Some(place) = self.agreed(hits) {
                tracing::info!(
                    object = self.gaze.eyes.target(),
                    x = place.x,
                    y = place.y,
                    confidence = sighting.confidence,
                    "sighted"
                );
                let sighting = Sighting {
                    place,
                    ..sighting.clone()
                };
                io.write(self.object, Arc::new(sighting.clone()))?;
                let decided = Look {
                    sightings: vec![sighting],
                    ..look
                };
                *self
                    .gaze
                    .found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(decided);
                return Ok(Status::Success);
            }
        }
        if self.looked >= io.read(self.frames)? {
            if let Some(before) = before {
                self.gaze.eyes.memory().dismiss(&before);
            }
            return Ok(io.fail(format!("no {} in view", self.gaze.eyes.target())));
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
