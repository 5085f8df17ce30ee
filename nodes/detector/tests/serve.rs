//! The node as a process of its own, spoken to over a real Zenoh router.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::time::{Duration, Instant};

use common::node::{
    Node, PATIENCE, READY, Stage, WAITING, await_subscriber, frame, free_endpoint, next, router,
    subscribe,
};
use common::stand_in_models;
use wire::{Detections, DetectorStatus, PoseFrame, Stamp, cdr};
use zenoh::Wait;
use zenoh::sample::Sample;

fn odometry(sec: i32, x: f64) -> Vec<u8> {
    let mut writer = cdr::Writer::new(true);
    writer
        .stamp(Stamp { sec, nanosec: 5 })
        .string("odom")
        .string("base_footprint");
    for number in [x, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] {
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
    router.put("r7/odom", odometry(0, 1.5)).wait().unwrap();
    for sec in 0..5 {
        for (robot, shade) in [("", 255), ("r7/", 128)] {
            router
                .put(
                    format!("{robot}camera/color/image_raw"),
                    frame(sec, "rgb8", shade),
                )
                .wait()
                .unwrap();
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
                ("test", sec as u64 + 1)
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
    router
        .put("camera/color/image_raw", frame(9, "rgb8", 0))
        .wait()
        .unwrap();
    assert_eq!(detections(&next(&answers)).detections, []);

    // What is no frame costs one counted frame each, and nothing else.
    router
        .put("camera/color/image_raw", b"junk".to_vec())
        .wait()
        .unwrap();
    router
        .put("r7/camera/color/image_raw", frame(1, "32FC1", 1))
        .wait()
        .unwrap();
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
fn a_router_that_comes_late_or_anew_is_met() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let node = Node::start(&endpoint, &models.path().join("fixed.onnx"), WAITING);
    for sec in [1, 2] {
        let router = router(&endpoint);
        let answers = subscribe(&router, "tb/detections");
        // Frames are lost until the node is back; a camera goes on sending.
        let started = Instant::now();
        let answer = loop {
            assert!(
                started.elapsed() < PATIENCE,
                "no answer through router {sec}"
            );
            router
                .put("camera/color/image_raw", frame(sec, "rgb8", 255))
                .wait()
                .unwrap();
            if let Some(answer) = answers.recv_timeout(Duration::from_millis(100)).unwrap() {
                break detections(&answer);
            }
        };
        assert_eq!(answer.stamp, Some(Stamp { sec, nanosec: 5 }));
        router.close().wait().unwrap();
    }
    assert_eq!(node.stop("-INT").code(), Some(130));
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
        router.put("odom", odometry(sec, x)).wait().unwrap();
        router
            .put("camera/color/image_raw", frame(sec, "rgb8", 255))
            .wait()
            .unwrap();
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
