//! The object classes that a world may hold, in the order in which the detector numbers them.

/// Names of the classes; a class's index here is its number in training labels and in the model's metadata.
pub const CLASSES: [&str; 10] = [
    "ball", "bottle", "box", "chair", "cone", "cup", "lamp", "person", "plant", "suitcase",
];

/// The number of a class, or `None` for a name that is no class.
pub fn class_index(name: &str) -> Option<usize> {
    CLASSES.iter().position(|class| *class == name)
}

/// The class of the object that a model's name tells: `chair` and `chair_2` are chairs, `wall_3` and `chairman` are nothing.
pub fn class_of_model(model: &str) -> Option<usize> {
    let base = match model.rsplit_once('_') {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => model,
    };
    class_index(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_tell_the_class() {
        assert_eq!(class_of_model("chair"), class_index("chair"));
        assert_eq!(class_of_model("chair_12"), class_index("chair"));
        assert_eq!(class_of_model("chair_"), None);
        assert_eq!(class_of_model("wall_1"), None);
        assert_eq!(class_of_model("chairman"), None);
    }
}
