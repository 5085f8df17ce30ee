//! `bench`: how long a tick and a load take.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{BAD_INPUT, YES};
use crate::registry::Factory;
use crate::value::Value;

/// How many ticks are timed together, and how often: the fastest counts.
const ROUNDS: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Print a JSON list of rows: name, value, unit.
    #[arg(long)]
    json: bool,
    /// Leave the tree of a million nodes out.
    #[arg(long)]
    quick: bool,
}

pub(crate) fn bench(args: &BenchArgs) -> u8 {
    match measure(args.quick) {
        Ok(rows) if args.json => println!("{}", Json::from(rows)),
        Ok(rows) => {
            for row in rows {
                println!(
                    "{:<32} {:>12.2} {}",
                    row["name"].as_str().unwrap_or(""),
                    row["value"].as_f64().unwrap_or(0.0),
                    row["unit"].as_str().unwrap_or("")
                );
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
    json!({"name": name, "value": value, "unit": unit})
}

fn measure(quick: bool) -> Result<Vec<Json>, String> {
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
        rows.push(row(
            name,
            tick_time(&wide(control, child, 1000), 1001, 2000)?,
            "ns/node",
        ));
    }
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
    if !quick {
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
    let mut tree = Factory::new()
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
