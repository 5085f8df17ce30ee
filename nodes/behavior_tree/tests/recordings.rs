//! What BehaviorTree.CPP 4.10.0 did with trees, recorded: the engine and the reference interpreter do the same.
//!
//! The recordings are outside of the project, in the folder that `TURTLEBOT_MAZE_SHARED` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

mod common;
mod reference;

use std::path::PathBuf;

use common::Outcome;
use serde_json::Value as Json;

/// Name, tree, recording; nothing where there are no recordings.
fn recordings() -> Vec<(String, String, Json)> {
    let Some(shared) = std::env::var_os("TURTLEBOT_MAZE_SHARED") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "TURTLEBOT_MAZE_SHARED is not set"
        );
        eprintln!("skipped: TURTLEBOT_MAZE_SHARED is not set");
        return Vec::new();
    };
    let folder = PathBuf::from(shared).join("behavior-trees");
    let mut names: Vec<String> = std::fs::read_dir(folder.join("cases"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let read = |name: String| {
        let xml =
            std::fs::read_to_string(folder.join("cases").join(format!("{name}.xml"))).unwrap();
        let json =
            std::fs::read_to_string(folder.join("expected").join(format!("{name}.json"))).unwrap();
        (name, xml, serde_json::from_str(&json).unwrap())
    };
    names.into_iter().map(read).collect()
}

fn expected(json: &Json) -> Outcome {
    let result = match json["error_kind"].as_str() {
        Some(kind) => format!("ERROR {kind}"),
        None => json["result"].as_str().unwrap().to_owned(),
    };
    let transitions = json["transitions"].as_array().unwrap().iter();
    let transitions = transitions.map(|t| {
        format!(
            "{} {} {}",
            t[0].as_str().unwrap(),
            t[1].as_str().unwrap(),
            t[2].as_str().unwrap()
        )
    });
    Outcome {
        result,
        ticks: json["ticks"].as_u64().unwrap(),
        transitions: transitions.collect(),
        blackboard: json["blackboard"].clone(),
    }
}

fn compare(name: &str, json: &Json, mut got: Outcome) {
    let expected = expected(json);
    if json["ticks_exact"] == false {
        got.ticks = expected.ticks;
    }
    assert_eq!(got, expected, "{name}");
}

#[test]
fn the_engine_does_the_same() {
    for (name, xml, json) in recordings() {
        // A file that is included must be beside the case; none is.
        compare(&name, &json, common::engine(&xml));
    }
}

#[test]
fn the_reference_does_the_same() {
    for (name, xml, json) in recordings() {
        if json["error_kind"] != "load" {
            compare(&name, &json, common::reference(&xml));
        }
    }
}

#[test]
fn nodes_have_the_same_paths_ids_and_numbers() {
    for (name, xml, json) in recordings() {
        if json["error_kind"] != "load" {
            let tree = behavior_tree::Factory::new().load_text(&xml).unwrap();
            let nodes: Json = tree
                .nodes()
                .map(|node| serde_json::json!([node.path, node.id, node.uid]))
                .collect();
            assert_eq!(nodes, json["nodes"], "{name}");
        }
    }
}
