//! The action server: goals come, run, are replaced, cancelled, and end, as with Nav2.

use super::drive::{Drive, NoPose, Now};
use crate::follower::Velocity;
use crate::geometry::position;
use crate::goals::{Goal, GoalId, Goals, Status};
use crate::navigator::{Decision, Navigator, Target};
use crate::ros::{self, ControlPeriods};
use r2r::action_msgs::msg::{GoalInfo, GoalStatus, GoalStatusArray};
use r2r::action_msgs::srv::CancelGoal;
use r2r::nav_msgs::msg::Odometry;
use r2r::nav2_msgs::action::NavigateToPose::{self, FeedbackMessage, GetResult, SendGoal};
use r2r::std_msgs::msg::Header;
use r2r::unique_identifier_msgs::msg::UUID;
use r2r::{ServiceRequest, geometry_msgs::msg::PoseStamped};
use ros_node::tf::pose_of;
use ros_node::time::{self, Clock};
use ros_node::{RosNode, qos};
use std::path::Path;
use std::time::Instant;

/// `FollowPath` code of Nav2 for a robot whose place is no longer known.
const CONTROLLER_TF_ERROR: u16 = 102;
/// `ComputePathToPose` code of Nav2 for a goal that is nowhere on the map.
const GOAL_OUTSIDE_MAP: u16 = 204;
/// The file name of Nav2's default tree, which this server's behaviour stands for.
const DEFAULT_TREE: &str = "navigate_to_pose_w_replanning_and_recovery.xml";

/// The goal that is being driven to.
struct Running {
    id: GoalId,
    tree: String,
    target: Target,
    /// `None` until the first control period.
    navigator: Option<Navigator>,
    /// Stamp of the odometry at acceptance, ns.
    since: i64,
}

/// The action server and the robot it drives.
pub struct Server {
    /// The robot and its surroundings.
    pub drive: Drive,
    goals: Goals,
    running: Option<Running>,
    awaiting_result: Vec<(GoalId, ServiceRequest<GetResult::Service>)>,
    status: r2r::Publisher<GoalStatusArray>,
    feedback: r2r::Publisher<FeedbackMessage>,
    ack: r2r::Publisher<Header>,
    periods: ControlPeriods,
    clock: Clock,
    started: Instant,
    ended: [u64; 3],
}

impl Server {
    /// A server without goals.
    pub fn new(ros: &mut RosNode, drive: Drive) -> anyhow::Result<Self> {
        const ACTION: &str = "ungated/navigate_to_pose/_action";
        let server = Self {
            drive,
            goals: Goals::default(),
            running: None,
            awaiting_result: Vec::new(),
            status: (ros.node).create_publisher(&format!("{ACTION}/status"), qos::latched())?,
            feedback: (ros.node)
                .create_publisher(&format!("{ACTION}/feedback"), qos::reliable())?,
            ack: ros.node.create_publisher("/sim/ack", qos::reliable())?,
            periods: ControlPeriods::default(),
            clock: ros.clock(),
            started: Instant::now(),
            ended: [0; 3],
        };
        Ok(server)
    }

    /// Whether goals are accepted: the map and the robot's place in it are known.
    pub fn is_active(&self) -> bool {
        self.drive.is_usable()
    }

    /// Whether a goal is being driven to.
    pub fn is_driving(&self) -> bool {
        self.running.is_some()
    }

    /// How many goals have ended how.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let [succeeded, canceled, aborted] = self.ended;
        [
            ("goals_succeeded", succeeded),
            ("goals_canceled", canceled),
            ("goals_aborted", aborted),
        ]
    }

    /// A new goal. Every one is accepted; what is wrong with it shows in its result.
    pub fn on_goal(&mut self, request: ServiceRequest<SendGoal::Service>) {
        let SendGoal::Request { goal_id, goal } = request.message.clone();
        let id = id_of(&goal_id);
        let now = self.clock.now_nanos();
        self.goals.expire(self.started.elapsed());
        let accepted = self.is_active() && self.goals.accept(id, now);
        // Nav2 leaves the stamp of this answer at zero; the real one is in the status array.
        respond(
            request,
            SendGoal::Response {
                accepted,
                ..Default::default()
            },
        );
        if !accepted {
            let why = if self.is_active() {
                "its id was used before"
            } else {
                "not ready yet"
            };
            tracing::error!(why, "goal rejected");
            return;
        }
        self.publish_status();
        let tree = tree_of(&goal);
        match &self.running {
            // Another tree cannot take over; Nav2 ends the new goal, and the old one goes on.
            Some(running) if running.tree != tree => self.finish(id, Status::Aborted, 0),
            // A tree of one's own is taken as the default, if it is there.
            None if !tree.is_empty() && !Path::new(&tree).is_file() => {
                tracing::error!(tree, "no such behavior tree");
                self.finish(id, Status::Aborted, 0);
            }
            _ => self.take_over(id, tree, &goal.pose),
        }
    }

    /// The new goal takes the place of the running one, which ends aborted; the robot does not stop.
    fn take_over(&mut self, id: GoalId, tree: String, goal: &PoseStamped) {
        let before = self.running.take();
        if let Some(before) = &before {
            self.finish(before.id, Status::Aborted, 0);
        }
        match self.drive.in_map(goal) {
            Some(map_from_goal) => {
                let target = Target {
                    position: position(&map_from_goal),
                    yaw: map_from_goal.rotation.angle(),
                };
                tracing::info!(
                    x = target.position.x,
                    y = target.position.y,
                    yaw = target.yaw,
                    "goal accepted"
                );
                self.running = Some(Running {
                    id,
                    tree,
                    target,
                    navigator: None,
                    since: self.drive.newest(),
                });
            }
            None => {
                if before.is_some() {
                    self.halt();
                }
                let p = &goal.pose.position;
                let finite = p.x.is_finite() && p.y.is_finite();
                tracing::error!(
                    frame = goal.header.frame_id,
                    x = p.x,
                    y = p.y,
                    "goal cannot be transformed to the map"
                );
                self.finish(
                    id,
                    Status::Aborted,
                    if finite { 0 } else { GOAL_OUTSIDE_MAP },
                );
            }
        }
    }

    /// A cancel request.
    pub fn on_cancel(&mut self, request: ServiceRequest<CancelGoal::Service>) {
        let GoalInfo { goal_id, stamp } = &request.message.goal_info;
        let answer = self.goals.cancel(&id_of(goal_id), time::nanos(stamp));
        if !answer.canceling.is_empty() {
            self.publish_status();
        }
        let goals_canceling = (answer.canceling.iter())
            .map(|(id, accepted_at)| info(id, *accepted_at))
            .collect();
        respond(
            request,
            CancelGoal::Response {
                return_code: answer.code,
                goals_canceling,
            },
        );
        for (id, _) in &answer.canceling {
            if self
                .running
                .as_ref()
                .is_some_and(|running| running.id == *id)
            {
                self.running = None;
                self.halt();
            }
            self.finish(*id, Status::Canceled, 0);
        }
    }

    /// Somebody wants a goal's result: at once when it has ended or nobody knows it, else when it ends.
    pub fn on_result(&mut self, request: ServiceRequest<GetResult::Service>) {
        let id = id_of(&request.message.goal_id);
        match self.goals.get(&id) {
            Some(goal) if goal.status.is_active() => self.awaiting_result.push((id, request)),
            Some(goal) => respond(request, result_of(goal)),
            None => respond(request, GetResult::Response::default()),
        }
    }

    /// Odometry: the heartbeat of control. At the first of each control period a command goes out and the simulator is
    /// told that this period is done.
    pub fn on_odometry(&mut self, odometry: &Odometry) {
        let now = self.drive.on_odometry(odometry);
        if !self.periods.begins(self.drive.newest()) {
            return;
        }
        let commanded = self.running.is_some();
        if let Some(running) = self.running.take() {
            self.control(running, now);
        }
        let done = if commanded {
            "navigation/driving"
        } else {
            "navigation"
        };
        if let Err(error) = self.ack.publish(&ros::header(self.drive.newest(), done)) {
            tracing::warn!(%error, "cannot acknowledge a control period");
        }
    }

    fn control(&mut self, mut running: Running, now: Result<Now, NoPose>) {
        let now = match now {
            Ok(now) => now,
            Err(NoPose::Stale) => {
                self.halt();
                self.running = Some(running);
                return;
            }
            Err(no_pose) => {
                let code = if no_pose == NoPose::Lost {
                    CONTROLLER_TF_ERROR
                } else {
                    0
                };
                tracing::error!("the robot's place in the map is not known");
                return self.end(&running, Status::Aborted, code);
            }
        };
        let decision = match self.decide(&mut running, &now) {
            Ok(decision) => decision,
            Err(code) => Decision::Failed(code),
        };
        match decision {
            Decision::Drive(velocity) => {
                self.drive.command(velocity, now.stamp);
                self.publish_feedback(&running, &now);
                self.running = Some(running);
            }
            Decision::Succeeded => {
                tracing::info!("goal reached");
                self.end(&running, Status::Succeeded, 0);
            }
            Decision::Failed(code) => {
                tracing::warn!(error_code = code, "goal aborted");
                self.end(&running, Status::Aborted, code);
            }
        }
    }

    fn decide(&mut self, running: &mut Running, now: &Now) -> Result<Decision, u16> {
        let costmap = self.drive.costmap.as_mut().ok_or(0_u16)?;
        let situation = now.situation();
        if running.navigator.is_none() {
            let config = self.drive.config.clone();
            let navigator = Navigator::start(config, running.target.clone(), costmap, &situation);
            running.navigator = Some(navigator.map_err(|error| {
                tracing::warn!(%error, "no plan");
                error.code()
            })?);
        }
        let navigator = running.navigator.as_mut().ok_or(0_u16)?;
        let decision = navigator.step(costmap, &situation);
        if let Some(path) = navigator.take_new_path() {
            self.drive.show_path(path, now.stamp);
        }
        Ok(decision)
    }

    /// The node ends: what runs is aborted, and the robot stops.
    pub fn shut_down(&mut self) {
        if let Some(running) = self.running.take() {
            self.end(&running, Status::Aborted, 0);
        }
    }

    fn end(&mut self, running: &Running, status: Status, error_code: u16) {
        self.halt();
        self.finish(running.id, status, error_code);
    }

    fn halt(&self) {
        self.drive.command(Velocity::default(), self.drive.newest());
    }

    fn finish(&mut self, id: GoalId, status: Status, error_code: u16) {
        self.goals
            .finish(&id, status, error_code, self.started.elapsed());
        match status {
            Status::Succeeded => self.ended[0] += 1,
            Status::Canceled => self.ended[1] += 1,
            _ => self.ended[2] += 1,
        }
        if let Some(goal) = self.goals.get(&id) {
            let awaited: Vec<_> = self
                .awaiting_result
                .extract_if(.., |(awaited, _)| *awaited == id)
                .collect();
            for (_, request) in awaited {
                respond(request, result_of(goal));
            }
        }
        self.publish_status();
    }

    fn publish_status(&self) {
        let status_list = (self.goals.iter())
            .map(|goal| GoalStatus {
                goal_info: info(&goal.id, goal.accepted_at),
                status: goal.status as i8,
            })
            .collect();
        if let Err(error) = self.status.publish(&GoalStatusArray { status_list }) {
            tracing::error!(%error, "a goal's status is lost");
        }
    }

    fn publish_feedback(&self, running: &Running, now: &Now) {
        let Some(navigator) = &running.navigator else {
            return;
        };
        let distance = navigator.distance_remaining(&now.map_from_base);
        let estimate = distance / self.drive.config.follower.max_linear;
        let feedback = NavigateToPose::Feedback {
            current_pose: PoseStamped {
                header: ros::header(now.stamp, super::drive::MAP_FRAME),
                pose: pose_of(&ros::spatial(&now.map_from_base)),
            },
            navigation_time: time::duration((now.stamp - running.since).max(0)),
            estimated_time_remaining: time::duration((estimate * 1e9) as i64),
            number_of_recoveries: 0,
            distance_remaining: distance as f32,
        };
        let message = FeedbackMessage {
            goal_id: uuid_of(&running.id),
            feedback,
        };
        if let Err(error) = self.feedback.publish(&message) {
            tracing::warn!(%error, "cannot publish feedback");
        }
    }
}

fn tree_of(goal: &NavigateToPose::Goal) -> String {
    let is_default = Path::new(&goal.behavior_tree)
        .file_name()
        .is_some_and(|name| name == DEFAULT_TREE);
    if is_default {
        String::new()
    } else {
        goal.behavior_tree.clone()
    }
}

fn result_of(goal: &Goal) -> GetResult::Response {
    GetResult::Response {
        status: goal.status as i8,
        result: NavigateToPose::Result {
            error_code: goal.error_code,
            // Empty in every result of Nav2's Jazzy.
            error_msg: String::new(),
        },
    }
}

fn id_of(uuid: &UUID) -> GoalId {
    let mut id = [0; 16];
    id.iter_mut()
        .zip(&uuid.uuid)
        .for_each(|(to, from)| *to = *from);
    id
}

fn uuid_of(id: &GoalId) -> UUID {
    UUID { uuid: id.to_vec() }
}

fn info(id: &GoalId, accepted_at: i64) -> GoalInfo {
    GoalInfo {
        goal_id: uuid_of(id),
        stamp: time::stamp(accepted_at),
    }
}

fn respond<T>(request: ServiceRequest<T>, response: T::Response)
where
    T: r2r::WrappedServiceTypeSupport + 'static,
{
    if let Err(error) = request.respond(response) {
        tracing::warn!(%error, "an answer could not be sent");
    }
}
