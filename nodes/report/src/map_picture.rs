//! `map.png`: the maze from above with the path driven, the goals with their verdicts, where the object was seen and
//! where it is.

use image::RgbImage;

use crate::canvas::{Canvas, Color, Size};
use crate::goals::{Answer, Verdict};
use crate::map::{Cell, Grid};
use crate::path::distance;

/// The longest side of the map and the legend's width, px.
const MAP_SIZE: f64 = 900.0;
const LEGEND_WIDTH: f64 = 330.0;
const MARGIN: f64 = 16.0;
/// The picture is at least as high as the legend needs for some goals, px.
const MIN_HEIGHT: f64 = 420.0;
/// What lies farther from the map than this is not drawn, m.
const BORDER: f64 = 1.0;
/// A robot that has not moved still gets a map, m.
const MIN_EXTENT: f64 = 2.0;

const PAPER: Color = [255, 255, 255];
const UNKNOWN: Color = [225, 228, 232];
const FREE: Color = [250, 250, 247];
const WALL: Color = [52, 58, 64];
const INK: Color = [33, 37, 41];
// Told apart also by those who do not tell red from green (Okabe and Ito).
const PATH: Color = [0, 114, 178];
const GO: Color = [0, 158, 115];
const NO_GO: Color = [213, 94, 0];
const UNSURE: Color = [230, 159, 0];
const SEEN: Color = [170, 30, 120];

/// What is drawn. All places are `[x, y]` in m in the map frame.
pub struct MapPicture<'a> {
    /// One line at the top of the legend.
    pub title: &'a str,
    /// The maze.
    pub grid: Option<&'a Grid>,
    /// The path driven, from the start.
    pub path: Vec<[f64; 2]>,
    /// The goals as they were judged.
    pub verdicts: &'a [Verdict],
    /// Where the object was seen.
    pub seen: Option<[f64; 2]>,
    /// Where objects of the class are.
    pub truth: Vec<[f64; 2]>,
}

/// A goal on the map: the same place with the same answer is drawn once.
struct Goal<'a> {
    at: [f64; 2],
    verdict: &'a Verdict,
    times: usize,
}

impl MapPicture<'_> {
    /// Draws it.
    pub fn draw(&self) -> RgbImage {
        let goals = self.goals();
        let view = View::of(self, &goals);
        let [map_width, map_height] = view.size();
        let height = (map_height + 2.0 * MARGIN).max(MIN_HEIGHT);
        let legend_left = map_width + 2.0 * MARGIN;
        let mut canvas = Canvas::new((legend_left + LEGEND_WIDTH) as u32, height as u32, PAPER);
        canvas.fill_with(|pixel| {
            let at = view.in_map(pixel)?;
            Some(match self.grid.and_then(|grid| grid.at(at)) {
                Some(Cell::Free) => FREE,
                Some(Cell::Occupied) => WALL,
                Some(Cell::Unknown) | None => UNKNOWN,
            })
        });
        self.draw_run(&mut canvas, &view, &goals);
        self.draw_legend(&mut canvas, [legend_left, MARGIN], height, &goals);
        view.draw_scale_bar(&mut canvas, [legend_left, height - MARGIN]);
        canvas.into_image()
    }

    fn goals(&self) -> Vec<Goal<'_>> {
        let mut goals: Vec<Goal> = Vec::new();
        for verdict in self.verdicts {
            let [Some(x), Some(y), _] = verdict.goal else {
                continue;
            };
            let at = [x, y];
            let same = |goal: &&mut Goal| {
                distance(goal.at, at) < 0.01 && goal.verdict.verdict == verdict.verdict
            };
            match goals.iter_mut().find(same) {
                Some(goal) => goal.times += 1,
                None => goals.push(Goal {
                    at,
                    verdict,
                    times: 1,
                }),
            }
        }
        goals
    }

    fn draw_run(&self, canvas: &mut Canvas, view: &View, goals: &[Goal]) {
        canvas.polyline(self.path.iter().map(|&at| view.pixel(at)), 3.0, PATH);
        if let Some(&start) = self.path.first() {
            draw_start(canvas, view.pixel(start));
        }
        if let Some(&end) = self.path.last() {
            draw_end(canvas, view.pixel(end));
        }
        for (number, goal) in (1..).zip(goals).filter(|(_, goal)| view.holds(goal.at)) {
            let at = view.pixel(goal.at);
            draw_goal(canvas, at, goal.verdict.verdict);
            label(canvas, &format!("{number}"), [at[0] + 10.0, at[1] - 15.0]);
        }
        for &at in self.truth.iter().filter(|at| view.holds(**at)) {
            draw_truth(canvas, view.pixel(at));
        }
        if let Some(seen) = self.seen.filter(|at| view.holds(*at)) {
            draw_seen(canvas, view.pixel(seen));
        }
    }

    fn draw_legend(&self, canvas: &mut Canvas, [left, top]: [f64; 2], height: f64, goals: &[Goal]) {
        let columns =
            |size: Size, left: f64| ((LEGEND_WIDTH - MARGIN - left) / size.width(1)) as usize;
        let mut y = top;
        for line in wrapped(self.title, columns(Size::Bold, 0.0))
            .into_iter()
            .take(3)
        {
            canvas.text(line, [left, y], Size::Bold, INK);
            y += Size::Bold.height() + 3.0;
        }
        y += 8.0;
        let mut entry = |draw: &dyn Fn(&mut Canvas, [f64; 2]), text: &str| {
            draw(canvas, [left + 10.0, y + 7.0]);
            for line in wrapped(text, columns(Size::Small, 28.0))
                .into_iter()
                .take(2)
            {
                canvas.text(line, [left + 28.0, y], Size::Small, INK);
                y += Size::Small.height() + 2.0;
            }
            y += 6.0;
            y
        };
        if !self.path.is_empty() {
            entry(&draw_path_sample, "path driven");
            entry(&|c, at| draw_start(c, at), "start");
            entry(&|c, at| draw_end(c, at), "end");
        }
        if !self.truth.is_empty() {
            entry(&|c, at| draw_truth(c, at), "where the object is");
        }
        if self.seen.is_some() {
            entry(&|c, at| draw_seen(c, at), "where it was seen");
        }
        for (index, goal) in goals.iter().enumerate() {
            let text = goal_text(index + 1, goal);
            let y = entry(&|c, at| draw_goal(c, at, goal.verdict.verdict), &text);
            let left_over = goals.len() - index - 1;
            if left_over > 0 && y > height - 6.0 * MARGIN {
                canvas.text(
                    format!("and {left_over} more goals"),
                    [left + 28.0, y],
                    Size::Small,
                    INK,
                );
                break;
            }
        }
    }
}

fn goal_text(number: usize, goal: &Goal) -> String {
    let times = if goal.times > 1 {
        format!(" (x{})", goal.times)
    } else {
        String::new()
    };
    match goal.verdict.verdict {
        Answer::Go => format!("goal {number}{times}: go"),
        Answer::NoGo => format!("goal {number}{times}: no-go, {}", goal.verdict.reason),
        Answer::Unsure => format!("goal {number}{times}: unsure, {}", goal.verdict.reason),
    }
}

fn draw_path_sample(canvas: &mut Canvas, [x, y]: [f64; 2]) {
    canvas.line([x - 9.0, y], [x + 9.0, y], 3.0, PATH);
}

fn draw_start(canvas: &mut Canvas, at: [f64; 2]) {
    canvas.disc(at, 6.0, PAPER);
    canvas.ring(at, 6.0, 2.5, PATH);
}

fn draw_end(canvas: &mut Canvas, at: [f64; 2]) {
    canvas.disc(at, 6.0, PATH);
}

fn draw_goal(canvas: &mut Canvas, at: [f64; 2], answer: Answer) {
    let [x, y] = at;
    canvas.disc(at, 9.0, PAPER);
    match answer {
        Answer::Go => canvas.disc(at, 7.5, GO),
        Answer::NoGo => {
            canvas.disc(at, 7.5, NO_GO);
            canvas.rectangle([x - 4.5, y - 1.5], [x + 4.5, y + 1.5], PAPER);
        }
        Answer::Unsure => {
            canvas.disc(at, 7.5, UNSURE);
            canvas.disc(at, 2.5, PAPER);
        }
    }
}

fn draw_truth(canvas: &mut Canvas, at: [f64; 2]) {
    canvas.ring(at, 11.0, 5.0, PAPER);
    canvas.ring(at, 11.0, 2.5, INK);
}

fn draw_seen(canvas: &mut Canvas, at: [f64; 2]) {
    canvas.cross(at, 7.5, 6.0, PAPER);
    canvas.cross(at, 7.0, 3.0, SEEN);
}

/// Text that stays legible on walls.
fn label(canvas: &mut Canvas, text: &str, at: [f64; 2]) {
    let to = [
        at[0] + Size::Small.width(text.len()),
        at[1] + Size::Small.height() - 1.0,
    ];
    canvas.rectangle([at[0] - 1.0, at[1]], to, FREE);
    canvas.text(text, at, Size::Small, INK);
}

/// Breaks text into lines of at most `columns` characters, at spaces.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().take(columns).collect();
        let length = |line: &String| line.chars().count();
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word,
            Some(line) if length(line) + 1 + length(&word) <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Which part of the plane is shown, and how large.
struct View {
    min: [f64; 2],
    max: [f64; 2],
    /// px per m
    scale: f64,
}

impl View {
    fn of(picture: &MapPicture, goals: &[Goal]) -> Self {
        let mut places = picture.grid.map(Grid::known_corners).unwrap_or_default();
        if places.is_empty() {
            let found = picture
                .seen
                .into_iter()
                .chain(picture.truth.iter().copied());
            places = picture.path.iter().copied().chain(found).collect();
        }
        if places.is_empty() {
            places = goals.iter().map(|goal| goal.at).collect();
        }
        let extreme =
            |pick: fn(f64, f64) -> f64, axis: usize| places.iter().map(|at| at[axis]).reduce(pick);
        let bounds = |axis| {
            let min = extreme(f64::min, axis).unwrap_or(0.0);
            let max = extreme(f64::max, axis).unwrap_or(0.0);
            let missing = (MIN_EXTENT - (max - min)).max(0.0);
            (min - missing / 2.0, max + missing / 2.0)
        };
        let ((min_x, max_x), (min_y, max_y)) = (bounds(0), bounds(1));
        Self {
            min: [min_x, min_y],
            max: [max_x, max_y],
            scale: MAP_SIZE / (max_x - min_x).max(max_y - min_y),
        }
    }

    fn size(&self) -> [f64; 2] {
        [0, 1].map(|axis| ((self.max[axis] - self.min[axis]) * self.scale).ceil())
    }

    fn holds(&self, at: [f64; 2]) -> bool {
        (0..2).all(|axis| (self.min[axis] - BORDER..=self.max[axis] + BORDER).contains(&at[axis]))
    }

    fn pixel(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [
            MARGIN + (x - self.min[0]) * self.scale,
            MARGIN + (self.max[1] - y) * self.scale,
        ]
    }

    /// The place that a pixel shows; `None` beside the map.
    fn in_map(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let at = [
            self.min[0] + (x - MARGIN) / self.scale,
            self.max[1] - (y - MARGIN) / self.scale,
        ];
        (0..2)
            .all(|axis| (self.min[axis]..=self.max[axis]).contains(&at[axis]))
            .then_some(at)
    }

    fn draw_scale_bar(&self, canvas: &mut Canvas, [left, bottom]: [f64; 2]) {
        let bar = self.scale_bar();
        canvas.line([left, bottom], [left + bar * self.scale, bottom], 3.0, INK);
        canvas.text(format!("{bar} m"), [left, bottom - 18.0], Size::Small, INK);
    }

    /// A round length that takes about a sixth of the map, m.
    fn scale_bar(&self) -> f64 {
        let wanted = MAP_SIZE / self.scale / 6.0;
        let decade = 10_f64.powf(wanted.log10().floor());
        [5.0, 2.0, 1.0]
            .map(|n| n * decade)
            .into_iter()
            .find(|m| *m <= wanted)
            .unwrap_or(decade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn verdict(goal: [f64; 2], verdict: Answer, reason: &str) -> Verdict {
        Verdict {
            goal_id: "00".repeat(16),
            goal: [Some(goal[0]), Some(goal[1]), Some(0.0)],
            verdict,
            confidence: 1.0,
            evaluator: "geometric".to_owned(),
            reason: reason.to_owned(),
            error_code: 0,
            elapsed_s: 0.01,
        }
    }

    /// A room of 6 m x 4 m with walls of 0.1 m and a wall half across the middle.
    fn room() -> Grid {
        let (width, height) = (120, 80);
        let occupied = |x: usize, y: usize| {
            x < 2 || y < 2 || x >= 118 || y >= 78 || ((59..61).contains(&x) && y < 50)
        };
        let cells = (0..width * height).map(|i| {
            if occupied(i % width, i / width) {
                100
            } else {
                0
            }
        });
        Grid::new(0.05, width, [-1.0, -1.0, 0.0], cells.collect()).expect("a sound grid")
    }

    fn count(picture: &RgbImage, color: Color) -> usize {
        picture
            .pixels()
            .filter(|pixel| **pixel == Rgb(color))
            .count()
    }

    #[test]
    fn the_picture_shows_maze_path_goals_and_object() {
        let grid = room();
        let verdicts = [
            verdict([1.0, 0.0], Answer::Go, ""),
            verdict(
                [2.0, 0.0],
                Answer::NoGo,
                "the goal lies on an occupied cell of the map",
            ),
            verdict([3.0, 2.2], Answer::Go, ""),
            verdict([1.0, 0.0], Answer::Go, ""),
            verdict(
                [0.0, 2.4],
                Answer::Unsure,
                "no answer from the model within 2 s",
            ),
        ];
        let picture = MapPicture {
            title: "ball found after 42.1 s at (4.02, 0.31)",
            grid: Some(&grid),
            path: vec![[0.0, 0.0], [1.0, 0.0], [1.2, 2.0], [3.0, 2.2], [3.4, 1.0]],
            verdicts: &verdicts,
            seen: Some([4.02, 0.31]),
            truth: vec![[4.0, 0.3]],
        }
        .draw();
        for color in [WALL, FREE, PATH, GO, NO_GO, UNSURE, SEEN, INK] {
            assert!(count(&picture, color) > 20, "{color:?} is missing");
        }
        // Walls are where the grid has them: 150 px a metre, the inner wall at x = 1.95 to 2.05.
        assert_eq!(picture.get_pixel(16 + 450, 16 + 400), &Rgb(WALL));
        assert_eq!(picture.get_pixel(16 + 450, 16 + 100), &Rgb(FREE));
        if let Some(folder) = std::env::var_os("KEEP_PICTURES") {
            picture
                .save(std::path::Path::new(&folder).join("map.png"))
                .expect("saved");
        }
    }

    #[test]
    fn hostile_places_and_missing_parts_draw_something() {
        let far = [
            verdict([1e300, -1e300], Answer::NoGo, "x".repeat(500).as_str()),
            verdict([0.0, 0.0], Answer::Go, ""),
        ];
        let mut not_finite = far.clone();
        not_finite[0].goal = [None, Some(0.0), None];
        for verdicts in [&[][..], &far, &not_finite] {
            for grid in [None, Some(room())] {
                let picture = MapPicture {
                    title: "",
                    grid: grid.as_ref(),
                    path: Vec::new(),
                    verdicts,
                    seen: Some([-1e9, 0.0]),
                    truth: Vec::new(),
                };
                assert!(picture.draw().width() > 100);
            }
        }
    }

    #[test]
    fn many_goals_do_not_grow_the_picture() {
        let verdicts: Vec<_> = (0..500)
            .map(|i| verdict([f64::from(i) * 0.02, 0.0], Answer::NoGo, "no"))
            .collect();
        let grid = room();
        let picture = MapPicture {
            title: "t",
            grid: Some(&grid),
            path: Vec::new(),
            verdicts: &verdicts,
            seen: None,
            truth: Vec::new(),
        };
        assert!(picture.draw().height() < 700);
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_are_cut() {
        assert_eq!(wrapped("a bc  def g", 4), ["a bc", "def", "g"]);
        assert_eq!(wrapped("abcdefgh i", 4), ["abcd", "i"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
