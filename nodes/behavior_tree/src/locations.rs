//! A locations file: where a tree may send the robot.
//!
//! ```yaml
//! kitchen: [1.0, 2.5, 1.57]   # x and y in m, heading in rad, in the frame `map`
//! ```

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use crate::fault::{Fault, Severity};

const FORM: &str = "write each location as 'name: [x, y, theta]', in m, m and rad";

/// A pose in the plane, in the frame `map`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose2D {
    /// m
    pub x: f64,
    /// m
    pub y: f64,
    /// Heading, rad
    pub theta: f64,
}

/// Named poses in the order of the file.
pub type Locations = Vec<(Arc<str>, Pose2D)>;

/// Reads a locations file: the locations that are sound, and every fault of the file.
#[must_use]
pub fn read(path: &Path) -> (Locations, Vec<Fault>) {
    let mut reader = Reader {
        file: path.display().to_string(),
        locations: Locations::new(),
        faults: Vec::new(),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => reader.parse(&text),
        Err(error) => {
            let message = format!("the file cannot be read: {error}");
            reader.fault(
                (1, 1),
                Severity::Error,
                "file",
                message,
                "name a file that exists",
            );
        }
    }
    (reader.locations, reader.faults)
}

struct Reader {
    file: String,
    locations: Locations,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(
        &mut self,
        (line, column): (usize, usize),
        severity: Severity,
        code: &'static str,
        message: String,
        remedy: &str,
    ) {
        self.faults.push(Fault {
            file: self.file.clone(),
            line,
            column,
            severity,
            code,
            message,
            remedy: remedy.to_owned(),
            width: 1,
        });
    }

    fn error(&mut self, place: (usize, usize), message: String) {
        self.fault(place, Severity::Error, "locations", message, FORM);
    }

    fn parse(&mut self, text: &str) {
        let documents = match MarkedYaml::load_from_str(text) {
            Ok(documents) => documents,
            Err(error) => {
                let place = (error.marker().line().max(1), error.marker().col() + 1);
                let message = format!("this is no YAML: {}", error.info());
                self.fault(place, Severity::Error, "yaml", message, "correct the YAML");
                return;
            }
        };
        let Some(root) = documents.first() else {
            self.error((1, 1), "the file holds no locations".to_owned());
            return;
        };
        let mapping = match &root.data {
            YamlData::Mapping(mapping) if !mapping.is_empty() => mapping,
            _ => {
                self.error(place(root), "the file holds no locations".to_owned());
                return;
            }
        };
        let mut seen = HashSet::new();
        for (key, value) in mapping {
            let Some(name) = key.data.as_str() else {
                self.error(place(key), "a location's name is text".to_owned());
                continue;
            };
            if !seen.insert(name) {
                self.error(place(key), format!("the location '{name}' is given twice"));
                continue;
            }
            if let Some(pose) = self.pose(name, value) {
                self.locations.push((Arc::from(name), pose));
            }
        }
    }

    fn pose(&mut self, name: &str, node: &MarkedYaml<'_>) -> Option<Pose2D> {
        let YamlData::Sequence(parts) = &node.data else {
            self.error(place(node), format!("the location '{name}' is no list"));
            return None;
        };
        if parts.len() != 3 {
            let message = format!("the location '{name}' has {} numbers, not 3", parts.len());
            self.error(place(node), message);
        }
        let mut numbers = Vec::with_capacity(3);
        for part in parts {
            match number(part) {
                Some(number) => numbers.push(number),
                None => {
                    let what = part
                        .data
                        .as_str()
                        .map_or("this".into(), |t| format!("\"{t}\""));
                    let message = format!("the location '{name}': {what} is not a finite number");
                    self.error(place(part), message);
                }
            }
        }
        let [x, y, theta] = numbers[..] else {
            return None;
        };
        if theta.abs() > 2.0 * std::f64::consts::PI {
            let message = format!("the heading of '{name}' is {theta}, more than a turn");
            self.fault(
                parts.last().map_or((1, 1), place),
                Severity::Warning,
                "locations",
                message,
                "headings are in radians",
            );
        }
        Some(Pose2D { x, y, theta })
    }
}

/// Line and column, from 1.
fn place(node: &MarkedYaml<'_>) -> (usize, usize) {
    (node.span.start.line().max(1), node.span.start.col() + 1)
}

fn number(node: &MarkedYaml<'_>) -> Option<f64> {
    let value = match &node.data {
        YamlData::Value(Scalar::Integer(value)) => *value as f64,
        YamlData::Value(Scalar::FloatingPoint(value)) => value.into_inner(),
        _ => return None,
    };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Locations, Vec<Fault>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        super::read(file.path())
    }

    #[test]
    fn locations_keep_the_order_of_the_file() {
        let (locations, faults) = read("far: [4, .5, 1.571]\nnear: [-1.0, -2, 0]\n");
        assert_eq!(faults, []);
        let pose = |x, y, theta| Pose2D { x, y, theta };
        assert_eq!(
            locations,
            [
                (Arc::from("far"), pose(4.0, 0.5, 1.571)),
                (Arc::from("near"), pose(-1.0, -2.0, 0.0)),
            ]
        );
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        for (text, at, part) in [
            (
                "a: [1, 2, 3]\nb: [1, north, 3]\n",
                (2, 8),
                "\"north\" is not a finite number",
            ),
            ("a: [1, 2]\n", (1, 4), "has 2 numbers, not 3"),
            ("a: 3\n", (1, 4), "is no list"),
            ("- 1\n", (1, 1), "holds no locations"),
            ("a: [1, 2, .nan]\n", (1, 11), "not a finite number"),
            ("", (1, 1), "holds no locations"),
            ("{}\n", (1, 1), "holds no locations"),
            ("7: [1, 2, 3]\n", (1, 1), "name is text"),
            ("a: [1, 2, 90]\n", (1, 11), "more than a turn"),
        ] {
            let (_, faults) = read(text);
            let [fault] = &faults[..] else {
                panic!("{text:?}: {faults:?}")
            };
            assert_eq!((fault.line, fault.column), at, "{text:?}: {fault}");
            assert!(fault.message.contains(part), "{text:?}: {fault}");
        }
        let (_, faults) = read("a: [1, 2\n");
        assert!(faults[0].message.contains("no YAML"), "{faults:?}");
    }
}
