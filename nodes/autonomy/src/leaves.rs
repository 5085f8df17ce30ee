//! The leaves that trees of the published turtlebot-maze use, with their ports: `SetLocations`, `GetLocationFromQueue`,
//! `GoToPose`, `LookForObject`. And three to make sure: `GoToViewpoint`, `LookAgain`, `RecallSighting`.
//!
//! Unlike there, a halt cancels the goal, a refused or lost goal fails, and nothing waits for ever.

mod drive;
mod go_to_pose;
mod go_to_viewpoint;
mod locations;
mod look_for_object;
mod recall_sighting;

use behavior_tree::{Factory, RegisterError};

use crate::navigation::Navigator;
use crate::vision::Eyes;
use behavior_tree::locations::Locations;

use look_for_object::{Gaze, LookForObject};

pub use look_for_object::Found;

/// Registers all leaves.
///
/// # Errors
/// When one of their names is taken.
pub fn register(
    factory: &mut Factory,
    locations: Locations,
    navigator: &Navigator,
    eyes: &Eyes,
    clock: &ros_node::time::Clock,
    found: &Found,
) -> Result<(), RegisterError> {
    let locations = std::sync::Arc::new(locations);
    factory.register_action("SetLocations", move |ports| {
        locations::SetLocations::new(ports, std::sync::Arc::clone(&locations))
    })?;
    factory.register_action("GetLocationFromQueue", locations::GetLocationFromQueue::new)?;
    let drives = navigator.clone();
    factory.register_action("GoToPose", move |ports| {
        go_to_pose::GoToPose::new(ports, drives.clone())
    })?;
    let drives = navigator.clone();
    factory.register_action("GoToViewpoint", move |ports| {
        go_to_viewpoint::GoToViewpoint::new(ports, drives.clone())
    })?;
    let recalls = eyes.clone();
    factory.register_action("RecallSighting", move |ports| {
        recall_sighting::RecallSighting::new(ports, recalls.clone())
    })?;
    let gaze = Gaze::new(eyes, clock, found);
    let first = gaze.clone();
    factory.register_action("LookForObject", move |ports| {
        LookForObject::new(ports, first.clone())
    })?;
    factory.register_action("LookAgain", move |ports| {
        LookForObject::again(ports, gaze.clone())
    })
}
