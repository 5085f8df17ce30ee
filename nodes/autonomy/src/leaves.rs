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

pub use look_for_object::{Found, Now};

/// Registers all leaves.
///
/// # Errors
/// When one of their names is taken.
pub fn register(
    factory: &mut Factory,
    locations: Locations,
    navigator: &Navigator,
    eyes: &Eyes,
    now: Now,
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
    let gaze = Gaze::new(eyes, now, found);
    let first = gaze.clone();
    factory.register_action("LookForObject", move |ports| {
        LookForObject::new(ports, first.clone())
    })?;
    factory.register_action("LookAgain", move |ports| {
        LookForObject::again(ports, gaze.clone())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;

    /// Each node of a `TreeNodesModel` with its ports, as text.
    fn models(xml: &str) -> BTreeSet<String> {
        let mut models = BTreeSet::new();
        let mut model = String::new();
        for line in xml.lines().map(str::trim) {
            let is_end =
                ["</Action>", "</Condition>", "</Control>", "</Decorator>"].contains(&line);
            if line.contains(" ID=\"") {
                model.clear();
            }
            model += line;
            model.push('\n');
            if is_end {
                models.insert(std::mem::take(&mut model));
            }
        }
        models
    }

    #[test]
    fn the_model_in_behaviors_says_what_is_registered() {
        let mut factory = Factory::new();
        let built_in = models(&factory.nodes_xml());
        let (navigator, eyes) = (Navigator::unconnected(), Eyes::shut("cup"));
        let now: Now = Arc::new(|| 0);
        register(
            &mut factory,
            Locations::default(),
            &navigator,
            &eyes,
            now,
            &Found::default(),
        )
        .unwrap();
        let registered = &models(&factory.nodes_xml()) - &built_in;
        let written = models(include_str!("../../../behaviors/nodes.xml"));
        assert_eq!(registered, written);
        assert!(registered.len() >= 7);
    }
}
