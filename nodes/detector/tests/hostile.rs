//! Damaged and lying payloads: valid ones with seeded mutations. Nothing panics, and no allocation is larger than the
//! bytes that are really there allow. One test program, for the allocator sees the whole process.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Cursor;

use detector::letterbox::Letterbox;
use detector::photo::{self, PhotoError};
use detector::pieces::Pieces;
use detector::position::{Depth, Intrinsics};
use detector::preprocess::Preprocessor;
use detector::rows::Picture;
use image::{ImageFormat, Rgb, RgbImage};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::messages::{CameraInfo, CompressedImageHeader, Header, ImageHeader, ImageView, Odometry};
use wire::{Detection, Detections, DetectorStatus, ModelId, SlamPose, Stamp};
use zenoh::bytes::ZBytes;

/// Mutations of each valid payload.
const ROUNDS: u32 = 20_000;
/// Of the pictures that have to be unpacked.
const PACKED_ROUNDS: u32 = 3_000;

thread_local! {
    /// The largest allocation of this thread since it was last set to 0.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watching;

fn note(size: usize) {
    // A thread that ends allocates nothing that matters here.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes on to the system's allocator unchanged; noting a size allocates nothing.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Damages `payload`: most damage hits the first bytes, where the lengths stand, and the values that parsers stumble over.
fn mutate(rng: &mut ChaCha8Rng, payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let reach = if rng.random_bool(0.8) {
            100
        } else {
            bytes.len()
        };
        let at = rng.random_range(0..reach.clamp(1, bytes.len().max(1)));
        let kind = rng.random_range(0..5);
        match (kind, bytes.len()) {
            (_, 0) => {}
            (0, _) => bytes[at] ^= 1 << rng.random_range(0..8),
            (1, _) => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            (2, len) => {
                let edge = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0001_0000_u32];
                let word = edge[rng.random_range(0..edge.len())].to_le_bytes();
                let at = at / 4 * 4;
                for (byte, new) in bytes[at..len.min(at + 4)].iter_mut().zip(word) {
                    *byte = new;
                }
            }
            (3, _) => bytes.truncate(at),
            _ => {
                let until = rng.random_range(at..bytes.len()) + 1;
                let copy = bytes[at..until.min(at + 64)].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

/// Runs `read` on mutations of `payload`; no allocation in it may be larger than `bound` says for a payload's length.
fn fuzz(
    seed: u64,
    rounds: u32,
    payload: &[u8],
    bound: fn(usize) -> usize,
    mut read: impl FnMut(&[u8]),
) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..rounds {
        let bytes = mutate(&mut rng, payload);
        LARGEST.set(0);
        read(&bytes);
        let largest = LARGEST.get();
        assert!(
            largest <= bound(bytes.len()),
            "seed {seed}, round {round}: {largest} bytes allocated for a payload of {}",
            bytes.len()
        );
    }
}

fn frame(encoding: &str, width: u32, height: u32, step: u32, little_endian: bool) -> Vec<u8> {
    let header = ImageHeader {
        stamp: Stamp { sec: 1, nanosec: 2 },
        frame_id: "camera_color_optical_frame",
        height,
        width,
        encoding,
        is_bigendian: !little_endian,
        step,
        data: 0..0,
    };
    let data = vec![150; step as usize * height as usize * 3];
    ImageView {
        header,
        data: &data,
    }
    .to_cdr(little_endian)
}

#[test]
fn damaged_frames_cost_nothing_but_themselves() {
    const INPUT: [usize; 2] = [64, 48];
    let mut preprocessor = Preprocessor::default();
    let mut input = vec![0.0_f32; 3 * INPUT[0] * INPUT[1]];
    let mut placed = 0;
    for (seed, (encoding, bytes_per_pixel)) in [
        ("rgb8", 3),
        ("bgra8", 4),
        ("mono16", 2),
        ("bayer_grbg8", 1),
        ("bayer_rggb16", 2),
        ("yuv422_yuy2", 2),
        ("nv21", 1),
        ("nv24", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = frame(encoding, 14, 10, 14 * bytes_per_pixel + 2, seed % 2 == 0);
        // Buffers hold rows at the network's size or the frame's: a few of its lengths, whatever it claims.
        let bound = |len: usize| 8 * len + 64 * 1024;
        fuzz(seed as u64, ROUNDS / 8, &payload, bound, |bytes| {
            // As the network hands it over: in pieces that end anywhere.
            let mut writer = ZBytes::writer();
            for piece in bytes.chunks(97) {
                writer.append(ZBytes::from(piece.to_vec()));
            }
            let payload = writer.finish();
            let pieces = Pieces::Zenoh(&payload);
            let mut head = [0; 1024];
            let Ok(header) = ImageHeader::read(pieces.head(&mut head), pieces.len()) else {
                return;
            };
            let Ok(picture) = Picture::new(&header, pieces) else {
                return;
            };
            if let Some(letterbox) = Letterbox::new([picture.width, picture.height], INPUT) {
                preprocessor.write(&picture, &letterbox, true, &mut input);
                placed += 1;
            }
        });
    }
    assert!(
        placed > 100,
        "only {placed} damaged frames were still frames: the damage is too great to test much"
    );
}

#[test]
fn damaged_depth_pictures_cost_nothing_but_their_positions() {
    let info = CameraInfo {
        stamp: Stamp::default(),
        frame_id: "camera",
        height: 10,
        width: 14,
        k: [20.0, 0.0, 7.0, 0.0, 20.0, 5.0, 0.0, 0.0, 1.0],
    };
    let intrinsics = Intrinsics::new(&info).unwrap();
    let (mut buffer, mut located) = (Vec::new(), 0);
    for (seed, encoding) in [(31, "16UC1"), (32, "32FC1")] {
        let payload = frame(encoding, 14, 10, 60, seed % 2 == 0);
        let bound = |_| 64 * 1024;
        fuzz(seed, ROUNDS / 4, &payload, bound, |bytes| {
            let Ok(header) = ImageHeader::read(bytes, bytes.len()) else {
                return;
            };
            let Ok(depth) = Depth::new(&header, Pieces::One(bytes)) else {
                return;
            };
            for bbox in [[1.0, 2.0, 9.0, 8.0], [f32::NAN, -1e30, 1e30, f32::INFINITY]] {
                let found = depth.locate(&intrinsics, [14, 10], bbox, &mut buffer);
                located += u32::from(found.is_some());
            }
        });
    }
    assert!(located > 100, "only {located} objects were located");
}

#[test]
fn damaged_compressed_frames_claim_no_memory() {
    let mut noise = ChaCha8Rng::seed_from_u64(5);
    let picture = RgbImage::from_fn(32, 24, |_, _| {
        Rgb(noise.next_u32().to_le_bytes()[..3].try_into().unwrap())
    });
    // The decoder's own pixels and coefficients, and a second picture where grey becomes colour.
    let of_jpeg: fn(usize) -> usize = |len| 4 * 1032 * len + 4 * 1024 * 1024;
    let of_png: fn(usize) -> usize = |len| 12 * 1032 * len + 4 * 1024 * 1024;
    for (seed, format, bound) in [
        (11, ImageFormat::Jpeg, of_jpeg),
        (12, ImageFormat::Png, of_png),
    ] {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        let mut decoded = 0;
        fuzz(seed, PACKED_ROUNDS, &file.into_inner(), bound, |bytes| {
            decoded += u32::from(photo::decode(bytes).is_ok());
        });
        assert!(decoded > 0, "{format:?}");
    }
}

/// 20 KB of comment hold no pixels: 169 million of them are a lie.
#[test]
fn a_padded_jpeg_frame_that_claims_more_than_it_holds_is_refused() {
    let mut file = Cursor::new(Vec::new());
    RgbImage::new(32, 24)
        .write_to(&mut file, ImageFormat::Jpeg)
        .unwrap();
    let mut bytes = file.into_inner();
    let frame_header = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]);
    let size = frame_header.unwrap() + 5;
    for at in [size, size + 2] {
        bytes[at..at + 2].copy_from_slice(&13_000_u16.to_be_bytes());
    }
    let comment = [
        &[0xff, 0xfe],
        &20_000_u16.to_be_bytes()[..],
        &[b' '; 19_998],
    ]
    .concat();
    bytes.splice(2..2, comment);
    let refused = photo::decode(&bytes);
    assert!(
        matches!(refused, Err(PhotoError::Oversized { .. })),
        "{refused:?}"
    );
}

#[test]
fn damaged_headers_and_json_are_refused_in_place() {
    let frame = frame("rgb8", 14, 10, 42, true);
    fuzz(
        21,
        ROUNDS,
        &frame,
        |_| 0,
        |bytes| {
            // What is read in place allocates nothing at all.
            let _ = Header::read(bytes);
            let _ = ImageView::read(bytes);
            let _ = CompressedImageHeader::read(bytes, bytes.len());
            let _ = Odometry::read(bytes);
            let _ = CameraInfo::read(bytes);
        },
    );
    let detections = Detections {
        run_id: "run".to_owned(),
        detections: vec![
            Detection {
                class: "cup".to_owned(),
                confidence: 0.5,
                bbox: [1.0, 2.0, 3.0, 4.0],
                ..Detection::default()
            };
            3
        ],
        stamp: Some(Stamp { sec: 1, nanosec: 2 }),
        model: Some(ModelId::default()),
        ..Detections::default()
    };
    let bound = |len: usize| 64 * len + 4096;
    fuzz(22, ROUNDS, &detections.to_json(), bound, |bytes| {
        let _ = Detections::from_json(bytes);
    });
    let slam = br#"{"frame":3,"pose":[1,0,0,0.25, 0,1,0,0, 0,0,1,4.0]}"#;
    fuzz(24, ROUNDS, slam, bound, |bytes| {
        let _ = SlamPose::from_json(bytes).map(|pose| pose.in_plane());
    });
    let status = DetectorStatus {
        frames_dropped: [("superseded".to_owned(), 3)].into(),
        robots: [("r7".to_owned(), wire::RobotStatus::default())].into(),
        ..DetectorStatus::default()
    };
    fuzz(23, ROUNDS, &status.to_json(), bound, |bytes| {
        let _ = DetectorStatus::from_json(bytes);
    });
}
