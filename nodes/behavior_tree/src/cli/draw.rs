//! `draw`: a picture of a tree.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{BAD_INPUT, YES, output};
use crate::draw;

#[derive(Debug, clap::Args)]
pub(crate) struct DrawArgs {
    /// The tree file (.xml).
    file: PathBuf,
    /// The tree to draw, where it is not the main tree of the file.
    #[arg(long, value_name = "ID")]
    tree: Option<String>,
    /// A file whose TreeNodesModel declares more nodes. May be given several times.
    #[arg(long, value_name = "FILE.xml")]
    model: Vec<PathBuf>,
    /// Write the picture to a file, as SVG.
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
}

pub(crate) fn draw(args: &DrawArgs) -> u8 {
    match picture(args) {
        Ok(()) => YES,
        Err(error) => {
            eprintln!("error: {error:#}");
            BAD_INPUT
        }
    }
}

fn picture(args: &DrawArgs) -> Result<()> {
    let factory = super::factory_for(&args.file, &args.model)?.with_runnable_models();
    let tree = factory.load_file_tree(&args.file, args.tree.as_deref())?;
    match &args.svg {
        Some(path) => std::fs::write(path, draw::svg(&tree))
            .with_context(|| format!("{} cannot be written", path.display())),
        None => {
            output::put(draw::text(&tree));
            Ok(())
        }
    }
}
