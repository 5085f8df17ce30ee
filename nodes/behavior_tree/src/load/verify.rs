//! A document by itself: are its elements known nodes with the right number of children?

use super::names;
use super::sources::Sources;
use crate::ports::Manifest;
use crate::registry::Factory;
use crate::status::Category;
use crate::xml::{Document, ElementId, Span};

/// Elements nest no deeper than this in one tree.
pub(crate) const MAX_DEPTH: u32 = 256;

/// The outermost element.
pub(crate) fn root(sources: &mut Sources, number: usize) {
    let document = &sources.documents[number];
    let root = document.root();
    let here = (number, document.name_span(root));
    let name = document.name(root).to_owned();
    let has_format = document.attribute(root, "BTCPP_format").is_some();
    let models: Vec<Span> = document
        .children(root)
        .filter(|&child| document.name(child) == "TreeNodesModel")
        .map(|child| document.name_span(child))
        .collect();
    let stray: Vec<Span> = document
        .children(root)
        .filter(|&child| Category::from_element(document.name(child)).is_some())
        .filter(|&child| document.attribute(child, "ID").is_none())
        .map(|child| document.name_span(child))
        .collect();
    if name != "root" {
        sources.error(
            here,
            "root",
            format!("the outermost element is <{name}>, not <root>"),
            "name it <root>",
        );
        return;
    }
    if !has_format {
        sources.warning(
            here,
            "format",
            "<root> does not say its format",
            "add BTCPP_format=\"4\"",
        );
    }
    if let Some(&second) = models.get(1) {
        sources.error(
            (number, second),
            "model",
            "there is more than one <TreeNodesModel>",
            "put all models into one",
        );
    }
    if !models.is_empty() {
        for span in stray {
            sources.error(
                (number, span),
                "id",
                "this element has no ID",
                "add ID=\"…\", or move it into the TreeNodesModel",
            );
        }
    }
}

/// All trees of a document.
pub(crate) fn trees(sources: &mut Sources, number: usize, factory: &Factory) {
    let mut found = Vec::new();
    let document = &sources.documents[number];
    let root = document.root();
    let mut verifier = Verifier {
        document,
        factory,
        found: &mut found,
        n_siblings: document.n_children(root),
        last: None,
    };
    for tree in document.children(root) {
        if document.name(tree) == "BehaviorTree" {
            verifier.tree(tree);
        }
    }
    for (span, code, message, remedy) in found {
        sources.error((number, span), code, message, remedy);
    }
}

type Found = (Span, &'static str, String, String);

struct Verifier<'a> {
    document: &'a Document,
    factory: &'a Factory,
    found: &'a mut Vec<Found>,
    /// Elements directly in the root.
    n_siblings: u32,
    /// The last look-up: elements of one name come in runs.
    last: Option<(&'a str, Option<&'a Manifest>)>,
}

impl<'a> Verifier<'a> {
    fn error(&mut self, element: ElementId, code: &'static str, message: String, remedy: String) {
        self.found
            .push((self.document.name_span(element), code, message, remedy));
    }

    /// Goes through a tree without recursion: XML of outside origin may nest as it likes.
    fn tree(&mut self, tree: ElementId) {
        let mut path = vec![tree];
        self.element(tree);
        let mut next = self.document.first_child(tree);
        let mut too_deep = false;
        while !path.is_empty() {
            match next {
                Some(element) => {
                    if path.len() as u32 > MAX_DEPTH {
                        if !too_deep {
                            let message =
                                format!("elements nest more than {MAX_DEPTH} levels deep");
                            self.error(
                                element,
                                "depth",
                                message,
                                "move inner parts into sub-trees".into(),
                            );
                            too_deep = true;
                        }
                        next = self.document.next_sibling(element);
                        continue;
                    }
                    self.element(element);
                    path.push(element);
                    next = self.document.first_child(element);
                }
                None => {
                    next = path
                        .pop()
                        .filter(|&done| done != tree)
                        .and_then(|done| self.document.next_sibling(done))
                }
            }
        }
    }

    fn element(&mut self, element: ElementId) {
        let document = self.document;
        let name = document.name(element);
        let id = document.attribute(element, "ID").unwrap_or_default();
        let n_children = document.n_children(element);
        let category = Category::from_element(name);
        if category.is_some() && id.is_empty() {
            self.error(
                element,
                "id",
                format!("<{name}> has no ID"),
                format!("write <{name} ID=\"…\">"),
            );
        }
        match (name, category) {
            ("BehaviorTree", _) => self.behavior_tree(element, id, n_children),
            (_, Some(Category::SubTree)) => {
                if n_children > 0 {
                    let message = format!("<SubTree ID=\"{id}\"> has children");
                    self.error(
                        element,
                        "children",
                        message,
                        "its children are those of the tree it names".into(),
                    );
                }
                self.model_name(element, id);
                self.not_a_node(element, id);
            }
            (_, Some(_)) => {
                self.node(element, id, n_children);
            }
            (_, None) => {
                // What is registered has a name that will do.
                if !self.node(element, name, n_children) {
                    self.model_name(element, name);
                }
            }
        }
    }

    fn behavior_tree(&mut self, element: ElementId, id: &str, n_children: u32) {
        if id.is_empty() && self.n_siblings > 1 {
            self.error(
                element,
                "id",
                "this <BehaviorTree> has no ID".into(),
                "write <BehaviorTree ID=\"…\">".into(),
            );
        }
        if !id.is_empty() {
            self.model_name(element, id);
        }
        self.not_a_node(element, id);
        if n_children != 1 {
            let message = format!("the tree '{id}' has {n_children} children, not one");
            self.error(
                element,
                "children",
                message,
                "put its nodes into one Sequence or Fallback".into(),
            );
        }
    }

    fn not_a_node(&mut self, element: ElementId, id: &str) {
        if self.factory.manifest(id).is_some() {
            let message = format!("'{id}' is the name of a node and cannot be a tree");
            self.error(
                element,
                "tree-name",
                message,
                "give the tree another ID".into(),
            );
        }
    }

    fn model_name(&mut self, element: ElementId, name: &str) {
        if name == "Root" || name == "root" {
            let message = format!("'{name}' is reserved");
            self.error(element, "name", message, "choose another name".into());
        } else if let Some(character) = names::forbidden_character(name) {
            let message = format!("the name '{name}' holds {character:?}");
            self.error(
                element,
                "name",
                message,
                "use letters, digits and '_'".into(),
            );
        }
    }

    /// Whether the node is known.
    fn node(&mut self, element: ElementId, id: &'a str, n_children: u32) -> bool {
        let manifest = match self.last {
            Some((last, manifest)) if last == id => manifest,
            _ => self.factory.manifest(id).map(AsRef::as_ref),
        };
        self.last = Some((id, manifest));
        let Some(manifest) = manifest else {
            if !id.is_empty() {
                let remedy = match names::nearest(id, self.factory.ids()) {
                    Some(near) => format!("was '{near}' meant?"),
                    None => "register it, or declare it in a TreeNodesModel".into(),
                };
                self.error(
                    element,
                    "unknown-node",
                    format!("there is no node '{id}'"),
                    remedy,
                );
            }
            return false;
        };
        let has = || match n_children {
            0 => "no child".to_owned(),
            1 => "one child".to_owned(),
            n => format!("{n} children"),
        };
        match manifest.category {
            Category::Decorator if n_children != 1 => {
                let remedy = "a decorator has exactly one: put several into a Sequence".into();
                self.error(
                    element,
                    "children",
                    format!("the decorator '{id}' has {}", has()),
                    remedy,
                );
            }
            Category::Control if n_children == 0 => {
                self.error(
                    element,
                    "children",
                    format!("'{id}' has {}", has()),
                    "give it one or more".into(),
                );
            }
            Category::Control if id == "TryCatch" && n_children < 2 => {
                let remedy = "it needs two: what to try, and last what to do on failure".into();
                self.error(
                    element,
                    "children",
                    format!("'TryCatch' has {}", has()),
                    remedy,
                );
            }
            Category::Control if id == "ReactiveSequence" => self.reactive_sequence(element),
            Category::Action | Category::Condition if n_children > 0 => {
                self.error(
                    element,
                    "children",
                    format!("the leaf '{id}' has {}", has()),
                    "a leaf has none".into(),
                );
            }
            _ => {}
        }
        true
    }

    fn reactive_sequence(&mut self, element: ElementId) {
        let document = self.document;
        let mut n_async = 0;
        for child in document.children(element) {
            let name = document.name(child);
            if self.factory.manifest(name).is_none() {
                if Category::from_element(name).is_some() {
                    let message = format!(
                        "a ReactiveSequence does not take its children in the form <{name} ID=\"…\">"
                    );
                    self.error(
                        child,
                        "reactive-explicit",
                        message,
                        "write the node's name as the element's".into(),
                    );
                }
                continue;
            }
            n_async += u32::from(name == "AsyncSequence");
            if n_async == 2 && name == "AsyncSequence" {
                let message = "a ReactiveSequence has more than one AsyncSequence".to_owned();
                self.error(
                    element,
                    "reactive-async",
                    message,
                    "only one child may be asynchronous".into(),
                );
            }
        }
    }
}
