//! Runs a tree to its end and says everything that happened.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::mpsc;
use std::time::Duration;

use behavior_tree::{Factory, Status, Transition, Tree};
use serde_json::{Value as Json, json};

use crate::reference::{Reference, S, script::V};

pub const MAX_TICKS: u64 = 2000;
pub const PERIOD_MS: u64 = 10;

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// A status word, or `ERROR load`, `ERROR runtime`.
    pub result: String,
    pub ticks: u64,
    /// `path FROM TO`
    pub transitions: Vec<String>,
    pub blackboard: Json,
}

pub fn load_failed() -> Outcome {
    Outcome {
        result: "ERROR load".into(),
        ticks: 0,
        transitions: Vec::new(),
        blackboard: json!({}),
    }
}

/// Ticks to the end; `tell` gets every transition.
pub fn tick_to_end(tree: &mut Tree) -> (String, u64, Vec<Transition>) {
    let (sender, receiver) = mpsc::channel();
    tree.observe(move |transition| sender.send(transition).unwrap_or_default());
    let mut result = ("RUNNING".to_owned(), MAX_TICKS);
    for tick in 1..=MAX_TICKS {
        match tree.tick_exactly_once(Duration::from_millis((tick - 1) * PERIOD_MS)) {
            Ok(Status::Running) => {}
            Ok(status) => {
                result = (status.to_string(), tick);
                break;
            }
            Err(_) => {
                result = ("ERROR runtime".into(), tick);
                break;
            }
        }
    }
    (result.0, result.1, receiver.try_iter().collect())
}

/// A run of the engine.
pub fn engine(xml: &str) -> Outcome {
    let Ok(mut tree) = Factory::new().load_text(xml) else {
        return load_failed();
    };
    let (result, ticks, transitions) = tick_to_end(&mut tree);
    let transitions = transitions
        .into_iter()
        .map(|t| format!("{} {} {}", tree.node(t.uid).unwrap().path, t.from, t.to));
    let transitions = transitions.collect();
    let blackboard = tree
        .entries()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_json()))
        .collect();
    Outcome {
        result,
        ticks,
        transitions,
        blackboard: Json::Object(blackboard),
    }
}

/// A run of the reference interpreter.
pub fn reference(xml: &str) -> Outcome {
    let Ok(mut tree) = Reference::load(xml) else {
        return load_failed();
    };
    let mut result = ("RUNNING".to_owned(), MAX_TICKS);
    for tick in 1..=MAX_TICKS {
        match tree.tick((tick - 1) * PERIOD_MS) {
            Ok(S::Running) => {}
            Ok(status) => {
                result = (status.word().into(), tick);
                break;
            }
            Err(_) => {
                result = ("ERROR runtime".into(), tick);
                break;
            }
        }
    }
    let transitions = tree.transitions.iter();
    let transitions = transitions
        .map(|(i, from, to)| format!("{} {} {}", tree.nodes[*i].path, from.word(), to.word()));
    // Looked up by its key, one that begins with '@' is another.
    let keys = tree.boards.0[0].entries.keys();
    let blackboard = keys
        .filter_map(|key| {
            let at = tree.boards.find(0, key)?;
            Some((key.clone(), as_json(&tree.boards.entry(&at).value)))
        })
        .collect();
    Outcome {
        result: result.0,
        ticks: result.1,
        transitions: transitions.collect(),
        blackboard: Json::Object(blackboard),
    }
}

fn as_json(value: &V) -> Json {
    match value {
        V::Empty => Json::Null,
        V::Int(n, "bool") => json!(*n != 0),
        V::Int(n, _) => json!(n),
        V::Real(x) if x.is_finite() => json!(x),
        V::Real(x) if x.is_nan() => json!({"__double": "nan"}),
        V::Real(x) => json!({"__double": if *x > 0.0 { "inf" } else { "-inf" }}),
        V::Text(text) => json!(text),
    }
}
