//! What Ultralytics writes into a model's metadata: `names`, `imgsz`, `stride`, `task`, as Python literals.

use saphyr::{LoadableYamlNode, Yaml};

/// Class names by index from a literal such as `{0: 'person', 1: 'bicycle'}` or `['person', 'bicycle']`; `None` when
/// it is neither, or an index is missing.
pub fn class_names(literal: &str) -> Option<Vec<String>> {
    // Python's literals of this kind are YAML's flow style.
    let documents = Yaml::load_from_str(literal).ok()?;
    let document = documents.first()?;
    if let Some(sequence) = document.as_vec() {
        return sequence.iter().map(text).collect();
    }
    let mapping = document.as_mapping()?;
    let mut names = vec![None; mapping.len()];
    for (index, name) in mapping {
        *names.get_mut(usize::try_from(index.as_integer()?).ok()?)? = Some(text(name)?);
    }
    names.into_iter().collect()
}

/// Whole numbers from a literal such as `[640, 640]`, `(480, 640)` or `32`.
pub fn integers(literal: &str) -> Vec<usize> {
    literal
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// A name that looks like a number or a truth value is a name all the same.
fn text(node: &Yaml<'_>) -> Option<String> {
    node.as_str()
        .map(str::to_owned)
        .or_else(|| node.as_integer().map(|number| number.to_string()))
        .or_else(|| node.as_bool().map(|truth| truth.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_python_writes_them() {
        let owned = |names: &[&str]| {
            Some(
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            class_names("{0: 'person', 1: 'traffic light'}"),
            owned(&["person", "traffic light"])
        );
        assert_eq!(
            class_names(r#"{1: "baker's box", 0: 'a, b: c'}"#),
            owned(&["a, b: c", "baker's box"])
        );
        assert_eq!(class_names("['ball', 'cup']"), owned(&["ball", "cup"]));
        assert_eq!(class_names("{0: 'true', 1: '7'}"), owned(&["true", "7"]));
        for bad in [
            "{0: 'a', 2: 'b'}",
            "hello",
            "{'a': 0}",
            "",
            "{0: ",
            "{-1: 'a'}",
        ] {
            assert_eq!(class_names(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_as_python_writes_them() {
        assert_eq!(integers("[640, 480]"), [640, 480]);
        assert_eq!(integers("(320,)"), [320]);
        assert_eq!(integers("32"), [32]);
        assert_eq!(integers("none"), [0usize; 0]);
    }
}
