//! The command line.

mod bench;
mod image;

pub use image::Seen;

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::boxes::Thresholds;
use crate::device::Device;
use crate::model::{Head, Model, ModelOptions, Precision};
use crate::model_file;
use crate::serve::{Ended, KeyFrames, ServeOptions};

/// Bad input or set-up.
const EXIT_BAD_INPUT: u8 = 2;
/// Ended by Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

/// YOLO detection on ONNX Runtime: camera frames from Zenoh, or photos.
#[derive(Debug, Parser)]
#[command(name = "detector", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write log lines as JSON.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer camera frames from Zenoh with detections, until stopped.
    Serve(Serve),
    /// Print what photos show.
    Image(image::Image),
    /// Print what a model file is.
    Info(Info),
    /// Measure how long the parts of a frame's way take.
    Bench(bench::Bench),
}

/// What counts as a detection.
#[derive(Debug, Args)]
struct Limits {
    /// Least confidence, 0 to 1.
    #[arg(long, default_value_t = Thresholds::default().confidence, value_parser = fraction, allow_negative_numbers = true)]
    conf: f32,
    /// Boxes of one class that overlap more than this (intersection over union, 0 to 1) are one object.
    #[arg(long, default_value_t = Thresholds::default().iou, value_parser = fraction, allow_negative_numbers = true)]
    iou: f32,
}

impl Limits {
    fn thresholds(&self) -> Thresholds {
        Thresholds {
            confidence: self.conf,
            iou: self.iou,
        }
    }
}

/// The network.
#[derive(Debug, Args)]
struct ModelArgs {
    /// YOLO detection model, ONNX; the project's own when absent.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Threads for inference; 0: as many as there are cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// What computes: auto (TensorRT, else CUDA, else the CPU), cpu, cuda or tensorrt; :N names the GPU, as in cuda:1.
    #[arg(long, default_value_t)]
    device: Device,
}

impl ModelArgs {
    fn path(&self) -> Result<PathBuf> {
        Ok(model_file::or_own(self.model.as_deref())?)
    }

    fn options(&self) -> ModelOptions {
        ModelOptions {
            threads: self.threads,
            device: self.device,
            ..ModelOptions::default()
        }
    }

    fn load(&self) -> Result<Model> {
        Ok(Model::load(&self.path()?, &self.options())?)
    }
}

#[derive(Debug, Args)]
struct Serve {
    /// Endpoint of the Zenoh router.
    #[arg(long, default_value = "tcp/127.0.0.1:7447")]
    zenoh: String,
    /// Zenoh keys of the cameras. A robot's prefix may be a wildcard: each robot is answered under its own prefix.
    /// Keys that end in /compressed hold CompressedImage, others Image.
    #[arg(long, default_values_t = [wire::keys::COLOR_IMAGE.to_owned()])]
    keys: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    limits: Limits,
    /// Infer only key frames: the robot has moved 0.5 m or turned 15 degrees since the last one, by its odometry.
    #[arg(long)]
    key_frames: bool,
    /// A key frame also after so many seconds.
    #[arg(long, value_name = "S", requires = "key_frames", value_parser = seconds)]
    every: Option<Duration>,
    /// Name of this run in the answers; host name and start time when absent.
    #[arg(long)]
    run_id: Option<String>,
}

#[derive(Debug, Args)]
struct Info {
    /// The model file.
    model: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Parses the command line, does what it says, and gives the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // With --json standard output holds one document, also where the command line is wrong.
        Err(usage) if usage.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            let text = usage.to_string();
            return fail(text.trim_start_matches("error: ").trim_end(), true);
        }
        Err(usage) => usage.exit(),
    };
    start_log(cli.log_json);
    let json = match &cli.command {
        Command::Serve(_) => false,
        Command::Image(args) => args.json,
        Command::Info(args) => args.json,
        Command::Bench(args) => args.json,
    };
    let result = match cli.command {
        Command::Serve(args) => serve(args),
        Command::Image(args) => image::run(&args),
        Command::Info(args) => info(&args),
        Command::Bench(args) => bench::run(&args),
    };
    result.unwrap_or_else(|error| fail(&format!("{error:#}"), json))
}

fn fail(error: &str, json: bool) -> ExitCode {
    if json {
        // Where nothing can be printed the exit status must do.
        let _ = print_line(json!({ "error": error }));
    } else {
        eprintln!("error: {error}");
    }
    ExitCode::from(EXIT_BAD_INPUT)
}

/// Prints a line. That its reader has left (`| head`) is no error.
fn print_line(line: impl Display) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

fn serve(args: Serve) -> Result<ExitCode> {
    let ended = crate::serve::serve(ServeOptions {
        zenoh: args.zenoh,
        keys: args.keys,
        model: args.model.path()?,
        model_options: args.model.options(),
        limits: args.limits.thresholds(),
        key_frames: args.key_frames.then_some(KeyFrames { every: args.every }),
        run_id: args.run_id,
    })?;
    Ok(match ended {
        Ended::Terminated => ExitCode::SUCCESS,
        Ended::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
        Ended::Failed => ExitCode::FAILURE,
    })
}

fn info(args: &Info) -> Result<ExitCode> {
    let options = ModelOptions {
        device: Device::CPU,
        ..ModelOptions::default()
    };
    let model = Model::load(&args.model, &options)?;
    let info = model.info();
    let precision = match info.precision {
        Precision::F32 => "float32",
        Precision::F16 => "float16",
    };
    let head = match info.head {
        Head::Raw { anchors } => format!(
            "[batch, {}, {anchors}]: raw YOLOv8",
            4 + info.class_names.len()
        ),
        Head::Boxes => "[batch, boxes, 6]: suppression built in".to_owned(),
    };
    let [width, height] = info.input_size;
    if args.json {
        let document = json!({
            "name": info.id.name, "sha256": info.id.sha256, "input": {"width": width, "height": height},
            "batch": info.fixed_batch, "precision": precision, "head": head, "names": info.class_names,
        });
        print_line(document)?;
    } else {
        let batch = info
            .fixed_batch
            .map_or("free".to_owned(), |batch| batch.to_string());
        print_line(format_args!(
            "{}\nsha256     {}\ninput      {width}x{height}, batch {batch}, {precision}",
            info.id.name, info.id.sha256
        ))?;
        print_line(format_args!(
            "output     {head}\nclasses    {}: {}",
            info.class_names.len(),
            info.class_names.join(", ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn start_log(json: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,zenoh=warn,ort=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Told on standard error too, which panics where that cannot be written.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if json { log.json().init() } else { log.init() }
}

fn fraction(text: &str) -> Result<f32, String> {
    let number: f32 = text
        .parse()
        .map_err(|_| "expected a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("expected a number from 0 to 1".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: Result<f64, _> = text.parse();
    let duration = number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds".to_owned())
}
