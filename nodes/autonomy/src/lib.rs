//! Hosts a behaviour tree: where to go, and what to look for.
//!
//! The tree runs on the thread that serves ROS. Its leaves ([`leaves`]) start and watch; the work is done beside them:
//! [`navigation`] talks to the action server, [`vision`] turns detections into places in the map, [`memory`] keeps what has
//! been seen there. They share plain state with the leaves, behind locks that nobody holds across a wait. What the tree does
//! goes out by [`tree_log`], every transition, and by [`host`], in short.

pub mod depth;
pub mod host;
pub mod leaves;
pub mod memory;
pub mod navigation;
pub mod tree_log;
pub mod vision;
