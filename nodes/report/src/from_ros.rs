//! ROS messages as what the run is measured by. Nothing that comes from outside is trusted to be finite or complete.

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus};
use r2r::geometry_msgs::msg::Pose;
use r2r::nav_msgs::msg::OccupancyGrid;
use r2r::turtlebot_maze_msgs::msg::{SearchStatus, Verdict as VerdictMsg};
use r2r::unique_identifier_msgs::msg::UUID;
use ros_node::time::nanos;

use crate::goals::{Answer, GoalId, Verdict, hex};
use crate::map::Grid;
use crate::run::{Search, SearchState, Sighting, SimulatorFigures};

// r2r gives a message's constants a type each; these have the type of their field.
const GO: u8 = VerdictMsg::GO as u8;
const NO_GO: u8 = VerdictMsg::NO_GO as u8;
const RUNNING: u8 = SearchStatus::RUNNING as u8;
const SUCCEEDED: u8 = SearchStatus::SUCCEEDED as u8;
const FAILED: u8 = SearchStatus::FAILED as u8;

/// `camera_info` beside an image topic.
pub fn camera_info_topic(image_topic: &str) -> String {
    let folder = image_topic
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    format!("{folder}/camera_info")
}

/// x and y of a pose, m.
pub fn place(pose: &Pose) -> [f64; 2] {
    [pose.position.x, pose.position.y]
}

/// The heading of a pose, rad.
fn yaw(pose: &Pose) -> f64 {
    let q = &pose.orientation;
    (2.0 * (q.w * q.z + q.x * q.y)).atan2(1.0 - 2.0 * (q.y * q.y + q.z * q.z))
}

/// The bytes of a goal's id.
pub fn goal_id(id: &UUID) -> GoalId {
    id.uuid[..].try_into().unwrap_or_default()
}

/// A verdict. An unknown one is read as unsure, which refuses as well.
pub fn verdict(m: VerdictMsg) -> Verdict {
    let [x, y] = place(&m.goal.pose);
    Verdict {
        goal_id: hex(&goal_id(&m.goal_id)),
        goal: [x, y, yaw(&m.goal.pose)].map(|value| Some(value).filter(|value| value.is_finite())),
        verdict: match m.verdict {
            GO => Answer::Go,
            NO_GO => Answer::NoGo,
            _ => Answer::Unsure,
        },
        confidence: f64::from(m.confidence),
        evaluator: m.evaluator,
        reason: m.reason,
        error_code: m.error_code,
        elapsed_s: f64::from(m.elapsed),
    }
}

/// What the tree says; `None` for a state that is not known.
pub fn search(m: SearchStatus) -> Option<Search> {
    let state = match m.state {
        RUNNING => SearchState::Running,
        SUCCEEDED => SearchState::Succeeded,
        FAILED => SearchState::Failed,
        _ => return None,
    };
    let at = [m.object.point.x, m.object.point.y];
    let sound = m.has_object && at.iter().all(|v| v.is_finite());
    let sighting = sound.then(|| Sighting {
        at,
        confidence: m.confidence,
        bbox: m.bbox[..].try_into().unwrap_or_default(),
    });
    Some(Search {
        state,
        class: m.target_class,
        leaf: m.active_node,
        reason: m.reason,
        frame_stamp: nanos(&m.frame_stamp),
        sighting,
    })
}

/// A map; `None` unless it is a sound grid.
pub fn grid(m: OccupancyGrid) -> Option<Grid> {
    let [x, y] = place(&m.info.origin);
    let width = m.info.width as usize;
    let complete = width.checked_mul(m.info.height as usize) == Some(m.data.len());
    complete.then(|| {
        Grid::new(
            f64::from(m.info.resolution),
            width,
            [x, y, yaw(&m.info.origin)],
            m.data,
        )
    })?
}

/// The simulator's figures, where this is its status.
pub fn simulator_figures(m: &DiagnosticArray) -> Option<SimulatorFigures> {
    let status = m
        .status
        .iter()
        .find(|status| value::<u64>(status, "collisions").is_some())?;
    Some(SimulatorFigures {
        collisions: value(status, "collisions"),
        min_clearance_m: value(status, "min_clearance_m").filter(|m: &f64| m.is_finite()),
        frames_rendered: value(status, "frames_rendered"),
        missed_control_periods: value(status, "missed_control_periods"),
    })
}

fn value<T: std::str::FromStr>(status: &DiagnosticStatus, key: &str) -> Option<T> {
    let pair = status.values.iter().find(|pair| pair.key == key)?;
    pair.value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use r2r::diagnostic_msgs::msg::KeyValue;

    #[test]
    fn the_simulators_figures_are_found_among_other_nodes_and_what_is_absent_is_none() {
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let status = |values: Vec<KeyValue>| DiagnosticStatus {
            values,
            ..DiagnosticStatus::default()
        };
        let array = |statuses: Vec<DiagnosticStatus>| DiagnosticArray {
            status: statuses,
            ..DiagnosticArray::default()
        };
        let other = status(vec![pair("held", "3")]);
        assert_eq!(simulator_figures(&array(vec![other.clone()])), None);
        let sim = status(vec![
            pair("collisions", "2"),
            pair("min_clearance_m", "0.12"),
            pair("frames_rendered", "many"),
        ]);
        let expected = SimulatorFigures {
            collisions: Some(2),
            min_clearance_m: Some(0.12),
            ..SimulatorFigures::default()
        };
        assert_eq!(simulator_figures(&array(vec![other, sim])), Some(expected));
    }

    #[test]
    fn hostile_messages_are_read_without_a_panic() {
        let mut goal = VerdictMsg {
            verdict: 200,
            ..VerdictMsg::default()
        };
        goal.goal.pose.position.x = f64::NAN;
        goal.goal_id.uuid = Vec::new();
        let verdict = verdict(goal);
        assert_eq!((verdict.verdict, verdict.goal[0]), (Answer::Unsure, None));

        let mut status = SearchStatus {
            has_object: true,
            state: SUCCEEDED,
            ..SearchStatus::default()
        };
        status.object.point.x = f64::INFINITY;
        assert_eq!(search(status).expect("a known state").sighting, None);

        let mut map = OccupancyGrid::default();
        (map.info.width, map.info.height, map.info.resolution) = (u32::MAX, u32::MAX, 0.05);
        assert_eq!(grid(map), None);
    }

    #[test]
    fn camera_info_stands_beside_its_image() {
        assert_eq!(
            camera_info_topic("/camera/color/image_raw"),
            "/camera/color/camera_info"
        );
        assert_eq!(camera_info_topic("image"), "/camera_info");
    }
}
