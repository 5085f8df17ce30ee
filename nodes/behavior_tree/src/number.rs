//! Numbers from text, by the rules of C++'s `std::from_chars`: no leading blank, no `+`, and what follows the number
//! is left over rather than an error. Trees in the field rely on `"2.9"` being the integer 2.

/// Reads a leading integer. Gives the value and how many bytes it took.
#[must_use]
pub fn leading_int(text: &str) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let digits = count_digits(&bytes[sign..]);
    if digits == 0 {
        return None;
    }
    let end = sign + digits;
    text[..end].parse().ok().map(|value| (value, end))
}

/// Reads a leading unsigned integer.
#[must_use]
pub fn leading_uint(text: &str) -> Option<u64> {
    let digits = count_digits(text.as_bytes());
    text[..digits].parse().ok()
}

/// Reads a leading real number. Gives the value and how many bytes it took. A value out of range is no number.
#[must_use]
pub fn leading_real(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    if let Some((value, length)) = leading_word(&text[sign..]) {
        return Some((if sign == 1 { -value } else { value }, sign + length));
    }
    let whole = count_digits(&bytes[sign..]);
    let mut end = sign + whole;
    let mut digits = whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = count_digits(&bytes[end + 1..]);
        digits += fraction;
        end += 1 + fraction;
    }
    if digits == 0 {
        return None;
    }
    let mantissa_is_zero = !bytes[sign..end]
        .iter()
        .any(|byte| (b'1'..=b'9').contains(byte));
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent_sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = count_digits(&bytes[end + 1 + exponent_sign..]);
        if exponent > 0 {
            end += 1 + exponent_sign + exponent;
        }
    }
    let value: f64 = text[..end].parse().ok()?;
    let out_of_range = value.is_infinite() || (value == 0.0 && !mantissa_is_zero);
    (!out_of_range).then_some((value, end))
}

/// A text that is wholly a real number.
#[must_use]
pub fn whole_real(text: &str) -> Option<f64> {
    leading_real(text)
        .filter(|&(_, length)| length == text.len())
        .map(|(value, _)| value)
}

/// A text that is wholly an integer.
#[must_use]
pub fn whole_int(text: &str) -> Option<i64> {
    leading_int(text)
        .filter(|&(_, length)| length == text.len())
        .map(|(value, _)| value)
}

fn leading_word(text: &str) -> Option<(f64, usize)> {
    [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ]
    .into_iter()
    .find(|(word, _)| {
        text.get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    })
    .map(|(word, value)| (value, word.len()))
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// A real number as C's `%f` writes it, which is how BehaviorTree.CPP turns reals into text.
pub fn write_real(out: &mut impl std::fmt::Write, value: f64) -> std::fmt::Result {
    if value.is_nan() {
        out.write_str(if value.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        })
    } else {
        write!(out, "{value:.6}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_what_leads() {
        assert_eq!(leading_int("2.9"), Some((2, 1)));
        assert_eq!(leading_int("-3abc"), Some((-3, 2)));
        assert_eq!(leading_int(" 3"), None);
        assert_eq!(leading_int("+3"), None);
        assert_eq!(leading_int("9223372036854775808"), None);
        assert_eq!(leading_uint("-1"), None);
    }

    #[test]
    fn reals_take_what_leads() {
        assert_eq!(leading_real("1e2x"), Some((100.0, 3)));
        assert_eq!(leading_real("1e"), Some((1.0, 1)));
        assert_eq!(leading_real(".5"), Some((0.5, 2)));
        assert_eq!(leading_real("5."), Some((5.0, 2)));
        assert_eq!(leading_real("0x10"), Some((0.0, 1)));
        assert_eq!(leading_real("-inf"), Some((f64::NEG_INFINITY, 4)));
        assert_eq!(leading_real("1e999"), None);
        assert_eq!(leading_real("."), None);
        assert!(whole_real("nan").is_some_and(f64::is_nan));
        assert_eq!(whole_real("1.5 "), None);
    }
}
