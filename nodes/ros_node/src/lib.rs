//! What every ROS node of the project shares: start-up, parameters, time, transforms, diagnostics.
//!
//! A node's `main` is [`run`]: it starts logging, splits the command line into the node's own flags and `--ros-args`,
//! creates the node, turns ROS parameters into flags of the same name and hands over. Everything then happens on one
//! thread: [`RosNode::spin_until`] alternates between waiting for ROS and running the tasks spawned on
//! [`RosNode::spawner`].
//!
//! # Failure
//! A wrong flag, parameter or set-up ends the process with one message on standard error and exit status 2.

mod args;
pub mod diagnostics;
mod node;
pub mod qos;
mod text;
pub mod tf;
pub mod time;

pub use node::{RosNode, run, spawn_on};
pub use text::printable;

use sd_notify::NotifyState;

/// What the ROS graph shows for an endpoint whose node is not discovered yet (`rmw_dds_common`).
pub const UNKNOWN_NODE: &str = "_NODE_NAME_UNKNOWN_";

/// Tells the supervisor (`$NOTIFY_SOCKET`, the `sd_notify` protocol) that this node really works now.
///
/// Without a supervisor this does nothing.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells the supervisor in one line what this node is doing.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

fn notify(state: &[NotifyState<'_>]) {
    if std::env::var_os("NOTIFY_SOCKET").is_some()
        && let Err(error) = sd_notify::notify(state)
    {
        tracing::warn!(%error, "cannot reach the supervisor at $NOTIFY_SOCKET");
    }
}
