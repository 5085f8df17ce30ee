//! The nodes that come with the engine: their names, categories and ports.

use std::sync::Arc;

use crate::ports::{Direction, Manifest, PortSpec};
use crate::status::Category;
use crate::types::{Type, split_list};
use crate::value::{ConvertError, Value};

/// Which node of the engine's own an ID stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Sequence,
    SequenceWithMemory,
    AsyncSequence,
    ReactiveSequence,
    Fallback,
    AsyncFallback,
    ReactiveFallback,
    Parallel,
    ParallelAll,
    IfThenElse,
    WhileDoElse,
    Switch,
    TryCatch,
    Inverter,
    ForceSuccess,
    ForceFailure,
    Repeat,
    RetryUntilSuccessful,
    KeepRunningUntilFailure,
    Delay,
    Timeout,
    RunOnce,
    Precondition,
    Loop(LoopType),
    SkipUnlessUpdated,
    WaitValueUpdate,
    SubTree,
    AlwaysSuccess,
    AlwaysFailure,
    Sleep,
    Script,
    ScriptCondition,
    SetBlackboard,
    UnsetBlackboard,
    WasEntryUpdated,
}

/// The element type of a `Loop…` node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopType {
    Int,
    Bool,
    Double,
    String,
}

impl LoopType {
    pub(crate) const fn element(self) -> Type {
        match self {
            Self::Int => Type::Int,
            Self::Bool => Type::Bool,
            Self::Double => Type::Double,
            Self::String => Type::String,
        }
    }

    /// The elements of a queue that is written as text: `1;2;3`, and unlike a list never as JSON.
    pub(crate) fn queue(self, text: &str) -> Result<Arc<[Value]>, ConvertError> {
        let element = self.element();
        split_list(text).map(|part| element.parse(part)).collect()
    }
}

fn port(
    name: &str,
    direction: Direction,
    info: Type,
    default: Option<&str>,
    doc: &str,
) -> PortSpec {
    PortSpec {
        name: Arc::from(name),
        direction,
        info,
        default: default.map(Arc::from),
        doc: Arc::from(doc),
    }
}

fn input(name: &str, info: Type, doc: &str) -> PortSpec {
    port(name, Direction::Input, info, None, doc)
}

fn input_or(name: &str, info: Type, default: &str, doc: &str) -> PortSpec {
    port(name, Direction::Input, info, Some(default), doc)
}

fn switch_ports(n_cases: usize) -> Vec<PortSpec> {
    let mut ports = vec![input(
        "variable",
        Type::String,
        "what is compared with the cases, anew in every tick",
    )];
    ports.extend((1..=n_cases).map(|n| {
        input(
            &format!("case_{n}"),
            Type::String,
            "chooses the child of the same number",
        )
    }));
    ports
}

fn loop_ports(element: LoopType) -> Vec<PortSpec> {
    vec![
        port(
            "queue",
            Direction::InOut,
            Type::Untyped,
            None,
            "what to go through: 'a;b;c', or an entry with a queue or list",
        ),
        input_or(
            "if_empty",
            Type::Status,
            "SUCCESS",
            "the result when the queue is empty: SUCCESS, FAILURE or SKIPPED",
        ),
        port(
            "value",
            Direction::Output,
            element.element(),
            None,
            "the element of this round",
        ),
    ]
}

/// Every node of BehaviorTree.CPP 4.10 that can stand in an XML file.
pub(crate) fn all() -> Vec<(Builtin, Manifest)> {
    use Builtin as B;
    use Category::{Action, Condition, Control, Decorator, SubTree};
    let none = Vec::new;
    let entry = || vec![input("entry", Type::Any, "the entry whose writes count")];
    let text = Type::String;
    let table: Vec<(&str, B, Category, Vec<PortSpec>)> = vec![
        ("Sequence", B::Sequence, Control, none()),
        ("SequenceWithMemory", B::SequenceWithMemory, Control, none()),
        ("AsyncSequence", B::AsyncSequence, Control, none()),
        ("ReactiveSequence", B::ReactiveSequence, Control, none()),
        ("Fallback", B::Fallback, Control, none()),
        ("AsyncFallback", B::AsyncFallback, Control, none()),
        ("ReactiveFallback", B::ReactiveFallback, Control, none()),
        (
            "Parallel",
            B::Parallel,
            Control,
            vec![
                input_or(
                    "success_count",
                    Type::Int,
                    "-1",
                    "how many children must succeed; negative: counted from all of them",
                ),
                input_or(
                    "failure_count",
                    Type::Int,
                    "1",
                    "how many must fail for a failure; negative: counted from all",
                ),
            ],
        ),
        (
            "ParallelAll",
            B::ParallelAll,
            Control,
            vec![input_or(
                "max_failures",
                Type::Int,
                "1",
                "how many children must fail for a failure",
            )],
        ),
        ("IfThenElse", B::IfThenElse, Control, none()),
        ("WhileDoElse", B::WhileDoElse, Control, none()),
        ("Switch2", B::Switch, Control, switch_ports(2)),
        ("Switch3", B::Switch, Control, switch_ports(3)),
        ("Switch4", B::Switch, Control, switch_ports(4)),
        ("Switch5", B::Switch, Control, switch_ports(5)),
        ("Switch6", B::Switch, Control, switch_ports(6)),
        (
            "TryCatch",
            B::TryCatch,
            Control,
            vec![input_or(
                "catch_on_halt",
                Type::Bool,
                "false",
                "tick the last child also when halted before it failed",
            )],
        ),
        ("Inverter", B::Inverter, Decorator, none()),
        ("ForceSuccess", B::ForceSuccess, Decorator, none()),
        ("ForceFailure", B::ForceFailure, Decorator, none()),
        (
            "Repeat",
            B::Repeat,
            Decorator,
            vec![input(
                "num_cycles",
                Type::Int,
                "how often the child must succeed; -1: for ever",
            )],
        ),
        (
            "RetryUntilSuccessful",
            B::RetryUntilSuccessful,
            Decorator,
            vec![input(
                "num_attempts",
                Type::Int,
                "how often the child may fail; -1: for ever",
            )],
        ),
        (
            "KeepRunningUntilFailure",
            B::KeepRunningUntilFailure,
            Decorator,
            none(),
        ),
        (
            "Delay",
            B::Delay,
            Decorator,
            vec![input(
                "delay_msec",
                Type::UInt,
                "time before the child is ticked [ms]",
            )],
        ),
        (
            "Timeout",
            B::Timeout,
            Decorator,
            vec![input(
                "msec",
                Type::UInt,
                "time that the child has [ms]; 0: any",
            )],
        ),
        (
            "RunOnce",
            B::RunOnce,
            Decorator,
            vec![input_or(
                "then_skip",
                Type::Bool,
                "true",
                "afterwards: be skipped, or give the first result again",
            )],
        ),
        (
            "Precondition",
            B::Precondition,
            Decorator,
            vec![
                input(
                    "if",
                    text,
                    "the script that must hold when the child is started",
                ),
                input_or(
                    "else",
                    Type::Status,
                    "FAILURE",
                    "the result when it does not",
                ),
            ],
        ),
        (
            "LoopInt",
            B::Loop(LoopType::Int),
            Decorator,
            loop_ports(LoopType::Int),
        ),
        (
            "LoopBool",
            B::Loop(LoopType::Bool),
            Decorator,
            loop_ports(LoopType::Bool),
        ),
        (
            "LoopDouble",
            B::Loop(LoopType::Double),
            Decorator,
            loop_ports(LoopType::Double),
        ),
        (
            "LoopString",
            B::Loop(LoopType::String),
            Decorator,
            loop_ports(LoopType::String),
        ),
        (
            "SkipUnlessUpdated",
            B::SkipUnlessUpdated,
            Decorator,
            entry(),
        ),
        ("WaitValueUpdate", B::WaitValueUpdate, Decorator, entry()),
        (
            "SubTree",
            B::SubTree,
            SubTree,
            vec![input_or(
                "_autoremap",
                Type::Bool,
                "false",
                "entries of the same name are shared with the tree above",
            )],
        ),
        ("AlwaysSuccess", B::AlwaysSuccess, Action, none()),
        ("AlwaysFailure", B::AlwaysFailure, Action, none()),
        (
            "Sleep",
            B::Sleep,
            Action,
            vec![input("msec", Type::UInt, "how long [ms]")],
        ),
        (
            "Script",
            B::Script,
            Action,
            vec![input("code", text, "the script to run")],
        ),
        (
            "ScriptCondition",
            B::ScriptCondition,
            Condition,
            vec![input("code", Type::Untyped, "the script that must hold")],
        ),
        (
            "SetBlackboard",
            B::SetBlackboard,
            Action,
            vec![
                input("value", Type::Untyped, "a literal, or an entry to copy"),
                port(
                    "output_key",
                    Direction::InOut,
                    Type::Untyped,
                    None,
                    "the key to write to",
                ),
            ],
        ),
        (
            "UnsetBlackboard",
            B::UnsetBlackboard,
            Action,
            vec![input("key", text, "the key of the entry to remove")],
        ),
        ("WasEntryUpdated", B::WasEntryUpdated, Action, entry()),
    ];
    table
        .into_iter()
        .map(|(id, builtin, category, ports)| {
            let children = match builtin {
                B::IfThenElse | B::WhileDoElse => Some(2..=3),
                // One a case, and the default last.
                B::Switch => id
                    .strip_prefix("Switch")
                    .and_then(|n| n.parse::<u32>().ok())
                    .map(|n_cases| n_cases + 1..=n_cases + 1),
                _ => None,
            };
            let manifest = Manifest {
                id: Arc::from(id),
                category,
                ports,
                children,
            };
            (builtin, manifest)
        })
        .collect()
}
