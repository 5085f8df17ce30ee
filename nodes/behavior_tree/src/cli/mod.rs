//! The command line: `behavior_tree run FILE`, `check FILE…`, `draw FILE` and so on.

/// Prints a line.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::output::put(format_args!("{}\n", format_args!($($text)*))) };
}

mod check;
mod draw;
#[cfg(feature = "groot2")]
mod groot;
mod live;
mod nodes;
mod outcomes;
mod output;
mod recording;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::fault::LoadError;
use crate::nav2::{self, Parked};
use crate::registry::Factory;

/// Everything went well and the answer is yes.
const YES: u8 = 0;
/// It went well, and the answer is no.
const NO: u8 = 1;
/// The input or the set-up is bad.
const BAD_INPUT: u8 = 2;

/// Behaviour trees in BehaviorTree.CPP's XML (version 4): run them, check them, draw them, list the nodes they can use.
#[derive(Debug, Parser)]
#[command(name = "behavior_tree", version, about)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a tree until it ends, and say how.
    Run(run::RunArgs),
    /// Find the faults of tree files (.xml) and locations files (.yaml), all at once.
    Check(check::CheckArgs),
    /// Draw a tree, for the terminal or as SVG.
    Draw(draw::DrawArgs),
    /// Run a recording again, and say whether it goes the same way.
    Replay(recording::ReplayArgs),
    /// Compare two recordings, and show the first tick where they part.
    Diff(recording::DiffArgs),
    /// List the nodes that trees can use, with their ports.
    Nodes(nodes::NodesArgs),
}

/// Every node that the program knows: BehaviorTree.CPP's and Nav2's.
fn factory() -> Factory {
    let mut factory = Factory::new();
    if let Err(error) = nav2::register(&mut factory, Arc::new(Parked)) {
        eprintln!("error: {error}");
    }
    factory
}

/// And those that the tree's own file and `models` declare.
fn factory_for(tree: &Path, models: &[PathBuf]) -> Result<Factory, LoadError> {
    let mut factory = factory();
    for model in models {
        factory.declare_models(model)?;
    }
    // What is wrong with the tree is told when it is loaded.
    let _ = factory.declare_models(tree);
    Ok(factory)
}

/// Does what was asked for, and gives the exit status: 0 yes, 1 no, 2 bad input.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match &args.command {
        Command::Run(args) => run::run(args).into(),
        Command::Check(args) => check::check(args).into(),
        Command::Draw(args) => draw::draw(args).into(),
        Command::Replay(args) => recording::replay(args).into(),
        Command::Diff(args) => recording::diff(args).into(),
        Command::Nodes(args) => nodes::nodes(args).into(),
    }
}
