//! What the gatekeeper knows of the world: the map, the transforms and, where a model is asked, the camera.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Instant;

use futures::Stream;
use r2r::nav_msgs::msg::OccupancyGrid as OccupancyGridMessage;
use r2r::sensor_msgs::msg::Image;
use ros_node::tf::{TransformBuffer, isometry_of_pose};
use ros_node::time::Clock;
use ros_node::{RosNode, qos, time};

use crate::args::Args;
use crate::desk::Frame;
use crate::endpoints::now;
use crate::free_space::{FreeSpace, MapError, OccupancyGrid};
use crate::goal::{MapPose, Now};
use crate::judge::View;
use crate::physical::Picture;

type Messages<T> = Box<dyn Stream<Item = T> + Unpin>;

/// The world as it was told.
pub struct World {
    clock: Clock,
    tf: Rc<RefCell<TransformBuffer>>,
    robot_radius: f64,
    maps: Messages<OccupancyGridMessage>,
    /// The newest map that is not being prepared yet.
    next_map: Option<OccupancyGridMessage>,
    /// A map that is being prepared on a thread of its own: a large one takes longer than a goal may wait.
    preparing: Option<Receiver<Result<FreeSpace, MapError>>>,
    space: Option<FreeSpace>,
    camera: Option<Messages<Image>>,
    frame: Option<Frame>,
}

impl World {
    /// Subscribes to all of it.
    ///
    /// # Errors
    /// When rcl cannot make a subscription.
    pub fn subscribe(ros: &mut RosNode, args: &Args) -> anyhow::Result<Self> {
        let tf = TransformBuffer::subscribe(ros)?;
        let maps = ros.node.subscribe("map", qos::latched())?;
        let camera: Option<Messages<Image>> = match args.vlm_url {
            Some(_) => Some(Box::new(
                ros.node.subscribe(&args.camera_topic, qos::sensor_data())?,
            )),
            // Frames are large: without a model nobody looks at them.
            None => None,
        };
        Ok(Self {
            clock: ros.clock(),
            tf,
            robot_radius: args.robot_radius,
            maps: Box::new(maps),
            next_map: None,
            preparing: None,
            space: None,
            camera,
            frame: None,
        })
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Now {
        Now {
            monotonic: Instant::now(),
            ros_nanos: self.clock.now_nanos(),
        }
    }

    /// Takes in what has arrived.
    pub fn update(&mut self) {
        while let Some(map) = now(&mut self.maps) {
            self.next_map = Some(map);
        }
        self.take_prepared_map();
        if self.preparing.is_none()
            && let Some(map) = self.next_map.take()
        {
            self.prepare(&map);
        }
        while let Some(image) = self.camera.as_mut().and_then(now) {
            self.frame = Some(Frame {
                stamp_nanos: time::nanos(&image.header.stamp),
                arrived: Instant::now(),
                picture: Arc::new(Picture {
                    encoding: image.encoding,
                    width: image.width,
                    height: image.height,
                    step: image.step,
                    data: image.data,
                }),
            });
        }
    }

    /// Shows the world to the evaluators.
    pub fn view<R>(&self, look: impl FnOnce(&View<'_>) -> R) -> R {
        look(&View {
            space: self.space.as_ref(),
            tf: &self.tf.borrow(),
            now_nanos: self.clock.now_nanos(),
        })
    }

    /// The newest camera frame.
    pub fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    fn take_prepared_map(&mut self) {
        let Some(preparing) = &self.preparing else {
            return;
        };
        self.space = match preparing.try_recv() {
            Err(TryRecvError::Empty) => return,
            Ok(Ok(space)) => Some(space),
            // The map before is not the world any more, either.
            Ok(Err(error)) => {
                tracing::error!(%error, "no goal is feasible until a usable map arrives");
                None
            }
            Err(TryRecvError::Disconnected) => None,
        };
        self.preparing = None;
    }

    fn prepare(&mut self, message: &OccupancyGridMessage) {
        let Some(origin) = isometry_of_pose(&message.info.origin) else {
            tracing::error!(
                "the map's origin is no pose; no goal is feasible until a usable map arrives"
            );
            self.space = None;
            return;
        };
        let grid = OccupancyGrid {
            width: message.info.width as usize,
            height: message.info.height as usize,
            resolution: f64::from(message.info.resolution),
            origin: MapPose {
                x: origin.translation.x,
                y: origin.translation.y,
                yaw: origin.rotation.euler_angles().2,
            },
            cells: message.data.clone(),
        };
        let (done, preparing) = sync_channel(1);
        let robot_radius = self.robot_radius;
        let prepare = move || {
            // Nobody listens any more when the node has ended.
            let _ = done.send(FreeSpace::new(grid, robot_radius));
        };
        match std::thread::Builder::new()
            .name("map".into())
            .spawn(prepare)
        {
            Ok(_) => self.preparing = Some(preparing),
            Err(error) => {
                // The old map is not the world any more.
                tracing::error!(%error, "cannot start a thread to prepare the map; no goal is feasible until the next one");
                self.space = None;
            }
        }
    }
}
