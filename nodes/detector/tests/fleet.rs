//! One process for many robots, over a real router: fair, whatever one of them sends; robots come and go; memory is flat.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use common::node::{Stage, frame, next, picture, put};
use common::stand_in_models;
use wire::{Detections, DetectorStatus, keys};
use zenoh::bytes::ZBytes;
use zenoh::handlers::FifoChannelHandler;
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Subscriber;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

fn camera(robot: &str) -> String {
    keys::of_robot(robot, keys::COLOR_IMAGE)
}

fn send(session: &Session, robot: &str, frame: &ZBytes) {
    put(session, &camera(robot), frame.clone());
}

/// The robot that an answer is for.
fn robot_of(answer: &Sample) -> String {
    let robot = keys::robot_of(answer.key_expr().as_str(), keys::DETECTIONS);
    robot.unwrap().to_owned()
}

/// The first status that `is_it`.
fn status(
    statuses: &Subscriber<FifoChannelHandler<Sample>>,
    is_it: impl Fn(&DetectorStatus) -> bool,
) -> DetectorStatus {
    loop {
        let status = DetectorStatus::from_json(&next(statuses).payload().to_bytes()).unwrap();
        if is_it(&status) {
            return status;
        }
    }
}

/// What a bridge declares for a robot's camera.
fn token(session: &Session, robot: &str) -> LivelinessToken {
    let topic = camera(robot).replace('/', "§");
    let key = format!(
        "@/{}/@ros2_lv/MP/{topic}/sensor_msgs§msg§Image/:::,5",
        session.zid()
    );
    session.liveliness().declare_token(key).wait().unwrap()
}

/// Jain's index: 1 when all have the same, 1/n when one has all.
fn jain(shares: impl Iterator<Item = f64> + Clone) -> f64 {
    let sum: f64 = shares.clone().sum();
    let squares: f64 = shares.clone().map(|share| share * share).sum();
    sum * sum / (shares.count() as f64 * squares)
}

#[test]
fn a_robot_that_floods_starves_nobody() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        statuses,
        node: _node,
        router,
    } = Stage::start(
        &models.path().join("slow.onnx"),
        "flood/camera/color/image_raw",
    );
    let robots = ["a", "b", "c", "flood"];
    let frame = ZBytes::from(frame(1, "rgb8", 255));
    // With each answer every robot sends once, and one of them ten times: four robots at the full rate of the machine.
    let send_all = || {
        for robot in robots {
            for _ in 0..if robot == "flood" { 10 } else { 1 } {
                send(&router, robot, &frame);
            }
        }
    };
    send_all();
    let mut served = BTreeMap::<String, u32>::new();
    const ANSWERS: u32 = 120;
    for _ in 0..ANSWERS {
        *served.entry(robot_of(&next(&answers))).or_default() += 1;
        send_all();
    }
    let fairness = jain(
        robots
            .iter()
            .map(|robot| f64::from(served.get(*robot).copied().unwrap_or(0))),
    );
    assert!(fairness >= 0.98, "{fairness}: {served:?}");
    let status = status(&statuses, |status| {
        status.frames_inferred >= u64::from(ANSWERS)
    });
    let dropped = |robot: &str| status.robots[robot].frames_dropped;
    assert!(dropped("flood") > 5 * dropped("a"), "{status:?}");
}

#[test]
fn robots_come_and_go_and_leave_nothing() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        statuses,
        node,
        router,
    } = Stage::start(
        &models.path().join("tiny.onnx"),
        "r0/camera/color/image_raw",
    );
    let frame = ZBytes::from(picture(1, "rgb8", [320, 240], 255));
    let visit = |robot: &str| {
        let _token = token(&router, robot);
        send(&router, robot, &frame);
        let answer = next(&answers);
        assert_eq!(robot_of(&answer), robot);
        Detections::from_json(&answer.payload().to_bytes()).unwrap()
    };
    // More than there are places, so that they are used again.
    const ROBOTS: u64 = 1100;
    let mut settled = 0;
    for robot in 0..ROBOTS {
        visit(&format!("r{robot}"));
        if robot == ROBOTS / 2 {
            status(&statuses, |status| status.robots.is_empty());
            settled = node.memory();
        }
    }
    let last = status(&statuses, |status| {
        status.frames_in == ROBOTS && status.robots.is_empty()
    });
    assert_eq!(last.frames_inferred, ROBOTS);
    assert_eq!(last.frames_dropped, BTreeMap::new());
    assert_eq!(last.robots_left, ROBOTS);
    let growth = node.memory().saturating_sub(settled);
    assert!(
        growth < 4 << 20,
        "{growth} bytes more after {} robots more",
        ROBOTS / 2
    );
    // One that comes back is a new one.
    assert_eq!(visit("r3").keyframe_id, 1);
    // A camera without a bridge declares its own key.
    status(&statuses, |status| status.robots.is_empty());
    let own = router.liveliness().declare_token(camera("r4")).wait();
    send(&router, "r4", &frame);
    assert_eq!(robot_of(&next(&answers)), "r4");
    status(&statuses, |status| status.robots.contains_key("r4"));
    own.unwrap().undeclare().wait().unwrap();
    status(&statuses, |status| status.robots.is_empty());
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

/// How much a straight line through `samples` rises from the first to the last.
fn rise(samples: &[f64]) -> f64 {
    let n = samples.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = samples.iter().sum::<f64>() / n;
    let offset = |index: usize| index as f64 - middle;
    let covariance: f64 = samples
        .iter()
        .enumerate()
        .map(|(x, y)| offset(x) * (y - mean))
        .sum();
    let variance: f64 = (0..samples.len()).map(|x| offset(x).powi(2)).sum();
    covariance / variance * (n - 1.0)
}

#[test]
fn a_hundred_thousand_frames_leave_memory_flat() {
    const FRAMES: usize = 100_000;
    const ROBOTS: usize = 8;
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        node,
        router,
        statuses: _,
    } = Stage::start(
        &models.path().join("tiny.onnx"),
        "r0/camera/color/image_raw",
    );
    let frame = ZBytes::from(picture(1, "rgb8", [32, 32], 255));
    for robot in 0..ROBOTS {
        send(&router, &format!("r{robot}"), &frame);
    }
    let mut memory = Vec::new();
    let started = Instant::now();
    for served in 1..=FRAMES {
        let answer = next(&answers);
        send(&router, &robot_of(&answer), &frame);
        if served % (FRAMES / 100) == 0 {
            memory.push(node.memory() as f64);
        }
    }
    let rise = rise(&memory[memory.len() / 2..]);
    eprintln!(
        "{FRAMES} frames in {:?}; memory rises by {rise:.0} bytes over the last half",
        started.elapsed()
    );
    assert!(
        rise <= f64::from(1 << 20),
        "memory rises by {rise} bytes: {memory:?}"
    );
}
