//! Running programs, with progress for a person and errors that say what to do.

use std::ffi::OsStr;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

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
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start `{shown}`: {remedy}"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status}): {remedy}");
    }
    Ok(())
}

/// Runs a command to its end with our own standard streams.
pub fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let shown = shown(command);
    command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))
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
