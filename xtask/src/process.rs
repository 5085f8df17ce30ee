//! Running programs, with progress for a person and errors that say what to do. A stop by Ctrl-C or a signal is passed on
//! to the program that runs, and waited for: whatever it has started ends in its own order.

use std::ffi::OsStr;
use std::fmt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether a stop is wished.
static STOP: AtomicBool = AtomicBool::new(false);
/// The program that runs now.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);

/// The end by Ctrl-C or another signal.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From now on SIGINT, SIGTERM and SIGHUP go to the program that runs, and nothing further is started.
pub fn pass_signals_on() -> anyhow::Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                let running = running();
                STOP.store(true, Ordering::SeqCst);
                let signal = match signal {
                    SIGINT => Signal::INT,
                    SIGHUP => Signal::HUP,
                    _ => Signal::TERM,
                };
                if let Some(process) = *running {
                    // An error means that it has ended by itself.
                    let _ = kill_process(process, signal);
                }
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

fn running() -> MutexGuard<'static, Option<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A step that may take long: says what it does, and afterwards how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    eprintln!("==> {what}");
    let begin = Instant::now();
    let result = work().with_context(|| format!("while: {what}"))?;
    eprintln!("    done in {:.1} s", begin.elapsed().as_secs_f32());
    Ok(result)
}

/// A command whose program and arguments can be shown.
pub fn command(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a command that must succeed; its output goes to standard error, so that standard output stays ours.
pub fn must(command: &mut Command, remedy: &str) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = run(command.stdin(Stdio::null()).stdout(std::io::stderr()))
        .with_context(|| format!("`{shown}`: {remedy}"))?;
    if STOP.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    if !status.success() {
        bail!("`{shown}` failed ({status}): {remedy}");
    }
    Ok(())
}

/// Runs a command to its end with our own standard streams.
pub fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let shown = shown(command);
    run(command).with_context(|| format!("`{shown}`"))
}

fn run(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let mut child = start(command)?;
    let status = child.wait();
    *running() = None;
    status.context("cannot wait for its end")
}

/// Starts a command, unless a stop is wished.
fn start(command: &mut Command) -> anyhow::Result<Child> {
    let mut running = running();
    if STOP.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    let child = command.spawn().context("cannot start")?;
    *running = Some(Pid::from_child(&child));
    Ok(child)
}

/// What a command prints, trimmed; `None` where it cannot be run or fails.
pub fn output(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let out = command(program, args).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut text = words.join(" ");
    if text.len() > 200 {
        text.truncate(text.floor_char_boundary(200));
        text.push('…');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends by a panic")]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    #[test]
    fn a_signal_goes_to_the_program_that_runs_and_nothing_further_is_started() {
        pass_signals_on().unwrap();
        let script = "trap 'exit 7' INT; echo ready; while :; do sleep 0.01; done";
        let mut child = start(command("sh", &["-c", script]).stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        kill_process(rustix::process::getpid(), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));
        let refused = must(&mut command("true", &[]), "").unwrap_err();
        assert!(refused.is::<Interrupted>(), "{refused:#}");
    }
}
