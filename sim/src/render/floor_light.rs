//! What the sun and the things that stand on it do to the ground's brightness, baked into its texture.

use std::sync::Arc;

use nalgebra::{Isometry3, Point3, Vector3};

use crate::obstacles::{Outline, seen_from_above};
use crate::texture::Texture;
use crate::world::{Material, World};

/// Samples of brightness along each side of the ground.
const SAMPLES: usize = 512;
/// A ground with samples farther apart than this stays plainly lit: its shadows would be blocks. m
const COARSEST: f64 = 0.06;
/// How much of the light a shadow takes.
const SHADOW: f32 = 0.38;
/// How dark the ground is where something stands on it, and within what distance (m) that ends.
const CONTACT: f32 = 0.35;
const CONTACT_REACH: f64 = 0.14;

/// The ground's material with shadows in it; `None` for a ground too large, or not level.
pub fn bake(
    world: &World,
    place: &Isometry3<f64>,
    size: [f64; 2],
    material: &Material,
) -> Option<Material> {
    let level = (place * Vector3::z()).z > 0.999;
    if !level || size[0].max(size[1]) / SAMPLES as f64 > COARSEST {
        return None;
    }
    let brightness = brightness(world, place, size);
    let plain = [[255u8; 3]];
    let (width, height, pixels) = match &material.texture {
        Some(texture) => (texture.width(), texture.height(), texture.rgb()),
        None => (1, 1, plain.to_vec()),
    };
    let (out_width, out_height) = (width.max(SAMPLES), height.max(SAMPLES));
    let mut baked = Vec::with_capacity(out_width * out_height);
    for y in 0..out_height {
        for x in 0..out_width {
            let [r, g, b] = pixels[y * height / out_height * width + x * width / out_width];
            let light = brightness[y * SAMPLES / out_height * SAMPLES + x * SAMPLES / out_width];
            baked.push([r, g, b].map(|c| (f32::from(c) * light) as u8));
        }
    }
    Some(Material {
        diffuse: material.diffuse,
        texture: Some(Arc::new(Texture::new("", out_width, out_height, &baked))),
    })
}

fn brightness(world: &World, place: &Isometry3<f64>, size: [f64; 2]) -> Vec<f32> {
    let mut shadow = vec![0.0f32; SAMPLES * SAMPLES];
    let mut contact = vec![0.0f32; SAMPLES * SAMPLES];
    let to_local = place.inverse();
    let light = Vector3::from(world.light.direction);
    let toward_sun = [-light.x, -light.y];
    let horizontal = toward_sun[0].hypot(toward_sun[1]);
    // How far a thing's shadow reaches for each metre of its height; a low sun is taken a little higher.
    let stretch = (horizontal / (-light.z).max(0.1)).min(2.0);
    let sun_direction = if horizontal > 1e-9 {
        toward_sun.map(|c| c / horizontal)
    } else {
        [1.0, 0.0]
    };
    let solids = world
        .models
        .iter()
        .flat_map(|model| model.collisions.iter().map(move |c| (model, c)));
    for (model, collision) in solids {
        let Some((outline, _, top)) = seen_from_above(model, collision, 0.0, 0.5) else {
            continue;
        };
        let length = stretch * (top - place.translation.z).max(0.0);
        let [low, high] = outline.bounds();
        let reach = [-sun_direction[0] * length, -sun_direction[1] * length];
        let low = [
            low[0] + reach[0].min(0.0) - CONTACT_REACH,
            low[1] + reach[1].min(0.0) - CONTACT_REACH,
        ];
        let high = [
            high[0] + reach[0].max(0.0) + CONTACT_REACH,
            high[1] + reach[1].max(0.0) + CONTACT_REACH,
        ];
        for_samples(&to_local, place, size, low, high, |index, point| {
            shadow[index] = shadow[index].max(shade(&outline, point, sun_direction, length));
            let near = 1.0 - outline.point_distance(point) / CONTACT_REACH;
            if near > 0.0 {
                contact[index] = contact[index].max(near as f32);
            }
        });
    }
    let shadow = blurred(&shadow);
    shadow
        .iter()
        .zip(&contact)
        .map(|(s, c)| (1.0 - SHADOW * s) * (1.0 - CONTACT * c * c))
        .collect()
}

/// Calls `at` with each sample of the ground within the world's rectangle from `low` to `high`.
fn for_samples(
    to_local: &Isometry3<f64>,
    place: &Isometry3<f64>,
    size: [f64; 2],
    low: [f64; 2],
    high: [f64; 2],
    mut at: impl FnMut(usize, [f64; 2]),
) {
    let corners = [
        [low[0], low[1]],
        [low[0], high[1]],
        [high[0], low[1]],
        [high[0], high[1]],
    ];
    let local = corners.map(|[x, y]| to_local * Point3::new(x, y, place.translation.z));
    let column =
        |x: f64| ((x / size[0] + 0.5) * SAMPLES as f64).clamp(0.0, SAMPLES as f64) as usize;
    let row = |y: f64| ((0.5 - y / size[1]) * SAMPLES as f64).clamp(0.0, SAMPLES as f64) as usize;
    let fold = |values: [f64; 4]| {
        values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| {
                (low.min(v), high.max(v))
            })
    };
    let (left, right) = fold(local.map(|p| p.x));
    let (bottom, top) = fold(local.map(|p| p.y));
    for y in row(top)..row(bottom).max(row(top)) {
        for x in column(left)..column(right) {
            let sample = Point3::new(
                ((x as f64 + 0.5) / SAMPLES as f64 - 0.5) * size[0],
                (0.5 - (y as f64 + 0.5) / SAMPLES as f64) * size[1],
                0.0,
            );
            let point = place * sample;
            at(y * SAMPLES + x, [point.x, point.y]);
        }
    }
}

/// 1 in the shadow, 0 outside.
fn shade(outline: &Outline, point: [f64; 2], sun_direction: [f64; 2], length: f64) -> f32 {
    let inside = outline.point_distance(point) <= 0.0;
    let hit = outline
        .ray(point, sun_direction)
        .is_some_and(|distance| distance <= length);
    if inside || hit { 1.0 } else { 0.0 }
}

/// The mean of each sample with its neighbours, for soft edges.
fn blurred(values: &[f32]) -> Vec<f32> {
    let pass = |values: &[f32], step: usize| -> Vec<f32> {
        (0..values.len())
            .map(|i| {
                let before = values[i.saturating_sub(step)];
                let after = values[(i + step).min(values.len() - 1)];
                (before + 2.0 * values[i] + after) / 4.0
            })
            .collect()
    };
    pass(&pass(values, 1), SAMPLES)
}
