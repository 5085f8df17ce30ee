//! The program itself: what it prints and its exit status.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

const TREE: &str = r#"<root BTCPP_format="4"><BehaviorTree ID="Main">
  <RecoveryNode><Grasp object="cup"/><OpenHand/></RecoveryNode>
</BehaviorTree></root>
"#;

const MODEL: &str = r#"<root BTCPP_format="4"><TreeNodesModel>
  <Action ID="Grasp"><input_port name="object" type="std::string"/></Action>
  <Action ID="OpenHand"/>
</TreeNodesModel></root>
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("tree.xml", TREE);
        folder.write("model.xml", MODEL);
        folder.write(
            "outcomes.json",
            &json!({"Grasp": ["FAILURE", "RUNNING", "SUCCESS"], "OpenHand": "SUCCESS"}).to_string(),
        );
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Exit status and standard output.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let program = Path::new(env!("CARGO_BIN_EXE_behavior_tree"));
        let output = Command::new(program)
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    }

    fn run_json(&self, args: &[&str]) -> (i32, Json) {
        let (code, text) = self.run(args);
        (code, serde_json::from_str(&text).unwrap())
    }
}

const RUN: [&str; 7] = [
    "run",
    "tree.xml",
    "--json",
    "--model",
    "model.xml",
    "--outcomes",
    "outcomes.json",
];

#[test]
fn nodes_of_a_model_run_with_outcomes() {
    let folder = Folder::new();
    let (code, json) = folder.run_json(&RUN);
    assert_eq!(code, 0, "{json}");
    assert_eq!(
        (&json["result"], &json["ticks"]),
        (&json!("SUCCESS"), &json!(2))
    );
    assert_eq!(json["nodes"][1], json!(["Grasp::2", "Grasp", 2]));
}

#[test]
fn outcomes_for_a_node_that_is_not_there_are_told() {
    let folder = Folder::new();
    folder.write(
        "outcomes.json",
        r#"{"Grasp": "SUCCESS", "OpenHnad": "FAILURE", "*Open*": "SUCCESS"}"#,
    );
    let output = Command::new(env!("CARGO_BIN_EXE_behavior_tree"))
        .args(RUN)
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("'OpenHnad'") && told.contains("'OpenHand' meant"),
        "{told}"
    );
    assert!(!told.contains("'Grasp'"), "{told}");
}

#[test]
fn a_model_in_the_tree_file_will_do() {
    let folder = Folder::new();
    let inner = MODEL.replace(r#"<root BTCPP_format="4">"#, "");
    folder.write("tree.xml", &TREE.replace("</root>", &inner));
    let args = ["run", "tree.xml", "--json", "--outcomes", "outcomes.json"];
    let (code, json) = folder.run_json(&args);
    assert_eq!((code, &json["result"]), (0, &json!("SUCCESS")), "{json}");
}

#[test]
fn nodes_of_a_model_without_outcomes_are_a_load_error() {
    let folder = Folder::new();
    folder.write("outcomes.json", r#"{"OpenHand": "SUCCESS"}"#);
    let (code, json) = folder.run_json(&RUN);
    assert_eq!((code, &json["error_kind"]), (2, &json!("load")));
    let message = json["error_message"].as_str().unwrap();
    assert!(message.contains("'Grasp' is declared"), "{message}");
    assert!(message.contains("--outcomes"), "{message}");
    assert_eq!(
        (&json["ticks"], &json["nodes"], &json["blackboard"]),
        (&json!(0), &json!([]), &json!({}))
    );
}

#[test]
fn a_node_that_nothing_declares_is_a_load_error() {
    let folder = Folder::new();
    let (code, json) =
        folder.run_json(&["run", "tree.xml", "--json", "--outcomes", "outcomes.json"]);
    let message = json["error_message"].as_str().unwrap();
    assert_eq!((code, &json["error_kind"]), (2, &json!("load")));
    assert!(message.contains("there is no node 'Grasp'"), "{message}");
}

#[test]
fn a_missing_file_is_a_load_error() {
    let folder = Folder::new();
    for args in [
        &["run", "none.xml", "--json"][..],
        &["run", "tree.xml", "--json", "--model", "none.xml"],
        &["run", "tree.xml", "--json", "--outcomes", "none.json"],
    ] {
        let (code, json) = folder.run_json(args);
        assert_eq!((code, &json["error_kind"]), (2, &json!("load")), "{args:?}");
    }
}

#[test]
fn a_recording_with_a_model_replays_and_differs_from_another() {
    let folder = Folder::new();
    let record = |name: &str| {
        let mut args = RUN.to_vec();
        args.extend(["--record", name]);
        assert_eq!(folder.run(&args).0, 0);
    };
    record("a");
    folder.write(
        "outcomes.json",
        r#"{"Grasp": ["RUNNING", "RUNNING", "SUCCESS"], "OpenHand": "SUCCESS"}"#,
    );
    record("b");
    assert_eq!(folder.run(&["replay", "a"]).0, 0);
    assert_eq!(folder.run(&["diff", "a", "a"]).0, 0);
    let (code, text) = folder.run(&["diff", "a", "b"]);
    assert_eq!(code, 1);
    assert!(text.contains("tick 1"), "{text}");
}

#[test]
fn check_knows_the_nodes_of_a_model() {
    let folder = Folder::new();
    let (code, faults) = folder.run_json(&["check", "tree.xml", "--model", "model.xml", "--json"]);
    assert_eq!((code, faults), (0, json!([])));
    let (code, faults) = folder.run_json(&["check", "tree.xml", "--json"]);
    assert_eq!(code, 2);
    assert_eq!(faults[0]["code"], "unknown-node");
    assert_eq!(
        (&faults[0]["line"], &faults[0]["column"]),
        (&json!(2), &json!(18))
    );
}

#[test]
fn the_list_of_nodes_is_a_model_that_names_every_node_once() {
    let folder = Folder::new();
    let (code, xml) = folder.run(&["nodes", "--xml"]);
    assert_eq!(code, 0);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let mut ids: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("ID"))
        .collect();
    let n_ids = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), n_ids);
    for id in ["Sequence", "LoopString", "PipelineSequence", "GoalUpdated"] {
        assert!(ids.contains(&id), "{id}");
    }
}

#[test]
fn a_run_is_drawn_after_each_tick_that_changes_a_node() {
    let folder = Folder::new();
    let output = Command::new(env!("CARGO_BIN_EXE_behavior_tree"))
        .args(RUN)
        .args(["--draw", "--svg", "live.svg", "--btlog", "run.btlog"])
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    // Standard output is the JSON and nothing else.
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ticks"], 2);
    let drawn = String::from_utf8(output.stderr).unwrap();
    let pictures: Vec<&str> = drawn.split_inclusive("\n\n").collect();
    assert_eq!(pictures.len(), 2, "{drawn}");
    assert!(pictures[0].contains("RecoveryNode  RUNNING"), "{drawn}");
    assert!(pictures[0].contains("Grasp  RUNNING"), "{drawn}");
    assert!(!pictures[1].contains("RUNNING"), "{drawn}");
    let svg = std::fs::read_to_string(folder.path("live.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let boxes = document.descendants();
    assert_eq!(boxes.filter(|node| node.has_tag_name("rect")).count(), 3);
    assert!(!folder.path("live.svg.partial").exists());
    let log = std::fs::read(folder.path("run.btlog")).unwrap();
    assert!(log.windows(5).any(|piece| piece == b"Grasp"));
}

#[test]
fn the_outcome_that_says_most_counts() {
    let folder = Folder::new();
    folder.write(
        "outcomes.json",
        &json!({"*": "FAILURE", "Grasp*": "SUCCESS", "OpenHand": "SUCCESS"}).to_string(),
    );
    let (_, json) = folder.run_json(&RUN);
    assert_eq!(json["result"], "FAILURE", "the root is substituted too");
    folder.write(
        "outcomes.json",
        &json!({"Grasp::*": "FAILURE", "Grasp": "SUCCESS", "OpenHand": "SUCCESS"}).to_string(),
    );
    let (_, json) = folder.run_json(&RUN);
    assert_eq!(json["result"], "SUCCESS");
}

#[test]
fn substitution_rules_of_the_wrong_kind_are_a_load_error() {
    let folder = Folder::new();
    let rules = |config: Json| json!({"TestNodeConfigs": {"t": config}, "SubstitutionRules": {"Grasp": "t", "OpenHand": "t"}});
    let run = |config: Json| {
        folder.write("outcomes.json", &rules(config).to_string());
        folder.run_json(&RUN).1
    };
    let json = run(json!({"return_status": "SUCCESS", "async_delay": 25}));
    assert_eq!(
        (&json["result"], &json["ticks"]),
        (&json!("SUCCESS"), &json!(4))
    );
    for config in [
        json!({"return_status": "DONE"}),
        json!({"return_status": "IDLE"}),
        json!({"async_delay": 25}),
        json!({"return_status": "SUCCESS", "async_delay": "25"}),
        json!({"return_status": "SUCCESS", "post_script": 1}),
        json!({"return_status": "SUCCESS", "post_script": "x :="}),
    ] {
        let json = run(config.clone());
        assert_eq!(json["error_kind"], "load", "{config}: {json}");
    }
}

#[test]
fn no_file_that_is_read_is_written_over() {
    let folder = Folder::new();
    for args in [
        &["--record", "tree.xml"][..],
        &["--record", "./model.xml"],
        &["--btlog", "outcomes.json"],
        &["--record", "run", "--btlog", "run"],
    ] {
        let run = [
            &["run", "tree.xml", "--model", "model.xml"][..],
            &["--outcomes", "outcomes.json", "--json"],
            args,
        ];
        let (status, end) = folder.run_json(&run.concat());
        assert_eq!(
            (status, &end["error_kind"]),
            (2, &json!("load")),
            "{args:?}"
        );
    }
    assert_eq!(
        std::fs::read_to_string(folder.path("tree.xml")).unwrap(),
        TREE
    );
}

#[test]
fn nodes_of_one_path_are_told_apart_in_recordings() {
    let folder = Folder::new();
    for value in ["1", "2"] {
        let xml = format!(
            r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><Sequence><Script code="v := {value}"/>
            <Switch2 variable="{{v}}" case_1="1" case_2="2"><AlwaysSuccess name="go"/><AlwaysSuccess name="go"/>
            <AlwaysFailure/></Switch2></Sequence></BehaviorTree></root>"#
        );
        folder.write("switch.xml", &xml);
        assert_eq!(folder.run(&["run", "switch.xml", "--record", value]).0, 0);
    }
    assert_eq!(folder.run(&["diff", "1", "1"]).0, 0);
    assert_eq!(folder.run(&["diff", "1", "2"]).0, 1);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_behavior_tree"))
        .args(["nodes", "--xml"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stdout.take());
    let output = program.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
