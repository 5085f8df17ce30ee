//! What a world is made of. Both simulators see the same: this one, and Gazebo through the SDF file that a world is written to.

use std::sync::Arc;

use crate::classes::class_of_model;
use crate::mesh::Mesh;
use crate::pose::{Pose, Pose2};
use crate::texture::Texture;

/// A world: models that stand still, a light, and where the robot starts.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The world's name.
    pub name: String,
    /// Where the robot starts, in the world frame.
    pub robot_start: Pose2,
    /// The sun and the sky.
    pub light: Light,
    /// Everything that stands in the world, the ground included.
    pub models: Vec<Model>,
}

/// A sun, and light from all around. Colours are red, green, blue in 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    /// Where the sun's rays go.
    pub direction: [f64; 3],
    /// The sun's colour.
    pub diffuse: [f32; 3],
    /// What comes from all around.
    pub ambient: [f32; 3],
    /// What is seen where nothing stands.
    pub background: [f32; 3],
}

impl Default for Light {
    fn default() -> Self {
        Self {
            direction: [-0.5, 0.1, -0.9],
            diffuse: [0.6; 3],
            ambient: [0.5; 3],
            background: [0.75, 0.8, 0.87],
        }
    }
}

/// A rigid thing that does not move.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Unique in the world. A name such as `chair_2` makes it an object of that class.
    pub name: String,
    /// In the world frame.
    pub pose: Pose,
    /// What is seen of it.
    pub visuals: Vec<Visual>,
    /// What the robot and the lidar touch.
    pub collisions: Vec<Collision>,
}

impl Model {
    /// The number of the object class that this model is one of.
    pub fn class(&self) -> Option<usize> {
        class_of_model(&self.name)
    }
}

/// One seen shape of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Visual {
    /// Unique among the model's visuals.
    pub name: String,
    /// In the model's frame.
    pub pose: Pose,
    /// Its form.
    pub shape: Shape,
    /// Its surface.
    pub material: Material,
}

/// The form of a visual, centred on its pose.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Sizes along x, y, z in m. A texture covers each face once, upright on the four sides.
    Box([f64; 3]),
    /// A texture goes once around the side.
    Cylinder {
        /// m
        radius: f64,
        /// Along z, m.
        length: f64,
    },
    /// Radius in m. A texture goes once around.
    Sphere(f64),
    /// A rectangle that faces up (+z), with sizes along x and y in m.
    Plane([f64; 2]),
    /// Triangles.
    Mesh(Arc<Mesh>),
}

/// A surface.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// Red, green, blue in 0 to 1; multiplies the texture.
    pub diffuse: [f32; 3],
    /// A picture on the surface.
    pub texture: Option<Arc<Texture>>,
}

impl Material {
    /// A plain colour.
    pub const fn color(diffuse: [f32; 3]) -> Self {
        Self {
            diffuse,
            texture: None,
        }
    }

    /// A picture as it is.
    pub const fn textured(texture: Arc<Texture>) -> Self {
        Self {
            diffuse: [1.0; 3],
            texture: Some(texture),
        }
    }
}

/// One solid shape of a model, upright.
#[derive(Debug, Clone, PartialEq)]
pub struct Collision {
    /// Unique among the model's collisions.
    pub name: String,
    /// In the model's frame; only yaw may turn it.
    pub pose: Pose,
    /// Its form.
    pub solid: Solid,
}

/// The form of a collision, centred on its pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Solid {
    /// Sizes along x, y, z in m.
    Box([f64; 3]),
    /// An upright cylinder.
    Cylinder {
        /// m
        radius: f64,
        /// Along z, m.
        length: f64,
    },
    /// Radius in m.
    Sphere(f64),
    /// The ground, which nothing in the plane can hit.
    Plane,
}
