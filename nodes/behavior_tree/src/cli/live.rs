//! `run --draw`, `run --svg`: pictures of the tree while it runs.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::draw;
use crate::tree::Tree;

#[derive(Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// Draw the tree on standard error, after each tick that changed a node. With --real-time there is time to look.
    #[arg(long)]
    draw: bool,
    /// Write the same as SVG to a file, anew each time.
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
}

impl LiveArgs {
    /// Shows the tree as it is now.
    pub(crate) fn show(&self, tree: &Tree) -> Result<()> {
        if self.draw {
            // In place on a terminal, one below the other elsewhere.
            let home = if std::io::stderr().is_terminal() {
                "\x1b[H\x1b[J"
            } else {
                ""
            };
            eprintln!("{home}{}", draw::text(tree));
        }
        if let Some(path) = &self.svg {
            // In one step, so that a viewer never sees half a picture.
            let mut partial = OsString::from(path);
            partial.push(".partial");
            fs::write(&partial, draw::svg(tree))
                .and_then(|()| fs::rename(&partial, path))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }
}
