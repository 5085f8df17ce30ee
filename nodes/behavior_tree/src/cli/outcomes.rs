//! Results laid down for nodes, from a JSON file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::Value as Json;

use crate::engine::TestConfig;
use crate::registry::{Factory, Substitute};
use crate::status::Status;

/// Reads the file and puts its results in the place of nodes. Two forms are known:
///
/// - `{"GoToPose": ["RUNNING", "SUCCESS"], "*/look": "FAILURE"}`: a node's name, ID or path, and one result a tick, of which
///   the last stays;
/// - BehaviorTree.CPP's substitution rules, with `TestNodeConfigs` and `SubstitutionRules`.
pub(crate) fn read(factory: &mut Factory, path: &Path) -> Result<()> {
    substitute(factory, &read_json(path)?)
        .with_context(|| format!("{} holds no outcomes", path.display()))
}

pub(crate) fn read_json(path: &Path) -> Result<Json> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON"))
}

pub(crate) fn substitute(factory: &mut Factory, json: &Json) -> Result<()> {
    let Some(object) = json.as_object() else {
        bail!("an object is expected: {{\"node\": [\"SUCCESS\"]}}")
    };
    let Some(rules) = object.get("SubstitutionRules") else {
        for (filter, outcomes) in object {
            let config = TestConfig {
                outcomes: statuses(filter, outcomes)?,
                ..TestConfig::default()
            };
            factory.substitute(filter, Substitute::Test(Arc::new(config)));
        }
        return Ok(());
    };
    let rules = rules
        .as_object()
        .context("SubstitutionRules is no object")?;
    for (filter, name) in rules {
        let name = name
            .as_str()
            .with_context(|| format!("the rule for '{filter}' is no string"))?;
        let substitute = match object
            .get("TestNodeConfigs")
            .and_then(|configs| configs.get(name))
        {
            Some(config) => Substitute::Test(Arc::new(test_config(name, config)?)),
            None => Substitute::Node(name.to_owned()),
        };
        factory.substitute(filter, substitute);
    }
    Ok(())
}

fn status(owner: &str, json: &Json) -> Result<Status> {
    let text = json
        .as_str()
        .with_context(|| format!("a result for '{owner}' is no string"))?;
    match text.parse() {
        Ok(Status::Idle) => bail!("a result for '{owner}' is IDLE, which no tick gives"),
        Ok(status) => Ok(status),
        Err(error) => bail!("a result for '{owner}' is '{text}': {error}"),
    }
}

fn statuses(owner: &str, json: &Json) -> Result<Vec<Status>> {
    match json {
        Json::Array(results) if !results.is_empty() => {
            results.iter().map(|result| status(owner, result)).collect()
        }
        Json::Array(_) => bail!("the results for '{owner}' are none"),
        one => Ok(vec![status(owner, one)?]),
    }
}

fn test_config(name: &str, json: &Json) -> Result<TestConfig> {
    let script = |key: &str| match json.get(key) {
        None => Ok(String::new()),
        Some(Json::String(script)) => Ok(script.clone()),
        Some(other) => bail!("{key} of '{name}' is {other}, not a script"),
    };
    let return_status = json
        .get("return_status")
        .map(|json| status(name, json))
        .transpose()?;
    let async_delay = match json.get("async_delay") {
        None => 0,
        Some(delay) => delay
            .as_i64()
            .with_context(|| format!("async_delay of '{name}' is {delay}, not a number of ms"))?,
    };
    let config = TestConfig {
        return_status: return_status.unwrap_or(Status::Success),
        return_status_script: script("return_status_script")?,
        success_script: script("success_script")?,
        failure_script: script("failure_script")?,
        post_script: script("post_script")?,
        async_delay_ms: u64::try_from(async_delay).unwrap_or(0),
        outcomes: Vec::new(),
    };
    if return_status.is_none() && config.return_status_script.is_empty() {
        bail!("the configuration '{name}' has neither return_status nor return_status_script");
    }
    Ok(config)
}
