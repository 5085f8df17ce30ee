//! The folder of its own where set-up goes: nothing system-wide, no root.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// `$TURTLEBOT_MAZE_CACHE`, else `turtlebot-maze` in the user's cache folder.
pub fn folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TURTLEBOT_MAZE_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(
            std::env::var_os("HOME").context("HOME is not set: set TURTLEBOT_MAZE_CACHE")?,
        )
        .join(".cache"),
    };
    Ok(base.join("turtlebot-maze"))
}

/// The checkout's root. Asked of cargo as it runs: with a target folder that several checkouts share, this program may
/// have been compiled in another.
pub fn project() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
    Path::new(
        manifest
            .as_deref()
            .unwrap_or(env!("CARGO_MANIFEST_DIR").as_ref()),
    )
    .parent()
    .unwrap_or(Path::new("."))
    .to_path_buf()
}

const MARK: &str = ".complete";

/// A mark that a step of the set-up was completed with certain inputs; it is done again when they change.
pub struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    /// The mark of the step whose result is `folder`, made from `inputs` (names, file contents).
    pub fn new(folder: &Path, inputs: &[String]) -> Self {
        let mut hasher = DefaultHasher::new();
        inputs.hash(&mut hasher);
        Self {
            path: folder.join(MARK),
            content: format!("{:016x}\n", hasher.finish()),
        }
    }

    /// Whether a folder is the result of a step, whatever its inputs were.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(MARK).exists()
    }

    /// Whether the step was completed with these inputs.
    pub fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|content| content == self.content)
    }

    /// Marks the step as completed.
    pub fn set(&self) -> anyhow::Result<()> {
        fs::write(&self.path, &self.content)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
