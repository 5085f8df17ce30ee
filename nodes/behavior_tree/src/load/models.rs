//! Nodes that are known from a `TreeNodesModel` alone.

use std::sync::Arc;

use crate::load::sources::Sources;
use crate::ports::{Direction, Manifest, PortSpec};
use crate::registry::{Factory, Maker};
use crate::status::Category;
use crate::types::Type;

/// Declares the nodes of all models that were read. What is registered already stays as it is. `type_of_name` says what a
/// port's type is.
pub(crate) fn declare(
    factory: &mut Factory,
    sources: &mut Sources,
    type_of_name: impl Fn(&str) -> Type,
) {
    let mut wrong = Vec::new();
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
                let Some(id) = document.attribute(model, "ID") else {
                    wrong.push((number, document.name_span(model)));
                    continue;
                };
                let ports = document
                    .children(model)
                    .filter_map(|port| {
                        let direction = match document.name(port) {
                            "input_port" => Direction::Input,
                            "output_port" => Direction::Output,
                            "inout_port" => Direction::InOut,
                            _ => return None,
                        };
                        Some(PortSpec {
                            name: Arc::from(document.attribute(port, "name")?),
                            direction,
                            info: type_of_name(
                                document.attribute(port, "type").unwrap_or_default(),
                            ),
                            default: document
                                .attribute(port, "default")
                                .filter(|text| !text.is_empty())
                                .map(Arc::from),
                            doc: Arc::default(),
                        })
                    })
                    .collect();
                let manifest = Manifest {
                    id: Arc::from(id),
                    category,
                    ports,
                };
                // Taken is no fault: a registered node may also be described.
                let _ = factory.add(manifest, Maker::Model);
            }
        }
    }
    for place in wrong {
        sources.error(place, "id", "this model has no ID", "add ID=\"…\"");
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
