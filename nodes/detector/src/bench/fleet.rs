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

use super::Row;
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

/// Measures with the model in this file on this device.
///
/// # Errors
/// When the node does not start, or Zenoh fails.
pub fn fleet(model: &Path, device: Device) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut memory = Vec::new();
    for robots in ROBOTS {
        let fleet = Fleet::start(model, device)?;
        let measured = fleet.measure(&vec![RATE_HZ; robots])?;
        let figure = |name: &str| format!("detector/fleet/{name}/{robots}_robots");
        let offered = robots as f64 * RATE_HZ;
        rows.push(Row::once(figure("served"), measured.rate(), "1/s").of("offered", offered));
        rows.push(Row::once(
            figure("age_p99"),
            measured.status.age_ms.p99,
            "ms",
        ));
        rows.push(Row::once(
            figure("fairness"),
            measured.fairness(robots),
            "1",
        ));
        memory.push(fleet.node.memory()? as f64);
    }
    if let (Some((few, least)), Some((many, most))) = (
        ROBOTS.first().zip(memory.first()),
        ROBOTS.last().zip(memory.last()),
    ) {
        let of_one = (most - least) / (many - few) as f64 / 1024.0;
        rows.push(Row::once(
            "detector/fleet/memory_a_robot".to_owned(),
            of_one,
            "KiB",
        ));
    }
    let capacity = Fleet::start(model, device)?.capacity()?;
    rows.push(Row::once(
        "detector/fleet/capacity".to_owned(),
        capacity,
        "1/s",
    ));
    // Twice what the machine can do, and then one of them floods.
    let mut rates = vec![2.0 * capacity / UNDER_FLOOD as f64; UNDER_FLOOD];
    rates[0] *= FLOOD;
    let measured = Fleet::start(model, device)?.measure(&rates)?;
    let fairness = measured.fairness(UNDER_FLOOD);
    rows.push(Row::once(
        "detector/fleet/fairness/flood".to_owned(),
        fairness,
        "1",
    ));
    rows.push(
        Row::once(
            "detector/fleet/served/flood".to_owned(),
            measured.rate(),
            "1/s",
        )
        .of("capacity", capacity),
    );
    rows.push(Row::once(
        "detector/fleet/age_p99/flood".to_owned(),
        measured.status.age_ms.p99,
        "ms",
    ));
    Ok(rows)
}

/// A node, its router, and what hears the answers.
struct Fleet {
    answers: Subscriber<FifoChannelHandler<Sample>>,
    statuses: Subscriber<FifoChannelHandler<Sample>>,
    node: Node,
    // Last, so that the node ends first.
    router: Session,
}

/// What one measurement gave.
struct Measured {
    /// Answers by robot.
    served: BTreeMap<String, u64>,
    status: DetectorStatus,
}

impl Measured {
    /// Answers a second.
    fn rate(&self) -> f64 {
        self.served.values().sum::<u64>() as f64 / SPAN.as_secs_f64()
    }

    /// Jain's index over the answers of `robots` robots: 1 when all have the same, 1/n when one has all.
    fn fairness(&self, robots: usize) -> f64 {
        let shares = self.served.values().map(|served| *served as f64);
        let sum: f64 = shares.clone().sum();
        let squares: f64 = shares.map(|share| share * share).sum();
        sum * sum / (robots as f64 * squares)
    }
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
    fn measure(&self, rates: &[f64]) -> Result<Measured> {
        let frame = frame();
        let period = |robot: usize| Duration::from_secs_f64(1.0 / rates[robot]);
        let started = Instant::now();
        let end = started + SPAN;
        // Spread over a period, as cameras that know nothing of each other are.
        let mut due: Vec<Instant> = (0..rates.len())
            .map(|robot| started + period(robot).mul_f64(robot as f64 / rates.len() as f64))
            .collect();
        let mut served = BTreeMap::new();
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
            due[robot] += period(robot);
        }
        while let Ok(Some(answer)) = self.answers.recv_deadline(end) {
            count(answer, &mut served);
        }
        self.statuses.drain().for_each(drop);
        Ok(Measured {
            served,
            status: next(&self.statuses)?,
        })
    }

    /// Answers a second when every robot sends its next frame as soon as it has its answer.
    fn capacity(&self) -> Result<f64> {
        let frame = frame();
        for robot in 0..UNDER_FLOOD {
            self.send(&name(robot), &frame)?;
        }
        let end = Instant::now() + SPAN;
        let mut served = 0;
        while let Ok(Some(answer)) = self.answers.recv_deadline(end) {
            let robot = keys::robot_of(answer.key_expr().as_str(), keys::DETECTIONS);
            self.send(robot.unwrap_or_default(), &frame)?;
            served += 1;
        }
        Ok(f64::from(served) / SPAN.as_secs_f64())
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
