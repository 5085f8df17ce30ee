//! How long a tick and a load take, beside what peers take for the same tick in the same run. Prints a JSON list of rows:
//! name, value, unit, peer, peer_value, ratio; one row a peer.
//!
//! A tick is one of a tree that starts anew, so that what a peer needs to be ready again is counted too.

mod peers;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use behavior_tree::nav2::{self, Parked};
use behavior_tree::{Factory, Value};
use serde_json::{Value as Json, json};

use peers::Peer;

/// Nodes below the root of the trees that are ticked.
const N_NODES: u32 = 1000;
/// How many ticks are timed together, and how often: the fastest counts.
const ROUNDS: usize = 20;

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

fn main() -> Result<(), String> {
    let peers = peers::measure();
    let mut rows = Vec::new();
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
        let time = tick_time(&wide(control, child, N_NODES), N_NODES + 1, 2000)?;
        let with_peers = rows.len();
        for peer in &peers {
            let theirs = match name {
                "tree_tick_sequence_1000" => peer.sequence,
                "tree_tick_fallback_1000" => peer.fallback,
                _ => continue,
            };
            rows.push(row(name, time, "ns/node", Some((peer, theirs))));
        }
        if rows.len() == with_peers {
            rows.push(row(name, time, "ns/node", None));
        }
    }
    let time = tick_time(NAV2, NAV2_TICKED, 100_000)?;
    rows.push(row("tree_tick_nav2", time, "ns/node", None));
    for (name, child) in [
        ("tree_load_10001", r#"<AlwaysSuccess name="n"/>"#),
        (
            "tree_load_10001_scripts",
            r#"<AlwaysSuccess name="n" _skipIf="x &gt; 5"/>"#,
        ),
    ] {
        let time = load_time(&wide("Sequence", child, 10_000), ROUNDS)?;
        rows.push(row(name, time, "ms", None));
    }
    let million = groups(1000, 998);
    let time = load_time(&million, 1)?;
    rows.push(row("tree_load_1000000", time, "ms", None));
    let time = tick_time(&million, 999_001, 1)?;
    rows.push(row("tree_tick_1000000", time, "ns/node", None));
    println!("{}", Json::from(rows));
    Ok(())
}

fn row(name: &str, value: f64, unit: &str, peer: Option<(&Peer, f64)>) -> Json {
    json!({
        "name": name,
        "value": value,
        "unit": unit,
        "peer": peer.map(|(peer, _)| &peer.name),
        "peer_value": peer.map(|(_, theirs)| theirs),
        "ratio": peer.map(|(_, theirs)| value / theirs),
    })
}

fn wide(control: &str, child: &str, n: u32) -> String {
    let mut xml =
        format!(r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><{control} name="top">"#);
    for _ in 0..n {
        xml.push_str(child);
    }
    let _ = write!(xml, "</{control}></BehaviorTree></root>");
    xml
}

fn groups(n_groups: u32, n_leaves: usize) -> String {
    let group = format!(
        "<Sequence>{}</Sequence>",
        "<AlwaysSuccess/>".repeat(n_leaves)
    );
    wide("Sequence", &group, n_groups)
}

fn tick_time(xml: &str, n_nodes: u32, n_ticks: u32) -> Result<f64, String> {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::new(Parked)).map_err(|error| error.to_string())?;
    let mut tree = factory.load_text(xml).map_err(|error| error.to_string())?;
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
