//! The five endpoints of an action server, served as plain services and topics.
//!
//! r2r's own action server cannot say what Nav2's says: it would accept a repeated id and then fail, knows no code 3
//! for a goal that is being cancelled, and keeps no results. Here every answer is the caller's.

use std::collections::HashMap;

use futures::{FutureExt, Stream, StreamExt};
use r2r::action_msgs::msg::{GoalInfo, GoalStatus, GoalStatusArray};
use r2r::action_msgs::srv::CancelGoal;
use r2r::unique_identifier_msgs::msg::UUID;
use r2r::{Publisher, ServiceRequest, WrappedActionTypeSupport, WrappedServiceTypeSupport};
use ros_node::{RosNode, qos, time};

use crate::goal::{GoalId, Outcome, Status};
use crate::ledger::{CancelCode, Ledger, Token};

type Requests<S> = Box<dyn Stream<Item = ServiceRequest<S>> + Unpin>;
type ResultResponse<A> =
    <<A as WrappedActionTypeSupport>::GetResult as WrappedServiceTypeSupport>::Response;

/// A request of a client.
pub enum Request<A: WrappedActionTypeSupport> {
    /// `send_goal`
    Goal {
        /// To answer with.
        token: Token,
        /// The client's id.
        id: GoalId,
        /// What it wants.
        goal: Box<A::Goal>,
    },
    /// `cancel_goal`
    Cancel {
        /// To answer with.
        token: Token,
        /// Zero: all goals, or all up to the stamp.
        id: GoalId,
        /// ns; 0: none.
        stamp_nanos: i64,
    },
    /// `get_result`
    Result {
        /// To answer with.
        token: Token,
        /// Of which goal.
        id: GoalId,
    },
}

enum Waiting<A: WrappedActionTypeSupport> {
    Goal(ServiceRequest<A::SendGoal>),
    Cancel(ServiceRequest<CancelGoal::Service>),
    Result(ServiceRequest<A::GetResult>),
}

/// An action server whose behaviour is the caller's.
pub struct PublicAction<A: WrappedActionTypeSupport + 'static> {
    goals: Requests<A::SendGoal>,
    cancels: Requests<CancelGoal::Service>,
    results: Requests<A::GetResult>,
    feedback: Publisher<A::FeedbackMessage>,
    status: Publisher<GoalStatusArray>,
    waiting: HashMap<Token, Waiting<A>>,
    last_token: Token,
}

impl<A: WrappedActionTypeSupport + 'static> PublicAction<A> {
    /// Offers the action under a name.
    ///
    /// # Errors
    /// When rcl cannot make an endpoint.
    pub fn offer(ros: &mut RosNode, name: &str) -> anyhow::Result<Self> {
        let node = &mut ros.node;
        // Requests are taken in the order in which the services are made: a cancel never before its goal.
        let goals = node.create_service(&format!("{name}/_action/send_goal"), qos::reliable())?;
        let cancels =
            node.create_service(&format!("{name}/_action/cancel_goal"), qos::reliable())?;
        let results =
            node.create_service(&format!("{name}/_action/get_result"), qos::reliable())?;
        Ok(Self {
            goals: Box::new(goals),
            cancels: Box::new(cancels),
            results: Box::new(results),
            feedback: node
                .create_publisher(&format!("{name}/_action/feedback"), qos::reliable())?,
            status: node.create_publisher(&format!("{name}/_action/status"), qos::latched())?,
            waiting: HashMap::new(),
            last_token: 0,
        })
    }

    /// The next request, if one has arrived: goals first, then cancels.
    pub fn next_request(&mut self) -> Option<Request<A>> {
        let token = self.last_token + 1;
        let (waiting, request) = if let Some(mut request) = now(&mut self.goals) {
            let (id, goal) = A::destructure_goal_request_msg(std::mem::take(&mut request.message));
            let goal = Box::new(goal);
            let id = goal_id(&id);
            (Waiting::Goal(request), Request::Goal { token, id, goal })
        } else if let Some(request) = now(&mut self.cancels) {
            let info = &request.message.goal_info;
            let cancel = Request::Cancel {
                token,
                id: goal_id(&info.goal_id),
                stamp_nanos: time::nanos(&info.stamp),
            };
            (Waiting::Cancel(request), cancel)
        } else {
            let request = now(&mut self.results)?;
            let id = goal_id(&A::destructure_result_request_msg(request.message.clone()));
            (Waiting::Result(request), Request::Result { token, id })
        };
        self.last_token = token;
        self.waiting.insert(token, waiting);
        Some(request)
    }

    /// Answers a `send_goal`.
    pub fn answer_goal(&mut self, token: Token, accepted: bool, stamp_nanos: i64) {
        if let Some(Waiting::Goal(request)) = self.waiting.remove(&token) {
            let answer = A::make_goal_response_msg(accepted, time::stamp(stamp_nanos));
            warn_on_error(request.respond(answer), "answer a goal");
        }
    }

    /// Answers a `cancel_goal`.
    pub fn answer_cancel(
        &mut self,
        token: Token,
        code: CancelCode,
        goals: &[GoalId],
        ledger: &Ledger,
    ) {
        if let Some(Waiting::Cancel(request)) = self.waiting.remove(&token) {
            let infos = ledger.statuses().filter(|(id, ..)| goals.contains(id));
            let answer = CancelGoal::Response {
                return_code: code as i8,
                goals_canceling: infos.map(|(id, stamp, _)| info(id, stamp)).collect(),
            };
            warn_on_error(request.respond(answer), "answer a cancel");
        }
    }

    /// Answers a `get_result`; `result` makes the action's result of a code and a text.
    pub fn answer_result(
        &mut self,
        token: Token,
        outcome: Option<&Outcome>,
        result: impl Fn(u16, &str) -> A::Result,
    ) {
        if let Some(Waiting::Result(request)) = self.waiting.remove(&token) {
            let answer: ResultResponse<A> = match outcome {
                Some(end) => A::make_result_response_msg(
                    end.status as i8,
                    result(end.error_code, &end.error_msg),
                ),
                None => A::make_result_response_msg(Status::Unknown as i8, result(0, "")),
            };
            warn_on_error(request.respond(answer), "answer with a result");
        }
    }

    /// Publishes the state of all goals.
    pub fn publish_status(&self, ledger: &Ledger) {
        let status_list = ledger
            .statuses()
            .map(|(id, stamp, status)| GoalStatus {
                goal_info: info(id, stamp),
                status: status as i8,
            })
            .collect();
        let array = GoalStatusArray { status_list };
        warn_on_error(self.status.publish(&array), "publish the status");
    }

    /// Publishes feedback on a goal.
    pub fn publish_feedback(&self, id: GoalId, feedback: A::Feedback) {
        let message = A::make_feedback_msg(uuid(id), feedback);
        warn_on_error(self.feedback.publish(&message), "publish feedback");
    }
}

/// What a stream holds right now.
pub fn now<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    stream.next().now_or_never().flatten()
}

/// The id of a message.
pub fn goal_id(message: &UUID) -> GoalId {
    // The message's array has a fixed length; r2r shows it as a list.
    GoalId(<[u8; 16]>::try_from(message.uuid.as_slice()).unwrap_or_default())
}

/// The message of an id.
pub fn uuid(id: GoalId) -> UUID {
    UUID {
        uuid: id.0.to_vec(),
    }
}

fn info(id: GoalId, stamp_nanos: i64) -> GoalInfo {
    GoalInfo {
        goal_id: uuid(id),
        stamp: time::stamp(stamp_nanos),
    }
}

/// A message that does not go out is lost, which is an error; the loop goes on.
pub fn warn_on_error(result: r2r::Result<()>, what: &str) {
    if let Err(error) = result {
        tracing::error!(%error, "cannot {what}");
    }
}
