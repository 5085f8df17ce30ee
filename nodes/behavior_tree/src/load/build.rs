//! Instantiates a tree and its sub-trees, in document order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names;
use super::sources::{Finding, Place, Sources};
use crate::blackboard::{BoardId, ROOT_BOARD};
use crate::engine::{Conditions, Engine, Kind, NONE, Node};
use crate::fault::Severity;
use crate::ports::{Direction, Manifest, Port, PortSpec, Source};
use crate::registry::{Factory, Maker, Registration, Substitute};
use crate::script::compile::compile;
use crate::status::{Category, Status};
use crate::tree::{Context, Info, Tree};
use crate::value::{ConvertError, Value};
use crate::xml::{Attr, Document, Span};

/// Levels over all sub-trees: each takes some stack in a tick.
const MAX_TOTAL_DEPTH: u32 = 2048;
/// Sub-trees and nodes in all, each counted as often as it is used: a short file whose trees use each other twice would fill
/// any memory.
const MAX_SUB_TREES: usize = 100_000;
const MAX_NODES: usize = 10_000_000;

pub(super) type Built<T> = Result<T, Finding>;

/// An element that waits for its turn.
pub(super) struct Work {
    place: Place,
    parent: u32,
    pub context: u32,
    pub depth: u32,
}

/// The node that is being made.
pub(super) struct Element<'a> {
    pub document: &'a Document,
    pub place: Place,
    pub span: Span,
    pub name: Arc<str>,
    pub board: BoardId,
    pub ports: Vec<Attr<'a>>,
}

impl Element<'_> {
    pub(super) fn error(
        &self,
        span: Span,
        code: &'static str,
        message: String,
        remedy: &str,
    ) -> Finding {
        let (severity, remedy) = (Severity::Error, remedy.to_owned());
        Finding {
            document: self.place.document,
            span,
            severity,
            code,
            message,
            remedy,
        }
    }

    pub(super) fn given(&self, port: &str) -> Option<&Attr<'_>> {
        self.ports.iter().find(|attribute| attribute.name == port)
    }
}

pub(super) struct Builder<'a> {
    pub factory: &'a Factory,
    pub sources: &'a Sources,
    pub engine: Engine,
    infos: Vec<Info>,
    parents: Vec<u32>,
    pub contexts: Vec<Context>,
    instances: HashSet<Arc<str>>,
    last: Option<(&'a str, Option<&'a Registration>)>,
    /// Scripts around nodes: the same text on the same board is compiled once.
    compiled: HashMap<(BoardId, &'a str), u32>,
    /// Where every fault is wanted, and not only the first.
    faults: Option<Vec<Finding>>,
}

/// Makes the tree `id` of what was read.
pub(crate) fn build(factory: &Factory, sources: &Sources, id: &Arc<str>) -> Built<Tree> {
    make_tree(factory, sources, id, None).map(|(tree, _)| tree)
}

/// The code of the fault that a tree has too many nodes.
pub(crate) const TOO_LARGE: &str = "too-large";

/// Makes the tree `id` only to find every fault of it. The tree is none to run where there are any.
pub(crate) fn build_to_check(
    factory: &Factory,
    sources: &Sources,
    id: &Arc<str>,
) -> Result<Tree, Vec<Finding>> {
    match make_tree(factory, sources, id, Some(Vec::new())) {
        Ok((tree, faults)) if faults.is_empty() => Ok(tree),
        Ok((_, faults)) => Err(faults),
        Err(fault) => Err(vec![fault]),
    }
}

fn make_tree(
    factory: &Factory,
    sources: &Sources,
    id: &Arc<str>,
    faults: Option<Vec<Finding>>,
) -> Built<(Tree, Vec<Finding>)> {
    let n_elements = sources.documents.iter().map(Document::len).sum();
    let mut builder = Builder {
        factory,
        sources,
        engine: Engine::new(Arc::clone(factory.enums()), n_elements),
        infos: Vec::with_capacity(n_elements),
        parents: Vec::with_capacity(n_elements),
        contexts: Vec::new(),
        instances: HashSet::new(),
        last: None,
        compiled: HashMap::new(),
        faults,
    };
    let main = Place {
        document: 0,
        element: 0,
    };
    let mut work =
        vec![builder.sub_tree(id, "", main, Span::default(), (NONE, NONE, 0), ROOT_BOARD)?];
    while let Some(next) = work.pop() {
        builder.element(&next, &mut work)?;
    }
    builder.connect();
    let tree = Tree::new(
        builder.engine,
        builder.infos,
        builder.contexts,
        builder.parents,
    );
    Ok((tree, builder.faults.unwrap_or_default()))
}

impl<'a> Builder<'a> {
    /// Starts the instance of a tree: its first element is the next work.
    pub(super) fn sub_tree(
        &mut self,
        id: &Arc<str>,
        instance: &str,
        from: Place,
        span: Span,
        (parent_context, parent, depth): (u32, u32, u32),
        board: BoardId,
    ) -> Built<Work> {
        let error = |code, message: String, remedy: String| Finding {
            document: from.document,
            span,
            severity: Severity::Error,
            code,
            message,
            remedy,
        };
        let mut above = parent_context;
        while above != NONE {
            let context = &self.contexts[above as usize];
            if context.tree == *id {
                let message = format!("the tree '{id}' contains itself");
                return Err(error(
                    "recursion",
                    message,
                    "loop with Repeat or KeepRunningUntilFailure instead".into(),
                ));
            }
            above = context.parent;
        }
        if self.contexts.len() > MAX_SUB_TREES || self.infos.len() > MAX_NODES {
            let message = format!(
                "the tree has more than {MAX_SUB_TREES} sub-trees or {MAX_NODES} nodes in all"
            );
            return Err(error(TOO_LARGE, message, "use fewer sub-trees".into()));
        }
        let Some(place) = self.sources.trees.get(id).copied() else {
            let known = self.sources.trees.keys().map(AsRef::as_ref);
            let remedy = match names::nearest(id, known) {
                Some(near) => format!("was '{near}' meant?"),
                None => "add it, or include the file that holds it".into(),
            };
            return Err(error(
                "unknown-tree",
                format!("there is no tree '{id}'"),
                remedy,
            ));
        };
        let instance: Arc<str> = instance.into();
        if !self.instances.insert(Arc::clone(&instance)) {
            let message = format!("there are two sub-trees with the path '{instance}'");
            return Err(error(
                "sub-tree-name",
                message,
                "give them different names, or none".into(),
            ));
        }
        let document = &self.sources.documents[place.document];
        let Some(element) = document.first_child(place.element) else {
            return Err(error(
                "children",
                format!("the tree '{id}' is empty"),
                "give it a node".into(),
            ));
        };
        let prefix = if instance.is_empty() {
            Arc::clone(&instance)
        } else {
            format!("{instance}/").into()
        };
        let context = self.contexts.len() as u32;
        self.contexts.push(Context {
            tree: Arc::clone(id),
            prefix,
            board,
            parent: parent_context,
        });
        Ok(Work {
            place: Place {
                document: place.document,
                element,
            },
            parent,
            context,
            depth,
        })
    }

    /// The error, unless every fault is wanted: then it is kept, and `instead` stands for what could not be made.
    fn or_keep<T>(&mut self, result: Built<T>, instead: T) -> Built<T> {
        match (result, &mut self.faults) {
            (Err(fault), Some(faults)) => {
                faults.push(fault);
                Ok(instead)
            }
            (result, _) => result,
        }
    }

    /// What stands behind an ID. Elements of one name come in runs, so that the last answer is kept.
    fn registration(&mut self, id: &'a str) -> Option<&'a Registration> {
        match self.last {
            Some((last, registration)) if last == id => registration,
            _ => {
                let registration = self.factory.registration(id);
                self.last = Some((id, registration));
                registration
            }
        }
    }

    /// Makes the node of an element. Where every fault is wanted, one that cannot be made is left out with all below it.
    fn element(&mut self, work: &Work, queue: &mut Vec<Work>) -> Built<()> {
        let document = &self.sources.documents[work.place.document];
        let tag = document.name(work.place.element);
        let explicit = Category::from_element(tag);
        let id_attribute = document.attribute(work.place.element, "ID");
        let mut element = Element {
            document,
            place: work.place,
            span: document.name_span(work.place.element),
            name: Arc::default(),
            board: self.contexts[work.context as usize].board,
            ports: Vec::new(),
        };
        if work.depth > MAX_TOTAL_DEPTH {
            let message = format!("sub-trees nest more than {MAX_TOTAL_DEPTH} levels deep in all");
            return Err(element.error(element.span, "depth", message, "flatten the tree"));
        }
        let id = match (explicit, id_attribute) {
            (Some(_), Some(id)) => id,
            (None, None) => tag,
            (Some(_), None) => {
                let message = format!("<{tag}> has no ID");
                let fault = element.error(element.span, "id", message, "add ID=\"…\"");
                return self.or_keep(Err(fault), ());
            }
            (None, Some(_)) => {
                let message = format!(
                    "<{tag}> has an ID, which only the forms <Action ID=\"…\"> and so on have"
                );
                let remedy = "leave ID out, or use name";
                let fault = element.error(element.span, "id", message, remedy);
                return self.or_keep(Err(fault), ());
            }
        };
        let is_sub_tree = explicit == Some(Category::SubTree);
        let registration = if is_sub_tree {
            None
        } else {
            self.registration(id)
        };
        let manifest = registration.map(|registration| Arc::clone(&registration.manifest));
        let i = self.engine.nodes.len() as u32;
        let own_name = document.attribute(work.place.element, "name");
        element.name = match (own_name, &manifest) {
            (Some(name), _) => {
                if name
                    .chars()
                    .any(|c| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r'))
                {
                    let message = "the name holds a control character".to_owned();
                    let fault = element.error(element.span, "name", message, "leave it out");
                    return self.or_keep(Err(fault), ());
                }
                Arc::from(name)
            }
            (None, Some(manifest)) => Arc::clone(&manifest.id),
            (None, None) => Arc::from(id),
        };
        let attributes = document.attributes(work.place.element);
        for attribute in attributes.filter(|attribute| names::is_port_name(attribute.name)) {
            let port = port(&element, attribute, manifest.as_deref());
            if let Some(port) = self.or_keep(port.map(Some), None)? {
                element.ports.push(port);
            }
        }
        let named_by_id = element.name.as_ref() == id;
        let registered: Arc<str> = match &manifest {
            Some(manifest) => Arc::clone(&manifest.id),
            None if is_sub_tree => Arc::from("SubTree"),
            None => {
                let message = format!("there is no node '{id}'");
                let fault = element.error(element.span, "unknown-node", message, "register it");
                return self.or_keep(Err(fault), ());
            }
        };
        if let Some(manifest) = &manifest {
            let declared = self.declare_entries(&element, manifest);
            self.or_keep(declared, ())?;
        }
        let category = manifest
            .as_ref()
            .map_or(Category::SubTree, |manifest| manifest.category);
        let info = Info {
            id: registered,
            category,
            context: work.context,
            manifest,
            place: work.place,
            named_by_id,
        };
        let kind = self.kind(&element, i, &info, registration);
        let kind = self.or_keep(kind, Kind::Always(Status::Success))?;
        let conditions = self.conditions(&element);
        let conditions = self.or_keep(conditions, NONE)?;
        self.engine.add(
            Node {
                kind,
                first_child: 0,
                n_children: 0,
                conditions,
                index: 0,
                count: 0,
                started: false,
                finished: false,
            },
            Arc::clone(&element.name),
        );
        self.infos.push(info);
        self.parents.push(work.parent);
        match kind {
            Kind::SubTree => {
                let inner = self.enter(&element, i, id, own_name, work).map(Some);
                queue.extend(self.or_keep(inner, None)?);
            }
            _ if is_sub_tree => {}
            _ => {
                let first = queue.len();
                queue.extend(document.children(work.place.element).map(|child| Work {
                    place: Place {
                        document: work.place.document,
                        element: child,
                    },
                    parent: i,
                    context: work.context,
                    depth: work.depth + 1,
                }));
                queue[first..].reverse();
            }
        }
        Ok(())
    }

    /// Entries that ports name exist from now on, with the port's type, and keep that type.
    fn declare_entries(&mut self, element: &Element<'_>, manifest: &Manifest) -> Built<()> {
        // The library goes through them in the order of a C++ hash table, which is that of the last declared first: where two
        // ports of a node name one entry, the first of these gives it its type.
        for port in manifest.ports.iter().rev() {
            let Some(attribute) = element.given(&port.name) else {
                continue;
            };
            let Some(key) = names::remapped_key(&port.name, attribute.value) else {
                continue;
            };
            let binding = self.engine.blackboard.bind(element.board, key);
            let result = match self.engine.blackboard.entry(binding.slot) {
                Some(entry) => {
                    let (old, new) = (entry.info, port.info);
                    let differ = old.is_strong() && new.is_strong() && old != new;
                    if differ && old != crate::types::Type::String {
                        Err(ConvertError(format!(
                            "'{key}' is of type {} elsewhere",
                            old.name()
                        )))
                    } else {
                        Ok(())
                    }
                }
                None if key.starts_with('@') && key[1..].contains('@') => {
                    Err(ConvertError(format!("'{key}' has more than one '@'")))
                }
                None => self.engine.blackboard.declare(binding, port.info),
            };
            if let Err(error) = result {
                let message = format!(
                    "port '{}' is of type {}, but {error}",
                    port.name,
                    port.info.name()
                );
                return Err(element.error(
                    attribute.value_span,
                    "type-conflict",
                    message,
                    "use two entries",
                ));
            }
        }
        Ok(())
    }

    /// Adds the ports of a node and gives the place of the first.
    pub(super) fn add_ports(&mut self, element: &Element<'_>, manifest: &Manifest) -> u32 {
        let first = self.engine.ports.len() as u32;
        for spec in &manifest.ports {
            let source = match (element.given(&spec.name), &spec.default) {
                (Some(attribute), _) => self.source(element.board, spec, attribute.value),
                (None, Some(default)) => self.source(element.board, spec, default),
                (None, None) => Source::Missing,
            };
            self.engine.ports.push(Port {
                source,
                name: Arc::clone(&spec.name),
            });
        }
        first
    }

    fn source(&mut self, board: BoardId, spec: &PortSpec, text: &str) -> Source {
        if let Some(key) = names::remapped_key(&spec.name, text) {
            return Source::Entry(self.engine.blackboard.bind(board, key));
        }
        if spec.direction == Direction::Output || !spec.info.is_strong() {
            return Source::Literal(Value::text(text));
        }
        match spec.info.parse(text) {
            Ok(value) => Source::Literal(value),
            Err(error) => Source::Bad(error),
        }
    }

    fn conditions(&mut self, element: &Element<'a>) -> Built<u32> {
        let mut scripts = Conditions {
            pre: [NONE; 4],
            post: [NONE; 4],
        };
        let mut any = false;
        let attributes = element.document.attributes(element.place.element);
        for attribute in attributes.filter(|attribute| attribute.name.starts_with('_')) {
            let pre = names::PRE_CONDITIONS
                .iter()
                .position(|&name| name == attribute.name);
            let post = names::POST_CONDITIONS
                .iter()
                .position(|&name| name == attribute.name);
            let slot = match (pre, post) {
                (Some(at), _) => &mut scripts.pre[at],
                (None, Some(at)) => &mut scripts.post[at],
                (None, None) => continue,
            };
            *slot = self.script(element, &attribute)?;
            any = true;
        }
        if !any {
            return Ok(NONE);
        }
        self.engine.conditions.push(scripts);
        Ok((self.engine.conditions.len() - 1) as u32)
    }

    /// Compiles the script in an attribute.
    fn script(&mut self, element: &Element<'_>, attribute: &Attr<'a>) -> Built<u32> {
        if let Some(&script) = self.compiled.get(&(element.board, attribute.value)) {
            return Ok(script);
        }
        let enums = Arc::clone(&self.engine.enums);
        let engine = &mut self.engine;
        match compile(
            attribute.value,
            element.board,
            &mut engine.blackboard,
            &enums,
            &mut engine.code,
        ) {
            Ok(script) => {
                engine.scripts.push(script);
                let script = (engine.scripts.len() - 1) as u32;
                self.compiled
                    .insert((element.board, attribute.value), script);
                Ok(script)
            }
            Err(error) => Err(script_error(element, attribute, &error)),
        }
    }

    fn kind(
        &mut self,
        element: &Element<'_>,
        i: u32,
        info: &Info,
        registration: Option<&Registration>,
    ) -> Built<Kind> {
        let path = || info.path(&self.contexts, &element.name, i + 1);
        if let Some(substitute) = self.factory.substitution(&element.name, &info.id, path) {
            return match substitute {
                Substitute::Test(config) => self.test(element, i, config),
                Substitute::Node(id) => match self.factory.registration(id) {
                    Some(registration) => {
                        self.make(element, i, &registration.manifest, &registration.maker)
                    }
                    None => {
                        let message = format!(
                            "'{}' is substituted by '{id}', which is no node",
                            element.name
                        );
                        Err(element.error(
                            element.span,
                            "unknown-node",
                            message,
                            "name a registered node",
                        ))
                    }
                },
            };
        }
        match registration {
            Some(registration) => {
                self.make(element, i, &registration.manifest, &registration.maker)
            }
            None => Ok(Kind::SubTree),
        }
    }

    fn make(
        &mut self,
        element: &Element<'_>,
        i: u32,
        manifest: &Manifest,
        maker: &Maker,
    ) -> Built<Kind> {
        match maker {
            Maker::Builtin(builtin) => self.builtin(element, i, manifest, *builtin),
            Maker::User(make) => Ok(self.user(element, manifest, make.as_ref())),
            Maker::Branch(make) => Ok(self.branch(element, manifest, make.as_ref())),
            Maker::Model => {
                let message = format!(
                    "'{}' is declared in a TreeNodesModel, but nothing is behind it",
                    manifest.id
                );
                Err(element.error(
                    element.span,
                    "no-outcome",
                    message,
                    "give it outcomes with --outcomes",
                ))
            }
        }
    }

    /// Turns the parents into lists of children.
    fn connect(&mut self) {
        let engine = &mut self.engine;
        for &parent in &self.parents {
            if parent != NONE {
                engine.nodes[parent as usize].n_children += 1;
            }
        }
        let mut first = 0;
        for node in &mut engine.nodes {
            node.first_child = first;
            first += node.n_children;
        }
        engine.children = vec![0; first as usize];
        let mut filled = vec![0; engine.nodes.len()];
        for (i, &parent) in self.parents.iter().enumerate() {
            if parent != NONE {
                let at = engine.nodes[parent as usize].first_child + filled[parent as usize];
                engine.children[at as usize] = i as u32;
                filled[parent as usize] += 1;
            }
        }
        for node in &mut engine.nodes {
            match node.kind {
                Kind::Parallel { state, .. } | Kind::ParallelAll { state, .. } => {
                    engine.parallels[state as usize].completed =
                        vec![false; node.n_children as usize].into();
                }
                // What stands in for a node has no use for its children.
                Kind::Test { .. } | Kind::User { .. } => node.n_children = 0,
                _ => {}
            }
        }
        engine.status = vec![Status::Idle; engine.nodes.len()];
    }
}

pub(super) fn script_error(
    element: &Element<'_>,
    attribute: &Attr<'_>,
    error: &crate::script::SyntaxError,
) -> Finding {
    let mut span = attribute.value_span;
    if attribute.verbatim {
        span.start = (span.start + error.offset as u32).min(span.end);
        span.end = span.start + 1;
    }
    let message = format!("the script in '{}': {}", attribute.name, error.message);
    element.error(span, "script", message, "correct the script")
}

/// The attribute as a port of the node. A sub-tree, of which nothing is known, takes any.
fn port<'a>(
    element: &Element<'_>,
    attribute: Attr<'a>,
    manifest: Option<&Manifest>,
) -> Built<Attr<'a>> {
    let Some(manifest) = manifest else {
        return Ok(attribute);
    };
    if let Some(port) = manifest.port(attribute.name) {
        check_literal(element, port, &attribute)?;
        return Ok(attribute);
    }
    let known = manifest.ports.iter().map(|port| port.name.as_ref());
    let remedy = match names::nearest(attribute.name, known) {
        Some(near) => format!("was '{near}' meant?"),
        None => "leave it out".to_owned(),
    };
    let message = format!("'{}' has no port '{}'", manifest.id, attribute.name);
    Err(element.error(attribute.name_span, "unknown-port", message, &remedy))
}

/// A literal must convert to the port's type; a status word is looked at in a tick only.
fn check_literal(element: &Element<'_>, port: &PortSpec, attribute: &Attr<'_>) -> Built<()> {
    let text = attribute.value;
    let is_pointer = text.len() >= 3 && text.starts_with('{') && text.ends_with('}');
    if is_pointer || !port.info.has_converter() || !port.info.is_strong() {
        return Ok(());
    }
    match port.info.parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("port '{}': {error}", port.name);
            let remedy = format!(
                "write a value of type {}, or an entry as {{key}}",
                port.info.name()
            );
            Err(element.error(attribute.value_span, "port-type", message, &remedy))
        }
    }
}
