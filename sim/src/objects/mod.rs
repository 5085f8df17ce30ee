//! Objects of each class: no two of a class are alike in size, colour and pattern.

mod furniture;
mod living;
mod vessels;

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::classes::CLASSES;
use crate::mesh::Mesh;
use crate::pose::Pose;
use crate::surfaces::{self, Color};
use crate::texture::Texture;
use crate::world::{Collision, Material, Model, Shape, Solid, Visual};

/// An object of a class (a number below the number of [`CLASSES`]), named `<class>_<number>`, standing at `pose`.
pub fn object(class: usize, number: usize, pose: Pose, rng: &mut ChaCha8Rng) -> Model {
    let mut builder = Builder::new(format!("{}_{number}", CLASSES[class]), rng);
    match CLASSES[class] {
        "ball" => vessels::ball(&mut builder),
        "bottle" => vessels::bottle(&mut builder),
        "box" => furniture::carton(&mut builder),
        "chair" => furniture::chair(&mut builder),
        "cone" => vessels::cone(&mut builder),
        "cup" => vessels::cup(&mut builder),
        "lamp" => furniture::lamp(&mut builder),
        "person" => living::person(&mut builder),
        "plant" => living::plant(&mut builder),
        _ => furniture::suitcase(&mut builder),
    }
    builder.finish(pose)
}

/// Something that is of no class: a pillar, a step or a picture stand.
pub fn clutter(number: usize, pose: Pose, rng: &mut ChaCha8Rng) -> Model {
    let mut builder = Builder::new(format!("clutter_{number}"), rng);
    furniture::clutter(&mut builder);
    builder.finish(pose)
}

/// The radius of a circle about the model's origin that holds all its solids, m.
pub fn reach(model: &Model) -> f64 {
    let extent = |collision: &Collision| {
        let [x, y, _] = collision.pose.xyz;
        let size = match collision.solid {
            Solid::Box([x, y, _]) => x.hypot(y) / 2.0,
            Solid::Cylinder { radius, .. } | Solid::Sphere(radius) => radius,
            Solid::Plane => 0.0,
        };
        x.hypot(y) + size
    };
    model.collisions.iter().map(extent).fold(0.0, f64::max)
}

/// Puts a model together, part by part.
struct Builder<'a> {
    model: Model,
    rng: &'a mut ChaCha8Rng,
}

impl<'a> Builder<'a> {
    fn new(name: String, rng: &'a mut ChaCha8Rng) -> Self {
        let model = Model {
            name,
            pose: Pose::default(),
            visuals: Vec::new(),
            collisions: Vec::new(),
        };
        Self { model, rng }
    }

    fn finish(mut self, pose: Pose) -> Model {
        self.model.pose = pose;
        self.model
    }

    /// A number between two.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.rng.random_range(low..high)
    }

    /// Adds a seen part.
    fn part(&mut self, name: &str, pose: Pose, shape: Shape, material: Material) {
        self.model.visuals.push(Visual {
            name: name.to_owned(),
            pose,
            shape,
            material,
        });
    }

    /// Adds a seen part of free form.
    fn mesh(&mut self, name: &str, pose: Pose, mut mesh: Mesh, material: Material) {
        mesh.name = format!("meshes/{}_{name}.obj", self.model.name);
        self.part(name, pose, Shape::Mesh(Arc::new(mesh)), material);
    }

    /// Adds a solid part.
    fn solid(&mut self, pose: Pose, solid: Solid) {
        let name = format!("solid_{}", self.model.collisions.len());
        self.model.collisions.push(Collision { name, pose, solid });
    }

    /// Adds a box that is seen and solid.
    fn block(&mut self, name: &str, pose: Pose, size: [f64; 3], material: Material) {
        self.part(name, pose, Shape::Box(size), material);
        self.solid(pose, Solid::Box(size));
    }

    /// Adds a cylinder that is seen and solid.
    fn rod(&mut self, name: &str, pose: Pose, radius: f64, length: f64, material: Material) {
        self.part(name, pose, Shape::Cylinder { radius, length }, material);
        self.solid(pose, Solid::Cylinder { radius, length });
    }

    /// A picture for a part, painted by a function of the place in it.
    fn painted(
        &mut self,
        name: &str,
        width: usize,
        height: usize,
        at: impl FnMut(f64, f64) -> Color,
    ) -> Material {
        let file = format!("textures/{}_{name}.png", self.model.name);
        Material::textured(Arc::new(surfaces::paint(file, width, height, at)))
    }

    /// A picture that is already a texture.
    fn material(texture: Texture) -> Material {
        Material::textured(Arc::new(texture))
    }
}

/// A plain colour as a material.
fn plain(color: Color) -> Material {
    Material::color(surfaces::diffuse(color))
}
