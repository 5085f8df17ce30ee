//! Groot2's live protocol: shows a tree while it runs, its blackboards and transitions, and stops it at breakpoints.
//!
//! The protocol is that of BehaviorTree.CPP's `Groot2Publisher`: ZeroMQ requests on a port, and on the next one the
//! breakpoints that are reached. A thread of its own answers. A tick leaves its states where that thread finds them and
//! never waits for it, unless a viewer has set a breakpoint, which it can only where [`Groot2Options::control`] is on.

mod hooks;
mod live;
mod protocol;
mod recorder;
mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::engine::{Conditions, NONE};
use crate::tree::Tree;
use hooks::Hooks;
use server::Server;

pub(crate) use hooks::Position;
pub(crate) use live::Live;

/// How often two neighbouring ports are looked for.
const PORT_ATTEMPTS: usize = 32;

/// Where and how a [`Groot2Publisher`] answers.
#[derive(Clone, Copy, Debug)]
pub struct Groot2Options {
    /// The network that viewers come from: this machine alone (127.0.0.1), if nothing else is said.
    pub address: IpAddr,
    /// The port for requests, 1667 if nothing else is said; breakpoints are told on the next one. 0 takes two that are
    /// free.
    pub port: u16,
    /// Whether viewers may set breakpoints and results of nodes. Off if nothing else is said.
    pub control: bool,
    /// How long viewers may be silent before their breakpoints are switched off: 5 s if nothing else is said.
    pub max_heartbeat_delay: Duration,
}

impl Default for Groot2Options {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 1667,
            control: false,
            max_heartbeat_delay: Duration::from_secs(5),
        }
    }
}

/// Why there is no [`Groot2Publisher`].
#[derive(Debug, thiserror::Error)]
pub enum Groot2Error {
    /// The protocol has 16 bits for a node's number.
    #[error("Groot2's protocol numbers 65535 nodes at most")]
    TooManyNodes,
    /// The port or the one after it is taken.
    #[error("port {port} and the next one are needed: {error}")]
    Bind {
        /// The port for requests.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// There is no thread to be had.
    #[error("no thread for Groot2: {0}")]
    Thread(io::Error),
}

/// Shows a tree to Groot2 until it is dropped. Of several on one tree the last can set breakpoints.
#[derive(Debug)]
pub struct Groot2Publisher {
    live: Arc<Live>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Groot2Publisher {
    /// Begins to answer.
    ///
    /// # Errors
    /// The tree is too large, or a port is taken.
    pub fn new(tree: &mut Tree, options: Groot2Options) -> Result<Self, Groot2Error> {
        if tree.len() > usize::from(u16::MAX) {
            return Err(Groot2Error::TooManyNodes);
        }
        let listeners = bind(options).map_err(|error| Groot2Error::Bind {
            port: options.port,
            error,
        })?;
        let address = listeners.0.local_addr().map_err(Groot2Error::Thread)?;
        let n_nodes = if options.control { tree.len() } else { 0 };
        let live = tree.show_live(Hooks::new(n_nodes));
        if options.control {
            tree.allow_hooks();
        }
        let server = Server {
            live: Arc::clone(&live),
            tree_xml: tree.to_xml(),
            tree_id: Uuid::new_v4().into_bytes(),
            max_heartbeat_delay: options.max_heartbeat_delay,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Groot2Error::Thread)?;
        let (stop, stop_receiver) = oneshot::channel();
        let serve = move || {
            let run = server.run(listeners, stop_receiver);
            if let Err(error) = runtime.block_on(run) {
                tracing::error!(%error, "Groot2 sees nothing more of the tree");
            }
        };
        let thread = std::thread::Builder::new().name("groot2".to_owned());
        let thread = thread.spawn(serve).map_err(Groot2Error::Thread)?;
        Ok(Self {
            live,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it answers requests.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Groot2Publisher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has told its error, if any.
            let _ = thread.join();
        }
        // Nobody is left who could let a tick go on.
        self.live.hooks.remove_all();
    }
}

impl Tree {
    /// Begins to leave what happens where viewers find it.
    fn show_live(&mut self, hooks: Hooks) -> Arc<Live> {
        let boards = self.contexts().iter().map(|context| {
            let path = context.prefix.strip_suffix('/').unwrap_or(&context.prefix);
            let name: &str = if path.is_empty() { &context.tree } else { path };
            (name.to_owned(), context.board)
        });
        let boards = boards.collect();
        let engine = self.engine_mut();
        let live = Arc::new(Live::new(engine, boards, hooks));
        engine.groot2 = Some(Arc::clone(&live));
        let observer = Arc::clone(&live);
        self.observe(move |transition| observer.observe(transition));
        live
    }

    /// Hooks are looked for with the conditions around a node, so that a tree without viewers does not look for them.
    fn allow_hooks(&mut self) {
        let engine = self.engine_mut();
        let nothing = engine.conditions.len() as u32;
        engine.conditions.push(Conditions {
            pre: [NONE; 4],
            post: [NONE; 4],
        });
        for node in &mut engine.nodes {
            if node.conditions == NONE {
                node.conditions = nothing;
            }
        }
    }
}

/// Two neighbouring ports.
fn bind(options: Groot2Options) -> io::Result<(TcpListener, TcpListener)> {
    let bind_pair = || {
        let requests = TcpListener::bind((options.address, options.port))?;
        let next = requests.local_addr()?.port().checked_add(1);
        let next = next.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let publications = TcpListener::bind((options.address, next))?;
        io::Result::Ok((requests, publications))
    };
    let attempts = if options.port == 0 { PORT_ATTEMPTS } else { 1 };
    let mut pair = bind_pair();
    for _ in 1..attempts {
        if pair.is_ok() {
            break;
        }
        pair = bind_pair();
    }
    pair
}
