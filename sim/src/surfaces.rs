//! Painted surfaces for walls, floors and objects: families of patterns with random colours and scales.

use std::f64::consts::TAU;

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::texture::Texture;

/// Red, green, blue in 0 to 1.
pub type Color = [f64; 3];

/// Which families of wall and floor patterns may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// All of them.
    #[default]
    All,
    /// Those that a detector may be trained on.
    Training,
    /// Those that no detector was trained on.
    HeldOut,
}

/// A pattern on a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Plain,
    Plaster,
    Bricks,
    Panels,
    Planks,
    Stripes,
    Dots,
    Tiles,
    Speckles,
    Checks,
    Plaid,
    Triangles,
    Mosaic,
    Blobs,
    Leaves,
    Rings,
    Hexagons,
    Marble,
    Zigzag,
}

/// What pillars, steps and picture stands wear, whatever the walls around them.
const CLUTTER: [Pattern; 7] = [
    Pattern::Plain,
    Pattern::Plaster,
    Pattern::Bricks,
    Pattern::Panels,
    Pattern::Planks,
    Pattern::Stripes,
    Pattern::Dots,
];
const TRAINING_WALLS: [Pattern; 14] = [
    Pattern::Plain,
    Pattern::Plaster,
    Pattern::Bricks,
    Pattern::Panels,
    Pattern::Planks,
    Pattern::Stripes,
    Pattern::Dots,
    Pattern::Checks,
    Pattern::Plaid,
    Pattern::Triangles,
    Pattern::Mosaic,
    Pattern::Blobs,
    Pattern::Leaves,
    Pattern::Rings,
];
const HELD_OUT_WALLS: [Pattern; 3] = [Pattern::Hexagons, Pattern::Marble, Pattern::Zigzag];
const TRAINING_FLOORS: [Pattern; 8] = [
    Pattern::Plain,
    Pattern::Plaster,
    Pattern::Planks,
    Pattern::Tiles,
    Pattern::Speckles,
    Pattern::Checks,
    Pattern::Mosaic,
    Pattern::Blobs,
];
const HELD_OUT_FLOORS: [Pattern; 2] = [Pattern::Hexagons, Pattern::Marble];

/// A random colour: mostly muted for `vividness` near 0, of any kind near 1.
pub fn random_color(rng: &mut ChaCha8Rng, vividness: f64) -> Color {
    let hue = rng.random::<f64>();
    let saturation =
        (rng.random_range(0.05..0.35) + vividness * rng.random_range(0.2..0.65)).min(0.95);
    let value = rng.random_range(0.35..0.95);
    hsv(hue, saturation, value)
}

/// The colour of a hue, saturation and value, each in 0 to 1.
pub fn hsv(hue: f64, saturation: f64, value: f64) -> Color {
    [5.0, 3.0, 1.0].map(|n: f64| {
        let k = (n + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

/// `a` and `b` mixed: all `a` at 0, all `b` at 1.
pub fn mix(a: Color, b: Color, part: f64) -> Color {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * part.clamp(0.0, 1.0))
}

/// `color` made brighter (above 1) or darker.
pub fn scaled(color: Color, by: f64) -> Color {
    color.map(|c| (c * by).clamp(0.0, 1.0))
}

/// A colour as a material has it.
pub fn diffuse(color: Color) -> [f32; 3] {
    color.map(|c| c as f32)
}

/// Whether a place lies in an even one of so many stripes.
pub fn even(place: f64, stripes: f64) -> bool {
    ((place * stripes) as u32).is_multiple_of(2)
}

/// A texture painted by a function of the place in it, `(0, 0)` at the upper left and `(1, 1)` at the lower right.
pub fn paint(
    name: String,
    width: usize,
    height: usize,
    mut at: impl FnMut(f64, f64) -> Color,
) -> Texture {
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let color = at(
                (x as f64 + 0.5) / width as f64,
                (y as f64 + 0.5) / height as f64,
            );
            pixels.push(color.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8));
        }
    }
    Texture::new(name, width, height, &pixels)
}

/// A wall's surface for panels of `size` m (length and height).
pub fn wall(rng: &mut ChaCha8Rng, name: String, families: Families, size: [f64; 2]) -> Texture {
    let pattern = pick(rng, families, &TRAINING_WALLS, &HELD_OUT_WALLS);
    upright(rng, name, pattern, size)
}

/// The surface of a thing that is no object, `size` m long and high.
pub fn clutter(rng: &mut ChaCha8Rng, name: String, size: [f64; 2]) -> Texture {
    let pattern = CLUTTER.choose(rng).copied().unwrap_or(Pattern::Plain);
    upright(rng, name, pattern, size)
}

fn upright(rng: &mut ChaCha8Rng, name: String, pattern: Pattern, size: [f64; 2]) -> Texture {
    let height = 192;
    let width = ((height as f64 * size[0] / size[1]) as usize).clamp(16, 512);
    let vividness = rng.random_range(0.0..0.7);
    patterned(rng, name, pattern, [width, height], size, vividness)
}

/// A floor's surface for a ground of `size` m.
pub fn floor(
    rng: &mut ChaCha8Rng,
    name: String,
    families: Families,
    size: [f64; 2],
    pixels: usize,
) -> Texture {
    let pattern = pick(rng, families, &TRAINING_FLOORS, &HELD_OUT_FLOORS);
    let vividness = rng.random_range(0.0..0.4);
    patterned(rng, name, pattern, [pixels, pixels], size, vividness)
}

fn pick(
    rng: &mut ChaCha8Rng,
    families: Families,
    training: &[Pattern],
    held_out: &[Pattern],
) -> Pattern {
    let all: Vec<Pattern> = match families {
        Families::All => [training, held_out].concat(),
        Families::Training => training.to_vec(),
        Families::HeldOut => held_out.to_vec(),
    };
    all.choose(rng).copied().unwrap_or(Pattern::Plain)
}

fn patterned(
    rng: &mut ChaCha8Rng,
    name: String,
    pattern: Pattern,
    [width, height]: [usize; 2],
    size: [f64; 2],
    vividness: f64,
) -> Texture {
    let base = random_color(rng, vividness);
    let contrast = rng.random_range(0.08..0.45);
    let second = if rng.random_bool(0.6) {
        scaled(base, 1.0 - contrast)
    } else {
        mix(base, random_color(rng, vividness), contrast * 2.0)
    };
    let grain = rng.random_range(0.0..0.12);
    let scale = rng.random_range(0.7..1.4);
    let noise = Noise::new(rng);
    paint(name, width, height, |u, v| {
        let (x, y) = (u * size[0], v * size[1]);
        let rough = noise.rough(x * 3.0, y * 3.0);
        let color = pattern.color(&noise, [x / scale, y / scale], rough, base, second);
        let fine = noise.at(x * 90.0, y * 90.0) - 0.5;
        scaled(color, 1.0 + grain * (rough - 0.5 + fine))
    })
}

impl Pattern {
    /// The colour at a place in m; `rough` is a slow noise there.
    fn color(
        self,
        noise: &Noise,
        [x, y]: [f64; 2],
        rough: f64,
        base: Color,
        second: Color,
    ) -> Color {
        let line = |value: f64, pitch: f64, width: f64| value.rem_euclid(pitch) < width;
        let cell_tone = |i: f64, j: f64, amount: f64| 1.0 + amount * (noise.cell(i, j) - 0.5);
        match self {
            Self::Plain => base,
            Self::Plaster => mix(base, second, rough),
            Self::Bricks => {
                let row = (y / 0.09).floor();
                let shifted = x + if row as i64 % 2 == 0 { 0.11 } else { 0.0 };
                if line(y, 0.09, 0.012) || line(shifted, 0.22, 0.012) {
                    second
                } else {
                    scaled(base, cell_tone((shifted / 0.22).floor(), row, 0.35))
                }
            }
            Self::Panels => {
                if line(x, 0.6, 0.02) || line(y, 0.5, 0.02) {
                    second
                } else {
                    base
                }
            }
            Self::Planks => {
                let row = (y / 0.12).floor();
                let along = noise.at(x * 1.5 + row * 7.3, y * 40.0);
                if line(y, 0.12, 0.008) {
                    scaled(second, 0.7)
                } else {
                    scaled(
                        mix(base, second, along),
                        cell_tone(row, (x / 0.9 + noise.cell(row, 3.0)).floor(), 0.25),
                    )
                }
            }
            Self::Stripes => mix(base, second, if line(x, 0.24, 0.12) { 1.0 } else { 0.0 }),
            Self::Dots => {
                let (dx, dy) = (x.rem_euclid(0.2) - 0.1, y.rem_euclid(0.2) - 0.1);
                if dx.hypot(dy) < 0.045 { second } else { base }
            }
            Self::Tiles => {
                if line(x, 0.4, 0.012) || line(y, 0.4, 0.012) {
                    scaled(second, 0.75)
                } else {
                    scaled(base, cell_tone((x / 0.4).floor(), (y / 0.4).floor(), 0.15))
                }
            }
            Self::Speckles => {
                let fleck = noise.cell((x / 0.02).floor(), (y / 0.02).floor());
                if fleck > 0.85 { second } else { base }
            }
            Self::Checks => {
                let (i, j) = ((x / 0.16).floor(), (y / 0.16).floor());
                let color = if (i + j) as i64 % 2 == 0 {
                    base
                } else {
                    second
                };
                scaled(color, cell_tone(i, j, 0.15))
            }
            Self::Plaid => {
                let bands = [line(x, 0.3, 0.13), line(y, 0.26, 0.1)];
                mix(
                    base,
                    second,
                    0.5 * bands.into_iter().map(f64::from).sum::<f64>(),
                )
            }
            Self::Triangles => {
                let (i, j) = ((x / 0.2).floor(), (y / 0.2).floor());
                let upper = (x / 0.2 - i) + (y / 0.2 - j) < 1.0;
                mix(base, second, noise.cell(2.0 * i + f64::from(upper), j))
            }
            Self::Mosaic => {
                let (i, j) = nearest_seed(noise, x / 0.13, y / 0.13);
                scaled(
                    mix(base, second, noise.cell(i + 11.0, j)),
                    cell_tone(i, j + 23.0, 0.3),
                )
            }
            Self::Blobs => {
                let blob = noise.rough(x * 4.0 + 17.0, y * 4.0);
                mix(base, second, ((blob - 0.5) * 20.0 + 0.5).clamp(0.0, 1.0))
            }
            Self::Leaves => {
                let (i, j) = ((x / 0.17).floor(), (y / 0.17).floor());
                let angle = noise.cell(i, j) * TAU;
                let (dx, dy) = (x / 0.17 - i - 0.5, y / 0.17 - j - 0.5);
                let along = dx * angle.cos() + dy * angle.sin();
                let across = dy * angle.cos() - dx * angle.sin();
                let inside = (along / 0.48).hypot(across / (0.12 + 0.2 * noise.cell(j, i)));
                if inside < 1.0 {
                    scaled(second, cell_tone(i + 7.0, j, 0.5))
                } else {
                    base
                }
            }
            Self::Rings => {
                let (dx, dy) = (x.rem_euclid(0.34) - 0.17, y.rem_euclid(0.34) - 0.17);
                if line(dx.hypot(dy), 0.09, 0.04) {
                    second
                } else {
                    base
                }
            }
            Self::Hexagons => {
                let (i, j, edge) = hexagon(x / 0.15, y / 0.15);
                if edge < 0.06 {
                    scaled(second, 0.7)
                } else {
                    scaled(mix(base, second, noise.cell(i, j)), 1.0)
                }
            }
            Self::Marble => {
                let vein = ((x * 3.0 + y * 5.0 + 4.0 * noise.rough(x * 2.0, y * 2.0)) * TAU / 2.0)
                    .sin()
                    .abs();
                mix(second, base, vein.powf(0.35))
            }
            Self::Zigzag => {
                let fold = (x.rem_euclid(0.3) - 0.15).abs();
                mix(
                    base,
                    second,
                    if line(y + fold, 0.16, 0.08) { 1.0 } else { 0.0 },
                )
            }
        }
    }
}

/// The cell whose randomly placed seed is nearest (a Voronoi diagram of cells with side 1).
fn nearest_seed(noise: &Noise, x: f64, y: f64) -> (f64, f64) {
    let distance = |(i, j): (f64, f64)| {
        let (seed_x, seed_y) = (i + noise.cell(i, j), j + noise.cell(i + 31.0, j));
        (x - seed_x).hypot(y - seed_y)
    };
    let around = [-1.0, 0.0, 1.0];
    around
        .into_iter()
        .flat_map(|di| around.map(|dj| (x.floor() + di, y.floor() + dj)))
        .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        .unwrap_or((x.floor(), y.floor()))
}

/// The cell of a honeycomb at a place, and the distance to its edge.
fn hexagon(x: f64, y: f64) -> (f64, f64, f64) {
    let height = 3f64.sqrt();
    let offset = |shift: f64| {
        let (i, j) = (
            ((x - shift * 0.5) / 1.0).round(),
            ((y - shift * height / 2.0) / height).round(),
        );
        let (dx, dy) = (x - shift * 0.5 - i, y - shift * height / 2.0 - j * height);
        (i * 2.0 + shift, j * 2.0 + shift, dx, dy)
    };
    let (a, b) = (offset(0.0), offset(1.0));
    let (i, j, dx, dy) = if a.2.hypot(a.3) < b.2.hypot(b.3) {
        a
    } else {
        b
    };
    let edge = 0.5 - dx.abs().max(dx.abs() * 0.5 + dy.abs() * height / 2.0);
    (i, j, edge)
}

/// Smooth noise in 0 to 1.
pub struct Noise {
    lattice: Vec<f32>,
}

const LATTICE: usize = 64;

impl Noise {
    /// Noise of its own.
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            lattice: (0..LATTICE * LATTICE).map(|_| rng.random()).collect(),
        }
    }

    /// One value for a whole cell.
    pub fn cell(&self, i: f64, j: f64) -> f64 {
        let wrap = |v: f64| v.rem_euclid(LATTICE as f64) as usize % LATTICE;
        f64::from(self.lattice[wrap(j) * LATTICE + wrap(i)])
    }

    /// Smooth between cells.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let (i, j) = (x.floor(), y.floor());
        let ease = |t: f64| t * t * (3.0 - 2.0 * t);
        let (fx, fy) = (ease(x - i), ease(y - j));
        let row = |j: f64| self.cell(i, j) * (1.0 - fx) + self.cell(i + 1.0, j) * fx;
        row(j) * (1.0 - fy) + row(j + 1.0) * fy
    }

    /// Noise at several scales.
    pub fn rough(&self, x: f64, y: f64) -> f64 {
        0.5 * self.at(x, y)
            + 0.3 * self.at(x * 2.3 + 5.0, y * 2.3)
            + 0.2 * self.at(x * 5.1, y * 5.1 + 9.0)
    }
}
