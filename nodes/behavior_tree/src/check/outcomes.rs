//! Which results a node can give at all: what makes children unreachable and loops endless.

use std::collections::HashMap;
use std::sync::Arc;

use super::elements::literal_status;
use super::scripts;
use crate::builtins::Builtin;
use crate::fault::Severity;
use crate::load::names;
use crate::load::sources::{Finding, Place, Sources};
use crate::registry::{Factory, Maker};
use crate::status::{Category, Status};
use crate::switch::equal_in_switch;
use crate::value::Value;
use crate::xml::{Document, ElementId};

/// The results that a node may come to, leaving errors aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Results {
    success: bool,
    failure: bool,
    skipped: bool,
}

impl Results {
    const ANY: Self = Self {
        success: true,
        failure: true,
        skipped: false,
    };
    const NONE: Self = Self {
        success: false,
        failure: false,
        skipped: false,
    };
    const SKIPPED: Self = Self {
        skipped: true,
        ..Self::NONE
    };
    /// Of what cannot be looked at.
    const UNKNOWN: Self = Self {
        skipped: true,
        ..Self::ANY
    };
    const SUCCESS: Self = Self {
        success: true,
        ..Self::NONE
    };
    const FAILURE: Self = Self {
        failure: true,
        ..Self::NONE
    };

    const fn or(self, other: Self) -> Self {
        Self {
            success: self.success || other.success,
            failure: self.failure || other.failure,
            skipped: self.skipped || other.skipped,
        }
    }

    const fn of(status: Status) -> Self {
        match status {
            Status::Success => Self::SUCCESS,
            Status::Failure => Self::FAILURE,
            Status::Skipped => Self::SKIPPED,
            _ => Self::NONE,
        }
    }
}

/// Deeper than any tree that loads; a chain of sub-trees may be longer.
const MAX_DEPTH: u32 = 1000;

/// `roots`: trees from which all others are reached.
pub(super) fn check(sources: &mut Sources, factory: &Factory, roots: &[Arc<str>]) {
    let mut analysis = Analysis {
        sources,
        factory,
        trees: HashMap::new(),
        found: Vec::new(),
    };
    for id in roots {
        analysis.tree(id, 0, false);
    }
    let mut found = analysis.found;
    sources.findings.append(&mut found);
}

struct Analysis<'a> {
    sources: &'a Sources,
    factory: &'a Factory,
    /// The results of the trees looked at, by whether something outside of them may halt them; nothing while one is being
    /// looked at.
    trees: HashMap<(&'a str, bool), Option<Results>>,
    found: Vec<Finding>,
}

/// Where the analysis is.
#[derive(Clone, Copy)]
struct Here<'a> {
    document: &'a Document,
    number: usize,
    element: ElementId,
    depth: u32,
    /// Whether something above may halt what is here, so that it need not end by itself.
    is_bounded: bool,
}

impl<'a> Analysis<'a> {
    fn warn(&mut self, here: &Here<'_>, code: &'static str, message: String, remedy: &str) {
        self.found.push(Finding {
            document: here.number,
            span: here.document.name_span(here.element),
            severity: Severity::Warning,
            code,
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn tree(&mut self, id: &str, depth: u32, is_bounded: bool) -> Results {
        let Some((
            id,
            &Place {
                document: number,
                element,
            },
        )) = self.sources.trees.get_key_value(id)
        else {
            return Results::UNKNOWN;
        };
        let key = (id.as_ref(), is_bounded);
        if let Some(&known) = self.trees.get(&key) {
            return known.unwrap_or(Results::UNKNOWN);
        }
        let document = &self.sources.documents[number];
        let Some(element) = document.first_child(element) else {
            return Results::UNKNOWN;
        };
        self.trees.insert(key, None);
        let results = self.results(&Here {
            document,
            number,
            element,
            depth,
            is_bounded,
        });
        self.trees.insert(key, Some(results));
        results
    }

    fn results(&mut self, here: &Here<'a>) -> Results {
        if here.depth > MAX_DEPTH {
            return Results::UNKNOWN;
        }
        let is_bounded =
            here.is_bounded || here.document.attribute(here.element, "_while").is_some();
        let of_kind = self.of_kind(&Here {
            is_bounded,
            ..*here
        });
        let mut results = Results::NONE;
        for name in names::PRE_CONDITIONS {
            let Some(script) = here.document.attribute(here.element, name) else {
                continue;
            };
            let met = match name {
                "_failureIf" => Results::FAILURE,
                "_successIf" => Results::SUCCESS,
                _ => Results::SKIPPED,
            };
            // `_while` goes by the opposite.
            let always = scripts::constant(script, self.factory.enums())
                .map(|value| value != (name == "_while"));
            match always {
                Some(true) => {
                    // Of a `_while` that is never true its script says it.
                    if name != "_while" {
                        let message =
                            format!("this node is never ticked: its {name} is always true");
                        self.warn(
                            here,
                            "unreachable",
                            message,
                            "correct the condition, or leave the node out",
                        );
                    }
                    return results.or(met);
                }
                Some(false) => {}
                None => results = results.or(met),
            }
        }
        results.or(of_kind)
    }

    fn of_kind(&mut self, here: &Here<'a>) -> Results {
        let Here {
            document, element, ..
        } = *here;
        let tag = document.name(element);
        let id = match Category::from_element(tag) {
            Some(Category::SubTree) => {
                let id = document.attribute(element, "ID").unwrap_or_default();
                return self.tree(id, here.depth + 1, here.is_bounded);
            }
            Some(_) => document.attribute(element, "ID").unwrap_or_default(),
            None => tag,
        };
        let builtin = match self.factory.registration(id).map(|known| &known.maker) {
            Some(Maker::Builtin(builtin)) => Some(*builtin),
            _ => None,
        };
        let children: Vec<Here<'a>> = document
            .children(element)
            .enumerate()
            .map(|(at, child)| Here {
                element: child,
                depth: here.depth + 1,
                is_bounded: here.is_bounded || may_halt(builtin, at),
                ..*here
            })
            .collect();
        let results: Vec<Results> = children.iter().map(|child| self.results(child)).collect();
        let Some(builtin) = builtin else {
            return Results::ANY;
        };
        let child = results.first().copied().unwrap_or(Results::ANY);
        match builtin {
            Builtin::AlwaysSuccess
            | Builtin::Script
            | Builtin::Sleep
            | Builtin::UnsetBlackboard => Results::SUCCESS,
            Builtin::AlwaysFailure => Results::FAILURE,
            Builtin::Sequence
            | Builtin::AsyncSequence
            | Builtin::SequenceWithMemory
            | Builtin::ReactiveSequence => self.chain(&children, &results, id, Status::Success),
            Builtin::Fallback | Builtin::AsyncFallback | Builtin::ReactiveFallback => {
                self.chain(&children, &results, id, Status::Failure)
            }
            Builtin::Inverter => Results {
                success: child.failure,
                failure: child.success,
                skipped: child.skipped,
            },
            Builtin::ForceSuccess => Results {
                success: child.success || child.failure,
                failure: false,
                ..child
            },
            Builtin::ForceFailure => Results {
                failure: child.success || child.failure,
                success: false,
                ..child
            },
            Builtin::Repeat => self.loops(here, &children, child, Status::Success),
            Builtin::RetryUntilSuccessful => self.loops(here, &children, child, Status::Failure),
            Builtin::KeepRunningUntilFailure => {
                if !child.failure && !here.is_bounded {
                    let message =
                        "KeepRunningUntilFailure of what can never fail: it never ends".to_owned();
                    self.warn(
                        here,
                        "endless",
                        message,
                        "let the child fail when it is to end",
                    );
                }
                Results {
                    failure: child.failure,
                    ..Results::NONE
                }
            }
            Builtin::Timeout => Results {
                failure: true,
                ..child
            },
            Builtin::Delay | Builtin::WaitValueUpdate => child,
            Builtin::RunOnce | Builtin::SkipUnlessUpdated => Results {
                skipped: true,
                ..child
            },
            Builtin::Precondition => {
                let otherwise = literal_status(document, element, "else", Status::Failure);
                child.or(otherwise.map_or(Results::ANY, Results::of))
            }
            Builtin::Loop(_) => {
                let if_empty = literal_status(document, element, "if_empty", Status::Success);
                let empty = if_empty.map_or(Results::ANY, Results::of);
                Results {
                    failure: child.failure,
                    ..Results::NONE
                }
                .or(empty)
            }
            Builtin::IfThenElse if results.len() >= 2 => self.branches(&children, &results, id),
            Builtin::WhileDoElse if results.len() >= 2 => self.branches(&children, &results, id),
            Builtin::Switch if !results.is_empty() => {
                self.same_cases(here, &children);
                results.into_iter().fold(Results::NONE, Results::or)
            }
            _ => Results {
                skipped: !results.is_empty(),
                ..Results::ANY
            },
        }
    }

    /// `Repeat` goes on while its child succeeds, `RetryUntilSuccessful` while it fails: `on` says which it is.
    fn loops(
        &mut self,
        here: &Here<'a>,
        children: &[Here<'a>],
        child: Results,
        on: Status,
    ) -> Results {
        // Without end it comes to what stops it alone.
        let (id, port, verb, end) = if on == Status::Success {
            let end = Results {
                success: false,
                ..child
            };
            ("Repeat", "num_cycles", "fail", end)
        } else {
            let end = Results {
                failure: false,
                ..child
            };
            ("RetryUntilSuccessful", "num_attempts", "succeed", end)
        };
        let count = here.document.attribute(here.element, port);
        let count = count
            .and_then(crate::number::leading_int)
            .map(|(count, _)| count);
        match count {
            Some(-1) => {
                if end == Results::NONE && !here.is_bounded {
                    let message = format!("{id} for ever of what can never {verb}: it never ends");
                    let remedy = format!("give {port} a number, or let the child {verb}");
                    self.warn(here, "endless", message, &remedy);
                }
                end
            }
            Some(count) if count < 1 => {
                for child in children {
                    let message =
                        format!("this child of '{id}' is never ticked: {port} is {count}");
                    self.warn(
                        child,
                        "unreachable",
                        message,
                        "give a number from 1 on, or -1 for ever",
                    );
                }
                Results::of(on)
            }
            Some(_) => child,
            // An entry may hold 0.
            None => child.or(Results::of(on)),
        }
    }

    /// Of two cases that take the same values the second is never chosen.
    fn same_cases(&mut self, here: &Here<'a>, children: &[Here<'a>]) {
        let case = |at: usize| {
            let text = here
                .document
                .attribute(here.element, &format!("case_{}", at + 1))?;
            names::pointer(text).is_none().then(|| Value::text(text))
        };
        let enums = self.factory.enums();
        let cases: Vec<Option<Value>> = (0..children.len().saturating_sub(1)).map(case).collect();
        for (at, child) in children.iter().enumerate() {
            let Some(Some(value)) = cases.get(at) else {
                continue;
            };
            let same = cases[..at].iter().position(|earlier| {
                earlier
                    .as_ref()
                    .is_some_and(|earlier| equal_in_switch(earlier, value, enums))
            });
            if let Some(same) = same {
                let message = format!(
                    "this child of the Switch is never reached: case_{} is the same as case_{}",
                    at + 1,
                    same + 1
                );
                self.warn(
                    child,
                    "unreachable",
                    message,
                    "give each case a value of its own",
                );
            }
        }
    }

    /// Sequences and fallbacks: a child is reached when all before it can be passed.
    fn chain(
        &mut self,
        children: &[Here<'a>],
        results: &[Results],
        id: &str,
        good: Status,
    ) -> Results {
        let passes = |result: &Results| {
            if good == Status::Success {
                result.success
            } else {
                result.failure
            }
        };
        let stops = |result: &Results| {
            if good == Status::Success {
                result.failure
            } else {
                result.success
            }
        };
        let mut any_stop = false;
        let mut all_skipped = true;
        let mut some_pass = false;
        for (at, result) in results.iter().enumerate() {
            any_stop |= stops(result);
            all_skipped &= result.skipped;
            some_pass |= passes(result);
            if !passes(result) && !result.skipped {
                if let Some(next) = children.get(at + 1) {
                    let never = if good == Status::Success {
                        "succeeds"
                    } else {
                        "fails"
                    };
                    let message = format!(
                        "this child of '{id}' is never reached: the one before it never {never}"
                    );
                    self.warn(
                        next,
                        "unreachable",
                        message,
                        "change the order, or leave it out",
                    );
                }
                let stopped = if any_stop {
                    stop_of(good)
                } else {
                    Results::NONE
                };
                return stopped;
            }
        }
        let ends = if some_pass {
            Results::of(good)
        } else {
            Results::NONE
        };
        let stopped = if any_stop {
            stop_of(good)
        } else {
            Results::NONE
        };
        let skipped = Results {
            skipped: all_skipped,
            ..Results::NONE
        };
        ends.or(stopped).or(skipped)
    }

    fn branches(&mut self, children: &[Here<'a>], results: &[Results], id: &str) -> Results {
        if !results[0].success {
            let message =
                format!("this branch of '{id}' is never reached: the condition never succeeds");
            self.warn(
                &children[1],
                "unreachable",
                message,
                "correct the condition",
            );
        }
        if let Some(other) = children.get(2)
            && !results[0].failure
        {
            let message =
                format!("this branch of '{id}' is never reached: the condition never fails");
            self.warn(other, "unreachable", message, "correct the condition");
        }
        let other = results.get(2).copied().unwrap_or(Results::FAILURE);
        results[1].or(other)
    }
}

/// Whether a node may halt its child of this number before that has ended.
const fn may_halt(builtin: Option<Builtin>, child: usize) -> bool {
    match builtin {
        // Of a user's node nobody knows.
        None
        | Some(
            Builtin::Timeout | Builtin::Precondition | Builtin::Parallel | Builtin::ParallelAll,
        ) => true,
        Some(Builtin::ReactiveSequence | Builtin::ReactiveFallback | Builtin::WhileDoElse) => {
            child > 0
        }
        Some(_) => false,
    }
}

const fn stop_of(good: Status) -> Results {
    if matches!(good, Status::Success) {
        Results::FAILURE
    } else {
        Results::SUCCESS
    }
}
