//! `replay` and `diff`: recordings of runs, run again and compared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{BAD_INPUT, NO, YES, output};
use crate::recording::Recording;

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// A recording, as `run --record` writes it.
    recording: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// A recording.
    a: PathBuf,
    /// Another one.
    b: PathBuf,
}

fn read(path: &Path) -> Result<Recording> {
    Recording::read(path).with_context(|| format!("{} cannot be used", path.display()))
}

pub(crate) fn replay(args: &ReplayArgs) -> u8 {
    let runs = read(&args.recording).and_then(|recording| Ok((recording.replay()?, recording)));
    compare(runs, ("now", "recorded"))
}

pub(crate) fn diff(args: &DiffArgs) -> u8 {
    let runs = read(&args.a).and_then(|a| Ok((a, read(&args.b)?)));
    compare(runs, ("first", "second"))
}

fn compare(runs: Result<(Recording, Recording)>, names: (&str, &str)) -> u8 {
    let (a, b) = match runs {
        Ok(runs) => runs,
        Err(error) => {
            eprintln!("error: {error:#}");
            return BAD_INPUT;
        }
    };
    match a.first_difference(&b) {
        None => {
            say!("the runs are the same: {} ticks", a.n_ticks());
            YES
        }
        Some(tick) => {
            say!("the runs part in tick {tick}");
            output::put(format_args!("{}: {}", names.0, a.describe(tick)));
            output::put(format_args!("{}: {}", names.1, b.describe(tick)));
            NO
        }
    }
}
