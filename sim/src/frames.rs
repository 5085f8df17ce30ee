//! Labelled pictures for training a detector: random mazes full of objects, seen from random places.

use nalgebra::{Isometry3, Translation3, UnitQuaternion};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::classes::CLASSES;
use crate::decor;
use crate::maze::{Maze, MazeOptions};
use crate::noise::{self, Grain, Purpose};
use crate::objects;
use crate::obstacles::Obstacles;
use crate::pose::Pose;
use crate::render::{Camera, PixelBox, Renderer, Scene};
use crate::robot;
use crate::surfaces::Families;
use crate::world::World;

/// Pictures taken in one maze before the next is made.
const FRAMES_PER_WORLD: u64 = 10;
/// What shows in fewer pixels (of a 640x480 picture) is not labelled.
const MIN_PIXELS: usize = 50;
/// What shows in a smaller part of what it would without other things before it is not labelled.
const MIN_VISIBLE: f64 = 0.12;
/// What shows in a box smaller than this part of its whole box is not labelled.
const MIN_BOX: f64 = 0.08;

/// A labelled picture.
pub struct Frame {
    /// rgb8, row by row from the top.
    pub rgb: Vec<u8>,
    /// What is seen in it.
    pub labels: Vec<Label>,
}

/// One object in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// The class's number.
    pub class: usize,
    /// The box around what is seen of the object.
    pub seen: PixelBox,
    /// What other things leave to be seen of it within the picture, in 0 to 1.
    pub visible: f64,
}

impl Label {
    /// The label's line in YOLO's format: class, then the box's middle and size as parts of the picture.
    pub fn yolo_line(&self, camera: &Camera) -> String {
        let [left, upper, right, lower] = self.seen.corners.map(|c| c as f64);
        let (width, height) = (camera.width as f64, camera.height as f64);
        format!(
            "{} {:.6} {:.6} {:.6} {:.6}",
            self.class,
            (left + right) / 2.0 / width,
            (upper + lower) / 2.0 / height,
            (right - left) / width,
            (lower - upper) / height,
        )
    }
}

/// Makes pictures one after the other; a seed always makes the same.
pub struct FrameMaker {
    seed: u64,
    families: Families,
    count: u64,
    renderer: Renderer,
    stage: Option<Stage>,
}

/// A world to take pictures in.
struct Stage {
    world: World,
    scene: Scene,
    obstacles: Obstacles,
    size: [f64; 2],
}

impl FrameMaker {
    /// A maker of pictures of the camera's size. `first` is the number of the first one; where it is no multiple of 10, the pictures
    /// up to the next one are of a maze of their own.
    pub fn new(seed: u64, families: Families, camera: Camera, first: u64) -> Self {
        Self {
            seed,
            families,
            count: first,
            renderer: Renderer::new(camera),
            stage: None,
        }
    }

    /// The camera.
    pub fn camera(&self) -> Camera {
        self.renderer.camera()
    }

    /// The next picture.
    pub fn next_frame(&mut self) -> Frame {
        let mut rng = noise::generator(self.seed, Purpose::Frames, self.count);
        if self.count.is_multiple_of(FRAMES_PER_WORLD) {
            self.stage = None;
        }
        self.count += 1;
        let families = self.families;
        let stage = self
            .stage
            .get_or_insert_with(|| Stage::new(families, &mut rng));
        let eye = stage.random_eye(&mut rng);
        self.renderer.draw(&stage.scene, &eye);
        let mut rgb = Vec::new();
        self.renderer.colors(&stage.scene, &mut rgb);
        develop(&mut rgb, &mut rng);
        let labels = labels(&mut self.renderer, &stage.world, &stage.scene, &eye);
        Frame { rgb, labels }
    }
}

/// The objects that show well enough in what `renderer` has drawn of `scene` from `eye`. Draws over it.
pub fn labels(
    renderer: &mut Renderer,
    world: &World,
    scene: &Scene,
    eye: &Isometry3<f64>,
) -> Vec<Label> {
    let camera = renderer.camera();
    let scale =
        (camera.width * camera.height) as f64 / (robot::CAMERA_WIDTH * robot::CAMERA_HEIGHT) as f64;
    let min_pixels = (MIN_PIXELS as f64 * scale) as usize;
    let mut labels = Vec::new();
    for (model, seen) in renderer.visible(scene).into_iter().enumerate() {
        let (Some(class), Some(seen)) = (world.models[model].class(), seen) else {
            continue;
        };
        if seen.pixels < min_pixels.max(1) {
            continue;
        }
        renderer.draw_alone(scene, eye, model);
        let alone = renderer.visible(scene)[model].map_or(seen.pixels, |b| b.pixels);
        let visible = seen.pixels as f64 / alone.max(1) as f64;
        let [left, upper, right, lower] = seen.corners.map(|c| c as f64);
        let part = match scene.projected_box(model, &camera, eye) {
            Some([a, b, c, d]) => (right - left) * (lower - upper) / ((c - a) * (d - b)).max(1.0),
            None => 1.0,
        };
        if visible >= MIN_VISIBLE && part >= MIN_BOX {
            labels.push(Label {
                class,
                seen,
                visible,
            });
        }
    }
    labels
}

impl Stage {
    fn new(families: Families, rng: &mut ChaCha8Rng) -> Self {
        let options = MazeOptions {
            columns: rng.random_range(3..6),
            rows: rng.random_range(3..6),
            pitch: rng.random_range(1.2..1.9),
            wall_thickness: rng.random_range(0.05..0.15),
            wall_height: rng.random_range(0.7..1.3),
            openness: rng.random_range(0.1..0.8),
        };
        let maze = Maze::generate(options, rng);
        let mut world = decor::decorate(&maze, "frames", families, 512, rng);
        let size = maze.size();
        for i in 0..rng.random_range(0..4usize) {
            let clutter = objects::clutter(i, Pose::default(), rng);
            place(&mut world, clutter, size, rng);
        }
        for number in 0..rng.random_range(8..18usize) {
            let class = rng.random_range(0..CLASSES.len());
            let object = objects::object(class, number, Pose::default(), rng);
            place(&mut world, object, size, rng);
        }
        let scene = Scene::new(&world);
        let obstacles = Obstacles::in_band(&world, robot::BODY_BAND[0], robot::BODY_BAND[1]);
        Self {
            world,
            scene,
            obstacles,
            size,
        }
    }

    /// A camera pose, most often with an object before it.
    fn random_eye(&self, rng: &mut ChaCha8Rng) -> Isometry3<f64> {
        let objects: Vec<[f64; 2]> = self
            .world
            .models
            .iter()
            .filter(|m| m.class().is_some())
            .map(|m| [m.pose.xyz[0], m.pose.xyz[1]])
            .collect();
        let aimed = !objects.is_empty() && rng.random_bool(0.88);
        let mut found = ([self.size[0] / 2.0, self.size[1] / 2.0], 0.0);
        for _ in 0..200 {
            let (spot, yaw) = if aimed {
                let target = objects[rng.random_range(0..objects.len())];
                // More often near than far.
                let distance = 0.45 + 4.0 * rng.random::<f64>().powf(1.4);
                let around = rng.random_range(0.0..std::f64::consts::TAU);
                let spot = [
                    target[0] - distance * around.cos(),
                    target[1] - distance * around.sin(),
                ];
                (spot, around + rng.random_range(-0.45..0.45))
            } else {
                let spot = self.size.map(|s| rng.random_range(0.2..s - 0.2));
                (spot, rng.random_range(0.0..std::f64::consts::TAU))
            };
            let within = (0..2).all(|i| spot[i] > 0.15 && spot[i] < self.size[i] - 0.15);
            if !within || self.obstacles.point_distance(spot) < 0.12 {
                continue;
            }
            found = (spot, yaw);
            let ahead = self.obstacles.ray(spot, yaw, 10.0).unwrap_or(10.0);
            if ahead > 0.4 || rng.random_bool(0.1) {
                break;
            }
        }
        let ([x, y], yaw) = found;
        let robot_height = robot::BASE_LINK.xyz[2] + robot::CAMERA_LINK.xyz[2];
        let height = if rng.random_bool(0.5) {
            robot_height
        } else {
            rng.random_range(0.08..0.26)
        };
        let (roll, pitch) = (0.01 * noise::normal(rng), 0.025 * noise::normal(rng));
        let link = Isometry3::from_parts(
            Translation3::new(x, y, height),
            UnitQuaternion::from_euler_angles(roll, pitch, yaw),
        );
        link * robot::CAMERA_OPTICAL.isometry()
    }
}

/// Puts a model at a free place, beside a wall more often than in the middle of the way; leaves it out where none is found.
fn place(world: &mut World, mut model: crate::world::Model, size: [f64; 2], rng: &mut ChaCha8Rng) {
    let reach = objects::reach(&model);
    let taken = Obstacles::in_band(world, 0.0, 2.0);
    for _ in 0..30 {
        let [x, y] = size.map(|s| rng.random_range(0.1..s - 0.1));
        let room = taken.point_distance([x, y]) - reach;
        if room > 0.02 && (room < 0.25 || rng.random_bool(0.25)) {
            model.pose = Pose::planar(
                x,
                y,
                rng.random_range(-std::f64::consts::PI..std::f64::consts::PI),
            );
            world.models.push(model);
            return;
        }
    }
}

/// What a camera's exposure and sensor do to a picture.
fn develop(rgb: &mut [u8], rng: &mut ChaCha8Rng) {
    let gain = rng.random_range(0.7..1.25);
    let gamma = rng.random_range(0.85..1.2);
    let curve: Vec<u8> = (0..256)
        .map(|v| (255.0 * (f64::from(v) / 255.0 * gain).min(1.0).powf(gamma)) as u8)
        .collect();
    for value in rgb.iter_mut() {
        *value = curve[usize::from(*value)];
    }
    Grain::new(rng.random_range(0.0..5.0), rng).add(rgb, rng);
}
