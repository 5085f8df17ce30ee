//! The connection with the router: Zenoh comes back to it by itself; here its losses are counted and told. With the router
//! go all liveliness tokens, and that says nothing of the robots.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};
use zenoh::sample::SampleKind;
use zenoh::session::TransportEventsListener;
use zenoh::{Session, Wait};

use super::inbox::Inbox;

/// Watches as long as it lives.
pub struct Watch {
    losses: Arc<AtomicU64>,
    _listener: TransportEventsListener<()>,
}

/// Watches a client's only connection, and tells `inbox` of its losses.
///
/// # Errors
/// When Zenoh refuses.
pub fn watch(session: &Session, inbox: &Arc<Inbox>) -> Result<Watch> {
    let losses = Arc::new(AtomicU64::new(0));
    let (counted, inbox) = (Arc::clone(&losses), Arc::clone(inbox));
    let info = session.info();
    let listener = info
        .transport_events_listener()
        .callback(move |event| match event.kind() {
            SampleKind::Put => {
                inbox.router_came();
                tracing::info!("the Zenoh router is back");
            }
            SampleKind::Delete => {
                inbox.router_went(Instant::now());
                counted.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the Zenoh router is lost");
            }
        });
    let listener = listener
        .wait()
        .map_err(|error| anyhow!("cannot watch the connection: {error}"))?;
    Ok(Watch {
        losses,
        _listener: listener,
    })
}

impl Watch {
    /// How often the connection was lost, as it is counted.
    pub fn losses(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.losses)
    }
}
