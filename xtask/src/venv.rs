//! Python virtual environments in the cache folder, made from requirements files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cache::{self, Stamp};
use crate::process::{command, must, step};

/// A virtual environment and what goes into it.
pub struct Venv<'a> {
    /// Where it lies.
    pub folder: &'a Path,
    /// What it holds, for a person.
    pub what: &'a str,
    /// Requirements files, in the project.
    pub requirements: &'a [&'a str],
    /// Whether the packages of the system's Python stay visible.
    pub system_packages: bool,
}

impl Venv<'_> {
    /// Makes it where it is not there, or is of other requirements; `finish` is its last step.
    pub fn install(&self, finish: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let project = cache::project();
        let files: Vec<_> = self
            .requirements
            .iter()
            .map(|file| project.join(file))
            .collect();
        let mut inputs = vec![self.folder.to_string_lossy().into_owned()];
        for file in &files {
            inputs.push(
                fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?,
            );
        }
        let stamp = Stamp::new(self.folder, &inputs);
        if stamp.is_current() {
            return Ok(());
        }
        crate::doctor::require_toolchain()?;
        if self.folder.exists() {
            fs::remove_dir_all(self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        let title = format!("Installing {} into {}", self.what, self.folder.display());
        step(&title, || self.fill(&files))?;
        finish()?;
        stamp.set()
    }

    fn fill(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        let mut venv = command("python3", &["-m", "venv"]);
        if self.system_packages {
            venv.arg("--system-site-packages");
        }
        must(
            venv.arg(self.folder),
            "install Python's venv module (Debian: apt-get install python3-venv)",
        )?;
        let mut pip = command(
            self.folder.join("bin/python"),
            &["-m", "pip", "install", "--disable-pip-version-check"],
        );
        for file in files {
            pip.arg("-r").arg(file);
        }
        must(
            &mut pip,
            "check the network and that Python is 3.11 to 3.13 (wheels exist for those), then run this again",
        )
    }
}
