//! `detector bench --fleet`: one `detector serve` and the cameras of many robots, with a router between them, all on
//! this machine. Cameras and router take their part of it too.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use wire::messages::{ImageHeader, ImageView};
use wire::{DetectorStatus, Stamp, keys};
use zenoh::bytes::ZBytes;
use zenoh::handlers::FifoChannelHandler;
use zenoh::pubsub::Subscriber;
use zenoh::qos::CongestionControl;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use super::{Row, plot};
use crate::device::Device;

const ROBOTS: [usize; 4] = [1, 4, 16, 64];
/// As the published application's camera.
const RATE_HZ: f64 = 5.0;
const SIZE: [u32; 2] = [320, 240];
/// Robots of the measurement under flood, the first of which floods.
const UNDER_FLOOD: usize = 16;
const FLOOD: f64 = 10.0;
/// Each measurement's length.
const SPAN: Duration = Duration::from_secs(15);
/// Longer than a model takes to load, also when an engine has to be built for it.
const PATIENCE: Duration = Duration::from_secs(600);

/// What was measured of a number of robots whose cameras send as the published application's.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// How many.
    pub robots: usize,
    /// Frames a second that the cameras sent.
    pub offered: f64,
    /// Answers a second.
    pub served: f64,
    /// Age of a frame when its inference started, ms: median and 99th percentile.
    pub age: [f64; 2],
    /// Jain's index over the robots' answers.
    pub fairness: f64,
    /// Resident memory of the node, MiB: when it had answered one robot, and at the end.
    pub memory: [f64; 2],
}

/// What was measured of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// By rising number of robots.
    pub loads: Vec<Load>,
    /// Answers a second that the node can give.
    pub capacity: f64,
    /// Robots that send twice as much as the node can answer, of which the first sends ten times its part.
    pub flood: Load,
}

/// Measures with the model in this file on this device.
///
/// # Errors
/// When the node does not start, or Zenoh fails.
pub fn fleet(model: &Path, device: Device) -> Result<Figures> {
    let mut loads = Vec::new();
    for robots in ROBOTS {
        loads.push(Fleet::start(model, device)?.measure(&vec![RATE_HZ; robots])?);
    }
    let capacity = Fleet::start(model, device)?.capacity()?;
    let mut rates = vec![2.0 * capacity / UNDER_FLOOD as f64; UNDER_FLOOD];
    rates[0] *= FLOOD;
    let flood = Fleet::start(model, device)?.measure(&rates)?;
    Ok(Figures {
        loads,
        capacity,
        flood,
    })
}

impl Figures {
    /// KiB that a robot more costs.
    pub fn memory_a_robot(&self) -> f64 {
        match self.loads.last() {
            Some(Load {
                robots,
                memory: [one, all],
                ..
            }) if *robots > 1 => (all - one) * 1024.0 / (robots - 1) as f64,
            _ => 0.0,
        }
    }

    /// The figures one by one.
    pub fn rows(&self) -> Vec<Row> {
        let row =
            |name: &str, value, unit| Row::once(format!("detector/fleet/{name}"), value, unit);
        let mut rows = Vec::new();
        let named = self
            .loads
            .iter()
            .map(|load| (format!("{}_robots", load.robots), load));
        for (name, load) in named.chain([("flood".to_owned(), &self.flood)]) {
            let most = match name.as_str() {
                "flood" => ("capacity", self.capacity),
                _ => ("offered", load.offered),
            };
            rows.push(row(&format!("served/{name}"), load.served, "1/s").of(most.0, most.1));
            rows.push(row(&format!("age_p99/{name}"), load.age[1], "ms"));
            rows.push(row(&format!("fairness/{name}"), load.fairness, "1"));
        }
        rows.push(row("capacity", self.capacity, "1/s"));
        rows.push(row("memory_a_robot", self.memory_a_robot(), "KiB"));
        rows
    }

    /// As a table in Markdown.
    pub fn table(&self) -> String {
        let mut table = "| robots | sent, 1/s | served, 1/s | age p50, ms | age p99, ms | Jain's index | memory, MiB |\n\
                         |---|---|---|---|---|---|---|\n"
            .to_owned();
        let named = self
            .loads
            .iter()
            .map(|load| (load.robots.to_string(), load));
        let flooded = (format!("{}, one floods", self.flood.robots), &self.flood);
        for (robots, load) in named.chain([flooded]) {
            let Load {
                offered,
                served,
                age: [p50, p99],
                fairness,
                memory: [_, memory],
                ..
            } = load;
            table += &format!(
                "| {robots} | {offered:.0} | {served:.1} | {p50:.1} | {p99:.1} | {fairness:.3} | {memory:.0} |\n"
            );
        }
        table
            + &format!(
                "\n{:.1} frames a second when each robot sends the next with its answer; a robot more costs {:.0} KiB.\n",
                self.capacity,
                self.memory_a_robot()
            )
    }

    /// As a picture, SVG: bars by the number of robots.
    pub fn plot(&self) -> String {
        let panel = |title, value: fn(&Load) -> f64| {
            let bars = self
                .loads
                .iter()
                .map(|load| (load.robots.to_string(), value(load)));
            (title, bars.collect::<Vec<_>>())
        };
        plot::bars(
            "robots",
            &[
                panel("served of what was sent, %", |load| {
                    100.0 * load.served / load.offered
                }),
                panel("age of a frame at inference, p99, ms", |load| load.age[1]),
                panel("memory, MiB", |load| load.memory[1]),
            ],
        )
    }
}

/// A node, its router, and what hears the answers.
struct Fleet {
    answers: Subscriber<FifoChannelHandler<Sample>>,
    statuses: Subscriber<FifoChannelHandler<Sample>>,
    node: Node,
    // Last, so that the node ends first.
    router: Session,
}

/// Jain's index over the answers of `robots` robots: 1 when all have the same, 1/n when one has all.
fn jain(served: &BTreeMap<String, u64>, robots: usize) -> f64 {
    let shares = served.values().map(|served| *served as f64);
    let sum: f64 = shares.clone().sum();
    let squares: f64 = shares.map(|share| share * share).sum();
    sum * sum / (robots as f64 * squares)
}

impl Fleet {
    fn start(model: &Path, device: Device) -> Result<Self> {
        let endpoint = format!("tcp/{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?);
        let mut config = zenoh::Config::default();
        for (key, value) in [
            ("mode", "\"router\"".to_owned()),
            ("listen/endpoints", format!("[\"{endpoint}\"]")),
            ("scouting/multicast/enabled", "false".to_owned()),
        ] {
            config.insert_json5(key, &value).map_err(of_zenoh)?;
        }
        let router = zenoh::open(config).wait().map_err(of_zenoh)?;
        let subscribe = |key: &'static str| router.declare_subscriber(key).wait().map_err(of_zenoh);
        let answers = subscribe("**/tb/detections")?;
        let statuses = subscribe(keys::DETECTOR_STATUS)?;
        let node = Command::new(std::env::current_exe()?)
            .args([
                "serve",
                "--zenoh",
                &endpoint,
                "--device",
                &device.to_string(),
            ])
            .args(["--keys", &format!("**/{}", keys::COLOR_IMAGE), "--model"])
            .arg(model)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the node")?;
        let fleet = Self {
            answers,
            statuses,
            node: Node(node),
            router,
        };
        // The first status comes when it serves.
        next(&fleet.statuses)?;
        Ok(fleet)
    }

    /// Cameras at `rates` (Hz) for [`SPAN`].
    fn measure(&self, rates: &[f64]) -> Result<Load> {
        let frame = frame();
        self.send(&name(0), &frame)?;
        self.answers
            .recv_timeout(PATIENCE)
            .map_err(of_zenoh)?
            .context("the node does not answer")?;
        let memory_of_one = self.node.memory()?;
        let period = |robot: usize| Duration::from_secs_f64(1.0 / rates[robot]);
        let started = Instant::now();
        let end = started + SPAN;
        // Spread over a period, as cameras that know nothing of each other are.
        let mut due: Vec<Instant> = (0..rates.len())
            .map(|robot| started + period(robot).mul_f64(robot as f64 / rates.len() as f64))
            .collect();
        let (mut sent, mut served) = (0_u32, BTreeMap::new());
        let count = |answer: Sample, served: &mut BTreeMap<_, _>| {
            let robot = keys::robot_of(answer.key_expr().as_str(), keys::DETECTIONS);
            *served
                .entry(robot.unwrap_or_default().to_owned())
                .or_insert(0) += 1;
        };
        while let Some((robot, at)) = due.iter().copied().enumerate().min_by_key(|(_, at)| *at) {
            if at >= end {
                break;
            }
            while let Ok(Some(answer)) = self.answers.recv_deadline(at) {
                count(answer, &mut served);
            }
            self.send(&name(robot), &frame)?;
            sent += 1;
            due[robot] += period(robot);
        }
        while let Ok(Some(answer)) = self.answers.recv_deadline(end) {
            count(answer, &mut served);
        }
        // Cameras that cannot keep up are not done when they should be.
        let span = started.elapsed().as_secs_f64();
        let memory = [memory_of_one, self.node.memory()?];
        self.statuses.drain().for_each(drop);
        let age = next(&self.statuses)?.age_ms;
        Ok(Load {
            robots: rates.len(),
            offered: f64::from(sent) / span,
            served: served.values().sum::<u64>() as f64 / span,
            age: [age.p50, age.p99],
            fairness: jain(&served, rates.len()),
            memory: memory.map(|bytes| bytes as f64 / f64::from(1 << 20)),
        })
    }

    /// Answers a second when every robot sends its next frame as soon as it has its answer.
    fn capacity(&self) -> Result<f64> {
        let frame = frame();
        for robot in 0..UNDER_FLOOD {
            self.send(&name(robot), &frame)?;
        }
        let started = Instant::now();
        let end = started + SPAN;
        let mut served = 0;
        while let Ok(Some(answer)) = self.answers.recv_deadline(end) {
            let robot = keys::robot_of(answer.key_expr().as_str(), keys::DETECTIONS);
            self.send(robot.unwrap_or_default(), &frame)?;
            served += 1;
        }
        Ok(f64::from(served) / started.elapsed().as_secs_f64())
    }

    fn send(&self, robot: &str, frame: &ZBytes) -> Result<()> {
        let key = keys::of_robot(robot, keys::COLOR_IMAGE);
        // What is lost is to be lost in the node, where it is counted, not on the way to it.
        let put = self.router.put(key, frame.clone());
        put.congestion_control(CongestionControl::Block)
            .wait()
            .map_err(of_zenoh)
    }
}

fn name(robot: usize) -> String {
    format!("robot{robot}")
}

/// The next status.
fn next(statuses: &Subscriber<FifoChannelHandler<Sample>>) -> Result<DetectorStatus> {
    match statuses.recv_timeout(PATIENCE).map_err(of_zenoh)? {
        Some(status) => Ok(DetectorStatus::from_json(&status.payload().to_bytes())?),
        None => bail!("the node sends no status"),
    }
}

/// A frame of the camera, as the bridge writes it.
fn frame() -> ZBytes {
    let [width, height] = SIZE;
    let header = ImageHeader {
        stamp: Stamp::default(),
        frame_id: "camera_color_optical_frame",
        height,
        width,
        encoding: "bgr8",
        is_bigendian: false,
        step: 3 * width,
        data: 0..0,
    };
    let data = super::picture(width, height);
    ImageView {
        header,
        data: &data,
    }
    .to_cdr(true)
    .into()
}

/// Zenoh's errors are no `std::error::Error` that can be sent.
fn of_zenoh(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("Zenoh: {error}")
}

/// The process under measurement; killed when it is no longer needed.
struct Node(Child);

impl Node {
    /// Bytes of memory in use (resident set).
    fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.context("/proc says nothing of the node's memory")? * 1024)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_plot_say_what_was_measured() {
        let load = |robots: usize, memory| Load {
            robots,
            offered: 5.0 * robots as f64,
            served: 4.0 * robots as f64,
            age: [1.25, 30.5],
            fairness: 0.998,
            memory,
        };
        let figures = Figures {
            loads: vec![load(1, [70.0, 70.0]), load(5, [100.0, 101.0])],
            capacity: 40.0,
            flood: load(16, [100.0, 102.0]),
        };
        let table = figures.table();
        for line in [
            "| 5 | 25 | 20.0 | 1.2 | 30.5 | 0.998 | 101 |",
            "| 16, one floods | 80 | 64.0 | 1.2 | 30.5 | 0.998 | 102 |",
            "40.0 frames a second when each robot sends the next with its answer; a robot more costs 256 KiB.",
        ] {
            assert!(table.contains(line), "{table}");
        }
        let plot = figures.plot();
        for text in [">memory, MiB<", ">101<", ">80<", ">30.5<"] {
            assert!(plot.contains(text), "{text}: {plot}");
        }
        let rows = figures.rows();
        let served = rows
            .iter()
            .find(|row| row.name == "detector/fleet/served/5_robots");
        assert_eq!(served.and_then(|row| row.ratio), Some(0.8));
    }

    #[test]
    fn fairness_is_jains_index() {
        let served = |shares: &[u64]| {
            let named = shares.iter().enumerate();
            jain(&named.map(|(robot, n)| (name(robot), *n)).collect(), 4)
        };
        assert_eq!(served(&[5, 5, 5, 5]), 1.0);
        // One that was never served counts too.
        assert_eq!(served(&[7]), 0.25);
    }
}
