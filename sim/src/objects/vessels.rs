//! Round things: balls, bottles, cones and cups.

use nalgebra::Vector3;
use rand::RngExt;

use super::{Builder, plain};
use crate::mesh::Mesh;
use crate::pose::Pose;
use crate::surfaces::{Noise, even, hsv, mix, random_color, scaled};
use crate::world::{Shape, Solid};

const PIECES: usize = 28;

pub fn ball(b: &mut Builder) {
    let radius = b.between(0.09, 0.17);
    let (first, second) = (random_color(b.rng, 1.0), random_color(b.rng, 0.8));
    let noise = Noise::new(b.rng);
    let segments = f64::from(b.rng.random_range(2..5u8) * 2);
    let hue: f64 = b.rng.random();
    let kind = b.rng.random_range(0..5u8);
    let material = b.painted("skin", 128, 64, |u, v| match kind {
        // A beach ball of many colours, one of two, one with seams, one with patches, one of one colour.
        0 if !(0.06..0.94).contains(&v) => [0.95; 3],
        0 => hsv(hue + (u * segments).floor() / segments, 0.8, 0.9),
        1 => {
            if even(u, segments) {
                first
            } else {
                [0.93; 3]
            }
        }
        2 => {
            let seam =
                (u * 4.0).fract().min(1.0 - (u * 4.0).fract()) < 0.05 || (v - 0.5).abs() < 0.02;
            if seam { scaled(first, 0.2) } else { first }
        }
        3 => {
            let row = (v * 5.0).floor();
            let (du, dv) = (
                (u * 6.0 + 0.5 * (row % 2.0)).fract() - 0.5,
                (v * 5.0).fract() - 0.5,
            );
            if du.hypot(dv) < 0.3 {
                scaled(second, 0.3)
            } else {
                mix([0.92; 3], first, 0.1)
            }
        }
        _ => scaled(first, 0.9 + 0.2 * noise.rough(u * 6.0, v * 6.0)),
    });
    let tilt = Pose {
        xyz: [0.0, 0.0, radius],
        rpy: [
            b.between(-1.0, 1.0),
            b.between(-1.0, 1.0),
            b.between(-3.0, 3.0),
        ],
    };
    b.part("skin", tilt, Shape::Sphere(radius), material);
    b.solid(Pose::at(0.0, 0.0, radius), Solid::Sphere(radius));
}

pub fn bottle(b: &mut Builder) {
    let height = b.between(0.30, 0.46);
    let radius = height * b.between(0.13, 0.17);
    let neck = radius * b.between(0.28, 0.4);
    let shoulder = b.between(0.55, 0.68);
    let glass = match b.rng.random_range(0..4u8) {
        0 => hsv(b.between(0.25, 0.42), 0.7, b.between(0.25, 0.6)),
        1 => hsv(b.between(0.05, 0.1), 0.75, b.between(0.25, 0.5)),
        2 => hsv(
            b.between(0.5, 0.65),
            b.between(0.2, 0.6),
            b.between(0.6, 0.9),
        ),
        _ => random_color(b.rng, 0.7),
    };
    let label = random_color(b.rng, 0.6);
    let (cap, ink) = (random_color(b.rng, 1.0), random_color(b.rng, 1.0));
    let (low, high) = (b.between(0.5, 0.6), b.between(0.75, 0.88));
    let profile: Vec<[f64; 2]> = [
        [0.0, 0.0],
        [0.85, 0.0],
        [1.0, 0.03],
        [1.0, shoulder],
        [0.9, shoulder + 0.06],
        [0.6, shoulder + 0.13],
    ]
    .iter()
    .map(|&[r, z]| [r * radius, z * height])
    .chain([[neck, (shoulder + 0.19) * height], [neck, 0.92 * height]])
    .collect();
    let skin = b.painted("glass", 64, 64, |u, v| {
        // v runs along the profile from the neck (0) to the bottom (1); a light streak runs down the side.
        let streak = (1.0 - ((u * 2.0).fract() - 0.3).abs() * 9.0).clamp(0.0, 1.0) * 0.35;
        let clear = mix(glass, [1.0; 3], streak);
        if (low..high).contains(&v) {
            let text = (v * 40.0 / 3.0).fract() < 0.33 && (u * 23.0 / 4.0).fract() > 0.25;
            if text { ink } else { label }
        } else {
            clear
        }
    });
    b.mesh(
        "glass",
        Pose::default(),
        Mesh::lathe(&profile, PIECES),
        skin,
    );
    let top = Pose::at(0.0, 0.0, 0.95 * height);
    b.part(
        "cap",
        top,
        Shape::Cylinder {
            radius: neck * 1.2,
            length: height * 0.08,
        },
        plain(cap),
    );
    b.solid(
        Pose::at(0.0, 0.0, height / 2.0),
        Solid::Cylinder {
            radius,
            length: height,
        },
    );
}

pub fn cone(b: &mut Builder) {
    let height = b.between(0.38, 0.62);
    let radius = height * b.between(0.25, 0.32);
    let body = match b.rng.random_range(0..6u8) {
        0 => hsv(b.between(0.12, 0.17), 0.9, 0.95),
        1 => random_color(b.rng, 1.0),
        2 => hsv(b.between(0.97, 1.02), 0.9, 0.85),
        _ => hsv(
            b.between(0.03, 0.08),
            b.between(0.8, 0.98),
            b.between(0.8, 1.0),
        ),
    };
    let stripe = if b.rng.random_bool(0.8) {
        [b.between(0.8, 0.98); 3]
    } else {
        random_color(b.rng, 0.5)
    };
    let bands = b.rng.random_range(1..4u8);
    let width = b.between(0.09, 0.16);
    let noise = Noise::new(b.rng);
    let skin = b.painted("skin", 32, 128, |u, v| {
        let banded = (0..bands).any(|i| (v - 0.25 - 0.24 * f64::from(i)).abs() < width / 2.0);
        let dirt = 0.9 + 0.15 * noise.rough(u * 5.0, v * 9.0);
        scaled(if banded { stripe } else { body }, dirt)
    });
    let plate = height * 0.05;
    let tip = radius * b.between(0.14, 0.22);
    b.mesh(
        "skin",
        Pose::default(),
        Mesh::lathe(&[[radius, plate], [tip, height]], PIECES),
        skin,
    );
    b.mesh(
        "tip",
        Pose::default(),
        Mesh::lathe(&[[tip, height], [0.0, height]], PIECES),
        plain(scaled(body, 0.5)),
    );
    let side = radius * b.between(2.2, 2.5);
    let foot = if b.rng.random_bool(0.5) {
        scaled(body, 0.9)
    } else {
        [0.12; 3]
    };
    b.block(
        "plate",
        Pose::at(0.0, 0.0, plate / 2.0),
        [side, side, plate],
        plain(foot),
    );
    // Upright steps, so that the lidar meets about the radius that is seen.
    for i in 0..4 {
        let (low, tall) = (f64::from(i) / 4.0, height / 4.0);
        let middle = radius + (tip - radius) * (low + 0.125);
        b.solid(
            Pose::at(0.0, 0.0, low * height + tall / 2.0),
            Solid::Cylinder {
                radius: middle,
                length: tall,
            },
        );
    }
}

pub fn cup(b: &mut Builder) {
    let height = b.between(0.16, 0.25);
    let top = height * b.between(0.40, 0.5);
    let foot = top * b.between(0.72, 1.0);
    let (color, mark) = (random_color(b.rng, 0.9), random_color(b.rng, 0.8));
    let kind = b.rng.random_range(0..5u8);
    let (low, high) = (b.between(0.2, 0.4), b.between(0.55, 0.8));
    let skin = b.painted("skin", 64, 32, |u, v| match kind {
        0 => color,
        1 => {
            if (low..high).contains(&v) {
                mark
            } else {
                color
            }
        }
        2 => {
            if even(u, 12.0) {
                mark
            } else {
                [0.94; 3]
            }
        }
        3 => {
            let (du, dv) = ((u * 8.0).fract() - 0.5, (v * 3.0).fract() - 0.5);
            if du.hypot(dv) < 0.28 { mark } else { color }
        }
        _ => {
            if v < low {
                mark
            } else {
                [0.92; 3]
            }
        }
    });
    let outside = [[foot * 0.9, 0.0], [foot, 0.01], [top, height - 0.004]];
    b.mesh("skin", Pose::default(), Mesh::lathe(&outside, PIECES), skin);
    let wall = top * 0.1;
    let inner = scaled(mix(color, [0.9; 3], 0.5), 0.8);
    let rim = [
        [top, height - 0.004],
        [top - wall * 0.5, height],
        [top - wall, height - 0.004],
    ];
    b.mesh(
        "rim",
        Pose::default(),
        Mesh::lathe(&rim, PIECES),
        plain(mix(color, [1.0; 3], 0.3)),
    );
    let inside = [
        [top - wall, height - 0.004],
        [foot - wall, height * 0.35],
        [0.0, height * 0.35],
    ];
    b.mesh(
        "inside",
        Pose::default(),
        Mesh::lathe(&inside, PIECES),
        plain(inner),
    );
    let handle_color = if b.rng.random_bool(0.7) { color } else { mark };
    let hold = handle(height * b.between(0.24, 0.3), height * 0.06);
    let place = Pose::at((foot + top) / 2.0 * 0.97, 0.0, height * 0.52);
    b.mesh("handle", place, hold, plain(handle_color));
    b.solid(
        Pose::at(0.0, 0.0, height / 2.0),
        Solid::Cylinder {
            radius: top,
            length: height,
        },
    );
}

/// Half of a ring in the xz plane that bulges to +x.
fn handle(radius: f64, thickness: f64) -> Mesh {
    const ALONG: usize = 12;
    const AROUND: usize = 8;
    let mut mesh = Mesh::default();
    for i in 0..=ALONG {
        let bend = std::f64::consts::PI * (i as f64 / ALONG as f64 - 0.5);
        let out = Vector3::new(bend.cos(), 0.0, bend.sin());
        for j in 0..=AROUND {
            let turn = std::f64::consts::TAU * j as f64 / AROUND as f64;
            let normal = out * turn.cos() + Vector3::y() * turn.sin();
            let p = out * radius + normal * thickness;
            mesh.push(
                [p.x, p.y, p.z],
                [normal.x, normal.y, normal.z],
                [i as f64 / ALONG as f64, j as f64 / AROUND as f64],
            );
        }
    }
    let row = AROUND as u32 + 1;
    for i in 0..ALONG as u32 {
        for j in 0..AROUND as u32 {
            let a = i * row + j;
            mesh.triangles.push([a, a + 1, a + row + 1]);
            mesh.triangles.push([a, a + row + 1, a + row]);
        }
    }
    mesh
}
