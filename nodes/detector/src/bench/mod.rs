//! `detector bench`: the parts of a frame's way, one thread, interleaved run by run with the Python reference.

mod fleet;
mod plot;

pub use fleet::fleet;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::boxes::Thresholds;
use crate::device::Device;
use crate::encoding::PixelOrder;
use crate::model::{Model, ModelOptions};
use crate::pipeline::Pipeline;
use crate::rows::Picture;

/// What the figures are compared with.
const PEER: &str = "python reference (opencv, numpy, onnxruntime)";

/// What is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// The model's file.
    pub model: PathBuf,
    /// What computes.
    pub device: Device,
    /// Sizes of the frames: width, height.
    pub sizes: Vec<[u32; 2]>,
    /// Runs of each, after ten to warm up.
    pub runs: usize,
    /// Python for the reference; without it the own times stand alone.
    pub python: Option<PathBuf>,
}

/// One figure: a median with its 95 % confidence interval by order statistics, or a value of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Stable name.
    pub name: String,
    /// Median, or the value.
    pub value: f64,
    /// Unit of all numbers but the ratio.
    pub unit: &'static str,
    /// What it is compared with.
    pub peer: Option<&'static str>,
    /// The peer's.
    pub peer_value: Option<f64>,
    /// Value over the peer's.
    pub ratio: Option<f64>,
    /// Confidence interval of a median.
    pub interval: Option<[f64; 2]>,
    /// Confidence interval of the peer's value.
    pub peer_interval: Option<[f64; 2]>,
    /// Confidence interval of the median of the ratios of two runs that followed each other.
    pub ratio_interval: Option<[f64; 2]>,
}

/// Times of one run, ms.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Steps {
    pre: f64,
    write: f64,
    infer: f64,
    post: f64,
}

/// Measures.
///
/// # Errors
/// When the model cannot be loaded, or the reference does not run.
pub fn bench(options: &BenchOptions) -> Result<Vec<Row>> {
    let model_options = ModelOptions {
        threads: 1,
        device: options.device,
        ..ModelOptions::default()
    };
    let mut pipeline = Pipeline::new(
        Model::load(&options.model, &model_options)?,
        Thresholds::default(),
    );
    let mut rows = Vec::new();
    for [width, height] in options.sizes.iter().copied() {
        let pixels = picture(width, height);
        let mut peer = match &options.python {
            Some(python) => {
                let device = (pipeline.info().provider.as_str(), options.device.index);
                let size = [width, height];
                Some(Peer::start(python, &options.model, size, &pixels, device)?)
            }
            None => None,
        };
        let picture = Picture::from_pixels(&pixels, width, height, PixelOrder::Bgr)?;
        let input_len = 3 * pipeline.info().input_size.iter().product::<usize>();
        let mut input = vec![0.0_f32; input_len];
        let (mut own, mut peers) = (Vec::new(), Vec::new());
        for run in 0..options.runs + 10 {
            let started = Instant::now();
            input.fill(0.5);
            std::hint::black_box(&mut input);
            let write = started.elapsed().as_secs_f64() * 1e3;
            let times = pipeline.detect(&picture, |found| {
                std::hint::black_box(found);
            })?;
            let [pre, infer, post] = [times.preprocess, times.inference, times.postprocess]
                .map(|time| time.as_secs_f64() * 1e3);
            let peer = peer.as_mut().map(Peer::step).transpose()?;
            if run >= 10 {
                own.push(Steps {
                    pre,
                    write,
                    infer,
                    post,
                });
                peers.extend(peer);
            }
        }
        let mut row = |name: &str, of: fn(&Steps) -> f64| {
            rows.push(Row::new(
                format!("detector/{name}/{width}x{height}"),
                &own,
                &peers,
                of,
            ));
        };
        row("preprocess", |steps| steps.pre);
        row("postprocess", |steps| steps.post);
        row("pre_and_postprocess", |steps| steps.pre + steps.post);
        row("write_input_once", |steps| steps.write);
        row("inference", |steps| steps.infer);
    }
    Ok(rows)
}

impl Row {
    /// A value of one run.
    fn once(name: String, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
            interval: None,
            peer_interval: None,
            ratio_interval: None,
        }
    }

    /// Beside what it could be at most.
    fn of(self, peer: &'static str, most: f64) -> Self {
        Self {
            peer: Some(peer),
            peer_value: Some(most),
            ratio: Some(self.value / most),
            ..self
        }
    }

    fn new(name: String, own: &[Steps], peers: &[Steps], of: fn(&Steps) -> f64) -> Self {
        let (value, interval) = median(own.iter().map(of).collect());
        let is_compared = !peers.is_empty();
        let peer = is_compared.then(|| median(peers.iter().map(of).collect()));
        let pairs = own.iter().zip(peers);
        let ratios = || pairs.map(|(own, peer)| of(own) / of(peer)).collect();
        Self {
            name,
            value,
            unit: "ms",
            peer: peer.map(|_| PEER),
            peer_value: peer.map(|(value, _)| value),
            ratio: peer.map(|(peer, _)| value / peer),
            interval: Some(interval),
            peer_interval: peer.map(|(_, interval)| interval),
            ratio_interval: is_compared.then(|| median(ratios()).1),
        }
    }
}

/// The median, and its 95 % confidence interval: the numbers whose ranks are 0.98 √n away.
fn median(mut numbers: Vec<f64>) -> (f64, [f64; 2]) {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = 0.98 * (numbers.len() as f64).sqrt();
    let middle = numbers.len() as f64 / 2.0;
    let at = |rank: f64| {
        numbers
            .get((rank.max(0.0) as usize).min(numbers.len().saturating_sub(1)))
            .copied()
    };
    let number = |rank| at(rank).unwrap_or_default();
    (
        number(middle),
        [number(middle - half), number(middle + half)],
    )
}

/// A picture with structure in every channel.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503))
            .wrapping_mul(2_246_822_519)
            >> 24;
        [
            40 + (y * 100 / height) as u8,
            noise as u8,
            (x * 255 / width) as u8,
        ]
    };
    (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
        .collect()
}

/// The reference, which measures one run for each line that it is sent.
struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// For this frame (blue, green, red) and this provider on this GPU.
    fn start(
        python: &Path,
        model: &Path,
        [width, height]: [u32; 2],
        frame: &[u8],
        (provider, gpu): (&str, i32),
    ) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference.py");
        ensure!(
            script.is_file(),
            "{} is missing: comparing needs the source tree",
            script.display()
        );
        let mut process = Command::new(python)
            .arg(script)
            .arg("time")
            .arg(model)
            .arg(format!("{width}x{height}"))
            .args([provider, &gpu.to_string()])
            // Python finds its own libraries; those of a sourced ROS would be in their way.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let (mut requests, answers) = process
            .stdin
            .take()
            .zip(process.stdout.take())
            .context("no pipe to the reference")?;
        requests
            .write_all(frame)
            .context("the reference has ended")?;
        Ok(Self {
            process,
            requests,
            answers: BufReader::new(answers),
        })
    }

    fn step(&mut self) -> Result<Steps> {
        writeln!(self.requests, "run").context("the reference has ended")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .context("the reference has ended; it needs numpy, opencv and onnxruntime")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when its input does; this is for one that does not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_inside_its_interval() {
        let (value, interval) = median((0..200).map(f64::from).collect());
        assert_eq!(value, 100.0);
        assert_eq!(interval, [86.0, 113.0]);
        assert_eq!(median(vec![3.0]), (3.0, [3.0, 3.0]));
    }
}
