//! The occupancy grid that the robot navigates by.

/// What a cell of the grid says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing stands here.
    Free,
    /// Something stands here.
    Occupied,
    /// Never seen.
    Unknown,
}

/// Occupied from this probability on, in percent, as Nav2's map server takes it.
const OCCUPIED_PERCENT: i8 = 65;

/// An occupancy grid in the map frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    resolution: f64,
    width: usize,
    height: usize,
    /// Corner of cell (0, 0): x, y in m and the heading of the rows in rad.
    origin: [f64; 3],
    percent: Vec<i8>,
}

impl Grid {
    /// A grid of `width` cells a row with `resolution` m a cell, whose first corner is at `origin` `[x, y, yaw]`.
    /// `None` unless the cells make up whole rows and the numbers are finite.
    pub fn new(resolution: f64, width: usize, origin: [f64; 3], percent: Vec<i8>) -> Option<Self> {
        let sound =
            resolution > 0.0 && resolution.is_finite() && origin.iter().all(|v| v.is_finite());
        let rows_are_whole =
            width > 0 && !percent.is_empty() && percent.len().is_multiple_of(width);
        (sound && rows_are_whole).then(|| Self {
            resolution,
            width,
            height: percent.len() / width,
            origin,
            percent,
        })
    }

    /// The cell at `[x, y]` in m; `None` outside the grid.
    pub fn at(&self, [x, y]: [f64; 2]) -> Option<Cell> {
        let [origin_x, origin_y, yaw] = self.origin;
        let (sin, cos) = yaw.sin_cos();
        let (dx, dy) = (x - origin_x, y - origin_y);
        let column = self.index(cos * dx + sin * dy, self.width)?;
        let row = self.index(cos * dy - sin * dx, self.height)?;
        self.percent
            .get(row * self.width + column)
            .map(|&percent| match percent {
                OCCUPIED_PERCENT.. => Cell::Occupied,
                0.. => Cell::Free,
                _ => Cell::Unknown,
            })
    }

    fn index(&self, along: f64, n_cells: usize) -> Option<usize> {
        let index = (along / self.resolution).floor();
        (0.0..n_cells as f64)
            .contains(&index)
            .then_some(index as usize)
    }

    /// Corners of all cells that are known, as `[x, y]` in m: those of the smallest part of the grid that holds them.
    pub fn known_corners(&self) -> Vec<[f64; 2]> {
        let known = self
            .percent
            .iter()
            .enumerate()
            .filter(|(_, percent)| **percent >= 0);
        let mut bounds: Option<[usize; 4]> = None;
        for (index, _) in known {
            let (column, row) = (index % self.width, index / self.width);
            let [x0, y0, x1, y1] = bounds.unwrap_or([column, row, column, row]);
            bounds = Some([x0.min(column), y0.min(row), x1.max(column), y1.max(row)]);
        }
        let Some([x0, y0, x1, y1]) = bounds else {
            return Vec::new();
        };
        let corners = [(x0, y0), (x1 + 1, y0), (x0, y1 + 1), (x1 + 1, y1 + 1)];
        let [origin_x, origin_y, yaw] = self.origin;
        let (sin, cos) = yaw.sin_cos();
        corners
            .map(|(column, row)| {
                let (dx, dy) = (
                    column as f64 * self.resolution,
                    row as f64 * self.resolution,
                );
                [
                    origin_x + cos * dx - sin * dy,
                    origin_y + sin * dx + cos * dy,
                ]
            })
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_place_also_in_a_turned_grid() {
        let cells = vec![0, 100, -1, 64, 65, 0];
        let grid = Grid::new(0.5, 3, [1.0, 2.0, 0.0], cells.clone()).expect("a sound grid");
        assert_eq!(grid.at([1.1, 2.1]), Some(Cell::Free));
        assert_eq!(grid.at([1.6, 2.1]), Some(Cell::Occupied));
        assert_eq!(grid.at([2.4, 2.4]), Some(Cell::Unknown));
        assert_eq!(grid.at([1.1, 2.6]), Some(Cell::Free));
        assert_eq!(grid.at([1.6, 2.9]), Some(Cell::Occupied));
        assert_eq!(grid.at([0.9, 2.1]), None);
        assert_eq!(grid.at([1.1, 3.1]), None);

        let turned = Grid::new(0.5, 3, [1.0, 2.0, std::f64::consts::FRAC_PI_2], cells)
            .expect("a sound grid");
        assert_eq!(
            turned.at([0.9, 2.6]),
            Some(Cell::Occupied),
            "rows run along y"
        );
    }

    #[test]
    fn unsound_grids_are_refused() {
        assert_eq!(Grid::new(0.0, 1, [0.0; 3], vec![0]), None);
        assert_eq!(Grid::new(0.1, 0, [0.0; 3], vec![0]), None);
        assert_eq!(Grid::new(0.1, 2, [0.0; 3], vec![0; 3]), None);
        assert_eq!(Grid::new(0.1, 1, [f64::NAN, 0.0, 0.0], vec![0]), None);
        assert_eq!(Grid::new(0.1, 1, [0.0; 3], Vec::new()), None);
    }

    #[test]
    fn unknown_margins_are_left_out() {
        let mut cells = vec![-1; 100];
        cells[34] = 0;
        cells[56] = 100;
        let grid = Grid::new(1.0, 10, [0.0; 3], cells).expect("a sound grid");
        assert_eq!(
            grid.known_corners(),
            [[4.0, 3.0], [7.0, 3.0], [4.0, 6.0], [7.0, 6.0]]
        );
    }
}
