//! Exports of every kind, stood for by small graphs: each is read from its file alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::path::Path;

use common::stand_in_models;
use detector::batch;
use detector::boxes::{Found, Thresholds};
use detector::encoding::PixelOrder;
use detector::letterbox::Letterbox;
use detector::model::{Head, Model, ModelOptions, Precision};
use detector::pipeline::Pipeline;
use detector::rows::Picture;

const SIZE: [usize; 2] = [160, 96];

fn load(folder: &Path, name: &str, max_batch: usize) -> Result<Model, String> {
    let options = ModelOptions {
        max_batch,
        ..ModelOptions::default()
    };
    Model::load(&folder.join(name), &options).map_err(|error| error.to_string())
}

/// Confidences of the one object in pictures of these shades, inferred in one run.
fn confidences(pipeline: &mut Pipeline, shades: &[u8]) -> Vec<f32> {
    for (index, shade) in shades.iter().enumerate() {
        let pixels = vec![*shade; SIZE[0] * SIZE[1]];
        let picture =
            Picture::from_pixels(&pixels, SIZE[0] as u32, SIZE[1] as u32, PixelOrder::Mono)
                .unwrap();
        let letterbox = pipeline.place(&picture, shades.len(), index).unwrap();
        assert_eq!(Some(letterbox), Letterbox::new(SIZE, SIZE));
    }
    pipeline.run(shades.len()).unwrap();
    let object = |pipeline: &mut Pipeline, index| match *pipeline.boxes(shades.len(), index) {
        [
            Found {
                bbox: [10.0, 20.0, 50.0, 80.0],
                confidence,
                class: 1,
            },
        ] => confidence,
        ref other => panic!("{other:?}"),
    };
    (0..shades.len())
        .map(|index| object(pipeline, index))
        .collect()
}

#[test]
fn every_kind_of_export_runs_unchanged() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    for (name, precision, boxes) in [
        ("fixed.onnx", Precision::F32, false),
        ("free.onnx", Precision::F32, false),
        ("half.onnx", Precision::F16, false),
        ("mixed.onnx", Precision::F16, false),
        ("half_boxes.onnx", Precision::F16, true),
        ("quantised.onnx", Precision::F32, false),
        ("batch_of_four.onnx", Precision::F32, false),
        ("boxes.onnx", Precision::F32, true),
    ] {
        let model = load(folder.path(), name, 1).unwrap();
        let info = model.info().clone();
        assert_eq!(
            (info.precision, info.head == Head::Boxes),
            (precision, boxes),
            "{name}"
        );
        assert_eq!(
            (info.input_size, info.class_names.join("|").as_str()),
            (SIZE, "ball|cup|baker's box"),
            "{name}"
        );
        let mut pipeline = Pipeline::new(model, Thresholds::default());
        for shade in [255, 128] {
            let [confidence] = confidences(&mut pipeline, &[shade])[..] else {
                panic!("{name}")
            };
            assert!(
                (confidence - f32::from(shade) / 255.0).abs() < 0.002,
                "{name}: {confidence} for {shade}"
            );
        }
    }
}

#[test]
fn frames_of_one_batch_keep_their_own_answers() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    for name in ["free.onnx", "batch_of_four.onnx", "half_boxes.onnx"] {
        let model = load(folder.path(), name, 4).unwrap();
        assert_eq!(model.max_batch(), 4, "{name}");
        let mut pipeline = Pipeline::new(model, Thresholds::default());
        for shades in [
            &[255, 90, 180][..],
            &[100],
            &[80, 90, 100, 110],
            &[255, 128],
        ] {
            for (confidence, shade) in confidences(&mut pipeline, shades).into_iter().zip(shades) {
                assert!(
                    (confidence - f32::from(*shade) / 255.0).abs() < 0.002,
                    "{name}: {confidence} for {shade}"
                );
            }
        }
    }
}

#[test]
fn a_model_without_names_numbers_its_classes() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    assert_eq!(
        load(folder.path(), "nameless.onnx", 1)
            .unwrap()
            .info()
            .class_names,
        ["class_0", "class_1", "class_2"]
    );
}

#[test]
fn other_models_are_refused_with_what_was_expected_and_found() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    std::fs::write(folder.path().join("refused_text.onnx"), "hello").unwrap();
    for (name, expected, found) in [
        (
            "refused_names.onnx",
            "[1, 8, anchors] for its 4 class names",
            "[1, 7, 21]",
        ),
        ("refused_task.onnx", "detect", "segment"),
        (
            "refused_grey.onnx",
            "[batch, 3, height, width]",
            "1, 1, 96, 160",
        ),
        ("refused_bytes.onnx", "float32 or float16", "u8"),
        (
            "refused_outputs.onnx",
            "one input and one output",
            "1 and 2",
        ),
        ("refused_classes.onnx", "[1, 7, anchors]", "[1, 1, 1000]"),
        ("refused_text.onnx", "no ONNX model", "refused_text.onnx"),
        ("absent.onnx", "cannot read model", "absent.onnx"),
    ] {
        let error = load(folder.path(), name, 1).err().unwrap();
        assert!(
            error.contains(expected) && error.contains(found),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_model_for_many_cameras_takes_batches_where_it_can() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    let load = |name| batch::load(&folder.path().join(name), &ModelOptions::default()).unwrap();
    assert_eq!(load("fixed.onnx").max_batch(), 1);
    assert_eq!(load("batch_of_four.onnx").max_batch(), 4);
    // Whether it pays is up to the machine; the answers are the same.
    let model = load("free.onnx");
    assert!((1..=4).contains(&model.max_batch()));
    let mut pipeline = Pipeline::new(model, Thresholds::default());
    assert!((confidences(&mut pipeline, &[255])[0] - 1.0).abs() < 0.002);
}

#[test]
fn a_device_that_is_named_and_not_there_is_an_error_with_its_reason() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    let load = |device: &str| {
        let options = ModelOptions {
            device: device.parse().unwrap(),
            ..ModelOptions::default()
        };
        Model::load(&folder.path().join("fixed.onnx"), &options)
    };
    assert_eq!(load("cpu").unwrap().info().provider, "CPU");
    // With a GPU or without: it runs.
    assert!(load("auto").is_ok());
    // No machine has so many GPUs.
    for device in ["cuda:99", "tensorrt:99"] {
        let error = load(device).err().unwrap().to_string();
        assert!(
            error.contains(&format!("device {device} is not to be had: ")),
            "{error}"
        );
    }
}
