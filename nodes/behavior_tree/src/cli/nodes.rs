//! `nodes`: what can stand in a tree.

use super::{YES, output};

#[derive(Debug, clap::Args)]
pub(crate) struct NodesArgs {
    /// Print a TreeNodesModel for Groot2.
    #[arg(long)]
    xml: bool,
}

pub(crate) fn nodes(args: &NodesArgs) -> u8 {
    let factory = super::factory();
    if args.xml {
        output::put(factory.nodes_xml());
        return YES;
    }
    for manifest in factory.manifests() {
        say!("{} ({})", manifest.id, manifest.category.as_str());
        for port in &manifest.ports {
            let default = port
                .default
                .as_ref()
                .map(|text| format!(" = {text}"))
                .unwrap_or_default();
            say!(
                "  {} {}: {}{default}  {}",
                port.direction.element(),
                port.name,
                port.info.name(),
                port.doc
            );
        }
    }
    YES
}
