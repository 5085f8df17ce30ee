//! A whole graph under test: brought up as a user would, watched from outside, gone afterwards.
//!
//! The programs are those that lie beside the test's own; `cargo xtask test` builds them first and sets ROS's environment.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

/// How long anything may take on a slow machine before the test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Domains below the ones that `turtlebot-maze run` picks by itself.
static NEXT_DOMAIN: AtomicU8 = AtomicU8::new(20);

/// The folder of the built programs.
///
/// # Errors
/// When the test's own place is unknown.
pub fn programs() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    let folder = me
        .parent()
        .and_then(Path::parent)
        .context("the test has no folder above it")?;
    Ok(folder.to_path_buf())
}

/// The folder of external test data, or `None` where it is not to be had and that is no failure.
///
/// # Errors
/// In CI, where a skipped test is a failure.
pub fn shared() -> anyhow::Result<Option<PathBuf>> {
    match std::env::var_os("TURTLEBOT_MAZE_SHARED") {
        Some(folder) if Path::new(&folder).is_dir() => Ok(Some(PathBuf::from(folder))),
        _ if std::env::var_os("CI").is_some() => {
            bail!("TURTLEBOT_MAZE_SHARED names no folder: needed in CI")
        }
        _ => {
            eprintln!("skipped: TURTLEBOT_MAZE_SHARED names no folder with test data");
            Ok(None)
        }
    }
}

/// A run of `turtlebot-maze run`, in a ROS domain and on a Zenoh port of its own.
pub struct Run {
    child: Child,
    /// Where its results go.
    pub out: tempfile::TempDir,
    /// Its ROS domain.
    pub domain: u8,
    /// Endpoint of its Zenoh router.
    pub zenoh: String,
}

impl Run {
    /// Starts a search at `--speed 0` with further options.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(options: &[&str]) -> anyhow::Result<Self> {
        let out = tempfile::tempdir()?;
        // There before the run makes it, so that it can be watched.
        std::fs::create_dir(out.path().join("logs"))?;
        let domain = NEXT_DOMAIN.fetch_add(1, Ordering::Relaxed);
        let port = free_port()?;
        let errors = File::create(out.path().join("terminal.log"))?;
        let summary = errors.try_clone()?;
        let program = programs()?.join("turtlebot-maze");
        let own_port = ["--zenoh-port".to_owned(), port.to_string()];
        let port_option = own_port
            .iter()
            .filter(|_| !options.contains(&"--zenoh-port"));
        let child = Command::new(&program)
            .args(["run", "--sim", "embedded", "--out"])
            .arg(out.path())
            .args(["--ros-domain-id", &domain.to_string()])
            .args(port_option)
            .args(options)
            .stdin(Stdio::null())
            .stdout(summary)
            .stderr(errors)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}: `cargo xtask test` builds it first",
                    program.display()
                )
            })?;
        Ok(Self {
            child,
            out,
            domain,
            zenoh: format!("tcp/127.0.0.1:{port}"),
        })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time; what the terminal showed is in the error.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        self.wait_for(PATIENCE)
    }

    /// As [`Self::wait`], within a span.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_for(&mut self, span: Duration) -> anyhow::Result<ExitStatus> {
        let id = pid(self.child.id())?;
        let has_ended = self.child.try_wait()?.is_some() || ends_within(id, span)?;
        ensure!(
            has_ended,
            "the run has not ended within {span:?}\n{}",
            self.terminal()
        );
        Ok(self.child.wait()?)
    }

    /// Waits until the log of a node shows `text`.
    ///
    /// # Errors
    /// When the run ends before, or not in time.
    pub fn wait_for_log(&mut self, node: &str, text: &str) -> anyhow::Result<()> {
        let writer = match self.child.try_wait()? {
            Some(_) => None,
            None => Some(pidfd_open(pid(self.child.id())?, PidfdFlags::empty())?),
        };
        let has_come = text_comes(&self.log_file(node), writer.as_ref(), PATIENCE, |log| {
            log.contains(text)
        })?;
        ensure!(
            has_come,
            "{node} has not said \"{text}\"; the run's end: {:?}\n{}",
            self.child.try_wait()?,
            self.terminal()
        );
        Ok(())
    }

    /// The log of a node so far.
    pub fn log(&self, node: &str) -> String {
        std::fs::read_to_string(self.log_file(node)).unwrap_or_default()
    }

    fn log_file(&self, node: &str) -> PathBuf {
        self.out.path().join("logs").join(format!("{node}.log"))
    }

    /// What the terminal showed so far.
    pub fn terminal(&self) -> String {
        std::fs::read_to_string(self.out.path().join("terminal.log")).unwrap_or_default()
    }

    /// The report it left.
    ///
    /// # Errors
    /// When there is none.
    pub fn report(&self) -> anyhow::Result<Value> {
        let file = self.out.path().join("report.json");
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!("no report.json; the terminal showed:\n{}", self.terminal())
        })?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Sends the supervisor a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(pid(self.child.id())?, signal).context("the run is gone")
    }

    /// Sends the process of a node a signal.
    ///
    /// # Errors
    /// When there is none.
    pub fn signal_node(&self, program: &str, signal: Signal) -> anyhow::Result<()> {
        let found = self
            .processes()
            .into_iter()
            .find(|(_, name)| name == program);
        let (id, _) = found.with_context(|| format!("no process {program} in this run"))?;
        kill_process(pid(id)?, signal).with_context(|| format!("{program} is gone"))
    }

    /// The processes of this run but its supervisor, also after that one's end.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mut processes = processes_in(self.domain);
        processes.retain(|(id, _)| *id != self.child.id());
        processes
    }

    /// Waits until no process of this run is left.
    ///
    /// # Errors
    /// When some are, after `span`.
    pub fn wait_until_gone(&self, span: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + span;
        loop {
            let left = self.processes();
            let Some((id, _)) = left.first() else {
                return Ok(());
            };
            let rest = end.saturating_duration_since(Instant::now());
            ensure!(
                ends_within(pid(*id)?, rest)?,
                "left over after {span:?}: {left:?}"
            );
        }
    }

    /// Starts a Python program of `tests/peers` in this run's ROS domain.
    ///
    /// # Errors
    /// When Python cannot be started.
    pub fn peer(&self, script: &str, args: &[&str]) -> anyhow::Result<Peer> {
        Peer::start(script, args, self.domain)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // An orderly end, so that nothing of a failed test lives on; the supervisor takes the rest with it.
        let _ = self.signal(Signal::TERM);
        let _ = self.wait_for(Duration::from_secs(15));
        let _ = self.child.kill();
        let _ = self.child.wait();
        for (id, _) in self.processes() {
            if let Ok(pid) = pid(id) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A Python program that talks to the graph as an independent peer, and prints one line for each thing it sees.
pub struct Peer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a program of `tests/peers` in a ROS domain.
    ///
    /// # Errors
    /// When Python cannot be started.
    pub fn start(script: &str, args: &[&str], domain: u8) -> anyhow::Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(script);
        let mut child = Command::new("python3")
            .arg(&file)
            .args(args)
            .env("ROS_DOMAIN_ID", domain.to_string())
            .env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start python3 {}", file.display()))?;
        let stdout = child.stdout.take().context("no output of the peer")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
        })
    }

    /// The next line that begins with `word`, without it.
    ///
    /// # Errors
    /// When the peer ends before.
    pub fn line(&mut self, word: &str) -> anyhow::Result<String> {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                bail!("the peer ended without a line \"{word}\"; it said:\n{seen}");
            }
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
            seen.push_str(&line);
        }
    }

    /// Waits for its end: status and the rest of its output.
    ///
    /// # Errors
    /// When its output is no text.
    pub fn finish(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest)?;
        Ok((self.child.wait()?, rest))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The project's processes in a ROS domain, told by their environment: number and program.
pub fn processes_in(domain: u8) -> Vec<(u32, String)> {
    let mark = format!("ROS_DOMAIN_ID={domain}").into_bytes();
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|id| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
            let belongs = environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark);
            let program = std::fs::read_link(format!("/proc/{id}/exe")).ok()?;
            let ours = program.parent() == programs().ok().as_deref();
            let name = program.file_name().unwrap_or_default();
            (belongs && ours).then(|| (id, name.to_string_lossy().into_owned()))
        })
        .collect()
}

fn pid(id: u32) -> anyhow::Result<Pid> {
    i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .context("no process number")
}

/// Waits until a process has ended, for as long as `span`. One that is not yet waited for has ended.
///
/// # Errors
/// When the process cannot be watched.
pub fn ends_within(process: Pid, span: Duration) -> anyhow::Result<bool> {
    let handle = match pidfd_open(process, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(true),
        Err(error) => return Err(error).context("cannot watch a process"),
    };
    let span = Timespec::try_from(span)?;
    let n_ready = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&span))?;
    Ok(n_ready > 0)
}

/// Waits until `is_there` holds for the text of a file, which need not exist yet, in a folder that does. False when it
/// does not within `span`, or when `writer` ends before.
///
/// # Errors
/// When the folder cannot be watched.
pub fn text_comes(
    file: &Path,
    writer: Option<&OwnedFd>,
    span: Duration,
    is_there: impl Fn(&str) -> bool,
) -> anyhow::Result<bool> {
    let folder = file.parent().context("no file")?;
    let end = Instant::now() + span;
    let mut is_over = false;
    loop {
        // Before the look, so that no change is missed between the two.
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(
            &changes,
            folder,
            inotify::WatchFlags::CREATE | inotify::WatchFlags::MODIFY,
        )
        .with_context(|| format!("cannot watch {}", folder.display()))?;
        if is_there(&std::fs::read_to_string(file).unwrap_or_default()) {
            return Ok(true);
        }
        if is_over {
            return Ok(false);
        }
        let mut watched = vec![PollFd::new(&changes, PollFlags::IN)];
        watched.extend(writer.map(|writer| PollFd::new(writer, PollFlags::IN)));
        let rest = Timespec::try_from(end.saturating_duration_since(Instant::now()))?;
        let n_ready = poll(&mut watched, Some(&rest))?;
        is_over = n_ready == 0 || watched.get(1).is_some_and(|end| !end.revents().is_empty());
    }
}

/// A port of loopback that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
