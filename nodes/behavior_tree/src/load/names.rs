//! Which names are allowed for what.

/// The pre-conditions in the order in which they are checked.
pub(crate) const PRE_CONDITIONS: [&str; 4] = ["_failureIf", "_successIf", "_skipIf", "_while"];
/// The post-conditions.
pub(crate) const POST_CONDITIONS: [&str; 4] = ["_onHalted", "_onFailure", "_onSuccess", "_post"];

/// Attributes that are never ports.
pub(crate) fn is_reserved(name: &str) -> bool {
    PRE_CONDITIONS.contains(&name)
        || POST_CONDITIONS.contains(&name)
        || matches!(name, "name" | "ID" | "_autoremap")
}

/// The first character that a name of a node, tree or port must not have.
pub(crate) fn forbidden_character(name: &str) -> Option<char> {
    name.chars().find(|&character| {
        character.is_ascii_control()
            || matches!(
                character,
                ' ' | '<' | '>' | '&' | '"' | '\'' | '/' | '\\' | ':' | '*' | '?' | '|' | '.'
            )
    })
}

/// Whether an attribute can be a port: anything else is ignored.
pub(crate) fn is_port_name(name: &str) -> bool {
    name != "name"
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && forbidden_character(name).is_none()
        && !is_reserved(name)
}

/// The key in `{key}`, with blanks around the braces allowed.
pub(crate) fn pointer(text: &str) -> Option<&str> {
    let trimmed = text.trim_matches(' ');
    if trimmed.len() < 3 {
        return None;
    }
    trimmed.strip_prefix('{')?.strip_suffix('}')
}

/// The key that a port's text leads to, if it is no literal. `{=}` and `=` are the key of the port's own name.
pub(crate) fn remapped_key<'a>(port: &'a str, text: &'a str) -> Option<&'a str> {
    if text == "{=}" || text == "=" {
        Some(port)
    } else {
        pointer(text)
    }
}

/// The word of `known` that `name` may have been meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .map(|word| (distance(name, word), word))
        .filter(|&(far, _)| far <= limit)
        .min()
        .map(|(_, word)| word)
}

/// How many letters must be changed, added, removed or swapped with their neighbour; case does not count fully.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (
        a.to_lowercase().chars().collect(),
        b.to_lowercase().chars().collect(),
    );
    if a.len().abs_diff(b.len()) > 3 || a.len() > 100 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + same)
                .min(rows[i - 1][j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["Sequence", "Fallback", "Inverter"];
        assert_eq!(nearest("Sequnce", known.into_iter()), Some("Sequence"));
        assert_eq!(nearest("fallback", known.into_iter()), Some("Fallback"));
        assert_eq!(nearest("Xyz", known.into_iter()), None);
    }

    #[test]
    fn pointers_allow_blanks_outside_only() {
        assert_eq!(pointer(" {x} "), Some("x"));
        assert_eq!(pointer("{ x }"), Some(" x "));
        assert_eq!(pointer("{}"), None);
        assert_eq!(remapped_key("p", "="), Some("p"));
        assert_eq!(remapped_key("p", "x"), None);
    }
}
