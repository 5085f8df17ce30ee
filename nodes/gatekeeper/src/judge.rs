//! The evaluators that need no waiting, one after the other, on what is known of the world right now.

use nalgebra::Isometry3;
use ros_node::printable;
use ros_node::tf::{TfError, TransformBuffer};

use crate::free_space::FreeSpace;
use crate::geometric;
use crate::goal::MapPose;
use crate::refusal::Refusal;
use crate::syntactic::{self, RawGoal, Rules};

/// A robot's pose older than this is not where the robot is, ns.
const MAX_POSE_AGE_NANOS: i64 = 1_000_000_000;

/// Longest text from outside that is passed on, characters.
const MAX_TEXT: usize = 200;

/// What goals are measured by.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The rules for the goal as such.
    pub rules: Rules,
    /// Frame of the robot's base.
    pub base_frame: String,
    /// Free space that a goal needs around it, m.
    pub robot_radius: f64,
}

/// What is known of the world.
pub struct View<'a> {
    /// The map, once there is one.
    pub space: Option<&'a FreeSpace>,
    /// The transforms.
    pub tf: &'a TransformBuffer,
    /// Now in ROS time, ns.
    pub now_nanos: i64,
}

/// What the evaluators say.
#[derive(Debug, PartialEq)]
pub enum Assessment {
    /// All agree.
    Feasible {
        /// The goal on the map.
        pose: MapPose,
        /// Where the robot stands.
        robot: MapPose,
    },
    /// Something is missing that may still arrive; the refusal if it does not.
    NotYet(Refusal),
    /// One forbids.
    Refused {
        /// Why.
        refusal: Refusal,
        /// A pose near the goal that would do.
        alternative: Option<MapPose>,
    },
}

impl Judge {
    /// Judges a goal as it arrived.
    pub fn assess(&self, goal: &RawGoal, view: &View<'_>) -> Assessment {
        let refused = |refusal| Assessment::Refused {
            refusal,
            alternative: None,
        };
        let frame_from_goal = match syntactic::check(goal, &self.rules, view.now_nanos) {
            Ok(pose) => pose,
            Err(refusal) => return refused(refusal),
        };
        let map_from_frame = match self.map_from(goal, view) {
            Ok(transform) => transform,
            Err(error) => {
                return Assessment::NotYet(Refusal::NoTransform {
                    frame: printable(&goal.frame, MAX_TEXT),
                    why: printable(&error.to_string(), MAX_TEXT),
                });
            }
        };
        match syntactic::flatten(&(map_from_frame * frame_from_goal)) {
            Ok(pose) => self.assess_on_map(pose, view),
            Err(refusal) => refused(refusal),
        }
    }

    /// Judges a goal that is known to be well-formed, by the map and the robot's place as they are now.
    pub fn assess_on_map(&self, pose: MapPose, view: &View<'_>) -> Assessment {
        let Some(space) = view.space else {
            return Assessment::NotYet(Refusal::NoMap);
        };
        let robot = match self.robot(view) {
            Ok(robot) => robot,
            Err(why) => return Assessment::NotYet(Refusal::NoRobotPose(why)),
        };
        match geometric::check(space, self.robot_radius, robot, pose) {
            Ok(()) => Assessment::Feasible { pose, robot },
            Err(forbidden) => Assessment::Refused {
                refusal: forbidden.refusal,
                alternative: forbidden.alternative,
            },
        }
    }

    /// The robot's pose on the map, if it is recent.
    ///
    /// # Errors
    /// Says why it is not known.
    pub fn robot(&self, view: &View<'_>) -> Result<MapPose, String> {
        let (map, base) = (&self.rules.map_frame, &self.base_frame);
        let map_from_base = view
            .tf
            .lookup(map, base, None)
            .map_err(|error| error.to_string())?;
        let recently = view.now_nanos - MAX_POSE_AGE_NANOS;
        if let Err(TfError::TooNew { frame, missing_s }) = view.tf.lookup(map, base, Some(recently))
        {
            let age_s = missing_s + MAX_POSE_AGE_NANOS as f64 * 1e-9;
            return Err(format!(
                "the transform of frame \"{frame}\" is {age_s:.1} s old"
            ));
        }
        let newest = view.tf.newest(map, base).ok().flatten();
        // The clock has gone back: how old it is nobody knows.
        if let Some(ahead) = newest.map(|newest| newest - view.now_nanos)
            && ahead > MAX_POSE_AGE_NANOS
        {
            return Err(format!(
                "its transform is {:.1} s ahead of the clock",
                ahead as f64 * 1e-9
            ));
        }
        let at = map_from_base.translation.vector;
        let (_, _, yaw) = map_from_base.rotation.euler_angles();
        Ok(MapPose {
            x: at.x,
            y: at.y,
            yaw,
        })
    }

    fn map_from(&self, goal: &RawGoal, view: &View<'_>) -> Result<Isometry3<f64>, TfError> {
        let map = &self.rules.map_frame;
        // A goal on the map needs no transform, so that its stamp does not matter here.
        if goal.frame.trim_start_matches('/') == map {
            return Ok(Isometry3::identity());
        }
        let at = (goal.stamp_nanos != 0).then_some(goal.stamp_nanos);
        view.tf.lookup(map, &goal.frame, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::free_space::tests::drawn;
    use nalgebra::Vector3;
    use r2r::geometry_msgs::msg::TransformStamped;
    use r2r::std_msgs::msg::Header;
    use r2r::tf2_msgs::msg::TFMessage;
    use ros_node::time;

    const SECOND: i64 = 1_000_000_000;
    const NOW: i64 = 100 * SECOND;

    fn judge() -> Judge {
        Judge {
            rules: Rules {
                map_frame: "map".into(),
                max_goal_age: 30.0,
                allowed_behavior_trees: vec![],
            },
            base_frame: "base_link".into(),
            robot_radius: 0.14,
        }
    }

    /// The robot drove along x at 0.1 m/s and stands at (1, 1) since `last`.
    fn transforms(last: i64) -> TransformBuffer {
        let mut buffer = TransformBuffer::default();
        let mut add = |parent: &str, child: &str, at: i64, x: f64, y: f64| {
            let transform = ros_node::tf::transform_of(&Isometry3::new(
                Vector3::new(x, y, 0.0),
                Vector3::zeros(),
            ));
            let stamped = TransformStamped {
                header: Header {
                    stamp: time::stamp(at),
                    frame_id: parent.into(),
                },
                child_frame_id: child.into(),
                transform,
            };
            buffer.insert(
                &TFMessage {
                    transforms: vec![stamped],
                },
                false,
            );
        };
        for n in 0..=5 {
            let at = last - n * SECOND;
            add("map", "odom", at, 0.5, 0.5);
            add("odom", "base_link", at, 0.5 - 0.1 * n as f64, 0.5);
        }
        buffer
    }

    fn goal(frame: &str, stamp_nanos: i64, x: f64) -> RawGoal {
        RawGoal {
            frame: frame.into(),
            stamp_nanos,
            position: [x, 0.0, 0.0],
            orientation: [0.0, 0.0, 0.0, 1.0],
            behavior_tree: String::new(),
        }
    }

    fn assess(goal: &RawGoal, tf: &TransformBuffer) -> Assessment {
        let space = FreeSpace::new(drawn(&(".".repeat(30) + "\n").repeat(30)), 0.14).unwrap();
        let view = View {
            space: Some(&space),
            tf,
            now_nanos: NOW,
        };
        judge().assess(goal, &view)
    }

    fn x_of(assessment: Assessment) -> f64 {
        match assessment {
            Assessment::Feasible { pose, .. } => pose.x,
            other => panic!("{other:?}"),
        }
    }

    fn not_yet(assessment: Assessment) -> u16 {
        match assessment {
            Assessment::NotYet(refusal) => refusal.code(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_goal_relative_to_the_robot_is_carried_to_the_map() {
        let tf = transforms(NOW);
        assert!((x_of(assess(&goal("base_link", 0, 0.8), &tf)) - 1.8).abs() < 1e-9);
        let earlier = assess(&goal("base_link", NOW - 2 * SECOND, 0.8), &tf);
        assert!(
            (x_of(earlier) - 1.6).abs() < 1e-9,
            "relative to where it was then"
        );
    }

    #[test]
    fn frames_and_times_that_cannot_be_transformed_wait_for_a_transform() {
        let tf = transforms(NOW);
        assert_eq!(not_yet(assess(&goal("nope", 0, 1.0), &tf)), 9205);
        assert_eq!(
            not_yet(assess(&goal("odom", NOW + SECOND / 10, 1.0), &tf)),
            9205
        );
        assert_eq!(
            not_yet(assess(&goal("odom", NOW - 20 * SECOND, 1.0), &tf)),
            9205
        );
    }

    #[test]
    fn a_robot_whose_transform_has_stopped_gets_no_goal() {
        let mut on_map = goal("map", 0, 1.5);
        on_map.position[1] = 1.0;
        assert!(matches!(
            assess(&on_map, &transforms(NOW - SECOND / 2)),
            Assessment::Feasible { .. }
        ));
        assert_eq!(
            not_yet(assess(&on_map, &transforms(NOW - 2 * SECOND))),
            9221
        );
        assert_eq!(not_yet(assess(&on_map, &TransformBuffer::default())), 9221);
        let clock_gone_back = transforms(NOW + 3600 * SECOND);
        assert_eq!(not_yet(assess(&on_map, &clock_gone_back)), 9221);
    }

    #[test]
    fn without_a_map_nothing_is_feasible() {
        let tf = transforms(NOW);
        let view = View {
            space: None,
            tf: &tf,
            now_nanos: NOW,
        };
        assert_eq!(not_yet(judge().assess(&goal("map", 0, 1.0), &view)), 9220);
    }

    #[test]
    fn a_goal_too_large_for_a_number_is_outside_the_map() {
        let tf = transforms(NOW);
        for frame in ["map", "odom"] {
            let Assessment::Refused { refusal, .. } = assess(&goal(frame, 0, 1e300), &tf) else {
                panic!("1e300 in {frame}");
            };
            assert_eq!(refusal.code(), 9222);
        }
    }
}
