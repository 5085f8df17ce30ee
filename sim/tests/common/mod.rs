//! Small worlds for tests.

// Each test program uses some of these.
#![allow(dead_code)]

use sim::world::{Collision, Material, Model, Shape, Solid, Visual, World};
use sim::{Pose, Pose2};

/// A box that is seen and solid.
pub fn block(name: &str, pose: Pose, size: [f64; 3], material: Material) -> Model {
    let visual = Visual {
        name: "visual".to_owned(),
        pose: Pose::default(),
        shape: Shape::Box(size),
        material,
    };
    let collision = Collision {
        name: "collision".to_owned(),
        pose: Pose::default(),
        solid: Solid::Box(size),
    };
    Model {
        name: name.to_owned(),
        pose,
        visuals: vec![visual],
        collisions: vec![collision],
    }
}

/// A square room about the origin with walls 1 m high; `half` is the distance from the middle to each wall.
pub fn room(half: f64) -> World {
    let wall = |i: usize, x: f64, y: f64, size: [f64; 3]| {
        block(
            &format!("wall_{i}"),
            Pose::at(x, y, 0.5),
            size,
            Material::color([0.6, 0.6, 0.6]),
        )
    };
    let length = 2.0 * half + 0.2;
    let floor = Model {
        name: "ground".to_owned(),
        pose: Pose::default(),
        visuals: vec![Visual {
            name: "floor".to_owned(),
            pose: Pose::default(),
            shape: Shape::Plane([length, length]),
            material: Material::color([0.4, 0.4, 0.4]),
        }],
        collisions: vec![],
    };
    World {
        name: "room".to_owned(),
        robot_start: Pose2::default(),
        light: Default::default(),
        models: vec![
            floor,
            wall(0, half + 0.05, 0.0, [0.1, length, 1.0]),
            wall(1, -half - 0.05, 0.0, [0.1, length, 1.0]),
            wall(2, 0.0, half + 0.05, [length, 0.1, 1.0]),
            wall(3, 0.0, -half - 0.05, [length, 0.1, 1.0]),
        ],
    }
}
