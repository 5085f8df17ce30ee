//! Recordings of runs: written by `run --record`, run again by `replay`, compared by `diff`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::run::RunArgs;
use super::{BAD_INPUT, NO, YES, outcomes};
use crate::engine::Transition;
use crate::tree::Tree;

/// The version of the file format.
const FORMAT: u32 = 1;

/// A run, with all that is needed to run it again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recording {
    format: u32,
    /// The tree file.
    file: PathBuf,
    tree: Option<String>,
    /// Files that declare more nodes.
    #[serde(default)]
    models: Vec<PathBuf>,
    /// What was laid down for nodes, as it was in its file.
    outcomes: Option<serde_json::Value>,
    ticks: Vec<Tick>,
}

/// One tick: when, and what came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tick {
    time_ns: u64,
    /// A status word, or the error that ended the run.
    result: String,
    /// Path, state before, state after.
    transitions: Vec<(String, String, String)>,
}

impl Recording {
    pub(crate) fn new(args: &RunArgs) -> Result<Self> {
        let outcomes = args.outcomes.as_deref().map(outcomes::read_json);
        let outcomes = outcomes.transpose()?;
        // Found again from any folder.
        let anywhere = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Ok(Self {
            format: FORMAT,
            file: anywhere(&args.file),
            tree: args.tree.clone(),
            models: args.model.iter().map(anywhere).collect(),
            outcomes,
            ticks: Vec::new(),
        })
    }

    pub(crate) fn add(
        &mut self,
        now: Duration,
        result: String,
        tree: &Tree,
        transitions: &[Transition],
    ) {
        let path = |uid| tree.node(uid).map(|node| node.path).unwrap_or_default();
        let transitions = transitions
            .iter()
            .map(|t| (path(t.uid), t.from.to_string(), t.to.to_string()))
            .collect();
        let time_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.ticks.push(Tick {
            time_ns,
            result,
            transitions,
        });
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)?;
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
        let recording: Self =
            serde_json::from_str(&text).with_context(|| format!("{shown} is no recording"))?;
        anyhow::ensure!(
            recording.format == FORMAT,
            "{shown} has the format {}, not {FORMAT}",
            recording.format
        );
        Ok(recording)
    }

    /// The same tree at the same times.
    fn again(&self) -> Result<Self> {
        let mut factory = super::factory_for(&self.file, &self.models)?;
        if let Some(json) = &self.outcomes {
            outcomes::substitute(&mut factory, json)?;
        }
        let mut tree = factory.load_file_tree(&self.file, self.tree.as_deref())?;
        let (sender, receiver) = std::sync::mpsc::channel();
        tree.observe(move |transition| sender.send(transition).unwrap_or_default());
        let mut again = Self {
            format: FORMAT,
            file: self.file.clone(),
            tree: self.tree.clone(),
            models: self.models.clone(),
            outcomes: self.outcomes.clone(),
            ticks: Vec::new(),
        };
        for tick in &self.ticks {
            let now = Duration::from_nanos(tick.time_ns);
            let result = match tree.tick_exactly_once(now) {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            let transitions: Vec<Transition> = receiver.try_iter().collect();
            again.add(now, result, &tree, &transitions);
        }
        Ok(again)
    }

    /// The first tick where two runs part, from 1.
    fn first_difference(&self, other: &Self) -> Option<usize> {
        let both = self.ticks.len().max(other.ticks.len());
        (0..both)
            .find(|&at| self.ticks.get(at) != other.ticks.get(at))
            .map(|at| at + 1)
    }

    fn show(&self, name: &str, tick: usize) {
        match self.ticks.get(tick - 1) {
            None => println!("{name}: has ended before"),
            Some(tick) => {
                println!(
                    "{name}: {:.3} s, {}",
                    Duration::from_nanos(tick.time_ns).as_secs_f64(),
                    tick.result
                );
                tick.transitions
                    .iter()
                    .for_each(|(path, from, to)| println!("  {path}: {from} -> {to}"));
            }
        }
    }
}

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

pub(crate) fn replay(args: &ReplayArgs) -> u8 {
    let runs =
        Recording::read(&args.recording).and_then(|recording| Ok((recording.again()?, recording)));
    compare(runs, ("now", "recorded"))
}

pub(crate) fn diff(args: &DiffArgs) -> u8 {
    let runs = Recording::read(&args.a).and_then(|a| Ok((a, Recording::read(&args.b)?)));
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
            println!("the runs are the same: {} ticks", a.ticks.len());
            YES
        }
        Some(tick) => {
            println!("the runs part in tick {tick}");
            a.show(names.0, tick);
            b.show(names.1, tick);
            NO
        }
    }
}
