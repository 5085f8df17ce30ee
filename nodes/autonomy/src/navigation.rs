//! One navigation goal at a time, on `navigate_to_pose`: what leaves ask for, done beside the tree.

use std::f64::consts::PI;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::{FusedFuture, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, select};
use nalgebra::{Isometry3, Vector3};
use r2r::action_msgs::msg::{GoalStatus as StatusMsg, GoalStatusArray};
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::nav2_msgs::action::NavigateToPose;
use r2r::std_msgs::msg::Header;
use ros_node::{RosNode, qos, tf};

use behavior_tree::locations::Pose2D;

/// The server accepts at once; one that has not by then is not there.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the result may take after a cancel was accepted.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// What has become of the newest goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Asked for; not ended yet.
    Running,
    /// The robot is there.
    Succeeded,
    /// It will not get there, and why.
    Failed(String),
}

#[derive(Default)]
struct Shared {
    /// Number of the newest goal, and what has become of it.
    newest: u64,
    progress: Option<Progress>,
    /// A cancel has been asked for and has not ended yet.
    canceling: bool,
    /// The action server has been discovered.
    met: bool,
}

type Goal = r2r::ActionClientGoal<NavigateToPose::Action>;
/// Goals that were given up before the server had answered; `None` where it has refused.
type Late = FuturesUnordered<LocalBoxFuture<'static, Option<Goal>>>;

enum Order {
    Go { number: u64, pose: Pose2D },
    Cancel,
}

/// The leaves' end: sends goals and cancels, and reads what became of them. Never waits.
#[derive(Clone)]
pub struct Navigator {
    orders: mpsc::UnboundedSender<Order>,
    shared: Arc<Mutex<Shared>>,
}

impl Navigator {
    /// Connects to the action server `navigate_to_pose`; the work is done while the node spins.
    ///
    /// # Errors
    /// When rcl cannot make the client or the subscription.
    pub fn connect(ros: &mut RosNode) -> anyhow::Result<Self> {
        let client = ros
            .node
            .create_action_client::<NavigateToPose::Action>("navigate_to_pose")?;
        let available = r2r::Node::is_available(&client)?;
        let statuses = ros
            .node
            .subscribe::<GoalStatusArray>("navigate_to_pose/_action/status", qos::latched())?;
        // At most one goal and one cancel for each tick of a leaf are ever in it.
        let (orders, inbox) = mpsc::unbounded();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let clock = ros.clock();
        let timer = ros.node.create_wall_timer(Duration::from_millis(50))?;
        let worker = Worker {
            client,
            shared: Arc::clone(&shared),
            clock,
        };
        let meeting = Arc::clone(&shared);
        ros.spawn(async move {
            // A goal sent before the server is discovered would be lost.
            lock(&meeting).met = available.await.is_ok();
            worker.serve(inbox, statuses, timer).await;
        });
        Ok(Self { orders, shared })
    }

    /// One whose goals nobody hears.
    #[cfg(test)]
    pub fn unconnected() -> Self {
        Self {
            orders: mpsc::unbounded().0,
            shared: Arc::default(),
        }
    }

    /// Whether the action server has been discovered.
    pub fn has_met_server(&self) -> bool {
        lock(&self.shared).met
    }

    /// Asks for a goal, which replaces the one before; returns its number.
    pub fn go(&self, pose: Pose2D) -> u64 {
        let mut shared = lock(&self.shared);
        shared.newest += 1;
        shared.progress = Some(Progress::Running);
        let number = shared.newest;
        drop(shared);
        // The worker lives as long as the node; without it nothing is driven, and the goal fails by the tree's time-out.
        let _ = self.orders.unbounded_send(Order::Go { number, pose });
        number
    }

    /// What has become of goal `number`.
    pub fn progress(&self, number: u64) -> Progress {
        let shared = lock(&self.shared);
        match &shared.progress {
            Some(progress) if shared.newest == number => progress.clone(),
            _ => Progress::Failed("a newer goal has replaced it".into()),
        }
    }

    /// Cancels the goal that runs, if any.
    pub fn cancel(&self) {
        lock(&self.shared).canceling = true;
        if self.orders.unbounded_send(Order::Cancel).is_err() {
            lock(&self.shared).canceling = false;
        }
    }

    /// Whether no goal runs and no cancel is under way.
    pub fn is_idle(&self) -> bool {
        let shared = lock(&self.shared);
        !shared.canceling && shared.progress != Some(Progress::Running)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    client: r2r::ActionClient<NavigateToPose::Action>,
    shared: Arc<Mutex<Shared>>,
    clock: ros_node::time::Clock,
}

impl Worker {
    async fn serve(
        self,
        mut inbox: mpsc::UnboundedReceiver<Order>,
        statuses: impl futures::Stream<Item = GoalStatusArray> + Unpin,
        mut timer: r2r::Timer,
    ) {
        let mut statuses = statuses.fuse();
        let mut late = Late::new();
        let mut next = None;
        loop {
            let order = match next.take() {
                Some(order) => order,
                None => select! {
                    order = inbox.next() => match order {
                        Some(order) => order,
                        None => return,
                    },
                    _ = statuses.next() => continue,
                    goal = late.select_next_some() => {
                        call_off(goal);
                        continue;
                    }
                },
            };
            match order {
                Order::Go { number, pose } => {
                    next = {
                        self.drive(
                            number,
                            pose,
                            &mut inbox,
                            &mut statuses,
                            &mut late,
                            &mut timer,
                        )
                        .await
                    }
                }
                Order::Cancel => lock(&self.shared).canceling = false,
            }
        }
    }

    fn end(&self, number: u64, progress: Progress) {
        let mut shared = lock(&self.shared);
        if shared.newest == number {
            shared.progress = Some(progress);
        }
    }

    /// Follows one goal to its end; returns the order that came in between, if one did.
    async fn drive(
        &self,
        number: u64,
        pose: Pose2D,
        inbox: &mut mpsc::UnboundedReceiver<Order>,
        statuses: &mut (impl futures::stream::FusedStream<Item = GoalStatusArray> + Unpin),
        late: &mut Late,
        timer: &mut r2r::Timer,
    ) -> Option<Order> {
        let fail = |reason: String| self.end(number, Progress::Failed(reason));
        let goal = NavigateToPose::Goal {
            pose: self.stamped(pose),
            behavior_tree: String::new(),
        };
        let sent = match self.client.send_goal_request(goal) {
            Ok(sent) => sent,
            Err(error) => {
                fail(format!("the goal could not be sent: {error}"));
                return None;
            }
        };
        let mut sent = sent.boxed_local().fuse();
        // The next order, once there is one.
        let mut pending = None;
        let accepted = {
            let mut patience = Box::pin(after(timer, ACCEPT_TIMEOUT).fuse());
            let mut first = inbox.by_ref().take(1);
            loop {
                select! {
                    accepted = sent => break Some(accepted),
                    order = first.select_next_some() => pending = Some(order),
                    goal = late.select_next_some() => call_off(goal),
                    () = patience => break None,
                }
            }
        };
        let Some(accepted) = accepted else {
            fail(
                "no answer from the action server navigate_to_pose (is the gatekeeper running?)"
                    .into(),
            );
            late.push(sent.map(|sent| Some(sent.ok()?.0)).boxed_local());
            return pending;
        };
        let (goal, result, feedback) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                fail(format!("the goal was rejected: {error}"));
                return pending;
            }
        };
        let mut feedback = feedback.fuse();
        let mut result = result.fuse();
        let mut known = false;
        loop {
            match pending {
                None => {}
                Some(Order::Cancel) => {
                    self.cancel(&goal, &mut result, timer).await;
                    self.end(number, Progress::Failed("canceled".into()));
                    lock(&self.shared).canceling = false;
                    return None;
                }
                // The server preempts the running goal by itself.
                Some(Order::Go { .. }) => return pending,
            }
            select! {
                ended = result => {
                    self.end(number, outcome(ended));
                    return None;
                }
                order = inbox.next() => match order {
                    Some(order) => pending = Some(order),
                    None => return None,
                },
                goal = late.select_next_some() => call_off(goal),
                // The tree asks for none of it, but a stream that nobody reads fills the log.
                _ = feedback.next() => {}
                array = statuses.next() => {
                    let listed = array.is_some_and(|array| lists(&array, goal.uuid.as_bytes()));
                    if known && !listed {
                        fail("the goal was lost: the action server has started anew".into());
                        return None;
                    }
                    known |= listed;
                }
            }
        }
    }

    async fn cancel(
        &self,
        goal: &Goal,
        result: &mut (
                 impl FusedFuture<Output = r2r::Result<(r2r::GoalStatus, NavigateToPose::Result)>>
                 + Unpin
             ),
        timer: &mut r2r::Timer,
    ) {
        let Ok(answer) = goal.cancel() else {
            return;
        };
        let mut patience = Box::pin(after(timer, CANCEL_TIMEOUT).fuse());
        select! {
            answer = answer.fuse() => {
                if let Err(error) = answer {
                    tracing::debug!(%error, "the goal had ended before it was canceled");
                }
            }
            () = patience => {
                tracing::error!("no answer to a cancel within {CANCEL_TIMEOUT:?}");
                return;
            }
        }
        let mut result = result;
        select! {
            _ = result => {}
            () = patience => tracing::error!("a canceled goal has not ended within {CANCEL_TIMEOUT:?}"),
        }
    }

    fn stamped(&self, pose: Pose2D) -> PoseStamped {
        let map_from_goal = Isometry3::new(
            Vector3::new(pose.x, pose.y, 0.0),
            Vector3::z() * wrap(pose.theta),
        );
        PoseStamped {
            header: Header {
                stamp: self.clock.now(),
                frame_id: "map".into(),
            },
            pose: tf::pose_of(&map_from_goal),
        }
    }
}

/// Cancels a goal that was accepted when nobody waited for it any more: it must not be driven unwatched.
fn call_off(goal: Option<Goal>) {
    if let Some(goal) = goal {
        tracing::warn!("a goal was accepted late and is canceled");
        // Whoever serves it answers the cancel to nobody.
        if let Err(error) = goal.cancel().map(drop) {
            tracing::error!(%error, "it cannot be canceled");
        }
    }
}

fn outcome(ended: r2r::Result<(r2r::GoalStatus, NavigateToPose::Result)>) -> Progress {
    let (status, result) = match ended {
        Ok(ended) => ended,
        Err(error) => return Progress::Failed(format!("the result was lost: {error}")),
    };
    let because = match (&result.error_msg, result.error_code) {
        (text, code) if !text.is_empty() => format!(": {text} (error {code})"),
        (_, 0) => String::new(),
        (_, code) => format!(" (error {code})"),
    };
    match status {
        r2r::GoalStatus::Succeeded => Progress::Succeeded,
        r2r::GoalStatus::Canceled => Progress::Failed(format!("the goal was canceled{because}")),
        r2r::GoalStatus::Aborted => Progress::Failed(format!("the goal was aborted{because}")),
        other => Progress::Failed(format!("the goal ended as {other:?}{because}")),
    }
}

fn lists(array: &GoalStatusArray, uuid: &[u8]) -> bool {
    array.status_list.iter().any(|goal: &StatusMsg| {
        let id: &[u8] = goal.goal_info.goal_id.uuid.as_ref();
        id == uuid
    })
}

/// An angle within ±π.
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

/// Ends after a span of wall time, as exactly as the timer ticks.
async fn after(timer: &mut r2r::Timer, span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end && timer.tick().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_the_gatekeepers_reason() {
        let result = NavigateToPose::Result {
            error_code: 9206,
            error_msg: "inside a wall".into(),
        };
        let Progress::Failed(reason) = outcome(Ok((r2r::GoalStatus::Aborted, result))) else {
            panic!("an aborted goal has failed");
        };
        assert_eq!(reason, "the goal was aborted: inside a wall (error 9206)");
    }

    #[test]
    fn angles_are_wrapped() {
        assert!((wrap(3.0 * PI / 2.0) + PI / 2.0).abs() < 1e-12);
        assert!((wrap(-7.0) - (2.0 * PI - 7.0)).abs() < 1e-12);
    }
}
