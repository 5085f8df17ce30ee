//! Photo files of every kind that cameras and programs write, and what `detector image` says of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use common::stand_in_models;
use detector::photo::{self, PhotoError};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Pixel, Rgb, RgbImage, Rgba};
use serde_json::{Value, json};

const RED: [u8; 3] = [230, 20, 20];
const GREEN: [u8; 3] = [20, 230, 20];
const BLUE: [u8; 3] = [20, 20, 230];
const GREY: [u8; 3] = [128, 128, 128];

fn bytes(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A picture whose quarters are red and green above, blue and grey below.
fn quarters(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb(match (x < width / 2, y < height / 2) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => GREY,
        })
    })
}

/// A JPEG that says by EXIF how it is to be turned: the segment a camera writes, with this one entry.
fn jpeg_turned(picture: RgbImage, orientation: u8) -> Vec<u8> {
    let jpeg = bytes(picture, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08".to_vec();
    // One entry: tag 0x0112, type 3 (16 bits), one of it; then no further directory.
    exif.extend([
        0,
        1,
        0x01,
        0x12,
        0,
        3,
        0,
        0,
        0,
        1,
        0,
        orientation,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    let len = exif.len() as u16 + 2;
    let (start, rest) = jpeg.split_at(2);
    [start, &[0xff, 0xe1], &len.to_be_bytes(), &exif, rest].concat()
}

/// The colours in the middle of the quarters: upper left, upper right, lower left, lower right.
fn corners(picture: &RgbImage) -> [[u8; 3]; 4] {
    let (width, height) = picture.dimensions();
    let at = |x: u32, y: u32| picture.get_pixel(x * width / 4, y * height / 4).0;
    [at(1, 1), at(3, 1), at(1, 3), at(3, 3)]
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40)
}

#[test]
fn a_photo_is_turned_as_exif_says() {
    // By the EXIF standard: where the stored picture's first row and first column are when it is looked at.
    for (orientation, expected) in [
        (1, [RED, GREEN, BLUE, GREY]),
        (2, [GREEN, RED, GREY, BLUE]),
        (3, [GREY, BLUE, GREEN, RED]),
        (4, [BLUE, GREY, RED, GREEN]),
        (5, [RED, BLUE, GREEN, GREY]),
        (6, [BLUE, RED, GREY, GREEN]),
        (7, [GREY, GREEN, BLUE, RED]),
        (8, [GREEN, GREY, RED, BLUE]),
        // No such orientation: as stored.
        (9, [RED, GREEN, BLUE, GREY]),
    ] {
        let bytes = jpeg_turned(quarters(64, 32), orientation);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let picture = photo::read(file.path()).unwrap();
        let turned = (5..=8).contains(&orientation);
        assert_eq!(
            picture.dimensions(),
            if turned { (32, 64) } else { (64, 32) },
            "{orientation}"
        );
        let seen = corners(&picture);
        assert!(
            seen.into_iter().zip(expected).all(|(a, b)| near(a, b)),
            "{orientation}: {seen:?}"
        );
        // A camera's frame is as the camera sees it.
        let frame = photo::decode(&bytes).unwrap();
        assert!(near(corners(&frame)[0], RED) && frame.dimensions() == (64, 32));
    }
}

/// A small PNG of one colour, decoded.
fn through_png<P>(pixel: P) -> [u8; 3]
where
    P: Pixel + 'static,
    DynamicImage: From<ImageBuffer<P, Vec<P::Subpixel>>>,
{
    let file = bytes(ImageBuffer::from_pixel(4, 3, pixel), ImageFormat::Png);
    let picture = photo::decode(&file).unwrap();
    assert_eq!(picture.dimensions(), (4, 3));
    picture.get_pixel(2, 1).0
}

#[test]
fn alpha_is_dropped_grey_is_spread_and_16_bits_are_rounded_to_8() {
    assert_eq!(through_png(Rgba([200_u8, 100, 50, 0])), [200, 100, 50]);
    assert_eq!(through_png(Luma([77_u8])), [77; 3]);
    assert_eq!(through_png(LumaA([77_u8, 3])), [77; 3]);
    // 65535 is 255: 257 steps of 16 bits are one of 8, as for mono16 frames.
    let of = |sixteen: u16| ((u32::from(sixteen) + 128) / 257) as u8;
    for sample in [0_u16, 128, 129, 256, 30_000, 65_406, 65_407, 65_535] {
        assert_eq!(through_png(Luma([sample])), [of(sample); 3], "{sample}");
        assert_eq!(
            through_png(Rgba([sample, 40_000, 500, 9])),
            [of(sample), of(40_000), of(500)],
            "{sample}"
        );
    }
    let grey = ImageBuffer::from_pixel(16, 16, Luma([90_u8]));
    let picture = photo::decode(&bytes(grey, ImageFormat::Jpeg)).unwrap();
    assert!(near(picture.get_pixel(8, 8).0, [90; 3]));
}

#[test]
fn a_jpeg_that_is_cut_off_is_refused() {
    let whole = bytes(quarters(320, 240), ImageFormat::Jpeg);
    assert!(photo::decode(&whole).is_ok());
    // What comes behind its end is none of it.
    assert!(photo::decode(&[&whole[..], &b"trailer"[..]].concat()).is_ok());
    for len in [whole.len() / 2, whole.len() - 2, 20] {
        assert!(photo::decode(&whole[..len]).is_err(), "{len}");
    }
    // A preview has an end of its own.
    let preview = &b"\xff\xd8\xff\xe1\x00\x06\xff\xd9\x00\x00"[..];
    assert!(photo::decode(&[preview, &whole[2..whole.len() / 2]].concat()).is_err());
    assert!(photo::decode(&[preview, &whole[2..]].concat()).is_ok());
}

#[test]
fn a_header_that_claims_more_than_the_file_holds_is_refused() {
    // Width and height stand at fixed places in a PNG; the check sum of that part has to be right too.
    let mut file = bytes(quarters(8, 8), ImageFormat::Png);
    file[16..24].copy_from_slice(&[0, 0, 0x2f, 0, 0, 0, 0x2f, 0]);
    let check = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&check);
    let error = photo::decode(&file).unwrap_err();
    assert!(
        matches!(error, PhotoError::Oversized { claimed, .. } if claimed == 3 * 0x2f00 * 0x2f00),
        "{error}"
    );
}

/// PNG's check sum, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn image(model: &Path, photos: &[&Path]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_detector"))
        .args(["image", "--json", "--model"])
        .arg(model)
        .args(photos)
        .output()
        .unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), document)
}

#[test]
fn boxes_are_in_the_turned_photos_pixels_and_bad_files_are_told() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let folder = models.path();
    let (turned, text) = (folder.join("turned.jpg"), folder.join("text.jpg"));
    // Stored upright, shown with twice the width and height of the network's 160x96.
    let white = RgbImage::from_pixel(192, 320, Rgb([255; 3]));
    std::fs::write(&turned, jpeg_turned(white, 6)).unwrap();
    std::fs::write(&text, "no picture").unwrap();

    let model = folder.join("fixed.onnx");
    let (status, seen) = image(&model, &[&turned]);
    assert_eq!(status, Some(0));
    assert_eq!(
        (&seen[0]["class"], &seen[0]["class_id"], &seen[0]["bbox"]),
        (&json!("cup"), &json!(1), &json!([20.0, 40.0, 100.0, 160.0]))
    );
    let (status, seen_of_two) = image(&model, &[&turned, &text]);
    assert_eq!(status, Some(2));
    assert_eq!(seen_of_two[turned.to_str().unwrap()], seen);
    let error = seen_of_two[text.to_str().unwrap()]["error"]
        .as_str()
        .unwrap();
    assert!(
        error.contains("text.jpg") && error.contains("JPEG and PNG"),
        "{error}"
    );
    // The reason once, not again as its own cause.
    assert_eq!(
        error.matches("could not be determined").count(),
        1,
        "{error}"
    );
    assert_eq!(image(&model, &[&text]).0, Some(2));
}
