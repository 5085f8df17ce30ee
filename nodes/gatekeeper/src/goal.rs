//! What the parts of the gatekeeper say to each other about goals. No ROS types, so that all of it is tested alone.

use std::fmt;
use std::time::Instant;

/// A goal's UUID. Clients make their own; the gatekeeper makes fresh ones for the navigation server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GoalId(pub [u8; 16]);

impl GoalId {
    /// The id that no goal should have: in a cancel request it means "all goals".
    pub const ZERO: Self = Self([0; 16]);

    /// A random id.
    pub fn random() -> Self {
        Self(*uuid::Uuid::new_v4().as_bytes())
    }
}

impl fmt::Debug for GoalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", uuid::Uuid::from_bytes(self.0))
    }
}

impl fmt::Display for GoalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `action_msgs/msg/GoalStatus`. ACCEPTED is left out: as with Nav2, a goal's first status is EXECUTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Status {
    /// The goal is not known.
    Unknown = 0,
    /// Judged or driven to.
    Executing = 2,
    /// A cancel was accepted; the goal has not ended yet.
    Canceling = 3,
    /// The robot is there.
    Succeeded = 4,
    /// Ended because its client wanted so.
    Canceled = 5,
    /// Refused, pre-empted or failed.
    Aborted = 6,
}

impl Status {
    /// The status of a wire value; what is not in the message's list counts as unknown.
    pub fn from_wire(value: i8) -> Self {
        match value {
            1 | 2 => Self::Executing,
            3 => Self::Canceling,
            4 => Self::Succeeded,
            5 => Self::Canceled,
            6 => Self::Aborted,
            _ => Self::Unknown,
        }
    }

    /// Whether a goal of this status still runs.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Executing | Self::Canceling)
    }
}

/// How a goal ended: a final status and `NavigateToPose`'s result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SUCCEEDED, CANCELED or ABORTED.
    pub status: Status,
    /// Nav2's code, or one of this crate's; 0: none.
    pub error_code: u16,
    /// One sentence for a person, or empty.
    pub error_msg: String,
}

impl Outcome {
    /// A final status without a code or text.
    pub fn plain(status: Status) -> Self {
        Self {
            status,
            error_code: 0,
            error_msg: String::new(),
        }
    }
}

/// A pose in the plane of the map frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapPose {
    /// m
    pub x: f64,
    /// m
    pub y: f64,
    /// rad, counter-clockwise from the map's x axis
    pub yaw: f64,
}

/// A goal that all evaluators have agreed to, as it goes to the navigation server.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleared {
    /// Where to, in the map frame.
    pub pose: MapPose,
    /// The behavior tree the client asked for; empty: the server's default.
    pub behavior_tree: String,
}

/// The two clocks: deadlines count on the first, stamps come from the second.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Never jumps and never stops.
    pub monotonic: Instant,
    /// ROS time in ns, simulated where `use_sim_time` is set.
    pub ros_nanos: i64,
}
