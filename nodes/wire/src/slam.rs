//! The JSON on `tb/slam/pose`: where stella_vslam sees the camera.

use serde::Deserialize;
use thiserror::Error;

/// One line of stella_vslam's bridge, as far as it says where the robot is. It has no stamp: `frame` counts the frames
/// that the bridge has handed on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct SlamPose {
    /// Camera to world, 3x4 row by row: rotation, and the camera's place in m. The world is the camera's optical frame
    /// (x right, y down, z forward) where mapping began.
    pub pose: [f64; 12],
}

/// Why a payload is no pose.
#[derive(Debug, Error)]
pub enum SlamError {
    /// It is no JSON of this shape.
    #[error("not a SLAM pose: {0}")]
    Json(#[from] serde_json::Error),
    /// The numbers are no rotation and place.
    #[error("a SLAM pose whose matrix is no rotation and place")]
    NoPose,
}

impl SlamPose {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is no pose.
    pub fn from_json(payload: &[u8]) -> Result<Self, SlamError> {
        let read: Self = serde_json::from_slice(payload)?;
        let forward = [2, 6, 10].map(|index| read.pose[index]);
        let length = forward.iter().map(|part| part * part).sum::<f64>().sqrt();
        let is_pose =
            read.pose.iter().all(|number| number.is_finite()) && (length - 1.0).abs() < 0.01;
        is_pose.then_some(read).ok_or(SlamError::NoPose)
    }

    /// Place and heading in the plane of the floor, of a camera that was level when mapping began: x forward and y
    /// left, m; counter-clockwise from x, rad.
    pub fn in_plane(&self) -> [f64; 3] {
        let [
            _,
            _,
            forward_right,
            right,
            _,
            _,
            _,
            _,
            _,
            _,
            forward_ahead,
            ahead,
        ] = self.pose;
        [ahead, -right, (-forward_right).atan2(forward_ahead)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_is_turned_into_the_plane() {
        // One metre ahead and two to the right, looking to the left.
        let payload = br#"{"frame":7,"pose":[0,0,-1,2.0, 0,1,0,0.1, 1,0,0,1.0]}"#;
        let [x, y, yaw] = SlamPose::from_json(payload).unwrap().in_plane();
        assert_eq!((x, y), (1.0, -2.0));
        assert!((yaw - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_pose_is_refused() {
        for payload in [
            &br#"{"frame":7}"#[..],
            br#"{"pose":[1,0,0,0]}"#,
            br#"{"pose":[0,0,0,0, 0,0,0,0, 0,0,0,0]}"#,
            br#"{"pose":[1,0,0,1e999, 0,1,0,0, 0,0,1,0]}"#,
            br#"{"pose":[1,0,0,null, 0,1,0,0, 0,0,1,0]}"#,
            b"lost",
        ] {
            assert!(SlamPose::from_json(payload).is_err());
        }
    }
}
