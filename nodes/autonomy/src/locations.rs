//! The locations file: where a tree may send the robot.
//!
//! ```yaml
//! kitchen: [1.0, 2.5, 1.57]   # x and y in m, heading in rad, in the frame `map`
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A pose in the plane, in `map`.
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

/// Why a locations file cannot be used: file, line and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {what}", .file.display())]
pub struct LocationsError {
    file: PathBuf,
    line: usize,
    what: String,
}

/// Reads a locations file.
///
/// # Errors
/// When the file cannot be read, is no YAML, or an entry is not `name: [x, y, theta]` with finite numbers.
pub fn read(file: &Path) -> Result<Locations, LocationsError> {
    let error = |line: usize, what: String| LocationsError {
        file: file.to_owned(),
        line,
        what,
    };
    let text =
        std::fs::read_to_string(file).map_err(|e| error(1, format!("cannot be read: {e}")))?;
    parse(&text).map_err(|(line, what)| error(line, what))
}

fn parse(text: &str) -> Result<Locations, (usize, String)> {
    const FORM: &str = "write each location as `name: [x, y, theta]`, in m, m and rad";
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|e| (e.marker().line(), format!("is no YAML: {e}")))?;
    let Some(root) = documents.first() else {
        return Err((1, format!("holds no location; {FORM}")));
    };
    let line_of = |node: &MarkedYaml<'_>| node.span.start.line();
    let YamlData::Mapping(entries) = &root.data else {
        return Err((line_of(root), format!("is no list of locations; {FORM}")));
    };
    let mut locations = Locations::new();
    for (key, value) in entries {
        let line = line_of(key);
        let Some(name) = key.data.as_str() else {
            return Err((line, format!("the name of a location must be text; {FORM}")));
        };
        let YamlData::Sequence(parts) = &value.data else {
            return Err((line, format!("location \"{name}\" is no list; {FORM}")));
        };
        let numbers = parts
            .iter()
            .map(|part| {
                number(part).ok_or_else(|| {
                    let got = part
                        .data
                        .as_str()
                        .map_or_else(|| "this".to_owned(), |text| format!("\"{text}\""));
                    (
                        line_of(part),
                        format!("location \"{name}\": {got} is not a finite number; {FORM}"),
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let [x, y, theta] = numbers[..] else {
            return Err((
                line,
                format!(
                    "location \"{name}\" has {} numbers instead of 3; {FORM}",
                    numbers.len()
                ),
            ));
        };
        locations.push((Arc::from(name), Pose2D { x, y, theta }));
    }
    if locations.is_empty() {
        return Err((1, format!("holds no location; {FORM}")));
    }
    Ok(locations)
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

    #[test]
    fn locations_keep_the_order_of_the_file() {
        let locations = parse("far: [4, .5, 1.571]\nnear: [-1.0, -2, 0]\n").unwrap();
        assert_eq!(
            locations,
            [
                (
                    Arc::from("far"),
                    Pose2D {
                        x: 4.0,
                        y: 0.5,
                        theta: 1.571
                    }
                ),
                (
                    Arc::from("near"),
                    Pose2D {
                        x: -1.0,
                        y: -2.0,
                        theta: 0.0
                    }
                ),
            ]
        );
    }

    #[test]
    fn a_fault_is_named_with_its_line_and_how_to_mend_it() {
        for (text, line, part) in [
            (
                "a: [1, 2, 3]\nb: [1, north, 3]\n",
                2,
                "\"north\" is not a finite number",
            ),
            ("a: [1, 2]\n", 1, "has 2 numbers instead of 3"),
            ("a: 3\n", 1, "is no list"),
            ("- 1\n", 1, "is no list of locations"),
            ("a: [1, 2, .nan]\n", 1, "not a finite number"),
            ("", 1, "holds no location"),
            ("a: [1, 2\n", 2, "is no YAML"),
        ] {
            let (at, what) = parse(text).unwrap_err();
            assert_eq!(at, line, "{text:?}: {what}");
            assert!(what.contains(part), "{text:?}: {what}");
        }
    }
}
