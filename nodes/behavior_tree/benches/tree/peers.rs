//! Other libraries at the same work: one tick of a Sequence of 1,000 leaves that succeed, and of a Fallback of 1,000 that
//! fail.

use std::process::Command;
use std::time::{Duration, Instant};

use behavior_tree_lite::{
    BehaviorCallback, BehaviorNode, BehaviorNodeContainer, BehaviorResult, Context, FallbackNode,
    SequenceNode,
};
use bonsai_bt::{BT, Behavior, Event, Status};
use serde_json::Value as Json;

use crate::{N_NODES, ROUNDS};

/// Ticks that are timed together.
const N_TICKS: u32 = 200;

/// A library and its times, in ns a node.
pub struct Peer {
    pub name: String,
    pub sequence: f64,
    pub fallback: f64,
}

pub fn measure() -> Vec<Peer> {
    [Some(bonsai()), Some(behavior_tree_lite()), py_trees()]
        .into_iter()
        .flatten()
        .collect()
}

/// The fastest of `ROUNDS`, in ns a node.
fn best(mut tick: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..N_TICKS {
            tick();
        }
        best = best.min(start.elapsed() / N_TICKS);
    }
    best.as_secs_f64() * 1e9 / f64::from(N_NODES + 1)
}

fn bonsai() -> Peer {
    let time = |control: fn(Vec<Behavior<()>>) -> Behavior<()>, leaf: Status| {
        let leaves = vec![Behavior::Action(()); N_NODES as usize];
        let mut tree = BT::new(control(leaves), ());
        let event = Event::zero_dt_args();
        best(|| {
            let ended = tree.tick(&event, &mut |_, _| (leaf, 0.0));
            assert!(matches!(ended, Some((status, _)) if status == leaf));
            tree.reset_bt();
        })
    };
    Peer {
        name: "bonsai-bt 0.14".to_owned(),
        sequence: time(Behavior::Sequence, Status::Success),
        fallback: time(Behavior::Select, Status::Failure),
    }
}

struct Always(BehaviorResult);

impl BehaviorNode for Always {
    fn tick(&mut self, _: BehaviorCallback, _: &mut Context) -> BehaviorResult {
        self.0
    }
}

fn behavior_tree_lite() -> Peer {
    let time = |mut root: BehaviorNodeContainer, leaf: BehaviorResult| {
        for _ in 0..N_NODES {
            let child = BehaviorNodeContainer::new_node(Always(leaf));
            assert!(root.add_child(child).is_ok());
        }
        let mut context = Context::default();
        best(|| assert!(root.tick(&mut |_| None, &mut context) == leaf))
    };
    let sequence = BehaviorNodeContainer::new_node(SequenceNode::default());
    let fallback = BehaviorNodeContainer::new_node(FallbackNode::default());
    Peer {
        name: "behavior-tree-lite 0.3".to_owned(),
        sequence: time(sequence, BehaviorResult::Success),
        fallback: time(fallback, BehaviorResult::Fail),
    }
}

/// None where the Python (`TURTLEBOT_MAZE_PYTHON`, or `python3`) has no py_trees.
fn py_trees() -> Option<Peer> {
    let python = std::env::var_os("TURTLEBOT_MAZE_PYTHON").unwrap_or_else(|| "python3".into());
    let script = include_str!("py_trees_peer.py");
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let times: Json = serde_json::from_slice(&output.stdout).ok()?;
    Some(Peer {
        name: format!("py_trees {}", times["version"].as_str()?),
        sequence: times["Sequence"].as_f64()?,
        fallback: times["Fallback"].as_f64()?,
    })
}
