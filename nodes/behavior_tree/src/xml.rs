//! XML text to a flat arena of elements that know their places in the text.
//!
//! A reader of our own, as which files load is part of what a tree means: it takes what the parser of BehaviorTree.CPP
//! (tinyxml2) takes, and refuses what that refuses. Text beside elements is passed over, an entity that nobody knows stays
//! as it is, and `<` may stand in an attribute; an attribute given twice, `<?` after the beginning and text after the last
//! `>` are errors.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Elements nest no deeper than this in a file.
const MAX_DEPTH: usize = 498;
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
    /// Where its lines start, once a place is asked for.
    lines: OnceLock<Box<[u32]>>,
}

impl Document {
    pub(crate) fn parse(file: &str, text: Arc<str>) -> Result<Self, (Arc<str>, XmlError)> {
        let mut document = Self {
            file: file.into(),
            text,
            elements: Vec::new(),
            attributes: Vec::new(),
            lines: OnceLock::new(),
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
            lines: OnceLock::new(),
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
        // A guess that saves most of the growing.
        self.elements.reserve(text.len() / 32);
        let mut cursor = Cursor {
            bytes: text.as_bytes(),
            at: 0,
        };
        let mut open: Vec<ElementId> = Vec::new();
        // `<?xml …?>` stands before anything else.
        let mut at_start = true;
        loop {
            cursor.skip_blanks();
            let start = cursor.at;
            if cursor.peek().is_none() {
                break;
            }
            let rest = &cursor.bytes[start..];
            if rest.starts_with(b"<?") {
                if !at_start {
                    return Err(cursor.error("<? may stand at the start of a file only"));
                }
                cursor.at += 2;
                cursor.skip_past(b"?>")?;
                continue;
            }
            at_start = false;
            if rest.starts_with(b"<!--") {
                cursor.at += 4;
                cursor.skip_past(b"-->")?;
            } else if rest.starts_with(b"<![CDATA[") {
                cursor.skip_past(b"]]>")?;
            } else if rest.starts_with(b"<!") {
                cursor.skip_past(b">")?;
            } else if rest[0] != b'<' {
                cursor.text()?;
            } else {
                cursor.at += 1;
                cursor.skip_blanks();
                if !cursor.take(b'/') {
                    self.element(&mut cursor, &mut open)?;
                } else if !self.end(&mut cursor, &mut open)? {
                    break;
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

    /// Reads `name a="b">` or `name a="b"/>`.
    fn element(
        &mut self,
        cursor: &mut Cursor<'_>,
        open: &mut Vec<ElementId>,
    ) -> Result<(), XmlError> {
        let name = cursor.name("an element's name")?;
        let id = self.add(name, open.last().copied());
        if self.attributes_of(cursor, id)? {
            return Ok(());
        }
        open.push(id);
        if open.len() > MAX_DEPTH {
            let message = format!("elements nest more than {MAX_DEPTH} levels deep");
            return Err(XmlError {
                message,
                offset: name.start,
            });
        }
        Ok(())
    }

    /// Reads `name>` of an end tag. False where nothing is open any more: what follows is no part of the file's tree.
    fn end(&self, cursor: &mut Cursor<'_>, open: &mut Vec<ElementId>) -> Result<bool, XmlError> {
        let name = cursor.name("an element's name")?;
        cursor.skip_blanks();
        if !cursor.take(b'>') {
            return Err(cursor.error("'>' expected"));
        }
        let Some(id) = open.pop() else {
            return Ok(false);
        };
        if self.slice(name) == self.name(id) {
            return Ok(true);
        }
        let message = format!("</{}> ends <{}>", self.slice(name), self.name(id));
        Err(XmlError {
            message,
            offset: name.start,
        })
    }

    /// Reads attributes to the end of the tag. True where the element has no content.
    fn attributes_of(&mut self, cursor: &mut Cursor<'_>, id: ElementId) -> Result<bool, XmlError> {
        let first = self.attributes.len();
        loop {
            cursor.skip_blanks();
            match cursor.peek() {
                Some(b'>') => {
                    cursor.at += 1;
                    break;
                }
                Some(b'/') if cursor.bytes.get(cursor.at + 1) == Some(&b'>') => {
                    cursor.at += 2;
                    self.elements[id as usize].attributes.end = self.attributes.len() as u32;
                    return Ok(true);
                }
                Some(_) => {
                    let attribute = self.attribute_at(cursor)?;
                    let name = self.slice(attribute.name);
                    let earlier = &self.attributes[first..];
                    if earlier.iter().any(|other| self.slice(other.name) == name) {
                        return Err(XmlError {
                            message: format!("the attribute '{name}' is given twice"),
                            offset: attribute.name.start,
                        });
                    }
                    self.attributes.push(attribute);
                }
                None => {
                    return Err(XmlError {
                        message: format!("<{}> has no '>'", self.name(id)),
                        offset: self.name_span(id).start,
                    });
                }
            }
        }
        self.elements[id as usize].attributes.end = self.attributes.len() as u32;
        Ok(false)
    }

    /// Reads `name="value"`.
    fn attribute_at(&self, cursor: &mut Cursor<'_>) -> Result<Attribute, XmlError> {
        let name = cursor.name("an attribute or '>'")?;
        cursor.skip_blanks();
        if !cursor.take(b'=') {
            return Err(cursor.error("'=' expected after the attribute's name"));
        }
        cursor.skip_blanks();
        let value = cursor.quoted()?;
        let raw = self.slice(value);
        let decoded = raw
            .contains(['&', '\r'])
            .then(|| decode(raw).into_owned().into());
        Ok(Attribute {
            name,
            value,
            decoded,
        })
    }

    fn add(&mut self, name: Span, parent: Option<ElementId>) -> ElementId {
        let id = self.elements.len() as ElementId;
        let first = self.attributes.len() as u32;
        self.elements.push(Element {
            name,
            attributes: first..first,
            n_children: 0,
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
        });
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
        id
    }

    /// The outermost element.
    pub(crate) const fn root(&self) -> ElementId {
        0
    }

    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Line and column of a place in the text, from 1; the column counts characters.
    pub(crate) fn line_and_column(&self, offset: u32) -> (usize, usize) {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate();
            let ends = ends.filter(|&(_, byte)| byte == b'\n');
            let starts = ends.map(|(end, _)| end as u32 + 1);
            std::iter::once(0).chain(starts).collect()
        });
        let line = lines.partition_point(|&start| start as usize <= offset);
        let start = lines[line - 1] as usize;
        (line, 1 + self.text[start..offset].chars().count())
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

    /// From an element directly below the root to the next one.
    pub(crate) fn extent(&self, id: ElementId) -> Span {
        let end = self
            .next_sibling(id)
            .map_or(self.text.len() as u32, |next| self.name_span(next).start);
        Span {
            start: self.name_span(id).start,
            end,
        }
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
        self.raw_attributes(id)
            .iter()
            .map(|attribute| self.attr(attribute))
    }

    /// The first attribute of that name.
    pub(crate) fn attribute(&self, id: ElementId, name: &str) -> Option<&str> {
        self.find_attribute(id, name)
            .map(|attribute| attribute.value)
    }

    pub(crate) fn find_attribute(&self, id: ElementId, name: &str) -> Option<Attr<'_>> {
        self.raw_attributes(id)
            .iter()
            .find(|attribute| self.slice(attribute.name) == name)
            .map(|attribute| self.attr(attribute))
    }

    fn raw_attributes(&self, id: ElementId) -> &[Attribute] {
        let range = self.elements[id as usize].attributes.clone();
        &self.attributes[range.start as usize..range.end as usize]
    }

    fn attr<'d>(&'d self, attribute: &'d Attribute) -> Attr<'d> {
        let value = match &attribute.decoded {
            Some(decoded) => decoded,
            None => self.slice(attribute.value),
        };
        Attr {
            name: self.slice(attribute.name),
            value,
            name_span: attribute.name,
            value_span: attribute.value,
            verbatim: attribute.decoded.is_none(),
        }
    }
}

/// Where the reader is in the text.
struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest
            .iter()
            .position(|&byte| !wanted(byte))
            .unwrap_or(rest.len());
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
    }

    /// Goes on behind the next `end`.
    fn skip_past(&mut self, end: &[u8]) -> Result<(), XmlError> {
        let rest = &self.bytes[self.at..];
        match rest.windows(end.len()).position(|window| window == end) {
            Some(length) => {
                self.at += length + end.len();
                Ok(())
            }
            None => Err(self.error(&format!("'{}' expected", String::from_utf8_lossy(end)))),
        }
    }

    /// Passes over text, which an element or comment must follow.
    fn text(&mut self) -> Result<(), XmlError> {
        let start = self.at;
        self.skip_while(|byte| byte != b'<');
        if self.peek().is_some() {
            return Ok(());
        }
        self.at = start;
        Err(self.error("there is text after the last element"))
    }

    fn name(&mut self, wanted: &str) -> Result<Span, XmlError> {
        let start = self.at;
        if !self.peek().is_some_and(starts_name) {
            return Err(self.error(&format!("{wanted} expected")));
        }
        self.skip_while(|byte| {
            starts_name(byte) || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
        });
        Ok(self.span_from(start))
    }

    /// A value in double or single quotes.
    fn quoted(&mut self) -> Result<Span, XmlError> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return Err(self.error("a value in quotes expected"));
        };
        let start = self.at + 1;
        self.at = start;
        self.skip_while(|byte| byte != quote);
        let value = self.span_from(start);
        if self.take(quote) {
            return Ok(value);
        }
        self.at = start - 1;
        Err(self.error("the value has no closing quote"))
    }

    fn span_from(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            end: self.at as u32,
        }
    }

    #[cold]
    fn error(&self, message: &str) -> XmlError {
        XmlError {
            message: message.to_owned(),
            offset: self.at as u32,
        }
    }
}

const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
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
            let code = match number.strip_prefix('x') {
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
        for (text, at) in [
            ("", 0),
            ("<!-- a -->", 0),
            ("<a>", 1),
            ("<a></b>", 5),
            ("<a", 1),
            ("<a b=></a>", 5),
            ("<a b='1></a>", 5),
            ("<a b></a>", 4),
            ("<a b='1' b='2'/>", 9),
            ("<a 1b='1'/>", 3),
            ("<a@/>", 2),
            ("<1/>", 1),
            ("&", 0),
            ("<a/> text", 5),
            ("<!-- a --><?xml version='1.0'?><a/>", 10),
            ("<a><?b?></a>", 3),
            ("<a/><!-- b", 8),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.offset, at, "{text}: {}", error.message);
        }
    }

    #[test]
    fn what_tinyxml2_takes_is_taken() {
        for text in [
            "<?xml version='1.0'?><?b?><!DOCTYPE a><a/>",
            "text <a/>",
            "<a b='<c>'/>",
            "< a\n b = '1'c='2' >< /a >",
            "<a><![CDATA[</a>]]>&</a><!-- b -->\n",
            "<a/></a> what follows an end of nothing",
            "<a/><b/>",
        ] {
            let document = parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
            assert_eq!(document.name(document.root()), "a", "{text}");
        }
    }

    #[test]
    fn places_count_characters() {
        let document = Document::empty("t.xml", "ä\nbü<".into());
        assert_eq!(document.line_and_column(0), (1, 1));
        assert_eq!(document.line_and_column(2), (1, 2));
        assert_eq!(document.line_and_column(3), (2, 1));
        assert_eq!(document.line_and_column(6), (2, 3));
        assert_eq!(document.line_and_column(99), (2, 4));
    }
}
