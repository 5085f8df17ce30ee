//! Pictures, drawn and published on a thread of their own, so that simulated time does not wait for them unless asked.

use crate::messages;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use r2r::Publisher;
use r2r::sensor_msgs::msg::{CameraInfo, Image};
use ros_node::qos;
use sim::noise::{self, Grain, Purpose};
use sim::render::{Camera as Intrinsics, Renderer, Scene};
use sim::simulation::CAMERA_SIGMA;
use sim::{Pose2, World, robot};
use std::thread::{self, JoinHandle};

/// One picture to take.
#[derive(Debug, Clone, Copy)]
struct Shot {
    /// ns of simulated time.
    stamp: i64,
    /// Which physics step it is; decides the noise.
    step: u64,
    base: Pose2,
    color: bool,
    depth: bool,
}

/// The camera's thread and its figures.
pub struct Camera {
    shots: Option<Sender<Shot>>,
    /// Stamps of pictures that are out.
    taken: Receiver<i64>,
    color: Publisher<Image>,
    depth: Publisher<Image>,
    infos: [Publisher<CameraInfo>; 2],
    thread: Option<JoinHandle<()>>,
    /// Pictures taken.
    pub rendered: u64,
    /// Pictures that somebody had subscribed to and that were not taken.
    pub skipped: u64,
}

impl Camera {
    /// Starts the thread.
    ///
    /// # Errors
    /// When ROS refuses a publisher or the system a thread.
    pub fn start(node: &mut r2r::Node, world: &World, seed: u64) -> anyhow::Result<Self> {
        let pictures = qos::reliable().keep_last(3);
        let color = node.create_publisher("/camera/color/image_raw", pictures.clone())?;
        let depth = node.create_publisher("/camera/depth/image_rect_raw", pictures)?;
        let infos = [
            node.create_publisher("/camera/color/camera_info", qos::reliable())?,
            node.create_publisher("/camera/depth/camera_info", qos::reliable())?,
        ];
        let (shots, to_take) = bounded(1);
        let (done, taken) = bounded(2);
        let darkroom = Darkroom {
            scene: Scene::new(world),
            renderer: Renderer::new(Intrinsics::ROBOT),
            grain: Grain::new(
                CAMERA_SIGMA,
                &mut noise::generator(seed, Purpose::Camera, u64::MAX),
            ),
            seed,
            color: color.clone(),
            depth: depth.clone(),
        };
        let thread = thread::Builder::new()
            .name("camera".into())
            .spawn(move || darkroom.work(&to_take, &done))?;
        Ok(Self {
            shots: Some(shots),
            taken,
            color,
            depth,
            infos,
            thread: Some(thread),
            rendered: 0,
            skipped: 0,
        })
    }

    /// Takes the picture of this instant if anybody has subscribed to it. With `patient` the call returns when the
    /// picture is out; else a picture is skipped while the one before is still being drawn. Whether a colour picture was
    /// taken.
    pub fn shoot(&mut self, stamp: i64, step: u64, base: Pose2, patient: bool) -> bool {
        let info = messages::camera_info(stamp);
        for publisher in &self.infos {
            if let Err(error) = publisher.publish(&info) {
                tracing::warn!(%error, "cannot publish the camera's intrinsics");
            }
        }
        let shot = Shot {
            stamp,
            step,
            base,
            color: has_subscribers(&self.color),
            depth: has_subscribers(&self.depth),
        };
        if !shot.color && !shot.depth {
            return false;
        }
        let Some(shots) = &self.shots else {
            return false;
        };
        while self.taken.try_recv().is_ok() {}
        let sent = if patient {
            shots.send(shot).is_ok() && self.wait_for(stamp)
        } else {
            !matches!(
                shots.try_send(shot),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
            )
        };
        if sent {
            self.rendered += 1;
        } else {
            self.skipped += 1;
        }
        sent && shot.color
    }

    fn wait_for(&self, stamp: i64) -> bool {
        self.taken.iter().any(|taken| taken == stamp)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // Without a sender the thread ends after the picture it is at.
        self.shots = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the camera thread had panicked");
        }
    }
}

fn has_subscribers(publisher: &Publisher<Image>) -> bool {
    publisher
        .get_inter_process_subscription_count()
        .is_ok_and(|count| count > 0)
}

/// What the thread owns.
struct Darkroom {
    scene: Scene,
    renderer: Renderer,
    grain: Grain,
    seed: u64,
    color: Publisher<Image>,
    depth: Publisher<Image>,
}

impl Darkroom {
    fn work(mut self, shots: &Receiver<Shot>, done: &Sender<i64>) {
        let mut color = messages::image("rgb8", 3);
        let mut depth = messages::image("16UC1", 2);
        let mut millimetres = Vec::new();
        for shot in shots {
            self.renderer
                .draw(&self.scene, &robot::camera_pose(shot.base));
            if shot.color {
                self.renderer.colors(&self.scene, &mut color.data);
                let mut noise = noise::generator(self.seed, Purpose::Camera, shot.step);
                self.grain.add(&mut color.data, &mut noise);
                publish(&self.color, &mut color, shot.stamp);
            }
            if shot.depth {
                self.renderer.depth(&mut millimetres);
                messages::depth_bytes(&millimetres, &mut depth.data);
                publish(&self.depth, &mut depth, shot.stamp);
            }
            // Nobody listening, or not interested: both are as well.
            let _ = done.try_send(shot.stamp);
        }
    }
}

fn publish(publisher: &Publisher<Image>, image: &mut Image, stamp: i64) {
    image.header = messages::header(stamp, messages::OPTICAL_FRAME);
    if let Err(error) = publisher.publish(image) {
        tracing::error!(%error, "a picture is lost");
    }
}
