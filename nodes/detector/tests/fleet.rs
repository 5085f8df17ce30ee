//! One process for many robots, over a real router: fair, whatever one of them sends; robots come and go; memory is flat.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::node::{
    Node, READY, Stage, await_subscriber, frame, free_endpoint, next, noise, odometry, picture,
    put, router, subscribe,
};
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
fn robots_that_share_a_run_have_their_own_answers() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let Stage {
        answers,
        statuses,
        node: _node,
        router,
    } = Stage::start(
        &models.path().join("slow_batch.onnx"),
        "a/camera/color/image_raw",
    );
    const ROUNDS: u8 = 20;
    let robots = ["a", "b", "c", "d", "e"];
    let shade = |round: u8, index: u8| 70 + 9 * round + 3 * index;
    for round in 0..ROUNDS {
        // While the first is inferred the others come, and then share a run.
        for (index, robot) in (0..).zip(robots) {
            let mut frame = frame(i32::from(round), "rgb8", shade(round, index));
            if robot == "c" && round % 3 == 0 {
                frame.truncate(frame.len() / 2);
            }
            put(&router, &camera(robot), frame);
        }
        let expected = if round % 3 == 0 { 4 } else { 5 };
        for _ in 0..expected {
            let answer = next(&answers);
            let robot = robot_of(&answer);
            let index = (0..).zip(robots).find(|(_, name)| **name == robot);
            let sent = shade(round, index.unwrap().0);
            let seen = Detections::from_json(&answer.payload().to_bytes()).unwrap();
            assert_eq!(seen.stamp.unwrap().sec, i32::from(round));
            let confidence = seen.detections[0].confidence;
            let expected = f32::from(sent) / 255.0;
            assert!((confidence - expected).abs() < 0.005, "{robot} {round}");
        }
        if round % 3 == 0 {
            // Its turn may come after all answers: the next frame of its robot must not take its place before.
            let broken = u64::from(round / 3 + 1);
            status(&statuses, |status| {
                status.frames_dropped.get("malformed") == Some(&broken)
            });
        }
    }
    let broken = u64::from(ROUNDS.div_ceil(3));
    let status = status(&statuses, |status| {
        status.frames_inferred == 5 * u64::from(ROUNDS) - broken
    });
    assert_eq!(
        status.frames_dropped,
        BTreeMap::from([("malformed".to_owned(), broken)])
    );
}

#[test]
fn a_subscriber_that_does_not_read_holds_nobody_up() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let router = router(&endpoint);
    let answers = subscribe(&router, "**/tb/detections");
    // Another process that subscribes to the answers, and hangs.
    let keys = ["--keys", "**/tb/detections"];
    let tiny = models.path().join("tiny.onnx");
    let subscriber = Node::start_with(&endpoint, &tiny, READY, &keys);
    // Hundreds of boxes: long answers, which soon fill all that is between the node and that subscriber.
    let crowd = models.path().join("crowd.onnx");
    let _node = Node::start(&endpoint, &crowd, READY);
    await_subscriber(&router, "r7/camera/color/image_raw");
    await_subscriber(&router, "r7/tb/detections");
    subscriber.signal("-STOP");
    let frame = ZBytes::from(noise(1));
    let (mut bytes, mut longest) = (0, Duration::ZERO);
    while bytes < 32 << 20 {
        let sent = Instant::now();
        send(&router, "r7", &frame);
        bytes += next(&answers).payload().len();
        longest = longest.max(sent.elapsed());
    }
    // Whoever waits for such a subscriber waits for 5 s, until Zenoh cuts it off.
    assert!(longest < Duration::from_secs(4), "{longest:?}");
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
    // One that comes back is a new one; its answers are newer than those that it had.
    assert_eq!(visit("r3").keyframe_id, ROBOTS + 1);
    // A camera without a bridge declares its own key. Where its robot was is forgotten with it.
    status(&statuses, |status| status.robots.is_empty());
    await_subscriber(&router, "r4/odom");
    put(&router, "r4/odom", odometry(1, 2.5));
    let place = || {
        send(&router, "r4", &frame);
        let answer = next(&answers);
        assert_eq!(robot_of(&answer), "r4");
        let answer = Detections::from_json(&answer.payload().to_bytes()).unwrap();
        answer.map_x
    };
    let own = router.liveliness().declare_token(camera("r4")).wait();
    assert_eq!(place(), Some(2.5));
    status(&statuses, |status| status.robots.contains_key("r4"));
    own.unwrap().undeclare().wait().unwrap();
    status(&statuses, |status| status.robots.is_empty());
    assert_eq!(place(), None);
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
