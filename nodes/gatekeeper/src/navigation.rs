//! The client of the navigation server: requests out, answers in as the proxy's events.
//!
//! Made of plain clients and subscriptions: the ids and the time-outs are the proxy's, and no answer, however odd,
//! can end the process.

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream};
use r2r::Client;
use r2r::action_msgs::msg::GoalStatusArray;
use r2r::action_msgs::srv::CancelGoal;
use r2r::builtin_interfaces::msg::Time;
use r2r::geometry_msgs::msg::{Point, Pose, PoseStamped, Quaternion};
use r2r::nav2_msgs::action::NavigateToPose::{
    Feedback, FeedbackMessage, GetResult, Goal, SendGoal,
};
use r2r::std_msgs::msg::Header;
use ros_node::{RosNode, qos};

use crate::endpoints::{goal_id, now, uuid};
use crate::goal::{Cleared, GoalId, MapPose, Outcome, Status};
use crate::proxy::Event;

type Messages<T> = Box<dyn Stream<Item = T> + Unpin>;

/// What arrives from the navigation server.
pub enum Incoming {
    /// For the proxy.
    Event(Event),
    /// For the client of a goal, by its id upstream.
    Feedback(GoalId, Box<Feedback>),
}

/// The navigation server, seen as a client.
pub struct Navigation {
    send_goal: Client<SendGoal::Service>,
    cancel_goal: Client<CancelGoal::Service>,
    get_result: Client<GetResult::Service>,
    feedback: Messages<FeedbackMessage>,
    status: Messages<GoalStatusArray>,
    answers: FuturesUnordered<LocalBoxFuture<'static, Option<Event>>>,
    /// Cancels of what the navigation server has set in motion.
    motions: Vec<Client<CancelGoal::Service>>,
}

impl Navigation {
    /// A client of the action `name`, which can also cancel the goals of the actions `motions`.
    ///
    /// # Errors
    /// When rcl cannot make an endpoint.
    pub fn connect(ros: &mut RosNode, name: &str, motions: &[String]) -> anyhow::Result<Self> {
        let node = &mut ros.node;
        let status_qos = qos::latched();
        let feedback = node.subscribe(&format!("{name}/_action/feedback"), qos::reliable())?;
        let status = node.subscribe(&format!("{name}/_action/status"), status_qos)?;
        let motions = motions
            .iter()
            .map(|motion| {
                node.create_client(&format!("{motion}/_action/cancel_goal"), qos::reliable())
            })
            .collect::<r2r::Result<_>>()?;
        Ok(Self {
            send_goal: node.create_client(&format!("{name}/_action/send_goal"), qos::reliable())?,
            cancel_goal: node
                .create_client(&format!("{name}/_action/cancel_goal"), qos::reliable())?,
            get_result: node
                .create_client(&format!("{name}/_action/get_result"), qos::reliable())?,
            feedback: Box::new(feedback),
            status: Box::new(status),
            answers: FuturesUnordered::new(),
            motions,
        })
    }

    /// What has arrived, if anything.
    pub fn next_incoming(&mut self) -> Option<Incoming> {
        if let Some(message) = now(&mut self.feedback) {
            let id = goal_id(&message.goal_id);
            return Some(Incoming::Feedback(id, Box::new(message.feedback)));
        }
        while let Some(answer) = now(&mut self.answers) {
            if let Some(event) = answer {
                return Some(Incoming::Event(event));
            }
        }
        let array = now(&mut self.status)?;
        let goals = array.status_list.iter();
        let goals = goals.map(|s| (goal_id(&s.goal_info.goal_id), Status::from_wire(s.status)));
        Some(Incoming::Event(Event::UpstreamStatus(goals.collect())))
    }

    /// Sends a goal.
    pub fn send(&mut self, id: GoalId, goal: &Cleared, map_frame: &str, stamp: Time) {
        let request = SendGoal::Request {
            goal_id: uuid(id),
            goal: Goal {
                pose: pose_message(goal.pose, map_frame, stamp),
                behavior_tree: goal.behavior_tree.clone(),
            },
        };
        let answer = self.send_goal.request(&request);
        self.await_answer(answer, move |answer| Event::UpstreamAccepted {
            id,
            accepted: answer.accepted,
        });
    }

    /// Asks for a result.
    pub fn ask_result(&mut self, id: GoalId) {
        let request = GetResult::Request { goal_id: uuid(id) };
        let answer = self.get_result.request(&request);
        self.await_answer(answer, move |answer| Event::UpstreamResult {
            id,
            outcome: Outcome {
                status: Status::from_wire(answer.status),
                error_code: answer.result.error_code,
                error_msg: answer.result.error_msg,
            },
        });
    }

    /// Asks for the result of a goal that never was, which a living server answers at once.
    pub fn ping(&mut self) {
        let request = GetResult::Request {
            goal_id: uuid(GoalId::random()),
        };
        let answer = self.get_result.request(&request);
        self.await_answer(answer, |_| Event::UpstreamHeard);
    }

    /// Cancels one goal, or all.
    pub fn cancel(&mut self, target: Option<GoalId>) {
        let mut request = CancelGoal::Request::default();
        request.goal_info.goal_id = uuid(target.unwrap_or(GoalId::ZERO));
        let answer = self.cancel_goal.request(&request);
        self.await_answer(answer, move |answer| Event::UpstreamCancel {
            target,
            code: answer.return_code,
            canceling: answer
                .goals_canceling
                .iter()
                .map(|info| goal_id(&info.goal_id))
                .collect(),
        });
    }

    /// Cancels all goals of the motion actions. Where one is not offered, the request goes nowhere.
    pub fn stop_motion(&mut self) {
        let mut request = CancelGoal::Request::default();
        request.goal_info.goal_id = uuid(GoalId::ZERO);
        let answers: Vec<_> = self
            .motions
            .iter()
            .map(|motion| motion.request(&request))
            .collect();
        for answer in answers {
            // The answer tells nothing that could be acted upon.
            if let Err(error) = answer {
                tracing::error!(%error, "cannot cancel a motion of the lost navigation server");
            }
        }
    }

    fn await_answer<R: 'static>(
        &mut self,
        answer: r2r::Result<impl Future<Output = r2r::Result<R>> + 'static>,
        event: impl FnOnce(R) -> Event + 'static,
    ) {
        match answer {
            Ok(answer) => self
                .answers
                .push(answer.map(|answer| answer.ok().map(event)).boxed_local()),
            // The proxy's time-out deals with it.
            Err(error) => tracing::error!(%error, "cannot send a request to the navigation server"),
        }
    }
}

/// The message of a pose on the map.
pub fn pose_message(pose: MapPose, map_frame: &str, stamp: Time) -> PoseStamped {
    let (sin, cos) = (pose.yaw / 2.0).sin_cos();
    PoseStamped {
        header: Header {
            stamp,
            frame_id: map_frame.to_owned(),
        },
        pose: Pose {
            position: Point {
                x: pose.x,
                y: pose.y,
                z: 0.0,
            },
            orientation: Quaternion {
                x: 0.0,
                y: 0.0,
                z: sin,
                w: cos,
            },
        },
    }
}
