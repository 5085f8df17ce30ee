//! Zenoh keys. They are the names that `zenoh-bridge-ros2dds` gives ROS topics (without the leading slash) and the
//! `tb/…` keys of programs without ROS. With several robots, each robot's keys carry its prefix:
//! `robot7/camera/color/image_raw` is answered on `robot7/tb/detections`.

/// Colour pictures: CDR `sensor_msgs/Image`.
pub const COLOR_IMAGE: &str = "camera/color/image_raw";
/// Compressed colour pictures: CDR `sensor_msgs/CompressedImage`. By its last part a key says which of the two it has.
pub const COLOR_IMAGE_COMPRESSED: &str = "camera/color/image_raw/compressed";
/// Intrinsics of the colour camera: CDR `sensor_msgs/CameraInfo`.
pub const COLOR_CAMERA_INFO: &str = "camera/color/camera_info";
/// Depth pictures aligned with the colour ones: CDR `sensor_msgs/Image`, `16UC1` in mm or `32FC1` in m.
pub const DEPTH_IMAGE: &str = "camera/depth/image_rect_raw";
/// Wheel odometry: CDR `nav_msgs/Odometry`.
pub const ODOM: &str = "odom";
/// Detections of one frame: JSON [`crate::Detections`].
pub const DETECTIONS: &str = "tb/detections";
/// The detector's figures: JSON [`crate::DetectorStatus`].
pub const DETECTOR_STATUS: &str = "tb/detector/status";
/// Pose by stella_vslam's bridge: JSON.
pub const SLAM_POSE: &str = "tb/slam/pose";
/// State of stella_vslam's bridge: JSON.
pub const SLAM_STATUS: &str = "tb/slam/status";
/// Any put latches the emergency stop.
pub const EMERGENCY_STOP: &str = "tb/emergency_stop";

/// The key of `robot`; an empty robot has no prefix.
pub fn of_robot(robot: &str, key: &str) -> String {
    if robot.is_empty() {
        key.to_owned()
    } else {
        format!("{robot}/{key}")
    }
}

/// The robot that a full key belongs to, given the key without its prefix: `""` without prefix, `None` when the key
/// is another one.
pub fn robot_of<'a>(full_key: &'a str, key: &str) -> Option<&'a str> {
    let prefix = full_key.strip_suffix(key)?;
    if prefix.is_empty() {
        Some("")
    } else {
        prefix.strip_suffix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robot_is_found_again_in_its_key() {
        for robot in ["", "robot7", "floor2/robot7"] {
            assert_eq!(
                robot_of(&of_robot(robot, COLOR_IMAGE), COLOR_IMAGE),
                Some(robot)
            );
        }
        assert_eq!(robot_of("xcamera/color/image_raw", COLOR_IMAGE), None);
        assert_eq!(robot_of("camera/color/camera_info", COLOR_IMAGE), None);
    }
}
