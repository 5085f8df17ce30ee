//! Literals and the types of the entries they go to. A port gives an entry its type, and what is no value of that type
//! cannot be written to it. An entry that only scripts make has none: text that `SetBlackboard` has for it has no meaning,
//! and leaves it without a value.

use std::collections::HashMap;

use crate::builtins::Builtin;
use crate::fault::Severity;
use crate::load::names;
use crate::load::sources::{Finding, Place, Sources};
use crate::registry::{Factory, Maker};
use crate::script::parser::{Assignment, Binary, Expr, parse};
use crate::status::Category;
use crate::types::Type;
use crate::value::Value;
use crate::xml::{Attr, Document, ElementId, Span};

pub(super) fn check(sources: &mut Sources, factory: &Factory) {
    let mut found = Vec::new();
    for (_, place) in &sources.all_trees {
        let document = &sources.documents[place.document];
        let entries = Entries::of(document, *place, factory);
        for element in elements(document, *place) {
            if builtin(document, element, factory) == Some(Builtin::SetBlackboard) {
                found.extend(entries.left_empty(document, *place, element));
                found.extend(entries.set_to_text(document, *place, element));
            }
            for script in scripts(document, element) {
                found.extend(entries.assigned_text(*place, &script));
            }
        }
    }
    sources.findings.append(&mut found);
}

/// What is known of a tree's entries.
#[derive(Default)]
struct Entries<'d> {
    /// Those that scripts assign, and whether they assign text.
    assigned: HashMap<&'d str, bool>,
    /// Those to which a port gives a type.
    typed: HashMap<&'d str, Type>,
}

impl<'d> Entries<'d> {
    fn of(document: &'d Document, place: Place, factory: &Factory) -> Self {
        let mut entries = Self::default();
        for element in elements(document, place) {
            let manifest = factory.manifest(id(document, element));
            for attribute in document.attributes(element) {
                let port = manifest.and_then(|manifest| manifest.port(attribute.name));
                if let (Some(port), Some(key)) = (port, names::pointer(attribute.value))
                    && port.info.is_strong()
                {
                    entries.typed.insert(key, port.info);
                }
            }
            for script in scripts(document, element) {
                entries.script(script.value);
            }
        }
        entries
    }

    fn script(&mut self, text: &'d str) {
        let Ok(program) = parse(text) else { return };
        let of = |id: u32| &program.nodes[id as usize].0;
        for (expression, _) in &program.nodes {
            if let Expr::Assign(Assignment::Create | Assignment::Existing, target, value) =
                expression
                && let Expr::Name(name) = of(*target)
            {
                let is_text = matches!(
                    of(*value),
                    Expr::Literal(Value::Text(_)) | Expr::Binary(Binary::Concat, ..)
                );
                *self.assigned.entry(name).or_default() |= is_text;
            }
        }
    }

    /// What is wrong with text for this entry.
    fn misfit(&self, key: &str, text: &str) -> Option<String> {
        let error = self.typed.get(key)?.parse(text).err()?;
        Some(format!("a port gives the entry '{key}' its type: {error}"))
    }

    fn set_to_text(
        &self,
        document: &Document,
        place: Place,
        element: ElementId,
    ) -> Option<Finding> {
        let value = document.find_attribute(element, "value")?;
        if names::pointer(value.value).is_some() {
            return None;
        }
        let message = self.misfit(document.attribute(element, "output_key")?, value.value)?;
        Some(wrong_type(place, value.value_span, message))
    }

    fn assigned_text(&self, place: Place, script: &Attr<'_>) -> Option<Finding> {
        let program = parse(script.value).ok()?;
        let of = |id: u32| &program.nodes[id as usize].0;
        let misfit = program.nodes.iter().find_map(|(expression, _)| {
            let Expr::Assign(Assignment::Create | Assignment::Existing, target, value) = expression
            else {
                return None;
            };
            match (of(*target), of(*value)) {
                (Expr::Name(key), Expr::Literal(Value::Text(text))) => self.misfit(key, text),
                _ => None,
            }
        });
        misfit.map(|message| wrong_type(place, script.value_span, message))
    }

    fn left_empty(&self, document: &Document, place: Place, element: ElementId) -> Option<Finding> {
        let value = document.find_attribute(element, "value")?;
        let key = document.attribute(element, "output_key")?;
        if names::pointer(key).is_some() || self.typed.contains_key(key) {
            return None;
        }
        let is_text = match names::pointer(value.value) {
            Some(source) => {
                self.assigned.get(source) == Some(&true) && !self.typed.contains_key(source)
            }
            None => self.assigned.contains_key(key),
        };
        is_text.then(|| Finding {
            document: place.document,
            span: value.value_span,
            severity: Severity::Warning,
            code: "left-empty",
            message: format!(
                "'{key}' is left without a value: it is an entry of scripts, and this is text"
            ),
            remedy: "assign it in a Script".into(),
        })
    }
}

fn wrong_type(place: Place, span: Span, message: String) -> Finding {
    Finding {
        document: place.document,
        span,
        severity: Severity::Error,
        code: "entry-type",
        message,
        remedy: "write a value of that type, or use another entry".into(),
    }
}

/// The attributes that hold scripts.
fn scripts<'d>(document: &'d Document, element: ElementId) -> impl Iterator<Item = Attr<'d>> {
    document.attributes(element).filter(|attribute| {
        names::PRE_CONDITIONS.contains(&attribute.name)
            || names::POST_CONDITIONS.contains(&attribute.name)
            || matches!(attribute.name, "code" | "if")
    })
}

fn id(document: &Document, element: ElementId) -> &str {
    let tag = document.name(element);
    match Category::from_element(tag) {
        Some(_) => document.attribute(element, "ID").unwrap_or_default(),
        None => tag,
    }
}

fn builtin(document: &Document, element: ElementId, factory: &Factory) -> Option<Builtin> {
    match factory.registration(id(document, element))?.maker {
        Maker::Builtin(builtin) => Some(builtin),
        _ => None,
    }
}

/// Every element of a tree.
fn elements(document: &Document, tree: Place) -> Vec<ElementId> {
    let mut elements: Vec<ElementId> = document.children(tree.element).collect();
    let mut at = 0;
    while let Some(&element) = elements.get(at) {
        elements.extend(document.children(element));
        at += 1;
    }
    elements
}
