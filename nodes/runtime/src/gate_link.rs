//! The supervisor's line to the e-stop gate: it needs no ROS and works while everything else is down.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Orders to the gate's control socket.
#[derive(Debug)]
pub struct GateLink {
    socket: UnixDatagram,
    path: PathBuf,
}

impl GateLink {
    /// `path` is the gate's `--control-socket`.
    pub fn new(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A gate that hangs must not hang its supervisor.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path: path.to_path_buf(),
        })
    }

    /// Zeros until `client` is back.
    pub fn hold(&self, client: &str) -> io::Result<()> {
        self.send(&format!("hold {client}"))
    }

    /// `client` is back.
    pub fn release(&self, client: &str) -> io::Result<()> {
        self.send(&format!("release {client}"))
    }

    /// Zeros until somebody resets the stop.
    pub fn latch(&self, reason: &str) -> io::Result<()> {
        self.send(&format!("latch {reason}"))
    }

    /// Zeros for good: the gate is about to be ended, and no reset frees it before that.
    pub fn end(&self, reason: &str) -> io::Result<()> {
        self.send(&format!("end {reason}"))
    }

    fn send(&self, line: &str) -> io::Result<()> {
        self.socket.send_to(line.as_bytes(), &self.path).map(|_| ())
    }
}
