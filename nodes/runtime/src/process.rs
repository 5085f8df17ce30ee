//! One process of the graph: started in a group of its own, with a log, a readiness socket, and a signal for the day
//! its supervisor dies.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::graph::Orphaned;
use crate::restart::Exit;

/// Everything that is needed to start a process again and again.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to the environment.
    pub env: Vec<(OsString, OsString)>,
    /// Taken out of the environment.
    pub env_removed: Vec<String>,
    /// Where its output is appended.
    pub log: PathBuf,
    /// Where it says that it is ready (`NOTIFY_SOCKET`).
    pub notify: PathBuf,
    /// What it gets when its supervisor dies.
    pub orphaned: Orphaned,
}

/// A line of the readiness protocol (`sd_notify`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It works.
    Ready,
    /// Its state in one line.
    Status(String),
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: std::process::Child,
    notify: UnixDatagram,
}

impl Process {
    /// Starts it. Call this from the main thread only: the kernel sends the signal of [`Orphaned`] when the thread that
    /// made the process ends, not when its process does.
    pub fn start(launch: &Launch, extra_args: &[String]) -> io::Result<Self> {
        match std::fs::remove_file(&launch.notify) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let notify = UnixDatagram::bind(&launch.notify)?;
        notify.set_nonblocking(true)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(&launch.log)?;

        let mut command = Command::new(&launch.program);
        command
            .args(&launch.args)
            .args(extra_args)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .env("NOTIFY_SOCKET", &launch.notify)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A terminal's Ctrl-C goes to its foreground group: only the supervisor may hear it, or the order is lost.
            .process_group(0);
        for name in &launch.env_removed {
            command.env_remove(name);
        }
        signal_when_orphaned(&mut command, launch.orphaned);
        Ok(Self {
            child: command.spawn()?,
            notify,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What to wait on for [`Process::notices`].
    pub fn notify_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }

    /// What it has said since the last call.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.notify.recv(&mut buffer) {
            notices.extend(parse_notices(&buffer[..length]));
        }
        notices
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> io::Result<Option<Exit>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        }))
    }

    /// Asks it to end. What it has opened for the user, such as the window of a viewer, stays.
    pub fn terminate(&self) {
        // The child is not yet waited for while this value lives, so its id cannot belong to anybody else; an error
        // means that it has ended already.
        if let Some(process) = self.pid() {
            let _ = rustix::process::kill_process(process, Signal::TERM);
        }
    }

    /// Ends it and all that it may have started.
    pub fn kill(&self) {
        if let Some(group) = self.pid() {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn parse_notices(datagram: &[u8]) -> Vec<Notice> {
    String::from_utf8_lossy(datagram)
        .lines()
        .filter_map(|line| match line.split_once('=')? {
            ("READY", "1") => Some(Notice::Ready),
            ("STATUS", text) => Some(Notice::Status(text.to_string())),
            _ => None,
        })
        .collect()
}

/// The last words of a program that failed: from its last line that begins with "error" on, else its last line.
pub fn last_words(log: &Path) -> String {
    const LINES: usize = 12;
    let Ok(bytes) = std::fs::read(log) else {
        return String::new();
    };
    let text =
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(16 * 1024)..]).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let begins_with_error = |line: &&str| {
        line.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("error"))
    };
    let start = lines
        .iter()
        .rposition(begins_with_error)
        .unwrap_or(lines.len().saturating_sub(1));
    lines[start..]
        .iter()
        .take(LINES)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[allow(unsafe_code)]
fn signal_when_orphaned(command: &mut Command, orphaned: Orphaned) {
    let signal = match orphaned {
        Orphaned::Kill => Signal::KILL,
        Orphaned::Term => Signal::TERM,
        Orphaned::None => return,
    };
    let supervisor = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The supervisor may have died before the line above.
        if rustix::process::getppid() == Some(supervisor) {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes two system calls by
    // rustix, which issues them directly; it takes no lock and allocates nothing (an `io::Error` of a kind or an errno
    // holds no heap memory), and what it captured are two plain numbers.
    unsafe {
        command.pre_exec(prepare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readiness_protocol_is_read_line_by_line() {
        let notices = parse_notices(b"STATUS=model loaded\nREADY=1\nMAINPID=7\nnonsense\n");
        assert_eq!(
            notices,
            [Notice::Status("model loaded".into()), Notice::Ready]
        );
        assert_eq!(parse_notices(b"READY=0"), []);
        assert_eq!(parse_notices(&[0xff, 0xfe]), []);
    }

    #[test]
    fn the_last_words_begin_at_the_last_error() {
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            log.path(),
            "starting\nError: no model\n\nCaused by:\n    no file\n",
        )
        .unwrap();
        assert_eq!(
            last_words(log.path()),
            "Error: no model\nCaused by:\n    no file"
        );
        std::fs::write(log.path(), "starting\nterminate called\n").unwrap();
        assert_eq!(last_words(log.path()), "terminate called");
        std::fs::write(log.path(), "").unwrap();
        assert_eq!(last_words(log.path()), "");
    }
}
