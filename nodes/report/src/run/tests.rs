use std::time::Duration;

use super::*;
use crate::goals::Answer;
use wire::Stamp;
use wire::messages::ImageHeader;

const SECOND: Duration = Duration::from_secs(1);

fn setting() -> Setting {
    let truth = r#"<sdf><world><model name="ball_1"><pose>4 3 0 0 0 0</pose></model>
        <model name="ball_2"><pose>9 9 0 0 0 0</pose></model></world></sdf>"#;
    let file = std::env::temp_dir().join(format!("report-run-test-{}.sdf", std::process::id()));
    std::fs::write(&file, truth).expect("written");
    Setting {
        class: Some("ball".to_owned()),
        seed: Some(7),
        world: Some("maze.sdf".to_owned()),
        truth: Some(GroundTruth::read(&file).expect("a world")),
        versions: BTreeMap::new(),
    }
}

fn search(state: SearchState, frame_stamp: i64, at: Option<[f64; 2]>) -> Search {
    Search {
        state,
        class: "ball".to_owned(),
        leaf: "search/GoToPose".to_owned(),
        reason: "the goal was refused".to_owned(),
        frame_stamp,
        sighting: at.map(|at| Sighting {
            at,
            confidence: 0.9,
            bbox: [1.0, 1.0, 5.0, 5.0],
        }),
    }
}

fn detections(stamp: i64) -> Detections {
    Detections {
        stamp: Some(Stamp::from_nanos(stamp)),
        ..Detections::default()
    }
}

fn picture(stamp: i64) -> Vec<u8> {
    let header = ImageHeader {
        stamp: Stamp::from_nanos(stamp),
        frame_id: "camera",
        height: 48,
        width: 64,
        encoding: "rgb8",
        is_bigendian: false,
        step: 192,
        data: 0..0,
    };
    ImageView {
        header,
        data: &[9; 64 * 48 * 3],
    }
    .to_cdr(true)
}

#[test]
fn a_find_is_reported_with_place_times_and_latencies() {
    let t = Instant::now();
    let mut run = Run::new(setting(), t);
    run.clock(1_000_000_000, t + SECOND);
    for (i, at) in [(1, 2), (2, 3), (3, 4)] {
        let at = t + at * SECOND;
        run.picture(picture(i));
        run.camera_frame(i, at);
        run.detections(&detections(i), at + 80 * SECOND / 1000);
        let ends = run.search(
            search(SearchState::Running, i, None),
            at + 90 * SECOND / 1000,
        );
        assert!(!ends);
    }
    run.ungated_velocity(5, t);
    run.gated_velocity(5, t + SECOND / 1000);
    run.true_pose([0.0, 0.0]);
    run.true_pose([3.0, 4.0]);
    run.clock(31_000_000_000, t + 11 * SECOND);
    assert!(run.frame_picture().expect("drawn").is_none());
    assert!(run.search(
        search(SearchState::Succeeded, 3, Some([4.0, 3.1])),
        t + 12 * SECOND
    ));
    assert!(!run.search(
        search(SearchState::Succeeded, 3, Some([4.0, 3.1])),
        t + 13 * SECOND
    ));
    run.clock(99_000_000_000, t + 14 * SECOND);

    let summary = run.summary(t + 20 * SECOND);
    assert!(summary.found);
    assert_eq!(summary.reason, "found");
    assert_eq!(summary.estimated_position, Some([4.0, 3.1]));
    assert_eq!(summary.true_position, Some([4.0, 3.0]));
    assert!((summary.position_error_m.expect("both known") - 0.1).abs() < 1e-9);
    assert_eq!(
        (summary.sim_time_s, summary.wall_time_s),
        (Some(30.0), 12.0)
    );
    assert_eq!(summary.real_time_factor, Some(3.0));
    assert_eq!(summary.path_length_m, Some(5.0));
    let latency = summary.latency_ms;
    assert_eq!(
        latency.camera_to_detection.map(|p| (p.count, p.p50)),
        Some((3, 80.0))
    );
    assert_eq!(
        latency.detection_to_tree.map(|p| (p.count, p.p99.round())),
        Some((3, 10.0))
    );
    assert_eq!(
        latency.velocity_gate.map(|p| (p.count, p.p50)),
        Some((1, 1.0))
    );
    assert_eq!(summary.frames.rendered, Some(3));
    assert_eq!(summary.frames.dropped, Some(0));
    assert_eq!(
        run.frame_picture()
            .expect("drawn")
            .expect("the frame was kept")
            .dimensions(),
        (64, 48)
    );
}

#[test]
fn without_an_end_the_run_was_interrupted() {
    let t = Instant::now();
    let mut run = Run::new(setting(), t);
    run.search(search(SearchState::Running, 0, Some([4.0, 3.0])), t);
    let summary = run.summary(t + 2 * SECOND);
    assert!(!summary.found);
    assert_eq!(summary.reason, "interrupted");
    assert_eq!((summary.wall_time_s, summary.sim_time_s), (2.0, None));
    assert_eq!(
        (summary.estimated_position, summary.position_error_m),
        (None, None)
    );
    assert_eq!(summary.collisions, None);
    assert!(run.map_picture().width() > 0);
}

#[test]
fn a_tree_that_succeeds_without_a_sighting_has_found_nothing() {
    let t = Instant::now();
    let mut run = Run::new(setting(), t);
    run.search(search(SearchState::Succeeded, 3, None), t);
    let summary = run.summary(t);
    assert!(!summary.found);
    assert_eq!(summary.reason, "the tree succeeded without a find");
}

#[test]
fn a_failure_names_the_leaf_and_its_reason() {
    let t = Instant::now();
    let mut run = Run::new(setting(), t);
    run.search(search(SearchState::Failed, 0, None), t);
    assert_eq!(
        run.summary(t).reason,
        "search/GoToPose: the goal was refused"
    );

    let mut run = Run::new(setting(), t);
    let mut failed = search(SearchState::Failed, 0, None);
    failed.reason = "search/GoToPose says: refused".to_owned();
    run.search(failed, t);
    assert_eq!(run.summary(t).reason, "search/GoToPose says: refused");
}

#[test]
fn goals_and_figures_are_passed_on() {
    let t = Instant::now();
    let mut run = Run::new(setting(), t);
    let verdict = Verdict {
        goal_id: "01".repeat(16),
        goal: [Some(1.0), Some(2.0), Some(0.0)],
        verdict: Answer::NoGo,
        confidence: 1.0,
        evaluator: "geometric".to_owned(),
        reason: "inside a wall".to_owned(),
        error_code: 1,
        elapsed_s: 0.1,
    };
    run.verdict([1; 16], verdict.clone());
    run.goal_state([1; 16], 6);
    run.figures(SimulatorFigures {
        collisions: Some(1),
        min_clearance_m: Some(0.05),
        frames_rendered: Some(20),
        missed_control_periods: Some(0),
    });
    let summary = run.summary(t);
    assert_eq!((summary.goals.rejected, summary.goals.aborted), (1, 0));
    assert_eq!(summary.verdicts, [verdict]);
    assert_eq!(
        (summary.collisions, summary.frames.rendered),
        (Some(1), Some(20))
    );
    // The simulator waits in vain for nodes that are ending.
    run.last_figures(SimulatorFigures {
        collisions: Some(2),
        missed_control_periods: Some(3),
        ..SimulatorFigures::default()
    });
    let summary = run.summary(t);
    assert_eq!(
        (summary.collisions, summary.missed_control_periods),
        (Some(2), Some(0))
    );
}
