//! `SetLocations` and `GetLocationFromQueue`: where to look, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use behavior_tree::{
    In, InOut, Io, Leaf, Out, Outcome, Ports, SharedQueue, Status, UserValue, Value,
};

use behavior_tree::locations::{Locations, Pose2D};

/// The poses of all locations by name.
pub struct Poses(pub HashMap<Arc<str>, Pose2D>);

impl UserValue for Poses {
    const NAME: &'static str = "std::map<std::string, Pose>";
}

/// Puts the locations of the file on the blackboard, in the file's order.
pub struct SetLocations {
    locations: Arc<Locations>,
    num_locs: Out<i32>,
    loc_names: Out<SharedQueue>,
    loc_poses: Out<Arc<Poses>>,
}

impl SetLocations {
    pub fn new(ports: &mut Ports, locations: Arc<Locations>) -> Self {
        Self {
            locations,
            num_locs: ports.output("num_locs", "How many locations there are"),
            loc_names: ports.output("loc_names", "The names of the locations, a queue"),
            loc_poses: ports.output("loc_poses", "The pose of each location by name, in map"),
        }
    }
}

impl Leaf for SetLocations {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let names = self
            .locations
            .iter()
            .map(|(name, _)| Value::Text(Arc::clone(name)));
        io.write(
            self.num_locs,
            i32::try_from(self.locations.len()).unwrap_or(i32::MAX),
        )?;
        io.write(self.loc_names, SharedQueue::new(names))?;
        io.write(
            self.loc_poses,
            Arc::new(Poses(self.locations.iter().cloned().collect())),
        )?;
        Ok(Status::Success)
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

/// Takes the next name off the queue; FAILURE when it is empty.
pub struct GetLocationFromQueue {
    loc_names: InOut<SharedQueue>,
    target_location: Out<String>,
}

impl GetLocationFromQueue {
    pub fn new(ports: &mut Ports) -> Self {
        Self {
            loc_names: ports.inout("loc_names", "The names that are left, a queue"),
            target_location: ports.output("target_location", "The name that was taken"),
        }
    }
}

impl Leaf for GetLocationFromQueue {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let names: In<SharedQueue> = self.loc_names.as_in();
        match io.read(names)?.pop_front() {
            Some(Value::Text(name)) => {
                io.write(self.target_location, name.to_string())?;
                Ok(Status::Success)
            }
            Some(other) => Ok(io.fail(format!(
                "the queue holds {other:?}, which is no name of a location"
            ))),
            None => Ok(io.fail("no location is left")),
        }
    }

    fn is_stateful(&self) -> bool {
        false
    }
}
