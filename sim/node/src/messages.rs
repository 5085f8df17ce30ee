//! ROS messages from the simulator's values.

use nalgebra::{Isometry3, Matrix3, Vector3};
use r2r::geometry_msgs::msg::{PoseStamped, TransformStamped, Twist, Vector3 as Vector3Msg};
use r2r::nav_msgs::msg::Odometry;
use r2r::sensor_msgs::msg::{CameraInfo, Image, Imu, LaserScan};
use r2r::std_msgs::msg::Header;
use r2r::tf2_msgs::msg::TFMessage;
use ros_node::tf::{pose_of, transform_of};
use ros_node::time;
use sim::base::Motion;
use sim::robot;
use sim::simulation::{IMU_ACCELERATION_SIGMA, IMU_GYRO_SIGMA, IMU_HEADING_SIGMA, ImuReading};

/// The frame of colour and depth pictures.
pub const OPTICAL_FRAME: &str = "camera_color_optical_frame";
/// The frame that the robot is known by.
pub const BASE_FRAME: &str = "base_footprint";
/// The frame of wheel odometry.
pub const ODOM_FRAME: &str = "odom";
/// The frame of the world, which is the map's.
pub const WORLD_FRAME: &str = "map";

/// A header at `stamp` (ns).
pub fn header(stamp: i64, frame: &str) -> Header {
    Header {
        stamp: time::stamp(stamp),
        frame_id: frame.to_owned(),
    }
}

/// A pose in `frame`.
pub fn pose(stamp: i64, frame: &str, pose: &sim::Pose2) -> PoseStamped {
    PoseStamped {
        header: header(stamp, frame),
        pose: pose_of(&pose.isometry()),
    }
}

/// A motion of the base in `frame`, with the covariance of x, y and heading.
pub fn odometry(stamp: i64, frame: &str, motion: &Motion, covariance: &Matrix3<f64>) -> Odometry {
    let mut message = Odometry {
        header: header(stamp, frame),
        child_frame_id: BASE_FRAME.to_owned(),
        ..Default::default()
    };
    message.pose.pose = pose_of(&motion.pose.isometry());
    // x, y and yaw are rows 0, 1 and 5 of the message's 6 x 6 matrix.
    for (row, to_row) in [0, 1, 5].into_iter().enumerate() {
        for (column, to_column) in [0, 1, 5].into_iter().enumerate() {
            message.pose.covariance[to_row * 6 + to_column] = covariance[(row, column)];
        }
    }
    message.twist.twist = Twist {
        linear: vector(&[motion.velocity.linear, 0.0, 0.0]),
        angular: vector(&[0.0, 0.0, motion.velocity.angular]),
    };
    message
}

/// One transform, as a `/tf` message.
pub fn transform(stamp: i64, parent: &str, child: &str, pose: &Isometry3<f64>) -> TransformStamped {
    TransformStamped {
        header: header(stamp, parent),
        child_frame_id: child.to_owned(),
        transform: transform_of(pose),
    }
}

/// The robot's fixed frames.
pub fn robot_frames() -> TFMessage {
    let fixed = |parent, child, pose: &sim::Pose| transform(0, parent, child, &pose.isometry());
    TFMessage {
        transforms: vec![
            fixed(BASE_FRAME, "base_link", &robot::BASE_LINK),
            fixed("base_link", "base_scan", &robot::BASE_SCAN),
            fixed("base_link", "imu_link", &robot::IMU_LINK),
            fixed("base_link", "camera_link", &robot::CAMERA_LINK),
            fixed("camera_link", OPTICAL_FRAME, &robot::CAMERA_OPTICAL),
        ],
    }
}

/// One turn of the lidar.
pub fn scan(stamp: i64, ranges: Vec<f32>) -> LaserScan {
    let period = robot::STEP.as_secs_f64() * robot::LIDAR_STEPS as f64;
    LaserScan {
        header: header(stamp, "base_scan"),
        angle_min: 0.0,
        angle_max: (robot::LIDAR_ANGLE_INCREMENT * (robot::LIDAR_BEAMS - 1) as f64) as f32,
        angle_increment: robot::LIDAR_ANGLE_INCREMENT as f32,
        // All beams are measured at the header's stamp.
        time_increment: 0.0,
        scan_time: period as f32,
        range_min: robot::LIDAR_RANGE_MIN as f32,
        range_max: robot::LIDAR_RANGE_MAX as f32,
        ranges,
        intensities: Vec::new(),
    }
}

/// What the IMU measures.
pub fn imu(stamp: i64, reading: &ImuReading) -> Imu {
    let heading = Isometry3::rotation(Vector3::z() * reading.heading);
    let diagonal = |sigma: f64| {
        let variance = sigma * sigma;
        vec![variance, 0.0, 0.0, 0.0, variance, 0.0, 0.0, 0.0, variance]
    };
    Imu {
        header: header(stamp, "imu_link"),
        orientation: pose_of(&heading).orientation,
        orientation_covariance: diagonal(IMU_HEADING_SIGMA),
        angular_velocity: vector(&reading.angular_velocity),
        angular_velocity_covariance: diagonal(IMU_GYRO_SIGMA),
        linear_acceleration: vector(&reading.linear_acceleration),
        linear_acceleration_covariance: diagonal(IMU_ACCELERATION_SIGMA),
    }
}

/// The camera's intrinsics; colour and depth share them.
pub fn camera_info(stamp: i64) -> CameraInfo {
    let (f, [cx, cy]) = (robot::CAMERA_FOCAL, robot::CAMERA_CENTER);
    CameraInfo {
        header: header(stamp, OPTICAL_FRAME),
        width: robot::CAMERA_WIDTH as u32,
        height: robot::CAMERA_HEIGHT as u32,
        distortion_model: "plumb_bob".to_owned(),
        d: vec![0.0; 5],
        k: vec![f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0],
        r: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p: vec![f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        ..Default::default()
    }
}

/// An empty picture of the camera's size.
pub fn image(encoding: &str, bytes_per_pixel: usize) -> Image {
    Image {
        header: header(0, OPTICAL_FRAME),
        width: robot::CAMERA_WIDTH as u32,
        height: robot::CAMERA_HEIGHT as u32,
        encoding: encoding.to_owned(),
        is_bigendian: 0,
        step: (robot::CAMERA_WIDTH * bytes_per_pixel) as u32,
        data: Vec::new(),
    }
}

/// Writes depths (mm) as the bytes of a `16UC1` picture.
pub fn depth_bytes(depth: &[u16], data: &mut Vec<u8>) {
    data.resize(depth.len() * 2, 0);
    for (bytes, value) in data.chunks_exact_mut(2).zip(depth) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

fn vector(xyz: &[f64; 3]) -> Vector3Msg {
    Vector3Msg {
        x: xyz[0],
        y: xyz[1],
        z: xyz[2],
    }
}
