//! The command line.

mod frames;
mod generate;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Worlds for the simulator, and pictures taken in them.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the outcome as one JSON document.
    #[arg(long, global = true)]
    // `main` looks for it itself: it holds for a command line that does not parse, too.
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write labelled pictures to train or test a detector with.
    Frames(frames::Frames),
    /// Write a maze to search: world, map, locations.
    Generate(generate::Generate),
    /// Write the map of a world file.
    Map(generate::Map),
}

impl Cli {
    /// Does what was asked for; the folder that was written to.
    pub fn run(self) -> anyhow::Result<PathBuf> {
        match self.command {
            Command::Frames(frames) => frames.run(),
            Command::Generate(generate) => generate.run(),
            Command::Map(map) => map.run(),
        }
    }
}
