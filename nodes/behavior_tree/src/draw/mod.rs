//! Pictures of a tree: as text for a terminal, and as SVG. Both show the states of the nodes, so that one drawn between two
//! ticks shows where the tree is.

mod svg;
mod text;

use crate::status::Category;
use crate::tree::{NodeView, Tree};

pub use svg::svg;
pub use text::text;

/// What names a node in a picture: its name, and its ID where that is another.
fn label(node: &NodeView<'_>) -> (String, Option<String>) {
    if node.name == node.id {
        (node.name.to_owned(), None)
    } else {
        (node.name.to_owned(), Some(node.id.to_owned()))
    }
}

/// The nodes in document order, and the children of each as places in that list.
fn nodes(tree: &Tree) -> (Vec<NodeView<'_>>, Vec<Vec<usize>>) {
    let nodes: Vec<NodeView<'_>> = tree.nodes().collect();
    let mut children = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent {
            children[parent as usize - 1].push(i);
        }
    }
    (nodes, children)
}

/// A mark for what sort of node it is; `→` and `?` are the usual ones for sequences and fallbacks.
fn mark(node: &NodeView<'_>) -> &'static str {
    match node.category {
        Category::Control if node.id.contains("Sequence") => "→",
        Category::Control if node.id.contains("Fallback") => "?",
        Category::Control if node.id.contains("Parallel") => "⇉",
        Category::Control => "◆",
        Category::Decorator => "◇",
        Category::SubTree => "▷",
        Category::Condition => "○",
        Category::Action => "□",
    }
}
