//! The velocity gate before the wheels, its watchdog and its guard.
//!
//! Modules in reading order: [`gate`] decides and does nothing else; [`standing`] and [`publishers`] judge what odometry
//! and the ROS graph show; [`control`], [`remote_stop`] and [`guard_link`] are the ways in and out beside ROS;
//! [`gate_node`] and [`guard_node`] join them to ROS.

pub mod control;
pub mod gate;
pub mod gate_node;
pub mod guard_link;
pub mod guard_node;
pub mod latency;
pub mod publishers;
pub mod remote_stop;
pub mod standing;
pub mod velocity_topic;

/// What reaches the gate from outside ROS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// By the control socket.
    Order(control::Order),
    /// By Zenoh, with its text.
    RemoteStop(String),
    /// The guard has told the identity of its publisher.
    Guard(publishers::Gid),
}
