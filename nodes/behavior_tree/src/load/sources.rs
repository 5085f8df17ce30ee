//! The files of a tree: reading them, following their includes, and what each defines.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names;
use crate::fault::{Fault, LoadError, Severity};
use crate::xml::{Document, ElementId, Span};

/// Includes nest no deeper than this.
const MAX_INCLUDES: usize = 100;
/// Files, each counted as often as it is included: a few files that include each other twice would be read for ever.
const MAX_FILES: usize = 10_000;

/// A fault with its place as an offset, before it is told to anyone.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub document: usize,
    pub span: Span,
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
}

/// Where a tree or an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub document: usize,
    pub element: ElementId,
}

/// A port of a sub-tree, as a `TreeNodesModel` declares it.
#[derive(Clone, Debug)]
pub(crate) struct SubTreePort {
    pub name: Arc<str>,
    pub default: Option<Arc<str>>,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub documents: Vec<Document>,
    /// The trees by ID; of several with the same ID the last counts.
    pub trees: HashMap<Arc<str>, Place>,
    /// Trees in the order in which they were found, also those that a later one replaced.
    pub all_trees: Vec<(Arc<str>, Place)>,
    pub models: HashMap<Arc<str>, Vec<SubTreePort>>,
    pub findings: Vec<Finding>,
    n_unnamed: usize,
    open: Vec<PathBuf>,
    /// What the files hold, in the order in which they are read, where they are not read from disk.
    texts: Option<VecDeque<String>>,
}

impl Sources {
    /// Files that were read before, in that order: the main one, and each that is included where it is.
    pub(crate) fn of_texts(texts: &[String]) -> Self {
        Self {
            texts: Some(texts.iter().cloned().collect()),
            ..Self::default()
        }
    }

    fn read_bytes(&mut self, path: &Path) -> std::io::Result<Vec<u8>> {
        match &mut self.texts {
            Some(texts) => Ok(texts.pop_front().unwrap_or_default().into_bytes()),
            None => std::fs::read(path),
        }
    }

    pub(crate) fn error(
        &mut self,
        place: (usize, Span),
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.report(Severity::Error, place, code, message, remedy);
    }

    pub(crate) fn warning(
        &mut self,
        place: (usize, Span),
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.report(Severity::Warning, place, code, message, remedy);
    }

    fn report(
        &mut self,
        severity: Severity,
        (document, span): (usize, Span),
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (message, remedy) = (message.into(), remedy.into());
        self.findings.push(Finding {
            document,
            span,
            severity,
            code,
            message,
            remedy,
        });
    }

    /// The finding with line and column.
    pub(crate) fn fault(&self, finding: &Finding) -> Fault {
        let (file, line, column, width) = match self.documents.get(finding.document) {
            Some(document) => {
                let (line, column) = document.line_and_column(finding.span.start);
                let piece = document
                    .text
                    .get(finding.span.start as usize..finding.span.end as usize);
                let width = piece
                    .and_then(|piece| piece.lines().next())
                    .map_or(1, |first| first.chars().count());
                (document.file.to_string(), line, column, width.max(1))
            }
            None => (String::new(), 1, 1, 1),
        };
        Fault {
            file,
            line,
            column,
            severity: finding.severity,
            code: finding.code,
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
            width,
        }
    }

    /// The first error, if there is one.
    pub(crate) fn first_error(&self) -> Result<(), LoadError> {
        match self
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Error)
        {
            Some(finding) => Err(LoadError(self.fault(finding))),
            None => Ok(()),
        }
    }

    /// Reads a file and what it includes. Gives its document's number, or nothing where it could not be read; what is
    /// wrong is among the findings. `included_from` is the attribute that named it.
    pub(crate) fn read_file(
        &mut self,
        path: &Path,
        included_from: Option<(usize, Span)>,
    ) -> Option<usize> {
        let shown = path.display().to_string();
        let text = match self.read_bytes(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let place =
                    included_from.unwrap_or_else(|| (self.add_empty(&shown), Span::default()));
                self.error(
                    place,
                    "file",
                    format!("{shown} cannot be read: {error}"),
                    "name a file that exists",
                );
                return None;
            }
        };
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let Ok(text) = String::from_utf8(text) else {
            let place = (self.add_empty(&shown), Span::default());
            self.error(
                place,
                "encoding",
                "the file is not UTF-8",
                "save it as UTF-8",
            );
            return None;
        };
        self.open
            .push(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()));
        let document = self.read_text(&shown, &text, &folder);
        self.open.pop();
        document
    }

    fn add_empty(&mut self, file: &str) -> usize {
        self.documents.push(Document::empty(file, "".into()));
        self.documents.len() - 1
    }

    /// Reads a text; `folder` is where its includes are looked for.
    pub(crate) fn read_text(&mut self, file: &str, text: &str, folder: &Path) -> Option<usize> {
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let number = self.documents.len();
        match Document::parse(file, text) {
            Ok(document) => self.documents.push(document),
            Err((text, error)) => {
                self.documents.push(Document::empty(file, text));
                let span = Span {
                    start: error.offset,
                    end: error.offset,
                };
                self.error(
                    (number, span),
                    "xml",
                    format!("this is no XML: {}", error.message),
                    "correct the XML",
                );
                return None;
            }
        }
        self.follow_includes(number, folder);
        super::verify::root(self, number);
        self.collect_models(number);
        self.collect_trees(number);
        Some(number)
    }

    fn follow_includes(&mut self, number: usize, folder: &Path) {
        let document = &self.documents[number];
        let includes: Vec<ElementId> = document
            .children(document.root())
            .filter(|&child| document.name(child) == "include")
            .collect();
        for include in includes {
            let document = &self.documents[number];
            let here = (number, document.name_span(include));
            let package = document.attribute(include, "ros_pkg").map(str::to_owned);
            let Some(path) = document.find_attribute(include, "path") else {
                self.error(
                    here,
                    "include",
                    "<include> says no path",
                    "add path=\"other.xml\"",
                );
                continue;
            };
            let (path, place) = (PathBuf::from(path.value), (number, path.value_span));
            let path = match package.filter(|_| path.is_relative()) {
                Some(package) if self.texts.is_some() => Path::new(&package).join(path),
                Some(package) => match share_folder(&package) {
                    Some(share) => share.join(path),
                    None => {
                        let message = format!(
                            "the ROS package {package} is in no folder of AMENT_PREFIX_PATH"
                        );
                        self.error(
                            place,
                            "include",
                            message,
                            "source the ROS set-up that holds it, or leave ros_pkg out",
                        );
                        continue;
                    }
                },
                None if path.is_relative() => folder.join(path),
                None => path,
            };
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            if self.open.contains(&real) || self.open.len() >= MAX_INCLUDES {
                let message = format!("{} includes itself", path.display());
                self.error(
                    place,
                    "include",
                    message,
                    "include each file from one side only",
                );
                continue;
            }
            if self.documents.len() >= MAX_FILES {
                let message = format!("more than {MAX_FILES} files are included");
                self.error(place, "include", message, "include each file once");
                return;
            }
            self.read_file(&path, Some(place));
        }
    }

    fn collect_models(&mut self, number: usize) {
        let document = &self.documents[number];
        let mut models = Vec::new();
        let mut wrong = Vec::new();
        let of_name = |parent, name: &'static str| {
            document
                .children(parent)
                .filter(move |&child| document.name(child) == name)
                .collect::<Vec<_>>()
        };
        for list in of_name(document.root(), "TreeNodesModel") {
            for model in of_name(list, "SubTree") {
                let Some(id) = document.attribute(model, "ID") else {
                    wrong.push((
                        document.name_span(model),
                        "a <SubTree> of the TreeNodesModel has no ID".to_owned(),
                    ));
                    continue;
                };
                let mut ports = Vec::new();
                for port in document.children(model) {
                    if !matches!(
                        document.name(port),
                        "input_port" | "output_port" | "inout_port"
                    ) {
                        continue;
                    }
                    let Some(name) = document.find_attribute(port, "name") else {
                        wrong.push((
                            document.name_span(port),
                            "a port of a SubTree model has no name".to_owned(),
                        ));
                        continue;
                    };
                    if let Some(message) = wrong_port_name(name.value) {
                        wrong.push((name.value_span, message));
                    }
                    let default = document
                        .attribute(port, "default")
                        .filter(|text| !text.is_empty());
                    // Of several the last counts.
                    ports.retain(|port: &SubTreePort| port.name.as_ref() != name.value);
                    ports.push(SubTreePort {
                        name: name.value.into(),
                        default: default.map(Arc::from),
                    });
                }
                models.push((Arc::<str>::from(id), ports));
            }
        }
        for (id, ports) in models {
            let known = self.models.entry(id).or_default();
            known.retain(|old| ports.iter().all(|new| new.name != old.name));
            known.extend(ports);
        }
        for (span, message) in wrong {
            self.error(
                (number, span),
                "model",
                message,
                "give it, as <input_port name=\"target\"/>",
            );
        }
    }

    fn collect_trees(&mut self, number: usize) {
        let document = &self.documents[number];
        let mut trees = Vec::new();
        for element in document.children(document.root()) {
            if document.name(element) == "BehaviorTree" {
                trees.push((
                    document.attribute(element, "ID").map(Arc::<str>::from),
                    element,
                ));
            }
        }
        for (id, element) in trees {
            let id = id.unwrap_or_else(|| {
                self.n_unnamed += 1;
                Arc::from(format!("BehaviorTree_{}", self.n_unnamed - 1))
            });
            let place = Place {
                document: number,
                element,
            };
            self.all_trees.push((Arc::clone(&id), place));
            self.trees.insert(id, place);
        }
    }

    /// The tree to run: the one that the file names, else its only one, else the only one of all.
    pub(crate) fn main_tree(&mut self, main: usize) -> Option<Arc<str>> {
        let document = &self.documents[main];
        let root = document.root();
        let named = document.attribute(root, "main_tree_to_execute");
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            return Some(name.into());
        }
        let own: Vec<_> = document
            .children(root)
            .filter(|&child| document.name(child) == "BehaviorTree")
            .collect();
        if let [only] = own[..]
            && named.is_none()
            && let Some(id) = document.attribute(only, "ID").filter(|id| !id.is_empty())
        {
            return Some(id.into());
        }
        if self.trees.len() == 1 {
            return self.trees.keys().next().cloned();
        }
        let span = document.name_span(root);
        let mut ids: Vec<&str> = self.trees.keys().map(AsRef::as_ref).collect();
        ids.sort_unstable();
        let remedy = format!(
            "add main_tree_to_execute=\"…\" to <root>: one of {}",
            ids.join(", ")
        );
        let remedy = if ids.is_empty() {
            "add a <BehaviorTree ID=\"…\">".to_owned()
        } else {
            remedy
        };
        self.error(
            (main, span),
            "main-tree",
            "the file does not say which tree to run",
            remedy,
        );
        None
    }
}

/// What is wrong with a port's name in a model.
fn wrong_port_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a port's name is empty".into());
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(format!("the port name '{name}' begins with a digit"));
    }
    if let Some(character) = names::forbidden_character(name) {
        return Some(format!("the port name '{name}' holds {character:?}"));
    }
    names::is_reserved(name).then(|| format!("'{name}' is reserved and cannot be a port"))
}

/// The share folder of a ROS package, as the ament index has it.
fn share_folder(package: &str) -> Option<PathBuf> {
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH")?;
    std::env::split_paths(&prefixes)
        .map(|prefix| prefix.join("share").join(package))
        .find(|folder| folder.is_dir())
}
