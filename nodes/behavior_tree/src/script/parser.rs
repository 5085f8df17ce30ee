//! Tokens to expressions, by precedence climbing.
//!
//! From loose to tight: assignment, `?:`, `||`, `&&`, comparison, `|` and `^`, `&`, `+ - ..`, `* /`, and the unary
//! operators. Binary operators group to the left, assignment to the right; comparisons chain.

use std::sync::Arc;

use super::SyntaxError;
use super::lexer::{Lexeme, Lexer, Token};
use crate::value::Value;

/// How deep expressions may nest, so that no script exhausts the stack.
const MAX_DEPTH: u32 = 200;

/// An expression, by its place in [`Program::nodes`].
pub(crate) type ExprId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Negate,
    BitNot,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concat,
    BitAnd,
    BitOr,
    BitXor,
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assignment {
    Create,
    Existing,
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr<'s> {
    Literal(Value),
    Name(&'s str),
    Unary(Unary, ExprId),
    Binary(Binary, ExprId, ExprId),
    /// A chain: the first operand, then each link.
    Compare(ExprId, Vec<(Comparison, ExprId)>),
    If(ExprId, ExprId, ExprId),
    Assign(Assignment, ExprId, ExprId),
}

/// A script as expressions. The places are byte offsets, for messages.
#[derive(Debug)]
pub(crate) struct Program<'s> {
    pub nodes: Vec<(Expr<'s>, u32)>,
    pub statements: Vec<ExprId>,
}

const ASSIGNMENT: u8 = 2;
const TERNARY: u8 = 4;
const COMPARISON: u8 = 10;
const PREFIX: u8 = 20;

/// Reads a whole script.
pub(crate) fn parse(source: &str) -> Result<Program<'_>, SyntaxError> {
    let mut lexer = Lexer::new(source);
    let next = lexer.next();
    let mut parser = Parser {
        lexer,
        next,
        depth: 0,
        program: Program {
            nodes: Vec::new(),
            statements: Vec::new(),
        },
    };
    while parser.next.token != Token::End {
        let statement = parser.expression(0)?;
        parser.program.statements.push(statement);
        // Statements need no semicolon between them, and may have several after them.
        while parser.next.token == Token::Semicolon {
            parser.advance();
        }
    }
    if parser.program.statements.is_empty() {
        return Err(SyntaxError {
            message: "the script is empty".into(),
            offset: 0,
        });
    }
    Ok(parser.program)
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    next: Lexeme<'s>,
    depth: u32,
    program: Program<'s>,
}

impl<'s> Parser<'s> {
    fn advance(&mut self) -> Lexeme<'s> {
        std::mem::replace(&mut self.next, self.lexer.next())
    }

    fn add(&mut self, expr: Expr<'s>, offset: usize) -> ExprId {
        self.program.nodes.push((expr, offset as u32));
        (self.program.nodes.len() - 1) as ExprId
    }

    fn error<T>(&self, wanted: &str) -> Result<T, SyntaxError> {
        let Lexeme {
            token,
            text,
            offset,
        } = self.next;
        let message = match token {
            Token::End => format!("{wanted} expected, but the script ends"),
            Token::Wrong if text.starts_with('\'') => {
                format!("the string {text} has no closing quote")
            }
            Token::Wrong if text.starts_with('"') => {
                "strings stand in single quotes: 'text'".into()
            }
            Token::Wrong => format!("'{text}' is nothing a script knows"),
            _ => format!("{wanted} expected, not '{text}'"),
        };
        Err(SyntaxError { message, offset })
    }

    fn expression(&mut self, min_power: u8) -> Result<ExprId, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("the expression nests more than {MAX_DEPTH} levels deep");
            return Err(SyntaxError {
                message,
                offset: self.next.offset,
            });
        }
        let mut left = self.operand()?;
        while let Some(power) = left_power(self.next.token).filter(|&power| power >= min_power) {
            match self.next.token {
                token if assignment(token).is_some() => {
                    left = self.assignment(left)?;
                    break;
                }
                Token::Question => {
                    left = self.ternary(left)?;
                    break;
                }
                token if comparison(token).is_some() => left = self.comparison(left)?,
                _ => {
                    let operator = self.advance();
                    let right = self.expression(power + 1)?;
                    let Some(op) = binary(operator.token) else {
                        return self.error("an operator");
                    };
                    left = self.add(Expr::Binary(op, left, right), operator.offset);
                }
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<ExprId, SyntaxError> {
        let lexeme = self.next;
        let literal = match lexeme.token {
            Token::Minus => return self.unary(Unary::Negate),
            Token::BitNot => return self.unary(Unary::BitNot),
            Token::Not => return self.unary(Unary::Not),
            Token::Open => {
                self.advance();
                let inner = self.expression(0)?;
                if self.next.token != Token::Close {
                    return self.error("')'");
                }
                self.advance();
                return Ok(inner);
            }
            Token::Name => {
                self.advance();
                return Ok(self.add(Expr::Name(lexeme.text), lexeme.offset));
            }
            Token::True => Value::Real(1.0),
            Token::False => Value::Real(0.0),
            Token::Int => Value::int(integer(lexeme.text)),
            Token::Real => match crate::number::leading_real(lexeme.text) {
                Some((value, _)) => Value::Real(value),
                None => {
                    let message = format!("the number {} is out of range", lexeme.text);
                    return Err(SyntaxError {
                        message,
                        offset: lexeme.offset,
                    });
                }
            },
            Token::Text => Value::Text(Arc::from(lexeme.text)),
            _ => return self.error("a value"),
        };
        self.advance();
        Ok(self.add(Expr::Literal(literal), lexeme.offset))
    }

    fn unary(&mut self, op: Unary) -> Result<ExprId, SyntaxError> {
        let operator = self.advance();
        let operand = self.expression(PREFIX)?;
        Ok(self.add(Expr::Unary(op, operand), operator.offset))
    }

    fn assignment(&mut self, target: ExprId) -> Result<ExprId, SyntaxError> {
        let operator = self.advance();
        let value = self.expression(0)?;
        let Some(op) = assignment(operator.token) else {
            return self.error("an assignment");
        };
        Ok(self.add(Expr::Assign(op, target, value), operator.offset))
    }

    fn ternary(&mut self, condition: ExprId) -> Result<ExprId, SyntaxError> {
        let operator = self.advance();
        let then = self.expression(0)?;
        if self.next.token != Token::Colon {
            return self.error("':' and the other value");
        }
        self.advance();
        let other = self.expression(TERNARY)?;
        Ok(self.add(Expr::If(condition, then, other), operator.offset))
    }

    fn comparison(&mut self, first: ExprId) -> Result<ExprId, SyntaxError> {
        let offset = self.next.offset;
        let mut links = Vec::with_capacity(1);
        while let Some(op) = comparison(self.next.token) {
            self.advance();
            links.push((op, self.expression(COMPARISON + 1)?));
        }
        Ok(self.add(Expr::Compare(first, links), offset))
    }
}

/// An integer out of range is 0, as in BehaviorTree.CPP.
fn integer(text: &str) -> i64 {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

const fn left_power(token: Token) -> Option<u8> {
    Some(match token {
        Token::Create
        | Token::Assign
        | Token::AddAssign
        | Token::SubtractAssign
        | Token::MultiplyAssign
        | Token::DivideAssign => ASSIGNMENT,
        Token::Question => TERNARY,
        Token::Or => 6,
        Token::And => 8,
        Token::Equal
        | Token::NotEqual
        | Token::Less
        | Token::Greater
        | Token::LessEqual
        | Token::GreaterEqual => COMPARISON,
        Token::BitOr | Token::BitXor => 12,
        Token::BitAnd => 14,
        Token::Plus | Token::Minus | Token::Concat => 16,
        Token::Times | Token::Divide => 18,
        _ => return None,
    })
}

const fn assignment(token: Token) -> Option<Assignment> {
    Some(match token {
        Token::Create => Assignment::Create,
        Token::Assign => Assignment::Existing,
        Token::AddAssign => Assignment::Add,
        Token::SubtractAssign => Assignment::Subtract,
        Token::MultiplyAssign => Assignment::Multiply,
        Token::DivideAssign => Assignment::Divide,
        _ => return None,
    })
}

const fn comparison(token: Token) -> Option<Comparison> {
    Some(match token {
        Token::Equal => Comparison::Equal,
        Token::NotEqual => Comparison::NotEqual,
        Token::Less => Comparison::Less,
        Token::Greater => Comparison::Greater,
        Token::LessEqual => Comparison::LessEqual,
        Token::GreaterEqual => Comparison::GreaterEqual,
        _ => return None,
    })
}

const fn binary(token: Token) -> Option<Binary> {
    Some(match token {
        Token::Plus => Binary::Add,
        Token::Minus => Binary::Subtract,
        Token::Times => Binary::Multiply,
        Token::Divide => Binary::Divide,
        Token::Concat => Binary::Concat,
        Token::BitAnd => Binary::BitAnd,
        Token::BitOr => Binary::BitOr,
        Token::BitXor => Binary::BitXor,
        Token::And => Binary::And,
        Token::Or => Binary::Or,
        _ => return None,
    })
}
