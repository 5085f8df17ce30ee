//! A locations file: `name: [x, y, theta]`, in metres and radians in the map frame.

use std::collections::HashSet;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use crate::fault::{Fault, Severity};

pub(super) fn check(path: &Path) -> Vec<Fault> {
    let file = path.display().to_string();
    let fault =
        |(line, column): (usize, usize), severity, code, message: String, remedy: &str| Fault {
            file: file.clone(),
            line,
            column,
            severity,
            code,
            message,
            remedy: remedy.to_owned(),
            width: 1,
        };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("{file} cannot be read: {error}");
            return vec![fault(
                (1, 1),
                Severity::Error,
                "file",
                message,
                "name a file that exists",
            )];
        }
    };
    let documents = match MarkedYaml::load_from_str(&text) {
        Ok(documents) => documents,
        Err(error) => {
            let place = (error.marker().line().max(1), error.marker().col() + 1);
            let message = format!("this is no YAML: {}", error.info());
            return vec![fault(
                place,
                Severity::Error,
                "yaml",
                message,
                "correct the YAML",
            )];
        }
    };
    let place = |node: &MarkedYaml<'_>| (node.span.start.line().max(1), node.span.start.col() + 1);
    let Some(YamlData::Mapping(mapping)) = documents.first().map(|document| &document.data) else {
        let message = "the file holds no locations".to_owned();
        return vec![fault(
            (1, 1),
            Severity::Error,
            "locations",
            message,
            "write lines like 'kitchen: [1.5, -2.0, 3.14]'",
        )];
    };
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (key, value) in mapping {
        let name = match &key.data {
            YamlData::Value(Scalar::String(name)) => name.to_string(),
            _ => {
                let message = "a location's name is text".to_owned();
                faults.push(fault(
                    place(key),
                    Severity::Error,
                    "locations",
                    message,
                    "put it into quotes",
                ));
                continue;
            }
        };
        if !seen.insert(name.clone()) {
            let message = format!("the location '{name}' is given twice");
            faults.push(fault(
                place(key),
                Severity::Error,
                "locations",
                message,
                "give each its own name",
            ));
        }
        let YamlData::Sequence(numbers) = &value.data else {
            let message = format!("the location '{name}' is no list");
            faults.push(fault(
                place(value),
                Severity::Error,
                "locations",
                message,
                "write [x, y, theta] in m, m, rad",
            ));
            continue;
        };
        if numbers.len() != 3 {
            let message = format!("the location '{name}' has {} numbers, not 3", numbers.len());
            faults.push(fault(
                place(value),
                Severity::Error,
                "locations",
                message,
                "write [x, y, theta] in m, m, rad",
            ));
        }
        for (index, node) in numbers.iter().enumerate() {
            let number = match &node.data {
                YamlData::Value(Scalar::Integer(number)) => *number as f64,
                YamlData::Value(Scalar::FloatingPoint(number)) => number.into_inner(),
                _ => f64::NAN,
            };
            if !number.is_finite() {
                let message = format!("the location '{name}' holds what is no finite number");
                faults.push(fault(
                    place(node),
                    Severity::Error,
                    "locations",
                    message,
                    "write a number",
                ));
            } else if index == 2 && number.abs() > 2.0 * std::f64::consts::PI {
                let message = format!("the heading of '{name}' is {number}, more than a turn");
                faults.push(fault(
                    place(node),
                    Severity::Warning,
                    "locations",
                    message,
                    "headings are in radians",
                ));
            }
        }
    }
    faults
}
