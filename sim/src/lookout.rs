//! A place from which an object is seen well.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::frames;
use crate::grid::OccupancyGrid;
use crate::obstacles::Obstacles;
use crate::pose::{Pose2, normalize_angle};
use crate::render::{Camera, Renderer, Scene};
use crate::robot;
use crate::scenario::LOCATION_ROOM;
use crate::world::World;

/// Between robot and object, m.
const NEAREST: f64 = 1.1;
const FARTHEST: f64 = 2.6;
/// Places that are tried by taking a picture.
const PICTURES: usize = 8;
/// What must show of the object there: pixels, and the part that other things leave.
const MIN_PIXELS: usize = 900;
const MIN_VISIBLE: f64 = 0.8;

/// A reachable place with room from which the model (by its index) is seen nearly whole, turned toward it; `None` where there is none.
pub fn best_view(
    world: &World,
    model: usize,
    map: &OccupancyGrid,
    distances: &[f64],
    rng: &mut ChaCha8Rng,
) -> Option<Pose2> {
    let body = Obstacles::in_band(world, robot::BODY_BAND[0], robot::BODY_BAND[1]);
    let [x, y, _] = world.models[model].pose.xyz;
    let places: Vec<[f64; 2]> = (0..map.cells.len())
        .filter(|&cell| distances[cell].is_finite())
        .map(|cell| map.center(cell))
        .filter(|from| {
            let distance = (from[0] - x).hypot(from[1] - y);
            (NEAREST..FARTHEST).contains(&distance) && body.point_distance(*from) >= LOCATION_ROOM
        })
        .collect();
    if places.is_empty() {
        return None;
    }
    let scene = Scene::new(world);
    let mut renderer = Renderer::new(Camera::ROBOT);
    let mut best: Option<(f64, Pose2)> = None;
    for _ in 0..PICTURES {
        let from = places[rng.random_range(0..places.len())];
        let aim = (y - from[1]).atan2(x - from[0]) + rng.random_range(-0.12..0.12);
        let pose = Pose2::new(from[0], from[1], normalize_angle(aim));
        let eye = robot::camera_pose(pose);
        renderer.draw(&scene, &eye);
        let Some(seen) = renderer.visible(&scene)[model] else {
            continue;
        };
        let label = frames::labels(&mut renderer, world, &scene, &eye)
            .into_iter()
            .find(|label| label.seen == seen);
        let Some(label) = label else { continue };
        if seen.pixels >= MIN_PIXELS && label.visible >= MIN_VISIBLE {
            let projected = scene.projected_box(model, &Camera::ROBOT, &eye);
            let whole = projected.map_or(0.0, |[left, upper, right, lower]| {
                let [a, b, c, d] = seen.corners.map(|v| v as f64);
                (c - a) * (d - b) / ((right - left) * (lower - upper)).max(1.0)
            });
            let score = whole * label.visible;
            if best.is_none_or(|(before, _)| score > before) {
                best = Some((score, pose));
            }
        }
    }
    best.map(|(_, pose)| pose)
}
