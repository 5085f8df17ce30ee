//! Triangle meshes: what every shape becomes before it is drawn, and what objects of free form are made of.

use nalgebra::{Isometry3, Point3, Vector3};

use crate::world::Shape;

/// Triangles with normals and texture coordinates, counter-clockwise seen from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// The file name below the world's folder, such as `meshes/cone_1.obj`; empty for what is no file.
    pub name: String,
    /// The corners.
    pub vertices: Vec<Vertex>,
    /// Three indices of corners each.
    pub triangles: Vec<[u32; 3]>,
}

/// A corner of a mesh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vertex {
    /// m
    pub position: [f32; 3],
    /// Unit vector out of the surface.
    pub normal: [f32; 3],
    /// Place in the texture; `(0, 0)` is its upper left corner.
    pub uv: [f32; 2],
}

/// Straight pieces that a full circle is drawn with.
const CIRCLE_PIECES: usize = 28;

impl Mesh {
    /// The triangles of a shape.
    pub fn of_shape(shape: &Shape) -> Self {
        match shape {
            Shape::Box(size) => Self::cuboid(*size),
            Shape::Cylinder { radius, length } => Self::cylinder(*radius, *length),
            Shape::Sphere(radius) => Self::sphere(*radius),
            Shape::Plane([x, y]) => Self::plane(*x, *y),
            Shape::Mesh(mesh) => (**mesh).clone(),
        }
    }

    /// Adds a corner and returns its index.
    pub fn push(&mut self, position: [f64; 3], normal: [f64; 3], uv: [f64; 2]) -> u32 {
        let normal = Vector3::from(normal).normalize();
        self.vertices.push(Vertex {
            position: position.map(|v| v as f32),
            normal: [normal.x as f32, normal.y as f32, normal.z as f32],
            uv: uv.map(|v| v as f32),
        });
        self.vertices.len() as u32 - 1
    }

    /// Adds a flat face given counter-clockwise from its lower left corner, with the whole texture upright on it.
    pub fn quad(&mut self, corners: [[f64; 3]; 4]) {
        let [a, b, c, d] = corners.map(Point3::from);
        let normal = (b - a).cross(&(d - a));
        let normal = if normal.norm() > 0.0 {
            normal
        } else {
            (c - b).cross(&(d - b))
        };
        let uvs = [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]];
        let mut index = [0u32; 4];
        for i in 0..4 {
            index[i] = self.push(corners[i], [normal.x, normal.y, normal.z], uvs[i]);
        }
        self.triangles.push([index[0], index[1], index[2]]);
        self.triangles.push([index[0], index[2], index[3]]);
    }

    /// Adds another mesh, moved.
    pub fn append(&mut self, other: &Self, pose: &Isometry3<f64>) {
        let first = self.vertices.len() as u32;
        for vertex in &other.vertices {
            let position = pose * Point3::from(vertex.position.map(f64::from));
            let normal = pose * Vector3::from(vertex.normal.map(f64::from));
            self.vertices.push(Vertex {
                position: [position.x as f32, position.y as f32, position.z as f32],
                normal: [normal.x as f32, normal.y as f32, normal.z as f32],
                uv: vertex.uv,
            });
        }
        self.triangles
            .extend(other.triangles.iter().map(|t| t.map(|i| i + first)));
    }

    /// A box centred on the origin.
    pub fn cuboid(size: [f64; 3]) -> Self {
        let [x, y, z] = size.map(|s| s / 2.0);
        let mut mesh = Self::default();
        mesh.quad([[x, -y, -z], [x, y, -z], [x, y, z], [x, -y, z]]);
        mesh.quad([[-x, y, -z], [-x, -y, -z], [-x, -y, z], [-x, y, z]]);
        mesh.quad([[x, y, -z], [-x, y, -z], [-x, y, z], [x, y, z]]);
        mesh.quad([[-x, -y, -z], [x, -y, -z], [x, -y, z], [-x, -y, z]]);
        mesh.quad([[-x, -y, z], [x, -y, z], [x, y, z], [-x, y, z]]);
        mesh.quad([[-x, y, -z], [x, y, -z], [x, -y, -z], [-x, -y, -z]]);
        mesh
    }

    /// A rectangle on z = 0 that faces up.
    pub fn plane(x: f64, y: f64) -> Self {
        let (x, y) = (x / 2.0, y / 2.0);
        let mut mesh = Self::default();
        mesh.quad([[-x, -y, 0.0], [x, -y, 0.0], [x, y, 0.0], [-x, y, 0.0]]);
        mesh
    }

    /// A closed cylinder about the z axis, centred on the origin.
    pub fn cylinder(radius: f64, length: f64) -> Self {
        let half = length / 2.0;
        let mut mesh = Self::lathe(&[[radius, -half], [radius, half]], CIRCLE_PIECES);
        mesh.append(
            &Self::lathe(&[[0.0, -half], [radius, -half]], CIRCLE_PIECES),
            &Isometry3::identity(),
        );
        mesh.append(
            &Self::lathe(&[[radius, half], [0.0, half]], CIRCLE_PIECES),
            &Isometry3::identity(),
        );
        mesh
    }

    /// A sphere centred on the origin.
    pub fn sphere(radius: f64) -> Self {
        let rings = CIRCLE_PIECES / 2;
        let profile: Vec<[f64; 2]> = (0..=rings)
            .map(|i| {
                let angle = std::f64::consts::PI * i as f64 / rings as f64;
                [radius * angle.sin(), -radius * angle.cos()]
            })
            .collect();
        Self::lathe(&profile, CIRCLE_PIECES)
    }

    /// The surface that a profile of `[radius, z]` points, bottom to top, makes when it turns about the z axis. Corners are smooth;
    /// for a sharp one, append two surfaces. The texture goes once around, its lower edge on the first point, seen from outside upright.
    pub fn lathe(profile: &[[f64; 2]], pieces: usize) -> Self {
        let mut mesh = Self::default();
        if profile.len() < 2 {
            return mesh;
        }
        let mut lengths = vec![0.0];
        for pair in profile.windows(2) {
            let step = (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
            lengths.push(lengths[lengths.len() - 1] + step);
        }
        let total = lengths[lengths.len() - 1].max(f64::MIN_POSITIVE);
        let columns = pieces + 1;
        for (i, &[radius, z]) in profile.iter().enumerate() {
            let before = profile[i.saturating_sub(1)];
            let after = profile[(i + 1).min(profile.len() - 1)];
            let (out, up) = (after[1] - before[1], before[0] - after[0]);
            for column in 0..columns {
                let turn = column as f64 / pieces as f64;
                let (sin, cos) = (std::f64::consts::TAU * turn).sin_cos();
                mesh.push(
                    [radius * cos, radius * sin, z],
                    [out * cos, out * sin, up],
                    [turn, 1.0 - lengths[i] / total],
                );
            }
        }
        for row in 0..profile.len() - 1 {
            for column in 0..pieces {
                let a = (row * columns + column) as u32;
                let (b, c, d) = (a + 1, a + 1 + columns as u32, a + columns as u32);
                if profile[row][0] > 0.0 {
                    mesh.triangles.push([a, b, c]);
                }
                if profile[row + 1][0] > 0.0 {
                    mesh.triangles.push([a, c, d]);
                }
            }
        }
        mesh
    }

    /// The same surface seen from both sides.
    pub fn two_sided(mut self) -> Self {
        let first = self.vertices.len() as u32;
        let back: Vec<Vertex> = self
            .vertices
            .iter()
            .map(|v| Vertex {
                normal: v.normal.map(|n| -n),
                ..*v
            })
            .collect();
        self.vertices.extend(back);
        let triangles: Vec<[u32; 3]> = self
            .triangles
            .iter()
            .map(|&[a, b, c]| [a + first, c + first, b + first])
            .collect();
        self.triangles.extend(triangles);
        self
    }
}
