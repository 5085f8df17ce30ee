//! The node as a process of its own, spoken to over a real Zenoh router.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::io::Cursor;
use std::process::Command;
use std::time::{Duration, Instant};

use common::node::{
    Node, PATIENCE, READY, Stage, WAITING, await_subscriber, frame, free_endpoint, next, odometry,
    put, router, subscribe,
};
use common::stand_in_models;
use image::{ImageFormat, Rgb, RgbImage};
use wire::messages::{ImageHeader, ImageView};
use wire::{Detections, DetectorStatus, PoseFrame, Stamp, cdr};
use zenoh::Wait;
use zenoh::sample::Sample;

/// A depth picture of the size of [`frame`]'s, the same distance everywhere.
fn depth(sec: i32, metres: f32) -> Vec<u8> {
    let header = ImageHeader {
        stamp: Stamp { sec, nanosec: 5 },
        frame_id: "camera_color_optical_frame",
        height: 96,
        width: 160,
        encoding: "32FC1",
        is_bigendian: false,
        step: 4 * 160,
        data: 0..0,
    };
    let data = metres.to_le_bytes().repeat(160 * 96);
    ImageView {
        header,
        data: &data,
    }
    .to_cdr(true)
}

/// A camera of focal length 100 pixels that looks through the middle of [`frame`].
fn camera_info() -> Vec<u8> {
    let mut writer = cdr::Writer::new(true);
    writer
        .stamp(Stamp { sec: 0, nanosec: 5 })
        .string("camera_color_optical_frame")
        .u32(96)
        .u32(160)
        .string("plumb_bob")
        .u32(0);
    for number in [100.0, 0.0, 80.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0] {
        writer.f64(number);
    }
    writer.finish()
}

fn detections(sample: &Sample) -> Detections {
    Detections::from_json(&sample.payload().to_bytes()).unwrap()
}

#[test]
fn every_inferred_frame_is_answered_once_under_its_robots_prefix() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        statuses,
        node,
        router,
    } = Stage::start(&models.path().join("fixed.onnx"), "camera/color/image_raw");
    for key in ["r7/odom", "r7/camera/color/image_raw"] {
        await_subscriber(&router, key);
    }
    put(&router, "r7/odom", odometry(0, 1.5));
    for sec in 0..5 {
        for (index, (robot, shade)) in [("", 255), ("r7/", 128)].into_iter().enumerate() {
            put(
                &router,
                &format!("{robot}camera/color/image_raw"),
                frame(sec, "rgb8", shade),
            );
            let answer = next(&answers);
            assert_eq!(answer.key_expr().as_str(), format!("{robot}tb/detections"));
            let message = detections(&answer);
            assert_eq!(message.stamp, Some(Stamp { sec, nanosec: 5 }));
            assert_eq!(
                message.frame_id.as_deref(),
                Some("camera_color_optical_frame")
            );
            assert_eq!(
                (message.run_id.as_str(), message.keyframe_id),
                ("test", 2 * sec as u64 + index as u64 + 1)
            );
            let [seen] = &message.detections[..] else {
                panic!("{message:?}")
            };
            assert_eq!(
                (seen.class.as_str(), seen.bbox),
                ("cup", [10.0, 20.0, 50.0, 80.0])
            );
            assert!((seen.confidence - f32::from(shade) / 255.0).abs() < 0.01);
            let placed = robot == "r7/" && sec == 0;
            assert_eq!(message.map_x, placed.then_some(1.5), "{robot} {sec}");
            assert_eq!(message.pose_frame, placed.then_some(PoseFrame::Odom));
        }
    }
    // A black frame shows nothing, and is answered all the same.
    put(&router, "camera/color/image_raw", frame(9, "rgb8", 0));
    assert_eq!(detections(&next(&answers)).detections, []);

    // What is no frame costs one counted frame each, and nothing else.
    put(&router, "camera/color/image_raw", b"junk".to_vec());
    put(&router, "r7/camera/color/image_raw", frame(1, "32FC1", 1));
    let status = loop {
        let status = DetectorStatus::from_json(&next(&statuses).payload().to_bytes()).unwrap();
        if status.frames_in == 13 && status.frames_dropped.values().sum::<u64>() == 2 {
            break status;
        }
    };
    assert_eq!(
        (
            status.frames_dropped["malformed"],
            status.frames_dropped["encoding"]
        ),
        (1, 1)
    );
    assert_eq!(
        (status.frames_inferred, status.robots["r7"].frames_inferred),
        (11, 5)
    );
    assert_eq!(status.latency_ms.count, 11);
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

#[test]
fn objects_have_a_place_before_the_camera_and_slam_says_where_that_is() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        statuses: _statuses,
        node,
        router,
    } = Stage::start(
        &models.path().join("fixed.onnx"),
        "r7/camera/color/image_raw",
    );
    for key in [
        "r7/odom",
        "r7/tb/slam/pose",
        "r7/camera/depth/image_rect_raw",
        "r7/camera/color/camera_info",
    ] {
        await_subscriber(&router, key);
    }
    let put = |key: &str, payload: Vec<u8>| put(&router, &format!("r7/{key}"), payload);
    let answer = |sec| {
        put("camera/color/image_raw", frame(sec, "rgb8", 255));
        detections(&next(&answers))
    };
    // Nothing but the frame; then depth, but nobody knows how the camera projects.
    assert_eq!(answer(1).detections[0].position, None);
    put("camera/depth/image_rect_raw", depth(2, 2.0));
    assert_eq!(answer(2).detections[0].position, None);
    put("camera/color/camera_info", camera_info());
    put("camera/depth/image_rect_raw", depth(3, 2.0));
    let position = answer(3).detections[0].position.unwrap();
    // The box 10 20 50 80 at 2 m: its middle is 50 pixels left of the axis and 2 below it.
    for (own, expected) in position.xyz.into_iter().zip([-1.0, 0.04, 2.0]) {
        assert!((own - expected).abs() < 1e-6, "{position:?}");
    }
    assert!(position.std_dev.iter().all(|dev| (0.01..0.1).contains(dev)));
    // That depth is of another moment; this is no depth at all.
    assert_eq!(answer(4).detections[0].position, None);
    put("camera/depth/image_rect_raw", frame(5, "rgb8", 1));
    assert_eq!(answer(5).detections[0].position, None);

    put("odom", odometry(6, 1.0));
    let by_odometry = answer(6);
    assert_eq!(
        (by_odometry.pose_frame, by_odometry.map_x),
        (Some(PoseFrame::Odom), Some(1.0))
    );
    // SLAM saw that frame from 4 m ahead of where it began; since then the robot has driven on.
    let pose = br#"{"frame":3,"pose":[1,0,0,0, 0,1,0,0, 0,0,1,4.0]}"#;
    put("tb/slam/pose", pose.to_vec());
    put("odom", odometry(7, 1.5));
    let by_slam = answer(7);
    assert_eq!(
        (by_slam.pose_frame, by_slam.map_x, by_slam.map_y),
        (Some(PoseFrame::Map), Some(4.5), Some(0.0))
    );
    // SLAM is lost, and odometry has to do.
    put("tb/slam/pose", b"lost".to_vec());
    put("odom", odometry(9, 2.0));
    assert_eq!(answer(9).pose_frame, Some(PoseFrame::Odom));
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

#[test]
fn an_object_keeps_its_id_while_it_is_too_faint_to_be_answered() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let stage = Stage::start(&models.path().join("fixed.onnx"), "camera/color/image_raw");
    let ids = |sec, shade| {
        put(
            &stage.router,
            "camera/color/image_raw",
            frame(sec, "rgb8", shade),
        );
        let answer = detections(&next(&stage.answers));
        let ids = answer.detections.into_iter().map(|seen| seen.det_id);
        ids.collect::<Vec<_>>()
    };
    for sec in 1..4 {
        assert_eq!(ids(sec, 255), ["test_t1"]);
    }
    // Of confidence 0.2, for longer than a track lasts of which nothing is seen.
    for sec in 4..44 {
        assert_eq!(ids(sec, 51), [""; 0]);
    }
    assert_eq!(ids(44, 255), ["test_t1"]);
    // Time that goes back is another run's, and half a minute is long.
    assert_eq!(ids(1, 255), ["test_t2"]);
    assert_eq!(ids(31, 255), ["test_t2"]);
    assert_eq!(ids(62, 255), ["test_t3"]);
    assert_eq!(stage.node.stop("-TERM").code(), Some(0));
}

#[test]
fn a_router_that_comes_late_or_anew_is_met() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let node = Node::start(&endpoint, &models.path().join("fixed.onnx"), WAITING);
    for sec in [1, 2] {
        let router = router(&endpoint);
        let _token = router
            .liveliness()
            .declare_token("camera/color/image_raw")
            .wait()
            .unwrap();
        let answers = subscribe(&router, "tb/detections");
        let statuses = subscribe(&router, "tb/detector/status");
        // Frames are lost until the node is back; a camera goes on sending.
        let started = Instant::now();
        let answer = loop {
            assert!(
                started.elapsed() < PATIENCE,
                "no answer through router {sec}"
            );
            put(&router, "camera/color/image_raw", frame(sec, "rgb8", 255));
            if let Some(answer) = answers.recv_timeout(Duration::from_millis(100)).unwrap() {
                break detections(&answer);
            }
        };
        assert_eq!(answer.stamp, Some(Stamp { sec, nanosec: 5 }));
        let status = DetectorStatus::from_json(&next(&statuses).payload().to_bytes()).unwrap();
        assert_eq!(status.router_losses, sec as u64 - 1);
        // Its token goes with the router, the camera does not.
        assert_eq!(status.robots_left, 0);
        assert_eq!(answer.keyframe_id > 1, sec > 1, "{answer:?}");
        router.close().wait().unwrap();
    }
    assert_eq!(node.stop("-INT").code(), Some(130));
}

/// A picture of one shade, as a driver compresses it.
fn compressed(sec: i32, format: ImageFormat, shade: u8) -> Vec<u8> {
    let picture = RgbImage::from_pixel(160, 96, Rgb([shade; 3]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    let bytes = bytes.into_inner();
    let mut writer = cdr::Writer::new(true);
    writer
        .stamp(Stamp { sec, nanosec: 5 })
        .string("camera_color_optical_frame")
        .string("rgb8; jpeg compressed bgr8")
        .u32(bytes.len() as u32);
    let mut message = writer.finish();
    message.extend(bytes);
    message
}

#[test]
fn compressed_frames_are_answered_as_others_are() {
    let Some(models) = stand_in_models() else {
        return;
    };
    const KEY: &str = "r7/camera/color/image_raw/compressed";
    let endpoint = free_endpoint();
    let router = router(&endpoint);
    let answers = subscribe(&router, "r7/tb/detections");
    let statuses = subscribe(&router, "tb/detector/status");
    let model = models.path().join("fixed.onnx");
    let keys = ["--keys", "**/camera/color/image_raw/compressed"];
    let node = Node::start_with(&endpoint, &model, READY, &keys);
    await_subscriber(&router, KEY);
    for (sec, format) in [(1, ImageFormat::Jpeg), (2, ImageFormat::Png)] {
        put(&router, KEY, compressed(sec, format, 128));
        let message = detections(&next(&answers));
        assert_eq!(message.stamp, Some(Stamp { sec, nanosec: 5 }));
        let [seen] = &message.detections[..] else {
            panic!("{message:?}")
        };
        assert_eq!(seen.bbox, [10.0, 20.0, 50.0, 80.0]);
        assert!((seen.confidence - 0.5).abs() < 0.01, "{seen:?}");
    }
    let mut cut = compressed(3, ImageFormat::Png, 128);
    cut.truncate(cut.len() - 20);
    put(&router, KEY, cut);
    loop {
        let status = DetectorStatus::from_json(&next(&statuses).payload().to_bytes()).unwrap();
        if status.frames_in == 3 && status.frames_dropped.values().sum::<u64>() == 1 {
            break;
        }
    }
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

#[test]
fn killed_and_started_again_it_answers_the_first_frame() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let router = router(&endpoint);
    let answers = subscribe(&router, "tb/detections");
    let model = models.path().join("fixed.onnx");
    for sec in [1, 2] {
        let node = Node::start(&endpoint, &model, READY);
        await_subscriber(&router, "camera/color/image_raw");
        put(&router, "camera/color/image_raw", frame(sec, "rgb8", 255));
        let answer = detections(&next(&answers));
        assert_eq!(answer.stamp, Some(Stamp { sec, nanosec: 5 }));
        assert_eq!(answer.keyframe_id, 1);
        assert_eq!(node.stop("-KILL").code(), None);
    }
}

#[test]
fn a_run_that_fails_costs_its_frame_and_many_in_a_row_the_process() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let mut stage = Stage::start(
        &models.path().join("brittle.onnx"),
        "camera/color/image_raw",
    );
    let send = |sec, shade| {
        let frame = frame(sec, "rgb8", shade);
        put(&stage.router, "camera/color/image_raw", frame);
    };
    send(1, 255);
    let status = loop {
        let status = next(&stage.statuses);
        let status = DetectorStatus::from_json(&status.payload().to_bytes()).unwrap();
        if !status.frames_dropped.is_empty() {
            break status;
        }
    };
    assert_eq!(status.frames_dropped["inference"], 1);
    send(2, 0);
    assert_eq!(detections(&next(&stage.answers)).detections, []);
    // As when a GPU is lost; what is no frame says nothing of it.
    let started = Instant::now();
    let ended = loop {
        assert!(started.elapsed() < PATIENCE, "it goes on failing");
        send(3, 255);
        put(&stage.router, "r7/camera/color/image_raw", b"junk".to_vec());
        if let Some(ended) = stage.node.ended() {
            break ended;
        }
        let _ = stage.statuses.recv_timeout(Duration::from_millis(10));
    };
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn keys_that_bring_a_frame_twice_are_refused() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let refused = Command::new(env!("CARGO_BIN_EXE_detector"))
        .args(["serve", "--zenoh", "tcp/127.0.0.1:1", "--model"])
        .arg(models.path().join("fixed.onnx"))
        .args(["--keys", "**/camera/color/image_raw"])
        .args(["--keys", "r7/camera/color/image_raw"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("overlap"), "{error}");
}

#[test]
fn a_wait_for_the_router_can_be_interrupted() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let node = Node::start(&free_endpoint(), &models.path().join("fixed.onnx"), WAITING);
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

#[test]
fn a_robot_that_stands_still_is_seen_once_when_key_frames_are_asked_for() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let router = router(&endpoint);
    let answers = subscribe(&router, "tb/detections");
    let statuses = subscribe(&router, "tb/detector/status");
    let model = models.path().join("fixed.onnx");
    let node = Node::start_with(&endpoint, &model, READY, &["--key-frames"]);
    for key in ["odom", "camera/color/image_raw"] {
        await_subscriber(&router, key);
    }
    // Metres at the seconds of the frames; the third, from 0.4 to 0.6 m, is half a metre from the first.
    for (sec, x) in [(1, 0.0), (2, 0.4), (3, 0.6)] {
        put(&router, "odom", odometry(sec, x));
        put(&router, "camera/color/image_raw", frame(sec, "rgb8", 255));
        // Its fate is known before the next one comes, which would replace it.
        loop {
            let status = DetectorStatus::from_json(&next(&statuses).payload().to_bytes()).unwrap();
            let passed_over = status
                .frames_dropped
                .get("no_key_frame")
                .copied()
                .unwrap_or(0);
            if status.frames_inferred + passed_over == sec as u64 {
                break;
            }
        }
    }
    let seen = [next(&answers), next(&answers)].map(|answer| detections(&answer));
    assert_eq!(seen.each_ref().map(|seen| seen.stamp.unwrap().sec), [1, 3]);
    // The same object in the same place.
    let [first, second] = seen.map(|seen| seen.detections[0].det_id.clone());
    assert_eq!((first.as_str(), second), ("test_t1", first.clone()));
    assert_eq!(node.stop("-TERM").code(), Some(0));
}
