//! Measures a run and writes what it leaves: `report.json`, `map.png`, `frame.png`.
//!
//! The node listens and never speaks, but for its diagnostics. It alone, beside tests, hears the simulator's true
//! pose. Events go into [`run::Run`], which knows neither ROS nor Zenoh; figures and pictures come out of it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`node`] | the subscriptions, the loop, the files |
//! | [`run`] | the state of the measurement |
//! | [`summary`] | `report.json` |
//! | [`latency`], [`frames`], [`goals`], [`path`] | what is measured, each by itself |
//! | [`map_picture`], [`frame_picture`] | the two pictures, drawn on a [`canvas`] |
//! | [`detector_link`], [`from_ros`], [`truth`] | what comes in from Zenoh, ROS and files |
//!
//! # Invariants
//! - Memory is bounded however long a run takes: samples, stamps that wait, path points and frames each have a limit.
//! - `report.json` is replaced as a whole every few seconds: a reader never sees half of it, a kill loses little.

pub mod canvas;
pub mod detector_link;
pub mod frame_picture;
pub mod frame_ring;
pub mod frames;
pub mod from_ros;
pub mod goals;
pub mod latency;
pub mod map;
pub mod map_picture;
pub mod node;
pub mod path;
pub mod run;
pub mod summary;
pub mod truth;
