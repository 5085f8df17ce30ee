//! Which entries are surely written when they are read.
//!
//! A tree is gone through as it would be ticked, with the set of entries that are surely written at each point: after
//! SUCCESS and after FAILURE separately, since a sequence goes on after the one and a fallback after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::blackboard::{Blackboard, BoardId, ROOT_BOARD, Slot};
use crate::builtins::Builtin;
use crate::fault::Severity;
use crate::load::names;
use crate::load::sources::{Finding, Place, Sources};
use crate::ports::Direction;
use crate::registry::{Factory, Maker};
use crate::script::parser::{Assignment, Expr, ExprId, Program, parse};
use crate::status::Category;
use crate::types::parse_bool;
use crate::xml::{Attr, Document, ElementId, Span};

const MAX_DEPTH: u32 = 1000;

type Written = HashSet<Slot>;

/// What is surely written after SUCCESS, and after FAILURE.
struct After {
    success: Written,
    failure: Written,
}

pub(super) fn check(
    sources: &mut Sources,
    factory: &Factory,
    roots: &[Arc<str>],
    to_run: Option<&Arc<str>>,
) {
    let mut found = Vec::new();
    for id in roots {
        let mut flow = Flow {
            sources,
            factory,
            is_run: to_run.is_none_or(|to_run| to_run == id),
            blackboard: Blackboard::default(),
            ever: HashSet::new(),
            writes_any: false,
            found: None,
            above: Vec::new(),
            boards: HashMap::new(),
        };
        // What the main tree's model names as inputs, its host writes.
        let mut before = Written::new();
        for port in sources.models.get(id).into_iter().flatten() {
            before.insert(flow.blackboard.bind(ROOT_BOARD, &port.name).slot);
        }
        flow.tree(id, ROOT_BOARD, &before, 0);
        flow.found = Some(Vec::new());
        flow.tree(id, ROOT_BOARD, &before, 0);
        found.extend(flow.found.into_iter().flatten());
    }
    sources.findings.append(&mut found);
}

struct Flow<'a> {
    sources: &'a Sources,
    factory: &'a Factory,
    /// Of a tree that waits for others to use it nobody knows what they write.
    is_run: bool,
    blackboard: Blackboard,
    /// Everything that is written anywhere: gathered in a first round.
    ever: Written,
    /// A key that an entry names is written somewhere: it may be any.
    writes_any: bool,
    /// What is found, in the second round.
    found: Option<Vec<Finding>>,
    above: Vec<Arc<str>>,
    /// The boards of sub-trees, so that both rounds see the same slots.
    boards: HashMap<(BoardId, usize, ElementId), BoardId>,
}

struct Here<'a> {
    document: &'a Document,
    number: usize,
    element: ElementId,
    board: BoardId,
    depth: u32,
}

impl<'a> Flow<'a> {
    fn tree(&mut self, id: &str, board: BoardId, before: &Written, depth: u32) -> After {
        let unchanged = || After {
            success: before.clone(),
            failure: before.clone(),
        };
        let Some(&Place {
            document: number,
            element,
        }) = self.sources.trees.get(id)
        else {
            return unchanged();
        };
        if depth > MAX_DEPTH || self.above.iter().any(|above| above.as_ref() == id) {
            return unchanged();
        }
        let document = &self.sources.documents[number];
        let Some(element) = document.first_child(element) else {
            return unchanged();
        };
        self.above.push(id.into());
        let after = self.node(
            &Here {
                document,
                number,
                element,
                board,
                depth,
            },
            before,
        );
        self.above.pop();
        after
    }

    fn child(&mut self, here: &Here<'a>, element: ElementId, before: &Written) -> After {
        self.node(
            &Here {
                element,
                depth: here.depth + 1,
                ..*here
            },
            before,
        )
    }

    /// Says that an entry is read, with what is surely written by then.
    fn read(&mut self, here: &Here<'_>, key: &str, span: Span, before: &Written, strict: bool) {
        let slot = self.blackboard.bind(here.board, key).slot;
        if before.contains(&slot) {
            return;
        }
        let ever = self.ever.contains(&slot);
        let Some(found) = &mut self.found else { return };
        let (severity, code, message, remedy) = if ever {
            let message = format!("'{key}' may be read here before anything has written it");
            (
                Severity::Warning,
                "maybe-unwritten",
                message,
                "write it on every path that leads here",
            )
        } else {
            let severity = if strict && self.is_run && !self.writes_any {
                Severity::Error
            } else {
                Severity::Warning
            };
            let message = format!("'{key}' is read here, but nothing writes it");
            let remedy = "write it before, or declare it as an input of the tree in a <SubTree> of the TreeNodesModel";
            (severity, "never-written", message, remedy)
        };
        found.push(Finding {
            document: here.number,
            span,
            severity,
            code,
            message,
            remedy: remedy.into(),
        });
    }

    /// Says that an entry is waited for.
    fn wait(&mut self, here: &Here<'_>, key: &str, span: Span, before: &Written) {
        let slot = self.blackboard.bind(here.board, key).slot;
        let comes = before.contains(&slot) || self.ever.contains(&slot);
        if comes || self.writes_any || !self.is_run {
            return;
        }
        let Some(found) = &mut self.found else { return };
        found.push(Finding {
            document: here.number,
            span,
            severity: Severity::Warning,
            code: "never-written",
            message: format!("'{key}' is waited for here, but nothing writes it"),
            remedy: "write it, or declare it as an input of the tree in a <SubTree> of the TreeNodesModel"
                .into(),
        });
    }

    fn write(&mut self, here: &Here<'_>, key: &str, after: &mut Written) {
        let slot = self.blackboard.bind(here.board, key).slot;
        self.ever.insert(slot);
        after.insert(slot);
    }

    fn node(&mut self, here: &Here<'a>, before: &Written) -> After {
        if here.depth > MAX_DEPTH {
            return After {
                success: before.clone(),
                failure: before.clone(),
            };
        }
        let attributes: Vec<Attr<'_>> = here.document.attributes(here.element).collect();
        let script = |name: &str| attributes.iter().find(|attribute| attribute.name == name);
        let mut start = before.clone();
        for name in names::PRE_CONDITIONS {
            if let Some(attribute) = script(name) {
                self.script(here, attribute, &mut start);
            }
        }
        let mut after = self.kind(here, &attributes, &start);
        if script("_successIf").is_some()
            || script("_skipIf").is_some()
            || script("_while").is_some()
        {
            after.success = start.clone();
        }
        if script("_failureIf").is_some() {
            after.failure = start;
        }
        for (name, success, failure) in [
            ("_onSuccess", true, false),
            ("_onFailure", false, true),
            ("_post", true, true),
        ] {
            if let Some(attribute) = script(name) {
                if success {
                    self.script(here, attribute, &mut after.success);
                }
                if failure {
                    self.script(here, attribute, &mut after.failure);
                }
            }
        }
        if let Some(attribute) = script("_onHalted") {
            self.script(here, attribute, &mut before.clone());
        }
        after
    }

    fn kind(&mut self, here: &Here<'a>, attributes: &[Attr<'_>], before: &Written) -> After {
        let tag = here.document.name(here.element);
        let id = match Category::from_element(tag) {
            Some(Category::SubTree) => return self.sub_tree(here, attributes, before),
            Some(_) => here
                .document
                .attribute(here.element, "ID")
                .unwrap_or_default(),
            None => tag,
        };
        let Some(registration) = self.factory.registration(id) else {
            // What nobody knows may write every entry that it names.
            let mut success = before.clone();
            for key in attributes
                .iter()
                .filter_map(|attribute| names::pointer(attribute.value))
            {
                self.write(here, key, &mut success);
            }
            return After {
                failure: success.clone(),
                success,
            };
        };
        let builtin = match registration.maker {
            Maker::Builtin(builtin) => Some(builtin),
            _ => None,
        };
        let mut start = before.clone();
        let mut written = Vec::new();
        let manifest = Arc::clone(&registration.manifest);
        for port in &manifest.ports {
            let given = attributes
                .iter()
                .find(|attribute| attribute.name == port.name.as_ref());
            let (text, span) = match (given, &port.default) {
                (Some(attribute), _) => (attribute.value, attribute.value_span),
                (None, Some(default)) => (default.as_ref(), here.document.name_span(here.element)),
                (None, None) => continue,
            };
            let Some(key) = names::remapped_key(&port.name, text) else {
                continue;
            };
            // The default entry of a port for any value need not be there.
            let may_lack = given.is_none() && !port.info.is_strong();
            let looks_only = may_lack
                || matches!(
                    builtin,
                    Some(
                        Builtin::WasEntryUpdated
                            | Builtin::SkipUnlessUpdated
                            | Builtin::WaitValueUpdate
                            | Builtin::Switch
                            | Builtin::RunOnce
                            | Builtin::TryCatch
                    )
                );
            if port.direction != Direction::Output && !looks_only {
                self.read(here, key, span, before, builtin.is_some());
            }
            if builtin == Some(Builtin::WaitValueUpdate) {
                self.wait(here, key, span, before);
            }
            let writes = match port.direction {
                Direction::Output => true,
                // A loop takes from a queue that another has to fill.
                Direction::InOut => builtin.is_none(),
                Direction::Input => false,
            };
            if writes {
                written.push(key.to_owned());
            }
        }
        let children: Vec<ElementId> = here.document.children(here.element).collect();
        match builtin {
            Some(Builtin::Script) => {
                if let Some(code) = attributes.iter().find(|attribute| attribute.name == "code") {
                    self.script(here, code, &mut start);
                }
                return After {
                    failure: start.clone(),
                    success: start,
                };
            }
            Some(Builtin::ScriptCondition | Builtin::Precondition) => {
                if let Some(code) = attributes
                    .iter()
                    .find(|attribute| matches!(attribute.name, "code" | "if"))
                {
                    self.script(here, code, &mut start);
                }
            }
            Some(Builtin::SetBlackboard) => {
                let key = attributes
                    .iter()
                    .find(|attribute| attribute.name == "output_key");
                match key {
                    Some(key) if names::pointer(key.value).is_none() => {
                        self.write(here, key.value, &mut start);
                    }
                    Some(_) => self.writes_any = true,
                    None => {}
                }
                return After {
                    success: start,
                    failure: before.clone(),
                };
            }
            Some(Builtin::UnsetBlackboard) => {
                if let Some(key) = attributes.iter().find(|attribute| attribute.name == "key") {
                    start.remove(&self.blackboard.bind(here.board, key.value).slot);
                }
                return After {
                    failure: start.clone(),
                    success: start,
                };
            }
            // Each round writes its element before the child is ticked; a user's node may do so too.
            Some(Builtin::Loop(_)) | None => {
                for key in &written {
                    self.write(here, key, &mut start);
                }
            }
            _ => {}
        }
        if children.is_empty() {
            for key in &written {
                self.write(here, key, &mut start);
            }
            return After {
                success: start,
                failure: before.clone(),
            };
        }
        self.with_children(here, builtin, &children, before, &start)
    }

    fn with_children(
        &mut self,
        here: &Here<'a>,
        builtin: Option<Builtin>,
        children: &[ElementId],
        before: &Written,
        start: &Written,
    ) -> After {
        use Builtin as B;
        let Some(builtin) = builtin else {
            return self.in_order(here, children, start);
        };
        match builtin {
            B::Fallback | B::AsyncFallback | B::ReactiveFallback => {
                let mut so_far = start.clone();
                let mut success: Option<Written> = None;
                for &child in children {
                    let after = self.child(here, child, &so_far);
                    success = Some(meet(success, after.success));
                    so_far = after.failure;
                }
                After {
                    success: success.unwrap_or_default(),
                    failure: so_far,
                }
            }
            B::Inverter => {
                let after = self.child(here, children[0], start);
                After {
                    success: after.failure,
                    failure: after.success,
                }
            }
            B::ForceSuccess | B::ForceFailure => {
                let after = self.child(here, children[0], start);
                let both = meet(Some(after.success), after.failure);
                After {
                    failure: both.clone(),
                    success: both,
                }
            }
            B::RunOnce | B::SkipUnlessUpdated => {
                let after = self.child(here, children[0], start);
                After {
                    success: before.clone(),
                    failure: after.failure,
                }
            }
            B::Loop(_) => {
                let after = self.child(here, children[0], start);
                After {
                    success: before.clone(),
                    failure: after.failure,
                }
            }
            B::Precondition | B::Timeout => {
                let after = self.child(here, children[0], start);
                After {
                    success: after.success,
                    failure: start.clone(),
                }
            }
            B::IfThenElse | B::WhileDoElse if children.len() >= 2 => {
                let condition = self.child(here, children[0], start);
                let then = self.child(here, children[1], &condition.success);
                match children.get(2) {
                    Some(&other) => {
                        let other = self.child(here, other, &condition.failure);
                        let success = meet(Some(then.success), other.success);
                        After {
                            success,
                            failure: meet(Some(then.failure), other.failure),
                        }
                    }
                    None => After {
                        success: then.success,
                        failure: meet(Some(then.failure), condition.failure),
                    },
                }
            }
            B::Switch => {
                let mut all = After {
                    success: start.clone(),
                    failure: start.clone(),
                };
                let mut success: Option<Written> = None;
                for &child in children {
                    success = Some(meet(success, self.child(here, child, start).success));
                }
                all.success = success.unwrap_or_else(|| start.clone());
                all
            }
            _ => self.in_order(here, children, start),
        }
    }

    /// Sequences, and what ticks all of its children.
    fn in_order(&mut self, here: &Here<'a>, children: &[ElementId], start: &Written) -> After {
        let mut so_far = start.clone();
        let mut failure: Option<Written> = None;
        for &child in children {
            let after = self.child(here, child, &so_far);
            failure = Some(meet(failure, after.failure));
            so_far = after.success;
        }
        After {
            success: so_far,
            failure: failure.unwrap_or_else(|| start.clone()),
        }
    }

    fn sub_tree(&mut self, here: &Here<'a>, attributes: &[Attr<'_>], before: &Written) -> After {
        let Some(id) = here.document.attribute(here.element, "ID") else {
            return After {
                success: before.clone(),
                failure: before.clone(),
            };
        };
        let mut remapping: HashMap<Box<str>, Box<str>> = HashMap::new();
        let mut literals: Vec<String> = Vec::new();
        let autoremap = attributes
            .iter()
            .any(|a| a.name == "_autoremap" && parse_bool(a.value) == Some(true));
        let mut add = |name: &str, value: &str| match (value, names::pointer(value)) {
            ("{=}", _) => drop(remapping.insert(name.into(), name.into())),
            (_, Some(key)) => drop(remapping.insert(name.into(), key.into())),
            _ => literals.push(name.to_owned()),
        };
        for attribute in attributes
            .iter()
            .filter(|attribute| names::is_port_name(attribute.name))
        {
            add(attribute.name, attribute.value);
        }
        for port in self
            .sources
            .models
            .get(id)
            .filter(|_| !autoremap)
            .into_iter()
            .flatten()
        {
            let given = attributes
                .iter()
                .any(|attribute| attribute.name == port.name.as_ref());
            if let Some(default) = port.default.as_ref().filter(|_| !given) {
                add(&port.name, default);
            }
        }
        let place = (here.board, here.number, here.element);
        let board = match self.boards.get(&place) {
            Some(&board) => board,
            None => {
                let board = self.blackboard.add_board(here.board, remapping, autoremap);
                for key in &literals {
                    self.blackboard
                        .add_literal(board, key, crate::value::Value::Empty);
                }
                self.boards.insert(place, board);
                board
            }
        };
        let mut start = before.clone();
        for key in &literals {
            let slot = self.blackboard.bind(board, key).slot;
            self.ever.insert(slot);
            start.insert(slot);
        }
        self.tree(id, board, &start, here.depth + 1)
    }

    /// Goes through a script: what it reads must be there, what it assigns is there afterwards.
    fn script(&mut self, here: &Here<'_>, attribute: &Attr<'_>, written: &mut Written) {
        if names::remapped_key(attribute.name, attribute.value).is_some() {
            return;
        }
        let Ok(program) = parse(attribute.value) else {
            return;
        };
        for &statement in &program.statements {
            self.expression(here, &program, statement, attribute, written);
        }
    }

    fn expression(
        &mut self,
        here: &Here<'_>,
        program: &Program<'_>,
        id: ExprId,
        attribute: &Attr<'_>,
        written: &mut Written,
    ) {
        let (expr, offset) = &program.nodes[id as usize];
        match expr {
            Expr::Literal(_) => {}
            Expr::Name(name) => {
                if !self.factory.enums().contains_key(*name) {
                    self.read(
                        here,
                        name,
                        name_span(attribute, *offset, name),
                        written,
                        true,
                    );
                }
            }
            Expr::Unary(_, operand) => self.expression(here, program, *operand, attribute, written),
            Expr::Binary(_, left, right) => {
                // A long row of operators leans to the left: walked down without recursion.
                let (mut first, mut others) = (*left, vec![*right]);
                while let Expr::Binary(_, left, right) = &program.nodes[first as usize].0 {
                    others.push(*right);
                    first = *left;
                }
                for operand in std::iter::once(first).chain(others.into_iter().rev()) {
                    self.expression(here, program, operand, attribute, written);
                }
            }
            Expr::Compare(first, links) => {
                self.expression(here, program, *first, attribute, written);
                for (_, operand) in links {
                    self.expression(here, program, *operand, attribute, written);
                }
            }
            Expr::If(condition, then, other) => {
                self.expression(here, program, *condition, attribute, written);
                let mut one = written.clone();
                self.expression(here, program, *then, attribute, &mut one);
                self.expression(here, program, *other, attribute, written);
                written.retain(|slot| one.contains(slot));
            }
            Expr::Assign(op, target, value) => {
                self.expression(here, program, *value, attribute, written);
                let (Expr::Name(name), offset) = &program.nodes[*target as usize] else {
                    return;
                };
                if *op != Assignment::Create {
                    self.read(
                        here,
                        name,
                        name_span(attribute, *offset, name),
                        written,
                        true,
                    );
                }
                self.write(here, name, written);
            }
        }
    }
}

fn name_span(attribute: &Attr<'_>, offset: u32, name: &str) -> Span {
    if !attribute.verbatim {
        return attribute.value_span;
    }
    let start = attribute.value_span.start + offset;
    Span {
        start,
        end: start + name.len() as u32,
    }
}

fn meet(so_far: Option<Written>, other: Written) -> Written {
    match so_far {
        Some(mut set) => {
            set.retain(|slot| other.contains(slot));
            set
        }
        None => other,
    }
}
