//! Where the project's own model lies.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// The project's own model.
const OWN_MODEL: &str = "models/maze_yolov8.onnx";

/// The project's own model is not installed.
#[derive(Debug, Error)]
#[error(
    "the project's own model {OWN_MODEL} was not found (looked in {searched}); name one with --model FILE.onnx"
)]
pub struct NotFound {
    searched: String,
}

/// The model that was named, else the project's own.
///
/// # Errors
/// As [`own_model`].
pub fn or_own(named: Option<&Path>) -> Result<PathBuf, NotFound> {
    named.map_or_else(own_model, |path| Ok(path.to_owned()))
}

/// The project's own model: below `TURTLEBOT_MAZE_SHARE`, in the `share` folder that the program is installed beside,
/// or in the source tree that it was built from.
///
/// # Errors
/// When it is in none of them.
pub fn own_model() -> Result<PathBuf, NotFound> {
    let set = std::env::var_os("TURTLEBOT_MAZE_SHARE")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let program = std::env::current_exe().unwrap_or_default();
    let installed = program
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("share/turtlebot_maze"));
    let source_tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders: Vec<PathBuf> = set
        .into_iter()
        .chain(installed)
        .chain([source_tree])
        .collect();
    let found = folders
        .iter()
        .map(|folder| folder.join(OWN_MODEL))
        .find(|file| file.is_file());
    found.ok_or_else(|| NotFound {
        searched: folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    })
}
