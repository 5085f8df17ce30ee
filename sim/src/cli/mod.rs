//! The command line.

mod frames;
mod generate;

use clap::{Parser, Subcommand};

/// Worlds for the simulator, and pictures taken in them.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
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
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Frames(frames) => frames.run(),
            Command::Generate(generate) => generate.run(),
            Command::Map(map) => map.run(),
        }
    }
}
