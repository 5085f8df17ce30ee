//! `RecallSighting`: what may be the object, of all that was seen on the way.

use std::sync::Arc;

use behavior_tree::{Io, Leaf, Out, Outcome, Ports, Status};

use crate::vision::{Eyes, Sighting};

/// Gives the likeliest of the things that were sighted, however faintly, and that no `LookAgain` has looked at in vain. FAILURE
/// when there is none.
pub struct RecallSighting {
    eyes: Eyes,
    object: Out<Arc<Sighting>>,
}

impl RecallSighting {
    pub fn new(ports: &mut Ports, eyes: Eyes) -> Self {
        Self {
            eyes,
            object: ports.output("object", "The sighting"),
        }
    }
}

impl Leaf for RecallSighting {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let likeliest = self.eyes.memory().likeliest().cloned();
        let Some(sighting) = likeliest else {
            return Ok(io.fail(format!(
                "nothing else was seen that may be a {}",
                self.eyes.target()
            )));
        };
        tracing::info!(
            object = self.eyes.target(),
            x = sighting.place.x,
            y = sighting.place.y,
            confidence = sighting.confidence,
            "recalled"
        );
        io.write(self.object, Arc::new(sighting))?;
        Ok(Status::Success)
    }

    fn is_stateful(&self) -> bool {
        false
    }
}
