//! A maze turned into a world: surfaces, floor and light.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::maze::Maze;
use crate::pose::{Pose, Pose2};
use crate::surfaces::{self, Families, diffuse, hsv, random_color, scaled};
use crate::world::{Collision, Light, Material, Model, Shape, Solid, Visual, World};

/// Ground beyond the outer walls, m.
const MARGIN: f64 = 1.0;

/// A world with the maze's walls, a floor and a light, and nothing else; `floor_pixels` is the width of the floor's picture.
pub fn decorate(
    maze: &Maze,
    name: &str,
    families: Families,
    floor_pixels: usize,
    rng: &mut ChaCha8Rng,
) -> World {
    let [length, _, height] = maze.panel_size();
    let skins: Vec<Material> = (0..rng.random_range(1..4u8))
        .map(|i| {
            let file = format!("textures/wall_{i}.png");
            Material::textured(Arc::new(surfaces::wall(
                rng,
                file,
                families,
                [length, height],
            )))
        })
        .collect();
    let post = Material::color(diffuse(random_color(rng, 0.3)));
    let walls = maze.model(&skins, &post, rng);
    World {
        name: name.to_owned(),
        robot_start: Pose2::default(),
        light: light(rng),
        models: vec![ground(maze, families, floor_pixels, rng), walls],
    }
}

fn ground(maze: &Maze, families: Families, pixels: usize, rng: &mut ChaCha8Rng) -> Model {
    let size = maze.size().map(|s| s + 2.0 * MARGIN);
    let texture = surfaces::floor(rng, "textures/floor.png".to_owned(), families, size, pixels);
    let visual = Visual {
        name: "floor".to_owned(),
        pose: Pose::default(),
        shape: Shape::Plane(size),
        material: Material::textured(Arc::new(texture)),
    };
    let collision = Collision {
        name: "floor_solid".to_owned(),
        pose: Pose::default(),
        solid: Solid::Plane,
    };
    let [x, y] = maze.size();
    let pose = Pose::at(x / 2.0, y / 2.0, 0.0);
    Model {
        name: "ground".to_owned(),
        pose,
        visuals: vec![visual],
        collisions: vec![collision],
    }
}

fn light(rng: &mut ChaCha8Rng) -> Light {
    let heading = rng.random_range(0.0..std::f64::consts::TAU);
    let slant = rng.random_range(0.3..1.2);
    // From a warm to a cool lamp.
    let warm = rng.random_range(-1.0..1.0);
    let tint = [1.0 + 0.08 * warm, 1.0, 1.0 - 0.08 * warm];
    let (sun, ambient) = (rng.random_range(0.3..0.65), rng.random_range(0.35..0.6));
    let sky = scaled(
        hsv(
            rng.random_range(0.5..0.65),
            rng.random_range(0.0..0.25),
            1.0,
        ),
        rng.random_range(0.5..0.95),
    );
    Light {
        direction: [slant * heading.cos(), slant * heading.sin(), -1.0],
        diffuse: tint.map(|t| (t * sun) as f32),
        ambient: tint.map(|t| (t * ambient) as f32),
        background: diffuse(sky),
    }
}
