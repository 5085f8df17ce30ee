//! Worlds as SDF 1.9 files, which Gazebo Harmonic loads too. `sim/README.md` lists the subset that is read.

mod obj;
mod read;
mod write;

use std::path::PathBuf;

/// Why a world file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SdfError {
    /// The file, or one that it names, cannot be read or written.
    #[error("{}: {cause}; check that the path is right and that you may use it", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Something in the file is not as it must be.
    #[error("{}:{line}: {problem}; {remedy}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Line in it, from 1.
        line: u32,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A picture cannot be written.
    #[error("{}: cannot write the picture: {cause}", path.display())]
    Picture {
        /// Which file.
        path: PathBuf,
        /// What the encoder says.
        cause: image::ImageError,
    },
}
