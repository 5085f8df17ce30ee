//! The embedded simulator's core: worlds, mazes, physics, sensors. No ROS.
//!
//! Units are SI and angles radians; frames follow REP-103 and REP-105 (x forward, y left, z up). The world frame is the map frame.
//! Everything random comes from seeded generators: the same commands at the same simulated times give the same run to the bit.

pub mod base;
pub mod classes;
pub mod decor;
pub mod frames;
pub mod grid;
pub mod lookout;
pub mod maze;
pub mod mesh;
pub mod noise;
pub mod objects;
pub mod obstacles;
pub mod pose;
pub mod render;
pub mod robot;
pub mod scenario;
pub mod sdf;
pub mod simulation;
pub mod surfaces;
pub mod texture;
pub mod world;

pub use base::BaseKind;
pub use classes::{CLASSES, class_index, class_of_model};
pub use pose::{Pose, Pose2};
pub use simulation::{Simulation, SimulationOptions};
pub use world::World;
