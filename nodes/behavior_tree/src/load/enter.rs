//! The way into a sub-tree.

use std::collections::HashMap;

use super::build::{Builder, Built, Element, Work};
use super::names;
use crate::number;
use crate::types::parse_bool;
use crate::value::Value;

impl Builder<'_> {
    /// The way into a sub-tree: its board, its remappings, its literals.
    pub(super) fn enter(
        &mut self,
        element: &Element<'_>,
        i: u32,
        id: &str,
        name: Option<&str>,
        work: &Work,
    ) -> Built<Work> {
        let mut remapping: HashMap<Box<str>, Box<str>> = HashMap::new();
        let mut literals: Vec<(&str, &str)> = Vec::new();
        let mut autoremap = false;
        for attribute in element.document.attributes(element.place.element) {
            if attribute.name == "_autoremap" {
                let Some(value) = parse_bool(attribute.value) else {
                    let message = format!("_autoremap is true or false, not '{}'", attribute.value);
                    return Err(element.error(
                        attribute.value_span,
                        "port-type",
                        message,
                        "write true or false",
                    ));
                };
                autoremap = value;
            }
        }
        for attribute in &element.ports {
            match attribute.value {
                "{=}" => drop(remapping.insert(attribute.name.into(), attribute.name.into())),
                value => match names::pointer(value) {
                    Some(key) => drop(remapping.insert(attribute.name.into(), key.into())),
                    None => literals.push((attribute.name, value)),
                },
            }
        }
        let model = self.sources.models.get(id).filter(|_| !autoremap);
        for port in model.into_iter().flatten() {
            let given = |key: &str| element.given(key).is_some();
            if given(&port.name) {
                continue;
            }
            let Some(default) = &port.default else {
                let message = format!("the sub-tree '{id}' needs its port '{}'", port.name);
                let remedy = format!(
                    "add {}=\"…\", or a default in the TreeNodesModel",
                    port.name
                );
                return Err(element.error(element.span, "missing-port", message, &remedy));
            };
            match names::pointer(default) {
                Some(key) => drop(remapping.insert(port.name.as_ref().into(), key.into())),
                None => literals.push((&port.name, default)),
            }
        }
        let board = self
            .engine
            .blackboard
            .add_board(element.board, remapping, autoremap);
        for (key, text) in literals {
            self.engine
                .blackboard
                .add_literal(board, key, literal(text));
        }
        let above = &self.contexts[work.context as usize].prefix;
        let instance = match name {
            Some(name) => format!("{above}{name}"),
            None => format!("{above}{id}::{}", i + 1),
        };
        self.sub_tree(
            &id.into(),
            &instance,
            element.place,
            element.span,
            (work.context, i, work.depth + 1),
            board,
        )
    }
}

/// A literal parameter of a sub-tree: wholly an integer, wholly a real, else text.
fn literal(text: &str) -> Value {
    use crate::value::IntType;
    if !text.contains(['.', 'e', 'E'])
        && let Some(value) = number::whole_int(text)
    {
        let int_type = if i32::try_from(value).is_ok() {
            IntType::I32
        } else {
            IntType::I64
        };
        return Value::Int(value, int_type);
    }
    number::whole_real(text).map_or_else(|| Value::text(text), Value::Real)
}
