//! Everything that can be shown.

use report::goals::{GoalId, Verdict};
use report::run::Search;
use wire::Detections;

/// An event with the time that it belongs to.
#[derive(Debug)]
pub struct Event {
    /// Header stamp, ns; the clock's time for what carries none.
    pub stamp: i64,
    /// What happened.
    pub what: What,
}

/// The closed list of what is shown. Lengths in m, angles in rad, frames by their tf names.
#[derive(Debug)]
pub enum What {
    /// A camera picture, JPEG.
    Picture(Vec<u8>),
    /// Intrinsics of the camera.
    Camera(Camera),
    /// What a picture showed.
    Boxes(Detections),
    /// A transform from `child` to `parent`.
    Transform(Transform),
    /// Points that the lidar saw, in `frame`.
    Scan {
        /// The lidar's frame.
        frame: String,
        /// x, y, z
        points: Vec<[f32; 3]>,
    },
    /// The map.
    Map(Map),
    /// The way that navigation means to take.
    Plan {
        /// The plan's frame.
        frame: String,
        /// x, y, z
        points: Vec<[f32; 3]>,
    },
    /// Where the robot takes itself to be in the map: x, y.
    Estimate([f32; 2]),
    /// The gatekeeper's judgement of a goal.
    Verdict(Verdict),
    /// What became of a goal: a value of `action_msgs/GoalStatus`.
    GoalState(GoalId, i8),
    /// What the tree says.
    Search(Search),
    /// A node of the tree has gone from one state to another.
    Transition {
        /// Path of the node.
        node: String,
        /// State before: `IDLE`, `RUNNING`, `SUCCESS`, `FAILURE` or `SKIPPED`.
        from: String,
        /// State after.
        to: String,
    },
    /// A velocity on its way to the base.
    Velocity {
        /// Before or behind the gate.
        gated: bool,
        /// m/s, forward
        linear: f64,
        /// rad/s, to the left
        angular: f64,
    },
    /// The state of the e-stop gate.
    EmergencyStop {
        /// `FREE`, `HOLDING` or `LATCHED`.
        state: &'static str,
        /// Who caused it, and why.
        cause: String,
    },
    /// How long something took, ms; the name is a path below `latency`.
    Latency(&'static str, f64),
    /// A line for the log.
    Log(Severity, String),
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For whom it may concern.
    Info,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Error,
}

/// Intrinsics of a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Optical frame.
    pub frame: String,
    /// Width and height, px.
    pub resolution: [f32; 2],
    /// Row-major: fx 0 cx, 0 fy cy, 0 0 1.
    pub k: [f32; 9],
}

/// A transform that takes coordinates in `child` to `parent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// The frame that coordinates are taken to.
    pub parent: String,
    /// The frame that they are taken from.
    pub child: String,
    /// x, y, z
    pub translation: [f32; 3],
    /// x, y, z, w
    pub rotation: [f32; 4],
    /// Whether it holds for all times.
    pub fixed: bool,
}

/// An occupancy grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Its frame.
    pub frame: String,
    /// Cells in a row, and rows.
    pub size: [u32; 2],
    /// m a cell
    pub resolution: f32,
    /// Corner of the first cell.
    pub translation: [f32; 3],
    /// Rotation of the grid, x, y, z, w.
    pub rotation: [f32; 4],
    /// Percent, first row first; 255 is unknown.
    pub cells: Vec<u8>,
}
