//! What a node can be, and what a tick of it can say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a node, and the result of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Status {
    /// Not started, or reset by its parent.
    #[default]
    Idle = 0,
    /// Needs more ticks.
    Running = 1,
    /// Done, with success.
    Success = 2,
    /// Done, without success.
    Failure = 3,
    /// Passed over by a pre-condition. Only ever the result of a tick, never a state.
    Skipped = 4,
}

impl Status {
    /// SUCCESS or FAILURE.
    #[must_use]
    pub const fn is_completed(self) -> bool {
        matches!(self, Self::Success | Self::Failure)
    }

    /// The word that BehaviorTree.CPP uses, in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The state behind BehaviorTree.CPP's number for it.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Idle),
            1 => Some(Self::Running),
            2 => Some(Self::Success),
            3 => Some(Self::Failure),
            4 => Some(Self::Skipped),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is none of the five status words.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a node status: one of IDLE, RUNNING, SUCCESS, FAILURE, SKIPPED, in capitals")]
pub struct NotAStatus;

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        match text {
            "IDLE" => Ok(Self::Idle),
            "RUNNING" => Ok(Self::Running),
            "SUCCESS" => Ok(Self::Success),
            "FAILURE" => Ok(Self::Failure),
            "SKIPPED" => Ok(Self::Skipped),
            _ => Err(NotAStatus),
        }
    }
}

/// The five categories of nodes, as in the XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// A leaf that does something.
    Action,
    /// A leaf that asks something.
    Condition,
    /// A node with children.
    Control,
    /// A node with one child.
    Decorator,
    /// A reference to another tree.
    SubTree,
}

impl Category {
    /// The XML element's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "Action",
            Self::Condition => "Condition",
            Self::Control => "Control",
            Self::Decorator => "Decorator",
            Self::SubTree => "SubTree",
        }
    }

    /// The category that an XML element's name stands for.
    #[must_use]
    pub fn from_element(name: &str) -> Option<Self> {
        [
            Self::Action,
            Self::Condition,
            Self::Control,
            Self::Decorator,
            Self::SubTree,
        ]
        .into_iter()
        .find(|category| category.as_str() == name)
    }
}
