//! The detector's Zenoh session, and what its keys mean.

use anyhow::{Context, Result, bail};
use wire::keys;
use zenoh::Config;

/// A client of the router at `endpoint`, with no scouting: it meets nobody but that router. It waits for the router
/// when it is not there yet, and comes back to it when it was lost.
pub fn client_config(endpoint: &str) -> Result<Config> {
    let mut config = Config::default();
    let settings = [
        ("mode", "\"client\"".to_owned()),
        ("connect/endpoints", serde_json::to_string(&[endpoint])?),
        ("connect/timeout_ms", "-1".to_owned()),
        ("connect/exit_on_failure", "false".to_owned()),
        (
            "connect/retry",
            r#"{"period_init_ms":100,"period_max_ms":1000,"period_increase_factor":2}"#.to_owned(),
        ),
        ("listen/endpoints", "[]".to_owned()),
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".to_owned()),
    ];
    for (name, value) in settings {
        config
            .insert_json5(name, &value)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| {
                format!("--zenoh {endpoint:?} is no endpoint such as tcp/127.0.0.1:7447")
            })?;
    }
    Ok(config)
}

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

    #[test]
    fn a_word_is_no_endpoint() {
        assert!(client_config("tcp/127.0.0.1:7447").is_ok());
        assert!(client_config("hello").is_err());
    }
}
