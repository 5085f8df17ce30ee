//! What wakes the supervisor: signals to itself, deaths of children, notices on readiness sockets.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// Listens from its creation on.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Takes SIGINT, SIGTERM and SIGHUP as the wish to stop, for the whole process.
    pub fn listen() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The flag first: who is woken finds it set.
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        signal_hook::low_level::pipe::register(SIGCHLD, write)?;
        Ok(Self { wake, stop })
    }

    /// Whether a stop is wished.
    pub fn stop_wished(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Waits for a signal, a readable descriptor, or the end of the time.
    pub fn wait<'a>(
        &'a self,
        readable: impl Iterator<Item = BorrowedFd<'a>>,
        at_most: Duration,
    ) -> io::Result<()> {
        let mut polled: Vec<PollFd> = std::iter::once(self.wake.as_fd())
            .chain(readable)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let time_limit = Timespec {
            tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(at_most.subsec_nanos()),
        };
        match poll(&mut polled, Some(&time_limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut wake = &self.wake;
        while matches!(wake.read(&mut [0; 64]), Ok(length) if length > 0) {}
        Ok(())
    }
}
