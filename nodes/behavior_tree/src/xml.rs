//! XML text to a flat arena of elements that know their places in the text.
//!
//! As forgiving as the parser of BehaviorTree.CPP (tinyxml2): text beside elements is passed over, an entity that nobody
//! knows stays as it is, and `<` may stand in an attribute.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements nest no deeper than this in a file.
const MAX_DEPTH: usize = 500;
/// Spans are 32 bits wide.
const MAX_BYTES: usize = u32::MAX as usize;

/// An element, by its place in the document: parents come before their children.
pub(crate) type ElementId = u32;
const NONE: ElementId = ElementId::MAX;

/// A piece of the text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

#[derive(Debug)]
struct Element {
    name: Span,
    attributes: Range<u32>,
    n_children: u32,
    first_child: ElementId,
    last_child: ElementId,
    next_sibling: ElementId,
}

#[derive(Debug)]
struct Attribute {
    name: Span,
    value: Span,
    /// The value where it differs from the text: entities replaced, line ends made one.
    decoded: Option<Box<str>>,
}

/// An attribute as its reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'d> {
    pub name: &'d str,
    pub value: &'d str,
    pub name_span: Span,
    pub value_span: Span,
    /// Whether bytes of the value are bytes of the text, one to one.
    pub verbatim: bool,
}

/// The text is no XML.
#[derive(Clone, Debug)]
pub(crate) struct XmlError {
    pub message: String,
    pub offset: u32,
}

/// A file's XML.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file's name, for messages.
    pub file: Arc<str>,
    pub text: Arc<str>,
    elements: Vec<Element>,
    attributes: Vec<Attribute>,
}

impl Document {
    pub(crate) fn parse(file: &str, text: Arc<str>) -> Result<Self, (Arc<str>, XmlError)> {
        let mut document = Self {
            file: file.into(),
            text,
            elements: Vec::new(),
            attributes: Vec::new(),
        };
        match document.read() {
            Ok(()) => Ok(document),
            Err(error) => Err((document.text, error)),
        }
    }

    /// Stands for a file that holds no XML, so that faults can be told.
    pub(crate) fn empty(file: &str, text: Arc<str>) -> Self {
        let name = Span::default();
        let root = Element {
            name,
            attributes: 0..0,
            n_children: 0,
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
        };
        Self {
            file: file.into(),
            text,
            elements: vec![root],
            attributes: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<(), XmlError> {
        let text = Arc::clone(&self.text);
        if text.len() >= MAX_BYTES {
            return Err(XmlError {
                message: "the file is larger than 4 GiB".into(),
                offset: 0,
            });
        }
        let mut reader = Reader::from_str(&text);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        let mut open: Vec<ElementId> = Vec::new();
        loop {
            let before = reader.buffer_position();
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    let id = self.add(&text, &start, open.last().copied())?;
                    open.push(id);
                    if open.len() > MAX_DEPTH {
                        let message = format!("elements nest more than {MAX_DEPTH} levels deep");
                        return Err(XmlError {
                            message,
                            offset: before as u32,
                        });
                    }
                }
                Ok(Event::Empty(start)) => drop(self.add(&text, &start, open.last().copied())?),
                Ok(Event::End(_)) => drop(open.pop()),
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(error) => {
                    let offset = reader.error_position().min(text.len() as u64) as u32;
                    return Err(XmlError {
                        message: error.to_string(),
                        offset,
                    });
                }
            }
        }
        match open.last() {
            Some(&id) => {
                let message = format!("<{}> is never closed", self.name(id));
                Err(XmlError {
                    message,
                    offset: self.elements[id as usize].name.start,
                })
            }
            None if self.elements.is_empty() => Err(XmlError {
                message: "the file holds no XML element".into(),
                offset: 0,
            }),
            None => Ok(()),
        }
    }

    fn add(
        &mut self,
        text: &str,
        start: &BytesStart<'_>,
        parent: Option<ElementId>,
    ) -> Result<ElementId, XmlError> {
        let id = self.elements.len() as ElementId;
        let name = span_in(text, start.name().0);
        let first = self.attributes.len() as u32;
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| XmlError {
                message: error.to_string(),
                offset: name.end,
            })?;
            let raw: &str = &attribute.value;
            let decoded = raw
                .contains(['&', '\r'])
                .then(|| decode(raw).into_owned().into());
            let (name, value) = (span_in(text, attribute.key.0), span_in(text, raw));
            self.attributes.push(Attribute {
                name,
                value,
                decoded,
            });
        }
        let attributes = first..self.attributes.len() as u32;
        let element = Element {
            name,
            attributes,
            n_children: 0,
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
        };
        self.elements.push(element);
        if let Some(parent) = parent {
            let parent = &mut self.elements[parent as usize];
            parent.n_children += 1;
            let previous = std::mem::replace(&mut parent.last_child, id);
            if previous == NONE {
                parent.first_child = id;
            } else {
                self.elements[previous as usize].next_sibling = id;
            }
        }
        Ok(id)
    }

    /// The outermost element.
    pub(crate) const fn root(&self) -> ElementId {
        0
    }

    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn name(&self, id: ElementId) -> &str {
        self.slice(self.elements[id as usize].name)
    }

    pub(crate) fn name_span(&self, id: ElementId) -> Span {
        self.elements[id as usize].name
    }

    pub(crate) fn n_children(&self, id: ElementId) -> u32 {
        self.elements[id as usize].n_children
    }

    pub(crate) fn children(&self, id: ElementId) -> impl Iterator<Item = ElementId> + '_ {
        let first = self.elements[id as usize].first_child;
        std::iter::successors((first != NONE).then_some(first), |&child| {
            let next = self.elements[child as usize].next_sibling;
            (next != NONE).then_some(next)
        })
    }

    pub(crate) fn first_child(&self, id: ElementId) -> Option<ElementId> {
        self.children(id).next()
    }

    pub(crate) fn next_sibling(&self, id: ElementId) -> Option<ElementId> {
        let next = self.elements[id as usize].next_sibling;
        (next != NONE).then_some(next)
    }

    pub(crate) fn attributes(&self, id: ElementId) -> impl Iterator<Item = Attr<'_>> {
        let range = self.elements[id as usize].attributes.clone();
        self.attributes[range.start as usize..range.end as usize]
            .iter()
            .map(|attribute| Attr {
                name: self.slice(attribute.name),
                value: attribute
                    .decoded
                    .as_deref()
                    .unwrap_or_else(|| self.slice(attribute.value)),
                name_span: attribute.name,
                value_span: attribute.value,
                verbatim: attribute.decoded.is_none(),
            })
    }

    /// The first attribute of that name.
    pub(crate) fn attribute(&self, id: ElementId, name: &str) -> Option<&str> {
        self.attributes(id)
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value)
    }

    pub(crate) fn find_attribute(&self, id: ElementId, name: &str) -> Option<Attr<'_>> {
        self.attributes(id).find(|attribute| attribute.name == name)
    }
}

/// Line and column of a place in a text, from 1; the column counts characters.
#[must_use]
pub(crate) fn line_and_column(text: &str, offset: u32) -> (usize, usize) {
    let mut offset = (offset as usize).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
    (line, 1 + before[line_start..].chars().count())
}

/// Where a piece lies that is known to be part of `text`.
fn span_in(text: &str, piece: &str) -> Span {
    let start = (piece.as_ptr() as usize)
        .wrapping_sub(text.as_ptr() as usize)
        .min(text.len());
    Span {
        start: start as u32,
        end: (start + piece.len()).min(text.len()) as u32,
    }
}

fn decode(raw: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '\r']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\r') {
            out.push('\n');
            rest = after.strip_prefix('\n').unwrap_or(after);
        } else if let Some((character, length)) = entity(rest) {
            out.push(character);
            rest = &rest[length..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that an entity at the start of `text` stands for, and the entity's length.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&character| character != '\0')?
        }
    };
    Some((character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, XmlError> {
        Document::parse("t.xml", text.into()).map_err(|(_, error)| error)
    }

    #[test]
    fn entities_and_line_ends_are_decoded() {
        let document = parse("<a b='x &lt; 1 &#228; &nope; &' c=\"1\r\n2\"/>").unwrap();
        assert_eq!(document.attribute(0, "b"), Some("x < 1 ä &nope; &"));
        assert_eq!(document.attribute(0, "c"), Some("1\n2"));
    }

    #[test]
    fn children_keep_their_order() {
        let document = parse("<a><b/>text<c><d/></c><!-- no --><e/></a>").unwrap();
        let names: Vec<_> = document.children(0).map(|id| document.name(id)).collect();
        assert_eq!(names, ["b", "c", "e"]);
        assert_eq!(document.n_children(0), 3);
    }

    #[test]
    fn broken_xml_is_an_error_with_a_place() {
        for text in ["", "<a>", "<a></b>", "<a", "<a b=></a>", "&"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_count_characters() {
        assert_eq!(line_and_column("ä\nbü<", 6), (2, 3));
        assert_eq!(line_and_column("ab", 99), (1, 3));
    }
}
