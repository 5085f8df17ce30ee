//! Colours of what is seen.

use super::raster::Planes;
use super::scene::Surface;
use super::{NOTHING, Renderer, Scene};

/// Pixels that share one level of detail of a texture.
const RUN: usize = 8;

impl Renderer {
    pub(super) fn shade_row(&self, scene: &Scene, row: usize, line: &mut [u8]) {
        let seen = &self.seen[row * self.camera.width..][..self.camera.width];
        let mut x = 0;
        while x < seen.len() {
            let id = seen[x];
            let start = x;
            while x < seen.len() && seen[x] == id {
                x += 1;
            }
            let pixels = &mut line[start * 3..x * 3];
            if id == NOTHING {
                // A little brighter toward the horizon.
                let height = 1.0 - row as f32 / self.camera.height as f32;
                let color = scene
                    .background
                    .map(|c| ((c * (1.03 - 0.12 * height)).clamp(0.0, 1.0) * 255.0) as u8);
                pixels.as_chunks_mut::<3>().0.fill(color);
            } else {
                let planes = &self.planes[id as usize];
                shade_run(
                    planes,
                    &scene.surfaces[planes.surface as usize],
                    start,
                    row,
                    pixels,
                );
            }
        }
    }
}

/// Shades neighbouring pixels of one triangle.
fn shade_run(planes: &Planes, surface: &Surface, start: usize, row: usize, pixels: &mut [u8]) {
    let y = row as f64 + 0.5;
    let color = surface.color;
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for (chunk_index, chunk) in pixels.chunks_mut(RUN).enumerate() {
        let x = (start + chunk_index * RUN) as f64 + 0.5;
        let at = |plane: &[f64; 3]| (plane[0] * x + plane[1] * y + plane[2]) as f32;
        let (near, brightness) = (at(&planes.nearness), at(&planes.brightness));
        let (near_slope, brightness_slope) =
            (planes.nearness[0] as f32, planes.brightness[0] as f32);
        let Some(texture) = &surface.texture else {
            for (i, pixel) in chunk.iter_mut().enumerate() {
                let step = i as f32;
                let light =
                    255.0 * (brightness + brightness_slope * step) / (near + near_slope * step);
                *pixel = color.map(|c| (c * light) as u8);
            }
            continue;
        };
        let (u, v) = (at(&planes.u), at(&planes.v));
        let (u_slope, v_slope) = (planes.u[0] as f32, planes.v[0] as f32);
        let footprint = footprint(
            planes,
            u / near,
            v / near,
            near,
            [texture.width() as f32, texture.height() as f32],
        );
        let scale = color.map(|c| c * 256.0);
        for (i, pixel) in chunk.iter_mut().enumerate() {
            let step = i as f32;
            let depth = 1.0 / (near + near_slope * step);
            let light = (brightness + brightness_slope * step) * depth;
            let texel = texture.sample(
                (u + u_slope * step) * depth,
                (v + v_slope * step) * depth,
                footprint,
            );
            let channel = |shift: u32, scale: f32| {
                ((((texel >> shift) & 255) * (scale * light) as u32) >> 8).min(255) as u8
            };
            *pixel = [
                channel(0, scale[0]),
                channel(8, scale[1]),
                channel(16, scale[2]),
            ];
        }
    }
}

/// How many texels a pixel spans, as the mean of its two directions.
fn footprint(planes: &Planes, u: f32, v: f32, near: f32, size: [f32; 2]) -> f32 {
    let slope = |axis: usize| {
        let near_slope = planes.nearness[axis] as f32;
        let du = (planes.u[axis] as f32 - u * near_slope) / near * size[0];
        let dv = (planes.v[axis] as f32 - v * near_slope) / near * size[1];
        du * du + dv * dv
    };
    (slope(0) * slope(1)).sqrt().sqrt()
}
