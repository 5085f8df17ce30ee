//! `run --groot`: the run, for Groot2 to see.

use crate::groot2::{Groot2Error, Groot2Options, Groot2Publisher};
use crate::tree::Tree;

#[derive(Debug, clap::Args)]
pub(crate) struct GrootArgs {
    /// Show the run to Groot2, on this machine alone. With --real-time there is time to look.
    #[arg(long)]
    groot: bool,
    /// The port for Groot2; the next one is needed as well. 0 takes two that are free.
    #[arg(long, default_value_t = 1667, value_name = "N", requires = "groot")]
    groot_port: u16,
    /// Let Groot2 set breakpoints and results of nodes.
    #[arg(long, requires = "groot")]
    groot_control: bool,
}

impl GrootArgs {
    /// Shows the tree as long as what it gives is kept, if that was asked for.
    pub(crate) fn publish(&self, tree: &mut Tree) -> Result<Option<Groot2Publisher>, Groot2Error> {
        if !self.groot {
            return Ok(None);
        }
        let options = Groot2Options {
            port: self.groot_port,
            control: self.groot_control,
            ..Groot2Options::default()
        };
        let publisher = Groot2Publisher::new(tree, options)?;
        // Standard output may be JSON.
        eprintln!("Groot2: {}", publisher.address());
        Ok(Some(publisher))
    }
}
