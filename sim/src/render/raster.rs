//! Which triangle is seen at each pixel, and how near it is.
//!
//! A triangle's edges are planes through the eye, so that a corner behind the camera needs no clipping; 1/depth and all else that
//! varies over the triangle, divided by depth, is linear in the picture.

use nalgebra::{Isometry3, Vector3};

use super::{NOTHING, Renderer, Scene};

/// What is linear over a triangle in the picture: value at `(x, y)` is `p[0] * x + p[1] * y + p[2]`.
type Plane = [f64; 3];

/// What shading needs to know of a triangle.
pub(super) struct Planes {
    /// 1 / depth
    pub nearness: Plane,
    /// u / depth
    pub u: Plane,
    /// v / depth
    pub v: Plane,
    /// brightness / depth
    pub brightness: Plane,
    pub surface: u32,
    pub model: u32,
}

impl Renderer {
    pub(super) fn draw_models(
        &mut self,
        scene: &Scene,
        eye: &Isometry3<f64>,
        wanted: impl Fn(usize) -> bool,
    ) {
        self.nearness.fill(0.0);
        self.seen.fill(NOTHING);
        self.planes.clear();
        let to_camera = eye.inverse();

        // Near things first, so that what they hide is neither kept nor shaded.
        self.order.clear();
        for (index, group) in scene.groups.iter().enumerate() {
            let center = to_camera.rotation * group.center + to_camera.translation.vector;
            if wanted(group.model as usize) && self.in_view(&center, group.radius) {
                self.order
                    .push(((center.norm() - group.radius) as f32, index as u32));
            }
        }
        self.order
            .sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));

        let rotation = to_camera.rotation.to_rotation_matrix();
        let (focal, [cx, cy]) = (self.camera.focal, self.camera.center);
        for i in 0..self.order.len() {
            let group = &scene.groups[self.order[i].1 as usize];
            self.in_camera.clear();
            self.in_camera
                .extend(scene.vertices[group.vertices.clone()].iter().map(|corner| {
                    let p = rotation * corner.position + to_camera.translation.vector;
                    // Scaled so that x / z and y / z are pixels.
                    Vector3::new(focal * p.x + cx * p.z, focal * p.y + cy * p.z, p.z)
                }));
            for triangle in &scene.triangles[group.triangles.clone()] {
                let points = triangle.map(|v| self.in_camera[v as usize - group.vertices.start]);
                self.draw_triangle(scene, triangle, points, group.surface, group.model);
            }
        }
    }

    /// Whether a ball in the camera's frame may show.
    fn in_view(&self, center: &Vector3<f64>, radius: f64) -> bool {
        let (focal, [cx, cy]) = (self.camera.focal, self.camera.center);
        let (right, below) = (
            self.camera.width as f64 - cx,
            self.camera.height as f64 - cy,
        );
        // Distance inside each side of the pyramid of sight.
        let inside =
            |slope: f64, offset: f64| (slope * center.z - focal * offset) / slope.hypot(focal);
        center.z > -radius
            && inside(cx, -center.x) > -radius
            && inside(right, center.x) > -radius
            && inside(cy, -center.y) > -radius
            && inside(below, center.y) > -radius
    }

    fn draw_triangle(
        &mut self,
        scene: &Scene,
        indices: &[u32; 3],
        p: [Vector3<f64>; 3],
        surface: u32,
        model: u32,
    ) {
        const NEAR: f64 = 1e-3;
        if p.iter().all(|v| v.z < NEAR) {
            return;
        }
        let edges = [p[2].cross(&p[1]), p[0].cross(&p[2]), p[1].cross(&p[0])];
        let volume = p[0].dot(&edges[0]);
        // Negative for a triangle seen from behind, which is not drawn.
        if volume <= 1e-12 {
            return;
        }
        let (width, height) = (self.camera.width as f64, self.camera.height as f64);
        let (mut top, mut bottom) = (0.0, height);
        if p.iter().all(|v| v.z > NEAR) {
            let rows = p.map(|v| v.y / v.z);
            let columns = p.map(|v| v.x / v.z);
            top = rows.iter().fold(f64::INFINITY, |a, &b| a.min(b)).max(0.0);
            bottom = rows
                .iter()
                .fold(f64::NEG_INFINITY, |a, &b| a.max(b))
                .min(height);
            if top >= bottom
                || columns.iter().all(|&c| c < 0.0)
                || columns.iter().all(|&c| c > width)
            {
                return;
            }
        }
        let combine = |values: [f64; 3]| -> Plane {
            let sum = (edges[0] * values[0] + edges[1] * values[1] + edges[2] * values[2]) / volume;
            [sum.x, sum.y, sum.z]
        };
        let corners = indices.map(|i| &scene.vertices[i as usize]);
        let nearness = combine([1.0; 3]);
        let id = self.planes.len() as u32;
        let mut drawn = false;
        for row in
            (top - 0.5).ceil().max(0.0) as usize..((bottom + 0.5).ceil().min(height)) as usize
        {
            let y = row as f64 + 0.5;
            let (mut first, mut end) = (0.0f64, width);
            for edge in &edges {
                let at_zero = edge.y * y + edge.z;
                if edge.x > 0.0 {
                    first = first.max((-at_zero / edge.x - 0.5).ceil());
                } else if edge.x < 0.0 {
                    end = end.min((-at_zero / edge.x - 0.5).ceil());
                } else if at_zero < 0.0 {
                    end = 0.0;
                }
            }
            if first >= end {
                continue;
            }
            let (first, end) = (first as usize, end as usize);
            let start = (nearness[0] * (first as f64 + 0.5) + nearness[1] * y + nearness[2]) as f32;
            let line = row * self.camera.width;
            let near = &mut self.nearness[line + first..line + end];
            let seen = &mut self.seen[line + first..line + end];
            drawn |= fill_span(near, seen, start, nearness[0] as f32, id);
        }
        if drawn {
            self.planes.push(Planes {
                nearness,
                u: combine(corners.map(|c| f64::from(c.uv[0]))),
                v: combine(corners.map(|c| f64::from(c.uv[1]))),
                brightness: combine(corners.map(|c| f64::from(c.brightness))),
                surface,
                model,
            });
        }
    }
}

/// Marks the pixels where the triangle is nearer than what was there; says whether there was one.
#[inline]
fn fill_span(near: &mut [f32], seen: &mut [u32], start: f32, slope: f32, id: u32) -> bool {
    let mut count = 0u32;
    for (i, (near, seen)) in near.iter_mut().zip(seen).enumerate() {
        let value = start + slope * i as u32 as i32 as f32;
        let nearer = value > *near;
        *near = if nearer { value } else { *near };
        *seen = if nearer { id } else { *seen };
        count += u32::from(nearer);
    }
    count > 0
}
