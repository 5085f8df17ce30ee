//! `/autonomy/behavior_tree_log`: every transition of the tree, in the message in which Nav2 tells those of its own.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use behavior_tree::{Category, Status, Tree};
use r2r::nav2_msgs::msg::{BehaviorTreeLog, BehaviorTreeStatusChange};
use ros_node::{RosNode, qos, time};

/// Where it is told.
const TOPIC: &str = "/autonomy/behavior_tree_log";

/// Collects the transitions of a tree and tells them.
pub struct TreeLog {
    publisher: r2r::Publisher<BehaviorTreeLog>,
    clock: time::Clock,
    untold: Arc<Mutex<Vec<BehaviorTreeStatusChange>>>,
    active_leaf: Arc<Mutex<String>>,
}

impl TreeLog {
    /// Collects what `tree` does from now on.
    ///
    /// # Errors
    /// When ROS refuses the publisher.
    pub fn new(ros: &mut RosNode, tree: &mut Tree) -> anyhow::Result<Self> {
        let publisher = ros
            .node
            .create_publisher(TOPIC, qos::reliable().keep_last(100))
            .map_err(|error| anyhow!("cannot publish {TOPIC}: {error}"))?;
        let nodes: Vec<(String, Category)> = tree
            .nodes()
            .map(|node| (node.path, node.category))
            .collect();
        let untold = Arc::<Mutex<Vec<_>>>::default();
        let active_leaf = Arc::<Mutex<String>>::default();
        let (collected, active) = (Arc::clone(&untold), Arc::clone(&active_leaf));
        let clock = ros.clock();
        tree.observe(move |transition| {
            let Some((path, category)) = nodes.get(transition.uid as usize - 1) else {
                return;
            };
            let is_leaf = matches!(category, Category::Action | Category::Condition);
            if is_leaf && transition.to != Status::Idle {
                let mut active = active.lock().unwrap_or_else(PoisonError::into_inner);
                active.clone_from(path);
            }
            let change = BehaviorTreeStatusChange {
                timestamp: clock.now(),
                node_name: path.clone(),
                // Numbers of larger trees do not fit the message; their names do.
                uid: u16::try_from(transition.uid).unwrap_or(u16::MAX),
                previous_status: transition.from.to_string(),
                current_status: transition.to.to_string(),
            };
            let mut untold = collected.lock().unwrap_or_else(PoisonError::into_inner);
            untold.push(change);
        });
        Ok(Self {
            publisher,
            clock: ros.clock(),
            untold,
            active_leaf,
        })
    }

    /// Where the path of the leaf that changed last can be read at any time.
    pub fn active_leaf(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.active_leaf)
    }

    /// Tells what has happened since the last call, if anything has.
    pub fn tell(&self) {
        let event_log =
            std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        if event_log.is_empty() {
            return;
        }
        let log = BehaviorTreeLog {
            timestamp: self.clock.now(),
            event_log,
        };
        if let Err(error) = self.publisher.publish(&log) {
            tracing::error!(%error, "cannot publish {TOPIC}");
        }
    }
}
