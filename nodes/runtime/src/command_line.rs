//! From a node's entry in the graph to the command line it is started with.

use std::collections::BTreeMap;

use crate::graph::Node;

/// What the `{placeholders}` stand for in this run; one without a value is absent.
pub type Values = BTreeMap<String, String>;

/// A placeholder that has no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// Nothing gave it a value.
    #[error("node `{node}` needs {{{placeholder}}}; give it with --{}", .placeholder.replace('_', "-"))]
    NoValue {
        /// The node.
        node: String,
        /// The placeholder.
        placeholder: String,
    },
    /// A brace that is never closed.
    #[error("node `{node}`: `{text}` has an opening brace without a closing one")]
    OpenBrace {
        /// The node.
        node: String,
        /// The argument.
        text: String,
    },
}

/// The node's arguments with every placeholder filled in.
pub fn arguments(node: &Node, values: &Values) -> Result<Vec<String>, ExpandError> {
    let optional = node
        .optional
        .iter()
        .filter(|(name, _)| values.contains_key(*name))
        .flat_map(|(_, args)| args);
    node.args
        .iter()
        .chain(optional)
        .map(|arg| expand(&node.name, arg, values))
        .collect()
}

fn expand(node: &str, text: &str, values: &Values) -> Result<String, ExpandError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        expanded.push_str(before);
        let Some((placeholder, after)) = after.split_once('}') else {
            return Err(ExpandError::OpenBrace {
                node: node.to_string(),
                text: text.to_string(),
            });
        };
        let Some(value) = values.get(placeholder) else {
            return Err(ExpandError::NoValue {
                node: node.to_string(),
                placeholder: placeholder.to_string(),
            });
        };
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(toml: &str) -> Node {
        toml::from_str(&format!("name = \"viewer\"\nprogram = \"viewer\"\n{toml}")).unwrap()
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn placeholders_are_filled_in_and_optional_arguments_come_only_with_a_value() {
        let node = node(
            "args = ['--out', '{out}/run.rrd']\noptional = { rerun = ['--spawn'], seed = ['--seed', '{seed}'] }",
        );
        let plain = arguments(&node, &values(&[("out", "/o")])).unwrap();
        assert_eq!(plain, ["--out", "/o/run.rrd"]);
        let all = arguments(
            &node,
            &values(&[("out", "/o"), ("seed", "7"), ("rerun", "true")]),
        )
        .unwrap();
        assert_eq!(all, ["--out", "/o/run.rrd", "--spawn", "--seed", "7"]);
    }

    #[test]
    fn a_missing_value_names_the_option_that_gives_it() {
        let error = arguments(&node("args = ['{ground_truth}']"), &values(&[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node `viewer` needs {ground_truth}; give it with --ground-truth"
        );
        assert!(arguments(&node("args = ['{out']"), &values(&[("out", "x")])).is_err());
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let args = arguments(&node("args = ['{out}']"), &values(&[("out", "a{b}c")])).unwrap();
        assert_eq!(args, ["a{b}c"]);
    }
}
