//! The blackboard: one board for each sub-tree, whose keys may stand for keys of the board above.
//!
//! Where a key leads never changes after loading, so it is looked up once: a [`Binding`] names the slots, and a tick
//! works on slots alone. Whether a slot holds an entry does change: scripts create entries, `UnsetBlackboard` removes
//! them.

use std::collections::HashMap;

use crate::types::Type;
use crate::value::{ConvertError, Value};

/// One board: the entries of the root tree (number 0) or of one sub-tree.
pub type BoardId = u32;
/// The place of one entry.
pub type Slot = u32;

pub(crate) const ROOT_BOARD: BoardId = 0;
const NO_SLOT: Slot = Slot::MAX;

/// What an entry of the blackboard is at this moment.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its value, empty when nobody has written yet.
    pub value: Value,
    /// The type that a port or its first writer gave it.
    pub info: Type,
    /// Counts the writes.
    pub sequence: u64,
    present: bool,
    board: BoardId,
    /// The slot that shows through when this one holds no entry.
    behind: Slot,
}

/// Where a key of one board leads.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where it is read and, if it exists, written.
    pub slot: Slot,
    /// Where it would be created. Differs from `slot` only for a remapping to an `@` key.
    create: Slot,
    /// The board whose own entries are written by the stricter rule.
    board: BoardId,
}

#[derive(Debug, Default)]
struct Board {
    parent: Option<BoardId>,
    remapping: HashMap<Box<str>, Box<str>>,
    autoremap: bool,
    /// The keys of this board's own slots.
    own: HashMap<Box<str>, Slot>,
}

/// All boards of a tree.
#[derive(Debug)]
pub struct Blackboard {
    boards: Vec<Board>,
    entries: Vec<Entry>,
}

impl Default for Blackboard {
    fn default() -> Self {
        Self {
            boards: vec![Board::default()],
            entries: Vec::new(),
        }
    }
}

impl Blackboard {
    /// Adds the board of a sub-tree below `parent`. `remapping` holds pairs of a key here and a key there.
    pub(crate) fn add_board(
        &mut self,
        parent: BoardId,
        remapping: HashMap<Box<str>, Box<str>>,
        autoremap: bool,
    ) -> BoardId {
        let id = self.boards.len() as BoardId;
        self.boards.push(Board {
            parent: Some(parent),
            remapping,
            autoremap,
            own: HashMap::new(),
        });
        id
    }

    /// Makes an entry of a sub-tree's own from a literal parameter. It hides what `_autoremap` would give.
    pub(crate) fn add_literal(&mut self, board: BoardId, key: &str, value: Value) {
        let info = match &value {
            Value::Text(_) => Type::Untyped,
            other => Type::of(other).unwrap_or(Type::Untyped),
        };
        let behind = match self.parent_key(board, key) {
            Some((parent, key)) => self.bind(parent, &key).slot,
            None => NO_SLOT,
        };
        let slot = self.own_slot(board, key);
        self.entries[slot as usize] = Entry {
            value,
            info,
            sequence: 1,
            present: true,
            board,
            behind,
        };
    }

    /// Where a key leads. An absent entry gets a slot all the same.
    pub(crate) fn bind(&mut self, board: BoardId, key: &str) -> Binding {
        if let Some(rest) = key.strip_prefix('@') {
            return self.bind(ROOT_BOARD, rest);
        }
        Binding {
            slot: self.lookup_slot(board, key),
            create: self.create_slot(board, key),
            board,
        }
    }

    fn lookup_slot(&mut self, board: BoardId, key: &str) -> Slot {
        if let Some(rest) = key.strip_prefix('@') {
            return self.lookup_slot(ROOT_BOARD, rest);
        }
        if let Some(&slot) = self.boards[board as usize].own.get(key) {
            return slot;
        }
        match self.parent_key(board, key) {
            Some((parent, key)) => self.lookup_slot(parent, &key),
            None => self.own_slot(board, key),
        }
    }

    /// As [`Self::lookup_slot`], but an `@` that a remapping leads to is an ordinary character: creating an entry
    /// through such a remapping makes one that nothing can find, which the caller reports.
    fn create_slot(&mut self, board: BoardId, key: &str) -> Slot {
        if let Some(&slot) = self.boards[board as usize].own.get(key) {
            return slot;
        }
        match self.parent_key(board, key) {
            Some((parent, key)) => self.create_slot(parent, &key),
            None => self.own_slot(board, key),
        }
    }

    fn parent_key(&self, board: BoardId, key: &str) -> Option<(BoardId, Box<str>)> {
        let board = &self.boards[board as usize];
        let parent = board.parent?;
        if let Some(outer) = board.remapping.get(key) {
            return Some((parent, outer.clone()));
        }
        (board.autoremap && !key.starts_with('_')).then(|| (parent, key.into()))
    }

    fn own_slot(&mut self, board: BoardId, key: &str) -> Slot {
        if let Some(&slot) = self.boards[board as usize].own.get(key) {
            return slot;
        }
        let slot = self.entries.len() as Slot;
        let absent = Entry {
            value: Value::Empty,
            info: Type::Untyped,
            sequence: 0,
            present: false,
            board,
            behind: NO_SLOT,
        };
        self.entries.push(absent);
        self.boards[board as usize].own.insert(key.into(), slot);
        slot
    }

    /// The slot that holds the entry, if there is one.
    pub(crate) fn find(&self, mut slot: Slot) -> Option<Slot> {
        loop {
            let entry = self.entries.get(slot as usize)?;
            if entry.present {
                return Some(slot);
            }
            slot = entry.behind;
        }
    }

    /// The entry in a slot, if there is one.
    pub(crate) fn entry(&self, slot: Slot) -> Option<&Entry> {
        match self.entries.get(slot as usize) {
            Some(entry) if entry.present => Some(entry),
            Some(entry) => self.entry(entry.behind),
            None => None,
        }
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        let slot = self.find(slot)?;
        self.entries.get_mut(slot as usize)
    }

    /// Makes sure that there is an entry, of `info` if it is new. Gives where it is found afterwards.
    /// Errors: it is there with another type, or cannot be found once made.
    pub(crate) fn create(&mut self, binding: Binding, info: Type) -> Result<Slot, ConvertError> {
        self.declare(binding, info)?;
        self.find(binding.slot).ok_or_else(|| {
            ConvertError::new("an entry remapped to '@…' can be created in the root tree only, not through the remapping")
        })
    }

    /// As [`Self::create`], where it matters not whether the entry is found afterwards.
    pub(crate) fn declare(&mut self, binding: Binding, info: Type) -> Result<(), ConvertError> {
        let slot = self.find(binding.create).unwrap_or(binding.create);
        let entry = &mut self.entries[slot as usize];
        if entry.present {
            if entry.info.is_strong() && info.is_strong() && entry.info != info {
                return Err(type_change(&entry.info, &info));
            }
        } else {
            entry.present = true;
            entry.info = info;
        }
        Ok(())
    }

    /// Writes as a node's output port does: `info` is the port's type.
    /// Errors: the entry has another type and the value does not convert.
    pub(crate) fn set(
        &mut self,
        binding: Binding,
        value: Value,
        info: Type,
    ) -> Result<(), ConvertError> {
        let found = self.find(binding.slot);
        let Some(own) = found.filter(|&slot| self.entries[slot as usize].board == binding.board)
        else {
            return self.set_elsewhere(binding, value, info);
        };
        let entry = &mut self.entries[own as usize];
        if !entry.info.is_strong() {
            entry.info = info;
            entry.value = value;
            entry.sequence += 1;
            return Ok(());
        }
        let value_type = Type::of(&value).unwrap_or(info);
        let mut new_value = value;
        if entry.info != info && entry.info != value_type {
            match &new_value {
                Value::Text(text) if info == Type::String && entry.info.has_converter() => {
                    new_value = entry.info.parse(text)?;
                }
                value
                    if info != Type::Any
                        && is_number_type(&info)
                        && converts_safely(value, &entry.info) => {}
                _ => return Err(type_change(&entry.info, &value_type)),
            }
        }
        if info == Type::Any {
            entry.value = new_value;
        } else {
            new_value.copy_into(&mut entry.value)?;
        }
        entry.sequence += 1;
        Ok(())
    }

    /// The entry is new, or belongs to a board above: its type is compared, and the value is taken as it is.
    fn set_elsewhere(
        &mut self,
        binding: Binding,
        value: Value,
        info: Type,
    ) -> Result<(), ConvertError> {
        let new_info = match info {
            Type::String => Type::Untyped,
            Type::Any => Type::of(&value).unwrap_or(Type::Any),
            other => other,
        };
        let slot = self.find(binding.create).unwrap_or(binding.create);
        let entry = &mut self.entries[slot as usize];
        // No value at all is of a type of its own.
        let typed = value.is_empty() || new_info.is_strong();
        if entry.present && entry.info.is_strong() && typed && entry.info != new_info {
            return Err(type_change(&entry.info, &new_info));
        }
        if !entry.present {
            entry.present = true;
            entry.info = new_info;
        }
        entry.value = value;
        entry.sequence += 1;
        Ok(())
    }

    /// Removes an entry of this very board. A key that leads elsewhere is left alone.
    pub(crate) fn unset(&mut self, board: BoardId, key: &str) {
        if let Some(&slot) = self.boards[board as usize].own.get(key) {
            let entry = &mut self.entries[slot as usize];
            entry.present = false;
            entry.value = Value::Empty;
            entry.info = Type::Untyped;
            entry.sequence = 0;
        }
    }

    /// The key of a slot, for messages.
    pub(crate) fn key_of(&self, slot: Slot) -> &str {
        let Some(entry) = self.entries.get(slot as usize) else {
            return "";
        };
        let own = &self.boards[entry.board as usize].own;
        own.iter()
            .find(|&(_, &other)| other == slot)
            .map_or("", |(key, _)| key)
    }

    /// The entries that a board's own keys and its remapped ones lead to.
    #[cfg(feature = "groot2")]
    pub(crate) fn visible_in(&self, board: BoardId) -> impl Iterator<Item = (&str, &Entry)> {
        let remapped = self.boards.get(board as usize).into_iter();
        let remapped = remapped.flat_map(|board| board.remapping.keys());
        let remapped = remapped.filter_map(move |key| Some((key.as_ref(), self.peek(board, key)?)));
        self.entries_of(board).into_iter().chain(remapped)
    }

    /// The entry that a key leads to, without making room for one.
    pub(crate) fn peek(&self, board: BoardId, key: &str) -> Option<&Entry> {
        if let Some(rest) = key.strip_prefix('@') {
            return self.peek(ROOT_BOARD, rest);
        }
        if let Some(&slot) = self.boards.get(board as usize)?.own.get(key) {
            return self.entry(slot);
        }
        let (parent, key) = self.parent_key(board, key)?;
        self.peek(parent, &key)
    }

    /// The entries of one board's own, sorted by key.
    pub(crate) fn entries_of(&self, board: BoardId) -> Vec<(&str, &Entry)> {
        let Some(board) = self.boards.get(board as usize) else {
            return Vec::new();
        };
        let mut entries: Vec<_> = board
            .own
            .iter()
            .map(|(key, &slot)| (key.as_ref(), &self.entries[slot as usize]))
            .filter(|(_, entry)| entry.present)
            .collect();
        entries.sort_unstable_by_key(|&(key, _)| key);
        entries
    }
}

fn type_change(from: &Type, to: &Type) -> ConvertError {
    ConvertError(format!(
        "the type of an entry does not change: it is {}, the new value is {}",
        from.name(),
        to.name()
    ))
}

const fn is_number_type(info: &Type) -> bool {
    matches!(
        info,
        Type::Bool
            | Type::Int
            | Type::UInt
            | Type::Int64
            | Type::UInt64
            | Type::SmallInt(_)
            | Type::Double
    )
}

/// Whether a number survives the way into another number type and back.
fn converts_safely(value: &Value, into: &Type) -> bool {
    let fits = |low: i64, high: i64| {
        value
            .to_i64()
            .is_ok_and(|number| low <= number && number <= high)
    };
    match into {
        Type::Int => fits(i32::MIN.into(), i32::MAX.into()),
        Type::UInt => fits(0, u32::MAX.into()),
        Type::Int64 => value.to_i64().is_ok(),
        Type::UInt64 => value.to_u64().is_ok(),
        Type::Double => value.to_f64().is_ok(),
        Type::SmallInt(_) => {
            into.parse(&value.to_text().unwrap_or_default()).is_ok() && value.to_i64().is_ok()
        }
        _ => false,
    }
}
