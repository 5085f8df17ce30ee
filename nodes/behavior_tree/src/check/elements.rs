//! Each element by itself: its ports, its literals, its number of children, its attributes.

use std::collections::HashMap;

use super::scripts;
use crate::builtins::Builtin;
use crate::fault::Severity;
use crate::load::names;
use crate::load::sources::{Finding, Place, Sources};
use crate::ports::{Direction, Manifest, PortSpec};
use crate::registry::{Factory, Maker};
use crate::status::{Category, Status};
use crate::types::Type;
use crate::xml::{Attr, Document, ElementId};

/// Looks at all trees of all documents.
pub(super) fn check(sources: &mut Sources, factory: &Factory) {
    let mut found = Vec::new();
    let mut ids: HashMap<&str, Place> = HashMap::new();
    for (id, place) in &sources.all_trees {
        let document = &sources.documents[place.document];
        let mut checker = Checker {
            sources,
            factory,
            document,
            place: *place,
            found: &mut found,
        };
        // A file that is included from two sides brings its trees twice, but they are the same.
        if let Some(earlier) = ids.insert(id, *place)
            && !(earlier.element == place.element
                && sources.documents[earlier.document].text == document.text)
        {
            let message = format!("there are several trees '{id}', and the last one counts");
            checker.warn(place.element, "tree-twice", message, "give each its own ID");
        }
        let mut open: Vec<ElementId> = document.children(place.element).collect();
        while let Some(element) = open.pop() {
            checker.element(element);
            open.extend(document.children(element));
        }
    }
    sources.findings.append(&mut found);
}

struct Checker<'a> {
    sources: &'a Sources,
    factory: &'a Factory,
    document: &'a Document,
    place: Place,
    found: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn report(
        &mut self,
        severity: Severity,
        span: crate::xml::Span,
        code: &'static str,
        message: String,
        remedy: &str,
    ) {
        let (document, remedy) = (self.place.document, remedy.to_owned());
        self.found.push(Finding {
            document,
            span,
            severity,
            code,
            message,
            remedy,
        });
    }

    fn warn(&mut self, element: ElementId, code: &'static str, message: String, remedy: &str) {
        self.report(
            Severity::Warning,
            self.document.name_span(element),
            code,
            message,
            remedy,
        );
    }

    fn error(&mut self, element: ElementId, code: &'static str, message: String, remedy: &str) {
        self.report(
            Severity::Error,
            self.document.name_span(element),
            code,
            message,
            remedy,
        );
    }

    fn element(&mut self, element: ElementId) {
        let document = self.document;
        let tag = document.name(element);
        let explicit = Category::from_element(tag);
        let id = if explicit.is_some() {
            document.attribute(element, "ID").unwrap_or_default()
        } else {
            tag
        };
        for attribute in document.attributes(element) {
            self.attribute(&attribute);
        }
        if explicit == Some(Category::SubTree) {
            self.sub_tree(element, id);
            return;
        }
        let Some(registration) = self.factory.registration(id) else {
            return;
        };
        let manifest = &registration.manifest;
        for attribute in document
            .attributes(element)
            .filter(|attribute| names::is_port_name(attribute.name))
        {
            match manifest.port(attribute.name) {
                Some(port) => self.port(port, &attribute),
                None => {
                    let known = manifest.ports.iter().map(|port| port.name.as_ref());
                    let near = names::nearest(attribute.name, known);
                    let remedy = near.map_or_else(
                        || "leave it out".to_owned(),
                        |near| format!("was '{near}' meant?"),
                    );
                    let message = format!("'{id}' has no port '{}'", attribute.name);
                    self.report(
                        Severity::Error,
                        attribute.name_span,
                        "unknown-port",
                        message,
                        &remedy,
                    );
                }
            }
        }
        self.missing_ports(
            element,
            id,
            manifest,
            matches!(registration.maker, Maker::Model),
        );
        self.children(element, manifest);
        if let Maker::Builtin(builtin) = registration.maker {
            self.builtin(element, id, builtin);
        }
    }

    fn children(&mut self, element: ElementId, manifest: &Manifest) {
        let Some(wanted) = &manifest.children else {
            return;
        };
        let n_children = self.document.n_children(element);
        if wanted.contains(&n_children) {
            return;
        }
        let (least, most) = (wanted.start(), wanted.end());
        let wanted = match most - least {
            0 => least.to_string(),
            1 => format!("{least} or {most}"),
            _ => format!("{least} to {most}"),
        };
        let message = format!("'{}' has {n_children} children, not {wanted}", manifest.id);
        self.error(
            element,
            "children",
            message,
            "it breaks the tree in its first tick: add children, or take some out",
        );
    }

    /// Attributes that are ignored without a word when they are misspelt, and scripts.
    fn attribute(&mut self, attribute: &Attr<'_>) {
        let name = attribute.name;
        if names::PRE_CONDITIONS.contains(&name) || names::POST_CONDITIONS.contains(&name) {
            let condition = names::PRE_CONDITIONS.contains(&name);
            let found =
                scripts::check(attribute, condition, name == "_while", self.factory.enums());
            self.script_findings(found);
        } else if name.starts_with('_') && name != "_autoremap" {
            let known = names::PRE_CONDITIONS
                .into_iter()
                .chain(names::POST_CONDITIONS)
                .chain(["_autoremap"]);
            if let Some(near) = names::nearest(name, known) {
                let message = format!("'{name}' means nothing and is ignored");
                self.report(
                    Severity::Warning,
                    attribute.name_span,
                    "ignored-attribute",
                    message,
                    &format!("was '{near}' meant?"),
                );
            }
        } else if !names::is_reserved(name) && !names::is_port_name(name) {
            let message = format!("'{name}' cannot name a port and is ignored");
            self.report(
                Severity::Warning,
                attribute.name_span,
                "ignored-attribute",
                message,
                "use letters, digits and '_'",
            );
        }
    }

    fn script_findings(&mut self, found: Vec<scripts::Found>) {
        for scripts::Found {
            severity,
            span,
            code,
            message,
            remedy,
        } in found
        {
            self.report(severity, span, code, message, &remedy);
        }
    }

    fn port(&mut self, port: &PortSpec, attribute: &Attr<'_>) {
        let text = attribute.value;
        let is_entry = names::remapped_key(&port.name, text).is_some();
        if port.direction == Direction::Output && !is_entry {
            let message = format!(
                "port '{}' writes, but '{text}' is no entry: what it writes is lost",
                port.name
            );
            self.report(
                Severity::Warning,
                attribute.value_span,
                "literal-output",
                message,
                "name an entry, as {key}",
            );
        }
        if is_entry
            || !(port.info.has_converter() && port.info.is_strong() || port.info == Type::Status)
        {
            return;
        }
        if let Err(error) = port.info.parse(text) {
            let message = format!("port '{}': {error}", port.name);
            let remedy = match port.info {
                Type::Status => "one of SUCCESS, FAILURE, RUNNING, SKIPPED, in capitals".to_owned(),
                other => format!(
                    "write a value of type {}, or an entry as {{key}}",
                    other.name()
                ),
            };
            self.report(
                Severity::Error,
                attribute.value_span,
                "port-type",
                message,
                &remedy,
            );
        } else if matches!(port.info, Type::Int | Type::UInt)
            && crate::number::whole_int(text).is_none()
            && let Some((value, _)) = crate::number::leading_int(text)
        {
            let message = format!("port '{}': '{text}' is read as {value}", port.name);
            self.report(
                Severity::Warning,
                attribute.value_span,
                "trailing-text",
                message,
                "write the integer alone",
            );
        }
    }

    fn missing_ports(&mut self, element: ElementId, id: &str, manifest: &Manifest, is_model: bool) {
        for port in &manifest.ports {
            let needed = port.direction != Direction::Output
                && port.default.is_none()
                && !port.name.starts_with('_');
            // A model does not say which of its ports may be left out.
            if !needed || is_model || self.document.attribute(element, &port.name).is_some() {
                continue;
            }
            let registration = self.factory.registration(id);
            if registration
                .is_some_and(|node| matches!(node.maker, Maker::Builtin(Builtin::Switch)))
            {
                let never = if port.name.as_ref() == "variable" {
                    "the default child is always chosen"
                } else {
                    "that child is never chosen"
                };
                let message = format!("'{id}' has no '{}': {never}", port.name);
                self.warn(element, "missing-port", message, "give it a value");
                continue;
            }
            let message = format!("'{id}' needs its port '{}'", port.name);
            self.error(
                element,
                "missing-port",
                message,
                &format!("add {}=\"…\": {}", port.name, port.doc),
            );
        }
    }

    fn sub_tree(&mut self, element: ElementId, id: &str) {
        if id.is_empty() {
            return;
        }
        if !self.sources.trees.contains_key(id) {
            let known = self.sources.trees.keys().map(AsRef::as_ref);
            let remedy = match names::nearest(id, known) {
                Some(near) => format!("was '{near}' meant?"),
                None => "add it, or include the file that holds it".to_owned(),
            };
            self.error(
                element,
                "unknown-tree",
                format!("there is no tree '{id}'"),
                &remedy,
            );
        }
        let autoremap = self
            .document
            .attribute(element, "_autoremap")
            .is_some_and(|text| crate::types::parse_bool(text) == Some(true));
        let Some(ports) = self.sources.models.get(id).filter(|_| !autoremap) else {
            return;
        };
        for port in ports.iter().filter(|port| port.default.is_none()) {
            if self.document.attribute(element, &port.name).is_none() {
                let message = format!("the sub-tree '{id}' needs its port '{}'", port.name);
                self.error(
                    element,
                    "missing-port",
                    message,
                    &format!("add {}=\"…\"", port.name),
                );
            }
        }
    }

    fn literal_int(&self, element: ElementId, port: &str) -> Option<i64> {
        self.document
            .attribute(element, port)
            .and_then(crate::number::leading_int)
            .map(|(value, _)| value)
    }

    /// What would fail in the first tick only.
    fn builtin(&mut self, element: ElementId, id: &str, builtin: Builtin) {
        let n_children = i64::from(self.document.n_children(element));
        match builtin {
            Builtin::Parallel => {
                for port in ["success_count", "failure_count"] {
                    if self
                        .literal_int(element, port)
                        .is_some_and(|count| count > n_children)
                    {
                        let message =
                            format!("{port} is larger than the number of children, {n_children}");
                        self.error(
                            element,
                            "threshold",
                            message,
                            "lower it: -1 stands for all children",
                        );
                    }
                }
                self.skipped_success(element, n_children);
            }
            Builtin::ParallelAll => match self.literal_int(element, "max_failures") {
                Some(count) if count > n_children => {
                    let message =
                        format!("max_failures is larger than the number of children, {n_children}");
                    self.error(element, "threshold", message, "lower it");
                }
                Some(0) => {
                    let message = "max_failures=\"0\" fails even when no child does".to_owned();
                    self.warn(
                        element,
                        "threshold",
                        message,
                        "1 fails with the first child that does",
                    );
                }
                _ => {}
            },
            Builtin::Script | Builtin::ScriptCondition => {
                self.script_port(element, "code", builtin)
            }
            Builtin::Precondition => self.script_port(element, "if", builtin),
            Builtin::Loop(loop_type) => {
                let attribute = self.document.find_attribute(element, "queue");
                if let Some(attribute) =
                    attribute.filter(|attribute| names::pointer(attribute.value).is_none())
                    && let Err(error) = loop_type.queue(attribute.value)
                {
                    let message = format!("port 'queue': {error}");
                    self.report(
                        Severity::Error,
                        attribute.value_span,
                        "port-type",
                        message,
                        "separate elements with ';'",
                    );
                }
            }
            _ => {}
        }
        let skipped_condition = matches!(builtin, Builtin::IfThenElse | Builtin::WhileDoElse);
        if skipped_condition && let Some(condition) = self.document.first_child(element) {
            let attributes: Vec<_> = self.document.attributes(condition).collect();
            for attribute in attributes
                .iter()
                .filter(|attribute| matches!(attribute.name, "_skipIf" | "_while"))
            {
                let message = format!("a condition of {id} that is skipped breaks the tree");
                self.report(
                    Severity::Warning,
                    attribute.name_span,
                    "skipped-condition",
                    message,
                    "put the script around the whole node",
                );
            }
            let stale = builtin == Builtin::IfThenElse && n_children == 2;
            for attribute in attributes
                .iter()
                .filter(|attribute| stale && names::PRE_CONDITIONS[..3].contains(&attribute.name))
            {
                let message = format!(
                    "{} is not looked at again after the condition has failed once",
                    attribute.name
                );
                self.report(
                    Severity::Warning,
                    attribute.name_span,
                    "stale-condition",
                    message,
                    "add <AlwaysFailure/> as the third child",
                );
            }
        }
    }

    /// A `Parallel` that counts from all children takes those that are skipped for succeeded.
    fn skipped_success(&mut self, element: ElementId, n_children: i64) {
        let document = self.document;
        let counts_all = match document.attribute(element, "success_count") {
            Some(_) => self
                .literal_int(element, "success_count")
                .is_some_and(|count| count < 0),
            None => true,
        };
        let skips = |child: &ElementId| {
            let mut attributes = document.attributes(*child);
            attributes.any(|attribute| matches!(attribute.name, "_skipIf" | "_while"))
        };
        if n_children > 0 && counts_all && document.children(element).all(|child| skips(&child)) {
            let message = "Parallel succeeds when all of its children are skipped".to_owned();
            let remedy = "give success_count a number, or put the scripts around the Parallel";
            self.warn(element, "skipped-success", message, remedy);
        }
    }

    fn script_port(&mut self, element: ElementId, port: &str, builtin: Builtin) {
        let Some(attribute) = self.document.find_attribute(element, port) else {
            return;
        };
        if names::remapped_key(port, attribute.value).is_some() {
            return;
        }
        if attribute.value.is_empty() {
            if builtin != Builtin::Script {
                self.report(
                    Severity::Error,
                    attribute.name_span,
                    "script",
                    "an empty script has no value".into(),
                    "write a condition",
                );
            }
            return;
        }
        let condition = builtin != Builtin::Script;
        let found = scripts::check(&attribute, condition, false, self.factory.enums());
        self.script_findings(found);
    }
}

/// The results that a status port can be given as a literal.
pub(super) fn literal_status(
    document: &Document,
    element: ElementId,
    port: &str,
    default: Status,
) -> Option<Status> {
    match document.attribute(element, port) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    }
}
