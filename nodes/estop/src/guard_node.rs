//! The gate's guard: a process of its own that does nothing but wait for the gate's death, and then stops the base. It
//! publishes nothing but zeros.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::bounded;
use futures::{FutureExt, StreamExt};
use r2r::nav_msgs::msg::Odometry;
use r2r::std_srvs::srv::SetBool;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::{RosNode, qos};

use crate::gate_node::OUTPUT;
use crate::guard_link::{GateNews, listen};
use crate::standing::Standing;
use crate::velocity_topic::advertise_known;

const QUANTUM: Duration = Duration::from_millis(5);
const ZERO_PERIOD: Duration = Duration::from_millis(20);
/// An intervention takes at least this long, so that zeros surely arrive, …
const SHORTEST: Duration = Duration::from_millis(200);
/// … and at most this long, should no odometry come.
const LONGEST: Duration = Duration::from_secs(3);
/// A guard that is asked to end waits so long for its gate to end first.
const GATE_FIRST: Duration = Duration::from_secs(5);

/// Watch the velocity gate; when it dies, send zeros to the base and switch its motors off
#[derive(Debug, clap::Parser)]
#[command(name = "estop_guard")]
pub struct Flags {
    /// Unix stream socket on which the gate shows that it lives
    #[arg(long, value_name = "PATH")]
    pub guard_socket: PathBuf,
    /// Type of /cmd_vel: TwistStamped (true) or Twist (false)
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub cmd_vel_stamped: bool,
}

/// Runs the guard until it is asked to end, or is left alone, and no gate needs it.
///
/// # Errors
/// When the set-up fails; never once the guard works.
pub fn run(flags: Flags, mut ros: RosNode) -> Result<ExitCode> {
    let supervisor = rustix::process::getppid();
    let (tell_gid, gid) = bounded(1);
    let rounds = Arc::new(AtomicU64::new(0));
    let news = listen(&flags.guard_socket, gid, Arc::clone(&rounds))
        .with_context(|| format!("guard socket {}", flags.guard_socket.display()))?;
    let (publisher, own) = advertise_known(&mut ros, OUTPUT, flags.cmd_vel_stamped)?;
    tell_gid.send(own)?;
    let mut odometry = ros
        .node
        .subscribe::<Odometry>("/odom", qos::sensor_data())?;
    let motors = Motors::new(&mut ros)?;
    let clock = ros.clock();

    let started = Instant::now();
    let interventions = Rc::new(Cell::new(0_u32));
    let reported = Rc::clone(&interventions);
    diagnostics::publish_each_second(&mut ros, move || match reported.get() {
        0 => Report::new(Level::Ok, "no gate has died"),
        count => Report::new(Level::Warn, "a gate has died").with("interventions", count),
    })?;
    ros_node::ready();

    let mut gate_lives = false;
    let mut intervention: Option<Intervention> = None;
    let mut asked_to_end: Option<Instant> = None;
    ros.spin_until(QUANTUM, |ros| {
        rounds.fetch_add(1, Ordering::Relaxed);
        let now = started.elapsed();
        while let Some(Some(message)) = odometry.next().now_or_never() {
            if let Some(intervention) = &mut intervention {
                let twist = message.twist.twist;
                intervention.standing.odometry(
                    now,
                    twist.linear.x.hypot(twist.linear.y),
                    twist.angular.z,
                );
            }
        }
        for news in news.try_iter() {
            gate_lives = news == GateNews::Arrived;
            if news == GateNews::Lost {
                interventions.set(interventions.get() + 1);
                intervention = Some(Intervention::begin(now));
                tracing::error!("the gate has died: zeros go to the base");
            }
        }
        if let Some(current) = &mut intervention {
            // The switch may be discovered only now.
            if !current.motors_asked {
                current.motors_asked = motors.switch_off(ros);
            }
            if current.zero_is_due(now)
                && let Err(error) = publisher.publish_zero(clock.now())
            {
                tracing::error!("cannot publish: {error}");
            }
            if current.is_over(now) {
                tracing::info!("the intervention is over");
                intervention = None;
            }
        }
        if ros.stop_requested() {
            asked_to_end.get_or_insert_with(Instant::now);
        }
        let waited_enough = asked_to_end.is_some_and(|at| at.elapsed() > GATE_FIRST);
        let may_end = asked_to_end.is_some() || rustix::process::getppid() != supervisor;
        intervention.is_none() && may_end && (!gate_lives || waited_enough)
    });
    Ok(ExitCode::SUCCESS)
}

/// One death of a gate and what the guard does about it.
#[derive(Debug)]
struct Intervention {
    since: Duration,
    standing: Standing,
    last_zero: Option<Duration>,
    motors_asked: bool,
}

impl Intervention {
    fn begin(now: Duration) -> Self {
        Self {
            since: now,
            standing: Standing::new(now),
            last_zero: None,
            motors_asked: false,
        }
    }

    fn zero_is_due(&mut self, now: Duration) -> bool {
        let due = self
            .last_zero
            .is_none_or(|at| now.saturating_sub(at) >= ZERO_PERIOD);
        if due {
            self.last_zero = Some(now);
        }
        due
    }

    fn is_over(&self, now: Duration) -> bool {
        let lasted = now.saturating_sub(self.since);
        lasted >= LONGEST || (lasted >= SHORTEST && self.standing.is_still(now))
    }
}

/// The base's motor switch, where it has one (a TurtleBot 3 has).
struct Motors {
    client: Rc<r2r::Client<SetBool::Service>>,
    available: Rc<Cell<bool>>,
}

impl Motors {
    fn new(ros: &mut RosNode) -> Result<Self> {
        let client = ros.node.create_client::<SetBool::Service>(
            "/motor_power",
            r2r::QosProfile::services_default(),
        )?;
        let appears = r2r::Node::is_available(&client)?;
        let available = Rc::new(Cell::new(false));
        let flag = Rc::clone(&available);
        ros.spawn(async move { flag.set(appears.await.is_ok()) });
        Ok(Self {
            client: Rc::new(client),
            available,
        })
    }

    /// Asks for motors off; false where there is no switch (yet).
    fn switch_off(&self, ros: &RosNode) -> bool {
        if !self.available.get() {
            return false;
        }
        match self.client.request(&SetBool::Request { data: false }) {
            Ok(answer) => ros.spawn(async move {
                match answer.await {
                    Ok(answer) if answer.success => tracing::info!("motors are off"),
                    Ok(answer) => tracing::error!("motors are not off: {}", answer.message),
                    Err(error) => tracing::error!("motors do not answer: {error}"),
                }
            }),
            Err(error) => tracing::error!("cannot ask for motors off: {error}"),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intervention_ends_when_the_base_stands_and_after_three_seconds_at_the_latest() {
        let ms = Duration::from_millis;
        let mut intervention = Intervention::begin(ms(1000));
        assert!(intervention.zero_is_due(ms(1000)) && !intervention.zero_is_due(ms(1019)));
        assert!(intervention.zero_is_due(ms(1020)));
        intervention.standing.odometry(ms(1050), 0.0, 0.0);
        assert!(!intervention.is_over(ms(1060)), "zeros must surely arrive");
        assert!(intervention.is_over(ms(1200)));
        intervention.standing.odometry(ms(1300), 0.2, 0.0);
        assert!(!intervention.is_over(ms(1300)) && !intervention.is_over(ms(3999)));
        assert!(intervention.is_over(ms(4000)));
    }
}
