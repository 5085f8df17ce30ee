//! Values in a recording.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};

use crate::types::intern;
use crate::value::{IntType, Opaque, SharedQueue, Value};

/// A value as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Logged {
    Empty,
    Int(i64, IntType),
    UInt64(u64),
    /// As text, which keeps every digit, and infinity.
    Real(String),
    Text(String),
    List(Vec<Self>),
    Json(serde_json::Value),
    /// A queue, by its number.
    Queue(u32),
    /// A value of a user's own type: its number, the type's name.
    Object(u32, String),
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing"),
            Self::Int(value, IntType::Bool) => write!(f, "{}", *value != 0),
            Self::Int(value, _) => write!(f, "{value}"),
            Self::UInt64(value) => write!(f, "{value}"),
            Self::Real(value) => f.write_str(value),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Json(json) => write!(f, "{json}"),
            Self::Queue(number) => write!(f, "queue {number}"),
            Self::Object(number, name) => write!(f, "{name} {number}"),
        }
    }
}

/// Numbers the objects of a run in the order in which they come.
#[derive(Default)]
pub(super) struct Numbering {
    /// With the elements that were written down last.
    queues: Vec<(SharedQueue, Vec<Value>)>,
    /// By address. The weak reference keeps an address from being used for another object.
    objects: HashMap<usize, (Weak<dyn Any + Send + Sync>, u32)>,
}

impl Numbering {
    pub(super) fn log(&mut self, value: &Value) -> Logged {
        match value {
            Value::Empty => Logged::Empty,
            Value::Int(value, of) => Logged::Int(*value, *of),
            Value::UInt64(value) => Logged::UInt64(*value),
            Value::Real(value) => Logged::Real(format!("{value:?}")),
            Value::Text(text) => Logged::Text(text.to_string()),
            Value::List(values) => {
                Logged::List(values.iter().map(|value| self.log(value)).collect())
            }
            Value::Json(json) => Logged::Json(json.as_ref().clone()),
            Value::Queue(queue) => Logged::Queue(self.queue(queue)),
            Value::Opaque(opaque) => {
                let object = opaque.object();
                let next = self.objects.len() as u32;
                let address = Arc::as_ptr(object).cast::<()>().addr();
                let (_, number) = self
                    .objects
                    .entry(address)
                    .or_insert_with(|| (Arc::downgrade(object), next));
                Logged::Object(*number, opaque.type_name().to_owned())
            }
        }
    }

    fn queue(&mut self, queue: &SharedQueue) -> u32 {
        let mut queues = self.queues.iter();
        let known = queues.position(|(known, _)| known.is_same(queue));
        let number = known.unwrap_or_else(|| {
            self.queues.push((queue.clone(), Vec::new()));
            self.queues.len() - 1
        });
        number as u32
    }

    /// The queues whose elements are others than when this was asked last.
    pub(super) fn changed_queues(&mut self) -> Vec<(u32, Vec<Logged>)> {
        let mut changed = Vec::new();
        let mut number = 0;
        // Elements may be queues, which are new then and come last.
        while let Some((queue, last)) = self.queues.get_mut(number) {
            let now = queue.elements();
            let same = now.len() == last.len() && now.iter().zip(&*last).all(|(a, b)| a.is_same(b));
            if !same {
                last.clone_from(&now);
                let now = now.iter().map(|value| self.log(value)).collect();
                changed.push((number as u32, now));
            }
            number += 1;
        }
        changed
    }
}

/// What stands for the objects of a run when it is replayed.
#[derive(Default)]
pub(super) struct Objects {
    queues: HashMap<u32, SharedQueue>,
    objects: HashMap<u32, Value>,
}

impl Objects {
    pub(super) fn value(&mut self, logged: &Logged) -> Value {
        match logged {
            Logged::Empty => Value::Empty,
            Logged::Int(value, of) => Value::Int(*value, *of),
            Logged::UInt64(value) => Value::UInt64(*value),
            Logged::Real(value) => Value::Real(value.parse().unwrap_or(f64::NAN)),
            Logged::Text(text) => Value::text(text),
            Logged::List(values) => {
                Value::List(values.iter().map(|value| self.value(value)).collect())
            }
            Logged::Json(json) => Value::Json(Arc::new(json.clone())),
            Logged::Queue(number) => Value::Queue(self.queues.entry(*number).or_default().clone()),
            Logged::Object(number, name) => self
                .objects
                .entry(*number)
                .or_insert_with(|| Value::Opaque(Opaque::stand_in(intern(name))))
                .clone(),
        }
    }

    pub(super) fn fill(&mut self, queue: u32, elements: &[Logged]) {
        let elements = elements.iter().map(|value| self.value(value)).collect();
        self.queues.entry(queue).or_default().replace(elements);
    }
}
