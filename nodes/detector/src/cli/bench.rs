//! `detector bench`: how long the parts of a frame's way take.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::print_line;
use crate::bench::{BenchOptions, Row, bench, fleet};
use crate::device::Device;
use crate::model_file;

/// Measure the parts of a frame's way with one thread, on request interleaved with the Python reference; or a fleet.
#[derive(Debug, Args)]
pub struct Bench {
    /// Print one JSON document: an array of rows.
    #[arg(long)]
    pub json: bool,
    /// Sizes of the frames.
    #[arg(long, value_name = "WxH", value_parser = size, default_values = ["640x480", "1280x720"])]
    size: Vec<[u32; 2]>,
    /// Runs of each size.
    #[arg(long, default_value = "200")]
    runs: NonZeroUsize,
    /// Python with numpy, opencv and onnxruntime, to run the reference with.
    #[arg(long, env = "TURTLEBOT_MAZE_PYTHON")]
    python: Option<PathBuf>,
    /// YOLO detection model, ONNX; the project's own when absent.
    #[arg(long)]
    model: Option<PathBuf>,
    /// What computes: auto (TensorRT, else CUDA, else the CPU), cpu, cuda or tensorrt; :N names the GPU, as in cuda:1.
    #[arg(long, default_value_t)]
    device: Device,
    /// Measure instead one process that serves the cameras of 1, 4, 16 and 64 robots, for two minutes.
    #[arg(long, conflicts_with_all = ["size", "runs"])]
    fleet: bool,
    /// Write the fleet's figures as a picture, too.
    #[arg(long, value_name = "OUT.svg", requires = "fleet")]
    plot: Option<PathBuf>,
}

/// Does what `args` say.
///
/// # Errors
/// As [`bench`].
pub fn run(args: &Bench) -> Result<ExitCode> {
    let model = model_file::or_own(args.model.as_deref())?;
    let rows = if args.fleet {
        let figures = fleet(&model, args.device)?;
        if let Some(out) = &args.plot {
            std::fs::write(out, figures.plot())
                .with_context(|| format!("cannot write {}", out.display()))?;
        }
        if !args.json {
            print_line(figures.table().trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        figures.rows()
    } else {
        bench(&BenchOptions {
            model,
            device: args.device,
            sizes: args.size.clone(),
            runs: args.runs.get(),
            python: args.python.clone(),
        })?
    };
    if args.json {
        print_line(serde_json::to_string(&rows)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for Row {
        name,
        value,
        unit,
        peer,
        peer_value,
        ratio,
        interval,
        peer_interval: _,
        ratio_interval,
    } in &rows
    {
        let mut line = format!("{name:44} {value:9.3} {unit}");
        if let Some([low, high]) = interval {
            write!(line, " ({low:.3} to {high:.3})")?;
        }
        if let (Some(peer), Some(peer_value), Some(ratio)) = (peer, peer_value, ratio) {
            write!(line, "   {peer} {peer_value:.3} {unit}   ratio {ratio:.2}")?;
        }
        if let Some([low, high]) = ratio_interval {
            write!(line, " ({low:.3} to {high:.3})")?;
        }
        print_line(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    sides
        .filter(|sides| sides.iter().all(|side| (1..=16_384).contains(side)))
        .ok_or("expected WIDTHxHEIGHT".to_owned())
}
