//! From the sample's arrival to the boxes own code allocates nothing once it is warm. What Zenoh and ONNX Runtime allocate
//! is theirs: counted apart, and printed. One test, for the counter sees the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::node::{PATIENCE, free_endpoint, router};
use common::{python, stand_in_models};
use detector::boxes::Thresholds;
use detector::model::{Model, ModelOptions};
use detector::pieces::Pieces;
use detector::pipeline::Pipeline;
use detector::rows::Picture;
use detector::serve::inbox::{Frame, Inbox, Turn};
use detector::serve::poses::Poses;
use wire::Stamp;
use wire::messages::{ImageHeader, ImageView};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::key_expr::KeyExpr;
use zenoh::sample::{Sample, SampleBuilder};

/// glibc's allocator behind counters. All of the process calls these: Rust's code, and the shared library of ONNX Runtime, which
/// finds an executable's functions before those of glibc.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
mod counted {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicUsize, Ordering};

    static OF_PROCESS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OF_THREAD: Cell<usize> = const { Cell::new(0) };
    }

    /// Allocations of all threads since the start.
    pub fn of_process() -> usize {
        OF_PROCESS.load(Ordering::Relaxed)
    }

    /// Allocations of this thread while `work` runs.
    pub fn during(work: impl FnOnce()) -> usize {
        let before = OF_THREAD.get();
        work();
        OF_THREAD.get() - before
    }

    fn count() {
        OF_PROCESS.fetch_add(1, Ordering::Relaxed);
        OF_THREAD.set(OF_THREAD.get() + 1);
    }

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(number: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    }

    // SAFETY of all: each call goes on to glibc's own function with what the caller promised; counting allocates nothing.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        count();
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_calloc(number, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_realloc(old, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(
        out: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int {
        count();
        const OUT_OF_MEMORY: c_int = 12;
        let new = unsafe { __libc_memalign(alignment, size) };
        if new.is_null() {
            return OUT_OF_MEMORY;
        }
        unsafe { *out = new };
        0
    }
}

/// The bytes of a message: so many bytes for a row's pixel, and so many rows of data for two of the picture.
fn message(encoding: &str, [width, height]: [u32; 2], bytes: u32, rows: u32) -> Vec<u8> {
    let data = vec![200; (width * bytes * height * rows / 2) as usize];
    let header = ImageHeader {
        stamp: Stamp::default(),
        frame_id: "camera_color_optical_frame",
        height,
        width,
        encoding,
        is_bigendian: false,
        step: width * bytes,
        data: 0..0,
    };
    ImageView {
        header,
        data: &data,
    }
    .to_cdr(true)
}

/// A message as Zenoh hands it over: in pieces of 64 KiB.
fn in_pieces(message: &[u8]) -> ZBytes {
    let mut writer = ZBytes::writer();
    for piece in message.chunks(65_536) {
        writer.append(ZBytes::from(piece.to_vec()));
    }
    writer.finish()
}

/// As the node does when a frame comes.
fn came(inbox: &Inbox, poses: &Poses, sample: Sample) {
    let arrived = Instant::now();
    let mut head = [0; 1024];
    let pieces = Pieces::Zenoh(sample.payload());
    let header = ImageHeader::read(pieces.head(&mut head), pieces.len()).unwrap();
    poses.frame_came("r7", header.stamp, arrived);
    inbox.put("r7", Frame { sample, arrived });
}

/// Allocations of the inference thread for a frame.
#[derive(Default)]
struct OfFrame {
    own: usize,
    runtime: usize,
}

/// As the node does when the frame's turn comes.
fn infer(pipeline: &mut Pipeline, turn: &Turn) -> OfFrame {
    let before = counted::during(|| {
        let payload = turn.frame.sample.payload();
        let mut head = [0; 1024];
        let pieces = Pieces::Zenoh(payload);
        let header = ImageHeader::read(pieces.head(&mut head), pieces.len()).unwrap();
        let picture = Picture::new(&header, pieces).unwrap();
        pipeline.place(&picture, 1, 0).unwrap();
    });
    let runtime = counted::during(|| pipeline.run(1).unwrap());
    let mut boxes = 0;
    let after = counted::during(|| boxes = pipeline.boxes(1, 0).len());
    assert!(boxes <= 300);
    OfFrame {
        own: before + after,
        runtime,
    }
}

/// One thread, so that all that ONNX Runtime allocates is the caller's.
fn load(model: &Path) -> Pipeline {
    let options = ModelOptions {
        threads: 1,
        ..ModelOptions::default()
    };
    Pipeline::new(Model::load(model, &options).unwrap(), Thresholds::default())
}

fn every_encoding(models: &Path) {
    let (inbox, poses) = (Inbox::default(), Poses::default());
    let mut turns = Vec::with_capacity(1);
    for (model, width, height) in [
        ("fixed.onnx", 640, 480),
        ("half.onnx", 320, 192),
        ("boxes.onnx", 160, 96),
    ] {
        let mut pipeline = load(&models.join(model));
        // Bytes of a row's pixel, and rows of data for two of the picture.
        for (encoding, bytes, rows) in [
            ("rgb8", 3, 2),
            ("bgra8", 4, 2),
            ("rgb16", 6, 2),
            ("mono8", 1, 2),
            ("mono16", 2, 2),
            ("bayer_rggb8", 1, 2),
            ("bayer_rggb16", 2, 2),
            ("yuv422", 2, 2),
            ("yuv422_yuy2", 2, 2),
            ("nv12", 1, 3),
            ("nv21", 1, 3),
            ("nv24", 1, 6),
        ] {
            let payload = in_pieces(&message(encoding, [width, height], bytes, rows));
            for frame in 0..10 {
                let key = KeyExpr::try_from("r7/camera/color/image_raw").unwrap();
                let sample: Sample = SampleBuilder::put(key, payload.clone()).into();
                let arriving = counted::during(|| {
                    came(&inbox, &poses, sample);
                    assert!(inbox.take(1, Instant::now(), &mut turns));
                });
                let OfFrame { own, .. } = infer(&mut pipeline, &turns[0]);
                assert_eq!(pipeline.boxes(1, 0).len(), 1, "{model} {encoding}");
                turns.clear();
                // The first frame of a size finds buffers to make.
                if frame > 0 {
                    assert_eq!(arriving + own, 0, "{model} {encoding}");
                }
            }
        }
    }
}

/// A process that puts a message for each line that it is sent; ended with the test.
struct Camera(Child);

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Frames from another process, by a real session.
fn through_zenoh(python: &Path) {
    const WARM: usize = 20;
    const FRAMES: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    std::fs::write(&file, message("rgb8", [640, 480], 3, 2)).unwrap();
    let endpoint = free_endpoint();
    let session = router(&endpoint);
    let (inbox, poses) = (Arc::new(Inbox::default()), Poses::default());
    let arriving = Arc::new(AtomicUsize::new(0));
    let _subscriber = session
        .declare_subscriber("r7/camera/color/image_raw")
        .callback({
            let (inbox, arriving) = (inbox.clone(), arriving.clone());
            move |sample| {
                let own = counted::during(|| came(&inbox, &poses, sample));
                arriving.fetch_add(own, Ordering::Relaxed);
            }
        })
        .wait()
        .unwrap();
    let mut camera = Camera(
        Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/camera.py"))
            .args([&endpoint, "r7/camera/color/image_raw"])
            .arg(&file)
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut shutter = camera.0.stdin.take().unwrap();
    let mut ready = String::new();
    BufReader::new(camera.0.stdout.as_mut().unwrap())
        .read_line(&mut ready)
        .unwrap();
    assert_eq!(ready, "ready\n");
    let own_model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/maze_yolov8.onnx");
    let mut pipeline = load(&own_model);
    let mut turns = Vec::with_capacity(1);
    let (mut own, mut runtime, mut before, mut pieces) = (0, 0, 0, 0);
    for frame in 0..WARM + FRAMES {
        if frame == WARM {
            before = counted::of_process();
            arriving.store(0, Ordering::Relaxed);
        }
        writeln!(shutter, "next").unwrap();
        let started = Instant::now();
        let taking = counted::during(|| {
            while turns.is_empty() {
                assert!(started.elapsed() < PATIENCE, "frame {frame} does not come");
                inbox.take(1, Instant::now() + Duration::from_secs(1), &mut turns);
            }
        });
        let of_frame = infer(&mut pipeline, &turns[0]);
        pieces = turns[0].frame.sample.payload().slices().count();
        turns.clear();
        if frame >= WARM {
            own += taking + of_frame.own;
            runtime += of_frame.runtime;
        }
    }
    let zenoh = counted::of_process() - before - runtime;
    own += arriving.load(Ordering::Relaxed);
    assert_eq!(own, 0);
    // Otherwise the counter does not see what they do.
    assert!(zenoh > FRAMES && runtime > FRAMES, "{zenoh} {runtime}");
    eprintln!(
        "a 640x480 frame of {pieces} pieces: own code allocates 0 times, Zenoh {:.1} times, ONNX Runtime with the project's own \
         model {:.1} times",
        zenoh as f64 / FRAMES as f64,
        runtime as f64 / FRAMES as f64
    );
}

#[test]
fn a_warm_detector_allocates_nothing_for_a_frame() {
    let Some(models) = stand_in_models() else {
        return;
    };
    every_encoding(models.path());
    if let Some(python) = python(&["zenoh"]) {
        through_zenoh(&python);
    }
}
