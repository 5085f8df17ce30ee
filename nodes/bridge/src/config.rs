//! Zenoh's configuration for the router and its ROS 2 plugin.

use anyhow::anyhow;
use serde_json::json;
use zenoh::Config;

use crate::Flags;
use crate::topics::Topic;

/// A router without scouting that hosts the bridge plugin.
pub fn router(flags: &Flags) -> anyhow::Result<Config> {
    let patterns = |topics: &[Topic]| -> Vec<String> {
        topics
            .iter()
            .map(|topic| topic.pattern(&flags.namespace))
            .collect()
    };
    let plugin = json!({
        "namespace": flags.namespace,
        "nodename": "zenoh_bridge",
        // An interface kind that is not listed is not routed: no services, no actions.
        "allow": {
            "publishers": patterns(&flags.out_of_ros),
            "subscribers": patterns(&flags.into_ros),
            "service_servers": [],
            "service_clients": [],
            "action_servers": [],
            "action_clients": [],
        },
        // A camera driver must never wait without end for a slow peer on Zenoh; see the queue below.
        "reliable_routes_blocking": false,
        "__required__": true,
    });
    let config = json!({
        "mode": "router",
        "listen": { "endpoints": [flags.zenoh_listen], "exit_on_failure": true },
        "connect": { "endpoints": flags.zenoh_connect },
        "scouting": { "multicast": { "enabled": false }, "gossip": { "enabled": false } },
        // The plugin's caches for transient-local topics need stamps.
        "timestamping": { "enabled": true },
        "adminspace": { "enabled": true, "permissions": { "read": true, "write": false } },
        // A picture is larger than the queue. By default one is dropped when the peer has not read for 1 ms, which on a
        // busy machine happens every few seconds; a peer that has not read for 1 s is too slow for it.
        "transport": { "link": { "tx": { "queue": { "congestion_control": { "drop": {
            "wait_before_drop": 1_000_000, "max_wait_before_drop_fragments": 1_000_000,
        } } } } } },
        "plugins_loading": { "enabled": true },
        "plugins": { "ros2dds": plugin },
    });
    Config::from_json5(&config.to_string())
        .map_err(|error| anyhow!("Zenoh refuses the router's configuration: {error}"))
}
