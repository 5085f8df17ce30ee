//! When a `Switch` takes two values for the same.

use std::fmt::Write as _;

use crate::number;
use crate::script::compile::Enums;
use crate::value::Value;

/// A text of bounded length on the stack, so that comparing numbers with texts allocates nothing.
struct Text {
    bytes: [u8; 400],
    length: usize,
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn with_text<T>(value: &Value, then: impl FnOnce(&str) -> T) -> T {
    let mut out = Text {
        bytes: [0; 400],
        length: 0,
    };
    let written = match value {
        Value::Text(text) => return then(text),
        Value::Int(value, _) => write!(out, "{value}"),
        Value::UInt64(value) => write!(out, "{value}"),
        Value::Real(value) => number::write_real(&mut out, *value),
        _ => Err(std::fmt::Error),
    };
    let text = std::str::from_utf8(&out.bytes[..out.length]).unwrap_or_default();
    then(if written.is_ok() { text } else { "" })
}

/// Equal as text, else as 32-bit integers, else as reals within an epsilon; a registered name is its number.
pub(crate) fn equal_in_switch(a: &Value, b: &Value, enums: &Enums) -> bool {
    with_text(a, |a| {
        with_text(b, |b| {
            a == b || equal_ints(a, b, enums) || equal_reals(a, b, enums)
        })
    })
}

fn equal_ints(a: &str, b: &str, enums: &Enums) -> bool {
    let int = |text: &str| {
        let named = enums.get(text).copied();
        named.or_else(|| number::whole_int(text).and_then(|value| i32::try_from(value).ok()))
    };
    matches!((int(a), int(b)), (Some(a), Some(b)) if a == b)
}

fn equal_reals(a: &str, b: &str, enums: &Enums) -> bool {
    let real = |text: &str| {
        enums
            .get(text)
            .map(|&value| f64::from(value))
            .or_else(|| number::whole_real(text))
    };
    matches!((real(a), real(b)), (Some(a), Some(b)) if (a - b).abs() <= f64::from(f32::EPSILON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_equal_by_value_and_texts_by_letters() {
        let equal =
            |a: &str, b: &str| equal_in_switch(&Value::text(a), &Value::text(b), &Enums::new());
        assert!(equal("42", "42.0"));
        assert!(equal("0042", "42"));
        assert!(!equal("42x", "42"));
        assert!(!equal("a", "A"));
        assert!(equal_in_switch(
            &Value::Real(2.0),
            &Value::text("2"),
            &Enums::new()
        ));
        assert!(equal_in_switch(
            &Value::Real(1e308),
            &Value::text("1e308"),
            &Enums::new()
        ));
    }
}
