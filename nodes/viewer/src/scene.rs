//! What is seen in Rerun: which event becomes which entity.
//!
//! Frames keep their tf names: each transform is an entity below `tf`, and what lies in a frame says so by its
//! `CoordinateFrame`. So the viewer places things as RViz does.

use std::collections::VecDeque;

use report::goals::{Answer, GoalId, Verdict, hex};
use report::run::{Search, SearchState};
use rerun::components::{Colormap, ImageFormat, TextLogLevel};
use rerun::{
    Arrows3D, AsComponents, Boxes2D, Boxes3D, ChannelDatatype, Color, ColorModel, CoordinateFrame,
    EncodedImage, GridMap, LineStrips3D, Pinhole, Points3D, Quaternion, RecordingStream,
    RecordingStreamResult, Scalars, SeriesLines, StateChange, StateConfiguration, TextDocument,
    TextLog, Transform3D, TransformAxes3D, Vec3D,
};
use wire::Detections;

use crate::event::{Camera, Map, Severity, Transform, What};

const GREEN: u32 = 0x009E_73FF;
const VERMILION: u32 = 0xD55E_00FF;
const ORANGE: u32 = 0xE69F_00FF;
const BLUE: u32 = 0x0072_B2FF;
const PURPLE: u32 = 0xAA1E_78FF;
const RED: u32 = 0xE61E_3CFF;
const GRAY: u32 = 0x8080_80FF;

/// Goals that stay on the map; older ones go.
const MAX_GOALS: usize = 200;
/// The trail gets a point each so many m, and is this many points long.
const TRAIL_STEP: f32 = 0.05;
const MAX_TRAIL: usize = 2000;
/// The trail is logged as a whole: once for so many new points.
const TRAIL_BATCH: usize = 5;
/// What lies on the floor is lifted a little, so that the map does not hide it, m.
const ABOVE_MAP: f32 = 0.02;
/// Pictures whose boxes may still come, and boxes whose picture may.
const MAX_PENDING: usize = 64;

/// What has to be remembered to show the next event.
#[derive(Default)]
pub struct Scene {
    pictures: VecDeque<i64>,
    early_boxes: VecDeque<(i64, Boxes2D)>,
    goals: VecDeque<Goal>,
    trail: VecDeque<[f32; 3]>,
    trail_pending: usize,
    search: Option<(SearchState, String)>,
    emergency_stop: Option<(&'static str, String)>,
}

/// A goal on the map.
struct Goal {
    id: String,
    number: usize,
    at: [f32; 3],
    heading: f32,
    answer: Answer,
    outcome: &'static str,
}

impl Scene {
    /// Logs what holds for the whole recording.
    ///
    /// # Errors
    /// When the stream refuses.
    pub fn begin(&mut self, stream: &RecordingStream) -> RecordingStreamResult<()> {
        // What lies in the map is seen from the start, also before there is a map.
        stream.log_static("map", &CoordinateFrame::new("map"))?;
        // The body of a TurtleBot 3 Waffle.
        let body = Boxes3D::from_centers_and_half_sizes(
            [(-0.064, 0.0, 0.047)],
            [(0.1325, 0.1325, 0.0445)],
        );
        let body = body
            .with_colors([BLUE])
            .with_fill_mode(rerun::FillMode::Solid);
        fixed(stream, "robot/body", "base_link", &body)?;
        fixed(
            stream,
            "robot/axes",
            "base_footprint",
            &TransformAxes3D::new(0.25),
        )?;
        for (path, name, color) in [
            ("velocity/linear/ungated", "before the gate, m/s", ORANGE),
            ("velocity/linear/gated", "behind the gate, m/s", BLUE),
            ("velocity/angular/ungated", "before the gate, rad/s", ORANGE),
            ("velocity/angular/gated", "behind the gate, rad/s", BLUE),
            (
                "latency/camera_to_detection",
                "camera to detection, ms",
                GREEN,
            ),
            ("latency/detector", "in the detector, ms", PURPLE),
            ("latency/detection_to_tree", "detection to tree, ms", BLUE),
            ("latency/velocity_gate", "velocity gate, ms", ORANGE),
        ] {
            stream.log_static(
                path,
                &SeriesLines::new().with_names([name]).with_colors([color]),
            )?;
        }
        let states = StateConfiguration::new()
            .with_values(["FREE", "HOLDING", "LATCHED"])
            .with_colors([GREEN, ORANGE, RED]);
        stream.log_static("e_stop", &states)
    }

    /// Logs an event at the time that is set on the stream.
    ///
    /// # Errors
    /// When the stream refuses.
    pub fn show(
        &mut self,
        stream: &RecordingStream,
        stamp: i64,
        what: &What,
    ) -> RecordingStreamResult<()> {
        match what {
            What::Picture(jpeg) => self.show_picture(stream, stamp, jpeg),
            What::Camera(camera) => show_camera(stream, camera),
            What::Boxes(detections) => self.show_boxes(stream, stamp, detections),
            What::Transform(transform) => show_transform(stream, transform),
            What::Scan { frame, points } => {
                let cloud = Points3D::new(points.iter().copied())
                    .with_colors([RED])
                    .with_radii([0.02]);
                placed(stream, "lidar", frame, &cloud)
            }
            What::Map(map) => show_map(stream, map),
            What::Plan { frame, points } => {
                let strip =
                    LineStrips3D::new([points.iter().map(|[x, y, z]| [*x, *y, z + ABOVE_MAP])]);
                placed(
                    stream,
                    "plan",
                    frame,
                    &strip.with_colors([GREEN]).with_radii([0.015]),
                )
            }
            What::Estimate([x, y]) => self.show_trail(stream, [*x, *y, ABOVE_MAP]),
            What::Verdict(verdict) => self.show_verdict(stream, verdict),
            What::GoalState(goal, state) => self.show_outcome(stream, goal, *state),
            What::Search(search) => self.show_search(stream, search),
            What::Transition { node, from, to } => {
                let color = match to.as_str() {
                    "SUCCESS" => GREEN,
                    "RUNNING" => ORANGE,
                    "FAILURE" => RED,
                    _ => GRAY,
                };
                let line = TextLog::new(format!("{node}: {from} → {to}"));
                stream.log("tree/transitions", &line.with_color(Color::from_u32(color)))
            }
            What::Velocity {
                gated,
                linear,
                angular,
            } => {
                let side = if *gated { "gated" } else { "ungated" };
                stream.log(format!("velocity/linear/{side}"), &Scalars::single(*linear))?;
                stream.log(
                    format!("velocity/angular/{side}"),
                    &Scalars::single(*angular),
                )
            }
            What::EmergencyStop { state, cause } => self.show_emergency_stop(stream, state, cause),
            What::Latency(name, ms) => stream.log(format!("latency/{name}"), &Scalars::single(*ms)),
            What::Log(severity, text) => log_line(stream, *severity, text),
        }
    }

    fn show_picture(
        &mut self,
        stream: &RecordingStream,
        stamp: i64,
        jpeg: &[u8],
    ) -> RecordingStreamResult<()> {
        let image = EncodedImage::new(jpeg.to_vec()).with_media_type("image/jpeg");
        stream.log("camera/image", &image)?;
        if let Some(i) = self.early_boxes.iter().position(|(s, _)| *s == stamp)
            && let Some((_, boxes)) = self.early_boxes.remove(i)
        {
            return stream.log("camera/image/boxes", &boxes);
        }
        push_bounded(&mut self.pictures, stamp);
        Ok(())
    }

    /// Boxes are shown with the picture that they belong to; those of a picture that is not shown would be seen on
    /// another one.
    fn show_boxes(
        &mut self,
        stream: &RecordingStream,
        stamp: i64,
        detections: &Detections,
    ) -> RecordingStreamResult<()> {
        let found = &detections.detections;
        let corners = found.iter().map(|d| [d.bbox[0], d.bbox[1]]);
        let sizes = found
            .iter()
            .map(|d| [d.bbox[2] - d.bbox[0], d.bbox[3] - d.bbox[1]]);
        let labels = found
            .iter()
            .map(|d| format!("{} {:.2}", d.class, d.confidence));
        let boxes = Boxes2D::from_mins_and_sizes(corners, sizes)
            .with_labels(labels)
            .with_colors([PURPLE]);
        match self.pictures.iter().position(|s| *s == stamp) {
            Some(i) => {
                self.pictures.remove(i);
                stream.log("camera/image/boxes", &boxes)
            }
            None => {
                push_bounded(&mut self.early_boxes, (stamp, boxes));
                Ok(())
            }
        }
    }

    fn show_trail(&mut self, stream: &RecordingStream, at: [f32; 3]) -> RecordingStreamResult<()> {
        let step = self
            .trail
            .back()
            .map(|last| (last[0] - at[0]).hypot(last[1] - at[1]));
        if step.is_some_and(|step| step.is_nan() || step < TRAIL_STEP) {
            return Ok(());
        }
        self.trail.push_back(at);
        if self.trail.len() > MAX_TRAIL {
            self.trail.pop_front();
        }
        self.trail_pending += 1;
        if self.trail_pending < TRAIL_BATCH {
            return Ok(());
        }
        self.trail_pending = 0;
        let strip = LineStrips3D::new([self.trail.iter().copied()])
            .with_colors([BLUE])
            .with_radii([0.01]);
        placed(stream, "trail", "map", &strip)
    }

    fn show_verdict(
        &mut self,
        stream: &RecordingStream,
        verdict: &Verdict,
    ) -> RecordingStreamResult<()> {
        let (severity, word) = match verdict.verdict {
            Answer::Go => (Severity::Info, "go"),
            Answer::NoGo => (Severity::Warning, "no-go"),
            Answer::Unsure => (Severity::Warning, "unsure"),
        };
        let number = self.goals.back().map_or(1, |goal| goal.number + 1);
        let text = format!(
            "goal {number}: {word} by the {} evaluator: {}",
            verdict.evaluator, verdict.reason
        );
        log_line(stream, severity, &text)?;
        let [Some(x), Some(y), heading] = verdict.goal else {
            return Ok(());
        };
        self.goals.push_back(Goal {
            id: verdict.goal_id.clone(),
            number,
            at: [x as f32, y as f32, ABOVE_MAP],
            heading: heading.unwrap_or_default() as f32,
            answer: verdict.verdict,
            outcome: "",
        });
        if self.goals.len() > MAX_GOALS {
            self.goals.pop_front();
        }
        self.show_goals(stream)
    }

    fn show_outcome(
        &mut self,
        stream: &RecordingStream,
        goal: &GoalId,
        state: i8,
    ) -> RecordingStreamResult<()> {
        let outcome = match state {
            4 => "succeeded",
            5 => "canceled",
            6 => "aborted",
            _ => return Ok(()),
        };
        let id = hex(goal);
        let known = self
            .goals
            .iter_mut()
            .find(|goal| goal.id == id && goal.outcome != outcome);
        let Some(goal) = known else {
            return Ok(());
        };
        goal.outcome = outcome;
        if goal.answer == Answer::Go {
            log_line(
                stream,
                Severity::Info,
                &format!("goal {}: {outcome}", goal.number),
            )?;
        }
        self.show_goals(stream)
    }

    fn show_goals(&self, stream: &RecordingStream) -> RecordingStreamResult<()> {
        let places = self.goals.iter().map(|goal| goal.at);
        let colors: Vec<u32> = self
            .goals
            .iter()
            .map(|goal| color_of(goal.answer))
            .collect();
        let labels = self.goals.iter().map(Goal::label);
        let points = Points3D::new(places.clone())
            .with_colors(colors.iter().copied())
            .with_radii([0.06])
            .with_labels(labels);
        placed(stream, "goals", "map", &points)?;
        let headings = self
            .goals
            .iter()
            .map(|goal| [0.3 * goal.heading.cos(), 0.3 * goal.heading.sin(), 0.0]);
        let arrows = Arrows3D::from_vectors(headings)
            .with_origins(places)
            .with_colors(colors)
            .with_radii([0.015]);
        placed(stream, "goals/headings", "map", &arrows)
    }

    fn show_search(
        &mut self,
        stream: &RecordingStream,
        search: &Search,
    ) -> RecordingStreamResult<()> {
        if let Some(sighting) = search.sighting {
            let [x, y] = sighting.at.map(|v| v as f32);
            let label = format!("{} {:.2}", search.class, sighting.confidence);
            let point = Points3D::new([[x, y, 0.1]])
                .with_colors([PURPLE])
                .with_radii([0.1])
                .with_labels([label]);
            placed(stream, "object", "map", &point)?;
        }
        let now = (search.state, search.leaf.clone());
        if self.search.as_ref() == Some(&now) {
            return Ok(());
        }
        let (severity, state) = match search.state {
            SearchState::Running => (Severity::Info, "running"),
            SearchState::Succeeded => (Severity::Info, "succeeded"),
            SearchState::Failed => (Severity::Error, "failed"),
        };
        stream.log("tree/state", &StateChange::single(state))?;
        stream.log("tree/leaf", &StateChange::single(search.leaf.as_str()))?;
        let document = format!(
            "# Search for {}\n\n**{state}**, in `{}`\n\n{}",
            search.class, search.leaf, search.reason
        );
        stream.log("tree/status", &TextDocument::from_markdown(document))?;
        self.search = Some(now);
        let line = format!("tree {state}: {} {}", search.leaf, search.reason);
        log_line(stream, severity, line.trim_end())
    }

    fn show_emergency_stop(
        &mut self,
        stream: &RecordingStream,
        state: &'static str,
        cause: &str,
    ) -> RecordingStreamResult<()> {
        let now = (state, cause.to_owned());
        if self.emergency_stop.as_ref() == Some(&now) {
            return Ok(());
        }
        self.emergency_stop = Some(now);
        stream.log("e_stop", &StateChange::single(state))?;
        let severity = if state == "LATCHED" {
            Severity::Error
        } else {
            Severity::Info
        };
        log_line(stream, severity, &format!("e-stop {state}: {cause}"))
    }
}

impl Goal {
    fn label(&self) -> String {
        let word = match self.answer {
            Answer::Go => self.outcome,
            Answer::NoGo => "no-go",
            Answer::Unsure => "unsure",
        };
        format!("{} {word}", self.number).trim_end().to_owned()
    }
}

fn push_bounded<T>(pending: &mut VecDeque<T>, item: T) {
    pending.push_back(item);
    if pending.len() > MAX_PENDING {
        pending.pop_front();
    }
}

fn color_of(answer: Answer) -> u32 {
    match answer {
        Answer::Go => GREEN,
        Answer::NoGo => VERMILION,
        Answer::Unsure => ORANGE,
    }
}

fn show_transform(stream: &RecordingStream, transform: &Transform) -> RecordingStreamResult<()> {
    let entity = format!("tf/{}", transform.child.trim_start_matches('/'));
    let value = Transform3D::from_translation_rotation(
        Vec3D(transform.translation),
        Quaternion::from_xyzw(transform.rotation),
    );
    let value = value
        .with_parent_frame(transform.parent.trim_start_matches('/'))
        .with_child_frame(transform.child.trim_start_matches('/'));
    if transform.fixed {
        stream.log_static(entity, &value)
    } else {
        stream.log(entity, &value)
    }
}

/// The camera hangs on its optical frame; what it sees lies in a frame of its own, the image plane.
fn show_camera(stream: &RecordingStream, camera: &Camera) -> RecordingStreamResult<()> {
    let frame = camera.frame.trim_start_matches('/');
    let image_plane = format!("{frame}_image_plane");
    let [fx, _, cx, _, fy, cy, ..] = camera.k;
    let pinhole = Pinhole::new([[fx, 0.0, 0.0], [0.0, fy, 0.0], [cx, cy, 1.0]])
        .with_resolution(camera.resolution)
        .with_image_plane_distance(0.3)
        .with_parent_frame(frame)
        .with_child_frame(image_plane.as_str());
    stream.log_static("camera", &pinhole)?;
    for entity in ["camera/image", "camera/image/boxes"] {
        stream.log_static(entity, &CoordinateFrame::new(image_plane.as_str()))?;
    }
    Ok(())
}

fn show_map(stream: &RecordingStream, map: &Map) -> RecordingStreamResult<()> {
    let format = ImageFormat::from_color_model(map.size, ColorModel::L, ChannelDatatype::U8);
    let grid = GridMap::new(map.cells.clone(), format, map.resolution)
        .with_translation(map.translation)
        .with_quaternion(Quaternion::from_xyzw(map.rotation))
        .with_colormap(Colormap::RvizMap);
    placed(stream, "map", &map.frame, &grid)
}

fn log_line(stream: &RecordingStream, severity: Severity, text: &str) -> RecordingStreamResult<()> {
    let (level, color) = match severity {
        Severity::Info => (TextLogLevel::INFO, GRAY),
        Severity::Warning => (TextLogLevel::WARN, ORANGE),
        Severity::Error => (TextLogLevel::ERROR, RED),
    };
    stream.log(
        "log",
        &TextLog::new(text)
            .with_level(level)
            .with_color(Color::from_u32(color)),
    )
}

/// Logs what lies in `frame`.
fn placed(
    stream: &RecordingStream,
    entity: &str,
    frame: &str,
    what: &dyn AsComponents,
) -> RecordingStreamResult<()> {
    stream.log(
        entity,
        &[
            &CoordinateFrame::new(frame.trim_start_matches('/')) as &dyn AsComponents,
            what,
        ],
    )
}

/// As [`placed`], for the whole recording.
fn fixed(
    stream: &RecordingStream,
    entity: &str,
    frame: &str,
    what: &dyn AsComponents,
) -> RecordingStreamResult<()> {
    stream.log_static(
        entity,
        &[
            &CoordinateFrame::new(frame.trim_start_matches('/')) as &dyn AsComponents,
            what,
        ],
    )
}
