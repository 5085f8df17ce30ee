//! A trial run. A tree of the engine's own nodes alone does the same in every run, so that one run shows what breaks it, and
//! what is wrong only where it never comes.

use std::collections::HashSet;
use std::time::Duration;

use crate::fault::Severity;
use crate::load::sources::{Finding, Place, Sources};
use crate::registry::{Factory, Maker};
use crate::status::Status;
use crate::tree::{TickError, Tree};
use crate::xml::{Document, ElementId, Span};

/// As long as `run` goes on, with as much time between two ticks.
const MAX_TICKS: usize = 2000;
const PERIOD: Duration = Duration::from_millis(10);
/// Ticks times nodes, so that a tree of a million nodes takes no minutes.
const MAX_WORK: usize = 2_000_000;

/// Runs the tree `main`, unless what it does depends on more than what stands in its files.
pub(super) fn check(sources: &mut Sources, factory: &Factory, main: &str, mut tree: Tree) {
    let has_inputs = sources
        .models
        .get(main)
        .is_some_and(|ports| !ports.is_empty());
    if has_inputs || !is_of_builtins(&tree, factory) {
        return;
    }
    let max_ticks = (MAX_WORK / tree.len()).clamp(1, MAX_TICKS);
    let mut now = Duration::ZERO;
    for tick in 1..=max_ticks {
        match tree.tick_exactly_once(now) {
            // What it would do later nobody knows.
            Ok(Status::Running) if tick == max_ticks => return,
            Ok(Status::Running) => now += PERIOD,
            Ok(_) => break,
            Err(error) => {
                breaks(sources, &tree, tick, &error);
                return;
            }
        }
    }
    for finding in unmet(sources, &tree) {
        finding.severity = Severity::Warning;
    }
}

fn is_of_builtins(tree: &Tree, factory: &Factory) -> bool {
    tree.infos().iter().all(|info| {
        let Some(manifest) = &info.manifest else {
            return true;
        };
        let registration = factory.registration(&manifest.id);
        registration.is_some_and(|node| matches!(node.maker, Maker::Builtin(_)))
    })
}

/// Tells the error, unless a fault is known there already.
fn breaks(sources: &mut Sources, tree: &Tree, tick: usize, error: &TickError) {
    let Some(info) = tree.infos().get(error.node.unwrap_or(0) as usize) else {
        return;
    };
    let Place { document, element } = info.place;
    let tag = tag(&sources.documents[document], element);
    let known = sources.findings.iter().any(|finding| {
        finding.severity == Severity::Error
            && finding.document == document
            && (tag.start..=tag.end).contains(&finding.span.start)
    });
    if known {
        return;
    }
    sources.findings.push(Finding {
        document,
        span: place_of(&sources.documents[document], element, &error.message),
        severity: Severity::Error,
        code: "breaks",
        message: format!("the tree breaks here in tick {tick}: {}", error.message),
        remedy: "correct it, or what leads here".to_owned(),
    });
}

/// From the element's name to its last attribute.
fn tag(document: &Document, element: ElementId) -> Span {
    let mut span = document.name_span(element);
    if let Some(last) = document.attributes(element).last() {
        span.end = last.value_span.end;
    }
    span
}

/// The attribute that the message is about, else the element's name.
fn place_of(document: &Document, element: ElementId, message: &str) -> Span {
    let mut attributes = document.attributes(element);
    let found = attributes.find(|attribute| {
        message.starts_with(&format!("script '{}'", attribute.value))
            || message.starts_with(&format!("port '{}'", attribute.name))
    });
    found.map_or_else(
        || document.name_span(element),
        |attribute| attribute.value_span,
    )
}

/// The errors of scripts and entries that the run has not met.
fn unmet<'s>(sources: &'s mut Sources, tree: &Tree) -> impl Iterator<Item = &'s mut Finding> {
    let ids: HashSet<_> = tree
        .contexts()
        .iter()
        .map(|context| &context.tree)
        .collect();
    let tried = ids.into_iter().filter_map(|id| sources.trees.get(id));
    let tried: Vec<(usize, Span)> = tried
        .map(|&Place { document, element }| (document, sources.documents[document].extent(element)))
        .collect();
    sources.findings.iter_mut().filter(move |finding| {
        let within = |&(document, span): &(usize, Span)| {
            finding.document == document && (span.start..span.end).contains(&finding.span.start)
        };
        finding.severity == Severity::Error
            && matches!(finding.code, "never-written" | "script" | "entry-type")
            && tried.iter().any(within)
    })
}
