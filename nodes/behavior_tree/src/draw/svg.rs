//! A tree as SVG: the root on top, children side by side below their parent, which stands over their middle.

use std::fmt::Write as _;

use super::{label, mark, nodes};
use crate::status::{Category, Status};
use crate::tree::Tree;
use crate::tree_xml::escape;

/// All in the SVG's own unit, which a browser takes for a pixel.
const CHARACTER: usize = 8;
const PADDING: usize = 20;
const BOX_HEIGHT: usize = 44;
const GAP: usize = 16;
const LEVEL: usize = BOX_HEIGHT + 36;

/// A node's place: its box, and how wide everything below it is.
#[derive(Clone, Copy, Default)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
    total: usize,
}

impl Place {
    const fn middle(&self) -> usize {
        self.x + self.width / 2
    }
}

/// The tree as an SVG document. The frame of a box is coloured by the sort of node, its inside by the state.
#[must_use]
pub fn svg(tree: &Tree) -> String {
    let (nodes, children) = nodes(tree);
    let labels: Vec<_> = nodes.iter().map(label).collect();
    let widths = labels.iter().map(|(name, id)| {
        let n_characters = name.chars().count() + 2;
        n_characters.max(id.as_ref().map_or(0, |id| id.chars().count())) * CHARACTER + PADDING
    });
    let places = layout(&widths.collect::<Vec<_>>(), &children);
    let (width, height) = places.iter().fold((0, 0), |(width, height), place| {
        let right = place.x + place.width + GAP;
        (width.max(right), height.max(place.y + BOX_HEIGHT + GAP))
    });
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\">\n"
    );
    for (place, children) in places.iter().zip(&children) {
        for &child in children {
            let (from, to) = (place.middle(), places[child].middle());
            let (top, bottom) = (place.y + BOX_HEIGHT, places[child].y);
            let bend = (top + bottom) / 2;
            let _ = writeln!(
                out,
                "  <path d=\"M{from} {top}V{bend}H{to}V{bottom}\" fill=\"none\" stroke=\"#888\"/>"
            );
        }
    }
    for ((node, place), (name, id)) in nodes.iter().zip(&places).zip(&labels) {
        let Place { x, y, width, .. } = place;
        let (stroke, fill) = (frame(node.category), inside(node.status));
        let _ = writeln!(
            out,
            "  <g><title>{} {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"6\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"2\"/>",
            escape(&node.path),
            node.status
        );
        let (middle, line) = (place.middle(), y + if id.is_some() { 19 } else { 27 });
        let _ = write!(
            out,
            "    <text x=\"{middle}\" y=\"{line}\">{} {}</text>",
            mark(node),
            escape(name)
        );
        if let Some(id) = id {
            let _ = write!(
                out,
                "<text x=\"{middle}\" y=\"{}\" fill=\"#666\" font-size=\"11\">{}</text>",
                y + 35,
                escape(id)
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// A parent comes before its children in the list, so that going backwards meets every child before its parent.
fn layout(widths: &[usize], children: &[Vec<usize>]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(widths.len());
    places.extend(widths.iter().map(|&width| Place {
        width,
        ..Place::default()
    }));
    let span = |places: &[Place], children: &[usize]| {
        let widths: usize = children.iter().map(|&child| places[child].total).sum();
        widths + children.len().saturating_sub(1) * GAP
    };
    for i in (0..places.len()).rev() {
        places[i].total = places[i].width.max(span(&places, &children[i]));
    }
    // Until a node's turn its x is the left edge of all that is below it.
    if let Some(root) = places.first_mut() {
        (root.x, root.y) = (GAP, GAP);
    }
    for i in 0..places.len() {
        let Place { x, y, width, total } = places[i];
        places[i].x = x + (total - width) / 2;
        let mut left = x + (total - span(&places, &children[i])) / 2;
        for &child in &children[i] {
            (places[child].x, places[child].y) = (left, y + LEVEL);
            left += places[child].total + GAP;
        }
    }
    places
}

const fn frame(category: Category) -> &'static str {
    match category {
        Category::Control => "#3b6fb6",
        Category::Decorator => "#8a5fb0",
        Category::Action => "#555555",
        Category::Condition => "#b8860b",
        Category::SubTree => "#2f8f83",
    }
}

const fn inside(status: Status) -> &'static str {
    match status {
        Status::Idle | Status::Skipped => "#ffffff",
        Status::Running => "#ffe9b0",
        Status::Success => "#c9efc9",
        Status::Failure => "#f7c6c6",
    }
}
