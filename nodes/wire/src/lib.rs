//! What crosses a boundary between programs: Zenoh keys, borrowed views of ROS messages, detections and the
//! detector's status. No I/O, no ROS, no threads: bytes in, plain data out.
//!
//! | module | what it holds |
//! |---|---|
//! | [`keys`] | Zenoh key names, with and without a robot's prefix |
//! | [`cdr`] | reading and writing ROS 2's wire format, both byte orders |
//! | [`messages`] | borrowed views of the few ROS messages that are read outside ROS |
//! | [`detections`] | the JSON envelope on `tb/detections` |
//! | [`slam`] | the JSON on `tb/slam/pose` |
//! | [`status`] | the JSON on `tb/detector/status` |
//!
//! # Invariants
//! - Reading a message never allocates, and never trusts a length that the message claims: every access is checked
//!   against the bytes that are really there (`hostile_bytes_never_panic` in [`messages`]).
//! - A published envelope of the original application parses, and so does a bare array of detections.

pub mod cdr;
pub mod detections;
pub mod keys;
pub mod messages;
pub mod slam;
pub mod status;
mod time;

pub use detections::{
    CameraPosition, Detection, Detections, DetectionsError, ModelId, PoseFrame, iou,
};
pub use slam::{SlamError, SlamPose};
pub use status::{DetectorStatus, Percentiles, RobotStatus};
pub use time::Stamp;
