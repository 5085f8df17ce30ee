//! Occupancy grids: a world as a map of cells, written in Nav2's format.

use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::Path;

use crate::obstacles::{Obstacles, Outline};
use crate::pose::Pose2;
use crate::robot;
use crate::world::World;

/// What a map says of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// Nothing there.
    Free,
    /// Something solid reaches into it.
    Occupied,
    /// The robot can never see it.
    Unknown,
}

/// A map of square cells, row by row from the lowest y.
#[derive(Debug, Clone, PartialEq)]
pub struct OccupancyGrid {
    /// A cell's side, m.
    pub resolution: f64,
    /// The lower left corner in the world frame, m.
    pub origin: [f64; 2],
    /// Cells along x.
    pub width: usize,
    /// Cells along y.
    pub height: usize,
    /// What is in each cell.
    pub cells: Vec<CellState>,
}

/// A cell's side in the maps that go with a world, m.
pub const MAP_RESOLUTION: f64 = 0.05;
/// Unknown cells around what is known, m.
const MARGIN: f64 = 0.5;

impl OccupancyGrid {
    /// The map of what the robot's body could run into, as one gets it by driving around from the robot's start: free is what can be
    /// reached without passing anything solid, the rest is unknown. Nothing is inflated.
    pub fn of_world(world: &World) -> Self {
        let obstacles = Obstacles::in_band(world, robot::BODY_BAND[0], robot::BODY_BAND[1]);
        let start = [world.robot_start.x, world.robot_start.y];
        let (mut low, mut high) = (start, start);
        for outline in obstacles.outlines() {
            let [a, b] = outline.bounds();
            for axis in 0..2 {
                low[axis] = low[axis].min(a[axis]);
                high[axis] = high[axis].max(b[axis]);
            }
        }
        let origin = low.map(|v| ((v - MARGIN) / MAP_RESOLUTION).floor() * MAP_RESOLUTION);
        let cells_along =
            |axis: usize| ((high[axis] + MARGIN - origin[axis]) / MAP_RESOLUTION).ceil() as usize;
        let (width, height) = (cells_along(0), cells_along(1));
        let cells = vec![CellState::Unknown; width * height];
        let mut grid = Self {
            resolution: MAP_RESOLUTION,
            origin,
            width,
            height,
            cells,
        };
        for outline in obstacles.outlines() {
            grid.mark(outline);
        }
        grid.flood(start);
        grid
    }

    /// The cell that holds a point, or `None` outside the map.
    pub fn cell_at(&self, [x, y]: [f64; 2]) -> Option<usize> {
        let column = ((x - self.origin[0]) / self.resolution).floor();
        let row = ((y - self.origin[1]) / self.resolution).floor();
        let inside =
            column >= 0.0 && row >= 0.0 && column < self.width as f64 && row < self.height as f64;
        inside.then(|| row as usize * self.width + column as usize)
    }

    /// What is at a point; unknown outside the map.
    pub fn at(&self, point: [f64; 2]) -> CellState {
        self.cell_at(point)
            .map_or(CellState::Unknown, |cell| self.cells[cell])
    }

    /// A cell's middle, m.
    pub fn center(&self, cell: usize) -> [f64; 2] {
        let (column, row) = (cell % self.width, cell / self.width);
        [
            self.origin[0] + (column as f64 + 0.5) * self.resolution,
            self.origin[1] + (row as f64 + 0.5) * self.resolution,
        ]
    }

    /// Marks the cells that an outline reaches into.
    fn mark(&mut self, outline: &Outline) {
        // A little less than a cell, so that an outline along the cells' edges stays on its own side.
        let half = self.resolution / 2.0 - 1e-6;
        let [low, high] = outline.bounds();
        let first = |axis: usize| {
            ((low[axis] - self.origin[axis]) / self.resolution)
                .floor()
                .max(0.0) as usize
        };
        let end = |axis: usize, count: usize| {
            (((high[axis] - self.origin[axis]) / self.resolution)
                .ceil()
                .max(0.0) as usize
                + 1)
            .min(count)
        };
        let (columns, rows) = (first(0)..end(0, self.width), first(1)..end(1, self.height));
        for row in rows {
            for column in columns.clone() {
                let cell = row * self.width + column;
                let [x, y] = self.center(cell);
                if outline.rectangle_distance(Pose2::new(x, y, 0.0), [half; 2]) <= 0.0 {
                    self.cells[cell] = CellState::Occupied;
                }
            }
        }
    }

    /// Frees what is connected to `start` and not occupied.
    fn flood(&mut self, start: [f64; 2]) {
        let mut open: Vec<usize> = self.cell_at(start).into_iter().collect();
        while let Some(cell) = open.pop() {
            if self.cells[cell] != CellState::Unknown {
                continue;
            }
            self.cells[cell] = CellState::Free;
            open.extend(self.neighbors(cell).map(|(next, _)| next));
        }
    }

    /// The four cells beside a cell and the four at its corners, with their distance in cells.
    fn neighbors(&self, cell: usize) -> impl Iterator<Item = (usize, f64)> + use<> {
        const STEPS: [(isize, isize); 8] = [
            (1, 0),
            (-1, 0),
            (0, 1),
            (0, -1),
            (1, 1),
            (1, -1),
            (-1, 1),
            (-1, -1),
        ];
        let (width, height) = (self.width as isize, self.height as isize);
        let (column, row) = ((cell % self.width) as isize, (cell / self.width) as isize);
        STEPS.into_iter().filter_map(move |(dx, dy)| {
            let (x, y) = (column + dx, row + dy);
            let inside = x >= 0 && y >= 0 && x < width && y < height;
            let distance = if dx != 0 && dy != 0 {
                std::f64::consts::SQRT_2
            } else {
                1.0
            };
            inside.then_some(((y * width + x) as usize, distance))
        })
    }

    /// The length of the shortest way from `start` to each cell for a round robot with this radius (m), infinite where there is none.
    pub fn distances(&self, start: [f64; 2], radius: f64) -> Vec<f64> {
        let blocked = self.blocked(radius);
        let mut distances = vec![f64::INFINITY; self.cells.len()];
        let mut queue = BinaryHeap::new();
        if let Some(cell) = self.cell_at(start) {
            distances[cell] = 0.0;
            queue.push(Reached {
                distance: 0.0,
                cell,
            });
        }
        while let Some(Reached { distance, cell }) = queue.pop() {
            if distance > distances[cell] {
                continue;
            }
            for (next, steps) in self.neighbors(cell) {
                let further = distance + steps * self.resolution;
                if !blocked[next] && further < distances[next] {
                    distances[next] = further;
                    queue.push(Reached {
                        distance: further,
                        cell: next,
                    });
                }
            }
        }
        distances
    }

    /// The cells nearer than `radius` to something occupied, and those that are not free.
    fn blocked(&self, radius: f64) -> Vec<bool> {
        let reach = (radius / self.resolution).ceil() as isize;
        let limit = radius / self.resolution;
        let disc: Vec<(isize, isize)> = (-reach..=reach)
            .flat_map(|y| (-reach..=reach).map(move |x| (x, y)))
            .filter(|&(x, y)| ((x * x + y * y) as f64).sqrt() <= limit)
            .collect();
        let mut blocked: Vec<bool> = self.cells.iter().map(|&c| c != CellState::Free).collect();
        for cell in (0..self.cells.len()).filter(|&c| self.cells[c] == CellState::Occupied) {
            let (column, row) = ((cell % self.width) as isize, (cell / self.width) as isize);
            for (dx, dy) in &disc {
                let (x, y) = (column + dx, row + dy);
                if x >= 0 && y >= 0 && x < self.width as isize && y < self.height as isize {
                    blocked[y as usize * self.width + x as usize] = true;
                }
            }
        }
        blocked
    }

    /// Writes `map.pgm` and `map.yaml` into a folder, as Nav2's map server reads them.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut image = format!("P5\n{} {}\n255\n", self.width, self.height).into_bytes();
        // An image's first row is the highest y.
        for row in self.cells.chunks(self.width).rev() {
            image.extend(row.iter().map(|cell| match cell {
                CellState::Free => 254u8,
                CellState::Occupied => 0,
                CellState::Unknown => 205,
            }));
        }
        fs::write(folder.join("map.pgm"), image)?;
        let [x, y] = self.origin.map(|v| (v * 1e6).round() / 1e6);
        // An unknown cell's 205 is an occupancy of 0.19608: a threshold above that would make it free.
        let yaml = format!(
            "image: map.pgm\nmode: trinary\nresolution: {}\norigin: [{x:?}, {y:?}, 0.0]\nnegate: 0\n\
             occupied_thresh: 0.65\nfree_thresh: 0.196\n",
            self.resolution,
        );
        fs::write(folder.join("map.yaml"), yaml)
    }
}

/// A cell on the way outward, the nearest first.
#[derive(PartialEq)]
struct Reached {
    distance: f64,
    cell: usize,
}

impl Eq for Reached {}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other
            .distance
            .total_cmp(&self.distance)
            .then(other.cell.cmp(&self.cell))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
