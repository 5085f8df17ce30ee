//! The node: moves messages between ROS, the desk and the proxy. Decides nothing itself.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::Stream;
use r2r::Publisher;
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::nav2_msgs::action::NavigateToPose::{Action, Result as NavigateToPoseResult};
use r2r::std_msgs::msg::Header;
use r2r::turtlebot_maze_msgs::msg::{EmergencyStopState, Verdict};
use ros_node::{RosNode, qos, time};

use crate::args::Args;
use crate::desk::{Desk, Judgement};
use crate::endpoints::{PublicAction, Request, now, uuid, warn_on_error};
use crate::goal::{GoalId, Now};
use crate::health::{Health, Missing};
use crate::navigation::{Incoming, Navigation, pose_message};
use crate::proxy::{Effect, Event, Proxy, Stop};
use crate::refusal::Refusal;
use crate::rivals::Servers;
use crate::syntactic::RawGoal;
use crate::through_poses::{self, ThroughPoses};
use crate::world::World;

/// The public name.
const NAME: &str = "navigate_to_pose";
/// Longest time that a round waits for ROS; bounds the delay of what does not come from ROS.
const QUANTUM: Duration = Duration::from_millis(10);
/// How often the graph is asked who serves what.
const LOOK_EACH: Duration = Duration::from_millis(100);
/// How long goals may take to end after SIGTERM.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);
/// After the last result, so that it is on its way before the endpoints vanish.
const LINGER: Duration = Duration::from_millis(100);

type Messages<T> = Box<dyn Stream<Item = T> + Unpin>;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When ROS cannot make an endpoint.
pub fn run(args: Args, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    let mut gatekeeper = Gatekeeper::new(&args, &mut ros)?;
    // Empty: who waits for the result of a goal of an earlier life learns that it is lost.
    gatekeeper.apply(Effect::PublishStatus, gatekeeper.world.now());
    ros.spin_until(QUANTUM, |ros| gatekeeper.round(ros));
    Ok(ExitCode::SUCCESS)
}

/// Full names, as the graph knows them.
struct Names {
    node: String,
    public: String,
    through_poses: String,
    upstream: String,
}

#[derive(Default)]
struct Watch {
    next_look: Option<Instant>,
    public: Servers,
    through_poses: Servers,
    upstream: Servers,
    foreign: Option<String>,
}

struct Gatekeeper {
    names: Names,
    map_frame: String,
    proxy: Proxy,
    desk: Desk,
    world: World,
    public: PublicAction<Action>,
    through_poses: ThroughPoses,
    goal_poses: Messages<PoseStamped>,
    stops: Messages<EmergencyStopState>,
    navigation: Navigation,
    verdicts: Publisher<Verdict>,
    /// The goal on the desk, as its client sent it.
    on_desk: PoseStamped,
    watch: Watch,
    health: Health,
    stopping: Option<Instant>,
    drained: Option<Instant>,
}

impl Gatekeeper {
    fn new(args: &Args, ros: &mut RosNode) -> anyhow::Result<Self> {
        let namespace = ros.node.namespace()?;
        let names = Names {
            node: ros.node.fully_qualified_name()?,
            public: absolute(&namespace, NAME),
            through_poses: absolute(&namespace, through_poses::NAME),
            upstream: absolute(&namespace, &args.upstream),
        };
        if names.upstream == names.public {
            anyhow::bail!(
                "--upstream is the gatekeeper's own action {}; the navigation server must be moved to another name",
                names.public
            );
        }
        let config = args.proxy(&names.upstream);
        Ok(Self {
            map_frame: args.map_frame.clone(),
            proxy: Proxy::new(config, GoalId::random, Instant::now()),
            desk: Desk::new(
                args.judge(),
                Duration::from_secs_f64(args.transform_timeout),
                args.model(),
                Duration::from_secs_f64(args.max_frame_age),
            ),
            world: World::subscribe(ros, args)?,
            navigation: Navigation::connect(ros, &args.upstream, &args.motion_actions)?,
            stops: Box::new(ros.node.subscribe("emergency_stop/state", qos::latched())?),
            goal_poses: Box::new(ros.node.subscribe("goal_pose", qos::sensor_data())?),
            verdicts: ros
                .node
                .create_publisher("gatekeeper/verdict", qos::latched().keep_last(10))?,
            health: Health::publish(ros)?,
            public: PublicAction::offer(ros, NAME)?,
            through_poses: ThroughPoses::offer(ros)?,
            on_desk: PoseStamped::default(),
            watch: Watch::default(),
            stopping: None,
            drained: None,
            names,
        })
    }

    /// Takes in everything that has arrived; true at the end.
    fn round(&mut self, ros: &RosNode) -> bool {
        let now = self.world.now();
        self.world.update();
        // Stops first: a goal that arrived in the same round must meet the latch.
        self.take_stops(now);
        self.look_at_graph(ros, now);
        self.take_requests(now);
        self.take_answers(now);
        let judgement = self
            .world
            .view(|view| self.desk.look(view, self.world.frame(), now));
        if let Some(judgement) = judgement {
            self.conclude(judgement, now);
        }
        self.handle(Event::Tick, now);
        self.shut_down_if_asked(ros, now)
    }

    fn take_stops(&mut self, at: Now) {
        while let Some(state) = now(&mut self.stops) {
            self.handle(Event::EmergencyStop(stop_of(&state)), at);
        }
    }

    fn take_requests(&mut self, at: Now) {
        while let Some(request) = self.public.next_request() {
            match request {
                Request::Goal { token, id, goal } => {
                    self.take_goal(Some(token), id, goal.pose, goal.behavior_tree, at);
                }
                Request::Cancel {
                    token,
                    id,
                    stamp_nanos,
                } => self.handle(
                    Event::Cancel {
                        token,
                        id,
                        stamp_nanos,
                    },
                    at,
                ),
                Request::Result { token, id } => self.handle(Event::Result { token, id }, at),
            }
        }
        while let Some(pose) = now(&mut self.goal_poses) {
            self.take_goal(None, GoalId::random(), pose, String::new(), at);
        }
        while let Some((id, pose)) = self.through_poses.serve(at) {
            self.publish_refusal(id, pose, &Refusal::ThroughPoses);
        }
    }

    fn take_goal(
        &mut self,
        token: Option<u64>,
        id: GoalId,
        pose: PoseStamped,
        behavior_tree: String,
        at: Now,
    ) {
        for effect in self.proxy.handle(Event::Goal { token, id }, at) {
            match effect {
                Effect::Judge(id) => {
                    self.desk
                        .take(id, raw_goal(&pose, &behavior_tree), at.monotonic);
                    self.on_desk = pose.clone();
                }
                Effect::Refused { id, refusal } => self.publish_refusal(id, pose.clone(), &refusal),
                effect => self.apply(effect, at),
            }
        }
    }

    fn take_answers(&mut self, at: Now) {
        while let Some(incoming) = self.navigation.next_incoming() {
            match incoming {
                Incoming::Event(event) => self.handle(event, at),
                Incoming::Feedback(upstream, feedback) => {
                    if let Some(client) = self.proxy.client_of(upstream) {
                        self.public.publish_feedback(client, *feedback);
                        self.handle(Event::UpstreamHeard, at);
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: Event, at: Now) {
        for effect in self.proxy.handle(event, at) {
            self.apply(effect, at);
        }
    }

    fn apply(&mut self, effect: Effect, at: Now) {
        match effect {
            Effect::AnswerGoal {
                token,
                accepted,
                stamp_nanos,
            } => self.public.answer_goal(token, accepted, stamp_nanos),
            Effect::AnswerCancel { token, code, goals } => {
                self.public
                    .answer_cancel(token, code, &goals, self.proxy.ledger());
            }
            Effect::AnswerResult { token, outcome } => {
                self.public.answer_result(token, outcome.as_ref(), result);
            }
            Effect::PublishStatus => self.public.publish_status(self.proxy.ledger()),
            Effect::StopJudging(id) => self.desk.drop_goal(id),
            Effect::Ended { id, outcome } => tracing::info!(
                goal = %id, status = ?outcome.status, code = outcome.error_code, reason = %outcome.error_msg, "goal ended"
            ),
            Effect::SendGoal { id, goal } => {
                let stamp = time::stamp(at.ros_nanos);
                self.navigation.send(id, &goal, &self.map_frame, stamp);
            }
            Effect::AskResult(id) => self.navigation.ask_result(id),
            Effect::CancelUpstream(id) => self.navigation.cancel(Some(id)),
            Effect::CancelAllUpstream => self.navigation.cancel(None),
            Effect::Ping => self.navigation.ping(),
            Effect::StopMotion => {
                tracing::error!(
                    "the navigation server was lost with a goal running; what it set in motion is cancelled"
                );
                self.navigation.stop_motion();
            }
            Effect::ForeignGoal(id) => self.health.foreign_goal(id, at.monotonic),
            // Both come with a goal, and `take_goal` deals with them.
            Effect::Judge(_) | Effect::Refused { .. } => {}
        }
    }

    fn conclude(&mut self, judgement: Judgement, at: Now) {
        let stamp = time::stamp(at.ros_nanos);
        let refusal = judgement.verdict.as_ref().err();
        let verdict = Verdict {
            header: self.header(at),
            goal_id: uuid(judgement.id),
            goal: self.on_desk.clone(),
            verdict: match refusal {
                None => Verdict::GO as u8,
                Some(Refusal::Unsure { .. }) => Verdict::UNSURE as u8,
                Some(_) => Verdict::NO_GO as u8,
            },
            confidence: judgement.confidence as f32,
            evaluator: judgement.evaluator.to_owned(),
            reason: judgement.reason,
            error_code: refusal.map_or(0, Refusal::code),
            elapsed: judgement.elapsed.as_secs_f32(),
            has_alternative: judgement.alternative.is_some(),
            alternative: judgement
                .alternative
                .map(|pose| pose_message(pose, &self.map_frame, stamp))
                .unwrap_or_default(),
        };
        self.publish(&verdict);
        let (id, verdict) = (judgement.id, judgement.verdict);
        self.handle(Event::Verdict { id, verdict }, at);
    }

    fn publish_refusal(&mut self, id: GoalId, goal: PoseStamped, refusal: &Refusal) {
        let verdict = Verdict {
            header: self.header(self.world.now()),
            goal_id: uuid(id),
            goal,
            verdict: Verdict::NO_GO as u8,
            confidence: 1.0,
            evaluator: refusal.evaluator().to_owned(),
            reason: refusal.to_string(),
            error_code: refusal.code(),
            ..Default::default()
        };
        self.publish(&verdict);
    }

    fn publish(&mut self, verdict: &Verdict) {
        let id = crate::endpoints::goal_id(&verdict.goal_id);
        let position = &verdict.goal.pose.position;
        tracing::info!(
            goal = %id, x = position.x, y = position.y, frame = %verdict.goal.header.frame_id,
            go = verdict.error_code == 0, code = verdict.error_code, evaluator = %verdict.evaluator,
            elapsed_s = verdict.elapsed, reason = %verdict.reason, "verdict"
        );
        let figures = &mut self.health.figures;
        if verdict.error_code == 0 {
            figures.passed += 1;
        } else {
            figures.refused += 1;
            figures.last_refusal.clone_from(&verdict.reason);
        }
        warn_on_error(self.verdicts.publish(verdict), "publish a verdict");
    }

    fn header(&self, at: Now) -> Header {
        Header {
            stamp: time::stamp(at.ros_nanos),
            frame_id: self.map_frame.clone(),
        }
    }

    /// Who serves the names, and what is missing.
    fn look_at_graph(&mut self, ros: &RosNode, now: Now) {
        let at = now.monotonic;
        if self.watch.next_look.is_some_and(|next| at < next) {
            return;
        }
        self.watch.next_look = Some(at + LOOK_EACH);
        let serving = |action: &str| servers_of(ros, action);
        let own = Some(self.names.node.as_str());
        let upstream = serving(&self.names.upstream);
        let watch = &mut self.watch;
        let found = [
            (
                &self.names.public,
                watch.public.look(&serving(&self.names.public), own, at),
            ),
            (
                &self.names.through_poses,
                watch
                    .through_poses
                    .look(&serving(&self.names.through_poses), own, at),
            ),
            (
                &self.names.upstream,
                watch.upstream.look(&upstream, None, at),
            ),
        ];
        let foreign = found.into_iter().find_map(|(action, node)| {
            Some(format!(
                "{} offers the action {action}, too; stop it or move it to another name",
                node?
            ))
        });
        if foreign != self.watch.foreign {
            match &foreign {
                Some(why) => tracing::error!("all goals are refused: {why}"),
                None => tracing::info!("no other server is left under the gatekeeper's names"),
            }
            self.watch.foreign.clone_from(&foreign);
            self.handle(Event::Foreign(foreign), now);
        }
        self.handle(Event::UpstreamVisible(!upstream.is_empty()), now);
        let missing = self.world.view(|view| Missing {
            map: view.space.is_none(),
            robot_pose: self.desk.judge().robot(view).is_err(),
            upstream: !self.proxy.is_upstream_ready(),
        });
        self.health
            .update(missing, self.watch.foreign.as_deref(), at);
    }

    fn shut_down_if_asked(&mut self, ros: &RosNode, now: Now) -> bool {
        if !ros.stop_requested() {
            return false;
        }
        let at = now.monotonic;
        let Some(since) = self.stopping else {
            self.stopping = Some(at);
            self.handle(Event::Shutdown, now);
            return false;
        };
        if at.saturating_duration_since(since) >= SHUTDOWN_LIMIT {
            self.handle(Event::ShutdownOverdue, now);
        }
        if !self.proxy.is_drained() {
            return false;
        }
        let drained = *self.drained.get_or_insert(at);
        at.saturating_duration_since(drained) >= LINGER
    }
}

/// The nodes that serve an action: each server publishes its status.
fn servers_of(ros: &RosNode, action: &str) -> Vec<String> {
    match ros
        .node
        .get_publishers_info_by_topic(&format!("{action}/_action/status"), false)
    {
        Ok(publishers) => publishers
            .into_iter()
            .map(|p| absolute(&p.node_namespace, &p.node_name))
            .collect(),
        Err(error) => {
            tracing::error!(%error, action, "cannot ask the graph who serves an action");
            Vec::new()
        }
    }
}

fn absolute(namespace: &str, name: &str) -> String {
    if name.starts_with('/') {
        return name.to_owned();
    }
    format!("{}/{name}", namespace.trim_end_matches('/'))
}

fn stop_of(state: &EmergencyStopState) -> Stop {
    let why = format!("{}: {}", state.source, state.reason);
    match state.state {
        free if free == EmergencyStopState::FREE as u8 => Stop::Free,
        holding if holding == EmergencyStopState::HOLDING as u8 => {
            if state.source.starts_with("client ") {
                let since_nanos = time::nanos(&state.since);
                Stop::ClientLost { why, since_nanos }
            } else {
                Stop::Free
            }
        }
        // A state that is not known is no reason to drive.
        _ => Stop::Latched(why),
    }
}

fn raw_goal(pose: &PoseStamped, behavior_tree: &str) -> RawGoal {
    let (p, q) = (&pose.pose.position, &pose.pose.orientation);
    RawGoal {
        frame: pose.header.frame_id.clone(),
        stamp_nanos: time::nanos(&pose.header.stamp),
        position: [p.x, p.y, p.z],
        orientation: [q.x, q.y, q.z, q.w],
        behavior_tree: behavior_tree.to_owned(),
    }
}

fn result(error_code: u16, error_msg: &str) -> NavigateToPoseResult {
    NavigateToPoseResult {
        error_code,
        error_msg: error_msg.to_owned(),
    }
}
