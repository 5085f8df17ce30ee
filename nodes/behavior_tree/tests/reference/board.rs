//! The blackboards: maps by name, looked through every time.

use std::collections::BTreeMap;

use super::script::{V, int_prefix, number_prefix};

#[derive(Clone, Debug)]
pub struct Entry {
    pub value: V,
    pub info: &'static str,
    pub writes: u64,
}

#[derive(Default)]
pub struct Board {
    pub entries: BTreeMap<String, Entry>,
    pub parent: Option<usize>,
    pub remap: BTreeMap<String, String>,
    pub auto: bool,
}

pub struct Boards(pub Vec<Board>);

/// Where an entry is: which board, which key.
pub type At = (usize, String);

pub fn strong(info: &str) -> bool {
    !matches!(info, "AnyTypeAllowed" | "Any")
}

pub fn parse(info: &str, text: &str) -> Result<V, String> {
    let range = |low: i64, high: i64, info| {
        int_prefix(text)
            .filter(|n| low <= *n && *n <= high)
            .map(|n| V::Int(n, info))
            .ok_or_else(|| "no integer".to_owned())
    };
    match info {
        "int" => range(i32::MIN.into(), i32::MAX.into(), "int"),
        "unsigned" => range(0, u32::MAX.into(), "unsigned"),
        "double" => number_prefix(text)
            .map(V::Real)
            .ok_or_else(|| "no real".into()),
        "bool" => match text {
            "1" | "true" | "True" | "TRUE" => Ok(V::Int(1, "bool")),
            "0" | "false" | "False" | "FALSE" => Ok(V::Int(0, "bool")),
            _ => Err("no bool".into()),
        },
        "string" => Ok(V::Text(text.into())),
        _ => Err(format!("{info} takes no text")),
    }
}

impl Boards {
    pub fn find(&self, board: usize, key: &str) -> Option<At> {
        if let Some(rest) = key.strip_prefix('@') {
            return self.find(0, rest);
        }
        let here = &self.0[board];
        if here.entries.contains_key(key) {
            return Some((board, key.into()));
        }
        let parent = here.parent?;
        if let Some(outer) = here.remap.get(key) {
            return self.find(parent, outer);
        }
        if here.auto && !key.starts_with('_') {
            self.find(parent, key)
        } else {
            None
        }
    }

    pub fn entry(&self, at: &At) -> &Entry {
        &self.0[at.0].entries[&at.1]
    }

    pub fn entry_mut(&mut self, at: &At) -> &mut Entry {
        self.0[at.0].entries.get_mut(&at.1).expect("found before")
    }

    pub fn create(&mut self, board: usize, key: &str, info: &'static str) -> Result<At, String> {
        if let Some(rest) = key.strip_prefix('@') {
            return self.create(0, rest, info);
        }
        self.create_literally(board, key, info)
    }

    /// A remapping may lead to a key with '@', which then is a letter as any other.
    fn create_literally(
        &mut self,
        board: usize,
        key: &str,
        info: &'static str,
    ) -> Result<At, String> {
        if let Some(entry) = self.0[board].entries.get(key) {
            if strong(entry.info) && strong(info) && entry.info != info {
                return Err(format!("{key} is {}", entry.info));
            }
            return Ok((board, key.into()));
        }
        if let Some(parent) = self.0[board].parent {
            if let Some(outer) = self.0[board].remap.get(key).cloned() {
                return self.create_literally(parent, &outer, info);
            }
            if self.0[board].auto && !key.starts_with('_') {
                return self.create_literally(parent, key, info);
            }
        }
        self.0[board].entries.insert(
            key.into(),
            Entry {
                value: V::Empty,
                info,
                writes: 0,
            },
        );
        Ok((board, key.into()))
    }

    /// What an output port does.
    pub fn set(
        &mut self,
        board: usize,
        key: &str,
        value: V,
        info: &'static str,
    ) -> Result<(), String> {
        if let Some(rest) = key.strip_prefix('@') {
            return self.set(0, rest, value, info);
        }
        let value_info = match &value {
            V::Int(_, info) => info,
            V::Real(_) => "double",
            V::Text(_) => "string",
            V::Empty => info,
        };
        let Some(entry) = self.0[board].entries.get_mut(key) else {
            let new = match info {
                "string" => "AnyTypeAllowed",
                "Any" => value_info,
                other => other,
            };
            let at = self.create(board, key, new)?;
            let entry = self.entry_mut(&at);
            entry.value = value;
            entry.writes += 1;
            return Ok(());
        };
        entry.writes += 1;
        if !strong(entry.info) {
            entry.info = info;
            entry.value = value;
            return Ok(());
        }
        let mut value = value;
        if entry.info != info && entry.info != value_info {
            match &value {
                V::Text(text) if info == "string" => value = parse(entry.info, text)?,
                V::Int(..) | V::Real(_) if info != "Any" => {
                    value.copy_into(&mut match entry.info {
                        "double" => V::Real(0.0),
                        other => V::Int(0, other),
                    })?;
                }
                _ => return Err(format!("{key} is {}", entry.info)),
            }
        }
        if info == "Any" {
            entry.value = value;
            return Ok(());
        }
        value.copy_into(&mut entry.value)
    }
}
