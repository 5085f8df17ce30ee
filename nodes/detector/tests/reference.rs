//! The detector against its Python reference (`reference.py`: OpenCV, NumPy, ONNX Runtime), run in the same test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{python, shared_models, stand_in_models};
use detector::boxes::Thresholds;
use detector::encoding::PixelOrder;
use detector::letterbox::Letterbox;
use detector::model::{Model, ModelOptions};
use detector::photo;
use detector::pieces::Pieces;
use detector::pipeline::Pipeline;
use detector::preprocess::Preprocessor;
use detector::rows::{Picture, RowBuffers, Rows};
use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use wire::messages::{ImageHeader, ImageView};
use wire::{Stamp, iou};

fn reference() -> Option<PathBuf> {
    python(&["numpy", "cv2", "onnxruntime"])
}

fn run(python: &Path, arguments: &[&str]) -> String {
    common::run(python, "reference.py", arguments)
}

#[test]
fn pictures_are_fitted_to_the_bit() {
    let Some(python) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Unchanged, halved, quartered, shrunk, enlarged, one pixel off, extreme, tiny.
    let sizes = [
        [640, 480],
        [1280, 720],
        [1280, 1280],
        [2560, 1440],
        [1920, 1080],
        [320, 240],
        [810, 1080],
        [641, 480],
        [639, 640],
        [517, 803],
        [1000, 10],
        [3, 5],
        [1, 1],
        [640, 640],
        [1281, 723],
    ];
    let side = 640;
    let names: Vec<String> = sizes.iter().map(|[w, h]| format!("{w}x{h}")).collect();
    let mut arguments = vec![
        "letterbox".to_owned(),
        folder.path().display().to_string(),
        side.to_string(),
    ];
    arguments.extend(names.clone());
    run(
        &python,
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let mut preprocessor = Preprocessor::default();
    let mut input = vec![0.0_f32; 3 * side * side];
    for ([w, h], name) in sizes.into_iter().zip(names) {
        let rgb = std::fs::read(folder.path().join(format!("{name}.rgb"))).unwrap();
        let expected = std::fs::read(folder.path().join(format!("{name}.box"))).unwrap();
        let laid_out =
            |layout: fn(&[u8]) -> Vec<u8>| -> Vec<u8> { rgb.chunks(3).flat_map(layout).collect() };
        let orders: [(PixelOrder, Vec<u8>); 5] = [
            (PixelOrder::Rgb, rgb.clone()),
            (PixelOrder::Bgr, laid_out(|p| vec![p[2], p[1], p[0]])),
            (PixelOrder::Rgba, laid_out(|p| vec![p[0], p[1], p[2], 9])),
            (PixelOrder::Bgra, laid_out(|p| vec![p[2], p[1], p[0], 9])),
            (PixelOrder::Mono, laid_out(|p| vec![p[1]])),
        ];
        for (order, pixels) in orders {
            let picture = Picture::from_pixels(&pixels, w as u32, h as u32, order).unwrap();
            let letterbox = Letterbox::new([w, h], [side, side]).unwrap();
            preprocessor.write(&picture, &letterbox, true, &mut input);
            let wrong = (0..side * side).find_map(|at| {
                // Channels are scaled by themselves: grey as green is.
                let offsets = match order {
                    PixelOrder::Mono => [1; 3],
                    _ => [0, 1, 2],
                };
                let bytes = offsets.map(|channel| expected[3 * at + channel]);
                let planes = [0, 1, 2].map(|c| input[c * side * side + at]);
                let equal = bytes
                    .iter()
                    .zip(planes)
                    .all(|(byte, sample)| sample == f32::from(*byte) / 255.0);
                (!equal).then(|| {
                    format!(
                        "at {} {}: {bytes:?} {:?}",
                        at % side,
                        at / side,
                        planes.map(|s| s * 255.0)
                    )
                })
            });
            assert_eq!(wrong, None, "{name} {order:?}");
        }
    }
}

/// Places of red, green and blue in a pixel.
fn rgb_offsets(order: PixelOrder) -> [usize; 3] {
    match order {
        PixelOrder::Rgb | PixelOrder::Rgba => [0, 1, 2],
        PixelOrder::Bgr | PixelOrder::Bgra => [2, 1, 0],
        PixelOrder::Mono => [0, 0, 0],
    }
}

#[derive(Deserialize)]
struct EncodingCase {
    name: String,
    encoding: String,
    width: u32,
    height: u32,
    step: u32,
    big: bool,
}

#[test]
fn encodings_are_converted_as_opencv_does() {
    let Some(python) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    run(
        &python,
        &["encodings", &folder.path().display().to_string()],
    );
    let cases = std::fs::read(folder.path().join("cases.json")).unwrap();
    let cases: Vec<EncodingCase> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() > 50);
    let mut buffers = RowBuffers::default();
    for EncodingCase {
        name,
        encoding,
        width,
        height,
        step,
        big,
    } in cases
    {
        let data = std::fs::read(folder.path().join(format!("{name}.raw"))).unwrap();
        let expected = std::fs::read(folder.path().join(format!("{name}.rgb"))).unwrap();
        let header = ImageHeader {
            stamp: Stamp::default(),
            frame_id: "camera",
            height,
            width,
            encoding: &encoding,
            is_bigendian: big,
            step,
            data: 0..0,
        };
        // As it comes from the wire, in the message's own byte order.
        let payload = ImageView {
            header,
            data: &data,
        }
        .to_cdr(!big);
        let header = ImageHeader::read(&payload, payload.len()).unwrap();
        let picture = Picture::new(&header, Pieces::One(&payload)).unwrap();
        let order = picture.encoding.row_order();
        let mut rows = Rows::new(picture);
        for (y, expected) in expected.chunks_exact(3 * width as usize).enumerate() {
            let row = rows.row(y, &mut buffers);
            let rgb: Vec<u8> = row
                .chunks_exact(order.channels())
                .flat_map(|pixel| rgb_offsets(order).map(|at| pixel[at]))
                .collect();
            assert_eq!(rgb, expected, "{name}, row {y}");
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Box {
    class_id: usize,
    confidence: f32,
    bbox: [f32; 4],
}

fn own_boxes(pipeline: &mut Pipeline, path: &Path) -> Vec<Box> {
    let pixels = photo::read(path).unwrap();
    let picture = Picture::from_pixels(
        pixels.as_raw(),
        pixels.width(),
        pixels.height(),
        PixelOrder::Rgb,
    )
    .unwrap();
    let mut found = Vec::new();
    let one = |f: detector::boxes::Found| {
        found.push(Box {
            class_id: f.class,
            confidence: f.confidence,
            bbox: f.bbox,
        })
    };
    pipeline.detect(&picture, one).unwrap();
    found
}

/// What is in one list and has no partner in the other.
fn unmatched(of: &[Box], least: f32, among: &[Box]) -> Vec<Box> {
    let partner = |a: &Box, b: &Box| {
        a.class_id == b.class_id
            && (a.confidence - b.confidence).abs() <= 0.02
            && iou(&a.bbox, &b.bbox) >= 0.95
    };
    of.iter()
        .filter(|a| a.confidence >= least && !among.iter().any(|b| partner(a, b)))
        .cloned()
        .collect()
}

/// Returns how many boxes the reference found.
fn assert_parity(python: &Path, model: &Path, photos: &[PathBuf]) -> usize {
    let mut arguments = vec!["detect", model.to_str().unwrap()];
    arguments.extend(photos.iter().map(|photo| photo.to_str().unwrap()));
    let answers: BTreeMap<PathBuf, Vec<Box>> =
        serde_json::from_str(&run(python, &arguments)).unwrap();
    let model = Model::load(model, &ModelOptions::default()).unwrap();
    let mut pipeline = Pipeline::new(model, Thresholds::default());
    for (photo, expected) in &answers {
        let own = own_boxes(&mut pipeline, photo);
        let name = photo.display();
        assert!(
            unmatched(expected, 0.30, &own).is_empty(),
            "{name}: missing {:?}",
            unmatched(expected, 0.30, &own)
        );
        assert!(
            unmatched(&own, 0.32, expected).is_empty(),
            "{name}: surplus {:?}",
            unmatched(&own, 0.32, expected)
        );
    }
    let boxes: usize = answers.values().map(Vec::len).sum();
    assert!(
        boxes >= answers.len(),
        "{boxes} boxes in {} pictures say little",
        answers.len()
    );
    boxes
}

#[test]
fn a_crowd_of_boxes_is_thinned_as_the_reference_does() {
    let (Some(python), Some(models)) = (reference(), stand_in_models()) else {
        return;
    };
    let mut random = ChaCha8Rng::seed_from_u64(8);
    // As wide as the network's 160x96, so that no box lies in the grey.
    let photos = [[160, 96], [320, 192], [805, 483]].map(|[width, height]| {
        let coarse = RgbImage::from_fn(40, 24, |_, _| {
            Rgb(random.next_u32().to_le_bytes()[..3].try_into().unwrap())
        });
        let path = models.path().join(format!("{width}.png"));
        let filter = image::imageops::FilterType::Triangle;
        let picture = image::imageops::resize(&coarse, width, height, filter);
        picture.save(&path).unwrap();
        path
    });
    for name in [
        "crowd.onnx",
        "crowd_free.onnx",
        "crowd_half.onnx",
        "crowd_rows.onnx",
    ] {
        let boxes = assert_parity(&python, &models.path().join(name), &photos);
        assert!(boxes > 100, "{name}: {boxes} boxes are no crowd");
    }
}

/// The project's own network on the simulator's pictures, which `cargo build` makes where there is no ROS, too.
#[test]
fn boxes_in_rendered_frames_are_the_references() {
    let Some(python) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sim = Path::new(env!("CARGO_BIN_EXE_detector")).with_file_name("sim");
    let mut render = std::process::Command::new(&sim);
    render.args(["frames", "--seed", "8101", "--count", "40", "--textures"]);
    let rendered = render
        .args(["held-out", "--out"])
        .arg(folder.path())
        .output();
    let Ok(rendered) = rendered else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is missing",
            sim.display()
        );
        eprintln!(
            "skipped: {} is missing; `cargo build` makes it",
            sim.display()
        );
        return;
    };
    assert!(rendered.status.success(), "{rendered:?}");
    let frames: Vec<PathBuf> = (0..40)
        .map(|number| {
            // JPEG's decoders differ; what is compared is what comes after them.
            let frame = folder.path().join(format!("{number:06}.jpg"));
            let whole = frame.with_extension("png");
            photo::read(&frame).unwrap().save(&whole).unwrap();
            whole
        })
        .collect();
    let boxes = assert_parity(&python, &project.join("models/maze_yolov8.onnx"), &frames);
    assert!(boxes > 40, "{boxes} boxes say little");
}

#[test]
fn boxes_are_the_references() {
    let (Some(python), Some(shared)) = (reference(), shared_models()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let photo = shared.join("bus.jpg");
    run(
        &python,
        &[
            "photos",
            folder.path().to_str().unwrap(),
            photo.to_str().unwrap(),
        ],
    );
    let mut photos: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The photo file itself, through the decoders of both.
    photos.push(photo);
    assert_parity(&python, &shared.join("yolov8n-coco.onnx"), &photos);
}
