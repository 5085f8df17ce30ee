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
}
