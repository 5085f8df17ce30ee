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

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use sd_notify::NotifyState;

/// What the ROS graph shows for an endpoint whose node is not discovered yet (`rmw_dds_common`).
pub const UNKNOWN_NODE: &str = "_NODE_NAME_UNKNOWN_";

/// Tells the supervisor (`$NOTIFY_SOCKET`, the `sd_notify` protocol) that this node really works now. False when
/// that has to be said again: a supervisor that is slow to read is not waited for.
pub fn ready() -> bool {
    notify(&NotifyState::Ready)
}

/// Tells the supervisor in one line what this node is doing; as [`ready`].
pub fn status(text: &str) -> bool {
    notify(&NotifyState::Status(text))
}

fn notify(state: &NotifyState<'_>) -> bool {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return true;
    };
    match send(&path, &state.to_string()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
        Err(error) => tracing::warn!(%error, "cannot reach the supervisor at $NOTIFY_SOCKET"),
        Ok(()) => {}
    }
    true
}

/// Unlike `sd_notify::notify` this never waits.
fn send(path: &OsStr, message: &str) -> io::Result<()> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}
