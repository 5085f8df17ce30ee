//! People (dolls of a child's size) and plants.

use std::f64::consts::TAU;

use nalgebra::{Isometry3, Translation3, UnitQuaternion};
use rand::RngExt;

use super::{Builder, plain};
use crate::mesh::Mesh;
use crate::pose::Pose;
use crate::surfaces::{Color, Noise, even, hsv, mix, random_color, scaled};
use crate::world::{Shape, Solid};

const PIECES: usize = 20;

pub fn person(b: &mut Builder) {
    let height = b.between(0.8, 1.1);
    let stout = b.between(0.9, 1.15);
    let skin = hsv(
        b.between(0.05, 0.09),
        b.between(0.3, 0.6),
        b.between(0.35, 0.95),
    );
    let hair = hsv(
        b.between(0.03, 0.12),
        b.between(0.2, 0.7),
        b.between(0.05, 0.7),
    );
    let (shirt, second) = (random_color(b.rng, 0.9), random_color(b.rng, 0.6));
    let trousers = if b.rng.random_bool(0.5) {
        hsv(0.62, 0.5, b.between(0.15, 0.6))
    } else {
        random_color(b.rng, 0.5)
    };
    let shoes = [b.between(0.05, 0.9); 3];
    let pattern = b.rng.random_range(0..4u8);
    let bands = b.between(6.0, 14.0);
    let cloth = b.painted("torso", 64, 64, |u, v| match pattern {
        0 => {
            if even(v, bands) {
                shirt
            } else {
                second
            }
        }
        1 => {
            if even(u, 16.0) == even(v, 12.0) {
                shirt
            } else {
                scaled(shirt, 0.7)
            }
        }
        2 if (0.35..0.6).contains(&v) => second,
        _ => shirt,
    });

    let at = |part: f64| part * height;
    let limb = |radius: f64, length: f64| {
        let r = radius * height * stout;
        let l = length * height;
        Mesh::lathe(
            &[
                [0.0, 0.0],
                [r * 0.8, r * 0.3],
                [r, r],
                [r * 0.9, l - r],
                [r * 0.7, l - r * 0.3],
                [0.0, l],
            ],
            PIECES,
        )
    };
    let stride = b.between(0.0, 0.25);
    for (side, name) in [(1.0, "left"), (-1.0, "right")] {
        let hip = Pose {
            xyz: [0.0, side * at(0.055), at(0.03)],
            rpy: [0.0; 3],
        };
        b.mesh(
            &format!("{name}_leg"),
            hip,
            limb(0.052, 0.46),
            plain(trousers),
        );
        let foot = Pose::at(at(0.02), side * at(0.055), at(0.02));
        b.part(
            &format!("{name}_shoe"),
            foot,
            Shape::Box([at(0.13), at(0.075), at(0.04)]),
            plain(shoes),
        );
        let swing = side * stride;
        let shoulder = Pose {
            xyz: [0.0, side * at(0.12 * stout), at(0.8)],
            rpy: [std::f64::consts::PI - side * 0.18, swing, 0.0],
        };
        let sleeve = if b.rng.random_bool(0.5) { shirt } else { skin };
        b.mesh(
            &format!("{name}_arm"),
            shoulder,
            limb(0.032, 0.36),
            plain(sleeve),
        );
        let leg = Pose::at(0.0, side * at(0.055), at(0.25));
        b.solid(
            leg,
            Solid::Cylinder {
                radius: at(0.055) * stout,
                length: at(0.5),
            },
        );
    }
    let torso: Vec<[f64; 2]> = [
        [0.0, 0.45],
        [0.085, 0.455],
        [0.1, 0.5],
        [0.09, 0.58],
        [0.105, 0.7],
        [0.11, 0.77],
        [0.08, 0.82],
        [0.035, 0.835],
    ]
    .map(|[r, z]| [at(r) * stout, at(z)])
    .to_vec();
    b.mesh("torso", Pose::default(), Mesh::lathe(&torso, PIECES), cloth);
    b.part(
        "neck",
        Pose::at(0.0, 0.0, at(0.845)),
        Shape::Cylinder {
            radius: at(0.03),
            length: at(0.05),
        },
        plain(skin),
    );
    let head = at(0.075);
    let face = b.painted("head", 64, 32, |u, v| {
        // The texture starts at the front (+x) and goes counter-clockwise; eyes beside it, a mouth below.
        let side = if u > 0.5 { 1.0 - u } else { u };
        let eye = (side - 0.06).hypot((v - 0.45) * 0.7) < 0.022;
        let mouth = side < 0.06 && (v - 0.66).abs() < 0.03;
        if eye {
            [0.1; 3]
        } else if mouth {
            [0.6, 0.25, 0.22]
        } else if v < 0.28 || (side > 0.24 && v < 0.6) {
            hair
        } else {
            skin
        }
    });
    b.part(
        "head",
        Pose::at(0.0, 0.0, height - head),
        Shape::Sphere(head),
        face,
    );
    let middle = Pose::at(0.0, 0.0, at(0.65));
    b.solid(
        middle,
        Solid::Cylinder {
            radius: at(0.12) * stout,
            length: at(0.4),
        },
    );
}

pub fn plant(b: &mut Builder) {
    let pot_height = b.between(0.14, 0.24);
    let pot_radius = pot_height * b.between(0.5, 0.7);
    let pot = match b.rng.random_range(0..3u8) {
        0 => hsv(
            b.between(0.03, 0.06),
            b.between(0.5, 0.7),
            b.between(0.5, 0.8),
        ),
        1 => [b.between(0.15, 0.95); 3],
        _ => random_color(b.rng, 0.8),
    };
    let noise = Noise::new(b.rng);
    let ringed = b.rng.random_bool(0.4);
    let clay = b.painted("pot", 64, 32, |u, v| {
        let ring = if ringed && (0.3..0.5).contains(&v) {
            0.6
        } else {
            1.0
        };
        scaled(pot, ring * (0.85 + 0.25 * noise.rough(u * 8.0, v * 4.0)))
    });
    let foot = pot_radius * b.between(0.65, 0.85);
    let side = [
        [foot, 0.0],
        [pot_radius * 0.97, pot_height * 0.82],
        [pot_radius * 1.05, pot_height * 0.85],
        [pot_radius * 1.05, pot_height],
    ];
    b.mesh("pot", Pose::default(), Mesh::lathe(&side, PIECES), clay);
    let soil = [[pot_radius * 1.05, pot_height], [0.0, pot_height * 0.97]];
    b.mesh(
        "soil",
        Pose::default(),
        Mesh::lathe(&soil, PIECES),
        plain([0.2, 0.14, 0.1]),
    );
    b.solid(
        Pose::at(0.0, 0.0, pot_height / 2.0),
        Solid::Cylinder {
            radius: pot_radius * 1.05,
            length: pot_height,
        },
    );

    let green = hsv(
        b.between(0.2, 0.4),
        b.between(0.4, 0.85),
        b.between(0.3, 0.75),
    );
    let rib = mix(green, [0.8, 0.85, 0.5], b.between(0.1, 0.6));
    let leaf = leaf_material(b, green, rib);
    let leaves = b.rng.random_range(14..30u8);
    let (long, wide) = (b.between(0.22, 0.42), b.between(0.05, 0.11));
    let spread = b.between(0.5, 1.1);
    let mut crown = Mesh::default();
    for i in 0..leaves {
        let yaw = f64::from(i) * 2.4 + b.between(-0.3, 0.3);
        let lift = 1.5 - spread * b.between(0.15, 1.0);
        let length = long * b.between(0.7, 1.1);
        let blade = blade(
            length,
            wide * b.between(0.8, 1.2),
            lift,
            b.between(0.6, 1.6),
        );
        let place = Isometry3::from_parts(
            Translation3::new(0.0, 0.0, pot_height * 0.9 + b.between(0.0, 0.06)),
            UnitQuaternion::from_euler_angles(0.0, 0.0, yaw),
        );
        crown.append(&blade, &place);
    }
    b.mesh("crown", Pose::default(), crown.two_sided(), leaf);
    let bush = Pose::at(0.0, 0.0, pot_height + long * 0.5);
    b.solid(
        bush,
        Solid::Cylinder {
            radius: pot_radius * 1.05,
            length: long,
        },
    );
}

fn leaf_material(b: &mut Builder, green: Color, rib: Color) -> crate::world::Material {
    let noise = Noise::new(b.rng);
    b.painted("crown", 32, 64, |u, v| {
        let middle = (u - 0.5).abs() < 0.06;
        let shade = 0.7 + 0.45 * (1.0 - v) + 0.2 * (noise.rough(u * 4.0, v * 8.0) - 0.5);
        scaled(if middle { rib } else { green }, shade)
    })
}

/// A leaf that grows from the origin toward +x, first upward by the angle `lift`, and bends down by `droop` radians.
fn blade(length: f64, width: f64, lift: f64, droop: f64) -> Mesh {
    const PARTS: usize = 5;
    let mut mesh = Mesh::default();
    let (mut x, mut z) = (0.0, 0.0);
    for i in 0..=PARTS {
        let along = i as f64 / PARTS as f64;
        let angle = lift - droop * along;
        let half = width / 2.0 * (along * TAU / 2.0).sin().max(0.12 * (1.0 - along)).max(0.0);
        let normal = [-angle.sin(), 0.0, angle.cos()];
        mesh.push([x, half, z], normal, [0.0, 1.0 - along]);
        mesh.push([x, -half, z], normal, [1.0, 1.0 - along]);
        x += length / PARTS as f64 * angle.cos();
        z += length / PARTS as f64 * angle.sin();
    }
    for i in 0..PARTS as u32 {
        let a = i * 2;
        mesh.triangles.push([a, a + 1, a + 3]);
        mesh.triangles.push([a, a + 3, a + 2]);
    }
    mesh
}
