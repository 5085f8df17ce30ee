//! Expressions to code for the stack machine.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::SyntaxError;
use super::parser::{Assignment, Binary, Comparison, Expr, ExprId, Program, Unary, parse};
use crate::blackboard::{Binding, Blackboard, BoardId, Slot};
use crate::value::Value;

/// The deepest expression that is compiled: a longer chain of operators is refused.
const MAX_HEIGHT: u32 = 1000;

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Push(Value),
    Load(Slot),
    Pop,
    Unary(Unary),
    Binary(Binary),
    /// The last link of a chain: two operands become a truth value.
    Compare(Comparison),
    /// A link with more to come: if it holds, the right operand stays; else the chain is false and ends at `end`.
    CompareLink {
        op: Comparison,
        end: u32,
    },
    /// An entry against a number, the most frequent condition of all.
    CompareEntry {
        slot: Slot,
        op: Comparison,
        number: f64,
    },
    /// Leaves out what follows when the operand is zero.
    JumpUnless(u32),
    Jump(u32),
    /// Looks for the entry to be written, before the value is computed.
    Target {
        binding: Binding,
        create: bool,
    },
    Assign {
        binding: Binding,
        op: Assignment,
    },
    /// The left side of an assignment is no name.
    NoTarget,
}

/// The names of numbers that a program registered.
pub(crate) type Enums = HashMap<Box<str>, i32>;

/// A script in a tree: its code, and its text for messages.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub code: Range<u32>,
    pub text: Arc<str>,
}

/// Reads and compiles a script of a node on `board`. Its code goes to the end of `code`.
pub(crate) fn compile(
    text: &str,
    board: BoardId,
    blackboard: &mut Blackboard,
    enums: &Enums,
    code: &mut Vec<Op>,
) -> Result<Script, SyntaxError> {
    let program = parse(text)?;
    let start = code.len() as u32;
    let mut compiler = Compiler {
        program: &program,
        board,
        blackboard,
        enums,
        code,
        start,
    };
    for (index, &statement) in program.statements.iter().enumerate() {
        if index > 0 {
            compiler.code.push(Op::Pop);
        }
        compiler.expression(statement, 0)?;
    }
    Ok(Script {
        code: start..code.len() as u32,
        text: Arc::from(text),
    })
}

struct Compiler<'a, 's> {
    program: &'a Program<'s>,
    board: BoardId,
    blackboard: &'a mut Blackboard,
    enums: &'a Enums,
    code: &'a mut Vec<Op>,
    start: u32,
}

impl Compiler<'_, '_> {
    /// Jumps are counted from the start of the script.
    fn here(&self) -> u32 {
        self.code.len() as u32 - self.start
    }

    fn slot(&mut self, name: &str) -> Slot {
        self.blackboard.bind(self.board, name).slot
    }

    fn patch(&mut self, at: usize) {
        let here = self.here();
        match &mut self.code[at] {
            Op::Jump(to) | Op::JumpUnless(to) | Op::CompareLink { end: to, .. } => *to = here,
            _ => {}
        }
    }

    fn expression(&mut self, id: ExprId, height: u32) -> Result<(), SyntaxError> {
        let program = self.program;
        let (expr, offset) = &program.nodes[id as usize];
        if height > MAX_HEIGHT {
            let message = format!("the expression has more than {MAX_HEIGHT} operators in a row");
            return Err(SyntaxError {
                message,
                offset: *offset as usize,
            });
        }
        match expr {
            Expr::Literal(value) => self.code.push(Op::Push(value.clone())),
            Expr::Name(name) => {
                let op = match self.enums.get(*name) {
                    Some(&number) => Op::Push(Value::Real(number.into())),
                    None => Op::Load(self.slot(name)),
                };
                self.code.push(op);
            }
            Expr::Unary(op, operand) => {
                self.expression(*operand, height + 1)?;
                self.code.push(Op::Unary(*op));
            }
            Expr::Binary(op, left, right) => {
                self.expression(*left, height + 1)?;
                self.expression(*right, height + 1)?;
                self.code.push(Op::Binary(*op));
            }
            Expr::Compare(first, links) => self.compare(*first, links, height)?,
            Expr::If(condition, then, other) => {
                self.expression(*condition, height + 1)?;
                let unless = self.code.len();
                self.code.push(Op::JumpUnless(0));
                self.expression(*then, height + 1)?;
                let jump = self.code.len();
                self.code.push(Op::Jump(0));
                self.patch(unless);
                self.expression(*other, height + 1)?;
                self.patch(jump);
            }
            Expr::Assign(op, target, value) => {
                let Expr::Name(name) = program.nodes[*target as usize].0 else {
                    self.code.push(Op::NoTarget);
                    return Ok(());
                };
                let binding = self.blackboard.bind(self.board, name);
                self.code.push(Op::Target {
                    binding,
                    create: *op == Assignment::Create,
                });
                self.expression(*value, height + 1)?;
                self.code.push(Op::Assign { binding, op: *op });
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        first: ExprId,
        links: &[(Comparison, ExprId)],
        height: u32,
    ) -> Result<(), SyntaxError> {
        if let [(op, right)] = links
            && let (Expr::Name(name), Expr::Literal(literal)) = (
                &self.program.nodes[first as usize].0,
                &self.program.nodes[*right as usize].0,
            )
            && let Value::Int(..) | Value::Real(_) = literal
            && let Ok(number) = literal.to_f64()
            && !self.enums.contains_key(*name)
        {
            let slot = self.slot(name);
            self.code.push(Op::CompareEntry {
                slot,
                op: *op,
                number,
            });
            return Ok(());
        }
        self.expression(first, height + 1)?;
        let mut ends = Vec::new();
        for (index, (op, operand)) in links.iter().enumerate() {
            self.expression(*operand, height + 1)?;
            if index + 1 == links.len() {
                self.code.push(Op::Compare(*op));
            } else {
                ends.push(self.code.len());
                self.code.push(Op::CompareLink { op: *op, end: 0 });
            }
        }
        for end in ends {
            self.patch(end);
        }
        Ok(())
    }
}
