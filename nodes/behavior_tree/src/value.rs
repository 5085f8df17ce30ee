//! The values that the blackboard and scripts hold, and how one turns into another.
//!
//! The rules are those of BehaviorTree.CPP's `Any`: every integer type is kept as 64 bits and remembers which type it was,
//! a conversion that would lose something is an error, and text is read as a number only where a number is asked for.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::number;
use crate::status::Status;

/// The largest integer that a real holds exactly, less one: the limit of arithmetic in scripts.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// Which integer type a value was made as. All are kept in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntType {
    /// `bool`, kept as 0 or 1.
    Bool,
    /// 8 bits, signed.
    I8,
    /// 16 bits, signed.
    I16,
    /// 32 bits, signed: the usual integer port.
    I32,
    /// 64 bits, signed: what scripts make.
    I64,
    /// 8 bits, unsigned.
    U8,
    /// 16 bits, unsigned.
    U16,
    /// 32 bits, unsigned.
    U32,
    /// A [`Status`] by its number.
    Status,
}

/// A queue that several entries and nodes may share, as `LoopInt` and its kin use up.
#[derive(Clone, Debug, Default)]
pub struct SharedQueue(Arc<Mutex<VecDeque<Value>>>);

impl SharedQueue {
    /// A queue with these elements, the first in front.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = Value>) -> Self {
        Self(Arc::new(Mutex::new(values.into_iter().collect())))
    }

    /// Takes the element in front.
    #[must_use]
    pub fn pop_front(&self) -> Option<Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    /// Adds an element at the back.
    pub fn push_back(&self, value: Value) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(value);
    }

    /// How many elements are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether both are one queue.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn elements(&self) -> Vec<Value> {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.iter().cloned().collect()
    }

    pub(crate) fn replace(&self, elements: VecDeque<Value>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = elements;
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value of a user's own type: the engine carries it, and knows its name.
#[derive(Clone)]
pub struct Opaque {
    value: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

impl Opaque {
    /// Stands for a value of which only the type's name is known.
    pub(crate) fn stand_in(type_name: &'static str) -> Self {
        Self {
            value: Arc::new(()),
            type_name,
        }
    }

    pub(crate) const fn object(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.value
    }

    pub(crate) const fn type_name(&self) -> &'static str {
        self.type_name
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.type_name)
    }
}

/// A value on the blackboard or in a script.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing yet: an entry that a port declared and nobody wrote.
    #[default]
    Empty,
    /// An integer, a boolean or a status.
    Int(i64, IntType),
    /// An unsigned 64-bit integer.
    UInt64(u64),
    /// A real number.
    Real(f64),
    /// Text.
    Text(Arc<str>),
    /// A list of numbers, booleans or texts.
    List(Arc<[Value]>),
    /// A structure.
    Json(Arc<serde_json::Value>),
    /// A queue that is used up by who reads it.
    Queue(SharedQueue),
    /// A value of a user's own type.
    Opaque(Opaque),
}

/// A value does not fit where it was to go. The text says what and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConvertError(pub String);

impl ConvertError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

type Converted<T> = Result<T, ConvertError>;

impl Value {
    /// A value of a user's own type, under the name that errors and viewers show.
    #[must_use]
    pub fn opaque<T: Any + Send + Sync>(value: Arc<T>, type_name: &'static str) -> Self {
        Self::Opaque(Opaque { value, type_name })
    }

    /// The user's own value, when it is one of that type.
    #[must_use]
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        match self {
            Self::Opaque(opaque) => Arc::clone(&opaque.value).downcast().ok(),
            _ => None,
        }
    }

    /// A 64-bit integer, as scripts make it.
    #[must_use]
    pub const fn int(value: i64) -> Self {
        Self::Int(value, IntType::I64)
    }

    /// A boolean.
    #[must_use]
    pub const fn bool(value: bool) -> Self {
        Self::Int(value as i64, IntType::Bool)
    }

    /// A text.
    #[must_use]
    pub fn text(value: &str) -> Self {
        Self::Text(Arc::from(value))
    }

    /// A node status.
    #[must_use]
    pub const fn status(value: Status) -> Self {
        Self::Int(value as i64, IntType::Status)
    }

    /// Whether it is the same value of the same kind. Values of users' own types are the same only where they are one
    /// object, since nothing is known of what is in them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Int(a, of_a), Self::Int(b, of_b)) => a == b && of_a == of_b,
            (Self::UInt64(a), Self::UInt64(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Json(a), Self::Json(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.is_same(b))
            }
            (Self::Queue(a), Self::Queue(b)) => a.is_same(b),
            (Self::Opaque(a), Self::Opaque(b)) => Arc::ptr_eq(&a.value, &b.value),
            _ => false,
        }
    }

    /// Nothing there yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// An integer, boolean, status or real.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Int(..) | Self::UInt64(_) | Self::Real(_))
    }

    /// Text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// What kind of value this is, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Int(_, IntType::Bool) => "bool",
            Self::Int(_, IntType::Status) => "NodeStatus",
            Self::Int(..) | Self::UInt64(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Json(_) => "JSON",
            Self::Queue(_) => "queue",
            Self::Opaque(opaque) => opaque.type_name,
        }
    }

    fn cannot(&self, to: &str) -> ConvertError {
        ConvertError(format!("{} cannot be read as {to}", self.described()))
    }

    fn described(&self) -> String {
        match self {
            Self::Int(..) | Self::UInt64(_) | Self::Real(_) => {
                format!(
                    "the {} {}",
                    self.type_name(),
                    self.to_text().unwrap_or_default()
                )
            }
            Self::Text(text) => format!("the string '{text}'"),
            other => format!("a value of type {}", other.type_name()),
        }
    }

    /// As a 64-bit signed integer. Errors: a fraction, out of range, no number.
    pub fn to_i64(&self) -> Converted<i64> {
        match self {
            Self::Int(value, _) => Ok(*value),
            Self::UInt64(value) => {
                i64::try_from(*value).map_err(|_| self.cannot("a signed integer"))
            }
            Self::Real(value) => {
                // The largest i64 is no real number; 2^63 is, and is out of range.
                let in_range =
                    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(value);
                if in_range && value.fract() == 0.0 {
                    Ok(*value as i64)
                } else {
                    Err(self.cannot("an integer"))
                }
            }
            Self::Text(text) => number::leading_int(text)
                .map(|(value, _)| value)
                .ok_or_else(|| self.cannot("an integer")),
            _ => Err(self.cannot("an integer")),
        }
    }

    /// As a 64-bit unsigned integer. Errors: negative, a fraction, out of range, no number.
    pub fn to_u64(&self) -> Converted<u64> {
        let cannot = || self.cannot("an unsigned integer");
        match self {
            Self::Int(value, _) => u64::try_from(*value).map_err(|_| cannot()),
            Self::UInt64(value) => Ok(*value),
            Self::Real(value) => {
                let in_range = (0.0..18_446_744_073_709_551_616.0).contains(value);
                if in_range && value.fract() == 0.0 {
                    Ok(*value as u64)
                } else {
                    Err(cannot())
                }
            }
            Self::Text(text) => number::leading_uint(text).ok_or_else(cannot),
            _ => Err(cannot()),
        }
    }

    /// As a real number. Errors: an integer too large to be exact, no number.
    pub fn to_f64(&self) -> Converted<f64> {
        match self {
            Self::Real(value) => Ok(*value),
            Self::Int(value, _) if value.unsigned_abs() <= MAX_EXACT => Ok(*value as f64),
            Self::UInt64(value) if *value <= MAX_EXACT => Ok(*value as f64),
            Self::Int(..) | Self::UInt64(_) => {
                Err(self.cannot("a real number without losing digits"))
            }
            Self::Text(text) => number::leading_real(text)
                .map(|(value, _)| value)
                .ok_or_else(|| self.cannot("a number")),
            _ => Err(self.cannot("a number")),
        }
    }

    /// As a truth value. Errors: an integer other than 0 and 1, a negative real, no number.
    pub fn to_bool(&self) -> Converted<bool> {
        match self {
            Self::Int(0, _) | Self::UInt64(0) => Ok(false),
            Self::Int(1, _) | Self::UInt64(1) => Ok(true),
            Self::Real(value) if *value < 0.0 => Err(self.cannot("a truth value (it is negative)")),
            Self::Real(value) => Ok(*value != 0.0),
            Self::Int(..) | Self::UInt64(_) => Err(self.cannot("a truth value (only 0 and 1 can)")),
            _ => Err(self.cannot("a truth value")),
        }
    }

    /// As text: integers in decimal, reals with six decimals. Errors: neither text nor number.
    pub fn to_text(&self) -> Converted<Arc<str>> {
        let mut out = String::new();
        let written = match self {
            Self::Text(text) => return Ok(Arc::clone(text)),
            Self::Int(value, _) => write!(out, "{value}"),
            Self::UInt64(value) => write!(out, "{value}"),
            Self::Real(value) => number::write_real(&mut out, *value),
            _ => return Err(self.cannot("a string")),
        };
        written.map_err(|_| self.cannot("a string"))?;
        Ok(out.into())
    }

    /// As a 32-bit signed integer.
    pub fn to_i32(&self) -> Converted<i32> {
        i32::try_from(self.to_i64()?).map_err(|_| self.cannot("an integer of 32 bits"))
    }

    /// As a 32-bit unsigned integer.
    pub fn to_u32(&self) -> Converted<u32> {
        if matches!(self, Self::Real(value) if *value < 0.0) {
            return Err(self.cannot("an unsigned integer"));
        }
        u32::try_from(self.to_i64()?).map_err(|_| self.cannot("an unsigned integer of 32 bits"))
    }

    /// As a node status, from its number or its word.
    pub fn to_status(&self) -> Converted<Status> {
        let cannot = || self.cannot("a node status");
        match self {
            Self::Text(text) => text.parse().map_err(|_| cannot()),
            Self::Int(..) | Self::UInt64(_) | Self::Real(_) => {
                Status::from_number(self.to_i64()?).ok_or_else(cannot)
            }
            _ => Err(cannot()),
        }
    }

    /// Puts this value into `target`, which keeps the type it has: the rule for every write to a typed entry.
    /// Errors: the value cannot be had in that type without loss.
    pub fn copy_into(&self, target: &mut Self) -> Converted<()> {
        match (self, &mut *target) {
            (_, Self::Empty) => *target = self.clone(),
            (Self::Int(value, _), Self::Int(slot, _)) => *slot = *value,
            (Self::Real(value), Self::Real(slot)) => *slot = *value,
            (Self::UInt64(value), Self::UInt64(slot)) => *slot = *value,
            (Self::Text(_), Self::Text(_))
            | (Self::List(_), Self::List(_))
            | (Self::Json(_), Self::Json(_))
            | (Self::Queue(_), Self::Queue(_)) => *target = self.clone(),
            (Self::Opaque(new), Self::Opaque(old)) if new.type_name == old.type_name => {
                *target = self.clone()
            }
            (_, Self::Int(slot, _)) if self.is_number() => *slot = self.to_i64()?,
            (_, Self::UInt64(slot)) if self.is_number() => *slot = self.to_u64()?,
            (_, Self::Real(slot)) if self.is_number() => *slot = self.to_f64()?,
            (_, other) => {
                return Err(ConvertError(format!(
                    "{} cannot be written to an entry of type {}",
                    self.described(),
                    other.type_name()
                )));
            }
        }
        Ok(())
    }

    /// As JSON, for a person or a program to read: reals stay reals, `{"__double": "inf"}` where JSON has no number.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Value as Json, json};
        match self {
            Self::Empty => Json::Null,
            Self::Int(value, IntType::Bool) => json!(*value != 0),
            Self::Int(value, _) => json!(value),
            Self::UInt64(value) => json!(value),
            Self::Real(value) if value.is_finite() => json!(value),
            Self::Real(value) if value.is_nan() => json!({"__double": "nan"}),
            Self::Real(value) => json!({"__double": if *value > 0.0 { "inf" } else { "-inf" }}),
            Self::Text(text) => json!(text.as_ref()),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Json(json) => json.as_ref().clone(),
            Self::Queue(queue) => queue.elements().iter().map(Self::to_json).collect(),
            Self::Opaque(opaque) => json!({"__type": opaque.type_name}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_reals_convert_only_without_loss() {
        assert_eq!(Value::Real(7.0).to_i64(), Ok(7));
        assert!(Value::Real(2.5).to_i64().is_err());
        assert!(Value::Real(f64::NAN).to_i64().is_err());
        assert!(Value::Real(9_223_372_036_854_775_808.0).to_i64().is_err());
        assert!(Value::int(1 << 53).to_f64().is_err());
        assert_eq!(
            Value::int((1 << 53) - 1).to_f64(),
            Ok(9_007_199_254_740_991.0)
        );
    }

    #[test]
    fn only_zero_and_one_are_truth_values_among_integers() {
        assert_eq!(Value::int(1).to_bool(), Ok(true));
        assert!(Value::int(2).to_bool().is_err());
        assert_eq!(Value::Real(0.5).to_bool(), Ok(true));
        assert!(Value::text("true").to_bool().is_err());
    }

    #[test]
    fn a_typed_entry_keeps_its_type() {
        let mut entry = Value::Int(1, IntType::I32);
        Value::Real(3.0).copy_into(&mut entry).unwrap();
        assert!(matches!(entry, Value::Int(3, IntType::I32)));
        assert!(Value::Real(3.5).copy_into(&mut entry).is_err());
        assert!(Value::text("3").copy_into(&mut entry).is_err());
    }

    #[test]
    fn reals_become_text_with_six_decimals() {
        assert_eq!(Value::Real(1.5).to_text().unwrap().as_ref(), "1.500000");
        assert_eq!(
            Value::Real(f64::INFINITY).to_text().unwrap().as_ref(),
            "inf"
        );
        assert_eq!(Value::bool(true).to_text().unwrap().as_ref(), "1");
    }
}
