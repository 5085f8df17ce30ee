//! What the gatekeeper tells about itself: `/diagnostics`, and readiness to its supervisor.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ros_node::RosNode;
use ros_node::diagnostics::{self, Level, Report};

use crate::goal::GoalId;

/// How long a goal that went round the gatekeeper keeps the node's state at ERROR.
const ALARM_KEPT: Duration = Duration::from_secs(30);

/// Figures since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Goals that let pass.
    pub passed: u64,
    /// Goals refused by an evaluator or by the state of robot and gatekeeper.
    pub refused: u64,
    /// Goals found upstream that did not come through here.
    pub foreign_goals: u64,
    /// The newest refusal.
    pub last_refusal: String,
}

/// What is missing before a goal can pass, if anything; in the order in which it is told.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    /// No map has been prepared.
    pub map: bool,
    /// The robot's place on it is not known.
    pub robot_pose: bool,
    /// The navigation server does not answer.
    pub upstream: bool,
}

/// The node's state, shared with the publisher of diagnostics.
pub struct Health {
    report: Rc<RefCell<Report>>,
    /// Counted by the node.
    pub figures: Figures,
    foreign_goal: Option<Instant>,
    ready: bool,
    told: String,
}

impl Health {
    /// Publishes from now on.
    ///
    /// # Errors
    /// When rcl cannot make the publisher.
    pub fn publish(ros: &mut RosNode) -> anyhow::Result<Self> {
        let report = Rc::new(RefCell::new(Report::new(Level::Warn, "starting")));
        let shared = Rc::clone(&report);
        diagnostics::publish_each_second(ros, move || shared.borrow().clone())?;
        Ok(Self {
            report,
            figures: Figures::default(),
            foreign_goal: None,
            ready: false,
            told: String::new(),
        })
    }

    /// Raises the alarm over a goal that went round the gatekeeper.
    pub fn foreign_goal(&mut self, id: GoalId, at: Instant) {
        self.figures.foreign_goals += 1;
        self.foreign_goal = Some(at);
        tracing::error!(goal = %id, "a goal went round the gatekeeper to the navigation server; it is being cancelled");
    }

    /// Brings the state up to date.
    pub fn update(&mut self, missing: Missing, foreign_server: Option<&str>, at: Instant) {
        let recent = |then: Instant| at.saturating_duration_since(then) < ALARM_KEPT;
        let (level, message) = if let Some(server) = foreign_server {
            (Level::Error, format!("all goals are refused: {server}"))
        } else if self.foreign_goal.is_some_and(recent) {
            let text = "a goal went round the gatekeeper and was cancelled; is the navigation server's action known to others?";
            (Level::Error, text.to_owned())
        } else if missing.map {
            (Level::Warn, "waiting for the map".to_owned())
        } else if missing.robot_pose {
            (
                Level::Warn,
                "waiting for the robot's place on the map".to_owned(),
            )
        } else if missing.upstream {
            (Level::Warn, "waiting for the navigation server".to_owned())
        } else {
            (Level::Ok, "judging goals".to_owned())
        };
        if level == Level::Ok && !self.ready {
            self.ready = ros_node::ready();
        }
        if message != self.told && ros_node::status(&message) {
            self.told.clone_from(&message);
        }
        let figures = &self.figures;
        *self.report.borrow_mut() = Report::new(level, message)
            .with("goals_passed", figures.passed)
            .with("goals_refused", figures.refused)
            .with("foreign_goals", figures.foreign_goals)
            .with("last_refusal", &figures.last_refusal);
    }
}
