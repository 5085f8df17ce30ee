//! A tree as text.

use std::fmt::Write as _;

use super::{label, mark, nodes};
use crate::status::Status;
use crate::tree::Tree;

/// The tree as lines of text, one a node, children below their parent. A node that is not IDLE says its state.
#[must_use]
pub fn text(tree: &Tree) -> String {
    let (nodes, children) = nodes(tree);
    let mut out = String::new();
    // What stands left of a node, and of its children.
    let mut open: Vec<(usize, String, String)> = Vec::new();
    if !nodes.is_empty() {
        open.push((0, String::new(), String::new()));
    }
    while let Some((i, before, below)) = open.pop() {
        let node = &nodes[i];
        let (name, id) = label(node);
        let id = id.map(|id| format!(" [{id}]")).unwrap_or_default();
        let status = match node.status {
            Status::Idle => String::new(),
            status => format!("  {status}"),
        };
        let _ = writeln!(out, "{before}{} {name}{id}{status}", mark(node));
        for (at, &child) in children[i].iter().enumerate().rev() {
            let (corner, line) = if at + 1 == children[i].len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            open.push((child, format!("{below}{corner}"), format!("{below}{line}")));
        }
    }
    out
}
