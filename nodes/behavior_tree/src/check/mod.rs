//! Finds every fault of a tree file, or of a locations file, before anything runs.
//!
//! [`elements`] looks at each element by itself, [`scripts`] at each script, [`outcomes`] at what results a node can give at
//! all, [`flow`] at which entries are written before they are read, [`left_empty`] at those that `SetBlackboard` leaves empty. What loading alone finds comes from loading.

mod elements;
mod flow;
mod left_empty;
mod outcomes;
mod scripts;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Severity};
use crate::load::build::build;
use crate::load::models;
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
            models::declare(&mut factory, &mut sources);
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
        models::declare(&mut factory, &mut sources);
        for document in 0..sources.documents.len() {
            verify::trees(&mut sources, document, &factory);
        }
        elements::check(&mut sources, &factory);
        let roots = flow::root_trees(&sources);
        let runnable = factory.with_runnable_models();
        if main.is_some() && sources.trees.len() > 1 {
            // A library of trees need not say which one to run, so that this is only worth a word.
            if sources.main_tree(0).is_none()
                && let Some(finding) = sources.findings.last_mut()
            {
                finding.severity = Severity::Warning;
            }
        }
        if sources.first_error().is_ok() {
            for id in &roots {
                if let Err(finding) = build(&runnable, &sources, id) {
                    sources.findings.push(finding);
                }
            }
        }
        left_empty::check(&mut sources, &factory);
        outcomes::check(&mut sources, &factory);
        flow::check(&mut sources, &factory, &roots);
        faults.extend(in_order(&sources));
        faults
    }
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
