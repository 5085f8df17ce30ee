//! Each script by itself: does it read, and can it be true?

use std::collections::{HashMap, HashSet};

use crate::blackboard::{Blackboard, ROOT_BOARD};
use crate::fault::Severity;
use crate::script::compile::{Enums, compile};
use crate::script::machine::Machine;
use crate::script::parser::{Assignment, Binary, Comparison, Expr, ExprId, Program, Unary, parse};
use crate::value::Value;
use crate::xml::{Attr, Span};

pub(super) struct Found {
    pub severity: Severity,
    pub span: Span,
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
}

/// `condition`: its value counts. `is_while`: it is that of a `_while`.
pub(super) fn check(
    attribute: &Attr<'_>,
    condition: bool,
    is_while: bool,
    enums: &Enums,
) -> Vec<Found> {
    let program = match parse(attribute.value) {
        Ok(program) => program,
        Err(error) => {
            let mut span = attribute.value_span;
            if attribute.verbatim {
                span.start = (span.start + error.offset as u32).min(span.end);
                span.end = (span.start + 1).min(attribute.value_span.end.max(span.start));
            }
            let message = format!("the script in '{}': {}", attribute.name, error.message);
            let remedy = "correct the script".to_owned();
            return vec![Found {
                severity: Severity::Error,
                span,
                code: "script",
                message,
                remedy,
            }];
        }
    };
    let mut found = Vec::new();
    let mut report = |severity, code, message: String, remedy: &str| {
        found.push(Found {
            severity,
            span: attribute.value_span,
            code,
            message,
            remedy: remedy.to_owned(),
        });
    };
    for (expr, _) in &program.nodes {
        if let Expr::Assign(_, target, _) = expr
            && !matches!(program.nodes[*target as usize].0, Expr::Name(_))
        {
            let message = "the script assigns to what is no entry".to_owned();
            report(
                Severity::Error,
                "script-assignment",
                message,
                "write a name on the left side; '==' compares",
            );
        }
    }
    if stands_alone(&program, enums) {
        match evaluate(attribute.value, enums) {
            Err(message) => report(
                Severity::Error,
                "script",
                format!("the script always breaks: {message}"),
                "correct the script",
            ),
            Ok(value) if condition => match value.to_bool() {
                Err(error) => report(
                    Severity::Error,
                    "script",
                    format!("the script's value is no condition: {error}"),
                    "compare it",
                ),
                Ok(false) => never(&mut report, is_while),
                Ok(true) => {}
            },
            Ok(_) => {}
        }
    } else if condition
        && let Some(&last) = program.statements.last()
        && contradicts(&program, last)
    {
        never(&mut report, is_while);
    }
    found
}

/// What a condition that reads nothing always gives; nothing where that differs from run to run.
pub(super) fn constant(text: &str, enums: &Enums) -> Option<bool> {
    if !stands_alone(&parse(text).ok()?, enums) {
        return None;
    }
    evaluate(text, enums).ok()?.to_bool().ok()
}

/// Whether a script reads only what it has made itself, so that it does the same every time.
fn stands_alone(program: &Program<'_>, enums: &Enums) -> bool {
    let targets: HashSet<ExprId> = program
        .nodes
        .iter()
        .filter_map(|(expr, _)| {
            if let Expr::Assign(_, target, _) = expr {
                Some(*target)
            } else {
                None
            }
        })
        .collect();
    let mut made: HashSet<&str> = HashSet::new();
    // Operands stand before what they are operands of.
    program
        .nodes
        .iter()
        .enumerate()
        .all(|(id, (expr, _))| match expr {
            Expr::Name(name) => {
                targets.contains(&(id as ExprId))
                    || enums.contains_key(*name)
                    || made.contains(name)
            }
            Expr::Assign(op, target, _) => match &program.nodes[*target as usize].0 {
                Expr::Name(name) if *op == Assignment::Create => {
                    made.insert(name);
                    true
                }
                Expr::Name(name) => made.contains(name),
                _ => false,
            },
            _ => true,
        })
}

fn never(report: &mut impl FnMut(Severity, &'static str, String, &str), is_while: bool) {
    let message = "the script can never be true".to_owned();
    let remedy = if is_while {
        "the node is always skipped: leave it out"
    } else {
        "correct the condition, or leave it out"
    };
    report(Severity::Warning, "never-true", message, remedy);
}

fn evaluate(text: &str, enums: &Enums) -> Result<Value, String> {
    let mut blackboard = Blackboard::default();
    let mut code = Vec::new();
    compile(text, ROOT_BOARD, &mut blackboard, enums, &mut code).map_err(|error| error.message)?;
    let mut stack = Vec::new();
    Machine {
        blackboard: &mut blackboard,
        enums,
        stack: &mut stack,
    }
    .run(&code)
    .map_err(|error| error.0)
}

/// What a name may still be, after the terms of a conjunction.
#[derive(Clone, Copy)]
struct Range {
    low: f64,
    low_open: bool,
    high: f64,
    high_open: bool,
}

impl Range {
    const ALL: Self = Self {
        low: f64::NEG_INFINITY,
        low_open: false,
        high: f64::INFINITY,
        high_open: false,
    };

    fn is_empty(&self) -> bool {
        self.low > self.high + f64::from(f32::EPSILON)
            || (self.low == self.high && (self.low_open || self.high_open))
    }

    fn at_most(&mut self, high: f64, open: bool) {
        if high < self.high || (high == self.high && open) {
            (self.high, self.high_open) = (high, open);
        }
    }

    fn at_least(&mut self, low: f64, open: bool) {
        if low > self.low || (low == self.low && open) {
            (self.low, self.low_open) = (low, open);
        }
    }
}

/// What is known of the names in a script, when some of its terms hold.
#[derive(Clone, Default)]
struct Known<'p> {
    ranges: HashMap<&'p str, Range>,
    texts: HashMap<&'p str, &'p str>,
}

/// Alternatives of `||` are gone through one by one, up to so many.
const MAX_ALTERNATIVES: usize = 256;

/// Whether a condition leaves no value for some name: `x > 5 && (x < 3 || x == 4)`.
fn contradicts(program: &Program<'_>, id: ExprId) -> bool {
    // Each alternative: what is known of it, and the terms that are still to be looked at.
    let mut alternatives = vec![(Known::default(), vec![id])];
    let mut n_alternatives = 1;
    while let Some((mut known, mut terms)) = alternatives.pop() {
        let mut is_possible = true;
        while let Some(term) = terms.pop().filter(|_| is_possible) {
            match &program.nodes[term as usize].0 {
                Expr::Binary(Binary::And, left, right) => terms.extend([*left, *right]),
                Expr::Binary(Binary::Or, left, right) => {
                    n_alternatives += 1;
                    if n_alternatives > MAX_ALTERNATIVES {
                        return false;
                    }
                    let mut others = terms.clone();
                    others.push(*right);
                    alternatives.push((known.clone(), others));
                    terms.push(*left);
                }
                Expr::Compare(first, links) => {
                    let mut left = *first;
                    for (op, right) in links {
                        is_possible &= known.add(program, left, *op, *right);
                        left = *right;
                    }
                }
                _ => {}
            }
        }
        if is_possible {
            return false;
        }
    }
    true
}

impl<'p> Known<'p> {
    /// Adds that a comparison holds. Says whether it can.
    fn add(
        &mut self,
        program: &'p Program<'_>,
        left: ExprId,
        op: Comparison,
        right: ExprId,
    ) -> bool {
        let of = |id: ExprId| &program.nodes[id as usize].0;
        if let (Expr::Name(one), Expr::Name(other)) = (of(left), of(right))
            && one == other
        {
            return !matches!(op, Comparison::Less | Comparison::Greater);
        }
        if let Some((name, text)) =
            name_and_text(program, left, right).filter(|_| op == Comparison::Equal)
        {
            return *self.texts.entry(name).or_insert(text) == text;
        }
        let (name, op, number) = match (
            name_and_number(program, left, right),
            name_and_number(program, right, left),
        ) {
            (Some((name, number)), _) => (name, op, number),
            (None, Some((name, number))) => (name, mirrored(op), number),
            (None, None) => return true,
        };
        let range = self.ranges.entry(name).or_insert(Range::ALL);
        narrow(range, op, number);
        !range.is_empty()
    }
}

fn narrow(range: &mut Range, op: Comparison, number: f64) {
    match op {
        Comparison::Equal => {
            range.at_least(number, false);
            range.at_most(number, false);
        }
        Comparison::Less => range.at_most(number, true),
        Comparison::LessEqual => range.at_most(number, false),
        Comparison::Greater => range.at_least(number, true),
        Comparison::GreaterEqual => range.at_least(number, false),
        Comparison::NotEqual => {}
    }
}

const fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::Greater => Comparison::Less,
        Comparison::LessEqual => Comparison::GreaterEqual,
        Comparison::GreaterEqual => Comparison::LessEqual,
        same => same,
    }
}

fn name_and_number<'p>(
    program: &'p Program<'_>,
    name: ExprId,
    number: ExprId,
) -> Option<(&'p str, f64)> {
    let Expr::Name(name) = &program.nodes[name as usize].0 else {
        return None;
    };
    let number = match &program.nodes[number as usize].0 {
        Expr::Literal(value) if value.is_number() => value.to_f64().ok()?,
        Expr::Unary(Unary::Negate, inner) => match &program.nodes[*inner as usize].0 {
            Expr::Literal(value) if value.is_number() => -value.to_f64().ok()?,
            _ => return None,
        },
        _ => return None,
    };
    Some((name, number))
}

fn name_and_text<'p>(
    program: &'p Program<'_>,
    name: ExprId,
    text: ExprId,
) -> Option<(&'p str, &'p str)> {
    match (
        &program.nodes[name as usize].0,
        &program.nodes[text as usize].0,
    ) {
        (Expr::Name(name), Expr::Literal(Value::Text(text))) => Some((name, text)),
        _ => None,
    }
}
