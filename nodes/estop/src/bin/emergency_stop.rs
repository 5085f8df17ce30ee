//! Latches or frees the emergency stop from a shell.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{FutureExt, StreamExt};
use r2r::std_srvs::srv::Trigger;
use r2r::turtlebot_maze_msgs::msg::EmergencyStopState;
use ros_node::{RosNode, qos};

/// How long the gate may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const NO_ANSWER: u8 = 1;

/// Latch the emergency stop, or free it: `emergency_stop latch`, `emergency_stop reset`
#[derive(Debug, clap::Parser)]
struct Flags {
    /// What to do
    #[arg(value_enum)]
    order: Order,
    /// Zenoh router by which a stop goes out too
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp/127.0.0.1:7447")]
    zenoh: String,
    /// Prefix of the robot's Zenoh keys
    #[arg(long, value_name = "NAME", default_value = "")]
    robot: String,
    /// Print the outcome as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    Latch,
    Reset,
}

fn main() -> ExitCode {
    ros_node::run("emergency_stop", run)
}

fn run(flags: Flags, mut ros: RosNode) -> Result<ExitCode> {
    let Flags {
        order,
        zenoh,
        robot,
        json,
    } = flags;
    let service = match order {
        Order::Latch => "/emergency_stop",
        Order::Reset => "/emergency_stop/reset",
    };
    let (told, by_zenoh) = std::sync::mpsc::channel();
    if order == Order::Latch {
        // By both ways at once: either may be the one that works.
        let key = wire::keys::of_robot(&robot, wire::keys::EMERGENCY_STOP);
        std::thread::Builder::new()
            .name("zenoh".into())
            .spawn(move || {
                match estop::remote_stop::put(&zenoh, &key, "emergency_stop latch") {
                    // Nobody listens any more when the gate has answered.
                    Ok(()) => _ = told.send(key),
                    Err(error) => tracing::info!("not by Zenoh: {error:#}"),
                }
            })?;
    }
    let client = ros
        .node
        .create_client::<Trigger::Service>(service, r2r::QosProfile::services_default())?;
    let mut states = ros
        .node
        .subscribe::<EmergencyStopState>("/emergency_stop/state", qos::latched())?;
    let available = r2r::Node::is_available(&client)?;
    let mut call = Box::pin(async move {
        available.await?;
        client.request(&Trigger::Request::default())?.await
    });
    let mut verdict = None;
    let deadline = Instant::now() + PATIENCE;
    ros.spin_until(Duration::from_millis(10), |ros| {
        while let Some(Some(state)) = states.next().now_or_never() {
            if order == Order::Latch && u32::from(state.state) == EmergencyStopState::LATCHED as u32
            {
                verdict = Some((
                    true,
                    format!("latched by {}: {}", state.source, state.reason),
                ));
            }
        }
        if verdict.is_none() {
            match (&mut call).now_or_never() {
                Some(Ok(answer)) => verdict = Some((answer.success, answer.message)),
                Some(Err(error)) => verdict = Some((false, error.to_string())),
                None => {}
            }
        }
        verdict.is_some() || Instant::now() > deadline || ros.stop_requested()
    });
    let outcome = match verdict {
        Some((true, message)) => Ok(message),
        Some((false, message)) => Err(format!("refused: {message}")),
        None => {
            let by_zenoh = by_zenoh.try_recv();
            let by_zenoh = by_zenoh.map(|key| format!(", but the stop was put on Zenoh's {key}"));
            Err(format!(
                "no gate answers on {service}; is it in this ROS domain (ROS_DOMAIN_ID)?{}",
                by_zenoh.unwrap_or_default()
            ))
        }
    };
    let line = match &outcome {
        Ok(message) if json => serde_json::json!({ "message": message }).to_string(),
        Err(error) if json => serde_json::json!({ "error": error }).to_string(),
        Ok(message) => message.clone(),
        Err(error) => {
            eprintln!("emergency_stop: {error}");
            return Ok(ExitCode::from(NO_ANSWER));
        }
    };
    // Standard output may be closed; the exit status says it all the same.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(NO_ANSWER),
    })
}
