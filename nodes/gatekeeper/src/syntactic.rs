//! The first evaluator: is the goal well-formed at all? Nothing here looks at the map.
//!
//! It stops the goals that crash Nav2's planner (numbers that are not finite), make it turn for ever (tilted or
//! broken orientations), or let it drive on old orders (stale stamps).

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};

use crate::goal::MapPose;
use crate::refusal::Refusal;

/// A quaternion's norm may be this far from 1: enough for rounded literals, not for a forgotten field.
const NORM_TOLERANCE: f64 = 0.1;
/// Largest angle between the goal's z axis and the map's, rad.
const MAX_TILT: f64 = 0.087;
/// Largest height above or below the map's plane, m.
const MAX_HEIGHT: f64 = 0.25;
/// How far a stamp may lie in the future, for clocks of two machines, s.
const MAX_AHEAD: f64 = 0.5;

/// A goal as its client sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawGoal {
    /// `header.frame_id`
    pub frame: String,
    /// `header.stamp` in ns; 0: the latest
    pub stamp_nanos: i64,
    /// x, y, z in m
    pub position: [f64; 3],
    /// x, y, z, w
    pub orientation: [f64; 4],
    /// Tree file for the navigation server; empty: its default.
    pub behavior_tree: String,
}

/// What is asked of every goal.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The frame that plans are made in.
    pub map_frame: String,
    /// Oldest stamp that is taken for the present, s.
    pub max_goal_age: f64,
    /// Values of `behavior_tree` that are passed on beside the empty one.
    pub allowed_behavior_trees: Vec<String>,
}

/// Checks everything that needs no transform, and gives the pose in the goal's own frame.
///
/// # Errors
/// The first rule that the goal breaks.
pub fn check(goal: &RawGoal, rules: &Rules, now_nanos: i64) -> Result<Isometry3<f64>, Refusal> {
    let fields = [
        "pose.position.x",
        "pose.position.y",
        "pose.position.z",
        "pose.orientation.x",
        "pose.orientation.y",
        "pose.orientation.z",
        "pose.orientation.w",
    ];
    let values = goal.position.iter().chain(&goal.orientation);
    for (field, &value) in fields.into_iter().zip(values) {
        if !value.is_finite() {
            return Err(Refusal::NotFinite { field, value });
        }
    }
    let [x, y, z, w] = goal.orientation;
    let quaternion = Quaternion::new(w, x, y, z);
    let norm = quaternion.norm();
    // Asked in this way, an overflow of the norm is refused, too.
    let is_rotation = (norm - 1.0).abs() <= NORM_TOLERANCE;
    if !is_rotation {
        return Err(Refusal::BadQuaternion { norm });
    }
    if goal.frame.is_empty() || goal.frame == "/" {
        return Err(Refusal::NoFrame {
            map_frame: rules.map_frame.clone(),
        });
    }
    if goal.stamp_nanos != 0 {
        let age_s = now_nanos.saturating_sub(goal.stamp_nanos) as f64 * 1e-9;
        if age_s > rules.max_goal_age {
            let limit_s = rules.max_goal_age;
            return Err(Refusal::Stale { age_s, limit_s });
        }
        if age_s < -MAX_AHEAD {
            return Err(Refusal::FromTheFuture { ahead_s: -age_s });
        }
    }
    let tree = &goal.behavior_tree;
    if !tree.is_empty() && !rules.allowed_behavior_trees.contains(tree) {
        return Err(Refusal::BehaviorTree(tree.chars().take(200).collect()));
    }
    let [px, py, pz] = goal.position;
    Ok(Isometry3::from_parts(
        Translation3::new(px, py, pz),
        UnitQuaternion::from_quaternion(quaternion),
    ))
}

/// Flattens a goal that has been transformed to the map, if it lies in the map's plane.
///
/// # Errors
/// When it does not, or when the transform took it beyond what a number holds.
pub fn flatten(map_from_goal: &Isometry3<f64>) -> Result<MapPose, Refusal> {
    let at = map_from_goal.translation.vector;
    for (field, value) in [("x in the map", at.x), ("y in the map", at.y)] {
        if !value.is_finite() {
            return Err(Refusal::NotFinite { field, value });
        }
    }
    let up = map_from_goal.rotation * Vector3::z();
    let tilt = up.z.clamp(-1.0, 1.0).acos();
    let is_flat = tilt <= MAX_TILT && at.z.abs() <= MAX_HEIGHT;
    if !is_flat {
        let tilt_deg = tilt.to_degrees();
        return Err(Refusal::NotPlanar { z: at.z, tilt_deg });
    }
    let ahead = map_from_goal.rotation * Vector3::x();
    Ok(MapPose {
        x: at.x,
        y: at.y,
        yaw: ahead.y.atan2(ahead.x),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_1_SQRT_2;

    const NOW: i64 = 5_000_000_000_000;

    fn rules() -> Rules {
        Rules {
            map_frame: "map".into(),
            max_goal_age: 30.0,
            allowed_behavior_trees: vec!["/trees/slow.xml".into()],
        }
    }

    fn goal() -> RawGoal {
        RawGoal {
            frame: "map".into(),
            stamp_nanos: NOW - 1_000_000_000,
            position: [1.0, 2.0, 0.0],
            orientation: [0.0, 0.0, 0.7, 0.7],
            behavior_tree: String::new(),
        }
    }

    fn judge(goal: &RawGoal) -> Result<MapPose, Refusal> {
        flatten(&check(goal, &rules(), NOW)?)
    }

    fn code(change: impl FnOnce(&mut RawGoal)) -> u16 {
        let mut goal = goal();
        change(&mut goal);
        judge(&goal).unwrap_err().code()
    }

    #[test]
    fn a_plain_goal_passes_and_its_orientation_is_normalised() {
        let pose = judge(&goal()).unwrap();
        assert_eq!((pose.x, pose.y), (1.0, 2.0));
        assert!((pose.yaw - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
    }

    #[test]
    fn what_crashes_the_planner_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for n in 0..3 {
                assert_eq!(code(|g| g.position[n] = bad), 9201);
            }
            for n in 0..4 {
                assert_eq!(code(|g| g.orientation[n] = bad), 9201);
            }
        }
    }

    #[test]
    fn an_orientation_that_is_no_rotation_is_refused() {
        assert_eq!(code(|g| g.orientation = [0.0; 4]), 9202);
        assert_eq!(code(|g| g.orientation = [0.0, 0.0, 2.0, 2.0]), 9202);
        assert_eq!(code(|g| g.orientation = [0.0, 0.0, 0.0, 1e200]), 9202);
    }

    #[test]
    fn a_goal_in_the_air_or_tilted_is_refused() {
        assert_eq!(code(|g| g.position[2] = 3.0), 9203);
        assert_eq!(
            code(|g| g.orientation = [0.0, FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2]),
            9203
        );
        assert_eq!(code(|g| g.orientation = [1.0, 0.0, 0.0, 0.0]), 9203);
    }

    #[test]
    fn a_goal_without_a_frame_is_refused() {
        assert_eq!(code(|g| g.frame.clear()), 9204);
    }

    #[test]
    fn stamps_far_from_now_are_refused_in_every_frame() {
        assert_eq!(code(|g| g.stamp_nanos = NOW - 3_600_000_000_000), 9206);
        assert_eq!(code(|g| g.stamp_nanos = NOW + 60_000_000_000), 9207);
        assert_eq!(code(|g| g.stamp_nanos = i64::MIN), 9206);
        let mut latest = goal();
        latest.stamp_nanos = 0;
        assert!(judge(&latest).is_ok(), "0 means the latest");
    }

    #[test]
    fn only_listed_behavior_trees_pass() {
        assert_eq!(code(|g| g.behavior_tree = "/tmp/mine.xml".into()), 9210);
        let mut listed = goal();
        listed.behavior_tree = "/trees/slow.xml".into();
        assert!(judge(&listed).is_ok());
    }
}
