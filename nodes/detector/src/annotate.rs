//! A picture with its boxes drawn in.

use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgb, RgbImage};

use crate::cli::Seen;

/// Width of a box's line, pixels.
const LINE: u32 = 3;
/// Told apart by class, repeating.
const COLOURS: [[u8; 3]; 8] = [
    [230, 25, 75],
    [60, 180, 75],
    [0, 130, 200],
    [245, 130, 48],
    [145, 30, 180],
    [70, 240, 240],
    [240, 50, 230],
    [255, 225, 25],
];

/// Draws `seen` into `pixels` and writes them to `out`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(mut pixels: RgbImage, seen: &[Seen], out: &Path) -> Result<()> {
    for one in seen {
        draw(
            &mut pixels,
            one.bbox,
            Rgb(COLOURS[one.class_id % COLOURS.len()]),
        );
    }
    pixels
        .save(out)
        .with_context(|| format!("cannot write {}", out.display()))
}

fn draw(pixels: &mut RgbImage, bbox: [f32; 4], colour: Rgb<u8>) {
    let (width, height) = pixels.dimensions();
    // Boxes are clipped to the picture, so that rounding them stays in range.
    let [x1, y1, x2, y2] = bbox.map(|side| side.round() as u32);
    let (x2, y2) = (x2.min(width), y2.min(height));
    for y in y1..y2 {
        let edge_row = y < y1 + LINE || y + LINE >= y2;
        for x in (x1..x2).filter(|x| edge_row || *x < x1 + LINE || *x + LINE >= x2) {
            pixels.put_pixel(x, y, colour);
        }
    }
}
