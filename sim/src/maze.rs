//! Mazes on a grid, from a seed.

use rand::{RngExt, seq::IndexedRandom, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::pose::Pose;
use crate::world::{Collision, Material, Model, Shape, Solid, Visual};

/// Size and form of a maze.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MazeOptions {
    /// Cells along x.
    pub columns: usize,
    /// Cells along y.
    pub rows: usize,
    /// Distance from one cell's middle to the next, m.
    pub pitch: f64,
    /// m
    pub wall_thickness: f64,
    /// m
    pub wall_height: f64,
    /// Part of the inner walls that is taken out once every cell can be reached, in 0 to 1: this makes loops.
    pub openness: f64,
}

impl Default for MazeOptions {
    fn default() -> Self {
        Self {
            columns: 6,
            rows: 5,
            pitch: 1.4,
            wall_thickness: 0.1,
            wall_height: 1.0,
            openness: 0.15,
        }
    }
}

/// A maze: cells, with walls between some of them. Its lower left corner is the world's origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Maze {
    options: MazeOptions,
    /// Wall on the left of each cell, and one more column for the right border.
    left: Vec<bool>,
    /// Wall below each cell, and one more row for the upper border.
    below: Vec<bool>,
}

/// A cell's column and row.
pub type Cell = (usize, usize);

impl Maze {
    /// A maze in which every cell can be reached from every other.
    pub fn generate(options: MazeOptions, rng: &mut ChaCha8Rng) -> Self {
        let (columns, rows) = (options.columns, options.rows);
        let mut maze = Self {
            options,
            left: vec![true; (columns + 1) * rows],
            below: vec![true; columns * (rows + 1)],
        };
        let mut visited = vec![false; columns * rows];
        let first = (rng.random_range(0..columns), rng.random_range(0..rows));
        visited[first.1 * columns + first.0] = true;
        let mut trail = vec![first];
        while let Some(&cell) = trail.last() {
            let fresh: Vec<Cell> = maze
                .neighbors(cell)
                .into_iter()
                .filter(|&(x, y)| !visited[y * columns + x])
                .collect();
            match fresh.choose(rng) {
                Some(&next) => {
                    maze.open(cell, next);
                    visited[next.1 * columns + next.0] = true;
                    trail.push(next);
                }
                None => {
                    trail.pop();
                }
            }
        }
        let mut standing: Vec<(Cell, Cell)> = maze
            .cells()
            .flat_map(|cell| maze.neighbors(cell).into_iter().map(move |n| (cell, n)))
            .filter(|&(a, b)| a < b && !maze.connected(a, b))
            .collect();
        standing.shuffle(rng);
        let count = (standing.len() as f64 * options.openness).round() as usize;
        for &(a, b) in standing.iter().take(count) {
            maze.open(a, b);
        }
        maze
    }

    /// The options that it was made with.
    pub fn options(&self) -> MazeOptions {
        self.options
    }

    /// All cells, row by row.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + use<> {
        let (columns, rows) = (self.options.columns, self.options.rows);
        (0..rows).flat_map(move |y| (0..columns).map(move |x| (x, y)))
    }

    /// The middle of a cell, m.
    pub fn center(&self, (x, y): Cell) -> [f64; 2] {
        [
            (x as f64 + 0.5) * self.options.pitch,
            (y as f64 + 0.5) * self.options.pitch,
        ]
    }

    /// Length and width, m.
    pub fn size(&self) -> [f64; 2] {
        [
            self.options.columns as f64 * self.options.pitch,
            self.options.rows as f64 * self.options.pitch,
        ]
    }

    /// The cells beside a cell, whether or not a wall is between.
    pub fn neighbors(&self, (x, y): Cell) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(4);
        if x > 0 {
            cells.push((x - 1, y));
        }
        if x + 1 < self.options.columns {
            cells.push((x + 1, y));
        }
        if y > 0 {
            cells.push((x, y - 1));
        }
        if y + 1 < self.options.rows {
            cells.push((x, y + 1));
        }
        cells
    }

    /// The cells beside a cell without a wall between.
    pub fn exits(&self, cell: Cell) -> Vec<Cell> {
        self.neighbors(cell)
            .into_iter()
            .filter(|&n| self.connected(cell, n))
            .collect()
    }

    /// Whether there is no wall between two neighbours.
    pub fn connected(&self, a: Cell, b: Cell) -> bool {
        let (vertical, index) = self.wall_between(a, b);
        if vertical {
            !self.left[index]
        } else {
            !self.below[index]
        }
    }

    fn open(&mut self, a: Cell, b: Cell) {
        let (vertical, index) = self.wall_between(a, b);
        if vertical {
            self.left[index] = false;
        } else {
            self.below[index] = false;
        }
    }

    fn wall_between(&self, a: Cell, b: Cell) -> (bool, usize) {
        let columns = self.options.columns;
        if a.1 == b.1 {
            (true, a.1 * (columns + 1) + a.0.max(b.0))
        } else {
            (false, a.1.max(b.1) * columns + a.0)
        }
    }

    /// The middle and heading of each wall panel.
    fn panels(&self) -> Vec<Pose> {
        let MazeOptions {
            columns,
            rows,
            pitch,
            wall_height,
            ..
        } = self.options;
        let z = wall_height / 2.0;
        let mut poses = Vec::new();
        for y in 0..rows {
            for x in 0..=columns {
                if self.left[y * (columns + 1) + x] {
                    let xyz = [x as f64 * pitch, (y as f64 + 0.5) * pitch, z];
                    poses.push(Pose {
                        xyz,
                        rpy: [0.0, 0.0, std::f64::consts::FRAC_PI_2],
                    });
                }
            }
        }
        for y in 0..=rows {
            for x in 0..columns {
                if self.below[y * columns + x] {
                    poses.push(Pose::at((x as f64 + 0.5) * pitch, y as f64 * pitch, z));
                }
            }
        }
        poses
    }

    /// Where posts stand: at the ends of panels.
    fn posts(&self) -> Vec<[f64; 2]> {
        let MazeOptions {
            columns,
            rows,
            pitch,
            ..
        } = self.options;
        let mut places = Vec::new();
        for y in 0..=rows {
            for x in 0..=columns {
                let above = y < rows && self.left[y * (columns + 1) + x];
                let under = y > 0 && self.left[(y - 1) * (columns + 1) + x];
                let right = x < columns && self.below[y * columns + x];
                let before = x > 0 && self.below[y * columns + x - 1];
                if above || under || right || before {
                    places.push([x as f64 * pitch, y as f64 * pitch]);
                }
            }
        }
        places
    }

    /// The size of a wall panel: length, thickness, height, m.
    pub fn panel_size(&self) -> [f64; 3] {
        [
            self.options.pitch - self.options.wall_thickness,
            self.options.wall_thickness,
            self.options.wall_height,
        ]
    }

    /// The walls as one model; each panel gets one of the `skins` at random, the posts get `post`.
    pub fn model(&self, skins: &[Material], post: &Material, rng: &mut ChaCha8Rng) -> Model {
        let mut model = Model {
            name: "maze".to_owned(),
            pose: Pose::default(),
            visuals: Vec::new(),
            collisions: Vec::new(),
        };
        let mut add = |name: String, pose: Pose, size: [f64; 3], material: Material| {
            let collision = Collision {
                name: format!("{name}_solid"),
                pose,
                solid: Solid::Box(size),
            };
            model.collisions.push(collision);
            model.visuals.push(Visual {
                name,
                pose,
                shape: Shape::Box(size),
                material,
            });
        };
        // Long stretches share a surface; now and then it changes.
        let mut skin = skins.choose(rng).unwrap_or(post).clone();
        for (i, pose) in self.panels().into_iter().enumerate() {
            if rng.random_bool(0.3) {
                skin = skins.choose(rng).unwrap_or(post).clone();
            }
            add(format!("wall_{i}"), pose, self.panel_size(), skin.clone());
        }
        let side = self.options.wall_thickness;
        for (i, [x, y]) in self.posts().into_iter().enumerate() {
            let pose = Pose::at(x, y, self.options.wall_height / 2.0);
            add(
                format!("post_{i}"),
                pose,
                [side, side, self.options.wall_height],
                post.clone(),
            );
        }
        model
    }
}
