//! Transforms between frames over time, as tf2's buffer keeps them.
//!
//! Names follow the convention `target_from_source`: a transform that takes coordinates in `source` to coordinates in
//! `target`, which is what tf2's `lookupTransform(target, source)` returns.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use futures::StreamExt;
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use r2r::geometry_msgs::msg::{Pose, Transform};
use r2r::tf2_msgs::msg::TFMessage;
use thiserror::Error;

use crate::{RosNode, qos, time};

/// How long transforms are kept, as tf2's default.
const HISTORY_NANOS: i64 = 10_000_000_000;
/// Longest chain of frames that is followed; a longer one is a loop.
const MAX_DEPTH: usize = 64;

/// Why two frames cannot be related.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum TfError {
    /// A frame nobody has published.
    #[error("frame \"{0}\" is not known")]
    UnknownFrame(String),
    /// Both frames are known, but no chain of transforms joins them.
    #[error("frames \"{target}\" and \"{source_frame}\" are not connected")]
    NotConnected {
        /// The frame asked for.
        target: String,
        /// The frame that the coordinates are in.
        source_frame: String,
    },
    /// The time is older than what is kept.
    #[error("{missing_s:.3} s before the oldest transform of frame \"{frame}\"")]
    TooOld {
        /// The child frame of the edge.
        frame: String,
        /// How far back.
        missing_s: f64,
    },
    /// The time is newer than the newest transform.
    #[error("{missing_s:.3} s after the newest transform of frame \"{frame}\"")]
    TooNew {
        /// The child frame of the edge.
        frame: String,
        /// How far ahead.
        missing_s: f64,
    },
}

enum Edge {
    Static(Isometry3<f64>),
    /// By ascending time.
    Moving(VecDeque<(i64, Isometry3<f64>)>),
}

struct Frame {
    parent: String,
    parent_from_frame: Edge,
}

/// All transforms heard of in the last 10 s, and the static ones.
#[derive(Default)]
pub struct TransformBuffer {
    frames: HashMap<String, Frame>,
}

impl TransformBuffer {
    /// A buffer that is fed by `/tf` and `/tf_static` while the node spins.
    ///
    /// # Errors
    /// When rcl cannot make the subscriptions.
    pub fn subscribe(ros: &mut RosNode) -> anyhow::Result<Rc<RefCell<Self>>> {
        let buffer = Rc::new(RefCell::new(Self::default()));
        let static_qos = qos::latched().keep_last(100);
        for (topic, qos, fixed) in [
            ("/tf", qos::reliable().keep_last(100), false),
            ("/tf_static", static_qos, true),
        ] {
            let mut messages = ros.node.subscribe::<TFMessage>(topic, qos)?;
            let buffer = Rc::clone(&buffer);
            ros.spawn(async move {
                while let Some(message) = messages.next().await {
                    buffer.borrow_mut().insert(&message, fixed);
                }
            });
        }
        Ok(buffer)
    }

    /// Takes in a message; transforms that are not finite are dropped.
    pub fn insert(&mut self, message: &TFMessage, fixed: bool) {
        for t in &message.transforms {
            let Some(parent_from_frame) = isometry_of_transform(&t.transform) else {
                tracing::warn!(frame = %t.child_frame_id, "transform is not finite, dropped");
                continue;
            };
            let frame = bare(&t.child_frame_id).to_owned();
            let parent = bare(&t.header.frame_id).to_owned();
            if fixed {
                let edge = Edge::Static(parent_from_frame);
                self.frames.insert(
                    frame,
                    Frame {
                        parent,
                        parent_from_frame: edge,
                    },
                );
            } else {
                self.insert_moving(
                    frame,
                    parent,
                    time::nanos(&t.header.stamp),
                    parent_from_frame,
                );
            }
        }
    }

    fn insert_moving(&mut self, frame: String, parent: String, at: i64, value: Isometry3<f64>) {
        let entry = self.frames.entry(frame).or_insert_with(|| Frame {
            parent: parent.clone(),
            parent_from_frame: Edge::Moving(VecDeque::new()),
        });
        entry.parent = parent;
        match &mut entry.parent_from_frame {
            Edge::Moving(history) => {
                // Time that runs backwards is a simulator that began anew: what was before means nothing now.
                if history
                    .back()
                    .is_some_and(|(newest, _)| at < newest - HISTORY_NANOS / 2)
                {
                    history.clear();
                }
                let place = history.partition_point(|(t, _)| *t <= at);
                if place > 0 && history[place - 1].0 == at {
                    history[place - 1].1 = value;
                } else {
                    history.insert(place, (at, value));
                }
                while history
                    .front()
                    .is_some_and(|(oldest, _)| *oldest < at - HISTORY_NANOS)
                {
                    history.pop_front();
                }
            }
            edge @ Edge::Static(_) => *edge = Edge::Moving(VecDeque::from([(at, value)])),
        }
    }

    /// The transform that takes coordinates in `source` to `target` at a time (ns); `None`: the newest time at which
    /// every part of the chain is known.
    ///
    /// # Errors
    /// See [`TfError`].
    pub fn lookup(
        &self,
        target: &str,
        source: &str,
        at: Option<i64>,
    ) -> Result<Isometry3<f64>, TfError> {
        let (up_target, up_source) = self.ways(target, source)?;
        let at = match at {
            Some(at) => Some(at),
            None => self.newest_common(up_target.iter().chain(&up_source)),
        };
        let common_from = |frames: &[String]| -> Result<Isometry3<f64>, TfError> {
            frames
                .iter()
                .try_fold(Isometry3::identity(), |frame_from_source, frame| {
                    Ok(self.edge_at(frame, at)? * frame_from_source)
                })
        };
        Ok(common_from(&up_target)?.inverse() * common_from(&up_source)?)
    }

    /// The newest time (ns) at which every part of the chain between two frames is known; `None` where it is fixed.
    ///
    /// # Errors
    /// Where no chain joins them.
    pub fn newest(&self, target: &str, source: &str) -> Result<Option<i64>, TfError> {
        let (up_target, up_source) = self.ways(target, source)?;
        Ok(self.newest_common(up_target.iter().chain(&up_source)))
    }

    /// The frames from each of two up to the one above both, without that.
    fn ways(&self, target: &str, source: &str) -> Result<(Vec<String>, Vec<String>), TfError> {
        let (target, source) = (bare(target), bare(source));
        let target_chain = self.chain(target)?;
        let source_chain = self.chain(source)?;
        let common = target_chain
            .iter()
            .find(|frame| source_chain.contains(frame))
            .ok_or_else(|| TfError::NotConnected {
                target: target.to_owned(),
                source_frame: source.to_owned(),
            })?;
        let below = |chain: &[&str]| -> Vec<String> {
            let edges = chain.iter().take_while(|frame| *frame != common);
            edges.map(|frame| (*frame).to_owned()).collect()
        };
        Ok((below(&target_chain), below(&source_chain)))
    }

    /// The frame, its parent and so on to the root.
    fn chain<'a>(&'a self, frame: &'a str) -> Result<Vec<&'a str>, TfError> {
        let is_parent = || self.frames.values().any(|f| f.parent == frame);
        if !self.frames.contains_key(frame) && !is_parent() {
            return Err(TfError::UnknownFrame(frame.to_owned()));
        }
        let mut chain = vec![frame];
        let mut at = frame;
        while let Some(next) = self.frames.get(at) {
            at = &next.parent;
            chain.push(at);
            if chain.len() > MAX_DEPTH {
                return Err(TfError::NotConnected {
                    target: at.to_owned(),
                    source_frame: frame.to_owned(),
                });
            }
        }
        Ok(chain)
    }

    fn newest_common<'a>(&self, frames: impl Iterator<Item = &'a String>) -> Option<i64> {
        frames
            .filter_map(|frame| match &self.frames.get(frame)?.parent_from_frame {
                Edge::Static(_) => None,
                Edge::Moving(history) => history.back().map(|(t, _)| *t),
            })
            .min()
    }

    fn edge_at(&self, frame: &str, at: Option<i64>) -> Result<Isometry3<f64>, TfError> {
        let unknown = || TfError::UnknownFrame(frame.to_owned());
        let history = match &self
            .frames
            .get(frame)
            .ok_or_else(unknown)?
            .parent_from_frame
        {
            Edge::Static(value) => return Ok(*value),
            Edge::Moving(history) => history,
        };
        let (oldest, newest) = match (history.front(), history.back()) {
            (Some(oldest), Some(newest)) => (oldest, newest),
            _ => return Err(unknown()),
        };
        let at = at.unwrap_or(newest.0);
        let seconds = |nanos: i64| nanos as f64 * 1e-9;
        if at > newest.0 {
            let missing_s = seconds(at - newest.0);
            return Err(TfError::TooNew {
                frame: frame.to_owned(),
                missing_s,
            });
        }
        if at < oldest.0 {
            let missing_s = seconds(oldest.0 - at);
            return Err(TfError::TooOld {
                frame: frame.to_owned(),
                missing_s,
            });
        }
        let after = history.partition_point(|(t, _)| *t < at);
        let (t1, b) = history[after];
        if t1 == at || after == 0 {
            return Ok(b);
        }
        let (t0, a) = history[after - 1];
        let share = (at - t0) as f64 / (t1 - t0) as f64;
        // Half a turn between two stamps has no shortest way; the nearer end serves as well as any.
        let nearer = if share < 0.5 { a } else { b };
        Ok(a.try_lerp_slerp(&b, share, 1e-9).unwrap_or(nearer))
    }
}

fn bare(frame: &str) -> &str {
    // tf2 strips one leading slash; TurtleBot 3's robot_state_publisher sends it.
    frame.strip_prefix('/').unwrap_or(frame)
}

/// The rigid transform of a message, if it is finite and its quaternion is not zero.
pub fn isometry_of_transform(t: &Transform) -> Option<Isometry3<f64>> {
    isometry(
        [t.translation.x, t.translation.y, t.translation.z],
        &t.rotation,
    )
}

/// The rigid transform of a pose, if it is finite and its quaternion is not zero.
pub fn isometry_of_pose(pose: &Pose) -> Option<Isometry3<f64>> {
    isometry(
        [pose.position.x, pose.position.y, pose.position.z],
        &pose.orientation,
    )
}

fn isometry(xyz: [f64; 3], q: &r2r::geometry_msgs::msg::Quaternion) -> Option<Isometry3<f64>> {
    let finite = xyz
        .iter()
        .chain([&q.x, &q.y, &q.z, &q.w])
        .all(|v| v.is_finite());
    let rotation = UnitQuaternion::try_new(Quaternion::new(q.w, q.x, q.y, q.z), 1e-6)?;
    finite.then(|| Isometry3::from_parts(Translation3::new(xyz[0], xyz[1], xyz[2]), rotation))
}

/// The pose message of a rigid transform.
pub fn pose_of(isometry: &Isometry3<f64>) -> Pose {
    let (t, q) = (isometry.translation.vector, isometry.rotation);
    Pose {
        position: r2r::geometry_msgs::msg::Point {
            x: t.x,
            y: t.y,
            z: t.z,
        },
        orientation: r2r::geometry_msgs::msg::Quaternion {
            x: q.i,
            y: q.j,
            z: q.k,
            w: q.w,
        },
    }
}

/// The transform message of a rigid transform.
pub fn transform_of(isometry: &Isometry3<f64>) -> Transform {
    let pose = pose_of(isometry);
    Transform {
        translation: r2r::geometry_msgs::msg::Vector3 {
            x: pose.position.x,
            y: pose.position.y,
            z: pose.position.z,
        },
        rotation: pose.orientation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Point3, Vector3};
    use r2r::geometry_msgs::msg::TransformStamped;
    use r2r::std_msgs::msg::Header;

    fn edge(parent: &str, child: &str, at: i64, x: f64, yaw: f64) -> TFMessage {
        let isometry = Isometry3::new(Vector3::new(x, 0.0, 0.0), Vector3::z() * yaw);
        TFMessage {
            transforms: vec![TransformStamped {
                header: Header {
                    stamp: time::stamp(at),
                    frame_id: parent.into(),
                },
                child_frame_id: child.into(),
                transform: transform_of(&isometry),
            }],
        }
    }

    fn robot() -> TransformBuffer {
        let mut buffer = TransformBuffer::default();
        buffer.insert(&edge("/base", "/camera", 0, 0.1, 0.0), true);
        buffer.insert(&edge("map", "odom", 0, 1.0, 0.0), false);
        buffer.insert(&edge("map", "odom", 2_000_000_000, 1.0, 0.0), false);
        buffer.insert(&edge("odom", "base", 0, 0.0, 0.0), false);
        buffer.insert(&edge("odom", "base", 1_000_000_000, 2.0, 1.0), false);
        buffer
    }

    #[test]
    fn a_point_is_carried_through_the_chain_at_the_time_between_two_stamps() {
        let map_from_camera = robot().lookup("map", "camera", Some(500_000_000)).unwrap();
        let seen = map_from_camera * Point3::origin();
        assert!(
            (seen.x - (2.0 + 0.1 * 0.5_f64.cos())).abs() < 1e-9,
            "{seen}"
        );
        assert!((seen.y - 0.1 * 0.5_f64.sin()).abs() < 1e-9, "{seen}");
        let back = robot().lookup("camera", "map", Some(500_000_000)).unwrap() * seen;
        assert!(back.coords.norm() < 1e-9);
    }

    #[test]
    fn without_a_time_the_newest_common_one_is_taken() {
        let latest = robot().lookup("map", "base", None).unwrap();
        assert!((latest.translation.x - 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_known_is_an_error_that_says_why() {
        let buffer = robot();
        assert_eq!(
            buffer.lookup("map", "nope", None),
            Err(TfError::UnknownFrame("nope".into()))
        );
        let ahead = buffer
            .lookup("map", "base", Some(1_500_000_000))
            .unwrap_err();
        assert_eq!(
            ahead.to_string(),
            "0.500 s after the newest transform of frame \"base\""
        );
        assert!(matches!(
            buffer.lookup("map", "base", Some(-1)),
            Err(TfError::TooOld { .. })
        ));
        let mut two = robot();
        two.insert(&edge("island", "tree", 0, 0.0, 0.0), true);
        assert!(matches!(
            two.lookup("map", "tree", None),
            Err(TfError::NotConnected { .. })
        ));
    }

    #[test]
    fn a_loop_or_a_transform_that_is_not_finite_does_no_harm() {
        let mut buffer = TransformBuffer::default();
        buffer.insert(&edge("a", "b", 0, 0.0, 0.0), true);
        buffer.insert(&edge("b", "a", 0, 0.0, 0.0), true);
        assert!(buffer.lookup("a", "c", None).is_err());
        buffer.insert(&edge("map", "odom", 0, f64::NAN, 0.0), false);
        assert_eq!(
            buffer.lookup("map", "odom", None),
            Err(TfError::UnknownFrame("map".into()))
        );
    }
}
