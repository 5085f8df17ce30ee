//! Velocity topics of either type: `geometry_msgs/TwistStamped` or, for older bases, `geometry_msgs/Twist`.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use r2r::builtin_interfaces::msg::Time;
use r2r::geometry_msgs::msg::{Twist, TwistStamped};

use crate::gate::Velocity;
use crate::publishers::{Endpoint, Gid};

/// A velocity command as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// With its header.
    Stamped(TwistStamped),
    /// Without.
    Plain(Twist),
}

impl Command {
    /// What it commands.
    pub fn velocity(&self) -> Velocity {
        let twist = match self {
            Command::Stamped(stamped) => &stamped.twist,
            Command::Plain(twist) => twist,
        };
        let (linear, angular) = (&twist.linear, &twist.angular);
        Velocity {
            linear: [linear.x, linear.y, linear.z],
            angular: [angular.x, angular.y, angular.z],
        }
    }

    /// Zero velocity in place of this command, with its header: who waits for an answer to it gets one.
    pub fn zeroed(self) -> Self {
        match self {
            Command::Stamped(stamped) => Command::Stamped(TwistStamped {
                twist: Twist::default(),
                ..stamped
            }),
            Command::Plain(_) => Command::Plain(Twist::default()),
        }
    }
}

/// Commands as they come.
pub type Commands = Pin<Box<dyn Stream<Item = Command>>>;

/// Subscribes to a velocity topic.
///
/// # Errors
/// When rcl cannot make the subscription.
pub fn subscribe(node: &mut r2r::Node, topic: &str, stamped: bool) -> r2r::Result<Commands> {
    let qos = ros_node::qos::reliable();
    Ok(if stamped {
        node.subscribe::<TwistStamped>(topic, qos)?
            .map(Command::Stamped)
            .boxed_local()
    } else {
        node.subscribe::<Twist>(topic, qos)?
            .map(Command::Plain)
            .boxed_local()
    })
}

/// A publisher of velocities.
#[derive(Debug)]
pub enum Publisher {
    /// Of `TwistStamped`.
    Stamped(r2r::Publisher<TwistStamped>),
    /// Of `Twist`.
    Plain(r2r::Publisher<Twist>),
}

impl Publisher {
    /// Advertises a velocity topic.
    ///
    /// # Errors
    /// When rcl cannot make the publisher.
    pub fn new(node: &mut r2r::Node, topic: &str, stamped: bool) -> r2r::Result<Self> {
        let qos = ros_node::qos::reliable();
        Ok(if stamped {
            Publisher::Stamped(node.create_publisher(topic, qos)?)
        } else {
            Publisher::Plain(node.create_publisher(topic, qos)?)
        })
    }

    /// Publishes a command of the topic's type, as it is.
    ///
    /// # Errors
    /// When the middleware refuses it.
    pub fn publish(&self, command: &Command) -> r2r::Result<()> {
        match (self, command) {
            (Publisher::Stamped(publisher), Command::Stamped(stamped)) => {
                publisher.publish(stamped)
            }
            (Publisher::Plain(publisher), Command::Plain(twist)) => publisher.publish(twist),
            // Both topics of a node have one type.
            _ => Err(r2r::Error::RCL_RET_INVALID_ARGUMENT),
        }
    }

    /// Publishes zero velocity.
    ///
    /// # Errors
    /// When the middleware refuses it.
    pub fn publish_zero(&self, stamp: Time) -> r2r::Result<()> {
        match self {
            Publisher::Stamped(publisher) => {
                let mut zero = TwistStamped::default();
                zero.header.stamp = stamp;
                publisher.publish(&zero)
            }
            Publisher::Plain(publisher) => publisher.publish(&Twist::default()),
        }
    }
}

/// Who publishes a topic, by the ROS graph.
///
/// # Errors
/// When rcl cannot tell.
pub fn publishers_of(node: &r2r::Node, topic: &str) -> r2r::Result<Vec<Endpoint>> {
    let infos = node.get_publishers_info_by_topic(topic, false)?;
    Ok(infos
        .into_iter()
        .map(|info| {
            let mut gid = Gid::default();
            let length = gid.len().min(info.endpoint_gid.len());
            gid[..length].copy_from_slice(&info.endpoint_gid[..length]);
            Endpoint {
                gid,
                node: format!(
                    "{}/{}",
                    info.node_namespace.trim_end_matches('/'),
                    info.node_name
                ),
            }
        })
        .collect())
}

/// Advertises a velocity topic and finds out by which identity the ROS graph knows this publisher.
///
/// # Errors
/// When rcl fails, or the publisher does not show in the graph within 5 s.
pub fn advertise_known(
    ros: &mut ros_node::RosNode,
    topic: &str,
    stamped: bool,
) -> anyhow::Result<(Publisher, Gid)> {
    let name = ros.node.fully_qualified_name()?;
    let before = publishers_of(&ros.node, topic)?;
    let publisher = Publisher::new(&mut ros.node, topic, stamped)?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        if let Some(gid) =
            crate::publishers::newcomer(&before, &publishers_of(&ros.node, topic)?, &name)
        {
            return Ok((publisher, gid));
        }
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "the ROS graph does not show this node's own publisher of {topic}"
        );
        ros.node.spin_once(std::time::Duration::from_millis(5));
    }
}
