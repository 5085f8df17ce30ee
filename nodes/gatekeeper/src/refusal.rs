//! Every reason why a goal does not reach its place because of the gatekeeper, with the code its client gets.
//!
//! The block 9200 to 9299 belongs to this node: Nav2's codes end at 999 on Jazzy and use 9000 and 9100 on later
//! releases. Codes of the navigation server itself are passed through unchanged.

use thiserror::Error;

/// Why a goal was refused or given up. The text is what the client reads in `error_msg`.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    // Syntactic: the goal as such.
    /// 9201
    #[error("goal refused: {field} is {value}, not a finite number")]
    NotFinite {
        /// Path of the field in the goal.
        field: &'static str,
        /// What it held.
        value: f64,
    },
    /// 9202
    #[error(
        "goal refused: its orientation is no rotation, the quaternion's norm is {norm:.3} instead of 1"
    )]
    BadQuaternion {
        /// Norm of the quaternion.
        norm: f64,
    },
    /// 9203
    #[error(
        "goal refused: not in the plane of the map (z {z:.2} m, tilted by {tilt_deg:.0} degrees)"
    )]
    NotPlanar {
        /// Height in the map frame, m.
        z: f64,
        /// Angle between the goal's and the map's z axis.
        tilt_deg: f64,
    },
    /// 9204
    #[error(
        "goal refused: header.frame_id is empty; say which frame it is in, for example \"{map_frame}\""
    )]
    NoFrame {
        /// The frame that plans are made in.
        map_frame: String,
    },
    /// 9205
    #[error("goal refused: frame \"{frame}\" cannot be transformed to the map: {why}")]
    NoTransform {
        /// The goal's frame.
        frame: String,
        /// The transform buffer's reason.
        why: String,
    },
    /// 9206
    #[error(
        "goal refused: its stamp is {age_s:.1} s old, more than {limit_s:.1} s (do both sides use the same clock, use_sim_time?)"
    )]
    Stale {
        /// Age by the node's clock.
        age_s: f64,
        /// The limit.
        limit_s: f64,
    },
    /// 9207
    #[error(
        "goal refused: its stamp is {ahead_s:.1} s in the future (do both sides use the same clock, use_sim_time?)"
    )]
    FromTheFuture {
        /// How far ahead of the node's clock.
        ahead_s: f64,
    },
    /// 9208
    #[error("goal refused: its id is all zero, so that nobody could cancel it alone")]
    ZeroId,
    /// 9209; the goal is rejected, for a second goal of one id can have no result of its own.
    #[error("goal rejected: its id has been used before")]
    RepeatedId,
    /// 9210
    #[error("goal refused: behavior_tree \"{0}\" is not one of allowed_behavior_trees")]
    BehaviorTree(String),

    // Geometric: the goal on the map.
    /// 9220
    #[error("goal refused: no map has been received yet")]
    NoMap,
    /// 9221
    #[error("goal refused: the robot's place on the map is not known: {0}")]
    NoRobotPose(String),
    /// 9222
    #[error("goal refused: ({x:.2}, {y:.2}) lies outside the map")]
    OutsideMap {
        /// m, map frame
        x: f64,
        /// m, map frame
        y: f64,
    },
    /// 9223
    #[error("goal refused: ({x:.2}, {y:.2}) lies where the map is unknown")]
    UnknownSpace {
        /// m, map frame
        x: f64,
        /// m, map frame
        y: f64,
    },
    /// 9224
    #[error("goal refused: ({x:.2}, {y:.2}) lies inside an obstacle")]
    Occupied {
        /// m, map frame
        x: f64,
        /// m, map frame
        y: f64,
    },
    /// 9225
    #[error(
        "goal refused: only {clearance_m:.2} m to the nearest obstacle or unknown space, the robot needs {needed_m:.2} m"
    )]
    NoClearance {
        /// Distance to the nearest cell that is not known to be free.
        clearance_m: f64,
        /// The robot's radius.
        needed_m: f64,
    },
    /// 9226
    #[error("goal refused: no way leads there from the robot's place on the known map")]
    Unreachable,
    /// 9227
    #[error("goal refused: the robot's own place ({x:.2}, {y:.2}) is not in free space on the map")]
    RobotNotInFreeSpace {
        /// m, map frame
        x: f64,
        /// m, map frame
        y: f64,
    },

    // Physical: what the vision-language model says, or fails to say.
    /// 9240
    #[error("goal refused by the vision-language model: {reason}")]
    Forbidden {
        /// 0 to 1
        confidence: f64,
        /// The model's reason.
        reason: String,
    },
    /// 9241
    #[error(
        "goal refused: the vision-language model is not sure (confidence {confidence:.2}): {reason}"
    )]
    Unsure {
        /// 0 to 1
        confidence: f64,
        /// The model's reason.
        reason: String,
    },
    /// 9242
    #[error("goal refused: no answer from the vision-language model: {0}")]
    NoAnswer(String),
    /// 9243
    #[error("goal refused: the vision-language model's server answered {status}: {message}")]
    HttpStatus {
        /// HTTP status.
        status: u16,
        /// The server's text.
        message: String,
    },
    /// 9244
    #[error("goal refused: the vision-language model's answer is no verdict: {0}")]
    NoVerdict(String),
    /// 9245
    #[error("goal refused: the vision-language model's answer was cut off (finish_reason \"{0}\")")]
    Truncated(String),
    /// 9246
    #[error("goal refused: the vision-language model contradicts itself: {0}")]
    Contradictory(String),
    /// 9247
    #[error("goal refused: the vision-language model's answer is larger than {limit_bytes} bytes")]
    Oversize {
        /// The limit.
        limit_bytes: u64,
    },
    /// 9248
    #[error("goal refused: no fresh camera frame to judge it by: {0}")]
    NoFreshFrame(String),

    // State: of the robot, of the gatekeeper and of the navigation server.
    /// 9260
    #[error("goal refused: the emergency stop is latched: {0}")]
    EmergencyStop(String),
    /// 9261
    #[error("goal given up: a client of the robot was lost: {0}")]
    ClientLost(String),
    /// 9262
    #[error("goal refused: {0}")]
    ForeignServer(String),
    /// 9263
    #[error("goal given up: the gatekeeper is ending")]
    ShuttingDown,
    /// 9264
    #[error("goal given up: no navigation server at \"{0}\"")]
    UpstreamAbsent(String),
    /// 9265
    #[error("goal given up: the navigation server rejected it (is it active?)")]
    UpstreamRejected,
    /// 9266
    #[error("goal given up: the navigation server does not answer: {0}")]
    UpstreamSilent(String),
    /// 9267
    #[error("goal given up: the navigation server has lost it: {0}")]
    UpstreamLost(String),
    /// 9268
    #[error("goal ended: cancelled at the navigation server, not by its client")]
    UpstreamCanceled,
    /// 9280
    #[error(
        "goal refused: navigate_through_poses is not offered; send the poses one by one to navigate_to_pose"
    )]
    ThroughPoses,
}

impl Refusal {
    /// The result's `error_code`.
    pub fn code(&self) -> u16 {
        match self {
            Self::NotFinite { .. } => 9201,
            Self::BadQuaternion { .. } => 9202,
            Self::NotPlanar { .. } => 9203,
            Self::NoFrame { .. } => 9204,
            Self::NoTransform { .. } => 9205,
            Self::Stale { .. } => 9206,
            Self::FromTheFuture { .. } => 9207,
            Self::ZeroId => 9208,
            Self::RepeatedId => 9209,
            Self::BehaviorTree(_) => 9210,
            Self::NoMap => 9220,
            Self::NoRobotPose(_) => 9221,
            Self::OutsideMap { .. } => 9222,
            Self::UnknownSpace { .. } => 9223,
            Self::Occupied { .. } => 9224,
            Self::NoClearance { .. } => 9225,
            Self::Unreachable => 9226,
            Self::RobotNotInFreeSpace { .. } => 9227,
            Self::Forbidden { .. } => 9240,
            Self::Unsure { .. } => 9241,
            Self::NoAnswer(_) => 9242,
            Self::HttpStatus { .. } => 9243,
            Self::NoVerdict(_) => 9244,
            Self::Truncated(_) => 9245,
            Self::Contradictory(_) => 9246,
            Self::Oversize { .. } => 9247,
            Self::NoFreshFrame(_) => 9248,
            Self::EmergencyStop(_) => 9260,
            Self::ClientLost(_) => 9261,
            Self::ForeignServer(_) => 9262,
            Self::ShuttingDown => 9263,
            Self::UpstreamAbsent(_) => 9264,
            Self::UpstreamRejected => 9265,
            Self::UpstreamSilent(_) => 9266,
            Self::UpstreamLost(_) => 9267,
            Self::UpstreamCanceled => 9268,
            Self::ThroughPoses => 9280,
        }
    }

    /// Who refused, in the words of `Verdict.evaluator`.
    pub fn evaluator(&self) -> &'static str {
        match self.code() {
            9201..9220 => "syntactic",
            9220..9240 => "geometric",
            9240..9260 => "physical",
            _ => "state",
        }
    }
}

#[cfg(test)]
mod tests {

    #[test]
    fn the_readme_lists_every_code_that_the_source_gives() {
        let source = include_str!("refusal.rs");
        let readme = include_str!("../README.md");
        let codes: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" => 9"))
            .map(|(_, rest)| rest)
            .collect();
        assert!(codes.len() > 30);
        for (n, code) in codes.iter().enumerate() {
            assert!(!codes[..n].contains(code), "9{code} is given twice");
            assert!(
                readme.contains(&format!("| 9{code} |")),
                "9{code} not in README.md"
            );
        }
    }
}
