//! What every ROS node of the project shares: start-up, parameters, time, transforms, diagnostics
