//! Stand-ins for Nav2 where it is not installed: navigation and localization.
//!
//! Both talk as Nav2's servers do, so that everything round them is the same with either. The logic is in modules that
//! know nothing of ROS; the two `…_node` modules carry messages in and out.

pub mod costmap;
pub mod distance;
pub mod follower;
pub mod footprint;
pub mod geometry;
pub mod goals;
pub mod localizer;
pub mod map_file;
pub mod navigator;
pub mod occupancy;
pub mod planner;
pub mod progress;

pub mod localization_node;
pub mod navigation_node;
mod ros;
