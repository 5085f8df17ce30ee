//! A world compiled for drawing: triangles in the world frame, lit once, grouped by what is skipped together.

use std::sync::Arc;

use nalgebra::{Isometry3, Point3, Vector3};

use super::floor_light;
use crate::mesh::Mesh;
use crate::texture::Texture;
use crate::world::{Light, Material, Shape, World};

/// A world ready to be drawn.
pub struct Scene {
    pub(super) vertices: Vec<Corner>,
    pub(super) triangles: Vec<[u32; 3]>,
    pub(super) groups: Vec<Group>,
    pub(super) surfaces: Vec<Surface>,
    pub(super) background: [f32; 3],
    models: usize,
}

/// A lit corner.
pub(super) struct Corner {
    pub position: Vector3<f64>,
    pub uv: [f32; 2],
    pub brightness: f32,
}

/// The triangles of one visual.
pub(super) struct Group {
    pub center: Vector3<f64>,
    pub radius: f64,
    pub vertices: std::ops::Range<usize>,
    pub triangles: std::ops::Range<usize>,
    pub surface: u32,
    pub model: u32,
}

/// What a group's triangles look like.
pub(super) struct Surface {
    pub texture: Option<Arc<Texture>>,
    pub color: [f32; 3],
}

impl Scene {
    /// Compiles a world.
    pub fn new(world: &World) -> Self {
        let mut scene = Self {
            vertices: Vec::new(),
            triangles: Vec::new(),
            groups: Vec::new(),
            surfaces: Vec::new(),
            background: world.light.background,
            models: world.models.len(),
        };
        let lighting = Lighting::new(&world.light);
        for (index, model) in world.models.iter().enumerate() {
            for visual in &model.visuals {
                let place = model.pose.isometry() * visual.pose.isometry();
                let baked = match visual.shape {
                    Shape::Plane(size) => floor_light::bake(world, &place, size, &visual.material),
                    _ => None,
                };
                let material = baked.as_ref().unwrap_or(&visual.material);
                scene.add(
                    index,
                    &place,
                    &Mesh::of_shape(&visual.shape),
                    material,
                    &lighting,
                );
            }
        }
        scene
    }

    /// How many models the world has.
    pub fn model_count(&self) -> usize {
        self.models
    }

    /// A box around all of a model's corners as projected by a camera at `eye`, unbounded by the picture: left, upper, right, lower
    /// in pixels. `None` where a part is behind the camera.
    pub fn projected_box(
        &self,
        model: usize,
        camera: &super::Camera,
        eye: &Isometry3<f64>,
    ) -> Option<[f64; 4]> {
        let to_camera = eye.inverse();
        let mut corners = [
            f64::INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
        ];
        for group in self.groups.iter().filter(|g| g.model as usize == model) {
            for vertex in &self.vertices[group.vertices.clone()] {
                let p = to_camera * Point3::from(vertex.position);
                if p.z < 0.05 {
                    return None;
                }
                let (x, y) = (
                    p.x / p.z * camera.focal + camera.center[0],
                    p.y / p.z * camera.focal + camera.center[1],
                );
                corners = [
                    corners[0].min(x),
                    corners[1].min(y),
                    corners[2].max(x),
                    corners[3].max(y),
                ];
            }
        }
        Some(corners)
    }

    fn add(
        &mut self,
        model: usize,
        place: &Isometry3<f64>,
        mesh: &Mesh,
        material: &Material,
        lighting: &Lighting,
    ) {
        let (first_vertex, first_triangle) = (self.vertices.len(), self.triangles.len());
        for vertex in &mesh.vertices {
            let normal = place * Vector3::from(vertex.normal.map(f64::from));
            self.vertices.push(Corner {
                position: (place * Point3::from(vertex.position.map(f64::from))).coords,
                uv: vertex.uv,
                brightness: lighting.brightness(&normal),
            });
        }
        self.triangles.extend(
            mesh.triangles
                .iter()
                .map(|t| t.map(|i| i + first_vertex as u32)),
        );
        let corners = &self.vertices[first_vertex..];
        let center =
            corners.iter().map(|c| c.position).sum::<Vector3<f64>>() / corners.len().max(1) as f64;
        let radius = corners
            .iter()
            .map(|c| (c.position - center).norm())
            .fold(0.0, f64::max);
        self.groups.push(Group {
            center,
            radius,
            vertices: first_vertex..self.vertices.len(),
            triangles: first_triangle..self.triangles.len(),
            surface: self.surfaces.len() as u32,
            model: model as u32,
        });
        let mut color = material.diffuse;
        for (channel, tint) in color.iter_mut().zip(lighting.tint) {
            *channel *= tint;
        }
        self.surfaces.push(Surface {
            texture: material.texture.clone(),
            color,
        });
    }
}

/// The world's light, as one brightness for each direction and one tint for all.
struct Lighting {
    to_sun: Vector3<f64>,
    sun: f32,
    ambient: f32,
    tint: [f32; 3],
}

impl Lighting {
    fn new(light: &Light) -> Self {
        let mean = |c: [f32; 3]| (c[0] + c[1] + c[2]) / 3.0;
        let (sun, ambient) = (mean(light.diffuse), mean(light.ambient));
        let total = (sun + ambient).max(f32::MIN_POSITIVE);
        let direction = -Vector3::from(light.direction);
        Self {
            to_sun: direction.try_normalize(1e-9).unwrap_or_else(Vector3::z),
            sun,
            ambient,
            tint: std::array::from_fn(|i| (light.diffuse[i] + light.ambient[i]) / total),
        }
    }

    /// Half of the sun's light wraps around, so that sides in the shade keep their form.
    fn brightness(&self, normal: &Vector3<f64>) -> f32 {
        let cosine = normal.dot(&self.to_sun) as f32;
        let direct = 0.6 * cosine.max(0.0) + 0.4 * (0.5 + 0.5 * cosine);
        self.ambient + self.sun * direct
    }
}
