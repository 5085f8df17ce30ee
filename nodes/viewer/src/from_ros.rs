//! ROS messages as events. Nothing that comes from outside is trusted to be finite or complete.

use r2r::diagnostic_msgs::msg::DiagnosticStatus;
use r2r::geometry_msgs::msg::{Quaternion, TransformStamped};
use r2r::nav_msgs::msg::{OccupancyGrid, Path};
use r2r::nav2_msgs::msg::BehaviorTreeStatusChange;
use r2r::sensor_msgs::msg::{CameraInfo, LaserScan};
use r2r::turtlebot_maze_msgs::msg::EmergencyStopState;
use ros_node::time::nanos;

use crate::event::{Camera, Map, Severity, Transform, What};

// r2r gives a message's constants a type each; these have the type of their field.
const FREE: u8 = EmergencyStopState::FREE as u8;
const HOLDING: u8 = EmergencyStopState::HOLDING as u8;
const OK: u8 = DiagnosticStatus::OK as u8;
const WARN: u8 = DiagnosticStatus::WARN as u8;

/// A transform; `None` unless it is finite.
pub fn transform(m: &TransformStamped, fixed: bool) -> Option<Transform> {
    let t = &m.transform.translation;
    let translation = [t.x, t.y, t.z].map(|v| v as f32);
    let rotation = quaternion(&m.transform.rotation);
    let finite = translation.iter().chain(&rotation).all(|v| v.is_finite());
    finite.then(|| Transform {
        parent: m.header.frame_id.clone(),
        child: m.child_frame_id.clone(),
        translation,
        rotation,
        fixed,
    })
}

/// The points of a scan; beams that met nothing are left out.
pub fn scan(m: &LaserScan) -> What {
    let beams = m.ranges.iter().zip(0_u32..);
    let hits = beams.filter(|(range, _)| (m.range_min..=m.range_max).contains(*range));
    let points = hits.map(|(range, index)| {
        let angle = m.angle_min + m.angle_increment * index as f32;
        [range * angle.cos(), range * angle.sin(), 0.0]
    });
    What::Scan {
        frame: m.header.frame_id.clone(),
        points: points.collect(),
    }
}

/// A map; `None` unless its cells fill its size.
pub fn map(m: OccupancyGrid) -> Option<What> {
    let size = [m.info.width, m.info.height];
    let complete =
        u64::from(size[0]) * u64::from(size[1]) == m.data.len() as u64 && !m.data.is_empty();
    let origin = &m.info.origin.position;
    let translation = [origin.x, origin.y, origin.z].map(|v| v as f32);
    let rotation = quaternion(&m.info.origin.orientation);
    let numbers = translation
        .iter()
        .chain(&rotation)
        .chain([&m.info.resolution]);
    let sound = complete && m.info.resolution > 0.0 && numbers.into_iter().all(|v| v.is_finite());
    sound.then(|| {
        What::Map(Map {
            frame: m.header.frame_id,
            size,
            resolution: m.info.resolution,
            translation,
            rotation,
            cells: m.data.iter().map(|cell| cell.cast_unsigned()).collect(),
        })
    })
}

/// The way that navigation means to take.
pub fn plan(m: &Path) -> What {
    let points = m.poses.iter().map(|pose| {
        let p = &pose.pose.position;
        [p.x, p.y, p.z].map(|v| v as f32)
    });
    What::Plan {
        frame: m.header.frame_id.clone(),
        points: points
            .filter(|point| point.iter().all(|v| v.is_finite()))
            .collect(),
    }
}

/// Intrinsics; `None` unless they are nine numbers.
pub fn camera(m: &CameraInfo) -> Option<Camera> {
    let k: [f64; 9] = m.k[..].try_into().ok()?;
    let sound = k.iter().all(|v| v.is_finite()) && k[0] > 0.0 && m.width > 0 && m.height > 0;
    sound.then(|| Camera {
        frame: m.header.frame_id.clone(),
        resolution: [m.width as f32, m.height as f32],
        k: k.map(|v| v as f32),
    })
}

/// The state of the e-stop gate.
pub fn emergency_stop(m: &EmergencyStopState) -> What {
    let state = match m.state {
        FREE => "FREE",
        HOLDING => "HOLDING",
        _ => "LATCHED",
    };
    let cause = [m.source.as_str(), m.reason.as_str()];
    let told: Vec<&str> = cause.into_iter().filter(|text| !text.is_empty()).collect();
    What::EmergencyStop {
        state,
        cause: told.join(": "),
    }
}

/// A transition of the tree, and when it was, ns.
pub fn transition(m: BehaviorTreeStatusChange) -> (i64, What) {
    let transition = What::Transition {
        node: m.node_name,
        from: m.previous_status,
        to: m.current_status,
    };
    (nanos(&m.timestamp), transition)
}

/// How much a node's own word on itself matters.
pub fn severity(status: &DiagnosticStatus) -> Severity {
    match status.level {
        OK => Severity::Info,
        WARN => Severity::Warning,
        _ => Severity::Error,
    }
}

/// x, y, z, w; an unset quaternion is no rotation.
fn quaternion(q: &Quaternion) -> [f32; 4] {
    match [q.x, q.y, q.z, q.w].map(|v| v as f32) {
        [0.0, 0.0, 0.0, 0.0] => [0.0, 0.0, 0.0, 1.0],
        rotation => rotation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beams_become_points_and_those_that_met_nothing_do_not() {
        let scan_message = LaserScan {
            angle_min: 0.0,
            angle_increment: std::f32::consts::FRAC_PI_2,
            range_min: 0.1,
            range_max: 3.5,
            ranges: vec![1.0, 2.0, f32::INFINITY, f32::NAN, 0.05],
            ..LaserScan::default()
        };
        let What::Scan { points, .. } = scan(&scan_message) else {
            panic!("no scan");
        };
        assert_eq!(points.len(), 2);
        assert!((points[0][0] - 1.0).abs() < 1e-6 && (points[1][1] - 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_map_that_does_not_fill_its_size_is_refused() {
        let mut grid = OccupancyGrid::default();
        grid.info.resolution = 0.05;
        (grid.info.width, grid.info.height) = (2, 2);
        grid.data = vec![-1, 0, 100];
        assert!(map(grid.clone()).is_none());
        grid.data.push(50);
        let Some(What::Map(map)) = map(grid) else {
            panic!("no map");
        };
        assert_eq!(map.cells, [255, 0, 100, 50]);
    }

    #[test]
    fn transforms_that_are_not_finite_are_refused() {
        let mut message = TransformStamped::default();
        message.transform.rotation = Quaternion {
            x: 0.0,
            y: 0.0,
            z: 0.0,
            w: 0.0,
        };
        assert_eq!(
            transform(&message, true).map(|t| t.rotation),
            Some([0.0, 0.0, 0.0, 1.0])
        );
        message.transform.translation.x = f64::NAN;
        assert_eq!(transform(&message, true), None);
    }
}
