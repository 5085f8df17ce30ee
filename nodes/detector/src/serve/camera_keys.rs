//! What the detector's Zenoh keys mean.

use anyhow::{Result, bail};
use wire::keys;

/// The part of a camera key expression that follows the robot's prefix: `camera/color/image_raw` of
/// `**/camera/color/image_raw`, of `robot7/camera/color/image_raw` and of itself.
///
/// # Errors
/// When wildcards stand anywhere but in the prefix.
pub fn camera_name(key_expr: &str) -> Result<&str> {
    let known = [keys::COLOR_IMAGE, keys::COLOR_IMAGE_COMPRESSED];
    let after_wildcard = key_expr.rfind("*/").map(|at| &key_expr[at + 2..]);
    let name = after_wildcard
        .or_else(|| {
            known
                .into_iter()
                .find(|name| keys::robot_of(key_expr, name).is_some())
        })
        .unwrap_or(key_expr);
    if name.is_empty() || name.contains(['*', '$']) {
        bail!(
            "--keys {key_expr:?}: wildcards may stand only before the camera's name, as in **/{}",
            keys::COLOR_IMAGE
        );
    }
    Ok(name)
}

/// The name of the key on which a camera's intrinsics are, beside its pictures as ROS has it: `camera/color/camera_info`
/// of `camera/color/image_raw` and of `camera/color/image_raw/compressed`.
pub fn camera_info_name(camera: &str) -> String {
    let picture = camera.strip_suffix("/compressed").unwrap_or(camera);
    let folder = picture.rsplit_once('/').map(|(folder, _)| folder);
    keys::of_robot(folder.unwrap_or_default(), "camera_info")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cameras_name_is_what_follows_the_robot() {
        for (key_expr, name) in [
            ("camera/color/image_raw", "camera/color/image_raw"),
            ("**/camera/color/image_raw", "camera/color/image_raw"),
            ("robot7/camera/color/image_raw", "camera/color/image_raw"),
            ("*/oakd/rgb/preview/image_raw", "oakd/rgb/preview/image_raw"),
            ("oakd/rgb/preview/image_raw", "oakd/rgb/preview/image_raw"),
            (
                "**/camera/color/image_raw/compressed",
                "camera/color/image_raw/compressed",
            ),
        ] {
            assert_eq!(camera_name(key_expr).unwrap(), name);
        }
        assert!(camera_name("camera/**").is_err());
    }

    #[test]
    fn a_cameras_intrinsics_are_beside_its_pictures() {
        for camera in [keys::COLOR_IMAGE, keys::COLOR_IMAGE_COMPRESSED] {
            assert_eq!(camera_info_name(camera), keys::COLOR_CAMERA_INFO);
        }
        assert_eq!(camera_info_name("image_raw"), "camera_info");
    }
}
