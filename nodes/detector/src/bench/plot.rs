//! Bars as a picture: SVG, which looks the same wherever it is shown.

use std::fmt::Write;

const PANEL: f64 = 240.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 30.0;
/// Room above the highest bar: title and value.
const ABOVE: f64 = 56.0;

/// Panels side by side, each a title and bars with their names; every panel has its own scale, from 0. `names` says
/// what the bars' names are.
pub fn bars(names: &str, panels: &[(&str, Vec<(String, f64)>)]) -> String {
    let width = PANEL * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\" text-anchor=\"middle\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (index, (title, bars)) in panels.iter().enumerate() {
        let left = PANEL * index as f64;
        let middle = left + PANEL / 2.0;
        let floor = HEIGHT - MARGIN;
        let most = bars
            .iter()
            .map(|(_, value)| *value)
            .fold(f64::MIN_POSITIVE, f64::max);
        let slot = (PANEL - 2.0 * MARGIN) / bars.len().max(1) as f64;
        text(&mut svg, middle, 20.0, title);
        for (number, (name, value)) in bars.iter().enumerate() {
            let height = (floor - ABOVE) * (value / most).clamp(0.0, 1.0);
            let centre = left + MARGIN + slot * (number as f64 + 0.5);
            let (x, y, wide) = (centre - 0.35 * slot, floor - height, 0.7 * slot);
            // Writing to a string cannot fail.
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\" fill=\"#4878a8\"/>"
            );
            let digits = usize::from(*value < 100.0 && value.fract() != 0.0);
            text(&mut svg, centre, y - 4.0, &format!("{value:.digits$}"));
            text(&mut svg, centre, floor + 12.0, name);
        }
        text(&mut svg, middle, HEIGHT - 4.0, names);
    }
    svg += "</svg>\n";
    svg
}

fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}
