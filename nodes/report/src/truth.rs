//! Where the objects really are, by the world file that the simulator runs.
//!
//! Read is SDF, where a model named after a class (`chair` or `chair_2`) is an object of it, or JSON as `sim generate`
//! writes it: `{"objects": [{"class": "chair", "position": [x, y, z]}]}`. The map's frame is the world's.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::path::distance;

/// Where objects are in the world.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct GroundTruth {
    objects: Vec<Object>,
}

/// One object; `position` is x, y and possibly z in m.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Object {
    class: String,
    position: Vec<f64>,
}

impl GroundTruth {
    /// Reads the file: JSON if it is named so, else SDF.
    ///
    /// # Errors
    /// When it cannot be read or is neither.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the ground truth {}", file.display()))?;
        let is_json = file
            .extension()
            .is_some_and(|extension| extension == "json");
        let truth = if is_json {
            Self::from_json(&text)
        } else {
            Self::from_sdf(&text)
        };
        truth.with_context(|| format!("{} says no true places", file.display()))
    }

    fn from_json(text: &str) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    fn from_sdf(text: &str) -> anyhow::Result<Self> {
        let document = roxmltree::Document::parse(text)?;
        let world = document
            .descendants()
            .find(|node| node.has_tag_name("world"))
            .context("there is no <world> in it")?;
        let models = world.children().filter(|node| node.has_tag_name("model"));
        let objects = models.filter_map(|model| {
            let pose = model
                .children()
                .find(|node| node.has_tag_name("pose"))?
                .text()?;
            Some(Object {
                class: class_of(model.attribute("name")?).to_owned(),
                position: pose
                    .split_whitespace()
                    .map_while(|number| number.parse().ok())
                    .collect(),
            })
        });
        Ok(Self {
            objects: objects.collect(),
        })
    }

    /// Where the objects of a class are, `[x, y]` in m.
    pub fn places(&self, class: &str) -> Vec<[f64; 2]> {
        let objects = self.objects.iter().filter(|object| object.class == class);
        objects
            .filter_map(|object| match object.position[..] {
                [x, y, ..] => Some([x, y]),
                _ => None,
            })
            .collect()
    }

    /// The object of a class that is nearest to `estimate`; without an estimate the only one, if there is only one.
    pub fn nearest(&self, class: &str, estimate: Option<[f64; 2]>) -> Option<[f64; 2]> {
        let places = self.places(class);
        match (estimate, &places[..]) {
            (None, [only]) => Some(*only),
            (None, _) => None,
            (Some(at), _) => places
                .into_iter()
                .min_by(|a, b| distance(*a, at).total_cmp(&distance(*b, at))),
        }
    }
}

/// The class that a model's name stands for: the name without a number at its end.
fn class_of(model: &str) -> &str {
    match model.rsplit_once('_') {
        Some((class, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            class
        }
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDF: &str = r#"<?xml version="1.0"?>
        <sdf version="1.9"><world name="maze">
          <model name="walls"><link name="l"/></model>
          <model name="chair_1"><static>true</static><pose>1 2 0 0 0 1.5</pose></model>
          <model name="chair_2"><pose>4.5 -2 0 0 0 0</pose><link name="l"><pose>9 9 0 0 0 0</pose></link></model>
          <model name="stop_sign"><pose>7 8 0 0 0 0</pose></model>
        </world></sdf>"#;

    #[test]
    fn objects_are_found_in_a_world_by_the_models_names() {
        let truth = GroundTruth::from_sdf(SDF).expect("a world");
        assert_eq!(truth.places("chair"), [[1.0, 2.0], [4.5, -2.0]]);
        assert_eq!(truth.places("stop_sign"), [[7.0, 8.0]]);
        assert!(truth.places("walls").is_empty());
        assert_eq!(truth.nearest("chair", Some([4.0, 0.0])), Some([4.5, -2.0]));
        assert_eq!(truth.nearest("chair", None), None, "which of the two?");
        assert_eq!(truth.nearest("stop_sign", None), Some([7.0, 8.0]));
        assert_eq!(truth.nearest("ball", Some([0.0, 0.0])), None);
    }

    #[test]
    fn json_says_the_same() {
        let truth = GroundTruth::from_json(
            r#"{"seed": 7, "objects": [{"class": "ball", "position": [1, 2, 0.1], "name": "ball_1"}]}"#,
        );
        assert_eq!(truth.expect("a ground truth").places("ball"), [[1.0, 2.0]]);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(GroundTruth::from_sdf("hello").is_err());
        assert!(GroundTruth::from_sdf("<sdf/>").is_err());
        assert!(GroundTruth::from_json("{}").is_err());
    }
}
