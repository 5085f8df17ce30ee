//! Where on a map the robot's centre may be, and which of these places are connected.
//!
//! Computed once a map; a goal is then looked up. Unknown cells and everything outside the map count as obstacles.

use std::collections::HashSet;

use thiserror::Error;

use crate::goal::MapPose;

/// Cells from 0 to this occupancy (percent) are free, as in Nav2's map server; from [`OCCUPIED_FROM`] on they are
/// obstacles, between the two and below 0 they are unknown.
const FREE_UP_TO: i8 = 25;
const OCCUPIED_FROM: i8 = 65;
/// A larger map is refused: it would take gigabytes.
const MAX_CELLS: usize = 1 << 26;
/// A finer one, m, is refused: what lies under the robot would be millions of cells.
const MIN_RESOLUTION: f64 = 1e-3;
/// Label of cells where the robot's centre must not be.
const NOWHERE: u32 = 0;

/// An occupancy grid as it arrives: row by row from its origin, x first.
#[derive(Clone, Debug)]
pub struct OccupancyGrid {
    /// Cells along x.
    pub width: usize,
    /// Cells along y.
    pub height: usize,
    /// Side of a cell, m.
    pub resolution: f64,
    /// Outer corner of cell (0, 0) in the map frame, and the turn of the grid in it.
    pub origin: MapPose,
    /// Percent; -1: unknown.
    pub cells: Vec<i8>,
}

/// Why a grid cannot be used.
#[derive(Debug, Error, PartialEq)]
pub enum MapError {
    /// The data is not as long as the size says.
    #[error("map of {width} x {height} cells holds {got} values")]
    Size {
        /// Cells along x.
        width: usize,
        /// Cells along y.
        height: usize,
        /// Length of the data.
        got: usize,
    },
    /// No cell, or more than can be handled.
    #[error("map of {0} cells; between 1 and {MAX_CELLS} can be used")]
    Cells(usize),
    /// The resolution or the origin is not a usable number.
    #[error("map with resolution {resolution} m and origin ({x}, {y}, {yaw} rad) cannot be used")]
    Geometry {
        /// m
        resolution: f64,
        /// m
        x: f64,
        /// m
        y: f64,
        /// rad
        yaw: f64,
    },
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Known to be free.
    Free,
    /// An obstacle.
    Occupied,
    /// Neither is known.
    Unknown,
    /// Not on the map.
    Outside,
}

/// A place in cells from the grid's origin: whole numbers are cell borders.
type Cells = (f64, f64);

/// The map, made ready for questions about a robot of one radius.
#[derive(Debug)]
pub struct FreeSpace {
    grid: OccupancyGrid,
    robot_radius: f64,
    /// Which connected region each cell belongs to, [`NOWHERE`] where the robot does not fit.
    labels: Vec<u32>,
}

impl FreeSpace {
    /// Prepares a map for a robot that needs `robot_radius` m of free space around its centre.
    ///
    /// # Errors
    /// When the map cannot be used.
    pub fn new(grid: OccupancyGrid, robot_radius: f64) -> Result<Self, MapError> {
        let n = grid.width.saturating_mul(grid.height);
        if n == 0 || n > MAX_CELLS {
            return Err(MapError::Cells(n));
        }
        if n != grid.cells.len() {
            return Err(MapError::Size {
                width: grid.width,
                height: grid.height,
                got: grid.cells.len(),
            });
        }
        let MapPose { x, y, yaw } = grid.origin;
        let resolution = grid.resolution;
        let finite = [x, y, yaw, resolution].iter().all(|v| v.is_finite());
        if !finite || resolution < MIN_RESOLUTION {
            return Err(MapError::Geometry {
                resolution,
                x,
                y,
                yaw,
            });
        }
        // From a cell's centre to the nearest border of an obstacle's cell.
        let needed = (robot_radius / resolution + 0.5) as f32;
        let fits = squared_distances(&grid)
            .into_iter()
            .map(|d| d >= needed * needed)
            .collect::<Vec<_>>();
        let labels = connected_regions(&fits, grid.width);
        Ok(Self {
            grid,
            robot_radius,
            labels,
        })
    }

    /// What is at a place of the map frame.
    pub fn place(&self, x: f64, y: f64) -> Place {
        match self.cell_of(self.to_cells(x, y)) {
            None => Place::Outside,
            Some(cell) => place_of(self.grid.cells[cell]),
        }
    }

    /// Distance in m from a place to the nearest spot that is not known to be free; looks no farther than the robot's
    /// radius and one cell.
    pub fn clearance(&self, x: f64, y: f64) -> f64 {
        let (cx, cy) = self.to_cells(x, y);
        let reach = self.robot_radius / self.grid.resolution + 1.0;
        let mut nearest = reach;
        for row in span(cy, reach) {
            for column in span(cx, reach) {
                let free = self
                    .index(column, row)
                    .is_some_and(|cell| place_of(self.grid.cells[cell]) == Place::Free);
                if !free {
                    let dx = gap(cx, column);
                    let dy = gap(cy, row);
                    nearest = nearest.min(dx.hypot(dy));
                }
            }
        }
        nearest * self.grid.resolution
    }

    /// The regions that a robot standing at a place can drive in. Where it stands closer to a wall than its radius,
    /// which happens, these are the regions that touch the free space right around it.
    pub fn regions_at(&self, x: f64, y: f64) -> Option<Vec<u32>> {
        let at = self.to_cells(x, y);
        let start = self.free_cell_near(at)?;
        let reach = (self.robot_radius / self.grid.resolution + 3.0).powi(2);
        let mut regions = Vec::new();
        let mut seen = HashSet::from([start]);
        let mut to_look_at = vec![start];
        while let Some((column, row)) = to_look_at.pop() {
            if let Some(cell) = self.index(column, row) {
                let label = self.labels[cell];
                if label != NOWHERE && !regions.contains(&label) {
                    regions.push(label);
                }
            }
            for (c, r) in [
                (column + 1, row),
                (column - 1, row),
                (column, row + 1),
                (column, row - 1),
            ] {
                let (dx, dy) = (c as f64 + 0.5 - at.0, r as f64 + 0.5 - at.1);
                let free = self
                    .index(c, r)
                    .is_some_and(|cell| place_of(self.grid.cells[cell]) == Place::Free);
                if free && dx * dx + dy * dy <= reach && seen.insert((c, r)) {
                    to_look_at.push((c, r));
                }
            }
        }
        Some(regions)
    }

    /// Whether a place with clearance belongs to one of these regions.
    pub fn is_in(&self, x: f64, y: f64, regions: &[u32]) -> bool {
        let (cx, cy) = self.to_cells(x, y);
        let (column, row) = (cx.floor() as i64, cy.floor() as i64);
        // The place has clearance, so nothing stands between it and the centres of the cells around it.
        (-1..=1).any(|dr| {
            (-1..=1).any(|dc| {
                self.index(column + dc, row + dr)
                    .is_some_and(|cell| regions.contains(&self.labels[cell]))
            })
        })
    }

    /// The place of these regions that is nearest to another place, within a distance in m.
    pub fn nearest_in(&self, x: f64, y: f64, regions: &[u32], within: f64) -> Option<(f64, f64)> {
        let (cx, cy) = self.to_cells(x, y);
        let reach = within / self.grid.resolution;
        let mut best: Option<(f64, Cells)> = None;
        for row in span(cy, reach) {
            for column in span(cx, reach) {
                let inside = self
                    .index(column, row)
                    .is_some_and(|cell| regions.contains(&self.labels[cell]));
                let centre = (column as f64 + 0.5, row as f64 + 0.5);
                let distance = (centre.0 - cx).hypot(centre.1 - cy);
                if inside && distance <= reach && best.is_none_or(|(d, _)| distance < d) {
                    best = Some((distance, centre));
                }
            }
        }
        best.map(|(_, centre)| self.to_map(centre))
    }

    fn to_cells(&self, x: f64, y: f64) -> Cells {
        let origin = self.grid.origin;
        let (sin, cos) = origin.yaw.sin_cos();
        let (dx, dy) = (x - origin.x, y - origin.y);
        (
            (cos * dx + sin * dy) / self.grid.resolution,
            (cos * dy - sin * dx) / self.grid.resolution,
        )
    }

    fn to_map(&self, (cx, cy): Cells) -> (f64, f64) {
        let origin = self.grid.origin;
        let (sin, cos) = origin.yaw.sin_cos();
        let (dx, dy) = (cx * self.grid.resolution, cy * self.grid.resolution);
        (
            origin.x + cos * dx - sin * dy,
            origin.y + sin * dx + cos * dy,
        )
    }

    fn cell_of(&self, (cx, cy): Cells) -> Option<usize> {
        // `as` saturates, so a place light-years away is outside and not an overflow.
        self.index(cx.floor() as i64, cy.floor() as i64)
    }

    fn index(&self, column: i64, row: i64) -> Option<usize> {
        let column = usize::try_from(column)
            .ok()
            .filter(|c| *c < self.grid.width)?;
        let row = usize::try_from(row)
            .ok()
            .filter(|r| *r < self.grid.height)?;
        Some(row * self.grid.width + column)
    }

    /// The cell of a place if it is free, else the nearest free one beside it: localisation errs by a cell or two.
    fn free_cell_near(&self, at: Cells) -> Option<(i64, i64)> {
        self.cell_of(at)?;
        let (column, row) = (at.0.floor() as i64, at.1.floor() as i64);
        let around = (-2..=2).flat_map(|dr| (-2..=2).map(move |dc| (column + dc, row + dr)));
        around
            .filter(|(c, r)| {
                self.index(*c, *r)
                    .is_some_and(|cell| place_of(self.grid.cells[cell]) == Place::Free)
            })
            .min_by_key(|(c, r)| (c - column).pow(2) + (r - row).pow(2))
    }
}

fn place_of(occupancy: i8) -> Place {
    match occupancy {
        0..=FREE_UP_TO => Place::Free,
        OCCUPIED_FROM.. => Place::Occupied,
        _ => Place::Unknown,
    }
}

/// The cells that lie within `reach` of a coordinate.
fn span(at: f64, reach: f64) -> std::ops::RangeInclusive<i64> {
    (at - reach).floor() as i64..=(at + reach).floor() as i64
}

/// Distance from a coordinate to a cell's interval.
fn gap(at: f64, cell: i64) -> f64 {
    let low = cell as f64;
    (low - at).max(at - (low + 1.0)).max(0.0)
}

/// For each cell the squared distance, in cells, from its centre to the centre of the nearest cell that is not free:
/// the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012), rows first, columns then.
fn squared_distances(grid: &OccupancyGrid) -> Vec<f32> {
    let (width, height) = (grid.width, grid.height);
    let mut distances = vec![0.0; width * height];
    let mut envelope = Envelope::default();
    let mut line = Vec::with_capacity(width.max(height) + 2);
    for row in 0..height {
        let cells = &grid.cells[row * width..][..width];
        line.clear();
        // One obstacle before and one after: outside the map nothing is known.
        line.push(0.0);
        line.extend(cells.iter().map(|c| match place_of(*c) {
            Place::Free => f32::INFINITY,
            _ => 0.0,
        }));
        line.push(0.0);
        for (column, d) in envelope.of(&line).skip(1).take(width).enumerate() {
            distances[row * width + column] = d;
        }
    }
    for column in 0..width {
        line.clear();
        line.push(0.0);
        line.extend((0..height).map(|row| distances[row * width + column]));
        line.push(0.0);
        for (row, d) in envelope.of(&line).skip(1).take(height).enumerate() {
            distances[row * width + column] = d;
        }
    }
    distances
}

#[derive(Default)]
struct Envelope {
    /// Places of the parabolas of the envelope, and where each begins.
    parabolas: Vec<(usize, f32)>,
}

impl Envelope {
    fn of<'a>(&'a mut self, heights: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.parabolas.clear();
        for (q, &height) in heights.iter().enumerate() {
            if height.is_infinite() {
                continue;
            }
            let mut begins = f32::NEG_INFINITY;
            while let Some(&(p, p_begins)) = self.parabolas.last() {
                let (pf, qf) = (p as f32, q as f32);
                begins = ((height + qf * qf) - (heights[p] + pf * pf)) / (2.0 * (qf - pf));
                if begins > p_begins {
                    break;
                }
                self.parabolas.pop();
                begins = f32::NEG_INFINITY;
            }
            self.parabolas.push((q, begins));
        }
        let mut at = 0;
        (0..heights.len()).map(move |q| {
            while self
                .parabolas
                .get(at + 1)
                .is_some_and(|(_, begins)| *begins < q as f32)
            {
                at += 1;
            }
            let p = self.parabolas[at].0;
            let d = q as f32 - p as f32;
            d * d + heights[p]
        })
    }
}

/// Numbers the regions of cells that touch by a side, from 1. Corners do not join: the robot would not fit through.
fn connected_regions(fits: &[bool], width: usize) -> Vec<u32> {
    let mut labels = vec![NOWHERE; fits.len()];
    let mut region = NOWHERE;
    let mut open = Vec::new();
    for start in 0..fits.len() {
        if !fits[start] || labels[start] != NOWHERE {
            continue;
        }
        region += 1;
        labels[start] = region;
        open.push(start);
        while let Some(cell) = open.pop() {
            let column = cell % width;
            let neighbours = [
                (column > 0).then(|| cell - 1),
                (column + 1 < width).then_some(cell + 1),
                cell.checked_sub(width),
                (cell + width < fits.len()).then_some(cell + width),
            ];
            for next in neighbours.into_iter().flatten() {
                if fits[next] && labels[next] == NOWHERE {
                    labels[next] = region;
                    open.push(next);
                }
            }
        }
    }
    labels
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A map drawn in text, top row first: `.` free, `#` occupied, `?` unknown; cells of 0.1 m, origin at (0, 0).
    pub fn drawn(picture: &str) -> OccupancyGrid {
        let rows: Vec<&str> = picture.split_whitespace().collect();
        let cells = rows
            .iter()
            .rev()
            .flat_map(|row| row.chars())
            .map(|c| match c {
                '.' => 0,
                '#' => 100,
                _ => -1,
            });
        OccupancyGrid {
            width: rows[0].len(),
            height: rows.len(),
            resolution: 0.1,
            origin: MapPose {
                x: 0.0,
                y: 0.0,
                yaw: 0.0,
            },
            cells: cells.collect(),
        }
    }

    #[test]
    fn distances_are_those_of_a_search_through_all_cells() {
        let mut grid = drawn(&"..........\n".repeat(8));
        for n in [3, 17, 44, 45, 71] {
            grid.cells[n] = 100;
        }
        let obstacles: Vec<(i64, i64)> = (-1..=8)
            .flat_map(|r| (-1..=10).map(move |c| (c, r)))
            .filter(|(c, r)| {
                !(0..10).contains(c) || !(0..8).contains(r) || grid.cells[(r * 10 + c) as usize] > 0
            })
            .collect();
        for (n, d) in squared_distances(&grid).into_iter().enumerate() {
            let (c, r) = (n as i64 % 10, n as i64 / 10);
            let best = obstacles
                .iter()
                .map(|(oc, or)| (oc - c).pow(2) + (or - r).pow(2))
                .min();
            assert_eq!(Some(d as i64), best, "cell {c}, {r}");
        }
    }

    #[test]
    fn a_turned_map_is_asked_in_the_map_frame() {
        let mut grid = drawn("...\n..#");
        grid.origin = MapPose {
            x: 5.0,
            y: 1.0,
            yaw: std::f64::consts::FRAC_PI_2,
        };
        let space = FreeSpace::new(grid, 0.05).unwrap();
        // Cell (2, 0), 0.25 m along the grid's x axis, which points along the map's y axis.
        assert_eq!(space.place(4.95, 1.25), Place::Occupied);
        assert_eq!(space.place(4.95, 1.05), Place::Free);
        assert_eq!(space.place(5.05, 1.05), Place::Outside);
    }

    #[test]
    fn a_place_beyond_all_numbers_is_outside() {
        let space = FreeSpace::new(drawn("..\n.."), 0.05).unwrap();
        for far in [1e300, -1e300, 1e18] {
            assert_eq!(space.place(far, 0.05), Place::Outside);
            assert_eq!(space.place(0.05, far), Place::Outside);
        }
    }

    #[test]
    fn maps_that_cannot_be_used_are_refused() {
        let mut short = drawn("...\n...");
        short.cells.pop();
        assert!(matches!(
            FreeSpace::new(short, 0.1),
            Err(MapError::Size { got: 5, .. })
        ));
        let mut flat = drawn("...");
        flat.resolution = 0.0;
        assert!(matches!(
            FreeSpace::new(flat, 0.1),
            Err(MapError::Geometry { .. })
        ));
        let mut fine = drawn("...");
        fine.resolution = 0.0005;
        assert!(matches!(
            FreeSpace::new(fine, 0.1),
            Err(MapError::Geometry { .. })
        ));
        let mut huge = drawn("...");
        huge.width = usize::MAX;
        assert!(matches!(FreeSpace::new(huge, 0.1), Err(MapError::Cells(_))));
    }

    #[test]
    fn the_finest_map_is_answered_in_milliseconds() {
        let mut grid = drawn(&(".".repeat(600) + "\n").repeat(600));
        grid.resolution = MIN_RESOLUTION;
        let space = FreeSpace::new(grid, 0.22).unwrap();
        let start = std::time::Instant::now();
        assert_eq!(space.regions_at(0.3, 0.3).unwrap().len(), 1);
        // Fifty times what it takes, and a tenth of what a search through all cells seen took for each.
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    #[test]
    fn a_map_of_400_by_400_takes_milliseconds() {
        let mut grid = drawn(&(".".repeat(400) + "\n").repeat(400));
        for n in (0..160_000).step_by(97) {
            grid.cells[n] = 100;
        }
        let start = std::time::Instant::now();
        FreeSpace::new(grid, 0.05).unwrap();
        // A hundred times what it takes, so that only a wrong algorithm fails on a slow machine.
        assert!(start.elapsed().as_millis() < 1000, "{:?}", start.elapsed());
    }
}
