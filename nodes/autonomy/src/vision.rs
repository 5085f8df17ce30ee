//! What the camera sees of the wanted class, and where that is in the map.
//!
//! Detections come from Zenoh and say nothing of distance. The depth picture of the same stamp does; the transform at
//! that stamp carries the place into the map. Depth and transforms may arrive after the detections, so a frame waits for
//! them a little.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use futures::StreamExt;
use futures::channel::mpsc;
use nalgebra::Point3;
use r2r::sensor_msgs::msg::{CameraInfo, Image};
use ros_node::tf::{TfError, TransformBuffer};
use ros_node::{RosNode, qos, time};
use wire::{Detection, Detections, iou, keys};
use zenoh::Wait;

use crate::depth::{self, Intrinsics};
use crate::memory::Memory;

/// Depth pictures kept: 2 s at 15 Hz. A slow detector answers late.
const DEPTH_KEPT: usize = 30;
/// Frames that wait for their depth picture or transform.
const WAITING_KEPT: usize = 30;
/// A depth picture taken at most this long before or after the colour picture serves it.
const DEPTH_TOLERANCE_NANOS: i64 = 20_000_000;
/// Detections this much later than the newest depth picture are of no frame of this camera, and must not hold up those that are.
const MAX_AHEAD_NANOS: i64 = 5_000_000_000;
/// Sightings further apart than this are not of one object, m.
const SAME_OBJECT_M: f64 = 0.6;
/// Things of the wanted class that one frame may show.
const SIGHTINGS_PER_LOOK: usize = 8;
/// Boxes that overlap more than this (intersection over union) are of one thing.
const SAME_BOX: f32 = 0.5;

/// A frame that was detected in, and what it shows of the wanted class.
#[derive(Clone, Debug)]
pub struct Look {
    /// Counts the frames of this process, from 1.
    pub number: u64,
    /// The frame's stamp, ns.
    pub stamp: i64,
    /// The detections of the wanted class that have a place in `map`, surest first.
    pub sightings: Vec<Sighting>,
}

/// The wanted object in one frame.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where, in `map`, m.
    pub place: Point3<f64>,
    /// Where the camera was, in `map`, m.
    pub camera: Point3<f64>,
    /// Width and height of what was seen, m.
    pub size: [f64; 2],
    /// 0 to 1.
    pub confidence: f32,
    /// x1, y1, x2, y2 in pixels of the frame.
    pub bbox: [f32; 4],
}

impl Sighting {
    /// Whether both may be of one object.
    pub fn is_near(&self, other: &Self) -> bool {
        (self.place - other.place).norm() < SAME_OBJECT_M
    }
}

/// The leaves' end: the newest frames that were looked at.
#[derive(Clone)]
pub struct Eyes {
    looks: Arc<Mutex<VecDeque<Look>>>,
    memory: Arc<Mutex<Memory>>,
    target: Arc<str>,
}

impl Eyes {
    /// That see nothing.
    #[cfg(test)]
    pub fn shut(target: &str) -> Self {
        Self {
            looks: Arc::default(),
            memory: Arc::default(),
            target: target.into(),
        }
    }

    /// Listens to the detector's answers at the Zenoh endpoint, the depth pictures, the camera's intrinsics and the
    /// transforms, while the node spins. `each` is called for every frame looked at.
    ///
    /// # Errors
    /// When a subscription cannot be made or `endpoint` is none.
    pub fn open(
        ros: &mut RosNode,
        endpoint: &str,
        target: &str,
        each: impl Fn(&Look) + 'static,
    ) -> anyhow::Result<Self> {
        let eyes = Self {
            looks: Arc::default(),
            memory: Arc::default(),
            target: target.into(),
        };
        let retina = Rc::new(RefCell::new(Retina {
            depths: VecDeque::new(),
            camera: None,
            waiting: VecDeque::new(),
            transforms: TransformBuffer::subscribe(ros)?,
            target: Arc::clone(&eyes.target),
            count: 0,
        }));
        let (looks, memory) = (Arc::clone(&eyes.looks), Arc::clone(&eyes.memory));
        let publish = Rc::new(move |look: Look| {
            each(&look);
            lock(&memory).add(&look);
            let mut looks = lock(&looks);
            looks.push_back(look);
            if looks.len() > WAITING_KEPT {
                looks.pop_front();
            }
        });

        let mut detections = subscribe(endpoint)?;
        let (into, out) = (Rc::clone(&retina), Rc::clone(&publish));
        ros.spawn(async move {
            while let Some(message) = detections.next().await {
                into.borrow_mut().take_detections(message);
                into.borrow_mut().develop(&*out);
            }
        });
        let mut depths = ros
            .node
            .subscribe::<Image>("camera/depth/image_rect_raw", qos::sensor_data())?;
        let into = Rc::clone(&retina);
        ros.spawn(async move {
            while let Some(picture) = depths.next().await {
                into.borrow_mut().take_depth(picture);
                into.borrow_mut().develop(&*publish);
            }
        });
        let mut infos = ros
            .node
            .subscribe::<CameraInfo>("camera/color/camera_info", qos::sensor_data())?;
        ros.spawn(async move {
            while let Some(info) = infos.next().await {
                retina.borrow_mut().camera = Intrinsics::of(&info);
            }
        });
        Ok(eyes)
    }

    /// Class of the object that is searched for.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What has been seen of the wanted class so far, and what has become of it.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// The frames taken after `stamp` (ns) whose number is above `number`, oldest first.
    pub fn since(&self, stamp: i64, number: u64) -> Vec<Look> {
        let looks = lock(&self.looks);
        looks
            .iter()
            .filter(|look| look.stamp > stamp && look.number > number)
            .cloned()
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The detector's answers. The session is opened on a thread of its own: it waits for the router.
fn subscribe(endpoint: &str) -> anyhow::Result<mpsc::Receiver<Detections>> {
    let config = zenoh_client::config(endpoint)?;
    // The newest count, but at 15 Hz a full channel means that this node hangs.
    let (mut sender, receiver) = mpsc::channel(WAITING_KEPT);
    let on_sample = move |sample: zenoh::sample::Sample| match Detections::from_json(
        &sample.payload().to_bytes(),
    ) {
        Ok(detections) => {
            if sender
                .try_send(detections)
                .is_err_and(|error| error.is_full())
            {
                tracing::error!("this node is too slow, detections of a frame are lost");
            }
        }
        Err(error) => tracing::warn!(key = keys::DETECTIONS, %error, "message dropped"),
    };
    std::thread::Builder::new()
        .name("zenoh".into())
        .spawn(move || {
            let listening = zenoh::open(config).wait().and_then(|session| {
                let on_sample = std::sync::Mutex::new(on_sample);
                let callback =
                    move |sample| on_sample.lock().unwrap_or_else(PoisonError::into_inner)(sample);
                session
                    .declare_subscriber(keys::DETECTIONS)
                    .callback(callback)
                    .background()
                    .wait()?;
                Ok(session)
            });
            match listening {
                // Kept open for as long as the process lives.
                Ok(_session) => loop {
                    std::thread::park();
                },
                Err(error) => tracing::error!(%error, "no detections: cannot listen on Zenoh"),
            }
        })
        .map_err(|error| anyhow!("cannot start a thread: {error}"))?;
    Ok(receiver)
}

/// Pictures and detections on their way to becoming looks.
struct Retina {
    /// By stamp (ns), as they arrived.
    depths: VecDeque<(i64, Image)>,
    camera: Option<Intrinsics>,
    /// Frames whose depth or transform may still come: stamp (ns), detections of the wanted class, camera frame.
    waiting: VecDeque<(i64, Vec<Detection>, String)>,
    transforms: Rc<RefCell<TransformBuffer>>,
    target: Arc<str>,
    count: u64,
}

impl Retina {
    fn take_depth(&mut self, picture: Image) {
        self.depths
            .push_back((time::nanos(&picture.header.stamp), picture));
        if self.depths.len() > DEPTH_KEPT {
            self.depths.pop_front();
        }
    }

    fn take_detections(&mut self, message: Detections) {
        let Some(stamp) = message.frame_stamp() else {
            tracing::warn!("detections without a stamp cannot be placed, dropped");
            return;
        };
        let stamp = stamp.as_nanos();
        let newest = self.depths.back().map(|(at, _)| *at);
        if newest.is_some_and(|newest| stamp.saturating_sub(newest) > MAX_AHEAD_NANOS) {
            tracing::warn!("detections from seconds after the newest depth picture, dropped");
            return;
        }
        let frame = message
            .frame_id
            .unwrap_or_else(|| "camera_color_optical_frame".into());
        let mut wanted: Vec<Detection> = message
            .detections
            .iter()
            .filter(|detection| *detection.class == *self.target)
            .filter(|detection| !is_rather_another(detection, &message.detections))
            .cloned()
            .collect();
        wanted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        wanted.truncate(SIGHTINGS_PER_LOOK);
        self.waiting.push_back((stamp, wanted, frame));
        if self.waiting.len() > WAITING_KEPT {
            tracing::warn!("no depth picture or transform for a frame, it is not looked at");
            self.waiting.pop_front();
        }
    }

    /// Turns into looks what has all it needs, in the order of the frames.
    fn develop(&mut self, publish: &dyn Fn(Look)) {
        while let Some((stamp, wanted, frame)) = self.waiting.front() {
            let sightings: Result<Vec<Option<Sighting>>, NotYet> = wanted
                .iter()
                .map(|detection| self.place(*stamp, detection, frame))
                .collect();
            let Ok(sightings) = sightings else {
                return;
            };
            self.count += 1;
            publish(Look {
                number: self.count,
                stamp: *stamp,
                sightings: sightings.into_iter().flatten().collect(),
            });
            self.waiting.pop_front();
        }
    }

    /// The detection with its place in `map`; none where no depth is measured.
    fn place(
        &self,
        stamp: i64,
        detection: &Detection,
        frame: &str,
    ) -> Result<Option<Sighting>, NotYet> {
        let nearest = self.depths.iter().min_by_key(|(at, _)| (at - stamp).abs());
        let (Some(camera), Some((at, picture))) = (self.camera, nearest) else {
            return Err(NotYet);
        };
        if (at - stamp).abs() > DEPTH_TOLERANCE_NANOS {
            return if *at < stamp { Err(NotYet) } else { Ok(None) };
        }
        let map_from_camera = match self.transforms.borrow().lookup("map", frame, Some(stamp)) {
            Ok(transform) => transform,
            Err(TfError::TooNew { .. } | TfError::UnknownFrame(_)) => return Err(NotYet),
            Err(error) => {
                tracing::warn!(%error, "a detection cannot be placed");
                return Ok(None);
            }
        };
        let at = depth::locate(detection.bbox, picture, camera);
        Ok(at.map(|at| {
            let [x1, y1, x2, y2] = detection.bbox.map(f64::from);
            Sighting {
                place: map_from_camera * at,
                camera: map_from_camera * Point3::origin(),
                size: [at.z * (x2 - x1) / camera.fx, at.z * (y2 - y1) / camera.fy],
                confidence: detection.confidence,
                bbox: detection.bbox,
            }
        }))
    }
}

/// Whether the detector is surer that the same thing is of another class.
fn is_rather_another(detection: &Detection, all: &[Detection]) -> bool {
    all.iter().any(|other| {
        other.class != detection.class
            && other.confidence > detection.confidence
            && iou(&detection.bbox, &other.bbox) > SAME_BOX
    })
}

/// What is needed may still arrive.
struct NotYet;

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(class: &str, confidence: f32, bbox: [f32; 4]) -> Detection {
        Detection {
            class: class.into(),
            confidence,
            bbox,
            ..Detection::default()
        }
    }

    #[test]
    fn detections_from_the_future_hold_up_nobody() {
        let mut retina = Retina {
            depths: VecDeque::new(),
            camera: None,
            waiting: VecDeque::new(),
            transforms: Rc::default(),
            target: "cup".into(),
            count: 0,
        };
        let at = |sec| Detections {
            stamp: Some(wire::Stamp { sec, nanosec: 0 }),
            ..Detections::default()
        };
        let mut depth = Image::default();
        depth.header.stamp.sec = 100;
        retina.take_depth(depth);
        for sec in [101, 3600, 102] {
            retina.take_detections(at(sec));
        }
        let stamps = retina
            .waiting
            .iter()
            .map(|(stamp, ..)| stamp / 1_000_000_000);
        assert_eq!(stamps.collect::<Vec<_>>(), [101, 102]);
    }

    #[test]
    fn what_is_rather_of_another_class_is_not_the_wanted_object() {
        let cup = detection("cup", 0.6, [10.0, 10.0, 30.0, 50.0]);
        let bottle = |confidence, x| detection("bottle", confidence, [x, 10.0, x + 20.0, 50.0]);
        assert!(is_rather_another(&cup, &[cup.clone(), bottle(0.9, 11.0)]));
        assert!(!is_rather_another(&cup, &[cup.clone(), bottle(0.5, 11.0)]));
        assert!(!is_rather_another(&cup, &[cup.clone(), bottle(0.9, 25.0)]));
    }
}
