//! The running graph in Rerun: a recording with the layout in it, and live where one is wanted.
//!
//! ROS and Zenoh come in on one thread, which never waits for Rerun: each recording has a thread of its own behind a
//! bounded queue in which the newest wins, and pictures are compressed on another one. A viewer that is slow, or hangs,
//! misses events; nodes and the file do not notice.
//!
//! | module | what it holds |
//! |---|---|
//! | [`node`] | the subscriptions and the loop |
//! | [`show`] | what is shown, and how often; latencies |
//! | [`event`] | the closed list of what can be shown |
//! | [`picture`] | camera pictures as JPEG |
//! | [`outputs`], [`recording`], [`queue`] | the file and the viewer, each behind its queue |
//! | [`scene`], [`layout`] | which event becomes which Rerun entity, and how they are arranged |
//!
//! Timelines are `sim_time` (header stamps of simulated time; `ros_time` on a robot) and Rerun's own `log_time`.
//! Depth pictures are left out: ten a second would fill 200 MB in a minute.

pub mod event;
pub mod from_ros;
pub mod layout;
pub mod node;
pub mod outputs;
pub mod picture;
pub mod queue;
pub mod rate;
pub mod recording;
pub mod scene;
pub mod show;
