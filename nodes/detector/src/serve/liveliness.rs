//! Robots come and go: the liveliness tokens of their cameras.
//!
//! `zenoh-bridge-ros2dds` declares a token for each topic that it publishes,
//! `@/<bridge>/@ros2_lv/MP/<key>/<type>/<qos>` with `§` for the slashes of key and type. Zenoh takes it back when the
//! bridge is lost, so a robot's departure is known at once. A camera without a bridge may declare its own key as a token.
//! For publishers without tokens silence has to do.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use wire::keys;
use zenoh::key_expr::KeyExpr;
use zenoh::pubsub::Subscriber;
use zenoh::sample::SampleKind;
use zenoh::{Session, Wait};

use super::inbox::Inbox;

/// Every publisher of every bridge.
const TOKENS: &str = "@/*/@ros2_lv/MP/*/*/*";

/// Tells `inbox` of the robots whose camera's key, of the expression `key` and named `camera` behind the robot's
/// prefix, has a token.
///
/// # Errors
/// When Zenoh refuses a subscription.
pub fn subscribe(
    session: &Session,
    key: &str,
    camera: &str,
    inbox: &Arc<Inbox>,
) -> Result<[Subscriber<()>; 2]> {
    let cameras = KeyExpr::try_from(key.to_owned()).map_err(|error| anyhow!("{error}"))?;
    let of_bridges = subscribe_tokens(session, TOKENS, &cameras, camera, inbox, camera_of)?;
    let own = |token: &str| Some(token.to_owned());
    let of_cameras = subscribe_tokens(session, key, &cameras, camera, inbox, own)?;
    Ok([of_bridges, of_cameras])
}

/// `key_of` gives the camera's key that a token speaks of.
fn subscribe_tokens(
    session: &Session,
    tokens: &str,
    cameras: &KeyExpr<'static>,
    camera: &str,
    inbox: &Arc<Inbox>,
    key_of: fn(&str) -> Option<String>,
) -> Result<Subscriber<()>> {
    let (cameras, camera, inbox) = (cameras.clone(), camera.to_owned(), Arc::clone(inbox));
    let subscriber = session
        .liveliness()
        .declare_subscriber(tokens.to_owned())
        .history(true)
        .callback(move |sample| {
            let Some(key) = key_of(sample.key_expr().as_str()) else {
                return;
            };
            let robot = keys::robot_of(&key, &camera);
            let served = KeyExpr::try_from(&key).is_ok_and(|key| cameras.includes(&key));
            match (robot.filter(|_| served), sample.kind()) {
                (Some(prefix), SampleKind::Put) => inbox.token_came(prefix),
                (Some(prefix), SampleKind::Delete) => inbox.token_went(prefix, Instant::now()),
                (None, _) => {}
            }
        });
    subscriber
        .wait()
        .map_err(|error| anyhow!("cannot subscribe to liveliness tokens: {error}"))
}

/// The key that a token's topic has on Zenoh.
fn camera_of(token: &str) -> Option<String> {
    let escaped = token.split('/').nth(4)?;
    Some(escaped.replace('§', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cameras_key_is_read_from_a_bridges_token() {
        let token = "@/a1b2/@ros2_lv/MP/r7§camera§color§image_raw/sensor_msgs§msg§Image/:::,5";
        let key = camera_of(token);
        assert_eq!(key.as_deref(), Some("r7/camera/color/image_raw"));
        assert_eq!(camera_of("@/a1b2"), None);
        assert!(
            KeyExpr::try_from(TOKENS)
                .unwrap()
                .includes(&KeyExpr::try_from(token).unwrap())
        );
    }
}
