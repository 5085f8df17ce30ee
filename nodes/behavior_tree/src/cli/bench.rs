//! `bench`: how long a tick and a load take.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{BAD_INPUT, YES};
use crate::registry::Factory;
use crate::value::Value;

/// How many ticks are timed together, and how often: the fastest counts.
const ROUNDS: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Print a JSON list of rows: name, value, unit, peer, peer_value, ratio.
    #[arg(long)]
    json: bool,
    /// Leave the tree of a million nodes out.
    #[arg(long)]
    quick: bool,
    /// The Python that may have py_trees; without it there are no figures of that peer.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

pub(crate) fn bench(args: &BenchArgs) -> u8 {
    match measure(args) {
        Ok(rows) if args.json => println!("{}", Json::from(rows)),
        Ok(rows) => {
            for row in rows {
                print!(
                    "{:<32} {:>12.2} {}",
                    row["name"].as_str().unwrap_or(""),
                    row["value"].as_f64().unwrap_or(0.0),
                    row["unit"].as_str().unwrap_or("")
                );
                match (row["peer"].as_str(), row["peer_value"].as_f64()) {
                    (Some(peer), Some(value)) => println!("  {peer}: {value:.2}"),
                    _ => println!(),
                }
            }
        }
        Err(message) => {
            if args.json {
                println!("{}", json!({ "error": message }));
            }
            eprintln!("error: {message}");
            return BAD_INPUT;
        }
    }
    YES
}

fn row(name: &str, value: f64, unit: &str) -> Json {
    json!({"name": name, "value": value, "unit": unit, "peer": null, "peer_value": null, "ratio": null})
}

/// What py_trees takes for the same, by the name of the control; nothing where it is not installed.
fn py_trees(python: &Path) -> Option<Json> {
    let script = include_str!("peers.py");
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn with_peer(mut row: Json, peer: &Json, control: &str) -> Json {
    let (Some(version), Some(theirs)) = (peer["version"].as_str(), peer[control].as_f64()) else {
        return row;
    };
    let ratio = row["value"].as_f64().map(|own| own / theirs);
    row["peer"] = format!("py_trees {version}").into();
    row["peer_value"] = theirs.into();
    row["ratio"] = ratio.into();
    row
}

/// One of Nav2's trees in a tick in which every leaf succeeds.
const NAV2: &str = r#"<root BTCPP_format="4"><BehaviorTree ID="Main">
  <RecoveryNode number_of_retries="6" name="NavigateRecovery">
    <PipelineSequence name="NavigateWithReplanning">
      <AlwaysSuccess name="ControllerSelector"/>
      <AlwaysSuccess name="PlannerSelector"/>
      <RateController hz="1.0">
        <RecoveryNode number_of_retries="1" name="ComputePathToPose">
          <AlwaysSuccess name="ComputePathToPose"/>
          <AlwaysSuccess name="ClearGlobalCostmap-Context"/>
        </RecoveryNode>
      </RateController>
      <RecoveryNode number_of_retries="1" name="FollowPath">
        <AlwaysSuccess name="FollowPath"/>
        <AlwaysSuccess name="ClearLocalCostmap-Context"/>
      </RecoveryNode>
    </PipelineSequence>
    <ReactiveFallback name="RecoveryFallback">
      <GoalUpdated/>
      <RoundRobin name="RecoveryActions"><AlwaysSuccess name="Spin"/><AlwaysSuccess name="Wait"/></RoundRobin>
    </ReactiveFallback>
  </RecoveryNode>
</BehaviorTree></root>"#;
/// How many nodes of it are ticked then.
const NAV2_TICKED: u32 = 9;

fn measure(args: &BenchArgs) -> Result<Vec<Json>, String> {
    let mut rows = Vec::new();
    let peer = py_trees(&args.python).unwrap_or_default();
    let trees = [
        (
            "tree_tick_sequence_1000",
            "Sequence",
            r#"<AlwaysSuccess name="n"/>"#,
        ),
        (
            "tree_tick_fallback_1000",
            "Fallback",
            r#"<AlwaysFailure name="n"/>"#,
        ),
        (
            "tree_tick_skip_if_1000",
            "Sequence",
            r#"<AlwaysSuccess name="n" _skipIf="x &gt; 5"/>"#,
        ),
        (
            "tree_tick_reactive_1000",
            "ReactiveSequence",
            r#"<AlwaysSuccess name="n"/>"#,
        ),
    ];
    for (name, control, child) in trees {
        let time = tick_time(&wide(control, child, 1000), 1001, 2000)?;
        let row = row(name, time, "ns/node");
        rows.push(match name {
            "tree_tick_sequence_1000" | "tree_tick_fallback_1000" => with_peer(row, &peer, control),
            _ => row,
        });
    }
    let time = tick_time(NAV2, NAV2_TICKED, 100_000)?;
    rows.push(row("tree_tick_nav2", time, "ns/node"));
    for (name, child) in [
        ("tree_load_10001", r#"<AlwaysSuccess name="n"/>"#),
        (
            "tree_load_10001_scripts",
            r#"<AlwaysSuccess name="n" _skipIf="x &gt; 5"/>"#,
        ),
    ] {
        rows.push(row(
            name,
            load_time(&wide("Sequence", child, 10_000), ROUNDS)?,
            "ms",
        ));
    }
    if !args.quick {
        let million = groups(1000, 998);
        rows.push(row("tree_load_1000000", load_time(&million, 1)?, "ms"));
        rows.push(row(
            "tree_tick_1000000",
            tick_time(&million, 999_001, 1)?,
            "ns/node",
        ));
    }
    Ok(rows)
}

fn wide(control: &str, child: &str, n: usize) -> String {
    let mut xml =
        format!(r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><{control} name="top">"#);
    for _ in 0..n {
        xml.push_str(child);
    }
    let _ = write!(xml, "</{control}></BehaviorTree></root>");
    xml
}

fn groups(n_groups: usize, n_leaves: usize) -> String {
    let group = format!(
        "<Sequence>{}</Sequence>",
        "<AlwaysSuccess/>".repeat(n_leaves)
    );
    wide("Sequence", &group, n_groups)
}

fn tick_time(xml: &str, n_nodes: u32, n_ticks: u32) -> Result<f64, String> {
    let mut tree = super::factory()
        .load_text(xml)
        .map_err(|error| error.to_string())?;
    tree.set("x", Value::int(1))
        .map_err(|error| error.to_string())?;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..n_ticks {
            tree.tick_exactly_once(Duration::ZERO)
                .map_err(|error| error.to_string())?;
        }
        best = best.min(start.elapsed() / n_ticks);
    }
    Ok(best.as_secs_f64() * 1e9 / f64::from(n_nodes))
}

fn load_time(xml: &str, rounds: usize) -> Result<f64, String> {
    let factory = Factory::new();
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        let tree = factory.load_text(xml).map_err(|error| error.to_string())?;
        best = best.min(start.elapsed());
        drop(tree);
    }
    Ok(best.as_secs_f64() * 1e3)
}
