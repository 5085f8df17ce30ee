//! Which topics may cross, and which never do.

use std::fmt;
use std::str::FromStr;

use anyhow::ensure;

/// Last names of topics that move a robot; Zenoh never writes to them, in any namespace. `/ungated/**` and the
/// endpoints of actions are refused by their path.
const MOVES_THE_ROBOT: [&str; 8] = [
    "cmd_vel",
    "cmd_vel_nav",
    "cmd_vel_smoothed",
    "cmd_vel_teleop",
    "cmd_vel_stamped",
    "cmd_vel_unstamped",
    "goal_pose",
    "initialpose",
];

/// The absolute name of a ROS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic(String);

/// What leaves ROS unless the user says otherwise: what the detector, a SLAM on Zenoh and a logger need.
pub fn default_out_of_ros() -> Vec<Topic> {
    [
        "/camera/color/image_raw",
        "/camera/color/image_raw/compressed",
        "/camera/color/camera_info",
        "/camera/depth/image_rect_raw",
        "/odom",
    ]
    .into_iter()
    .map(|name| Topic(name.to_owned()))
    .collect()
}

impl Topic {
    /// A regular expression that matches this topic, in a namespace or not, and nothing else.
    pub fn pattern(&self, namespace: &str) -> String {
        format!("^{}{}$", namespace.trim_end_matches('/'), self.0)
    }

    /// Whether Zenoh may be allowed to write to this topic.
    ///
    /// # Errors
    /// When it is a velocity, a goal, below `ungated` or an endpoint of an action.
    pub fn may_come_from_zenoh(&self) -> anyhow::Result<()> {
        let mut parts = self.0.split('/').skip(1).collect::<Vec<_>>();
        let last = parts.pop().unwrap_or_default();
        let refused = MOVES_THE_ROBOT.contains(&last)
            || parts
                .iter()
                .any(|part| *part == "ungated" || *part == "_action");
        ensure!(
            !refused,
            "{self} cannot be let in from Zenoh: what moves the robot passes the gatekeeper and the e-stop gate in ROS; \
             take it out of --into-ros"
        );
        Ok(())
    }
}

impl FromStr for Topic {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |part: &str| {
            let first = part.chars().next();
            first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        ensure!(
            text.strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(valid)),
            "\"{text}\" is not an absolute topic name such as /camera/color/image_raw"
        );
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        name.parse().unwrap()
    }

    #[test]
    fn what_moves_the_robot_is_never_let_in() {
        for name in [
            "/cmd_vel",
            "/robot1/cmd_vel",
            "/ungated/cmd_vel",
            "/ungated/anything",
            "/robot1/ungated/navigate_to_pose/_action/feedback",
            "/navigate_to_pose/_action/status",
            "/goal_pose",
        ] {
            let error = topic(name).may_come_from_zenoh().unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("--into-ros"),
                "{error}"
            );
        }
        topic("/map_annotations").may_come_from_zenoh().unwrap();
    }

    #[test]
    fn a_pattern_matches_one_topic_only() {
        assert_eq!(topic("/odom").pattern("/"), "^/odom$");
        assert_eq!(topic("/odom").pattern("/robot1"), "^/robot1/odom$");
    }

    #[test]
    fn a_name_with_a_wildcard_is_no_topic() {
        for name in ["", "/", "odom", "/odom/.*", "/a//b", "/1a"] {
            assert!(name.parse::<Topic>().is_err(), "{name}");
        }
    }
}
