//! The scripting language, as slowly and plainly as can be: text to tree to value, every time.

use super::board::{Boards, Entry};

/// A value with the type it was made as.
#[derive(Clone, Debug, PartialEq)]
pub enum V {
    Empty,
    Int(i64, &'static str),
    Real(f64),
    Text(String),
}

impl V {
    pub fn real(&self) -> Result<f64, String> {
        match self {
            V::Real(x) => Ok(*x),
            V::Int(n, _) if n.unsigned_abs() < 1 << 53 => Ok(*n as f64),
            V::Int(..) => Err("too large".into()),
            V::Text(t) => number_prefix(t).ok_or_else(|| "no number".into()),
            V::Empty => Err("empty".into()),
        }
    }

    pub fn int(&self) -> Result<i64, String> {
        match self {
            V::Int(n, _) => Ok(*n),
            V::Real(x) if x.fract() == 0.0 && x.abs() < 9.2e18 => Ok(*x as i64),
            V::Text(t) => int_prefix(t).ok_or_else(|| "no integer".into()),
            _ => Err("no integer".into()),
        }
    }

    pub fn truth(&self) -> Result<bool, String> {
        match self {
            V::Int(0, _) => Ok(false),
            V::Int(1, _) => Ok(true),
            V::Real(x) if *x < 0.0 => Err("negative".into()),
            V::Real(x) => Ok(*x != 0.0),
            _ => Err("no truth value".into()),
        }
    }

    pub fn text(&self) -> Result<String, String> {
        match self {
            V::Text(t) => Ok(t.clone()),
            V::Int(n, _) => Ok(n.to_string()),
            V::Real(x) => Ok(format!("{x:.6}")),
            V::Empty => Err("empty".into()),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, V::Int(..) | V::Real(_))
    }

    pub fn copy_into(&self, target: &mut V) -> Result<(), String> {
        match (self, &mut *target) {
            (_, V::Empty) | (V::Text(_), V::Text(_)) => *target = self.clone(),
            (V::Int(n, _), V::Int(slot, _)) => *slot = *n,
            (V::Real(_), V::Int(slot, _)) => *slot = self.int()?,
            (V::Int(..) | V::Real(_), V::Real(slot)) => *slot = self.real()?,
            _ => return Err("types differ".into()),
        }
        Ok(())
    }
}

pub fn int_prefix(t: &str) -> Option<i64> {
    let end = t
        .char_indices()
        .find(|&(i, c)| !(c.is_ascii_digit() || (i == 0 && c == '-')))
        .map_or(t.len(), |(i, _)| i);
    t[..end].parse().ok()
}

pub fn number_prefix(t: &str) -> Option<f64> {
    if t.starts_with(['+', ' ']) {
        return None;
    }
    (1..=t.len())
        .rev()
        .filter(|&end| t.is_char_boundary(end))
        .find_map(|end| {
            let head = &t[..end];
            let plain = head
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
            let word = matches!(
                head.trim_start_matches('-').to_lowercase().as_str(),
                "inf" | "infinity" | "nan"
            );
            if plain || word {
                head.parse().ok()
            } else {
                None
            }
        })
}

#[derive(Clone, Debug)]
enum E {
    Value(V),
    Name(String),
    Unary(char, Box<E>),
    Binary(String, Box<E>, Box<E>),
    Chain(Box<E>, Vec<(String, E)>),
    If(Box<E>, Box<E>, Box<E>),
    Assign(String, Box<E>, Box<E>),
}

/// A script that has been read.
#[derive(Clone, Debug)]
pub struct Script(Vec<E>);

pub fn read(source: &str) -> Result<Script, String> {
    let tokens = tokens(source)?;
    let mut at = 0;
    let mut statements = Vec::new();
    while at < tokens.len() {
        statements.push(expression(&tokens, &mut at, 0)?);
        while tokens.get(at).is_some_and(|t| t == ";") {
            at += 1;
        }
    }
    if statements.is_empty() {
        Err("empty".into())
    } else {
        Ok(Script(statements))
    }
}

fn tokens(source: &str) -> Result<Vec<String>, String> {
    let chars: Vec<char> = source.chars().collect();
    let mut out: Vec<String> = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let start = i;
        if c.is_whitespace() {
            i += 1;
            continue;
        }
        if c == '\'' {
            i += 1;
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            if i == chars.len() {
                return Err("open string".into());
            }
            i += 1;
        } else if c.is_ascii_alphanumeric() || c == '_' || c == '@' {
            while i < chars.len()
                && (chars[i].is_ascii_alphanumeric()
                    || chars[i] == '_'
                    || (i == start && chars[i] == '@'))
            {
                i += 1;
            }
            let number = c.is_ascii_digit();
            let fraction =
                chars.get(i) == Some(&'.') && chars.get(i + 1).is_some_and(char::is_ascii_digit);
            if number && fraction {
                i += 1;
                while i < chars.len() && (chars[i].is_ascii_alphanumeric() || chars[i] == '_') {
                    i += 1;
                }
            }
            let exponent =
                number && !chars[start..i].contains(&'x') && matches!(chars[i - 1], 'e' | 'E');
            if exponent && matches!(chars.get(i), Some('+' | '-')) {
                i += 1;
                while i < chars.len() && chars[i].is_ascii_digit() {
                    i += 1;
                }
            }
        } else {
            let two: String = chars[i..(i + 2).min(chars.len())].iter().collect();
            let known = [
                "..", "&&", "||", "==", "!=", "<=", ">=", ":=", "+=", "-=", "*=", "/=",
            ];
            i += if known.contains(&two.as_str()) { 2 } else { 1 };
            if i == start + 1 && !"+-*/&|^~!<>=?:();".contains(c) {
                return Err(format!("bad character {c}"));
            }
        }
        out.push(chars[start..i].iter().collect());
    }
    Ok(out)
}

const LEVELS: [&[&str]; 9] = [
    &[":=", "=", "+=", "-=", "*=", "/="],
    &["?"],
    &["||"],
    &["&&"],
    &["==", "!=", "<", ">", "<=", ">="],
    &["|", "^"],
    &["&"],
    &["+", "-", ".."],
    &["*", "/"],
];

fn level(token: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&token))
}

fn expression(tokens: &[String], at: &mut usize, loosest: usize) -> Result<E, String> {
    let mut left = operand(tokens, at)?;
    while let Some(token) = tokens.get(*at) {
        let Some(this) = level(token).filter(|&level| level >= loosest) else {
            break;
        };
        if this == 4 {
            let mut links = Vec::new();
            while let Some(token) = tokens.get(*at).filter(|token| level(token) == Some(4)) {
                *at += 1;
                links.push((token.clone(), expression(tokens, at, 5)?));
            }
            left = E::Chain(Box::new(left), links);
            continue;
        }
        *at += 1;
        match this {
            0 => {
                return Ok(E::Assign(
                    token.clone(),
                    Box::new(left),
                    Box::new(expression(tokens, at, 0)?),
                ));
            }
            1 => {
                let then = expression(tokens, at, 0)?;
                if tokens.get(*at).map(String::as_str) != Some(":") {
                    return Err("no ':'".into());
                }
                *at += 1;
                let other = expression(tokens, at, 1)?;
                return Ok(E::If(Box::new(left), Box::new(then), Box::new(other)));
            }
            _ => {
                left = E::Binary(
                    token.clone(),
                    Box::new(left),
                    Box::new(expression(tokens, at, this + 1)?),
                )
            }
        }
    }
    Ok(left)
}

fn operand(tokens: &[String], at: &mut usize) -> Result<E, String> {
    let token = tokens.get(*at).ok_or("ends")?.clone();
    *at += 1;
    let first = token.chars().next().unwrap_or(' ');
    match first {
        '-' | '~' | '!' if token.len() == 1 => {
            Ok(E::Unary(first, Box::new(expression(tokens, at, 9)?)))
        }
        '(' => {
            let inner = expression(tokens, at, 0)?;
            if tokens.get(*at).map(String::as_str) != Some(")") {
                return Err("no ')'".into());
            }
            *at += 1;
            Ok(inner)
        }
        '\'' => Ok(E::Value(V::Text(token[1..token.len() - 1].into()))),
        '0'..='9' => {
            if let Some(hex) = token.strip_prefix("0x").or(token.strip_prefix("0X")) {
                return i64::from_str_radix(hex, 16)
                    .map(|n| E::Value(V::Int(n, "long")))
                    .map_err(|e| e.to_string());
            }
            if token.chars().all(|c| c.is_ascii_digit()) {
                return token
                    .parse()
                    .map(|n| E::Value(V::Int(n, "long")))
                    .map_err(|e| e.to_string());
            }
            token
                .parse()
                .map(|x| E::Value(V::Real(x)))
                .map_err(|_| format!("bad number {token}"))
        }
        _ if token == "true" => Ok(E::Value(V::Real(1.0))),
        _ if token == "false" => Ok(E::Value(V::Real(0.0))),
        c if c.is_ascii_alphabetic() || c == '_' || c == '@' => Ok(E::Name(token)),
        _ => Err(format!("unexpected {token}")),
    }
}

pub fn run(script: &Script, boards: &mut Boards, board: usize) -> Result<V, String> {
    let mut last = V::Empty;
    for statement in &script.0 {
        last = value(statement, boards, board)?;
    }
    Ok(last)
}

fn flag(b: bool) -> V {
    V::Real(f64::from(u8::from(b)))
}

fn value(e: &E, boards: &mut Boards, board: usize) -> Result<V, String> {
    match e {
        E::Value(v) => Ok(v.clone()),
        E::Name(name) => match boards.find(board, name) {
            Some(at) => Ok(boards.entry(&at).value.clone()),
            None => Err(format!("no {name}")),
        },
        E::Unary(op, inner) => {
            let v = value(inner, boards, board)?;
            if !v.is_number() {
                return Err("unary on no number".into());
            }
            let x = v.real()?;
            Ok(match op {
                '-' => V::Real(-x),
                '!' => flag(x == 0.0),
                _ => V::Real(!(x as i64) as f64),
            })
        }
        E::Binary(op, l, r) => {
            let (l, r) = (value(l, boards, board)?, value(r, boards, board)?);
            binary(op, &l, &r)
        }
        E::Chain(first, links) => {
            let mut left = value(first, boards, board)?;
            for (op, right) in links {
                let right = value(right, boards, board)?;
                if !compare(op, &left, &right)? {
                    return Ok(flag(false));
                }
                left = right;
            }
            Ok(flag(true))
        }
        E::If(c, t, o) => {
            let c = value(c, boards, board)?.real()?;
            value(if c != 0.0 { t } else { o }, boards, board)
        }
        E::Assign(op, target, right) => {
            let E::Name(name) = target.as_ref() else {
                return Err("no target".into());
            };
            if boards.find(board, name).is_none() {
                if op != ":=" {
                    return Err(format!("{name} does not exist"));
                }
                boards.create(board, name, "AnyTypeAllowed")?;
            }
            let v = value(right, boards, board)?;
            let at = boards.find(board, name).ok_or("lost")?;
            let entry = boards.entry_mut(&at);
            assign(op, entry, &v)?;
            entry.writes += 1;
            Ok(entry.value.clone())
        }
    }
}

fn assign(op: &str, entry: &mut Entry, v: &V) -> Result<(), String> {
    if *v == V::Empty {
        return Err("right side empty".into());
    }
    if op == ":=" || op == "=" {
        if entry.value == V::Empty && entry.info == "AnyTypeAllowed" {
            entry.value = v.clone();
        } else if let (V::Text(text), false) = (v, matches!(entry.value, V::Text(_))) {
            if !matches!(entry.info, "AnyTypeAllowed" | "status") {
                entry.value = super::board::parse(entry.info, text)?;
            } else if entry.value.is_number() {
                entry.value = V::Real(text_number(text)?);
            } else {
                return Err("string into something else".into());
            }
        } else {
            v.copy_into(&mut entry.value)?;
        }
        return Ok(());
    }
    if entry.value == V::Empty {
        return Err("left side empty".into());
    }
    let result = match v {
        V::Text(right) if op == "+=" => V::Text(entry.value.text()? + right),
        V::Text(_) => return Err("strings know += only".into()),
        _ if !entry.value.is_number() => return Err("no number".into()),
        _ => binary(&op[..1], &entry.value, v)?,
    };
    result.copy_into(&mut entry.value)
}

fn text_number(text: &str) -> Result<f64, String> {
    match text {
        "true" => Ok(1.0),
        "false" => Ok(0.0),
        _ => number_prefix(text).ok_or_else(|| "no number".into()),
    }
}

fn compare(op: &str, l: &V, r: &V) -> Result<bool, String> {
    let by_order = |less: bool, equal: bool| match op {
        "==" => equal,
        "!=" => !equal,
        "<" => less,
        ">" => !less && !equal,
        "<=" => less || equal,
        _ => !less,
    };
    let (a, b) = match (l, r) {
        (V::Empty, _) | (_, V::Empty) => return Err("empty operand".into()),
        (V::Text(a), V::Text(b)) => return Ok(by_order(a.as_bytes() < b.as_bytes(), a == b)),
        (V::Text(a), b) => (text_number(a)?, b.real()?),
        (a, V::Text(b)) => (a.real()?, text_number(b)?),
        (a, b) => (a.real()?, b.real()?),
    };
    let near = (a - b).abs() <= f64::from(f32::EPSILON);
    Ok(match op {
        "==" => near,
        "!=" => !near,
        _ => by_order(a < b, a == b),
    })
}

fn binary(op: &str, l: &V, r: &V) -> Result<V, String> {
    if *l == V::Empty || *r == V::Empty {
        return Err("empty operand".into());
    }
    if !(l.is_number() && r.is_number()) {
        let texts = matches!((l, r), (V::Text(_), V::Text(_)));
        return if op == ".." || (op == "+" && texts) {
            Ok(V::Text(l.text()? + &r.text()?))
        } else {
            Err("not permitted".into())
        };
    }
    let (a, b) = (l.real()?, r.real()?);
    Ok(match op {
        "+" => V::Real(a + b),
        "-" => V::Real(a - b),
        "*" => V::Real(a * b),
        "/" => V::Real(a / b),
        "&" => V::Real((l.int()? & r.int()?) as f64),
        "|" => V::Real((l.int()? | r.int()?) as f64),
        "^" => V::Real((l.int()? ^ r.int()?) as f64),
        "&&" => {
            let (a, b) = (l.truth()?, r.truth()?);
            flag(a && b)
        }
        "||" => {
            let (a, b) = (l.truth()?, r.truth()?);
            flag(a || b)
        }
        _ => V::Empty,
    })
}
