//! Events as Rerun entities. Each recording has a thread of its own, so that a slow viewer holds up neither the nodes
//! nor the recording that goes into a file.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use rerun::{RecordingStream, RecordingStreamResult};

use crate::event::{Event, What};
use crate::queue::{Input, queue};
use crate::scene::Scene;

/// Events that wait: some ten seconds' worth. A reader that is farther behind loses the oldest.
const QUEUE: usize = 4096;
/// Pictures that wait. They are large, and only the newest matters.
const PICTURES: usize = 4;
/// Stamps beyond this are times since 1970 and not simulated: 30 years, ns.
const EPOCH: i64 = 30 * 365 * 86_400 * 1_000_000_000;

/// A recording and the thread that fills it.
pub struct Recording {
    name: &'static str,
    events: Input<Arc<Event>>,
    pictures: Input<Arc<Event>>,
    thread: JoinHandle<()>,
}

impl Recording {
    /// Starts filling `stream`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(name: &'static str, stream: RecordingStream) -> anyhow::Result<Self> {
        let (events, next_event) = queue::<Arc<Event>>(QUEUE);
        let (pictures, next_picture) = queue::<Arc<Event>>(PICTURES);
        let thread = thread::Builder::new()
            .name(format!("rerun-{name}"))
            .spawn(move || {
                let mut recorder = Recorder::new(stream);
                let mut open = true;
                while open {
                    let event = crossbeam_channel::select! {
                        recv(next_event) -> event => event,
                        recv(next_picture) -> picture => picture,
                    };
                    match event {
                        Ok(event) => recorder.record(&event),
                        Err(_) => open = false,
                    }
                }
                // One queue is closed: so is the other, and what still waits there is the newest.
                for event in next_picture.try_iter().chain(next_event.try_iter()) {
                    recorder.record(&event);
                }
                recorder.finish();
            })
            .context("cannot start a thread")?;
        Ok(Self {
            name,
            events,
            pictures,
            thread,
        })
    }

    /// Shows an event; never waits.
    pub fn show(&self, event: Arc<Event>) {
        match event.what {
            What::Picture(_) => self.pictures.push(event),
            _ => self.events.push(event),
        }
    }

    /// Events that were dropped because the reader was too slow.
    pub fn dropped(&self) -> u64 {
        self.events.dropped() + self.pictures.dropped()
    }

    /// Writes what still waits and closes the recording, but waits for that no longer than `patience`.
    pub fn finish(self, patience: Duration) {
        let dropped = self.dropped();
        drop((self.events, self.pictures));
        let (done, is_done) = std::sync::mpsc::channel();
        let thread = self.thread;
        let waiter = thread::Builder::new()
            .name("rerun-end".to_owned())
            .spawn(move || {
                let ended = thread.join().is_ok();
                // Nobody waits any more when this comes too late.
                let _ = done.send(ended);
            });
        let in_time = waiter.is_ok() && is_done.recv_timeout(patience) == Ok(true);
        if !in_time {
            tracing::error!(
                recording = self.name,
                "not closed within {patience:?}: its end is missing"
            );
        }
        if dropped > 0 {
            tracing::warn!(
                recording = self.name,
                dropped,
                "events were dropped, the reader was too slow"
            );
        }
    }
}

/// One stream with what was shown on it.
struct Recorder {
    stream: RecordingStream,
    scene: Scene,
    failed: bool,
}

impl Recorder {
    fn new(stream: RecordingStream) -> Self {
        // `log_time` and the stamps' timeline suffice.
        stream.set_log_tick_enabled(false);
        let mut recorder = Self {
            stream,
            scene: Scene::default(),
            failed: false,
        };
        let started = recorder.scene.begin(&recorder.stream);
        recorder.check(started);
        recorder
    }

    fn record(&mut self, event: &Event) {
        self.stream.reset_time();
        if event.stamp < EPOCH {
            let since_start = Duration::from_nanos(event.stamp.unsigned_abs());
            self.stream.set_time("sim_time", since_start);
        } else {
            self.stream
                .set_timestamp_nanos_since_epoch("ros_time", event.stamp);
        }
        let shown = self.scene.show(&self.stream, event.stamp, &event.what);
        self.check(shown);
    }

    fn finish(self) {
        if let Err(error) = self.stream.flush_blocking() {
            tracing::error!(%error, "the recording's end may be missing");
        }
        self.stream.disconnect();
    }

    /// A failure is worth one line, not one an event.
    fn check(&mut self, result: RecordingStreamResult<()>) {
        if let Err(error) = result
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::error!(%error, "an event could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::event::{Camera, Map, Severity, Transform};
    use report::goals::{Answer, Verdict};
    use report::run::{Search, SearchState, Sighting};
    use rerun::log::{Chunk, LogMsg};
    use wire::{Detection, Detections};

    /// Rows of each entity, and the timelines, of what `events` leave in a recording.
    fn recorded(events: &[Event]) -> (BTreeMap<String, usize>, BTreeSet<String>) {
        let (stream, storage) = rerun::RecordingStreamBuilder::new("test")
            .memory()
            .expect("a stream");
        let mut recorder = Recorder::new(stream);
        for event in events {
            recorder.record(event);
        }
        assert!(!recorder.failed);
        recorder.stream.flush_blocking().expect("flushed");
        let (mut rows, mut timelines) = (BTreeMap::new(), BTreeSet::new());
        for message in storage.take() {
            let LogMsg::ArrowMsg(_, message) = message else {
                continue;
            };
            let chunk = Chunk::from_arrow_msg(&message).expect("a chunk");
            *rows.entry(chunk.entity_path().to_string()).or_default() += chunk.num_rows();
            timelines.extend(chunk.timelines().keys().map(ToString::to_string));
        }
        (rows, timelines)
    }

    fn at(seconds: i64, what: What) -> Event {
        Event {
            stamp: seconds * 1_000_000_000,
            what,
        }
    }

    fn boxes() -> What {
        What::Boxes(Detections {
            detections: vec![Detection {
                class: "ball".to_owned(),
                confidence: 0.9,
                bbox: [1.0, 2.0, 3.0, 4.0],
                ..Detection::default()
            }],
            ..Detections::default()
        })
    }

    fn search(state: SearchState, leaf: &str) -> What {
        What::Search(Search {
            state,
            class: "ball".to_owned(),
            leaf: leaf.to_owned(),
            reason: String::new(),
            frame_stamp: 0,
            sighting: Some(Sighting {
                at: [1.0, 2.0],
                confidence: 0.9,
                bbox: [0.0; 4],
            }),
        })
    }

    fn verdict(answer: Answer) -> What {
        What::Verdict(Verdict {
            goal_id: "01".repeat(16),
            goal: [Some(1.0), Some(2.0), None],
            verdict: answer,
            confidence: 1.0,
            evaluator: "geometric".to_owned(),
            reason: "because".to_owned(),
            error_code: 0,
            elapsed_s: 0.0,
        })
    }

    #[test]
    fn every_kind_of_event_is_seen_and_there_are_two_timelines() {
        let camera = Camera {
            frame: "camera_color_optical_frame".to_owned(),
            resolution: [640.0, 480.0],
            k: [615.0, 0.0, 320.0, 0.0, 615.0, 240.0, 0.0, 0.0, 1.0],
        };
        let transform = Transform {
            parent: "odom".to_owned(),
            child: "/base_footprint".to_owned(),
            translation: [0.0; 3],
            rotation: [0.0, 0.0, 0.0, 1.0],
            fixed: false,
        };
        let map = Map {
            frame: "map".to_owned(),
            size: [2, 2],
            resolution: 0.05,
            translation: [0.0; 3],
            rotation: [0.0, 0.0, 0.0, 1.0],
            cells: vec![0, 100, 255, 0],
        };
        let velocity = |gated| What::Velocity {
            gated,
            linear: 0.2,
            angular: 0.0,
        };
        let latched = What::EmergencyStop {
            state: "LATCHED",
            cause: "a person".to_owned(),
        };
        let mut events = vec![
            at(1, What::Picture(vec![0xff, 0xd8, 0xff])),
            at(1, What::Camera(camera)),
            at(1, boxes()),
            at(1, What::Transform(transform)),
            at(
                2,
                What::Scan {
                    frame: "base_scan".to_owned(),
                    points: vec![[1.0, 0.0, 0.0]],
                },
            ),
            at(2, What::Map(map)),
            at(
                2,
                What::Plan {
                    frame: "map".to_owned(),
                    points: vec![[0.0; 3], [1.0; 3]],
                },
            ),
            at(2, verdict(Answer::Go)),
            at(3, What::GoalState([1; 16], 4)),
            at(3, search(SearchState::Running, "root/GoToPose")),
            at(
                3,
                What::Transition {
                    node: "root/GoToPose".to_owned(),
                    from: "IDLE".to_owned(),
                    to: "RUNNING".to_owned(),
                },
            ),
            at(3, velocity(true)),
            at(3, velocity(false)),
            at(3, latched),
            at(3, What::Latency("velocity_gate", 1.0)),
            at(3, What::Log(Severity::Warning, "hello".to_owned())),
        ];
        events.extend((0..10_u8).map(|i| at(4, What::Estimate([f32::from(i), 0.0]))));
        let (rows, timelines) = recorded(&events);
        for entity in [
            "camera",
            "camera/image",
            "camera/image/boxes",
            "tf/base_footprint",
            "lidar",
            "map",
            "plan",
            "goals",
            "trail",
            "object",
            "tree/state",
            "tree/leaf",
            "tree/status",
            "tree/transitions",
            "velocity/linear/gated",
            "velocity/linear/ungated",
            "velocity/angular/gated",
            "e_stop",
            "latency/velocity_gate",
            "log",
            "robot/body",
        ] {
            let entity = format!("/{entity}");
            assert!(
                rows.contains_key(&entity),
                "{entity} is missing in {rows:?}"
            );
        }
        assert_eq!(
            timelines.iter().collect::<Vec<_>>(),
            ["log_time", "sim_time"]
        );
        assert_eq!(
            rows["/goals"], 2,
            "once with the verdict, once with what became of it"
        );
    }

    #[test]
    fn boxes_are_shown_only_with_the_picture_that_they_belong_to_whichever_comes_first() {
        let picture = || What::Picture(vec![0xff, 0xd8, 0xff]);
        let (rows, _) = recorded(&[
            at(1, picture()),
            at(1, boxes()),
            at(2, boxes()),
            at(3, boxes()),
            at(3, picture()),
            at(3, boxes()),
        ]);
        assert_eq!(
            rows.get("/camera/image/boxes"),
            Some(&2),
            "of 1 and 3, each once"
        );
    }

    #[test]
    fn states_are_logged_when_they_change() {
        let free = || What::EmergencyStop {
            state: "FREE",
            cause: String::new(),
        };
        let (rows, _) = recorded(&[
            at(1, search(SearchState::Running, "a")),
            at(2, search(SearchState::Running, "a")),
            at(3, search(SearchState::Running, "b")),
            at(4, search(SearchState::Succeeded, "b")),
            at(5, free()),
            at(6, free()),
        ]);
        assert_eq!(rows["/tree/state"], 3);
        assert_eq!(rows["/e_stop"], 1 + 1, "its colours, and one state");
    }

    #[test]
    fn stamps_of_a_real_clock_are_no_simulated_time() {
        let (_, timelines) = recorded(&[at(1_764_000_000, What::Latency("detector", 1.0))]);
        assert_eq!(
            timelines.iter().collect::<Vec<_>>(),
            ["log_time", "ros_time"]
        );
    }

    #[test]
    fn a_finished_file_has_all_events_though_the_end_came_at_once() {
        let folder = std::env::temp_dir().join(format!("viewer-recording-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("run.rrd");
        let stream = rerun::RecordingStreamBuilder::new("test")
            .save(&file)
            .expect("a file");
        let recording = Recording::start("file", stream).expect("a thread");
        for i in 0..1000 {
            recording.show(Arc::new(at(i, What::Latency("detector", 1.0))));
        }
        recording.finish(Duration::from_secs(60));
        let decoder = rerun::external::re_log_encoding::Decoder::decode_eager(
            std::io::BufReader::new(std::fs::File::open(&file).expect("the file is there")),
        );
        let messages: Vec<LogMsg> = decoder
            .expect("a recording")
            .map(|message| message.expect("a message"))
            .collect();
        let rows = |message: &LogMsg| match message {
            LogMsg::ArrowMsg(_, message) => Chunk::from_arrow_msg(message)
                .ok()
                .filter(|c| c.entity_path().to_string() == "/latency/detector")
                .map_or(0, |c| c.num_rows()),
            _ => 0,
        };
        let n_rows: usize = messages.iter().map(rows).sum();
        assert_eq!(n_rows, 1000 + 1, "and the static name of the series");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
