//! `sim_node`: the embedded simulator as a ROS 2 node.
//!
//! | module | what it does |
//! |---|---|
//! | [`args`] | the command line |
//! | [`pacing`] | whom to wait for, and how fast simulated time may pass |
//! | [`messages`] | ROS messages from the simulator's values |
//! | [`outputs`] | what is published at each instant, and in which order |
//! | [`camera`] | pictures, on a thread of their own |
//! | [`inputs`] | velocities, acknowledgements, motor power, detections |
//! | [`node`] | the loop |
//! | [`middleware`] | room for pictures in shared memory |

mod args;
mod camera;
mod inputs;
mod messages;
mod middleware;
mod node;
mod outputs;
mod pacing;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = middleware::prepare() {
        eprintln!("sim_node: {error:#}");
        return ExitCode::from(2);
    }
    ros_node::run("sim_node", node::run)
}
