//! What the planner knows of the place: the map, what the lidar saw beside it, and the clearance of every cell.

use crate::distance::distance_in_cells;
use crate::geometry::Point;
use crate::occupancy::{Cell, OccupancyMap};

/// How long an obstacle that is not in the map is believed after it was last seen, in s.
const MEMORY: f64 = 30.0;
/// A scan point nearer than this to a wall of the map is that wall, in m.
const MAP_WALL: f64 = 0.15;
/// Scan points beyond this are not marked, in m: their place is too uncertain.
const MARKING_RANGE: f64 = 2.5;

/// The map with a layer of obstacles that the scan shows beside it.
#[derive(Debug, Clone)]
pub struct Costmap {
    map: OccupancyMap,
    /// Distance from each cell to the nearest wall of the map, m.
    wall_distance: Vec<f64>,
    /// When each cell was last seen occupied by something that is not in the map, in s; `NEG_INFINITY`: never.
    seen: Vec<f64>,
    /// Distance from each cell to the nearest that is not free, m; as of the last [`Costmap::refresh`].
    clearance: Vec<f64>,
}

impl Costmap {
    /// A costmap with nothing but the map.
    pub fn new(map: OccupancyMap) -> Self {
        let wall_distance = distance_to(&map, |index| map.cells[index] == Cell::Occupied);
        let clearance = distance_to(&map, |index| map.cells[index] != Cell::Free);
        Self {
            seen: vec![f64::NEG_INFINITY; map.cells.len()],
            map,
            wall_distance,
            clearance,
        }
    }

    /// The map below.
    pub fn map(&self) -> &OccupancyMap {
        &self.map
    }

    /// Marks what the scan of time `now` (s) hit and clears what it looked through. `sensor` and `hits` are in the map
    /// frame.
    pub fn observe(&mut self, now: f64, sensor: &Point, hits: &[Point]) {
        for hit in hits {
            let beam = hit - sensor;
            let range = beam.norm();
            let step = self.map.resolution;
            // The last cells before the hit stay: the beam grazes its own obstacle there.
            let seen_through = (range - 2.0 * step).min(MARKING_RANGE);
            let mut along = 0.0;
            while along < seen_through {
                if let Some((column, row)) = self.map.cell_at(&(sensor + beam * (along / range))) {
                    let index = self.map.index(column, row);
                    self.seen[index] = f64::NEG_INFINITY;
                }
                along += step;
            }
        }
        for hit in hits
            .iter()
            .filter(|hit| (*hit - sensor).norm() <= MARKING_RANGE)
        {
            if let Some((column, row)) = self.map.cell_at(hit) {
                let index = self.map.index(column, row);
                if self.wall_distance[index] > MAP_WALL {
                    self.seen[index] = now;
                }
            }
        }
    }

    /// Works the marks into the clearances. Costs a pass over the map, so it is done once a plan.
    pub fn refresh(&mut self, now: f64) {
        let (map, seen) = (&self.map, &self.seen);
        self.clearance = distance_to(map, |index| {
            map.cells[index] != Cell::Free || now - seen[index] < MEMORY
        });
    }

    /// Forgets every obstacle that is not in the map.
    pub fn forget(&mut self) {
        self.seen.fill(f64::NEG_INFINITY);
    }

    /// Distance in m from the middle of a cell to the edge of the nearest one that is not free, at most half a cell
    /// too small. Negative inside.
    pub fn clearance(&self, index: usize) -> f64 {
        self.clearance[index]
    }

    /// As [`Costmap::clearance`], for a point; outside the map there is none.
    pub fn clearance_at(&self, point: &Point) -> f64 {
        match self.map.cell_at(point) {
            Some((column, row)) => self.clearance[self.map.index(column, row)],
            None => f64::NEG_INFINITY,
        }
    }
}

fn distance_to(map: &OccupancyMap, is_target: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut distances = distance_in_cells(map.width, map.height, is_target);
    for distance in &mut distances {
        *distance = (*distance - 0.5) * map.resolution;
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occupancy::drawn;

    fn room() -> Costmap {
        Costmap::new(drawn::map(
            &["#######", "#.....#", "#.....#", "#.....#", "#######"],
            10,
        ))
    }

    #[test]
    fn a_thing_that_is_not_in_the_map_is_avoided_until_it_is_gone() {
        let mut costmap = room();
        let (sensor, thing) = (Point::new(1.0, 1.25), Point::new(2.0, 1.25));
        costmap.observe(1.0, &sensor, &[thing]);
        costmap.refresh(1.0);
        assert!(costmap.clearance_at(&thing) < 0.0);
        // Seen through: gone at once.
        costmap.observe(2.0, &sensor, &[Point::new(3.0, 1.25)]);
        costmap.refresh(2.0);
        assert!(costmap.clearance_at(&thing) > 0.5);
    }

    #[test]
    fn what_was_not_seen_for_long_is_forgotten() {
        let mut costmap = room();
        let thing = Point::new(2.0, 1.25);
        costmap.observe(1.0, &Point::new(1.0, 1.25), &[thing]);
        costmap.refresh(1.0 + MEMORY);
        assert!(costmap.clearance_at(&thing) > 0.5);
    }

    #[test]
    fn a_hit_on_a_wall_is_no_new_obstacle() {
        let mut costmap = room();
        let before = costmap.clone();
        costmap.observe(1.0, &Point::new(1.0, 1.25), &[Point::new(0.55, 1.25)]);
        costmap.refresh(1.0);
        assert_eq!(costmap.clearance, before.clearance);
    }
}
