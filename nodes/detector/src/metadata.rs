//! What Ultralytics writes into a model's metadata: `names`, `imgsz`, `stride`, `task`, as Python literals; others
//! write the same as JSON.

use std::iter::Peekable;
use std::str::Chars;

/// Class names by index from a literal such as `{0: 'person', 1: 'bicycle'}`, `{"0": "person"}` or
/// `['person', 'bicycle']`; `None` when it is none of them, or an index is missing.
pub fn class_names(literal: &str) -> Option<Vec<String>> {
    let mut reader = Reader(literal.chars().peekable());
    let close = match reader.next()? {
        '{' => '}',
        '[' => ']',
        '(' => ')',
        _ => return None,
    };
    let mut entries = Vec::new();
    while reader.peek()? != close {
        let first = reader.scalar()?;
        entries.push(if close == '}' {
            if reader.next()? != ':' {
                return None;
            }
            (first.parse().ok()?, reader.scalar()?)
        } else {
            (entries.len(), first)
        });
        match reader.peek()? {
            ',' => _ = reader.next(),
            end if end == close => {}
            _ => return None,
        }
    }
    reader.next()?;
    if reader.peek().is_some() {
        return None;
    }
    let mut names = vec![None; entries.len()];
    for (index, name) in entries {
        *names.get_mut(index)? = Some(name);
    }
    names.into_iter().collect()
}

/// Reads a literal token by token; space between tokens is passed over.
struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
        self.0.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        self.peek()?;
        self.0.next()
    }

    /// A string in either kind of quotes, or a bare word such as a number or a truth value, which is a name all the same.
    fn scalar(&mut self) -> Option<String> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else {
            let mut word = String::new();
            while let Some(c) = self
                .0
                .next_if(|c| !c.is_whitespace() && !",:{}[]()'\"".contains(*c))
            {
                word.push(c);
            }
            return Some(word).filter(|word| !word.is_empty());
        };
        self.0.next();
        let mut text = String::new();
        loop {
            match self.0.next()? {
                '\\' => text.push(self.escaped()?),
                c if c == quote => return Some(text),
                c => text.push(c),
            }
        }
    }

    /// What stands behind a backslash: Python's and JSON's escapes that a name may hold.
    fn escaped(&mut self) -> Option<char> {
        let kind = self.0.next()?;
        let digits = match kind {
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return Some(other),
        };
        let first = self.hexadecimal(digits)?;
        // JSON writes a character beyond 16 bits as two.
        if (0xd800..0xdc00).contains(&first) {
            if (self.0.next()?, self.0.next()?) != ('\\', 'u') {
                return None;
            }
            let second = self.hexadecimal(4)?.checked_sub(0xdc00)?;
            return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second);
        }
        char::from_u32(first)
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        (0..digits).try_fold(0_u32, |number, _| {
            Some(number.checked_mul(16)? + self.0.next()?.to_digit(16)?)
        })
    }
}

/// Whole numbers from a literal such as `[640, 640]`, `(480, 640)` or `32`.
pub fn integers(literal: &str) -> Vec<usize> {
    literal
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_python_writes_them() {
        let owned = |names: &[&str]| {
            Some(
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            class_names("{0: 'person', 1: 'traffic light'}"),
            owned(&["person", "traffic light"])
        );
        assert_eq!(
            class_names(r#"{1: "baker's box", 0: 'a, b: c'}"#),
            owned(&["a, b: c", "baker's box"])
        );
        assert_eq!(class_names("['ball', 'cup']"), owned(&["ball", "cup"]));
        assert_eq!(
            class_names("{0: 'true', 1: '7', 2: 8, 3: True}"),
            owned(&["true", "7", "8", "True"])
        );
        // Both quotes, a backslash, a line's end, characters of any kind; as Python's `repr` writes them.
        assert_eq!(
            class_names(
                r#"{0: 'a "b" isn\'t', 1: 'C:\\x', 2: 'a\nb', 3: 'Stra\xdfe', 4: '椅子', 5: ''}"#
            ),
            owned(&["a \"b\" isn't", "C:\\x", "a\nb", "Straße", "椅子", ""])
        );
        // As JSON.
        assert_eq!(
            class_names(r#"{"0": "ball", "1": "\u6905 \ud83d\ude00 \/"}"#),
            owned(&["ball", "椅 😀 /"])
        );
        assert_eq!(class_names(r#"["ball","cup",]"#), owned(&["ball", "cup"]));
        assert_eq!(class_names("{}"), owned(&[]));
        for bad in [
            "{0: 'a', 2: 'b'}",
            "hello",
            "{'a': 0}",
            "",
            "{0: ",
            "{-1: 'a'}",
            "{0: 'a'} x",
            "{0: 'a' 1: 'b'}",
            "{0: 'a\\ud83dx'}",
            "{0: ['a']}",
            "[,]",
        ] {
            assert_eq!(class_names(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_as_python_writes_them() {
        assert_eq!(integers("[640, 480]"), [640, 480]);
        assert_eq!(integers("(320,)"), [320]);
        assert_eq!(integers("32"), [32]);
        assert_eq!(integers("none"), [0usize; 0]);
    }
}
