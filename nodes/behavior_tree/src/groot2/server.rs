//! Answers viewers, on a thread of its own.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;
use zeromq::{
    PubSocket, RepSocket, Socket as _, SocketRecv as _, SocketSend as _, ZmqMessage, ZmqResult,
};

use super::live::Live;
use super::protocol::{RequestHeader, RequestType, breakpoint_reached, error_reply};

/// How long a reply may take to go out before it is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Server {
    pub live: Arc<Live>,
    pub tree_xml: String,
    pub tree_id: [u8; 16],
    pub max_heartbeat_delay: Duration,
}

impl Server {
    /// Until `stop` is dropped.
    pub(super) async fn run(
        self,
        (requests, publications): (TcpListener, TcpListener),
        mut stop: oneshot::Receiver<()>,
    ) -> ZmqResult<()> {
        let (mut server, mut publisher) = (RepSocket::new(), PubSocket::new());
        server.bind_listener(requests).await?;
        publisher.bind_listener(publications).await?;
        let (mut last_request, mut has_heartbeat) = (Instant::now(), true);
        loop {
            tokio::select! {
                _ = &mut stop => return Ok(()),
                request = server.recv() => match request {
                    Ok(request) => {
                        last_request = Instant::now();
                        if !std::mem::replace(&mut has_heartbeat, true) {
                            self.live.hooks.enable_all(true);
                        }
                        let reply = self.reply(request).await.unwrap_or_else(error_reply);
                        // A client that does not read is left behind.
                        let _ = tokio::time::timeout(SEND_TIMEOUT, server.send(reply)).await;
                    }
                    Err(error) => tracing::debug!(%error, "a viewer is gone"),
                },
                node_uid = self.live.hooks.next_reached() => {
                    let [a, b, c, d, ..] = Uuid::new_v4().into_bytes();
                    publisher.send(breakpoint_reached(node_uid, [a, b, c, d])).await?;
                }
                // A tree must not wait for ever at a breakpoint of a viewer that has gone.
                () = tokio::time::sleep_until(last_request + self.max_heartbeat_delay), if has_heartbeat => {
                    has_heartbeat = false;
                    self.live.hooks.enable_all(false);
                }
            }
        }
    }

    /// Errors: what the viewer is told.
    async fn reply(&self, request: ZmqMessage) -> Result<ZmqMessage, String> {
        let parts = request.into_vec();
        let (head, bodies) = match parts.split_first() {
            Some((head, bodies)) => (head.as_ref(), bodies),
            None => (&[][..], &[][..]),
        };
        let body = match bodies {
            [body] => Some(body.as_ref()),
            _ => None,
        };
        let header = RequestHeader::parse(head)?;
        let answer = self.answer(header.kind, body).await?;
        Ok(header.reply(self.tree_id, answer))
    }

    async fn answer(
        &self,
        kind: RequestType,
        body: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, String> {
        let live = &self.live;
        let body = || body.ok_or_else(|| "must be 2 parts message".to_owned());
        match kind {
            RequestType::FullTree => return Ok(Some(self.tree_xml.clone().into_bytes())),
            RequestType::Status => return Ok(Some(live.statuses())),
            RequestType::Blackboard => return self.blackboards(body()?).await.map(Some),
            RequestType::HooksDump => return live.hooks.dump().map(Some),
            RequestType::GetTransitions => return Ok(Some(live.recorder.take())),
            RequestType::ToggleRecording => return self.toggle_recording(body()?),
            RequestType::HookInsert => live.hooks.insert(body()?)?,
            RequestType::HookRemove => live.hooks.remove(body()?)?,
            RequestType::BreakpointUnlock => live.hooks.unlock(body()?)?,
            RequestType::RemoveAllHooks => live.hooks.remove_all(),
            RequestType::DisableAllHooks => live.hooks.enable_all(false),
        }
        Ok(None)
    }

    /// As MessagePack: for each tree of `names`, parted by semicolons, its entries. Unknown names are left out.
    async fn blackboards(&self, names: &[u8]) -> Result<Vec<u8>, String> {
        let names = std::str::from_utf8(names).map_err(|error| error.to_string())?;
        let all = self.live.boards().await;
        let asked: Map<String, Json> = names
            .split(';')
            .filter_map(|name| Some((name.to_owned(), all.get(name)?.clone())))
            .collect();
        rmp_serde::to_vec(&asked).map_err(|error| error.to_string())
    }

    /// The date of the start in µs, where it starts.
    fn toggle_recording(&self, command: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match command {
            b"start" => {
                self.live.recorder.start();
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let micros = now.unwrap_or_default().as_micros();
                Ok(Some(micros.to_string().into_bytes()))
            }
            b"stop" => {
                self.live.recorder.stop();
                Ok(None)
            }
            _ => Err("start or stop is expected".to_owned()),
        }
    }
}
