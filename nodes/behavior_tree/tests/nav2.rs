//! Nav2's nodes: one file a case, a robot that moves, and Nav2's stock trees.
//!
//! A case has four parts as those in `tests/cases`, and says what the leaves come to in a line `outcomes: {…}` of its
//! first part. With `FILL_CASES` set, files that have only the first two parts get the others, for a person to look at.
//! The stock trees are outside of the project, in the folder that `TURTLEBOT_MAZE_SHARED` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use behavior_tree::{
    Factory, LoadError, Severity, Status, Substitute, TestConfig, Tree, Value, nav2,
};
use serde_json::{Value as Json, json};

fn factory() -> Factory {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::new(nav2::Parked)).unwrap();
    factory
}

/// `{"node": "SUCCESS"}` or `{"node": ["RUNNING", "SUCCESS"]}`
fn lay_down(factory: &mut Factory, outcomes: &Json) {
    for (filter, results) in outcomes.as_object().unwrap() {
        let results = match results {
            Json::Array(results) => results.clone(),
            one => vec![one.clone()],
        };
        let outcomes = results
            .iter()
            .map(|word| word.as_str().unwrap().parse().unwrap())
            .collect();
        let config = TestConfig {
            outcomes,
            ..TestConfig::default()
        };
        factory.substitute(filter, Substitute::Test(Arc::new(config)));
    }
}

/// Result, ticks, transitions, blackboard.
type Run = (String, u64, Vec<String>, Json);

fn run(loaded: Result<Tree, LoadError>, max_ticks: u64) -> Run {
    let mut tree = match loaded {
        Ok(tree) => tree,
        Err(error) => return (format!("ERROR load {error}"), 0, Vec::new(), json!({})),
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    tree.observe(move |transition| shared.lock().unwrap().push(transition));
    let mut result = ("RUNNING".to_owned(), max_ticks);
    for tick in 1..=max_ticks {
        match tree.tick_exactly_once(Duration::from_millis((tick - 1) * 10)) {
            Ok(Status::Running) => {}
            Ok(status) => {
                result = (status.to_string(), tick);
                break;
            }
            Err(error) => {
                result = (format!("ERROR runtime {error}"), tick);
                break;
            }
        }
    }
    let transitions = seen.lock().unwrap();
    let transitions = transitions
        .iter()
        .map(|t| format!("{} {} {}", tree.node(t.uid).unwrap().path, t.from, t.to))
        .collect();
    let entries = tree.entries();
    let blackboard = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_json()))
        .collect();
    (result.0, result.1, transitions, Json::Object(blackboard))
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap()
}

fn check_case(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let parts: Vec<&str> = text.split("---\n").collect();
    let mut factory = factory();
    let outcomes = field(parts[0], "outcomes");
    lay_down(&mut factory, &serde_json::from_str(outcomes).unwrap());
    let (result, ticks, transitions, blackboard) = run(factory.load_text(parts[1]), 2000);
    if parts.len() == 2 && std::env::var_os("FILL_CASES").is_some() {
        let comment = parts[0].lines().next().unwrap();
        let transitions = transitions.join("\n");
        let text = format!(
            "{comment}\noutcomes: {outcomes}\nresult: {result}\nticks: {ticks}\n---\n{}---\n{transitions}\n---\n{blackboard}\n",
            parts[1]
        );
        std::fs::write(path, text).unwrap();
        return;
    }
    let shown = path.display();
    assert_eq!(result, field(parts[0], "result"), "{shown}");
    assert_eq!(ticks.to_string(), field(parts[0], "ticks"), "{shown}");
    let expected: Vec<&str> = parts[2].lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(transitions, expected, "{shown}");
    let expected: Json = serde_json::from_str(parts[3]).unwrap();
    assert_eq!(blackboard, expected, "{shown}");
}

#[test]
fn every_case_goes_as_its_file_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/nav2");
    let files = std::fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 40);
    files.iter().for_each(|file| check_case(file));
}

/// A robot whose way, speed, goal and paths a test sets.
#[derive(Default)]
struct Moved {
    x: Mutex<Option<f64>>,
    speed: Mutex<f64>,
    goal: Mutex<Option<f64>>,
    paths: BTreeMap<i64, Vec<[f64; 3]>>,
}

impl nav2::Robot for Moved {
    fn position(&self, global_frame: &str, base_frame: &str) -> Option<[f64; 3]> {
        assert_eq!((global_frame, base_frame), ("map", "base_link"));
        self.x.lock().unwrap().map(|x| [x, 0.0, 0.0])
    }

    fn speed(&self) -> f64 {
        *self.speed.lock().unwrap()
    }

    fn newer_goal(&self, goal: &Value) -> Option<Value> {
        let newest = (*self.goal.lock().unwrap())?;
        (goal.to_f64().unwrap() < newest).then_some(Value::Real(newest))
    }

    fn points(&self, path: &Value) -> Vec<[f64; 3]> {
        let path = path.to_i64().ok().and_then(|id| self.paths.get(&id));
        path.cloned().unwrap_or_default()
    }
}

/// A tree with a robot, and how often its child `a` has been ticked.
fn with_robot(robot: &Arc<Moved>, xml: &str) -> (Tree, Arc<Mutex<u32>>) {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::<Moved>::clone(robot)).unwrap();
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    factory
        .register_action("Count", move |_| {
            let counted = Arc::clone(&counted);
            move |_: &mut behavior_tree::Io<'_>| {
                *counted.lock().unwrap() += 1;
                Ok(Status::Success)
            }
        })
        .unwrap();
    let xml = format!(
        r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><PipelineSequence>{xml}<KeepRunningUntilFailure><AlwaysSuccess/></KeepRunningUntilFailure></PipelineSequence></BehaviorTree></root>"#
    );
    (factory.load_text(&xml).unwrap(), count)
}

#[test]
fn distance_controller_ticks_its_child_each_metre() {
    let robot = Arc::new(Moved::default());
    let (mut tree, count) = with_robot(
        &robot,
        r#"<DistanceController distance="1.0"><Count/></DistanceController>"#,
    );
    // Where the robot is not known it fails.
    assert_eq!(
        tree.tick_exactly_once(Duration::ZERO).unwrap(),
        Status::Failure
    );
    for (x, n) in [(0.0, 1), (0.5, 1), (0.99, 1), (1.0, 2), (1.9, 2), (2.1, 3)] {
        *robot.x.lock().unwrap() = Some(x);
        assert_eq!(
            tree.tick_exactly_once(Duration::ZERO).unwrap(),
            Status::Running
        );
        assert_eq!(*count.lock().unwrap(), n, "at {x} m");
    }
    *robot.x.lock().unwrap() = None;
    assert_eq!(
        tree.tick_exactly_once(Duration::ZERO).unwrap(),
        Status::Failure
    );
}

#[test]
fn distance_traveled_holds_each_metre() {
    let robot = Arc::new(Moved::default());
    // Where it holds, the branch counts; the other one waits, and so nothing is reset.
    let xml = r#"<WhileDoElse><DistanceTraveled distance="1.0"/><Count/><Sleep msec="1000"/></WhileDoElse>"#;
    let (mut tree, count) = with_robot(&robot, xml);
    for (x, n) in [(0.0, 0), (0.9, 0), (1.0, 1)] {
        *robot.x.lock().unwrap() = Some(x);
        tree.tick_exactly_once(Duration::ZERO).unwrap();
        assert_eq!(*count.lock().unwrap(), n, "at {x} m");
    }
}

#[test]
fn speed_controller_ticks_its_child_the_faster_the_robot_drives() {
    let robot = Arc::new(Moved::default());
    let (mut tree, count) = with_robot(
        &robot,
        r#"<SpeedController min_rate="1" max_rate="10" max_speed="0.5"><Count/></SpeedController>"#,
    );
    let mut ticks_until = |until_ms: u64, from_ms: u64| {
        for ms in (from_ms..until_ms).step_by(10) {
            let status = tree.tick_exactly_once(Duration::from_millis(ms)).unwrap();
            assert_eq!(status, Status::Running);
        }
        std::mem::take(&mut *count.lock().unwrap())
    };
    // At 0, 0.1, 1.1, 2.1 s: the period of the highest rate comes first.
    assert_eq!(ticks_until(2500, 0), 4);
    *robot.speed.lock().unwrap() = 0.5;
    // At 3.1 s, and from then on ten times a second.
    assert_eq!(ticks_until(4105, 2500), 11);
    *robot.speed.lock().unwrap() = 9.0;
    assert_eq!(ticks_until(5105, 4110), 10);
}

#[test]
fn goal_updater_hands_on_the_newer_goal() {
    let robot = Arc::new(Moved::default());
    let xml = r#"<GoalUpdater input_goal="{goal}" output_goal="{newest}"><Count/></GoalUpdater>"#;
    let (mut tree, count) = with_robot(&robot, xml);
    let real = |value: Option<Value>| value.unwrap().to_f64().unwrap();
    tree.set("goal", Value::Real(1.0)).unwrap();
    for (newer, expected) in [(None, 1.0), (Some(2.0), 2.0), (Some(0.5), 1.0)] {
        *robot.goal.lock().unwrap() = newer;
        tree.tick_exactly_once(Duration::ZERO).unwrap();
        assert_eq!(real(tree.get("newest")), expected);
    }
    assert_eq!(*count.lock().unwrap(), 3);
}

#[test]
fn path_longer_on_approach_ticks_its_child_for_a_detour_near_the_goal() {
    let straight = |n: i32| (0..=n).map(|x| [f64::from(x), 0.0, 0.0]).collect();
    let detour = vec![[1.0, 0.0, 0.0], [1.0, 9.0, 0.0], [2.0, 0.0, 0.0]];
    let elsewhere = vec![[1.0, 0.0, 0.0], [1.0, 9.0, 0.0], [7.0, 0.0, 0.0]];
    let far = (0..=12).map(|x| [f64::from(x) - 10.0, 0.0, 0.0]).collect();
    let paths = BTreeMap::from([
        (1, straight(2)),
        (2, detour),
        (3, elsewhere),
        (4, straight(2)[1..].to_vec()),
        (5, far),
    ]);
    let robot = Arc::new(Moved {
        paths,
        ..Moved::default()
    });
    let xml =
        r#"<PathLongerOnApproach path="{path}" prox_len="3.0"><Count/></PathLongerOnApproach>"#;
    let (mut tree, count) = with_robot(&robot, xml);
    // A first path, the same again, a shorter one, a detour, elsewhere, back, a long way round, a detour from far away.
    for (path, n) in [
        (1, 0),
        (1, 0),
        (4, 0),
        (2, 1),
        (3, 1),
        (1, 1),
        (5, 2),
        (2, 2),
    ] {
        tree.set("path", Value::int(path)).unwrap();
        tree.tick_exactly_once(Duration::ZERO).unwrap();
        assert_eq!(*count.lock().unwrap(), n, "path {path}");
    }
}

/// The folder of Nav2's stock trees.
fn stock() -> Option<PathBuf> {
    let shared = std::env::var_os("TURTLEBOT_MAZE_SHARED");
    if shared.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "TURTLEBOT_MAZE_SHARED is not set"
        );
        eprintln!("skipped: TURTLEBOT_MAZE_SHARED is not set");
    }
    shared.map(|shared| PathBuf::from(shared).join("behavior-trees/nav2-jazzy"))
}

fn stock_trees(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut trees: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    trees.retain(|path| {
        path.extension().is_some_and(|extension| extension == "xml")
            && !path.ends_with("nav2_tree_nodes.xml")
    });
    trees.sort();
    assert!(trees.len() >= 12, "{}", folder.display());
    trees
}

/// Every leaf of the stock trees that asks ROS for something, and what it comes to when all goes well.
fn all_goes_well() -> Json {
    let drives = json!(["RUNNING", "RUNNING", "RUNNING", "SUCCESS"]);
    json!({
        "ControllerSelector": "SUCCESS", "PlannerSelector": "SUCCESS",
        "ComputePathToPose": ["RUNNING", "SUCCESS"], "ComputePathThroughPoses": ["RUNNING", "SUCCESS"],
        "FollowPath": drives, "DriveOnHeading": drives, "Spin": drives, "Wait": drives, "BackUp": drives,
        "TruncatePath": "SUCCESS", "RemovePassedGoals": "SUCCESS", "IsPathValid": "SUCCESS",
        "ClearEntireCostmap": "SUCCESS", "CancelControl": "SUCCESS",
        "WouldAControllerRecoveryHelp": "SUCCESS", "WouldAPlannerRecoveryHelp": "SUCCESS",
    })
}

fn run_stock(folder: &Path, tree: &Path, outcomes: &Json, max_ticks: u64) -> Run {
    let mut factory = factory();
    factory
        .declare_models(folder.join("nav2_tree_nodes.xml"))
        .unwrap();
    lay_down(&mut factory, outcomes);
    run(factory.load_file(tree), max_ticks)
}

#[test]
fn stock_trees_have_no_errors() {
    let Some(folder) = stock() else { return };
    let models = [folder.join("nav2_tree_nodes.xml")];
    for tree in stock_trees(&folder) {
        let faults = factory().check_file(&tree, &models);
        let is_error = |fault: &&behavior_tree::Fault| fault.severity == Severity::Error;
        assert_eq!(faults.iter().find(is_error), None, "{}", tree.display());
    }
}

#[test]
fn stock_trees_succeed_when_all_goes_well() {
    let Some(folder) = stock() else { return };
    for tree in stock_trees(&folder) {
        let (result, ticks, transitions, _) = run_stock(&folder, &tree, &all_goes_well(), 200);
        // This one follows a point for ever.
        let expected = if tree.ends_with("follow_point.xml") {
            "RUNNING"
        } else {
            "SUCCESS"
        };
        assert_eq!(result, expected, "{}", tree.display());
        assert!(4 < ticks && transitions.len() > 10, "{}", tree.display());
    }
}

#[test]
fn stock_trees_recover_and_in_the_end_give_up() {
    let Some(folder) = stock() else { return };
    for tree in stock_trees(&folder) {
        let mut outcomes = all_goes_well();
        for leaf in ["FollowPath", "DriveOnHeading"] {
            outcomes[leaf] = json!(["RUNNING", "FAILURE"]);
        }
        let (result, _, transitions, _) = run_stock(&folder, &tree, &outcomes, 2000);
        assert_eq!(result, "FAILURE", "{}", tree.display());
        let with_recovery = std::fs::read_to_string(&tree).unwrap().contains("<BackUp");
        let recovered = transitions
            .iter()
            .any(|transition| transition.contains("BackUp") && transition.ends_with("SUCCESS"));
        assert_eq!(recovered, with_recovery, "{}", tree.display());
    }
}

#[test]
fn a_leaf_without_outcomes_is_an_error() {
    let Some(folder) = stock() else { return };
    let tree = folder.join("odometry_calibration.xml");
    let (result, ..) = run_stock(&folder, &tree, &json!({"Spin": "SUCCESS"}), 10);
    assert!(result.contains("nothing is behind it"), "{result}");
}

#[test]
fn check_knows_how_many_children_a_node_works_with() {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::new(nav2::Parked)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.xml");
    for n in 1..=3 {
        let children = "<AlwaysSuccess/>".repeat(n);
        let xml = format!(
            r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><RecoveryNode>{children}</RecoveryNode></BehaviorTree></root>"#
        );
        std::fs::write(&path, xml).unwrap();
        let codes: Vec<_> = factory
            .check_file(&path, &[])
            .iter()
            .map(|fault| fault.code)
            .collect();
        assert_eq!(codes.contains(&"children"), n != 2, "{n}: {codes:?}");
    }
}
