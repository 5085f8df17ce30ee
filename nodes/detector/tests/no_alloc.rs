//! From the sample's arrival to the boxes own code allocates nothing once it is warm. What ONNX Runtime and its binding
//! allocate is theirs, and counted apart. One test, for the counter sees the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::stand_in_models;
use detector::boxes::Thresholds;
use detector::model::{Model, ModelOptions};
use detector::pieces::Pieces;
use detector::pipeline::Pipeline;
use detector::rows::Picture;
use detector::serve::inbox::{Frame, Inbox};
use detector::serve::poses::Poses;
use wire::Stamp;
use wire::messages::{ImageHeader, ImageView};
use zenoh::bytes::ZBytes;
use zenoh::key_expr::KeyExpr;
use zenoh::sample::{Sample, SampleBuilder};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator unchanged; counting touches no memory of its own.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// A message as Zenoh hands it over: in pieces of 64 KiB.
fn payload(encoding: &str, width: u32, height: u32, bytes_per_pixel: u32) -> ZBytes {
    let data = vec![200; (width * height * bytes_per_pixel) as usize];
    let header = ImageHeader {
        stamp: Stamp::default(),
        frame_id: "camera_color_optical_frame",
        height,
        width,
        encoding,
        is_bigendian: false,
        step: width * bytes_per_pixel,
        data: 0..0,
    };
    let mut writer = ZBytes::writer();
    for piece in (ImageView {
        header,
        data: &data,
    })
    .to_cdr(true)
    .chunks(65_536)
    {
        writer.append(ZBytes::from(piece.to_vec()));
    }
    writer.finish()
}

#[test]
fn a_warm_detector_allocates_nothing_for_a_frame() {
    let Some(folder) = stand_in_models() else {
        return;
    };
    let (inbox, poses) = (Inbox::default(), Poses::default());
    let mut turns = Vec::with_capacity(1);
    for (model, width, height) in [
        ("fixed.onnx", 640, 480),
        ("half.onnx", 320, 192),
        ("boxes.onnx", 160, 96),
    ] {
        let model = Model::load(&folder.path().join(model), &ModelOptions::default()).unwrap();
        let mut pipeline = Pipeline::new(model, Thresholds::default());
        for (encoding, bytes_per_pixel) in [
            ("rgb8", 3),
            ("bgra8", 4),
            ("mono8", 1),
            ("bayer_rggb8", 1),
            ("yuv422", 2),
        ] {
            let payload = payload(encoding, width, height, bytes_per_pixel);
            let (mut own, mut runtime, mut boxes) = (0, 0, 0);
            for frame in 0..10 {
                let key = KeyExpr::try_from("r7/camera/color/image_raw").unwrap();
                let sample: Sample = SampleBuilder::put(key, payload.clone()).into();
                let before = allocations(|| {
                    let arrived = Instant::now();
                    inbox.put("r7", Frame { sample, arrived });
                    assert!(inbox.take(1, arrived, &mut turns));
                    let payload = turns[0].frame.sample.payload();
                    let mut head = [0; 1024];
                    let pieces = Pieces::Zenoh(payload);
                    let header = ImageHeader::read(pieces.head(&mut head), pieces.len()).unwrap();
                    poses.frame_came("r7", header.stamp, arrived);
                    let picture = Picture::new(&header, pieces).unwrap();
                    pipeline.place(&picture, 1, 0).unwrap();
                });
                turns.clear();
                let during = allocations(|| pipeline.run(1).unwrap());
                let after = allocations(|| boxes = pipeline.boxes(1, 0).len());
                // The first frame of a size finds buffers to make.
                if frame > 0 {
                    own += before + after;
                    runtime += during;
                }
            }
            assert_eq!(own, 0, "{encoding}");
            assert_eq!(boxes, 1, "{encoding}");
            eprintln!(
                "{encoding}: ONNX Runtime's binding allocates {} times a frame",
                runtime / 9
            );
        }
    }
}
