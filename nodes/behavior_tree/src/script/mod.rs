//! The scripting language: `x := 3; y = x * 2 + 1`.
//!
//! A script is read once, when its tree is loaded ([`lexer`], [`parser`]), turned into code for a small stack machine whose
//! names are already slots of the blackboard ([`compile`]), and run in every tick ([`machine`]).

pub(crate) mod compile;
pub(crate) mod lexer;
pub(crate) mod machine;
pub(crate) mod parser;

/// A script is no script. `offset` is where, in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the script.
    pub offset: usize,
}
