//! The line between the gate and its guard: a stream socket on which the gate shows that it lives. The guard answers with
//! the identity of its publisher, and then shows that it lives, too.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::Signal;
use crate::publishers::Gid;

/// How often the gate shows that it lives.
pub const HEARTBEAT_PERIOD: Duration = Duration::from_millis(50);
/// A gate that has not shown it for so long is dead.
pub const LOST_AFTER: Duration = Duration::from_millis(300);

/// A guard that has not shown it for so long counts as absent.
const GUARD_LOST_AFTER: Duration = Duration::from_secs(1);

/// A guard that could not take in a gate tries again after so long.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

const HEARTBEAT: u8 = b'.';
/// The gate's last byte when it has ended in good order, with the base standing.
const FAREWELL: u8 = b'Q';

/// The gate's end of the line. The gate's own loop beats, so that a loop that hangs is a gate that is dead.
#[derive(Debug)]
pub struct Pulse {
    path: PathBuf,
    stream: Option<UnixStream>,
    signals: Sender<Signal>,
    /// Counts the guard's signs of life.
    echoes: Arc<AtomicU64>,
    echoes_seen: u64,
    heard_at: Instant,
}

impl Pulse {
    /// Nothing is connected yet.
    pub fn new(path: &Path, signals: Sender<Signal>) -> Self {
        Self {
            path: path.to_path_buf(),
            stream: None,
            signals,
            echoes: Arc::default(),
            echoes_seen: 0,
            heard_at: Instant::now(),
        }
    }

    /// Whether a guard listens and lives.
    pub fn has_guard(&self) -> bool {
        self.stream.is_some() && self.heard_at.elapsed() < GUARD_LOST_AFTER
    }

    /// Shows that the gate lives; looks for a guard where there is none. Never waits. False where the guard of the last
    /// beat is gone: if another is on the line now, it has yet to tell its identity.
    pub fn beat(&mut self) -> bool {
        let had_guard = self.stream.is_some();
        self.write(HEARTBEAT);
        let is_the_same = had_guard && self.stream.is_some();
        let echoes = self.echoes.load(Ordering::Relaxed);
        if echoes != self.echoes_seen {
            self.echoes_seen = echoes;
            self.heard_at = Instant::now();
        }
        if self.stream.is_none() {
            self.stream = self.connect().ok();
            self.heard_at = Instant::now();
        }
        is_the_same
    }

    /// The gate ends and the base stands.
    pub fn farewell(mut self) {
        self.write(FAREWELL);
    }

    fn write(&mut self, byte: u8) {
        let Some(stream) = &self.stream else {
            return;
        };
        // Without waiting for this byte alone: the socket itself blocks, as the thread that reads the answer needs it.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(stream, &[byte], flags) {
            Ok(_) => {}
            // The guard is slow, not gone: it has thousands of unread heartbeats.
            Err(Errno::AGAIN) => {}
            Err(error) => {
                tracing::warn!("the guard is gone: {error}");
                self.stream = None;
            }
        }
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let mut stream = connect_without_waiting(&self.path)?;
        stream.write_all(&[HEARTBEAT])?;
        let mut answers = stream.try_clone()?;
        let signals = self.signals.clone();
        let echoes = Arc::clone(&self.echoes);
        std::thread::Builder::new()
            .name("guard".into())
            .spawn(move || {
                let mut gid = Gid::default();
                // An end without an answer shows at the next heartbeat.
                if answers.read_exact(&mut gid).is_err() {
                    return;
                }
                // The gate's loop is gone only when the gate ends.
                let _ = signals.send(Signal::Guard(gid));
                let mut buffer = [0; 256];
                while answers.read(&mut buffer).is_ok_and(|length| length > 0) {
                    echoes.fetch_add(1, Ordering::Relaxed);
                }
            })?;
        Ok(stream)
    }
}

/// [`UnixStream::connect`] waits where the queue of a guard that hangs is full.
fn connect_without_waiting(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// What the guard hears of its gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateNews {
    /// A gate has shown that it lives.
    Arrived,
    /// It has ended in good order.
    Left,
    /// It has died or hangs.
    Lost,
}

/// The guard's end: listens at `path` on a thread of its own, and answers each gate with `gid` once that is known, and
/// each heartbeat for which the guard's own loop has counted up `rounds`: it is that loop that would have to act.
pub fn listen(
    path: &Path,
    gid: Receiver<Gid>,
    rounds: Arc<AtomicU64>,
) -> io::Result<Receiver<GateNews>> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    let (sender, news) = bounded(16);
    std::thread::Builder::new()
        .name("gate".into())
        .spawn(move || {
            // The only wait for the identity: it is known as soon as the guard's node is up.
            let Ok(gid) = gid.recv() else { return };
            loop {
                match listener.accept() {
                    Ok((stream, _)) => {
                        if !attend(stream, &gid, &rounds, &sender) {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::error!("no gate can be attended: {error}");
                        // Out of file descriptors, say: there may be some again.
                        std::thread::sleep(ACCEPT_AGAIN_AFTER);
                    }
                }
            }
        })?;
    Ok(news)
}

/// Listens to one gate until it has left or is lost; false when nobody wants to know any more.
fn attend(mut stream: UnixStream, gid: &Gid, rounds: &AtomicU64, news: &Sender<GateNews>) -> bool {
    // A gate that is gone already shows in the first read.
    let _ = stream.write_all(gid);
    let mut arrived = false;
    let mut last_round = 0;
    let mut buffer = [0; 256];
    let ending = loop {
        if stream.set_read_timeout(Some(LOST_AFTER)).is_err() {
            break GateNews::Lost;
        }
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break GateNews::Lost,
            Ok(length) if buffer[..length].contains(&FAREWELL) => break GateNews::Left,
            Ok(_) if arrived => {
                let round = rounds.load(Ordering::Relaxed);
                if round != last_round {
                    last_round = round;
                    // Without waiting: a gate that does not read shows in the next read.
                    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                    let _ = rustix::net::send(&stream, &[HEARTBEAT], flags);
                }
            }
            Ok(_) => {
                arrived = true;
                if news.send(GateNews::Arrived).is_err() {
                    return false;
                }
            }
        }
    };
    !arrived || news.send(ending).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Line {
        dir: tempfile::TempDir,
        news: Receiver<GateNews>,
    }

    fn guard() -> Line {
        let dir = tempfile::tempdir().unwrap();
        let (sender, gid) = bounded(1);
        sender.send([7; 16]).unwrap();
        let news = listen(&dir.path().join("guard"), gid, Arc::default()).unwrap();
        Line { dir, news }
    }

    impl Line {
        fn gate(&self) -> (Pulse, Receiver<Signal>) {
            let (sender, signals) = bounded(4);
            let mut pulse = Pulse::new(&self.dir.path().join("guard"), sender);
            assert!(!pulse.beat(), "a new guard");
            assert!(pulse.has_guard());
            (pulse, signals)
        }

        fn next(&self) -> GateNews {
            self.news.recv_timeout(PATIENCE).unwrap()
        }
    }

    #[test]
    fn the_guard_tells_its_identity_and_hears_a_farewell() {
        let line = guard();
        let (mut pulse, signals) = line.gate();
        assert!(matches!(signals.recv_timeout(PATIENCE), Ok(Signal::Guard(gid)) if gid == [7; 16]));
        assert_eq!(line.next(), GateNews::Arrived);
        assert!(pulse.beat(), "the same guard");
        pulse.farewell();
        assert_eq!(line.next(), GateNews::Left);
    }

    #[test]
    fn a_guard_that_takes_nobody_in_holds_up_no_gate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        let takes_nobody_in = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&takes_nobody_in, 1).unwrap();
        let mut queue = Vec::new();
        for _ in 0..10 {
            match connect_without_waiting(&path) {
                Ok(stream) => queue.push(stream),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return;
                }
            }
        }
        panic!("the queue has no end");
    }

    #[test]
    fn a_gate_that_dies_or_hangs_is_lost_and_the_next_one_is_attended() {
        let line = guard();
        let (dies, _signals) = line.gate();
        assert_eq!(line.next(), GateNews::Arrived);
        drop(dies);
        assert_eq!(line.next(), GateNews::Lost);
        let (hangs, _signals) = line.gate();
        assert_eq!(line.next(), GateNews::Arrived);
        assert_eq!(line.next(), GateNews::Lost);
        assert!(hangs.has_guard(), "it has not noticed");
    }
}
