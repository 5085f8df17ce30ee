//! Which results a node can give at all: what makes children unreachable and loops endless.

use super::elements::literal_status;
use crate::builtins::Builtin;
use crate::fault::Severity;
use crate::load::sources::{Finding, Sources};
use crate::registry::{Factory, Maker};
use crate::status::{Category, Status};
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
            Status::Skipped => Self {
                skipped: true,
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }
}

pub(super) fn check(sources: &mut Sources, factory: &Factory) {
    let mut found = Vec::new();
    for (_, place) in &sources.all_trees {
        let document = &sources.documents[place.document];
        let mut analysis = Analysis {
            document,
            number: place.document,
            factory,
            found: &mut found,
        };
        if let Some(root) = document.first_child(place.element) {
            analysis.results(root, 0);
        }
    }
    sources.findings.append(&mut found);
}

struct Analysis<'a> {
    document: &'a Document,
    number: usize,
    factory: &'a Factory,
    found: &'a mut Vec<Finding>,
}

impl Analysis<'_> {
    fn warn(&mut self, element: ElementId, code: &'static str, message: String, remedy: &str) {
        self.found.push(Finding {
            document: self.number,
            span: self.document.name_span(element),
            severity: Severity::Warning,
            code,
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn results(&mut self, element: ElementId, depth: u32) -> Results {
        // Deeper trees do not load; their fault is told elsewhere.
        if depth > crate::load::verify::MAX_DEPTH {
            return Results {
                skipped: true,
                ..Results::ANY
            };
        }
        let mut results = self.of_kind(element, depth);
        for attribute in self.document.attributes(element) {
            match attribute.name {
                "_failureIf" => results.failure = true,
                "_successIf" => results.success = true,
                "_skipIf" | "_while" => results.skipped = true,
                _ => {}
            }
        }
        results
    }

    fn of_kind(&mut self, element: ElementId, depth: u32) -> Results {
        let document = self.document;
        let tag = document.name(element);
        let id = match Category::from_element(tag) {
            Some(Category::SubTree) => {
                return Results {
                    skipped: true,
                    ..Results::ANY
                };
            }
            Some(_) => document.attribute(element, "ID").unwrap_or_default(),
            None => tag,
        };
        let children: Vec<ElementId> = document.children(element).collect();
        let results: Vec<Results> = children
            .iter()
            .map(|&child| self.results(child, depth + 1))
            .collect();
        let Some(Maker::Builtin(builtin)) = self
            .factory
            .registration(id)
            .map(|registration| &registration.maker)
        else {
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
            Builtin::Repeat => {
                let endless = document.attribute(element, "num_cycles") == Some("-1");
                if endless && !child.failure && !child.skipped {
                    let message =
                        "Repeat for ever of what can never fail: it never ends".to_owned();
                    self.warn(
                        element,
                        "endless",
                        message,
                        "give num_cycles a number, or let the child fail",
                    );
                }
                Results {
                    success: !endless,
                    ..child
                }
            }
            Builtin::RetryUntilSuccessful => {
                let endless = document.attribute(element, "num_attempts") == Some("-1");
                if endless && !child.success && !child.skipped {
                    let message =
                        "RetryUntilSuccessful for ever of what can never succeed: it never ends"
                            .to_owned();
                    self.warn(
                        element,
                        "endless",
                        message,
                        "give num_attempts a number, or let the child succeed",
                    );
                }
                Results {
                    failure: !endless,
                    ..child
                }
            }
            Builtin::KeepRunningUntilFailure => {
                if !child.failure {
                    let message =
                        "KeepRunningUntilFailure of what can never fail: it never ends".to_owned();
                    self.warn(
                        element,
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
            _ => Results {
                skipped: !results.is_empty(),
                ..Results::ANY
            },
        }
    }

    /// Sequences and fallbacks: a child is reached when all before it can be passed.
    fn chain(
        &mut self,
        children: &[ElementId],
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
                if let Some(&next) = children.get(at + 1) {
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

    fn branches(&mut self, children: &[ElementId], results: &[Results], id: &str) -> Results {
        if !results[0].success {
            let message =
                format!("this branch of '{id}' is never reached: the condition never succeeds");
            self.warn(children[1], "unreachable", message, "correct the condition");
        }
        if let Some(&other) = children.get(2)
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

const fn stop_of(good: Status) -> Results {
    if matches!(good, Status::Success) {
        Results::FAILURE
    } else {
        Results::SUCCESS
    }
}
