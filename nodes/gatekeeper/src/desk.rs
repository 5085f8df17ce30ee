//! The desk where a goal lies while it is judged: it waits for transforms and for the model, and never holds up a
//! cancel. The proxy judges one goal at a time, so there is one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use crate::goal::{Cleared, GoalId, MapPose, Now};
use crate::judge::{Assessment, Judge, View};
use crate::physical::{self, Opinion, Picture, RelativeGoal, Settings};
use crate::refusal::Refusal;
use crate::syntactic::RawGoal;

/// Requests to the model that may be open at once, those of goals that nobody waits for any more included.
const MAX_REQUESTS: usize = 4;
/// The thread that asks ends by itself within the model's time-out; this much later it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_millis(500);

/// The newest camera frame.
#[derive(Clone)]
pub struct Frame {
    /// What is on it.
    pub picture: Arc<Picture>,
    /// Its header stamp, ns.
    pub stamp_nanos: i64,
    /// When it arrived.
    pub arrived: Instant,
}

/// The judgement of a goal.
#[derive(Debug)]
pub struct Judgement {
    /// Which goal.
    pub id: GoalId,
    /// The goal to send, or why not.
    pub verdict: Result<Cleared, Refusal>,
    /// Who decided.
    pub evaluator: &'static str,
    /// 0 to 1
    pub confidence: f64,
    /// One sentence for a person.
    pub reason: String,
    /// A pose near a refused goal that would do.
    pub alternative: Option<MapPose>,
    /// From the goal's arrival.
    pub elapsed: Duration,
}

struct Question {
    pose: MapPose,
    answer: Receiver<Result<Opinion, Refusal>>,
    until: Instant,
}

struct Case {
    id: GoalId,
    goal: RawGoal,
    arrived: Instant,
    question: Option<Question>,
}

/// One goal being judged at most.
pub struct Desk {
    judge: Judge,
    /// How long a goal waits for what it is judged by.
    patience: Duration,
    model: Option<Settings>,
    max_frame_age: Duration,
    open_requests: Arc<AtomicUsize>,
    case: Option<Case>,
}

impl Desk {
    /// An empty desk.
    pub fn new(
        judge: Judge,
        patience: Duration,
        model: Option<Settings>,
        max_frame_age: Duration,
    ) -> Self {
        Self {
            judge,
            patience,
            model,
            max_frame_age,
            open_requests: Arc::default(),
            case: None,
        }
    }

    /// What goals are measured by.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Begins with a goal.
    pub fn take(&mut self, id: GoalId, goal: RawGoal, at: Instant) {
        self.case = Some(Case {
            id,
            goal,
            arrived: at,
            question: None,
        });
    }

    /// Drops a goal; what the model says of it is ignored.
    pub fn drop_goal(&mut self, id: GoalId) {
        if self.case.as_ref().is_some_and(|case| case.id == id) {
            self.case = None;
        }
    }

    /// Looks whether the goal on the desk can be judged now.
    pub fn look(&mut self, view: &View<'_>, frame: Option<&Frame>, now: Now) -> Option<Judgement> {
        let mut case = self.case.take()?;
        let judgement = self.go_on(&mut case, view, frame, now);
        if judgement.is_none() {
            self.case = Some(case);
        }
        judgement
    }

    fn go_on(
        &self,
        case: &mut Case,
        view: &View<'_>,
        frame: Option<&Frame>,
        now: Now,
    ) -> Option<Judgement> {
        let at = now.monotonic;
        let Some(question) = &case.question else {
            let wait_over = at.saturating_duration_since(case.arrived) >= self.patience;
            return match self.judge.assess(&case.goal, view) {
                Assessment::Refused {
                    refusal,
                    alternative,
                } => Some(refused(case, refusal, alternative, at)),
                Assessment::NotYet(refusal) => wait_over.then(|| refused(case, refusal, None, at)),
                Assessment::Feasible { pose, robot } => match &self.model {
                    None => Some(cleared(case, pose, None, at)),
                    Some(model) => match self.fresh(frame, now) {
                        Ok(frame) => {
                            self.ask(case, model, frame, pose, robot, at);
                            None
                        }
                        Err(why) => {
                            wait_over.then(|| refused(case, Refusal::NoFreshFrame(why), None, at))
                        }
                    },
                },
            };
        };
        match question.answer.try_recv() {
            Ok(Err(refusal)) => Some(refused(case, refusal, None, at)),
            // The robot has moved on and the map may have changed while the model thought: both must agree now.
            Ok(Ok(opinion)) => Some(match self.judge.assess_on_map(question.pose, view) {
                Assessment::Feasible { pose, .. } => cleared(case, pose, Some(opinion), at),
                Assessment::NotYet(refusal) => refused(case, refusal, None, at),
                Assessment::Refused {
                    refusal,
                    alternative,
                } => refused(case, refusal, alternative, at),
            }),
            Err(TryRecvError::Empty) if at < question.until => None,
            Err(_) => {
                let why = "the request is stuck".to_owned();
                Some(refused(case, Refusal::NoAnswer(why), None, at))
            }
        }
    }

    fn fresh<'a>(&self, frame: Option<&'a Frame>, now: Now) -> Result<&'a Frame, String> {
        let frame = frame.ok_or("none has arrived yet")?;
        let limit_s = self.max_frame_age.as_secs_f64();
        let by_stamp = now.ros_nanos.saturating_sub(frame.stamp_nanos) as f64 * 1e-9;
        let by_arrival = now.monotonic.saturating_duration_since(frame.arrived);
        // By both clocks: a camera that repeats a frame with new stamps is not found, a silent one is.
        let age_s = by_stamp.abs().max(by_arrival.as_secs_f64());
        if age_s > limit_s {
            return Err(format!(
                "the newest is {age_s:.1} s off, more than {limit_s:.1} s"
            ));
        }
        Ok(frame)
    }

    fn ask(
        &self,
        case: &mut Case,
        model: &Settings,
        frame: &Frame,
        pose: MapPose,
        robot: MapPose,
        at: Instant,
    ) {
        let (answer_to, answer) = sync_channel(1);
        case.question = Some(Question {
            pose,
            answer,
            until: at + model.timeout + STUCK_AFTER,
        });
        if self.open_requests.load(Ordering::Relaxed) >= MAX_REQUESTS {
            let why = format!("{MAX_REQUESTS} earlier requests are still open");
            let _ = answer_to.send(Err(Refusal::NoAnswer(why)));
            return;
        }
        let (model, picture) = (model.clone(), Arc::clone(&frame.picture));
        let goal = relative(robot, pose);
        let open = Arc::clone(&self.open_requests);
        open.fetch_add(1, Ordering::Relaxed);
        let ask = move || {
            let opinion = physical::ask(&model, &picture, goal);
            open.fetch_sub(1, Ordering::Relaxed);
            // Nobody listens any more where the goal was cancelled meanwhile.
            let _ = answer_to.send(opinion);
        };
        if let Err(error) = std::thread::Builder::new().name("model".into()).spawn(ask) {
            // The sender is gone with the closure: the goal is refused on the next look.
            self.open_requests.fetch_sub(1, Ordering::Relaxed);
            tracing::error!(%error, "cannot start a thread to ask the model");
        }
    }
}

/// Where a goal lies, seen from the robot.
fn relative(robot: MapPose, goal: MapPose) -> RelativeGoal {
    let (sin, cos) = robot.yaw.sin_cos();
    let (dx, dy) = (goal.x - robot.x, goal.y - robot.y);
    let turn = goal.yaw - robot.yaw;
    RelativeGoal {
        ahead: cos * dx + sin * dy,
        left: cos * dy - sin * dx,
        turn: turn.sin().atan2(turn.cos()),
    }
}

fn cleared(case: &Case, pose: MapPose, opinion: Option<Opinion>, at: Instant) -> Judgement {
    let (evaluator, confidence, reason) = match opinion {
        Some(opinion) => ("physical", opinion.confidence, opinion.reason),
        None => (
            "geometric",
            1.0,
            "on known free space with room for the robot, and a way leads there".into(),
        ),
    };
    Judgement {
        id: case.id,
        verdict: Ok(Cleared {
            pose,
            behavior_tree: case.goal.behavior_tree.clone(),
        }),
        evaluator,
        confidence,
        reason,
        alternative: None,
        elapsed: at.saturating_duration_since(case.arrived),
    }
}

fn refused(case: &Case, refusal: Refusal, alternative: Option<MapPose>, at: Instant) -> Judgement {
    let confidence = match refusal {
        Refusal::Unsure { confidence, .. } | Refusal::Forbidden { confidence, .. } => confidence,
        _ => 1.0,
    };
    Judgement {
        id: case.id,
        evaluator: refusal.evaluator(),
        confidence,
        reason: refusal.to_string(),
        verdict: Err(refusal),
        alternative,
        elapsed: at.saturating_duration_since(case.arrived),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;

    #[test]
    fn a_goal_is_told_as_the_robot_sees_it() {
        let robot = MapPose {
            x: 1.0,
            y: 1.0,
            yaw: FRAC_PI_2,
        };
        let goal = MapPose {
            x: 0.5,
            y: 3.0,
            yaw: -FRAC_PI_2 - 0.1,
        };
        let seen = relative(robot, goal);
        assert!((seen.ahead - 2.0).abs() < 1e-9 && (seen.left - 0.5).abs() < 1e-9);
        assert!(
            (seen.turn - (std::f64::consts::PI - 0.1)).abs() < 1e-9,
            "the short way"
        );
    }
}
