//! Runs compiled scripts.

use super::compile::{Enums, Op};
use super::parser::{Assignment, Binary, Comparison, Unary};
use crate::blackboard::{Binding, Blackboard, Slot};
use crate::types::Type;
use crate::value::{ConvertError, Value};

/// Reals that differ by no more than this are equal: the epsilon of `float`, absolute.
const EPSILON: f64 = f32::EPSILON as f64;

/// The longest text that a script makes, so that a loop that doubles one ends in time.
const MAX_TEXT: usize = 1 << 20;

type Result<T> = std::result::Result<T, ConvertError>;

fn error<T>(text: impl Into<String>) -> Result<T> {
    Err(ConvertError::new(text))
}

/// What a script runs on.
pub(crate) struct Machine<'a> {
    pub blackboard: &'a mut Blackboard,
    pub enums: &'a Enums,
    /// Kept from run to run, so that a run allocates nothing.
    pub stack: &'a mut Vec<Value>,
}

impl Machine<'_> {
    /// Runs a script and gives the value of its last statement.
    pub(crate) fn run(&mut self, code: &[Op]) -> Result<Value> {
        if let [Op::CompareEntry { slot, op, number }] = code {
            return self.compare_entry(*slot, *op, *number).map(truth);
        }
        self.stack.clear();
        let mut at = 0;
        while let Some(op) = code.get(at) {
            at += 1;
            match op {
                Op::Push(value) => self.stack.push(value.clone()),
                Op::Load(slot) => {
                    let value = self.load(*slot)?.clone();
                    self.stack.push(value);
                }
                Op::Pop => drop(self.stack.pop()),
                Op::Unary(op) => {
                    let operand = self.pop();
                    self.stack.push(unary(*op, &operand)?);
                }
                Op::Binary(op) => {
                    let (left, right) = self.pop_two();
                    self.stack.push(binary(*op, &left, &right)?);
                }
                Op::Compare(op) => {
                    let (left, right) = self.pop_two();
                    self.stack.push(truth(self.compare(*op, &left, &right)?));
                }
                Op::CompareLink { op, end } => {
                    let (left, right) = self.pop_two();
                    if self.compare(*op, &left, &right)? {
                        self.stack.push(right);
                    } else {
                        self.stack.push(truth(false));
                        at = *end as usize;
                    }
                }
                Op::CompareEntry { slot, op, number } => {
                    let holds = self.compare_entry(*slot, *op, *number)?;
                    self.stack.push(truth(holds));
                }
                Op::JumpUnless(to) => {
                    if self.pop().to_f64()? == 0.0 {
                        at = *to as usize;
                    }
                }
                Op::Jump(to) => at = *to as usize,
                Op::Target { binding, create } => self.target(*binding, *create)?,
                Op::Assign { binding, op } => {
                    let value = self.pop();
                    let stored = self.assign(*binding, *op, &value)?;
                    self.stack.push(stored);
                }
                Op::NoTarget => {
                    return error("only an entry can be assigned to, and the left side is none");
                }
            }
        }
        Ok(self.pop())
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or_default()
    }

    fn pop_two(&mut self) -> (Value, Value) {
        let right = self.pop();
        (self.pop(), right)
    }

    fn load(&self, slot: Slot) -> Result<&Value> {
        match self.blackboard.entry(slot) {
            Some(entry) => Ok(&entry.value),
            None => error(format!(
                "the entry '{}' does not exist",
                self.blackboard.key_of(slot)
            )),
        }
    }

    fn compare_entry(&self, slot: Slot, op: Comparison, number: f64) -> Result<bool> {
        match self.load(slot)? {
            Value::Real(value) => Ok(holds(op, *value, number)),
            value => self.compare(op, value, &Value::Real(number)),
        }
    }

    fn compare(&self, op: Comparison, left: &Value, right: &Value) -> Result<bool> {
        match (left, right) {
            (Value::Empty, _) => error("the left side of a comparison has no value yet"),
            (_, Value::Empty) => error("the right side of a comparison has no value yet"),
            (Value::Text(left), Value::Text(right)) => Ok(match op {
                Comparison::Equal => left == right,
                Comparison::NotEqual => left != right,
                Comparison::Less => left < right,
                Comparison::Greater => left > right,
                Comparison::LessEqual => left <= right,
                Comparison::GreaterEqual => left >= right,
            }),
            (left, right)
                if (left.is_number() || left.is_text())
                    && (right.is_number() || right.is_text()) =>
            {
                Ok(holds(
                    op,
                    as_number(self.enums, left)?,
                    as_number(self.enums, right)?,
                ))
            }
            (left, right) => error(format!(
                "{} and {} do not compare",
                left.type_name(),
                right.type_name()
            )),
        }
    }

    fn target(&mut self, binding: Binding, create: bool) -> Result<()> {
        if self.blackboard.find(binding.slot).is_some() {
            return Ok(());
        }
        if create {
            return self.blackboard.create(binding, Type::Untyped).map(drop);
        }
        let key = self.blackboard.key_of(binding.slot);
        error(format!(
            "the entry '{key}' does not exist yet: ':=' makes a new one, '=' does not"
        ))
    }

    fn assign(&mut self, binding: Binding, op: Assignment, value: &Value) -> Result<Value> {
        let key = binding.slot;
        if value.is_empty() {
            return error("the right side of an assignment has no value");
        }
        let Some(entry) = self.blackboard.entry_mut(key) else {
            return error("the entry was removed while its value was computed");
        };
        match op {
            Assignment::Create | Assignment::Existing => {
                if entry.value.is_empty() && entry.info == Type::Untyped {
                    entry.value = value.clone();
                } else if let (Value::Text(text), false) = (value, entry.value.is_text()) {
                    if entry.info.has_converter() {
                        entry.value = entry.info.parse(text)?;
                    } else if entry.value.is_number() {
                        entry.value = Value::Real(as_number(self.enums, value)?);
                    } else {
                        let target = entry.value.type_name();
                        return error(format!(
                            "the string '{text}' cannot be written to an entry of type {target}"
                        ));
                    }
                } else {
                    value.copy_into(&mut entry.value)?;
                }
            }
            _ => compound(op, value, &mut entry.value)?,
        }
        entry.sequence += 1;
        Ok(entry.value.clone())
    }
}

fn compound(op: Assignment, value: &Value, target: &mut Value) -> Result<()> {
    if target.is_empty() {
        return error("the left side of a compound assignment has no value yet");
    }
    let result = match value {
        Value::Text(right) => {
            if op != Assignment::Add {
                return error("strings know '+=' only");
            }
            join(&target.to_text()?, right)?
        }
        number if number.is_number() => {
            if !target.is_number() {
                return error(format!(
                    "a number cannot be combined with an entry of type {}",
                    target.type_name()
                ));
            }
            let (left, right) = (target.to_f64()?, number.to_f64()?);
            Value::Real(match op {
                Assignment::Add => left + right,
                Assignment::Subtract => left - right,
                Assignment::Multiply => left * right,
                _ => left / right,
            })
        }
        _ => return Ok(()),
    };
    result.copy_into(target)
}

/// A number, or text that stands for one beside a number.
fn as_number(enums: &Enums, value: &Value) -> Result<f64> {
    match value {
        Value::Text(text) => match text.as_ref() {
            "true" => Ok(1.0),
            "false" => Ok(0.0),
            name => match enums.get(name) {
                Some(&number) => Ok(number.into()),
                None => value.to_f64(),
            },
        },
        number => number.to_f64(),
    }
}

const fn truth(value: bool) -> Value {
    Value::Real(if value { 1.0 } else { 0.0 })
}

/// Equality is within an epsilon, order is not; an order with NaN holds, because its opposite does not.
#[allow(clippy::neg_cmp_op_on_partial_ord)]
pub(crate) fn holds(op: Comparison, left: f64, right: f64) -> bool {
    let equal = (left - right).abs() <= EPSILON;
    match op {
        Comparison::Equal => equal,
        Comparison::NotEqual => !equal,
        Comparison::Less => !(left >= right),
        Comparison::Greater => !(left <= right),
        Comparison::LessEqual => !(left > right),
        Comparison::GreaterEqual => !(left < right),
    }
}

fn unary(op: Unary, operand: &Value) -> Result<Value> {
    if !operand.is_number() {
        return error(format!(
            "'-', '~' and '!' take numbers, not {}",
            operand.type_name()
        ));
    }
    let number = operand.to_f64()?;
    Ok(match op {
        Unary::Negate => Value::Real(-number),
        Unary::Not => truth(number == 0.0),
        Unary::BitNot => {
            if !(-9_223_372_036_854_775_808.0..=9_223_372_036_854_775_808.0).contains(&number)
                && !number.is_nan()
            {
                return error("the number is out of range for '~'");
            }
            Value::Real(!(number as i64) as f64)
        }
    })
}

fn binary(op: Binary, left: &Value, right: &Value) -> Result<Value> {
    if left.is_empty() || right.is_empty() {
        let side = if left.is_empty() { "left" } else { "right" };
        return error(format!("the {side} operand has no value yet"));
    }
    if left.is_number() && right.is_number() {
        return arithmetic(op, left, right);
    }
    let joins = match op {
        Binary::Add => left.is_text() && right.is_text(),
        Binary::Concat => {
            (left.is_text() || left.is_number()) && (right.is_text() || right.is_number())
        }
        _ => false,
    };
    if !joins {
        return error(format!(
            "this operator does not take {} and {}",
            left.type_name(),
            right.type_name()
        ));
    }
    join(&left.to_text()?, &right.to_text()?)
}

fn join(left: &str, right: &str) -> Result<Value> {
    if left.len() + right.len() > MAX_TEXT {
        return error(format!("the text is longer than {MAX_TEXT} bytes"));
    }
    Ok(Value::Text([left, right].concat().into()))
}

fn arithmetic(op: Binary, left: &Value, right: &Value) -> Result<Value> {
    let (l, r) = (left.to_f64()?, right.to_f64()?);
    let result = match op {
        Binary::Add => l + r,
        Binary::Subtract => l - r,
        Binary::Multiply => l * r,
        Binary::Divide => l / r,
        Binary::BitAnd | Binary::BitOr | Binary::BitXor => {
            let (Ok(l), Ok(r)) = (left.to_i64(), right.to_i64()) else {
                return error("bit operators take integers only");
            };
            let bits = match op {
                Binary::BitAnd => l & r,
                Binary::BitOr => l | r,
                _ => l ^ r,
            };
            bits as f64
        }
        Binary::And | Binary::Or => {
            let (Ok(l), Ok(r)) = (left.to_bool(), right.to_bool()) else {
                return error("'&&' and '||' take truth values: of the integers only 0 and 1");
            };
            return Ok(truth(if op == Binary::And { l && r } else { l || r }));
        }
        // Two numbers joined give nothing, which only shows where the result is used.
        Binary::Concat => return Ok(Value::Empty),
    };
    Ok(Value::Real(result))
}
