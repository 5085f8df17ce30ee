//! The nodes that trees may use, and the way from a file to a tree.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::builtins::{self, Builtin};
use crate::engine::{BranchIo, TestConfig};
use crate::fault::LoadError;
use crate::load::build::build;
use crate::load::models;
use crate::load::names;
use crate::load::sources::Sources;
use crate::load::verify;
use crate::ports::{Branch, Io, Leaf, Manifest, Outcome, Ports};
use crate::script::compile::Enums;
use crate::status::{Category, Status};
use crate::tree::Tree;
use crate::tree_xml::write_models;

/// How a user's node is made.
type Make = Arc<dyn Fn(&mut Ports) -> Box<dyn Leaf> + Send + Sync>;

/// How a user's node with children is made.
type MakeBranch = Arc<dyn Fn(&mut Ports) -> Box<dyn Branch> + Send + Sync>;

/// What stands behind an ID.
#[derive(Clone)]
pub(crate) enum Maker {
    Builtin(Builtin),
    User(Make),
    Branch(MakeBranch),
    /// Known from a `TreeNodesModel` only: it can be checked and drawn, and run with laid-down results.
    Model,
}

#[derive(Clone)]
pub(crate) struct Registration {
    pub manifest: Arc<Manifest>,
    pub maker: Maker,
}

/// What takes the place of a node in a test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Substitute {
    /// Another registered node.
    Node(String),
    /// A leaf with laid-down results.
    Test(#[serde(with = "shared")] Arc<TestConfig>),
}

/// What is shared in memory is written whole.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// A node cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The ID is in use.
    #[error("the ID '{0}' is registered already: choose another")]
    Taken(String),
    /// The ID or a port has a name that XML cannot hold.
    #[error("'{0}' cannot name a node or port: use letters, digits and '_', with a letter first")]
    BadName(String),
    /// A port's default value is not of its type.
    #[error("the default of port '{port}' of '{id}': {reason}")]
    BadDefault {
        /// The node.
        id: String,
        /// The port.
        port: String,
        /// Why it does not fit.
        reason: String,
    },
    /// An enumerator has two values.
    #[error("the enumerator '{name}' is {old} already and cannot be {new}")]
    EnumChanged {
        /// The enumerator.
        name: String,
        /// Its value.
        old: i32,
        /// The value it was to get.
        new: i32,
    },
}

/// Knows the nodes, and loads trees.
#[derive(Clone)]
pub struct Factory {
    registrations: HashMap<Arc<str>, Registration>,
    enums: Arc<Enums>,
    substitutions: Vec<(String, Substitute)>,
}

impl Default for Factory {
    fn default() -> Self {
        Self::new()
    }
}

impl Factory {
    /// A factory that knows BehaviorTree.CPP's own nodes.
    #[must_use]
    pub fn new() -> Self {
        let registrations = builtins::all()
            .into_iter()
            .map(|(builtin, manifest)| {
                let registration = Registration {
                    manifest: Arc::new(manifest),
                    maker: Maker::Builtin(builtin),
                };
                (Arc::clone(&registration.manifest.id), registration)
            })
            .collect();
        Self {
            registrations,
            enums: Arc::default(),
            substitutions: Vec::new(),
        }
    }

    /// Registers a leaf that does something. `make` declares its ports and makes one.
    pub fn register_action<L: Leaf + 'static>(
        &mut self,
        id: &str,
        make: impl Fn(&mut Ports) -> L + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register(
            id,
            Category::Action,
            Arc::new(move |ports| Box::new(make(ports))),
        )
    }

    /// Registers a leaf that asks something.
    pub fn register_condition<L: Leaf + 'static>(
        &mut self,
        id: &str,
        make: impl Fn(&mut Ports) -> L + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register(
            id,
            Category::Condition,
            Arc::new(move |ports| Box::new(make(ports))),
        )
    }

    /// Registers a node with any number of children.
    pub fn register_control<B: Branch + 'static>(
        &mut self,
        id: &str,
        make: impl Fn(&mut Ports) -> B + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register_branch(id, Category::Control, make)
    }

    /// Registers a node with one child. After each of its ticks a child that has completed is reset.
    pub fn register_decorator<B: Branch + 'static>(
        &mut self,
        id: &str,
        make: impl Fn(&mut Ports) -> B + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register_branch(id, Category::Decorator, make)
    }

    fn register_branch<B: Branch + 'static>(
        &mut self,
        id: &str,
        category: Category,
        make: impl Fn(&mut Ports) -> B + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        let mut ports = Ports::default();
        drop(make(&mut ports));
        let make: MakeBranch = Arc::new(move |ports| Box::new(make(ports)));
        self.add_checked(id, category, ports, Maker::Branch(make))
    }

    fn register(&mut self, id: &str, category: Category, make: Make) -> Result<(), RegisterError> {
        let mut ports = Ports::default();
        drop(make(&mut ports));
        self.add_checked(id, category, ports, Maker::User(make))
    }

    fn add_checked(
        &mut self,
        id: &str,
        category: Category,
        ports: Ports,
        maker: Maker,
    ) -> Result<(), RegisterError> {
        for port in &ports.specs {
            if !names::is_port_name(&port.name) {
                return Err(RegisterError::BadName(port.name.to_string()));
            }
            if let Some(default) = &port.default
                && names::remapped_key(&port.name, default).is_none()
                && let Err(error) = port.info.parse(default)
            {
                let (id, port) = (id.to_owned(), port.name.to_string());
                return Err(RegisterError::BadDefault {
                    id,
                    port,
                    reason: error.0,
                });
            }
        }
        self.add(
            Manifest {
                id: id.into(),
                category,
                ports: ports.specs,
                children: ports.children,
            },
            maker,
        )
    }

    pub(crate) fn add(&mut self, manifest: Manifest, maker: Maker) -> Result<(), RegisterError> {
        let reserved = matches!(manifest.id.as_ref(), "" | "Root" | "root");
        if reserved || names::forbidden_character(&manifest.id).is_some() {
            return Err(RegisterError::BadName(manifest.id.to_string()));
        }
        if self.registrations.contains_key(&manifest.id) {
            return Err(RegisterError::Taken(manifest.id.to_string()));
        }
        let id = Arc::clone(&manifest.id);
        self.registrations.insert(
            id,
            Registration {
                manifest: Arc::new(manifest),
                maker,
            },
        );
        Ok(())
    }

    /// Declares the nodes that a file's `TreeNodesModel` describes and that are not registered. They can be checked, and
    /// trees with them loaded where every one has a [`Substitute`].
    pub fn declare_models(&mut self, path: impl AsRef<Path>) -> Result<(), LoadError> {
        let mut sources = Sources::default();
        sources.read_file(path.as_ref(), None);
        models::declare(self, &mut sources, models::named_type);
        sources.first_error()
    }

    /// Gives scripts and `Switch` cases a name for a number.
    pub fn register_enum(&mut self, name: &str, value: i32) -> Result<(), RegisterError> {
        let enums = Arc::make_mut(&mut self.enums);
        let old = *enums.entry(name.into()).or_insert(value);
        if old == value {
            return Ok(());
        }
        Err(RegisterError::EnumChanged {
            name: name.to_owned(),
            old,
            new: value,
        })
    }

    /// Puts something in the place of every node whose name, ID or path is `filter`; `*` stands for any letters.
    /// Of several that fit a node its path counts before its name, that before its ID, and that before the longest of the
    /// filters with `*`.
    pub fn substitute(&mut self, filter: &str, substitute: Substitute) {
        self.substitutions.push((filter.to_owned(), substitute));
    }

    /// What is known of a node.
    #[must_use]
    pub fn manifest(&self, id: &str) -> Option<&Arc<Manifest>> {
        self.registrations
            .get(id)
            .map(|registration| &registration.manifest)
    }

    /// The IDs of all nodes, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.registrations.keys().map(AsRef::as_ref)
    }

    pub(crate) fn registration(&self, id: &str) -> Option<&Registration> {
        self.registrations.get(id)
    }

    pub(crate) const fn enums(&self) -> &Arc<Enums> {
        &self.enums
    }

    /// What is known of all nodes, sorted by ID.
    #[must_use]
    pub fn manifests(&self) -> Vec<&Manifest> {
        let mut manifests: Vec<_> = self
            .registrations
            .values()
            .map(|node| node.manifest.as_ref())
            .collect();
        manifests.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        manifests
    }

    /// The nodes as a `TreeNodesModel`, which Groot2 reads.
    #[must_use]
    pub fn nodes_xml(&self) -> String {
        models_xml(self.manifests().into_iter())
    }

    /// Those that are not built in, likewise.
    pub(crate) fn own_nodes_xml(&self) -> String {
        let is_own = |manifest: &&Manifest| {
            let registration = self.registrations.get(&manifest.id);
            registration.is_some_and(|known| !matches!(known.maker, Maker::Builtin(_)))
        };
        models_xml(self.manifests().into_iter().filter(is_own))
    }

    /// The filters of those substitutes that no node of a tree gets, as none has such a name, ID or path.
    pub(crate) fn idle_substitutes(&self, tree: &Tree) -> Vec<&str> {
        let filters = self.substitutions.iter().map(|(filter, _)| filter.as_str());
        filters
            .filter(|filter| {
                !tree.nodes().any(|node| {
                    node.name == *filter
                        || node.id == *filter
                        || matches_wildcard(&node.path, filter)
                })
            })
            .collect()
    }

    pub(crate) fn substitutions(&self) -> &[(String, Substitute)] {
        &self.substitutions
    }

    /// A factory in which nodes without anything behind them succeed, for trees that are only to be looked at.
    pub(crate) fn with_runnable_models(&self) -> Self {
        let mut factory = self.clone();
        for registration in factory.registrations.values_mut() {
            if matches!(registration.maker, Maker::Model) {
                registration.maker = match registration.manifest.category {
                    Category::Control | Category::Decorator => {
                        Maker::Branch(Arc::new(|_| Box::new(Nothing)))
                    }
                    _ => Maker::User(Arc::new(|_| Box::new(Nothing))),
                };
            }
        }
        factory
    }

    pub(crate) fn substitution(
        &self,
        name: &str,
        id: &str,
        path: impl FnOnce() -> String,
    ) -> Option<&Substitute> {
        if self.substitutions.is_empty() {
            return None;
        }
        let path = path();
        let exactly = |wanted: &str| {
            self.substitutions
                .iter()
                .find(|(filter, _)| filter == wanted)
        };
        let fitting = || {
            let all = self.substitutions.iter();
            all.filter(|(filter, _)| matches_wildcard(&path, filter))
                .max_by_key(|(filter, _)| filter.len())
        };
        let found = exactly(&path)
            .or_else(|| exactly(name))
            .or_else(|| exactly(id))
            .or_else(fitting);
        found.map(|(_, substitute)| substitute)
    }

    /// Loads the main tree of a file.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<Tree, LoadError> {
        self.load_file_tree(path, None)
    }

    /// Loads a tree of a file, by its ID.
    pub fn load_file_tree(
        &self,
        path: impl AsRef<Path>,
        tree: Option<&str>,
    ) -> Result<Tree, LoadError> {
        let mut sources = Sources::default();
        let main = sources.read_file(path.as_ref(), None);
        self.load(sources, main, tree)
    }

    /// Loads the main tree of a text. Includes are looked for in the working directory.
    pub fn load_text(&self, text: &str) -> Result<Tree, LoadError> {
        let mut sources = Sources::default();
        let main = sources.read_text("<text>", text, Path::new(""));
        self.load(sources, main, None)
    }

    /// Loads a tree of files that were read before, in the order in which they were.
    pub(crate) fn load_documents(&self, texts: &[String], tree: &str) -> Result<Tree, LoadError> {
        let mut sources = Sources::of_texts(texts);
        let main = sources.read_file(Path::new(""), None);
        self.load(sources, main, Some(tree))
    }

    fn load(
        &self,
        mut sources: Sources,
        main: Option<usize>,
        tree: Option<&str>,
    ) -> Result<Tree, LoadError> {
        for document in 0..sources.documents.len() {
            verify::trees(&mut sources, document, self);
        }
        sources.first_error()?;
        let main = main.unwrap_or_default();
        let id = tree.map(Arc::from).or_else(|| sources.main_tree(main));
        sources.first_error()?;
        match build(self, &sources, &id.unwrap_or_default()) {
            Ok(tree) => Ok(tree.with_sources(sources)),
            Err(finding) => Err(LoadError(sources.fault(&finding))),
        }
    }
}

fn models_xml<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> String {
    let mut out = String::from("<root BTCPP_format=\"4\">\n");
    write_models(&mut out, manifests);
    out.push_str("</root>\n");
    out
}

/// Does nothing, and succeeds.
struct Nothing;

impl Leaf for Nothing {
    fn on_start(&mut self, _: &mut Io<'_>) -> Outcome {
        Ok(Status::Success)
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

impl Branch for Nothing {
    fn tick(&mut self, _: &mut BranchIo<'_>) -> Outcome {
        Ok(Status::Success)
    }
}

/// Whether `text` is `pattern`, in which each `*` stands for any letters and `?` for one.
fn matches_wildcard(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            retry = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&character| character == '*')
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard;

    #[test]
    fn wildcards_stand_for_any_letters() {
        assert!(matches_wildcard("main/go_to", "*/go*"));
        assert!(matches_wildcard("abc", "*"));
        assert!(matches_wildcard("abc", "a?c"));
        assert!(!matches_wildcard("abc", "ab"));
        assert!(matches_wildcard("aXbXc", "*X?"));
    }
}
