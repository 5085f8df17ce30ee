//! The types that ports and entries are declared with, and how text becomes a value of such a type.

use std::any::{Any, TypeId};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::number;
use crate::status::Status;
use crate::value::{ConvertError, IntType, Opaque, SharedQueue, Value};

/// The type a port was declared with, or an entry of the blackboard has.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Any value, at any time (`AnyTypeAllowed`): what scripts make, and ports without a type.
    Untyped,
    /// A port that takes any value as it is (`BT::Any`).
    Any,
    /// `bool`
    Bool,
    /// `int`, 32 bits
    Int,
    /// `unsigned int`, 32 bits
    UInt,
    /// `int64_t`
    Int64,
    /// `uint64_t`
    UInt64,
    /// Smaller integer types, by their value's type.
    SmallInt(IntType),
    /// `double`
    Double,
    /// `std::string`
    String,
    /// `NodeStatus`
    Status,
    /// `std::vector<int>`: `1;2;3`
    IntList,
    /// `std::vector<double>`
    DoubleList,
    /// `std::vector<bool>`
    BoolList,
    /// `std::vector<std::string>`
    StringList,
    /// JSON, as `json:{…}`
    Json,
    /// A queue that is used up.
    Queue,
    /// A user's own type.
    User(UserType),
}

/// A user's own type: its name, its identity, and how text becomes one, if it can.
#[derive(Clone, Copy, Debug)]
pub struct UserType {
    name: &'static str,
    id: TypeId,
    /// None where only the name of the type is known.
    parse: Option<Parse>,
}

type Parse = fn(&str) -> Result<Value, String>;

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::User(a), Self::User(b)) => a.id == b.id && a.name == b.name,
            (Self::SmallInt(a), Self::SmallInt(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Type {
    /// The name that BehaviorTree.CPP and Groot2 show.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Untyped => "AnyTypeAllowed",
            Self::Any => "BT::Any",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "unsigned int",
            Self::Int64 => "int64_t",
            Self::UInt64 => "uint64_t",
            Self::SmallInt(IntType::I8) => "int8_t",
            Self::SmallInt(IntType::I16) => "int16_t",
            Self::SmallInt(IntType::U8) => "uint8_t",
            Self::SmallInt(_) => "uint16_t",
            Self::Double => "double",
            Self::String => "std::string",
            Self::Status => "BT::NodeStatus",
            Self::IntList => "std::vector<int>",
            Self::DoubleList => "std::vector<double>",
            Self::BoolList => "std::vector<bool>",
            Self::StringList => "std::vector<std::string>",
            Self::Json => "json",
            Self::Queue => "queue",
            Self::User(user) => user.name,
        }
    }

    /// Whether an entry of this type refuses values of other types.
    #[must_use]
    pub const fn is_strong(&self) -> bool {
        !matches!(self, Self::Untyped | Self::Any)
    }

    /// Whether text assigned to an entry of this type is converted (or refused) by it.
    #[must_use]
    pub const fn has_converter(&self) -> bool {
        !matches!(self, Self::Untyped | Self::Status | Self::Queue)
    }

    /// The type of that name in a recording: a name that is none of the types here is a user's type, of which no more
    /// than the name is known.
    pub(crate) fn recorded(name: &str) -> Self {
        let types = [
            Self::Untyped,
            Self::Any,
            Self::Bool,
            Self::Int,
            Self::UInt,
            Self::Int64,
            Self::UInt64,
            Self::SmallInt(IntType::I8),
            Self::SmallInt(IntType::I16),
            Self::SmallInt(IntType::U8),
            Self::SmallInt(IntType::U16),
            Self::Double,
            Self::String,
            Self::Status,
            Self::IntList,
            Self::DoubleList,
            Self::BoolList,
            Self::StringList,
            Self::Json,
            Self::Queue,
        ];
        let known = types.into_iter().find(|known| known.name() == name);
        known.unwrap_or_else(|| {
            Self::User(UserType {
                name: intern(name),
                id: TypeId::of::<Self>(),
                parse: None,
            })
        })
    }

    /// The type of a value as it is.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Int(_, IntType::Bool) => Self::Bool,
            Value::Int(_, IntType::I32) => Self::Int,
            Value::Int(_, IntType::U32) => Self::UInt,
            Value::Int(_, IntType::I64) => Self::Int64,
            Value::Int(_, IntType::Status) => Self::Status,
            Value::Int(_, small) => Self::SmallInt(*small),
            Value::UInt64(_) => Self::UInt64,
            Value::Real(_) => Self::Double,
            Value::Text(_) => Self::String,
            Value::Json(_) => Self::Json,
            Value::Queue(_) => Self::Queue,
            Value::Empty | Value::List(_) | Value::Opaque(_) => return None,
        })
    }

    /// Text as a value of this type. Errors: the text is none.
    pub fn parse(&self, text: &str) -> Result<Value, ConvertError> {
        let cannot = || ConvertError::new(format!("'{text}' is no {}", self.name()));
        match self {
            Self::Untyped | Self::String => Ok(Value::text(text)),
            Self::Any | Self::Queue => Err(cannot()),
            Self::Bool => parse_bool(text).map(Value::bool).ok_or_else(cannot),
            Self::Int => {
                parse_int(text, IntType::I32, i32::MIN.into(), i32::MAX.into()).ok_or_else(cannot)
            }
            Self::UInt => parse_int(text, IntType::U32, 0, u32::MAX.into()).ok_or_else(cannot),
            Self::Int64 => parse_int(text, IntType::I64, i64::MIN, i64::MAX).ok_or_else(cannot),
            Self::UInt64 => number::leading_uint(text)
                .map(Value::UInt64)
                .ok_or_else(cannot),
            Self::SmallInt(small) => {
                let (low, high) = match small {
                    IntType::I8 => (i8::MIN.into(), i8::MAX.into()),
                    IntType::I16 => (i16::MIN.into(), i16::MAX.into()),
                    IntType::U8 => (0, u8::MAX.into()),
                    _ => (0, u16::MAX.into()),
                };
                parse_int(text, *small, low, high).ok_or_else(cannot)
            }
            Self::Double => number::leading_real(text)
                .map(|(value, _)| Value::Real(value))
                .ok_or_else(cannot),
            Self::Status => text.parse().map(Value::status).map_err(|_| cannot()),
            Self::IntList => self.parse_list(text, Self::Int),
            Self::DoubleList => self.parse_list(text, Self::Double),
            Self::BoolList => self.parse_list(text, Self::Bool),
            Self::StringList => self.parse_list(text, Self::String),
            Self::Json => parse_json(text).map(|json| Value::Json(Arc::new(json))),
            Self::User(UserType { name, parse, .. }) => match parse {
                Some(parse) => parse(text).map_err(ConvertError),
                None => Ok(Value::Opaque(Opaque::stand_in(name))),
            },
        }
    }

    fn parse_list(&self, text: &str, element: Self) -> Result<Value, ConvertError> {
        if text.starts_with("json:") {
            let json = parse_json(text)?;
            let cannot = || ConvertError::new(format!("'{text}' is no {}", self.name()));
            let values = json.as_array().ok_or_else(cannot)?;
            return values
                .iter()
                .map(|value| element.read_json(value).ok_or_else(cannot))
                .collect::<Result<Vec<_>, _>>()
                .map(|values| Value::List(values.into()));
        }
        let values: Result<Vec<_>, _> = split_list(text).map(|part| element.parse(part)).collect();
        values.map(|values| Value::List(values.into()))
    }

    fn read_json(&self, json: &serde_json::Value) -> Option<Value> {
        match self {
            Self::Int => json
                .as_i64()
                .filter(|value| i32::try_from(*value).is_ok())
                .map(|value| Value::Int(value, IntType::I32)),
            Self::Double => json.as_f64().map(Value::Real),
            Self::Bool => json.as_bool().map(Value::bool),
            Self::String => json.as_str().map(Value::text),
            _ => None,
        }
    }
}

/// A type's name for the life of the program, as those of types that are compiled in are. There are few.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

/// The parts of a `;`-list. A trailing `;` adds no empty part, an empty text has none.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let trimmed = text.strip_suffix(';').unwrap_or(text);
    let none = text.is_empty();
    trimmed.split(';').filter(move |_| !none)
}

/// `0`, `1`, `true`, `True`, `TRUE` and their opposites.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "True" | "TRUE" => Some(true),
        "0" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn parse_int(text: &str, int_type: IntType, low: i64, high: i64) -> Option<Value> {
    let (value, _) = number::leading_int(text)?;
    (low <= value && value <= high).then_some(Value::Int(value, int_type))
}

fn parse_json(text: &str) -> Result<serde_json::Value, ConvertError> {
    let body = text.strip_prefix("json:").unwrap_or(text);
    serde_json::from_str(body)
        .map_err(|error| ConvertError(format!("'{text}' is no JSON: {error}")))
}

/// A type that a port can carry.
pub trait PortValue: Sized + Send + 'static {
    /// What the port is declared as.
    fn port_type() -> Type;
    /// Out of the blackboard. Errors: the value is of another kind, or does not fit.
    fn from_value(value: &Value) -> Result<Self, ConvertError>;
    /// Into the blackboard.
    fn into_value(self) -> Value;
}

macro_rules! port_value {
    ($rust:ty, $type:expr, $from:expr, $into:expr) => {
        impl PortValue for $rust {
            fn port_type() -> Type {
                $type
            }
            fn from_value(value: &Value) -> Result<Self, ConvertError> {
                let from: fn(&Value) -> Result<Self, ConvertError> = $from;
                from(value)
            }
            fn into_value(self) -> Value {
                let into: fn(Self) -> Value = $into;
                into(self)
            }
        }
    };
}

port_value!(bool, Type::Bool, Value::to_bool, Value::bool);
port_value!(i32, Type::Int, Value::to_i32, |value| Value::Int(
    value.into(),
    IntType::I32
));
port_value!(u32, Type::UInt, Value::to_u32, |value| Value::Int(
    value.into(),
    IntType::U32
));
port_value!(i64, Type::Int64, Value::to_i64, Value::int);
port_value!(u64, Type::UInt64, Value::to_u64, Value::UInt64);
port_value!(f64, Type::Double, Value::to_f64, Value::Real);
port_value!(Status, Type::Status, Value::to_status, Value::status);
port_value!(Arc<str>, Type::String, Value::to_text, Value::Text);
port_value!(
    String,
    Type::String,
    |value| value.to_text().map(|text| text.to_string()),
    |value| Value::Text(value.into())
);
port_value!(
    Vec<i32>,
    Type::IntList,
    |value| list(value, Value::to_i32),
    into_list
);
port_value!(
    Vec<f64>,
    Type::DoubleList,
    |value| list(value, Value::to_f64),
    into_list
);
port_value!(
    Vec<bool>,
    Type::BoolList,
    |value| list(value, Value::to_bool),
    into_list
);
port_value!(
    Vec<String>,
    Type::StringList,
    |value| list(value, String::from_value),
    into_list
);
port_value!(Value, Type::Any, |value| Ok(value.clone()), |value| value);

impl PortValue for serde_json::Value {
    fn port_type() -> Type {
        Type::Json
    }
    fn from_value(value: &Value) -> Result<Self, ConvertError> {
        Ok(value.to_json())
    }
    fn into_value(self) -> Value {
        Value::Json(Arc::new(self))
    }
}

impl PortValue for SharedQueue {
    fn port_type() -> Type {
        Type::Queue
    }
    fn from_value(value: &Value) -> Result<Self, ConvertError> {
        match value {
            Value::Queue(queue) => Ok(queue.clone()),
            other => Err(ConvertError(format!(
                "a value of type {} is no queue",
                other.type_name()
            ))),
        }
    }
    fn into_value(self) -> Value {
        Value::Queue(self)
    }
}

/// A user's own type, carried on the blackboard behind an [`Arc`]: a pose, a list of poses, a picture.
pub trait UserValue: Any + Send + Sync {
    /// The name that errors, Groot2 and `nodes --xml` show.
    const NAME: &'static str;

    /// The value that a literal in the XML stands for. Without an implementation a literal is a load error.
    fn parse(text: &str) -> Result<Self, String>
    where
        Self: Sized,
    {
        Err(format!(
            "'{text}' is a literal, and {} can only come from a blackboard entry",
            Self::NAME
        ))
    }
}

impl<T: UserValue> PortValue for Arc<T> {
    fn port_type() -> Type {
        Type::User(UserType {
            name: T::NAME,
            id: TypeId::of::<T>(),
            parse: Some(|text| T::parse(text).map(|value| Value::opaque(Arc::new(value), T::NAME))),
        })
    }
    fn from_value(value: &Value) -> Result<Self, ConvertError> {
        value.downcast().ok_or_else(|| {
            ConvertError(format!(
                "a value of type {} is no {}",
                value.type_name(),
                T::NAME
            ))
        })
    }
    fn into_value(self) -> Value {
        Value::opaque(self, T::NAME)
    }
}

fn list<T>(
    value: &Value,
    element: impl Fn(&Value) -> Result<T, ConvertError>,
) -> Result<Vec<T>, ConvertError> {
    match value {
        Value::List(values) => values.iter().map(element).collect(),
        other => Err(ConvertError(format!(
            "a value of type {} is no list",
            other.type_name()
        ))),
    }
}

fn into_list<T: PortValue>(values: Vec<T>) -> Value {
    Value::List(values.into_iter().map(T::into_value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_like_the_library_does() {
        assert_eq!(split_list("ab;;c").collect::<Vec<_>>(), ["ab", "", "c"]);
        assert_eq!(split_list("a;").collect::<Vec<_>>(), ["a"]);
        assert_eq!(split_list("").count(), 0);
        assert_eq!(split_list(";").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn literals_follow_the_port_type() {
        assert!(matches!(
            Type::Int.parse("2.9"),
            Ok(Value::Int(2, IntType::I32))
        ));
        assert!(Type::Int.parse("4294967296").is_err());
        assert!(Type::UInt.parse("-1").is_err());
        assert!(Type::Bool.parse("yes").is_err());
        assert!(Type::Status.parse("success").is_err());
        assert_eq!(
            Vec::<i32>::from_value(&Type::IntList.parse("1;2;3").unwrap()).unwrap(),
            [1, 2, 3]
        );
        assert_eq!(
            Vec::<f64>::from_value(&Type::DoubleList.parse("json:[1, 2.5]").unwrap()).unwrap(),
            [1.0, 2.5]
        );
    }
}
