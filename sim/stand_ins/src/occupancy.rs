//! An occupancy map in memory: which cells are free, occupied or unknown, and where they lie in the map frame.

use crate::geometry::Point;

/// What is known of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Nothing stands there.
    Free,
    /// A wall or another obstacle.
    Occupied,
    /// Never seen.
    Unknown,
}

/// A grid of cells in the map frame. Row 0 lies at the lowest y, as in `nav_msgs/OccupancyGrid`.
#[derive(Debug, Clone, PartialEq)]
pub struct OccupancyMap {
    /// Cells along x.
    pub width: usize,
    /// Cells along y.
    pub height: usize,
    /// Side of a cell in m.
    pub resolution: f64,
    /// Outer corner of cell (0, 0) in the map frame, m.
    pub origin: Point,
    /// Row by row, `width * height` of them.
    pub cells: Vec<Cell>,
}

impl OccupancyMap {
    /// The column and row of the cell that holds `point`, or `None` outside the map and for what is not finite.
    pub fn cell_at(&self, point: &Point) -> Option<(usize, usize)> {
        let column = ((point.x - self.origin.x) / self.resolution).floor();
        let row = ((point.y - self.origin.y) / self.resolution).floor();
        let inside =
            (0.0..self.width as f64).contains(&column) && (0.0..self.height as f64).contains(&row);
        inside.then_some((column as usize, row as usize))
    }

    /// The index of a cell in [`OccupancyMap::cells`].
    pub fn index(&self, column: usize, row: usize) -> usize {
        row * self.width + column
    }

    /// The centre of a cell in the map frame.
    pub fn centre(&self, column: usize, row: usize) -> Point {
        Point::new(
            self.origin.x + (column as f64 + 0.5) * self.resolution,
            self.origin.y + (row as f64 + 0.5) * self.resolution,
        )
    }

    /// The cells as `nav_msgs/OccupancyGrid` has them: 0 free, 100 occupied, -1 unknown.
    pub fn to_ros_data(&self) -> Vec<i8> {
        self.cells
            .iter()
            .map(|cell| match cell {
                Cell::Free => 0,
                Cell::Occupied => 100,
                Cell::Unknown => -1,
            })
            .collect()
    }

    /// Cells from `nav_msgs/OccupancyGrid` data; 65 and more counts as occupied, as in Nav2's static layer's trinary costmap.
    pub fn cells_from_ros_data(data: &[i8]) -> Vec<Cell> {
        data.iter()
            .map(|&value| match value {
                0..65 => Cell::Free,
                65..=100 => Cell::Occupied,
                _ => Cell::Unknown,
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod drawn {
    use super::*;

    /// A map from a drawing, top line first: `#` occupied, `?` unknown, else free; each character is a block of
    /// `block` x `block` cells of 0.05 m. The origin is the lower left corner.
    pub fn map(drawing: &[&str], block: usize) -> OccupancyMap {
        let height = drawing.len() * block;
        let width = drawing[0].len() * block;
        let mut cells = Vec::with_capacity(width * height);
        for row in 0..height {
            let line = drawing[drawing.len() - 1 - row / block].as_bytes();
            for column in 0..width {
                cells.push(match line[column / block] {
                    b'#' => Cell::Occupied,
                    b'?' => Cell::Unknown,
                    _ => Cell::Free,
                });
            }
        }
        OccupancyMap {
            width,
            height,
            resolution: 0.05,
            origin: Point::origin(),
            cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_points_agree() {
        let mut map = drawn::map(&["..#", "..."], 1);
        map.origin = Point::new(-1.0, 2.0);
        assert_eq!(map.cell_at(&map.centre(2, 1)), Some((2, 1)));
        assert_eq!(map.cells[map.index(2, 1)], Cell::Occupied);
        assert_eq!(map.cell_at(&Point::new(-1.01, 2.0)), None);
        assert_eq!(map.cell_at(&Point::new(f64::NAN, 2.0)), None);
        assert_eq!(map.cell_at(&Point::new(1e300, f64::INFINITY)), None);
    }

    #[test]
    fn ros_data_round_trips() {
        let map = drawn::map(&["#?."], 1);
        assert_eq!(map.to_ros_data(), [100, -1, 0]);
        assert_eq!(
            OccupancyMap::cells_from_ros_data(&map.to_ros_data()),
            map.cells
        );
    }
}
