//! A loaded tree as XML again: what log files and viewers get.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ports::Manifest;
use crate::status::Category;
use crate::tree::{NodeView, Tree};

impl Tree {
    /// The tree as BehaviorTree.CPP writes it for Groot2: one `<BehaviorTree>` for each instance of a tree, each node with
    /// its number as `_uid`, and a `TreeNodesModel` of the nodes that stand in it.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<root BTCPP_format=\"4\">\n");
        let nodes: Vec<NodeView<'_>> = self.nodes().collect();
        let mut children = vec![Vec::new(); nodes.len()];
        let mut roots = vec![None; self.contexts().len()];
        for (i, info) in self.infos().iter().enumerate() {
            let parent = nodes[i].parent.map(|uid| uid as usize - 1);
            match parent.filter(|&parent| self.infos()[parent].context == info.context) {
                Some(parent) => children[parent].push(i),
                None => roots[info.context as usize] = Some(i),
            }
        }
        for (context, root) in self.contexts().iter().zip(roots) {
            let path = context.prefix.strip_suffix('/').unwrap_or(&context.prefix);
            let (id, path) = (escape(&context.tree), escape(path));
            let _ = writeln!(out, "<BehaviorTree ID=\"{id}\" _fullpath=\"{path}\">");
            if let Some(root) = root {
                self.write_nodes(&mut out, &nodes, &children, root);
            }
            out.push_str("</BehaviorTree>\n");
        }
        let used: BTreeMap<&str, &Manifest> = self
            .infos()
            .iter()
            .filter_map(|info| info.manifest.as_deref())
            .map(|manifest| (manifest.id.as_ref(), manifest))
            .collect();
        write_models(&mut out, used.into_values());
        out.push_str("</root>\n");
        out
    }

    /// An element and what is below it, without recursion: trees may be deep.
    fn write_nodes(
        &self,
        out: &mut String,
        nodes: &[NodeView<'_>],
        children: &[Vec<usize>],
        root: usize,
    ) {
        let mut open = vec![(root, false)];
        while let Some((i, is_end)) = open.pop() {
            let node = &nodes[i];
            if is_end {
                let _ = writeln!(out, "</{}>", node.id);
                continue;
            }
            let _ = write!(out, "<{}", node.id);
            let info = &self.infos()[i];
            if node.category == Category::SubTree {
                let mut attributes = self.attributes(info);
                let id = attributes.find(|attribute| attribute.name == "ID");
                let id = escape(id.map_or(node.name, |id| id.value));
                let path = escape(&node.path);
                let _ = write!(out, " ID=\"{id}\" _fullpath=\"{path}\"");
            }
            let name = escape(node.name);
            let _ = write!(out, " name=\"{name}\" _uid=\"{}\"", node.uid);
            for attribute in self.attributes(info) {
                if !matches!(attribute.name, "ID" | "name" | "_uid" | "_fullpath") {
                    let value = escape(attribute.value);
                    let _ = write!(out, " {}=\"{value}\"", attribute.name);
                }
            }
            if children[i].is_empty() {
                out.push_str("/>\n");
            } else {
                out.push_str(">\n");
                open.push((i, true));
                open.extend(children[i].iter().rev().map(|&child| (child, false)));
            }
        }
    }
}

/// The `TreeNodesModel` of some nodes.
pub(crate) fn write_models<'m>(out: &mut String, manifests: impl Iterator<Item = &'m Manifest>) {
    out.push_str("  <TreeNodesModel>\n");
    for manifest in manifests.filter(|manifest| manifest.category != Category::SubTree) {
        let element = manifest.category.as_str();
        let _ = writeln!(out, "    <{element} ID=\"{}\">", manifest.id);
        for port in &manifest.ports {
            let (tag, name) = (port.direction.element(), &port.name);
            let (kind, doc) = (escape(port.info.name()), escape(&port.doc));
            let default = port.default.as_ref();
            let default = default.map(|text| format!(" default=\"{}\"", escape(text)));
            let default = default.unwrap_or_default();
            let _ = writeln!(
                out,
                "      <{tag} name=\"{name}\" type=\"{kind}\"{default}>{doc}</{tag}>"
            );
        }
        let _ = writeln!(out, "    </{element}>");
    }
    out.push_str("  </TreeNodesModel>\n");
}

/// Text as it may stand in XML, in an attribute too.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\n', "&#10;")
}
