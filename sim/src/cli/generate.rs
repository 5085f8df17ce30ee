//! `sim generate` and `sim map`: worlds from a seed, and maps of worlds.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use sim::World;
use sim::classes::{CLASSES, class_index};
use sim::grid::OccupancyGrid;
use sim::scenario::{GroundTruth, Scenario, ScenarioOptions, write_ground_truth};

/// Writes `world.sdf`, `map.pgm`, `map.yaml`, `locations.yaml` and `ground_truth.json`.
#[derive(Debug, Args)]
pub struct Generate {
    /// Decides everything.
    #[arg(long)]
    seed: u64,
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
    /// The class of the object to search for; from the seed where it is not given.
    #[arg(long, value_parser = parse_class)]
    find: Option<usize>,
    /// Leave that object out.
    #[arg(long)]
    absent: bool,
    /// Leave all other objects out.
    #[arg(long)]
    alone: bool,
}

impl Generate {
    pub fn run(self) -> anyhow::Result<PathBuf> {
        let Self {
            seed,
            find,
            absent,
            alone,
            out,
        } = self;
        let scenario = Scenario::generate(ScenarioOptions {
            seed,
            find,
            absent,
            alone,
        })?;
        scenario.write(&out)?;
        Ok(out)
    }
}

/// Writes `map.pgm`, `map.yaml` and `ground_truth.json` for a world file.
#[derive(Debug, Args)]
pub struct Map {
    /// The world, an SDF file.
    #[arg(long)]
    world: PathBuf,
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
}

impl Map {
    pub fn run(self) -> anyhow::Result<PathBuf> {
        let world = World::read_sdf(&self.world)?;
        let write = || {
            fs::create_dir_all(&self.out)?;
            OccupancyGrid::of_world(&world).write(&self.out)?;
            write_ground_truth(&GroundTruth::of_world(&world, None, None), &self.out)
        };
        write().with_context(|| format!("cannot write to {}", self.out.display()))?;
        Ok(self.out)
    }
}

fn parse_class(name: &str) -> Result<usize, String> {
    class_index(name).ok_or_else(|| format!("the classes are {}", CLASSES.join(", ")))
}
