//! How every program of the project joins Zenoh: as a client of one router.
//!
//! A client meets nobody but its router (no scouting), waits for it when it is not there yet, and comes back to it when
//! it was lost.

use std::time::Duration;

use zenoh::Config;

/// An endpoint that Zenoh does not understand.
#[derive(Debug, thiserror::Error)]
#[error("\"{endpoint}\" is no Zenoh endpoint such as tcp/127.0.0.1:7447: {reason}")]
pub struct EndpointError {
    endpoint: String,
    reason: String,
}

/// The configuration of a client of the router at `endpoint`. Opening a session with it waits until the router is
/// reached, so open it on a thread of its own where something else must go on meanwhile.
///
/// # Errors
/// When `endpoint` is no endpoint.
pub fn config(endpoint: &str) -> Result<Config, EndpointError> {
    client(endpoint, None)
}

/// As [`config`], but opening a session fails when the router is not reached within `patience`.
///
/// # Errors
/// When `endpoint` is no endpoint.
pub fn config_with_patience(endpoint: &str, patience: Duration) -> Result<Config, EndpointError> {
    client(endpoint, Some(patience))
}

fn client(endpoint: &str, patience: Option<Duration>) -> Result<Config, EndpointError> {
    let timeout = patience.map_or(-1, |patience| {
        i64::try_from(patience.as_millis()).unwrap_or(i64::MAX)
    });
    let json = serde_json::json!({
        "mode": "client",
        "connect": {
            "endpoints": [endpoint],
            "timeout_ms": timeout,
            "exit_on_failure": patience.is_some(),
            "retry": { "period_init_ms": 100, "period_max_ms": 1000, "period_increase_factor": 2 },
        },
        "listen": { "endpoints": [] },
        "scouting": { "multicast": { "enabled": false }, "gossip": { "enabled": false } },
    });
    Config::from_json5(&json.to_string()).map_err(|error| EndpointError {
        endpoint: endpoint.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_endpoint_is_checked() {
        assert!(super::config("tcp/127.0.0.1:7447").is_ok());
        let error = super::config("somewhere").unwrap_err().to_string();
        assert!(
            error.contains("\"somewhere\"") && error.contains("tcp/127.0.0.1:7447"),
            "{error}"
        );
    }
}
