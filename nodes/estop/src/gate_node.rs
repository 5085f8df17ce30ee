//! The gate as a ROS node: one loop that nothing makes wait.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, bounded};
use futures::{FutureExt, Stream, StreamExt};
use r2r::builtin_interfaces::msg::Time;
use r2r::nav_msgs::msg::Odometry;
use r2r::std_srvs::srv::Trigger;
use r2r::turtlebot_maze_msgs::msg::EmergencyStopState;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::time::Clock;
use ros_node::{RosNode, qos};

use crate::control::{self, Order};
use crate::gate::{Event, FRESH_AFTER, Limits, Mode, Output, Refusal, State, decide};
use crate::guard_link::{HEARTBEAT_PERIOD, LOST_AFTER, Pulse};
use crate::latency::Latencies;
use crate::publishers::Watch;
use crate::standing::Standing;
use crate::velocity_topic::{
    Command, Commands, Publisher, advertise_known, publishers_of, subscribe,
};
use crate::{Signal, remote_stop};

/// Where commands come in.
pub const INPUT: &str = "/ungated/cmd_vel";
/// Where they go out.
pub const OUTPUT: &str = "/cmd_vel";
/// Source of a stop that somebody else's velocities on the base's topic have caused.
const FOREIGN_PUBLISHER: &str = "foreign publisher";
/// Reason of a stop that the gate's blindness has caused.
const GRAPH_IS_LOST: &str = "the ROS graph cannot be asked who else publishes on /cmd_vel";
/// How long the loop waits for ROS at most, and so the delay of what comes from outside ROS.
const QUANTUM: Duration = Duration::from_millis(5);
const WATCH_PERIOD: Duration = Duration::from_millis(100);
const STATE_PERIOD: Duration = Duration::from_millis(500);
/// Without a sight of the ROS graph for so long nobody knows who else sends velocities to the base.
const GRAPH_LOST_AFTER: Duration = Duration::from_secs(1);
/// Most signals of one round: what comes faster must not keep the loop from its other work.
const SIGNALS_A_ROUND: usize = 64;
/// Most calls that wait for their answer.
const MAX_ANSWERS: usize = 64;
/// After the last decision to end, zeros go out for at least this long, so that one surely arrives.
const LAST_ZEROS: Duration = Duration::from_millis(100);

/// Gate every velocity command before the base gets it: /ungated/cmd_vel in, /cmd_vel out
#[derive(Debug, clap::Parser)]
#[command(name = "estop")]
pub struct Flags {
    /// Unix datagram socket to take orders on: `hold CLIENT`, `release CLIENT`, `latch REASON`, `end REASON`
    #[arg(long, value_name = "PATH")]
    pub control_socket: Option<PathBuf>,
    /// Unix stream socket of the guard that stops the base when this gate dies
    #[arg(long, value_name = "PATH")]
    pub guard_socket: Option<PathBuf>,
    /// Zenoh router; any put on tb/emergency_stop latches the stop
    #[arg(long, value_name = "ENDPOINT")]
    pub zenoh: Option<String>,
    /// Prefix of the robot's Zenoh keys
    #[arg(long, value_name = "NAME", default_value = "")]
    pub robot: String,
    /// Let nothing pass until somebody calls /emergency_stop/reset (for physical bases)
    #[arg(long)]
    pub start_latched: bool,
    /// Zeros go out when no valid command has come for so long [s]
    #[arg(long, value_name = "SECONDS", default_value_t = 0.25, value_parser = |text: &str| positive(text, 5.0))]
    pub command_timeout: f64,
    /// A faster command is refused [m/s]
    #[arg(long, value_name = "SPEED", default_value_t = 0.26, value_parser = |text: &str| positive(text, 5.0))]
    pub max_linear: f64,
    /// A command that turns faster is refused [rad/s]
    #[arg(long, value_name = "RATE", default_value_t = 1.82, value_parser = |text: &str| positive(text, 10.0))]
    pub max_angular: f64,
    /// Type of both velocity topics: TwistStamped (true) or Twist (false)
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub cmd_vel_stamped: bool,
}

/// A limit must limit.
fn positive(text: &str, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= most => Ok(number),
        _ => Err(format!(
            "a number greater than 0 and at most {most} is needed"
        )),
    }
}

/// Runs the gate until it is asked to end and the base stands.
///
/// # Errors
/// When the set-up fails; never once the gate works.
pub fn run(flags: Flags, mut ros: RosNode) -> Result<ExitCode> {
    let (sender, signals) = bounded(64);
    // Before anything that takes time: an order must not find the socket missing.
    if let Some(path) = &flags.control_socket {
        control::listen(path, sender.clone())
            .with_context(|| format!("control socket {}", path.display()))?;
    }
    let (publisher, own) = advertise_known(&mut ros, OUTPUT, flags.cmd_vel_stamped)?;
    let mut inputs = Inputs::subscribe(&mut ros.node, flags.cmd_vel_stamped)?;
    let states = ros
        .node
        .create_publisher::<EmergencyStopState>("/emergency_stop/state", qos::latched())?;
    let mut gate = Gate::new(&flags, publisher, states, ros.clock());
    gate.watch.set_own(own);
    gate.pulse = flags
        .guard_socket
        .as_deref()
        .map(|path| Pulse::new(path, sender.clone()));
    if let Some(endpoint) = &flags.zenoh {
        let key = wire::keys::of_robot(&flags.robot, wire::keys::EMERGENCY_STOP);
        gate.has_router = Some(remote_stop::listen(endpoint, &key, sender)?);
    }

    let gate = Rc::new(RefCell::new(gate));
    let reported = Rc::clone(&gate);
    diagnostics::publish_each_second(&mut ros, move || reported.borrow().diagnosis())?;
    gate.borrow_mut().announce();
    ros_node::ready();
    ros.spin_until(QUANTUM, |ros| {
        let mut gate = gate.borrow_mut();
        gate.take(&mut inputs, &signals);
        if ros.stop_requested() {
            gate.begin_to_end();
        }
        gate.keep_time(&ros.node);
        gate.has_ended()
    });
    if let Some(pulse) = gate.borrow_mut().pulse.take() {
        pulse.farewell();
    }
    Ok(ExitCode::SUCCESS)
}

/// What comes in by ROS.
struct Inputs {
    commands: Commands,
    odometry: Box<dyn Stream<Item = Odometry> + Unpin>,
    stops: Box<dyn Stream<Item = r2r::ServiceRequest<Trigger::Service>> + Unpin>,
    resets: Box<dyn Stream<Item = r2r::ServiceRequest<Trigger::Service>> + Unpin>,
}

impl Inputs {
    fn subscribe(node: &mut r2r::Node, stamped: bool) -> r2r::Result<Self> {
        let services = r2r::QosProfile::services_default;
        Ok(Self {
            commands: subscribe(node, INPUT, stamped)?,
            odometry: Box::new(node.subscribe("/odom", qos::sensor_data())?),
            stops: Box::new(
                node.create_service::<Trigger::Service>("/emergency_stop", services())?,
            ),
            resets: Box::new(
                node.create_service::<Trigger::Service>("/emergency_stop/reset", services())?,
            ),
        })
    }
}

/// What is there now, without waiting.
fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin + ?Sized)) -> Option<T> {
    stream.next().now_or_never().flatten()
}

/// Who or what stopped the robot, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cause {
    source: String,
    reason: String,
}

#[derive(Debug, Default)]
struct Counts {
    passed: u64,
    held: u64,
    refused: u64,
}

struct Gate {
    started: Instant,
    clock: Clock,
    limits: Limits,
    state: State,
    latch_cause: Cause,
    lost_clients: BTreeSet<String>,
    foreign: Option<String>,
    watch: Watch,
    watched_at: Option<Duration>,
    /// When the ROS graph was last seen.
    graph_seen_at: Duration,
    /// Calls of services that have yet to be answered, with what to say.
    answers: VecDeque<(r2r::ServiceRequest<Trigger::Service>, bool, String)>,
    /// The last velocity could not be published.
    is_mute: bool,
    taken_at: Duration,
    stalled_at: Option<Duration>,
    standing: Standing,
    counts: Counts,
    latencies: Latencies,
    publisher: Publisher,
    states: r2r::Publisher<EmergencyStopState>,
    announced: Option<(Mode, Cause)>,
    announced_at: Duration,
    since: Time,
    status: &'static str,
    pulse: Option<Pulse>,
    /// Whether Zenoh's router is there, for the stop by Zenoh.
    has_router: Option<Arc<AtomicBool>>,
    beaten_at: Option<Duration>,
    /// The run is over: no reset frees this gate again.
    is_over: bool,
    ending_since: Option<Duration>,
}

impl Gate {
    fn new(
        flags: &Flags,
        publisher: Publisher,
        states: r2r::Publisher<EmergencyStopState>,
        clock: Clock,
    ) -> Self {
        let limits = Limits {
            linear: flags.max_linear,
            angular: flags.max_angular,
            command_timeout: Duration::from_secs_f64(flags.command_timeout),
        };
        let reason = "nothing passes before somebody calls /emergency_stop/reset".to_string();
        Self {
            started: Instant::now(),
            since: clock.now(),
            clock,
            limits,
            state: State::new(flags.start_latched),
            latch_cause: Cause {
                source: "start".into(),
                reason,
            },
            lost_clients: BTreeSet::new(),
            foreign: None,
            watch: Watch::default(),
            watched_at: None,
            graph_seen_at: Duration::ZERO,
            answers: VecDeque::new(),
            is_mute: false,
            taken_at: Duration::ZERO,
            stalled_at: None,
            standing: Standing::new(Duration::ZERO),
            counts: Counts::default(),
            latencies: Latencies::new(),
            publisher,
            states,
            announced: None,
            announced_at: Duration::ZERO,
            status: "",
            pulse: None,
            has_router: None,
            beaten_at: None,
            is_over: false,
            ending_since: None,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn mode(&self) -> Mode {
        self.state.mode(self.now(), &self.limits)
    }

    /// Everything that has arrived. Commands come first: what arrived before a stop or a reset is judged as such. Stops
    /// come last: which of a stop and a reset was the earlier one nobody knows here, and a stop must not be undone by a
    /// reset that was sent before it.
    fn take(&mut self, inputs: &mut Inputs, signals: &Receiver<Signal>) {
        let arrived = Instant::now();
        let now = self.now();
        // What has waited for so long is old: the base has stopped, or the guard has stopped it. It comes in over
        // several rounds, as ROS hands over one message a topic at a time.
        if now.saturating_sub(self.taken_at) > self.limits.command_timeout.min(LOST_AFTER) {
            self.stalled_at = Some(now);
            self.happen(Event::Stalled);
        }
        self.taken_at = now;
        while let Some(odometry) = next(&mut inputs.odometry) {
            let twist = odometry.twist.twist;
            self.standing.odometry(
                self.now(),
                twist.linear.x.hypot(twist.linear.y),
                twist.angular.z,
            );
        }
        while let Some(command) = next(&mut inputs.commands) {
            self.judge(command, arrived);
        }
        while let Some(request) = next(&mut inputs.resets) {
            let (is_freed, message) = self.reset();
            self.answer(request, is_freed, message);
        }
        for signal in signals.try_iter().take(SIGNALS_A_ROUND) {
            self.obey(signal);
        }
        while let Some(request) = next(&mut inputs.stops) {
            self.latch("service", "/emergency_stop was called");
            let message = "latched; /emergency_stop/reset frees it".into();
            self.answer(request, true, message);
        }
    }

    /// Answers are sent one a round, after all that has arrived was obeyed: each may have to wait for its client.
    fn answer(
        &mut self,
        request: r2r::ServiceRequest<Trigger::Service>,
        success: bool,
        message: String,
    ) {
        if self.answers.len() == MAX_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((request, success, message));
    }

    fn judge(&mut self, command: Command, arrived: Instant) {
        let now = self.now();
        let velocity = command.velocity();
        let decision = decide(self.state, now, Event::Command(velocity), &self.limits);
        self.state = decision.state;
        if decision.refusal.is_some() {
            self.counts.refused += 1;
        }
        let published = if decision.output == Output::Pass {
            self.counts.passed += 1;
            if !velocity.is_zero() {
                self.standing.motion_commanded(now);
            }
            self.publisher.publish(&command)
        } else {
            self.counts.held += u64::from(decision.refusal.is_none());
            self.publisher.publish(&command.zeroed())
        };
        self.has_sent(published);
        self.latencies.add(arrived.elapsed());
        self.announce_change();
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::Guard(gid) => self.watch.set_guard(gid),
            Signal::RemoteStop(text) => {
                self.latch("zenoh", &format!("a put on tb/emergency_stop: {text}"))
            }
            Signal::Order(Order::Latch(reason)) => self.latch("supervisor", &reason),
            Signal::Order(Order::End(reason)) => {
                self.is_over = true;
                self.latch("supervisor", &reason);
            }
            Signal::Order(Order::Hold(client)) => {
                self.lost_clients.insert(client);
                self.happen(Event::Held(true));
            }
            Signal::Order(Order::Release(client)) => {
                self.lost_clients.remove(&client);
                self.happen(Event::Held(!self.lost_clients.is_empty()));
            }
        }
    }

    /// The first cause of a latched stop stays on show: it is what has to be cleared.
    fn latch(&mut self, source: &str, reason: &str) {
        let is_new = self.mode() != Mode::Latched;
        if is_new {
            self.latch_cause = Cause {
                source: source.into(),
                reason: reason.into(),
            };
        }
        self.happen(Event::Latch);
        if is_new {
            tracing::warn!("stop latched by {source}: {reason}");
        }
    }

    /// Whether it has freed the stop, and what to say.
    fn reset(&mut self) -> (bool, String) {
        let persists = self.why_not_to_free();
        self.happen(Event::Reset {
            cause_persists: persists.is_some(),
        });
        match persists {
            Some(why) => (false, why),
            None => {
                tracing::info!("stop reset");
                let message = if self.lost_clients.is_empty() {
                    "free; the next fresh command passes".to_string()
                } else {
                    let clients = self.lost_clients();
                    format!("free of the stop; the robot still waits for {clients}")
                };
                (true, message)
            }
        }
    }

    fn why_not_to_free(&self) -> Option<String> {
        if let Some(foreign) = &self.foreign {
            return Some(format!(
                "{foreign} still publishes on {OUTPUT}; end it first (what was killed, a gate too, leaves the ROS graph \
                 after up to 20 s)"
            ));
        }
        if self.is_over {
            return Some("the run is over; the gate is ending".to_string());
        }
        if self.graph_is_lost(self.now()) {
            return Some(GRAPH_IS_LOST.to_string());
        }
        let is_old = |at| self.now().saturating_sub(at) < FRESH_AFTER;
        self.stalled_at.is_some_and(is_old).then(|| {
            "the gate was held up, and this may be older than a stop; call again".to_string()
        })
    }

    /// Anything but a command.
    fn happen(&mut self, event: Event) {
        let decision = decide(self.state, self.now(), event, &self.limits);
        self.state = decision.state;
        if decision.output == Output::Zero {
            let published = self.publisher.publish_zero(self.clock.now());
            self.has_sent(published);
        }
        self.announce_change();
    }

    /// A gate that cannot stop the base is no gate: its guard must not hear that it lives.
    fn has_sent(&mut self, published: r2r::Result<()>) {
        self.is_mute = published.is_err();
        log_failure(published);
    }

    fn begin_to_end(&mut self) {
        if self.ending_since.is_none() {
            self.ending_since = Some(self.now());
            self.is_over = true;
            self.latch("gate", "the gate ends");
        }
    }

    fn has_ended(&self) -> bool {
        let now = self.now();
        self.ending_since.is_some_and(|since| {
            now.saturating_sub(since) >= LAST_ZEROS && self.standing.must_be_still(now)
        })
    }

    /// What is due by time.
    fn keep_time(&mut self, node: &r2r::Node) {
        let now = self.now();
        self.happen(Event::Time);
        if self
            .beaten_at
            .is_none_or(|at| now.saturating_sub(at) >= HEARTBEAT_PERIOD)
        {
            self.beaten_at = Some(now);
            if !self.is_mute
                && let Some(pulse) = &mut self.pulse
                && !pulse.beat()
            {
                self.watch.guard_has_left();
            }
        }
        if self
            .watched_at
            .is_none_or(|at| now.saturating_sub(at) >= WATCH_PERIOD)
        {
            self.watched_at = Some(now);
            self.look_for_foreign_publishers(node, now);
        }
        if now.saturating_sub(self.announced_at) >= STATE_PERIOD {
            self.announce();
        }
        self.tell_supervisor(now);
        if let Some((request, success, message)) = self.answers.pop_front() {
            log_failure(request.respond(Trigger::Response { success, message }));
        }
    }

    fn look_for_foreign_publishers(&mut self, node: &r2r::Node, now: Duration) {
        let seen = match publishers_of(node, OUTPUT) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!("cannot see who publishes on {OUTPUT}: {error}");
                if self.graph_is_lost(now) {
                    self.latch("gate", GRAPH_IS_LOST);
                }
                return;
            }
        };
        self.graph_seen_at = now;
        self.foreign = self
            .watch
            .foreign(&seen, now)
            .map(|endpoint| endpoint.name().to_string());
        let Some(foreign) = &self.foreign else { return };
        let reason = past_the_gate(foreign);
        if self.mode() == Mode::Latched && self.latch_cause.source == FOREIGN_PUBLISHER {
            if self.latch_cause.reason != reason {
                // Its name has come after it.
                self.latch_cause.reason = reason;
                self.announce();
            }
        } else {
            self.latch(FOREIGN_PUBLISHER, &reason);
        }
    }

    fn graph_is_lost(&self, now: Duration) -> bool {
        now.saturating_sub(self.graph_seen_at) > GRAPH_LOST_AFTER
    }

    fn tell_supervisor(&mut self, now: Duration) {
        let status = match self.mode() {
            Mode::Latched if self.standing.must_be_still(now) => "standing",
            Mode::Latched => "latched",
            Mode::Free => "free",
            _ => "holding",
        };
        if status != self.status && ros_node::status(status) {
            self.status = status;
        }
    }

    fn cause(&self) -> Cause {
        let cause = |source: &str, reason: &str| Cause {
            source: source.into(),
            reason: reason.into(),
        };
        match self.mode() {
            Mode::Free => Cause::default(),
            Mode::Latched => self.latch_cause.clone(),
            Mode::HoldingForClient => cause(
                &format!("client {}", self.lost_clients()),
                "it is lost; the robot waits until it is back",
            ),
            Mode::HoldingAfterRefusal(Refusal::NotFinite) => {
                cause("invalid command", "it holds a number that is not finite")
            }
            Mode::HoldingAfterRefusal(Refusal::TooFast) => {
                let Limits {
                    linear, angular, ..
                } = self.limits;
                cause(
                    "invalid command",
                    &format!("it is faster than {linear} m/s or {angular} rad/s"),
                )
            }
            Mode::HoldingForCommand => cause("no command", "the commands have stopped coming"),
            Mode::HoldingForFirstCommand => cause("no command", "none has come yet"),
        }
    }

    fn lost_clients(&self) -> String {
        let clients: Vec<_> = self.lost_clients.iter().map(String::as_str).collect();
        clients.join(", ")
    }

    fn announce_change(&mut self) {
        // Compared without making text on the path of every command.
        if self
            .announced
            .as_ref()
            .is_none_or(|(mode, _)| *mode != self.mode())
        {
            self.announce();
        }
    }

    fn announce(&mut self) {
        let (mode, cause) = (self.mode(), self.cause());
        if self.announced.as_ref() != Some(&(mode, cause.clone())) {
            self.since = self.clock.now();
        }
        let mut message = EmergencyStopState {
            state: match mode {
                Mode::Free => EmergencyStopState::FREE as u8,
                Mode::Latched => EmergencyStopState::LATCHED as u8,
                _ => EmergencyStopState::HOLDING as u8,
            },
            source: cause.source.clone(),
            reason: cause.reason.clone(),
            since: self.since.clone(),
            passed: self.counts.passed,
            held: self.counts.held,
            refused: self.counts.refused,
            ..EmergencyStopState::default()
        };
        message.header.stamp = self.clock.now();
        log_failure(self.states.publish(&message));
        self.announced = Some((mode, cause));
        self.announced_at = self.now();
    }

    fn diagnosis(&self) -> Report {
        let Cause { source, reason } = self.cause();
        let (mut level, mut message) = match (&self.foreign, self.mode()) {
            _ if self.is_mute => (Level::Error, format!("cannot publish on {OUTPUT}")),
            (Some(foreign), _) => (Level::Error, past_the_gate(foreign)),
            (None, Mode::Free) => (Level::Ok, "commands pass".to_string()),
            (None, Mode::Latched) => (Level::Warn, format!("latched by {source}: {reason}")),
            (None, Mode::HoldingAfterRefusal(_)) => {
                (Level::Warn, format!("command refused: {reason}"))
            }
            (None, _) => (Level::Ok, format!("holding, {source}: {reason}")),
        };
        let guard = self.pulse.as_ref().map(Pulse::has_guard);
        let router = self.has_router.as_ref();
        let router = router.map(|is_there| is_there.load(Ordering::Relaxed));
        for (is_there, absence) in [(guard, "the guard is absent"), (router, "no stop by Zenoh")] {
            if is_there == Some(false) {
                level = level.max(Level::Warn);
                message = format!("{message}; {absence}");
            }
        }
        let connection = |is_there| match is_there {
            None => "none asked for",
            Some(true) => "connected",
            Some(false) => "absent",
        };
        let milliseconds = |latency: f64| format!("{latency:.3}");
        let report = Report::new(level, message)
            .with("passed", self.counts.passed)
            .with("held", self.counts.held)
            .with("refused", self.counts.refused)
            .with("guard", connection(guard))
            .with("zenoh", connection(router));
        match self.latencies.percentiles() {
            None => report,
            Some(latency) => report
                .with("latency_p50_ms", milliseconds(latency.p50))
                .with("latency_p95_ms", milliseconds(latency.p95))
                .with("latency_p99_ms", milliseconds(latency.p99)),
        }
    }
}

fn past_the_gate(foreign: &str) -> String {
    format!("{foreign} publishes on {OUTPUT} past the gate")
}

fn log_failure(sent: r2r::Result<()>) {
    if let Err(error) = sent {
        tracing::error!("cannot publish: {error}");
    }
}
