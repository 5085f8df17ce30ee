//! A slow, plain interpreter of BehaviorTree.CPP's trees: one function a node, names looked up every time. It shares no
//! code with the engine, and is what the engine is held against.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod board;
pub mod script;

use std::collections::{BTreeMap, VecDeque};

use board::{Board, Boards, parse};
use script::V;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S {
    Idle,
    Running,
    Success,
    Failure,
    Skipped,
}

use S::{Failure, Idle, Running, Skipped, Success};

impl S {
    pub fn word(self) -> &'static str {
        ["IDLE", "RUNNING", "SUCCESS", "FAILURE", "SKIPPED"][self as usize]
    }

    fn read(text: &str) -> Result<S, String> {
        [Idle, Running, Success, Failure, Skipped]
            .into_iter()
            .find(|s| s.word() == text)
            .ok_or_else(|| format!("no status {text}"))
    }

    fn done(self) -> bool {
        matches!(self, Success | Failure)
    }
}

pub struct N {
    pub path: String,
    pub kind: String,
    attributes: BTreeMap<String, String>,
    children: Vec<usize>,
    board: usize,
    status: S,
    /// Whatever the kind remembers.
    at: usize,
    skipped: usize,
    times: i64,
    on: bool,
    first: S,
    writes: u64,
    done: Vec<bool>,
    failures: usize,
    successes: usize,
    due: Option<u64>,
    fired: bool,
    queue: Option<VecDeque<V>>,
}

pub struct Reference {
    pub nodes: Vec<N>,
    pub boards: Boards,
    pub transitions: Vec<(usize, S, S)>,
    pub now_ms: u64,
    order: Vec<usize>,
}

type R<T> = Result<T, String>;

/// What ports are called, and typed, in the order in which the entries they name are made.
fn port_types(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "Repeat" => &[("num_cycles", "int")],
        "RetryUntilSuccessful" => &[("num_attempts", "int")],
        "Parallel" => &[("success_count", "int"), ("failure_count", "int")],
        "ParallelAll" => &[("max_failures", "int")],
        "Sleep" | "Timeout" => &[("msec", "unsigned")],
        "Delay" => &[("delay_msec", "unsigned")],
        "RunOnce" => &[("then_skip", "bool")],
        "TryCatch" => &[("catch_on_halt", "bool")],
        "Script" => &[("code", "string")],
        "Precondition" => &[("if", "string"), ("else", "status")],
        "ScriptCondition" => &[("code", "AnyTypeAllowed")],
        "SetBlackboard" => &[
            ("value", "AnyTypeAllowed"),
            ("output_key", "AnyTypeAllowed"),
        ],
        "UnsetBlackboard" => &[("key", "string")],
        "SkipUnlessUpdated" | "WaitValueUpdate" | "WasEntryUpdated" => &[("entry", "Any")],
        "LoopInt" => &[
            ("value", "int"),
            ("if_empty", "status"),
            ("queue", "AnyTypeAllowed"),
        ],
        "LoopDouble" => &[
            ("value", "double"),
            ("if_empty", "status"),
            ("queue", "AnyTypeAllowed"),
        ],
        "LoopBool" => &[
            ("value", "bool"),
            ("if_empty", "status"),
            ("queue", "AnyTypeAllowed"),
        ],
        "LoopString" => &[
            ("value", "string"),
            ("if_empty", "status"),
            ("queue", "AnyTypeAllowed"),
        ],
        kind if kind.starts_with("Switch") => &[
            ("variable", "string"),
            ("case_1", "string"),
            ("case_2", "string"),
            ("case_3", "string"),
            ("case_4", "string"),
            ("case_5", "string"),
            ("case_6", "string"),
        ],
        _ => &[],
    }
}

fn pointer(text: &str) -> Option<&str> {
    text.trim_matches(' ')
        .strip_prefix('{')?
        .strip_suffix('}')
        .filter(|key| !key.is_empty())
}

fn key_of<'a>(port: &'a str, text: &'a str) -> Option<&'a str> {
    if text == "{=}" || text == "=" {
        Some(port)
    } else {
        pointer(text)
    }
}

impl Reference {
    /// Trees that load; what does not is not this interpreter's business.
    pub fn load(xml: &str) -> R<Self> {
        let document = roxmltree::Document::parse(xml).map_err(|error| error.to_string())?;
        let root = document.root_element();
        let trees: BTreeMap<&str, roxmltree::Node<'_, '_>> = root
            .children()
            .filter(|n| n.has_tag_name("BehaviorTree"))
            .map(|n| (n.attribute("ID").unwrap_or("main"), n))
            .collect();
        let main = root
            .attribute("main_tree_to_execute")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| trees.keys().next().unwrap());
        let mut models: BTreeMap<String, Vec<(String, Option<String>)>> = BTreeMap::new();
        for model in root.descendants().filter(|n| {
            n.has_tag_name("SubTree")
                && n.parent_element()
                    .is_some_and(|p| p.has_tag_name("TreeNodesModel"))
        }) {
            let ports = model.children().filter(roxmltree::Node::is_element);
            let ports = ports.map(|p| {
                (
                    p.attribute("name").unwrap().to_owned(),
                    p.attribute("default").map(str::to_owned),
                )
            });
            models.insert(model.attribute("ID").unwrap().to_owned(), ports.collect());
        }
        let boards = Boards(vec![Board::default()]);
        let mut this = Self {
            nodes: Vec::new(),
            boards,
            transitions: Vec::new(),
            now_ms: 0,
            order: Vec::new(),
        };
        let first = trees[main].first_element_child().ok_or("empty tree")?;
        this.add(first, 0, "", &trees, &models)?;
        Ok(this)
    }

    fn add(
        &mut self,
        element: roxmltree::Node<'_, '_>,
        board: usize,
        prefix: &str,
        trees: &BTreeMap<&str, roxmltree::Node<'_, '_>>,
        models: &BTreeMap<String, Vec<(String, Option<String>)>>,
    ) -> R<usize> {
        let tag = element.tag_name().name();
        let explicit = matches!(
            tag,
            "Action" | "Condition" | "Control" | "Decorator" | "SubTree"
        );
        let id = if explicit {
            element.attribute("ID").ok_or("no ID")?
        } else {
            tag
        };
        let name = element.attribute("name").unwrap_or(id);
        let i = self.nodes.len();
        let path = if name == id {
            format!("{prefix}{name}::{}", i + 1)
        } else {
            format!("{prefix}{name}")
        };
        let attributes: BTreeMap<String, String> = element
            .attributes()
            .map(|a| (a.name().to_owned(), a.value().to_owned()))
            .collect();
        let kind = if tag == "SubTree" { "SubTree" } else { id };
        for (port, info) in port_types(kind) {
            if let Some(key) = attributes.get(*port).and_then(|text| key_of(port, text))
                && self.boards.find(board, key).is_none()
            {
                self.boards.create(board, key, info)?;
            }
        }
        self.nodes.push(N {
            path,
            kind: kind.to_owned(),
            attributes: attributes.clone(),
            children: Vec::new(),
            board,
            status: Idle,
            at: 0,
            skipped: 0,
            times: 0,
            on: false,
            first: Idle,
            writes: 0,
            done: Vec::new(),
            failures: 0,
            successes: 0,
            due: None,
            fired: false,
            queue: None,
        });
        let mut children = Vec::new();
        if kind == "SubTree" {
            let inner = self.boards.0.len();
            let auto = attributes
                .get("_autoremap")
                .is_some_and(|text| text == "true" || text == "1");
            self.boards.0.push(Board {
                parent: Some(board),
                auto,
                ..Board::default()
            });
            let mut given: Vec<(String, String)> = attributes
                .into_iter()
                .filter(|(k, _)| !k.starts_with('_') && k != "ID" && k != "name")
                .collect();
            for (port, default) in models.get(id).into_iter().flatten().filter(|_| !auto) {
                if !given.iter().any(|(key, _)| key == port) {
                    given.push((port.clone(), default.clone().ok_or("port not mapped")?));
                }
            }
            for (key, text) in given {
                if text == "{=}" {
                    self.boards.0[inner].remap.insert(key.clone(), key);
                } else if let Some(outer) = pointer(&text) {
                    self.boards.0[inner].remap.insert(key, outer.to_owned());
                } else {
                    let value = literal(&text);
                    let info = match &value {
                        V::Int(_, info) => info,
                        V::Real(_) => "double",
                        _ => "AnyTypeAllowed",
                    };
                    self.boards.0[inner].entries.insert(
                        key,
                        board::Entry {
                            value,
                            info,
                            writes: 1,
                        },
                    );
                }
            }
            let instance = element
                .attribute("name")
                .map_or_else(|| format!("{id}::{}", i + 1), str::to_owned);
            let first = trees
                .get(id)
                .ok_or("no such tree")?
                .first_element_child()
                .ok_or("empty tree")?;
            children.push(self.add(
                first,
                inner,
                &format!("{prefix}{instance}/"),
                trees,
                models,
            )?);
        } else {
            for child in element.children().filter(roxmltree::Node::is_element) {
                children.push(self.add(child, board, prefix, trees, models)?);
            }
        }
        self.nodes[i].done = vec![false; children.len()];
        self.nodes[i].children = children;
        Ok(i)
    }

    /// One tick of the root.
    pub fn tick(&mut self, now_ms: u64) -> R<S> {
        self.now_ms = now_ms;
        let mut due: Vec<(u64, usize, usize)> = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(time) = node.due.filter(|&time| time <= now_ms) {
                due.push((
                    time,
                    self.order.iter().rposition(|&n| n == at).unwrap_or(0),
                    at,
                ));
            }
        }
        due.sort_unstable();
        for (_, _, i) in due {
            if self.nodes[i].due.take().is_none() {
                continue;
            }
            self.nodes[i].fired = true;
            if self.nodes[i].kind == "Timeout" {
                let child = self.nodes[i].children[0];
                if self.nodes[child].status == Running {
                    self.nodes[i].on = true;
                    self.reset(child)?;
                }
            }
        }
        let status = self.execute(0)?;
        if status.done() {
            self.set(0, Idle);
        }
        Ok(status)
    }

    /// Stops everything, as a program does at its end.
    pub fn halt(&mut self) -> R<()> {
        self.reset(0)?;
        // Also what a parent has left as it was.
        (0..self.nodes.len()).for_each(|i| self.set(i, Idle));
        Ok(())
    }

    pub fn running(&self) -> usize {
        self.nodes.iter().filter(|node| node.status != Idle).count()
    }

    fn set(&mut self, i: usize, to: S) {
        let from = std::mem::replace(&mut self.nodes[i].status, to);
        if from != to {
            self.transitions.push((i, from, to));
        }
    }

    fn script(&mut self, i: usize, name: &str) -> R<Option<V>> {
        let Some(text) = self.nodes[i].attributes.get(name).cloned() else {
            return Ok(None);
        };
        let script = script::read(&text)?;
        script::run(&script, &mut self.boards, self.nodes[i].board).map(Some)
    }

    fn condition(&mut self, i: usize, name: &str) -> R<Option<bool>> {
        self.script(i, name)?.map(|value| value.truth()).transpose()
    }

    fn before(&mut self, i: usize) -> R<Option<S>> {
        if self.nodes[i].status == Idle {
            if self.condition(i, "_failureIf")? == Some(true) {
                return Ok(Some(Failure));
            }
            if self.condition(i, "_successIf")? == Some(true) {
                return Ok(Some(Success));
            }
            if self.condition(i, "_skipIf")? == Some(true) {
                return Ok(Some(Skipped));
            }
            if self.condition(i, "_while")? == Some(false) {
                return Ok(Some(Skipped));
            }
        } else if self.nodes[i].status == Running && self.condition(i, "_while")? == Some(false) {
            self.halt_node(i)?;
            return Ok(Some(Skipped));
        }
        Ok(None)
    }

    fn execute(&mut self, i: usize) -> R<S> {
        let status = match self.before(i)? {
            Some(status) => status,
            None => self.kind(i)?,
        };
        if status.done() {
            self.script(
                i,
                if status == Success {
                    "_onSuccess"
                } else {
                    "_onFailure"
                },
            )?;
            self.script(i, "_post")?;
        }
        match status {
            Idle => return Err("IDLE returned".into()),
            Skipped => {}
            _ => self.set(i, status),
        }
        let updated = matches!(
            self.nodes[i].kind.as_str(),
            "SkipUnlessUpdated" | "WaitValueUpdate"
        );
        // Other decorators have reset a completed child themselves by now, if they ticked it.
        if (updated || self.is_decorator(i)) && self.nodes[self.nodes[i].children[0]].status.done()
        {
            let child = self.nodes[i].children[0];
            self.set(child, Idle);
        }
        Ok(status)
    }

    fn is_decorator(&self, i: usize) -> bool {
        let names = "Inverter ForceSuccess ForceFailure Repeat RetryUntilSuccessful KeepRunningUntilFailure Delay Timeout \
                     RunOnce Precondition LoopInt LoopBool LoopDouble LoopString SubTree";
        names
            .split_whitespace()
            .any(|name| name == self.nodes[i].kind)
    }

    fn halt_node(&mut self, i: usize) -> R<()> {
        match self.nodes[i].kind.as_str() {
            "TryCatch" => {
                let on_halt = self
                    .port(i, "catch_on_halt", "bool", "false")
                    .and_then(|v| v.truth())
                    .unwrap_or(false);
                let children = self.nodes[i].children.clone();
                if on_halt && !self.nodes[i].on && self.nodes[i].status != Idle {
                    let (last, others) = children.split_last().unwrap();
                    for &child in others {
                        self.reset(child)?;
                    }
                    if self.execute(*last)? == Running {
                        self.reset(*last)?;
                    }
                }
                self.nodes[i].at = 0;
                self.nodes[i].skipped = 0;
                self.nodes[i].on = false;
            }
            "SequenceWithMemory" | "RunOnce" | "Precondition" => {}
            kind if kind.starts_with("Loop") => {}
            _ => {
                let node = &mut self.nodes[i];
                node.at = 0;
                node.skipped = 0;
                node.times = 0;
                node.on = false;
                node.due = None;
                node.successes = 0;
                node.failures = 0;
                node.done.fill(false);
            }
        }
        self.reset_all(i)?;
        self.set(i, Idle);
        self.script(i, "_onHalted")?;
        Ok(())
    }

    fn reset(&mut self, i: usize) -> R<()> {
        if self.nodes[i].status == Running {
            self.halt_node(i)?;
        }
        self.set(i, Idle);
        Ok(())
    }

    fn reset_all(&mut self, i: usize) -> R<()> {
        for child in self.nodes[i].children.clone() {
            self.reset(child)?;
        }
        Ok(())
    }

    /// An input port's value, converted to `info` where it is text.
    fn port(&self, i: usize, port: &str, info: &str, default: &str) -> R<V> {
        let node = &self.nodes[i];
        let text = match node.attributes.get(port) {
            Some(text) => text.as_str(),
            None if default.is_empty() => return Err(format!("missing {port}")),
            None => default,
        };
        let typed = |text: &str| match info {
            "status" => Ok(V::Text(text.to_owned())),
            info => parse(info, text),
        };
        match key_of(port, text) {
            None => typed(text),
            Some(key) => {
                let at = self
                    .boards
                    .find(node.board, key)
                    .ok_or_else(|| format!("no {key}"))?;
                match &self.boards.entry(&at).value {
                    V::Empty => Err(format!("{key} is empty")),
                    V::Text(text) => typed(text),
                    value => Ok(value.clone()),
                }
            }
        }
    }

    fn int(&self, i: usize, port: &str, default: &str) -> R<i64> {
        let n = self.port(i, port, "int", default)?.int()?;
        i32::try_from(n)
            .map(i64::from)
            .map_err(|error| error.to_string())
    }

    fn uint(&self, i: usize, port: &str) -> R<u64> {
        let n = self.port(i, port, "unsigned", "")?.int()?;
        u32::try_from(n)
            .map(u64::from)
            .map_err(|error| error.to_string())
    }

    fn start_timer(&mut self, i: usize, msec: u64) {
        self.nodes[i].due = Some(self.now_ms + msec);
        self.nodes[i].fired = false;
        self.order.push(i);
    }

    fn kind(&mut self, i: usize) -> R<S> {
        let children = self.nodes[i].children.clone();
        let kind = self.nodes[i].kind.clone();
        match kind.as_str() {
            "AlwaysSuccess" => Ok(Success),
            "AlwaysFailure" => Ok(Failure),
            "Script" => {
                if self.nodes[i].attributes["code"].is_empty() {
                    return Ok(Success);
                }
                self.script(i, "code").map(|_| Success)
            }
            "ScriptCondition" => Ok(if self.condition(i, "code")? == Some(true) {
                Success
            } else {
                Failure
            }),
            "Sequence" | "AsyncSequence" => {
                self.chain(i, &children, Success, kind.starts_with("Async"))
            }
            "Fallback" | "AsyncFallback" => {
                self.chain(i, &children, Failure, kind.starts_with("Async"))
            }
            "SequenceWithMemory" => self.sequence_with_memory(i, &children),
            "ReactiveSequence" => self.reactive(i, &children, Success),
            "ReactiveFallback" => self.reactive(i, &children, Failure),
            "Parallel" => self.parallel(i, &children),
            "ParallelAll" => self.parallel_all(i, &children),
            "IfThenElse" => self.if_then_else(i, &children),
            "WhileDoElse" => self.while_do_else(i, &children),
            "TryCatch" => self.try_catch(i, &children),
            "Inverter" => {
                self.set(i, Running);
                let result = match self.execute(children[0])? {
                    Success => Failure,
                    Failure => Success,
                    other => return Ok(other),
                };
                self.reset(children[0])?;
                Ok(result)
            }
            "ForceSuccess" | "ForceFailure" => {
                self.set(i, Running);
                let status = self.execute(children[0])?;
                if status.done() {
                    self.reset(children[0])?;
                    return Ok(if kind == "ForceSuccess" {
                        Success
                    } else {
                        Failure
                    });
                }
                Ok(status)
            }
            "Repeat" => self.again(i, children[0], "num_cycles", Success),
            "RetryUntilSuccessful" => self.again(i, children[0], "num_attempts", Failure),
            "KeepRunningUntilFailure" => {
                self.set(i, Running);
                let status = self.execute(children[0])?;
                if status.done() {
                    self.reset(children[0])?;
                }
                Ok(if status == Failure { Failure } else { Running })
            }
            "SubTree" => {
                if self.nodes[i].status == Idle {
                    self.set(i, Running);
                }
                let status = self.execute(children[0])?;
                if status.done() {
                    self.reset(children[0])?;
                }
                Ok(status)
            }
            "RunOnce" => {
                let then_skip = self
                    .port(i, "then_skip", "bool", "true")
                    .and_then(|v| v.truth())
                    .unwrap_or(true);
                if self.nodes[i].first != Idle {
                    return Ok(if then_skip {
                        Skipped
                    } else {
                        self.nodes[i].first
                    });
                }
                self.set(i, Running);
                let status = self.execute(children[0])?;
                if status.done() {
                    self.nodes[i].first = status;
                    self.reset(children[0])?;
                }
                Ok(status)
            }
            "Precondition" => {
                let V::Text(otherwise) = self.port(i, "else", "status", "FAILURE")? else {
                    return Err("else".into());
                };
                let otherwise = S::read(&otherwise)?;
                if !self.nodes[i].on {
                    self.nodes[i].on = self.condition(i, "if")? == Some(true);
                    if !self.nodes[i].on {
                        return Ok(otherwise);
                    }
                }
                let status = self.execute(children[0])?;
                if status.done() {
                    self.reset(children[0])?;
                    self.nodes[i].on = false;
                }
                Ok(status)
            }
            "Sleep" => match self.nodes[i].status {
                Idle => {
                    let msec = self.uint(i, "msec")?;
                    if msec == 0 {
                        return Ok(Success);
                    }
                    self.set(i, Running);
                    self.start_timer(i, msec);
                    Ok(Running)
                }
                _ => Ok(if self.nodes[i].fired {
                    Success
                } else {
                    Running
                }),
            },
            "Delay" => {
                let msec = self.uint(i, "delay_msec")?;
                if !self.nodes[i].on {
                    self.nodes[i].on = true;
                    self.set(i, Running);
                    self.start_timer(i, msec);
                }
                if !self.nodes[i].fired {
                    return Ok(Running);
                }
                let status = self.execute(children[0])?;
                if status.done() {
                    self.nodes[i].on = false;
                    self.reset(children[0])?;
                }
                Ok(status)
            }
            "Timeout" => {
                let msec = self.uint(i, "msec")?;
                if self.nodes[i].at == 0 {
                    self.nodes[i].at = 1;
                    self.nodes[i].on = false;
                    self.set(i, Running);
                    if msec > 0 {
                        self.start_timer(i, msec);
                    }
                } else if self.nodes[i].on {
                    self.nodes[i].at = 0;
                    return Ok(Failure);
                }
                let status = self.execute(children[0])?;
                if status.done() {
                    self.nodes[i].at = 0;
                    self.nodes[i].due = None;
                    self.reset(children[0])?;
                }
                Ok(status)
            }
            "SkipUnlessUpdated" | "WaitValueUpdate" => {
                if !self.nodes[i].on && !self.updated(i) {
                    return Ok(if kind == "WaitValueUpdate" {
                        Running
                    } else {
                        Skipped
                    });
                }
                let status = self.execute(children[0])?;
                self.nodes[i].on = status == Running;
                Ok(status)
            }
            "WasEntryUpdated" => Ok(if self.updated(i) { Success } else { Failure }),
            "SetBlackboard" => self.set_blackboard(i),
            "UnsetBlackboard" => {
                let key = self.port(i, "key", "string", "")?.text()?;
                let board = self.nodes[i].board;
                self.boards.0[board].entries.remove(&key);
                Ok(Success)
            }
            kind if kind.starts_with("Switch") => self.switch(i, &children),
            kind if kind.starts_with("Loop") => self.go_through(i, children[0], kind),
            other => Err(format!("{other} is unknown")),
        }
    }

    fn chain(&mut self, i: usize, children: &[usize], good: S, asynchronous: bool) -> R<S> {
        if self.nodes[i].status == Idle {
            self.nodes[i].skipped = 0;
        }
        self.set(i, Running);
        while self.nodes[i].at < children.len() {
            let child = children[self.nodes[i].at];
            let was = self.nodes[child].status;
            match self.execute(child)? {
                Running => return Ok(Running),
                Skipped => {
                    self.nodes[i].at += 1;
                    self.nodes[i].skipped += 1;
                }
                status if status == good => {
                    self.nodes[i].at += 1;
                    if asynchronous && was == Idle && self.nodes[i].at < children.len() {
                        return Ok(Running);
                    }
                }
                bad => {
                    self.reset_all(i)?;
                    self.nodes[i].at = 0;
                    return Ok(bad);
                }
            }
        }
        let all = self.nodes[i].skipped == children.len();
        self.reset_all(i)?;
        self.nodes[i].at = 0;
        self.nodes[i].skipped = 0;
        Ok(if all { Skipped } else { good })
    }

    fn sequence_with_memory(&mut self, i: usize, children: &[usize]) -> R<S> {
        if self.nodes[i].status == Idle {
            self.nodes[i].skipped = 0;
        }
        self.set(i, Running);
        while self.nodes[i].at < children.len() {
            let child = children[self.nodes[i].at];
            let was = self.nodes[child].status;
            match self.execute(child)? {
                Running => return Ok(Running),
                Failure => {
                    for &later in &children[self.nodes[i].at..] {
                        self.reset(later)?;
                    }
                    return Ok(Failure);
                }
                Skipped => {
                    self.nodes[i].at += 1;
                    self.nodes[i].skipped += 1;
                }
                _ => {
                    self.nodes[i].at += 1;
                    if was == Idle && self.nodes[i].at < children.len() {
                        return Ok(Running);
                    }
                }
            }
        }
        let all = self.nodes[i].skipped == children.len();
        self.reset_all(i)?;
        self.nodes[i].at = 0;
        self.nodes[i].skipped = 0;
        Ok(if all { Skipped } else { Success })
    }

    fn reactive(&mut self, i: usize, children: &[usize], good: S) -> R<S> {
        self.set(i, Running);
        let mut all = true;
        for (at, &child) in children.iter().enumerate() {
            let status = self.execute(child)?;
            all &= status == Skipped;
            if status == Running {
                for (other, &sibling) in children.iter().enumerate() {
                    if other != at {
                        self.reset(sibling)?;
                    }
                }
                return Ok(Running);
            }
            if status == Skipped {
                self.reset(child)?;
            } else if status != good {
                self.reset_all(i)?;
                return Ok(status);
            }
        }
        self.reset_all(i)?;
        Ok(if all { Skipped } else { good })
    }

    fn parallel(&mut self, i: usize, children: &[usize]) -> R<S> {
        let n = children.len() as i64;
        let (wanted, limit) = (
            self.int(i, "success_count", "-1")?,
            self.int(i, "failure_count", "1")?,
        );
        let real = |count: i64| {
            if count < 0 {
                (n + count + 1).max(0)
            } else {
                count
            }
        };
        if n < real(wanted) || n < real(limit) {
            return Err("threshold".into());
        }
        self.set(i, Running);
        let mut skipped = 0;
        for (at, &child) in children.iter().enumerate() {
            if !self.nodes[i].done[at] {
                let status = self.execute(child)?;
                self.nodes[i].done[at] = status.done();
                self.nodes[i].successes += usize::from(status == Success);
                self.nodes[i].failures += usize::from(status == Failure);
                skipped += i64::from(status == Skipped);
            }
            let (good, bad) = (
                self.nodes[i].successes as i64,
                self.nodes[i].failures as i64,
            );
            let result = if good >= real(wanted) || (wanted < 0 && good + skipped >= real(wanted)) {
                Success
            } else if n - bad < real(wanted) || bad == real(limit) {
                Failure
            } else {
                continue;
            };
            self.clear(i);
            self.reset_all(i)?;
            return Ok(result);
        }
        Ok(if skipped == n { Skipped } else { Running })
    }

    fn clear(&mut self, i: usize) {
        self.nodes[i].done.fill(false);
        self.nodes[i].successes = 0;
        self.nodes[i].failures = 0;
    }

    fn parallel_all(&mut self, i: usize, children: &[usize]) -> R<S> {
        let n = children.len() as i64;
        let limit = self.int(i, "max_failures", "1")?;
        let limit = if limit < 0 {
            (n + limit + 1).max(0)
        } else {
            limit
        };
        if n < limit {
            return Err("threshold".into());
        }
        self.set(i, Running);
        let mut skipped = 0;
        for (at, &child) in children.iter().enumerate() {
            if !self.nodes[i].done[at] {
                let status = self.execute(child)?;
                self.nodes[i].done[at] = status.done();
                self.nodes[i].failures += usize::from(status == Failure);
                skipped += usize::from(status == Skipped);
            }
        }
        if skipped == children.len() {
            return Ok(Skipped);
        }
        if skipped + self.nodes[i].done.iter().filter(|done| **done).count() < children.len() {
            return Ok(Running);
        }
        self.reset_all(i)?;
        let failed = self.nodes[i].failures as i64 >= limit;
        self.clear(i);
        Ok(if failed { Failure } else { Success })
    }

    fn if_then_else(&mut self, i: usize, children: &[usize]) -> R<S> {
        if !(2..=3).contains(&children.len()) {
            return Err("children".into());
        }
        self.set(i, Running);
        if self.nodes[i].at == 0 {
            match self.execute(children[0])? {
                Running => return Ok(Running),
                Success => self.nodes[i].at = 1,
                Failure if children.len() == 3 => self.nodes[i].at = 2,
                Failure => return Ok(Failure),
                _ => return Err("condition skipped".into()),
            }
        }
        let status = self.execute(children[self.nodes[i].at])?;
        if status != Running {
            self.reset_all(i)?;
            self.nodes[i].at = 0;
        }
        Ok(status)
    }

    fn while_do_else(&mut self, i: usize, children: &[usize]) -> R<S> {
        if !(2..=3).contains(&children.len()) {
            return Err("children".into());
        }
        self.set(i, Running);
        let status = match self.execute(children[0])? {
            Running => return Ok(Running),
            Success => {
                if let Some(&other) = children.get(2) {
                    self.reset(other)?;
                }
                self.execute(children[1])?
            }
            Failure if children.len() == 3 => {
                self.reset(children[1])?;
                self.execute(children[2])?
            }
            Failure => Failure,
            _ => Idle,
        };
        if status != Running {
            self.reset_all(i)?;
        }
        Ok(status)
    }

    fn switch(&mut self, i: usize, children: &[usize]) -> R<S> {
        let n: usize = self.nodes[i].kind["Switch".len()..].parse().unwrap();
        if children.len() != n + 1 {
            return Err("children".into());
        }
        let mut chosen = n;
        if let Ok(variable) = self
            .port(i, "variable", "string", "")
            .and_then(|v| v.text())
        {
            for case in 1..=n {
                let value = self
                    .port(i, &format!("case_{case}"), "string", "")
                    .and_then(|v| v.text());
                if value.is_ok_and(|value| same(&variable, &value)) {
                    chosen = case - 1;
                    break;
                }
            }
        }
        let before = self.nodes[i].at;
        if before != 0 && before - 1 != chosen {
            self.reset(children[before - 1])?;
        }
        let status = self.execute(children[chosen])?;
        self.nodes[i].at = if status == Running { chosen + 1 } else { 0 };
        if status.done() {
            self.reset_all(i)?;
        }
        Ok(status)
    }

    fn try_catch(&mut self, i: usize, children: &[usize]) -> R<S> {
        let (&last, tried) = children.split_last().ok_or("children")?;
        if self.nodes[i].status == Idle {
            self.nodes[i].skipped = 0;
            self.nodes[i].on = false;
        }
        self.set(i, Running);
        while !self.nodes[i].on && self.nodes[i].at < tried.len() {
            match self.execute(tried[self.nodes[i].at])? {
                Running => return Ok(Running),
                Failure => {
                    self.reset_all(i)?;
                    self.nodes[i].at = 0;
                    self.nodes[i].on = true;
                }
                status => {
                    self.nodes[i].at += 1;
                    self.nodes[i].skipped += usize::from(status == Skipped);
                }
            }
        }
        if self.nodes[i].on {
            if self.execute(last)? == Running {
                return Ok(Running);
            }
            self.reset_all(i)?;
            self.nodes[i].at = 0;
            self.nodes[i].on = false;
            return Ok(Failure);
        }
        let all = self.nodes[i].skipped == tried.len();
        self.reset_all(i)?;
        self.nodes[i].at = 0;
        self.nodes[i].skipped = 0;
        Ok(if all { Skipped } else { Success })
    }

    fn again(&mut self, i: usize, child: usize, port: &str, good: S) -> R<S> {
        let mut limit = self.int(i, port, "")?;
        let mut more = self.nodes[i].times < limit || limit == -1;
        self.set(i, Running);
        while more {
            let was = self.nodes[child].status;
            let status = self.execute(child)?;
            match status {
                Running => return Ok(Running),
                Skipped => {
                    self.reset(child)?;
                    return Ok(Skipped);
                }
                _ if status == good => {
                    self.nodes[i].times += 1;
                    if good == Failure {
                        limit = self.int(i, port, "").unwrap_or(limit);
                    }
                    more = self.nodes[i].times < limit || limit == -1;
                    self.reset(child)?;
                    if was == Idle && more {
                        return Ok(Running);
                    }
                }
                _ => {
                    self.nodes[i].times = 0;
                    self.reset(child)?;
                    return Ok(status);
                }
            }
        }
        self.nodes[i].times = 0;
        Ok(good)
    }

    fn updated(&mut self, i: usize) -> bool {
        let text = self.nodes[i].attributes["entry"].clone();
        let key = pointer(&text).unwrap_or(&text);
        let Some(at) = self.boards.find(self.nodes[i].board, key) else {
            return false;
        };
        let writes = self.boards.entry(&at).writes;
        std::mem::replace(&mut self.nodes[i].writes, writes) != writes
    }

    fn set_blackboard(&mut self, i: usize) -> R<S> {
        let board = self.nodes[i].board;
        let key = self.port(i, "output_key", "string", "")?.text()?;
        let text = self.nodes[i]
            .attributes
            .get("value")
            .cloned()
            .ok_or("no value")?;
        let mut value = V::Text(text.clone());
        if let Some(source) = pointer(&text) {
            let at = self.boards.find(board, source).ok_or("no source")?;
            let (copy, info) = (
                self.boards.entry(&at).value.clone(),
                self.boards.entry(&at).info,
            );
            if self.boards.find(board, &key).is_none() {
                self.boards.create(board, &key, info)?;
            }
            value = copy;
        }
        if value == V::Empty {
            return Ok(Failure);
        }
        if let (Some(at), V::Text(text)) = (self.boards.find(board, &key), &value) {
            let info = self.boards.entry(&at).info;
            if info != "string" {
                value = if matches!(info, "AnyTypeAllowed" | "status") {
                    V::Empty
                } else {
                    parse(info, text)?
                };
            }
        }
        self.boards.set(board, &key, value, "Any")?;
        Ok(Success)
    }

    fn go_through(&mut self, i: usize, child: usize, kind: &str) -> R<S> {
        let element = match kind {
            "LoopInt" => "int",
            "LoopBool" => "bool",
            "LoopDouble" => "double",
            _ => "string",
        };
        let text = self.nodes[i].attributes["queue"].clone();
        let split = |text: &str| -> R<VecDeque<V>> {
            let mut parts: Vec<&str> = text.split(';').collect();
            if parts.last() == Some(&"") {
                parts.pop();
            }
            parts.into_iter().map(|part| parse(element, part)).collect()
        };
        if self.nodes[i].status == Idle {
            self.nodes[i].on = false;
            self.nodes[i].queue = None;
            if pointer(&text).is_none() {
                self.nodes[i].queue = Some(split(&text)?);
            }
        }
        if !self.nodes[i].on {
            if let (Some(key), None) = (key_of("queue", &text), &self.nodes[i].queue) {
                let at = self
                    .boards
                    .find(self.nodes[i].board, key)
                    .ok_or("no queue")?;
                match self.boards.entry(&at).value.clone() {
                    V::Text(text) => self.nodes[i].queue = Some(split(&text)?),
                    _ => return Err("no queue".into()),
                }
            }
            match self.nodes[i].queue.as_mut().and_then(VecDeque::pop_front) {
                Some(value) => {
                    if let Some(key) = self.nodes[i]
                        .attributes
                        .get("value")
                        .and_then(|text| key_of("value", text))
                    {
                        let (board, key) = (self.nodes[i].board, key.to_owned());
                        self.boards.set(board, &key, value, element)?;
                    }
                }
                None => {
                    let V::Text(word) = self.port(i, "if_empty", "status", "SUCCESS")? else {
                        return Err("if_empty".into());
                    };
                    return S::read(&word);
                }
            }
        }
        if self.nodes[i].status == Idle {
            self.set(i, Running);
        }
        let status = self.execute(child)?;
        self.nodes[i].on = status == Running;
        if status.done() {
            self.reset(child)?;
        }
        Ok(if status == Failure { Failure } else { Running })
    }
}

fn same(a: &str, b: &str) -> bool {
    let int = |text: &str| text.parse::<i32>().ok().filter(|_| !text.starts_with('+'));
    let real = |text: &str| text.parse::<f64>().ok().filter(|_| !text.starts_with('+'));
    a == b
        || int(a).is_some() && int(a) == int(b)
        || matches!((real(a), real(b)), (Some(a), Some(b)) if (a - b).abs() <= f64::from(f32::EPSILON))
}

fn literal(text: &str) -> V {
    if let Some(n) = text.parse::<i64>().ok().filter(|_| !text.starts_with('+')) {
        return V::Int(
            n,
            if i32::try_from(n).is_ok() {
                "int"
            } else {
                "int64"
            },
        );
    }
    match text.parse::<f64>() {
        Ok(x) if !text.starts_with('+') => V::Real(x),
        _ => V::Text(text.to_owned()),
    }
}
