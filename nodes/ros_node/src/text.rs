//! Words from outside.

/// At most `limit` characters of `text` in one line, without control characters: it goes into logs, onto screens and into
/// messages, where a NUL would end the process (r2r makes C strings of them).
pub fn printable(text: &str, limit: usize) -> String {
    let one_line = text.trim().chars().take(limit);
    one_line
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_message_can_hold_is_left_out() {
        assert_eq!(printable(" a\0b\nc \u{1b}[31m ", 100), "a b c  [31m");
        assert_eq!(printable("ääää", 2), "ää");
    }
}
