//! What comes in: velocity commands, acknowledgements, motor power, detections.

use crate::args::{Args, Base};
use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, bounded};
use futures::StreamExt;
use r2r::QosProfile;
use r2r::geometry_msgs::msg::{Twist, TwistStamped};
use r2r::std_msgs::msg::Header;
use r2r::std_srvs::srv::SetBool;
use ros_node::{RosNode, qos, time};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use zenoh::Wait;

/// The topic that commands come on.
pub const COMMAND_TOPIC: &str = "/cmd_vel";
/// How many answers of the detector may wait to be looked at; more than the camera can have asked for.
const ANSWERS: usize = 64;
/// How long the router may take to answer.
const ROUTER_PATIENCE: Duration = Duration::from_secs(5);

/// What has come in since it was last looked at.
#[derive(Debug, Default)]
pub struct Inbox {
    /// The newest command: m/s, rad/s.
    pub command: Option<(f64, f64)>,
    /// Its stamp, ns; of commands without a stamp none.
    pub command_stamp: Option<i64>,
    /// Who has done which control period (ns).
    pub acks: Vec<(String, i64)>,
    /// Motors on or off.
    pub motor_power: Option<bool>,
}

/// The subscriptions and services.
pub struct Inputs {
    /// Filled while the node spins.
    pub inbox: Rc<RefCell<Inbox>>,
    detections: Option<Detections>,
}

impl Inputs {
    /// Subscribes to everything.
    ///
    /// # Errors
    /// When ROS refuses an endpoint, or Zenoh's router does not answer.
    pub fn open(ros: &mut RosNode, args: &Args) -> anyhow::Result<Self> {
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        follow_commands(ros, &inbox, args.cmd_vel_stamped)?;
        follow_acks(ros, &inbox)?;
        if args.base == Base::Keeps {
            serve_motor_power(ros, &inbox)?;
        }
        let detections = match (&args.zenoh, args.pace_detections) {
            (Some(endpoint), true) => Some(Detections::follow(endpoint)?),
            _ => None,
        };
        Ok(Self { inbox, detections })
    }

    /// Stamps (ns) of pictures that the detector has answered since the last call.
    pub fn answered(&self) -> impl Iterator<Item = i64> + '_ {
        self.detections
            .iter()
            .flat_map(|detections| detections.stamps.try_iter())
    }
}

fn follow_commands(
    ros: &mut RosNode,
    inbox: &Rc<RefCell<Inbox>>,
    stamped: bool,
) -> anyhow::Result<()> {
    let inbox = Rc::clone(inbox);
    let take = move |twist: &Twist, stamp: Option<i64>| {
        let mut inbox = inbox.borrow_mut();
        inbox.command = Some((twist.linear.x, twist.angular.z));
        inbox.command_stamp = stamp;
    };
    if stamped {
        let mut commands = ros
            .node
            .subscribe::<TwistStamped>(COMMAND_TOPIC, qos::reliable())?;
        ros.spawn(async move {
            while let Some(command) = commands.next().await {
                take(&command.twist, Some(time::nanos(&command.header.stamp)));
            }
        });
    } else {
        let mut commands = ros
            .node
            .subscribe::<Twist>(COMMAND_TOPIC, qos::reliable())?;
        ros.spawn(async move {
            while let Some(command) = commands.next().await {
                take(&command, None);
            }
        });
    }
    Ok(())
}

fn follow_acks(ros: &mut RosNode, inbox: &Rc<RefCell<Inbox>>) -> anyhow::Result<()> {
    let mut acks = ros.node.subscribe::<Header>("/sim/ack", qos::reliable())?;
    let inbox = Rc::clone(inbox);
    ros.spawn(async move {
        while let Some(ack) = acks.next().await {
            let stamp = time::nanos(&ack.stamp);
            inbox.borrow_mut().acks.push((ack.frame_id, stamp));
        }
    });
    Ok(())
}

fn serve_motor_power(ros: &mut RosNode, inbox: &Rc<RefCell<Inbox>>) -> anyhow::Result<()> {
    let mut requests = ros
        .node
        .create_service::<SetBool::Service>("/motor_power", QosProfile::services_default())?;
    let inbox = Rc::clone(inbox);
    ros.spawn(async move {
        while let Some(request) = requests.next().await {
            let on = request.message.data;
            inbox.borrow_mut().motor_power = Some(on);
            tracing::info!(on, "motor power");
            let response = SetBool::Response {
                success: true,
                message: format!("motors {}", if on { "on" } else { "off" }),
            };
            if let Err(error) = request.respond(response) {
                tracing::warn!(%error, "an answer could not be sent");
            }
        }
    });
    Ok(())
}

/// The detector's answers, by Zenoh.
struct Detections {
    stamps: Receiver<i64>,
    /// Ends the subscription when dropped.
    _session: zenoh::Session,
}

impl Detections {
    fn follow(endpoint: &str) -> anyhow::Result<Self> {
        let failed = |error| anyhow!("{error}");
        let config = zenoh_client::config_with_patience(endpoint, ROUTER_PATIENCE)?;
        let session = zenoh::open(config)
            .wait()
            .map_err(failed)
            .with_context(|| {
                format!("no Zenoh router answers at {endpoint}; start the bridge first")
            })?;
        let (sender, stamps) = bounded(ANSWERS);
        session
            .declare_subscriber(wire::keys::DETECTIONS)
            .callback(move |sample| {
                let stamp = wire::Detections::from_json(&sample.payload().to_bytes())
                    .ok()
                    .and_then(|detections| detections.frame_stamp());
                if let Some(stamp) = stamp {
                    // Full only when nobody looks at them: then they do not matter.
                    let _ = sender.try_send(stamp.as_nanos());
                }
            })
            .background()
            .wait()
            .map_err(failed)
            .context("cannot subscribe to detections")?;
        Ok(Self {
            stamps,
            _session: session,
        })
    }
}
