//! Finds every fault of a tree file, or of a locations file, before anything runs.
//!
//! [`elements`] looks at each element by itself, [`scripts`] at each script, [`outcomes`] at what results a node can give at
//! all, [`flow`] at which entries are written before they are read, [`entries`] at what is written to entries of another
//! type. What loading alone finds comes from loading, and what a run alone finds from a run ([`trial`]).

mod elements;
mod entries;
mod flow;
mod outcomes;
mod roots;
mod scripts;
mod trial;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault::Fault;
use crate::load::build::{TOO_LARGE, build_to_check};
use crate::load::models;
use crate::load::names;
use crate::load::sources::{Finding, Sources};
use crate::load::verify;
use crate::registry::Factory;

impl Factory {
    /// Every fault of a tree file (`.xml`) or a locations file (`.yaml`), in the order of their places. Nodes that a
    /// `TreeNodesModel` declares, in the file or in one of `models`, count as known.
    #[must_use]
    pub fn check_file(&self, path: &Path, models: &[PathBuf]) -> Vec<Fault> {
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml {
            crate::locations::read(path).1
        } else {
            self.check_tree(path, models)
        }
    }

    fn check_tree(&self, path: &Path, models: &[PathBuf]) -> Vec<Fault> {
        let mut factory = self.clone();
        let mut faults = Vec::new();
        for model in models {
            let mut sources = Sources::default();
            sources.read_file(model, None);
            models::declare(&mut factory, &mut sources, models::named_type);
            faults.extend(
                sources
                    .findings
                    .iter()
                    .filter(|f| f.code != "format")
                    .map(|finding| sources.fault(finding)),
            );
        }
        let mut sources = Sources::default();
        let main = sources.read_file(path, None);
        models::declare(&mut factory, &mut sources, models::named_type);
        for document in 0..sources.documents.len() {
            verify::trees(&mut sources, document, &factory);
        }
        let reads = sources.first_error().is_ok();
        elements::check(&mut sources, &factory);
        let main = main.filter(|_| !sources.trees.is_empty());
        let to_run = main.and_then(|main| tree_to_run(&mut sources, main));
        let roots = roots::root_trees(&sources, to_run.as_ref());
        let runnable = factory.with_runnable_models();
        let mut to_try = None;
        let mut too_large = false;
        for id in &roots {
            match build_to_check(&runnable, &sources, id) {
                Ok(tree) if reads && to_run.as_ref() == Some(id) => to_try = Some(tree),
                Ok(_) => {}
                Err(faults) => {
                    too_large |= faults.iter().any(|fault| fault.code == TOO_LARGE);
                    sources.findings.extend(faults);
                }
            }
        }
        entries::check(&mut sources, &factory);
        outcomes::check(&mut sources, &factory, &roots);
        // It goes through each sub-tree as often as it is used.
        if !too_large {
            flow::check(&mut sources, &factory, &roots, to_run.as_ref());
        }
        if let (Some(id), Some(tree)) = (to_run, to_try) {
            trial::check(&mut sources, &factory, &id, tree);
        }
        faults.extend(in_order(&sources));
        faults
    }
}

/// The tree that `run` would take.
fn tree_to_run(sources: &mut Sources, main: usize) -> Option<Arc<str>> {
    let id = sources.main_tree(main)?;
    if sources.trees.contains_key(&id) {
        return Some(id);
    }
    let document = &sources.documents[main];
    let named = document.find_attribute(document.root(), "main_tree_to_execute");
    let span = named.map_or_else(
        || document.name_span(document.root()),
        |attribute| attribute.value_span,
    );
    let known = sources.trees.keys().map(AsRef::as_ref);
    let remedy = names::nearest(&id, known).map_or_else(
        || "name a tree of this file or of one that it includes".to_owned(),
        |near| format!("was '{near}' meant?"),
    );
    let message = format!("there is no tree '{id}'");
    sources.error((main, span), "unknown-tree", message, remedy);
    None
}

/// The findings by file, line and column, each place and kind once.
fn in_order(sources: &Sources) -> Vec<Fault> {
    let mut findings: Vec<&Finding> = sources.findings.iter().collect();
    findings.sort_by_key(|finding| (finding.document, finding.span.start, finding.span.end));
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((finding.document, finding.span.start, finding.code)));
    findings
        .into_iter()
        .map(|finding| sources.fault(finding))
        .collect()
}
