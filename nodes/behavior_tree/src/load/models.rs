//! Nodes that are known from a `TreeNodesModel` alone.

use std::sync::Arc;

use crate::load::names;
use crate::load::sources::Sources;
use crate::ports::{Direction, Manifest, PortSpec};
use crate::registry::{Factory, Maker, RegisterError};
use crate::status::Category;
use crate::types::Type;
use crate::xml::Span;

/// Declares the nodes of all models that were read. What is registered already stays as it is. `type_of_name` says what a
/// port's type is.
pub(crate) fn declare(
    factory: &mut Factory,
    sources: &mut Sources,
    type_of_name: impl Fn(&str) -> Type,
) {
    let mut wrong: Vec<((usize, Span), String, &str)> = Vec::new();
    let mut odd: Vec<((usize, Span), String)> = Vec::new();
    for (number, document) in sources.documents.iter().enumerate() {
        for list in document
            .children(document.root())
            .filter(|&child| document.name(child) == "TreeNodesModel")
        {
            for model in document.children(list) {
                let Some(category) = Category::from_element(document.name(model)) else {
                    continue;
                };
                if category == Category::SubTree {
                    continue;
                }
                let here = (number, document.name_span(model));
                let Some(id) = document.attribute(model, "ID") else {
                    wrong.push((here, "this model has no ID".into(), "add ID=\"…\""));
                    continue;
                };
                let mut ports: Vec<PortSpec> = Vec::new();
                for element in document.children(model) {
                    let here = (number, document.name_span(element));
                    let direction = match document.name(element) {
                        "input_port" => Direction::Input,
                        "output_port" => Direction::Output,
                        "inout_port" => Direction::InOut,
                        _ => continue,
                    };
                    let Some(name) = document.attribute(element, "name") else {
                        let message = format!("a port of the model '{id}' has no name");
                        wrong.push((here, message, "add name=\"…\""));
                        continue;
                    };
                    if !names::is_port_name(name) {
                        odd.push((
                            here,
                            format!("'{name}' cannot name a port of '{id}' and is ignored"),
                        ));
                        continue;
                    }
                    let info =
                        type_of_name(document.attribute(element, "type").unwrap_or_default());
                    let default = document
                        .attribute(element, "default")
                        .filter(|text| !text.is_empty());
                    ports.push(PortSpec {
                        name: Arc::from(name),
                        direction,
                        info,
                        default: default.map(Arc::from),
                        doc: Arc::default(),
                    });
                }
                let manifest = Manifest {
                    id: Arc::from(id),
                    category,
                    ports,
                    children: None,
                };
                match factory.add(manifest, Maker::Model) {
                    // Taken is no fault: a registered node may also be described.
                    Ok(()) | Err(RegisterError::Taken(_)) => {}
                    Err(error) => wrong.push((here, error.to_string(), "correct the ID")),
                }
            }
        }
    }
    for (place, message) in odd {
        sources.warning(
            place,
            "model",
            message,
            "use letters, digits and '_', with a letter first",
        );
    }
    for (place, message, remedy) in wrong {
        sources.error(place, "model", message, remedy);
    }
}

/// The type that a model names, as far as its literals can be looked at.
pub(crate) fn named_type(name: &str) -> Type {
    match name {
        "bool" => Type::Bool,
        "int" | "int32_t" => Type::Int,
        "unsigned int" | "unsigned" | "uint32_t" => Type::UInt,
        "int64_t" | "long" => Type::Int64,
        "double" | "float" => Type::Double,
        "string" | "std::string" => Type::String,
        "NodeStatus" | "BT::NodeStatus" => Type::Status,
        _ => Type::Untyped,
    }
}
