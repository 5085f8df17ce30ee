//! Things with corners: boxes, chairs, lamps, suitcases, and clutter of no class.

use rand::RngExt;

use super::{Builder, plain};
use crate::mesh::Mesh;
use crate::pose::Pose;
use crate::surfaces::{self, Noise, even, hsv, mix, random_color, scaled};
use crate::world::{Shape, Solid};

pub fn carton(b: &mut Builder) {
    let size = [
        b.between(0.24, 0.42),
        b.between(0.22, 0.38),
        b.between(0.2, 0.38),
    ];
    let card = if b.rng.random_bool(0.65) {
        hsv(
            b.between(0.06, 0.11),
            b.between(0.3, 0.55),
            b.between(0.5, 0.8),
        )
    } else {
        random_color(b.rng, 0.5)
    };
    let tape = if b.rng.random_bool(0.5) {
        mix(card, [0.9, 0.85, 0.7], 0.6)
    } else {
        random_color(b.rng, 0.5)
    };
    let print = if b.rng.random_bool(0.5) {
        scaled(card, 0.35)
    } else {
        random_color(b.rng, 0.8)
    };
    let label = [
        b.between(0.55, 0.8),
        b.between(0.5, 0.75),
        b.between(0.1, 0.3),
        b.between(0.1, 0.25),
    ];
    let noise = Noise::new(b.rng);
    let tape_width = b.between(0.06, 0.14);
    let card_side = b.painted("side", 64, 64, |u, v| {
        let rough = 0.9 + 0.16 * noise.rough(u * 6.0, v * 6.0);
        let edge = u.min(1.0 - u).min(v).min(1.0 - v) < 0.025;
        // Tape over the flaps, a label with lines in it.
        if (u - 0.5).abs() < tape_width / 2.0 && v < 0.3 {
            tape
        } else if (u - label[0]).abs() < label[2] / 2.0 && (v - label[1]).abs() < label[3] / 2.0 {
            if even(v, 30.0) { print } else { [0.9; 3] }
        } else if edge {
            scaled(card, 0.6)
        } else {
            scaled(card, rough)
        }
    });
    b.block("side", Pose::at(0.0, 0.0, size[2] / 2.0), size, card_side);
    let strip = Pose::at(0.0, 0.0, size[2] + 0.001);
    b.part(
        "tape",
        strip,
        Shape::Box([size[0], size[1] * tape_width, 0.002]),
        plain(tape),
    );
}

pub fn chair(b: &mut Builder) {
    let width = b.between(0.36, 0.44);
    let seat = b.between(0.36, 0.45);
    let back = seat + b.between(0.34, 0.46);
    let thick = b.between(0.025, 0.04);
    let frame = if b.rng.random_bool(0.5) {
        hsv(
            b.between(0.05, 0.1),
            b.between(0.3, 0.7),
            b.between(0.25, 0.7),
        )
    } else {
        random_color(b.rng, 0.7)
    };
    let cushion = if b.rng.random_bool(0.5) {
        frame
    } else {
        random_color(b.rng, 0.8)
    };
    let noise = Noise::new(b.rng);
    let wood = b.painted("seat", 64, 64, |u, v| {
        scaled(cushion, 0.85 + 0.25 * noise.rough(u * 2.0, v * 14.0))
    });
    let leg_at = width / 2.0 - thick / 2.0;
    let legs = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
    for (i, [x, y]) in legs.into_iter().enumerate() {
        // The two legs at the back carry the backrest.
        let tall = if x < 0.0 { back } else { seat };
        let place = Pose::at(x * leg_at, y * leg_at, tall / 2.0);
        b.block(
            &format!("leg_{i}"),
            place,
            [thick, thick, tall],
            plain(frame),
        );
    }
    b.block(
        "seat",
        Pose::at(0.0, 0.0, seat),
        [width, width, 0.035],
        wood.clone(),
    );
    for (i, y) in [-1.0, 1.0].into_iter().enumerate() {
        let place = Pose::at(0.0, y * leg_at, seat * 0.5);
        b.block(
            &format!("bar_{i}"),
            place,
            [width, thick * 0.6, thick * 0.6],
            plain(scaled(frame, 0.9)),
        );
    }
    let tall = back - seat;
    match b.rng.random_range(0..3u8) {
        0 => {
            let place = Pose::at(-leg_at, 0.0, seat + tall * 0.68);
            b.block("back", place, [thick * 0.7, width, tall * 0.6], wood);
        }
        1 => {
            for i in 0..3u8 {
                let place = Pose::at(-leg_at, 0.0, seat + tall * (0.35 + 0.28 * f64::from(i)));
                b.block(
                    &format!("slat_{i}"),
                    place,
                    [thick * 0.6, width - thick, tall * 0.13],
                    plain(frame),
                );
            }
        }
        _ => {
            b.block(
                "top",
                Pose::at(-leg_at, 0.0, back - 0.03),
                [thick, width, 0.06],
                plain(frame),
            );
            for i in 0..4u8 {
                let y = (f64::from(i) - 1.5) * width * 0.2;
                let place = Pose::at(-leg_at, y, seat + tall / 2.0);
                b.block(
                    &format!("stick_{i}"),
                    place,
                    [thick * 0.5, thick * 0.5, tall],
                    plain(frame),
                );
            }
        }
    }
}

pub fn lamp(b: &mut Builder) {
    let height = b.between(0.55, 0.85);
    let foot = b.between(0.09, 0.13);
    let shade_radius = b.between(0.12, 0.19);
    let shade_tall = b.between(0.17, 0.26);
    let metal = if b.rng.random_bool(0.5) {
        [b.between(0.08, 0.75); 3]
    } else {
        random_color(b.rng, 0.4)
    };
    let glow = mix(
        hsv(b.between(0.08, 0.16), b.between(0.1, 0.5), 1.0),
        random_color(b.rng, 0.8),
        b.between(0.0, 0.6),
    );
    let ribs = f64::from(b.rng.random_range(0..2u8)) * 20.0;
    let cloth = b.painted("shade", 64, 32, |u, v| {
        let rib = if ribs > 0.0 && (u * ribs).fract() < 0.15 {
            0.85
        } else {
            1.0
        };
        let hem = if v.min(1.0 - v) < 0.06 { 0.75 } else { 1.0 };
        // Lit from within: bright whatever side the sun is on.
        scaled(glow, (1.25 - 0.3 * v) * rib * hem)
    });
    b.rod(
        "foot",
        Pose::at(0.0, 0.0, 0.0125),
        foot,
        0.025,
        plain(metal),
    );
    b.rod(
        "pole",
        Pose::at(0.0, 0.0, height / 2.0),
        0.014,
        height,
        plain(metal),
    );
    let narrow = shade_radius * b.between(0.45, 0.8);
    let profile = [
        [shade_radius, height - shade_tall * 0.7],
        [narrow, height + shade_tall * 0.3],
    ];
    b.mesh(
        "shade",
        Pose::default(),
        Mesh::lathe(&profile, 28).two_sided(),
        cloth,
    );
    let place = Pose::at(0.0, 0.0, height - shade_tall * 0.2);
    b.solid(
        place,
        Solid::Cylinder {
            radius: shade_radius,
            length: shade_tall,
        },
    );
}

pub fn suitcase(b: &mut Builder) {
    let (width, deep, tall) = (
        b.between(0.32, 0.42),
        b.between(0.17, 0.24),
        b.between(0.42, 0.56),
    );
    let color = random_color(b.rng, 0.9);
    let (dark, wheel) = (scaled(color, 0.55), 0.03);
    let ridges = f64::from(b.rng.random_range(4..9u8));
    let strap = b.rng.random_bool(0.35);
    let strap_color = random_color(b.rng, 0.9);
    let upright = b.rng.random_bool(0.75);
    let shell = b.painted("shell", 64, 64, |u, v| {
        let across = if upright { u } else { v };
        let edge = u.min(1.0 - u).min(v).min(1.0 - v);
        if strap && (u - 0.5).abs() < 0.05 {
            strap_color
        } else if edge < 0.05 {
            dark
        } else {
            let wave = (across * ridges * std::f64::consts::TAU).sin();
            scaled(color, 0.92 + 0.22 * wave)
        }
    });
    let middle = Pose::at(0.0, 0.0, wheel * 2.0 + tall / 2.0);
    b.block("shell", middle, [deep, width, tall], shell);
    for (i, [x, y]) in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
        .into_iter()
        .enumerate()
    {
        let place = Pose::at(x * (deep / 2.0 - wheel), y * (width / 2.0 - wheel), wheel);
        b.rod(
            &format!("wheel_{i}"),
            place,
            wheel * 0.8,
            wheel * 2.0,
            plain([0.1; 3]),
        );
    }
    let top = wheel * 2.0 + tall;
    let rise = b.between(0.06, 0.22);
    let grip = if b.rng.random_bool(0.6) {
        [0.2; 3]
    } else {
        [0.7; 3]
    };
    let spread = width * 0.28;
    for (i, y) in [-spread, spread].into_iter().enumerate() {
        let place = Pose::at(-deep * 0.2, y, top + rise / 2.0);
        b.part(
            &format!("bar_{i}"),
            place,
            Shape::Box([0.015, 0.015, rise]),
            plain(grip),
        );
    }
    let place = Pose::at(-deep * 0.2, 0.0, top + rise);
    b.part(
        "grip",
        place,
        Shape::Box([0.03, spread * 2.0 + 0.03, 0.03]),
        plain([0.12; 3]),
    );
}

pub fn clutter(b: &mut Builder) {
    let name = format!("textures/{}_side.png", b.model.name);
    match b.rng.random_range(0..3u8) {
        0 => {
            let (radius, tall) = (b.between(0.06, 0.14), b.between(0.9, 1.2));
            let skin = surfaces::clutter(b.rng, name, [radius * 6.3, tall]);
            b.rod(
                "side",
                Pose::at(0.0, 0.0, tall / 2.0),
                radius,
                tall,
                Builder::material(skin),
            );
        }
        1 => {
            let size = [
                b.between(0.3, 0.5),
                b.between(0.3, 0.5),
                b.between(0.05, 0.1),
            ];
            let skin = surfaces::clutter(b.rng, name, [size[0], size[2]]);
            b.block(
                "side",
                Pose::at(0.0, 0.0, size[2] / 2.0),
                size,
                Builder::material(skin),
            );
        }
        _ => {
            let size = [0.05, b.between(0.3, 0.6), b.between(0.7, 1.0)];
            let skin = surfaces::clutter(b.rng, name, [size[1], size[2]]);
            b.block(
                "side",
                Pose::at(0.0, 0.0, size[2] / 2.0),
                size,
                Builder::material(skin),
            );
        }
    }
}
