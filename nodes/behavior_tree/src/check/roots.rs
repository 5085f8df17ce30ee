//! Where a look at all trees has to begin.

use std::collections::HashSet;
use std::sync::Arc;

use crate::load::sources::{Place, Sources};
use crate::xml::ElementId;

/// The tree to run, the trees that no other tree uses, and one of each ring of trees that use each other: from these every
/// tree is reached.
pub(super) fn root_trees(sources: &Sources, to_run: Option<&Arc<str>>) -> Vec<Arc<str>> {
    let mut used: HashSet<&str> = HashSet::new();
    for id in sources.trees.keys() {
        used.extend(trees_in(sources, id));
    }
    let mut ids: Vec<&Arc<str>> = sources.trees.keys().collect();
    ids.sort_unstable_by_key(|id| (Some(*id) != to_run, used.contains(id.as_ref()), *id));
    let mut reached: HashSet<&str> = HashSet::new();
    let mut roots = Vec::new();
    for id in ids {
        if reached.contains(id.as_ref()) && Some(id) != to_run {
            continue;
        }
        roots.push(Arc::clone(id));
        let mut open = vec![id.as_ref()];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(trees_in(sources, id));
            }
        }
    }
    roots
}

/// The trees that a tree uses.
fn trees_in<'s>(sources: &'s Sources, id: &str) -> Vec<&'s str> {
    let Some(&Place { document, element }) = sources.trees.get(id) else {
        return Vec::new();
    };
    let document = &sources.documents[document];
    let mut used = Vec::new();
    let mut open: Vec<ElementId> = document.children(element).collect();
    while let Some(element) = open.pop() {
        if document.name(element) == "SubTree" {
            used.extend(document.attribute(element, "ID"));
        }
        open.extend(document.children(element));
    }
    used
}
