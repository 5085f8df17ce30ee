//! What a simulated run is about: the world, its map, where to look and for what. Whatever no option names is made by
//! the simulator's own program.

use std::collections::btree_map::Entry;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command_line::Values;
use crate::options::RunOptions;
use crate::setup::{existing, text_of};

const TRUTH: &str = "ground_truth.json";

/// Fills in what the options leave open: a maze from the seed, or the map of the world that is given.
///
/// # Errors
/// When the maze cannot be made, or the world is none.
pub fn complete(
    options: &RunOptions,
    programs: &Path,
    out: &Path,
    values: &mut Values,
) -> Result<()> {
    let dir = out.join("maze");
    let mut sim = Command::new(programs.join("sim"));
    let files: &[(&str, &str)] = match values.get("world") {
        None => {
            sim.args(["generate", "--seed", &options.seed.to_string(), "--out"]);
            sim.arg(&dir);
            if let Some(class) = &options.find {
                sim.args(["--find", class]);
            }
            &[
                ("world", "world.sdf"),
                ("map", "map.yaml"),
                ("locations", "locations.yaml"),
                ("ground_truth", TRUTH),
            ]
        }
        Some(world) => {
            sim.args(["map", "--world", world, "--out"]).arg(&dir);
            &[("map", "map.yaml"), ("ground_truth", TRUTH)]
        }
    };
    let output = sim.output().context("cannot start the program `sim`")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    for (name, file) in files {
        let file = text_of(&existing(&dir.join(file), "the world's files")?)?;
        values.entry((*name).into()).or_insert(file);
    }
    ensure!(
        values.contains_key("locations"),
        "a world of your own needs --locations FILE.yaml: where may the robot look?"
    );
    if let Entry::Vacant(find) = values.entry("find".into()) {
        find.insert(generated_class(&dir.join(TRUTH)).context("give --find CLASS")?);
    }
    Ok(())
}

/// What a generated maze wants found.
fn generated_class(truth: &Path) -> Result<String> {
    let text = std::fs::read_to_string(truth)
        .with_context(|| format!("cannot read {}", truth.display()))?;
    let truth_value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("in {}", truth.display()))?;
    let class = truth_value["find"].as_str();
    class
        .map(String::from)
        .with_context(|| format!("{} does not say what to find", truth.display()))
}

/// Checks that the detector's network knows the class that is searched for.
///
/// # Errors
/// When it does not, or the network cannot be read.
pub fn check_class(programs: &Path, values: &Values) -> Result<()> {
    let (Some(model), Some(find)) = (values.get("model"), values.get("find")) else {
        return Ok(());
    };
    let output = Command::new(programs.join("detector"))
        .args(["info", "--json", model])
        .output()
        .context("cannot start the program `detector`")?;
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(names) = info["names"].as_array() else {
        let said = info["error"].as_str().map(String::from);
        bail!(
            "{}",
            said.unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().into())
        );
    };
    let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
    ensure!(
        names.contains(&find.as_str()),
        "--find {find}: {model} does not know this class; it knows {}",
        names.join(", ")
    );
    Ok(())
}
