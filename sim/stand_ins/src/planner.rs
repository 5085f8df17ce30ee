//! Finds a path on the costmap that keeps away from walls: A* whose steps cost more the less clearance they have.

use crate::costmap::Costmap;
use crate::geometry::Point;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// How a path has to look.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannerConfig {
    /// The robot's centre never comes nearer than this to an obstacle, in m: the radius of the circle round the body
    /// about the point it turns on, and a margin for what localisation and control err.
    pub robot_radius: f64,
    /// From this clearance on, in m, more of it is worth no detour.
    pub comfortable_clearance: f64,
    /// A step without any clearance beyond the radius costs this many times more than a comfortable one, plus one.
    pub clearance_weight: f64,
    /// A goal that cannot be reached is replaced by the nearest reachable place within this distance, in m.
    pub tolerance: f64,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            robot_radius: 0.27,
            comfortable_clearance: 0.7,
            clearance_weight: 6.0,
            tolerance: 0.5,
        }
    }
}

/// Why there is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The robot is not on the map.
    #[error("the robot stands outside the map")]
    StartOutsideMap,
    /// The goal is not on the map.
    #[error("the goal lies outside the map")]
    GoalOutsideMap,
    /// No way leads to the goal or to a place within tolerance of it.
    #[error("no path leads to the goal")]
    NoPath,
}

impl PlanError {
    /// The code of Nav2's `ComputePathToPose` result. NavFn has no codes of its own for an occupied start or goal.
    pub fn code(self) -> u16 {
        match self {
            PlanError::StartOutsideMap => 203,
            PlanError::GoalOutsideMap => 204,
            PlanError::NoPath => 208,
        }
    }
}

/// A robot that stands too near to an obstacle may leave through such cells up to this far from its place, in m.
const ESCAPE_RADIUS: f64 = 0.5;

/// A path from `start` to `goal`, both included (the goal replaced as [`PlannerConfig::tolerance`] says).
///
/// # Errors
/// See [`PlanError`].
pub fn plan(
    costmap: &Costmap,
    config: &PlannerConfig,
    start: &Point,
    goal: &Point,
) -> Result<Vec<Point>, PlanError> {
    let map = costmap.map();
    let start_cell = map.cell_at(start).ok_or(PlanError::StartOutsideMap)?;
    let goal_cell = map.cell_at(goal).ok_or(PlanError::GoalOutsideMap)?;
    let start_index = map.index(start_cell.0, start_cell.1);
    let goal_index = map.index(goal_cell.0, goal_cell.1);
    if costmap.clearance(start_index) < 0.0 {
        return Err(PlanError::NoPath);
    }
    let search = Search::run(costmap, config, start_index, goal_index);
    let (end_index, end) = if search.reached(goal_index) {
        (goal_index, *goal)
    } else {
        let index = search
            .nearest_reached(goal, config)
            .ok_or(PlanError::NoPath)?;
        (index, search.centre(index))
    };
    let mut path = search.path_to(end_index);
    if let Some(first) = path.first_mut() {
        *first = *start;
    }
    match path.len() {
        0 | 1 => path = vec![*start, end],
        length => path[length - 1] = end,
    }
    smooth(&mut path, costmap, config);
    Ok(path)
}

/// The length of a path in m.
pub fn length(path: &[Point]) -> f64 {
    path.windows(2).map(|pair| (pair[1] - pair[0]).norm()).sum()
}

struct Search<'a> {
    costmap: &'a Costmap,
    start: usize,
    /// Cost of the best way to each cell, in m of comfortable path.
    cost: Vec<f64>,
    came_from: Vec<usize>,
}

impl<'a> Search<'a> {
    fn run(costmap: &'a Costmap, config: &PlannerConfig, start: usize, goal: usize) -> Self {
        let map = costmap.map();
        let mut search = Self {
            costmap,
            start,
            cost: vec![f64::INFINITY; map.cells.len()],
            came_from: vec![usize::MAX; map.cells.len()],
        };
        let goal_point = search.centre(goal);
        let start_point = search.centre(start);
        let mut open = BinaryHeap::new();
        search.cost[start] = 0.0;
        open.push(Open {
            estimate: (goal_point - start_point).norm(),
            cost: 0.0,
            cell: start,
        });
        while let Some(Open { cost, cell, .. }) = open.pop() {
            if cell == goal {
                break;
            }
            if cost > search.cost[cell] {
                continue;
            }
            for (neighbour, distance) in neighbours(map.width, map.height, cell) {
                let point = search.centre(neighbour);
                let clearance = costmap.clearance(neighbour);
                let escaping = clearance > 0.0 && (point - start_point).norm() < ESCAPE_RADIUS;
                if clearance < config.robot_radius && !escaping {
                    continue;
                }
                let price = distance * map.resolution * config.price(clearance);
                let total = cost + price;
                if total < search.cost[neighbour] {
                    search.cost[neighbour] = total;
                    search.came_from[neighbour] = cell;
                    open.push(Open {
                        estimate: total + (goal_point - point).norm(),
                        cost: total,
                        cell: neighbour,
                    });
                }
            }
        }
        search
    }

    fn centre(&self, index: usize) -> Point {
        let map = self.costmap.map();
        map.centre(index % map.width, index / map.width)
    }

    fn reached(&self, index: usize) -> bool {
        self.cost[index].is_finite()
    }

    fn nearest_reached(&self, goal: &Point, config: &PlannerConfig) -> Option<usize> {
        (0..self.cost.len())
            .filter(|&index| {
                self.reached(index) && self.costmap.clearance(index) >= config.robot_radius
            })
            .map(|index| (index, (self.centre(index) - goal).norm()))
            .filter(|(_, distance)| *distance <= config.tolerance)
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(index, _)| index)
    }

    fn path_to(&self, end: usize) -> Vec<Point> {
        let mut path = vec![self.centre(end)];
        let mut at = end;
        while at != self.start {
            at = self.came_from[at];
            path.push(self.centre(at));
        }
        path.reverse();
        path
    }
}

impl PlannerConfig {
    /// What a metre costs at this clearance: from 1 where it is comfortable upwards.
    fn price(&self, clearance: f64) -> f64 {
        let span = self.comfortable_clearance - self.robot_radius;
        let lack = ((self.comfortable_clearance - clearance) / span).clamp(0.0, 2.0);
        1.0 + self.clearance_weight * lack * lack
    }
}

/// The up to eight neighbours of a cell with their distances in cells.
fn neighbours(width: usize, height: usize, cell: usize) -> impl Iterator<Item = (usize, f64)> {
    let (column, row) = ((cell % width) as isize, (cell / width) as isize);
    const STEPS: [(isize, isize); 8] = [
        (1, 0),
        (0, 1),
        (-1, 0),
        (0, -1),
        (1, 1),
        (-1, 1),
        (-1, -1),
        (1, -1),
    ];
    STEPS.into_iter().filter_map(move |(dx, dy)| {
        let (x, y) = (column + dx, row + dy);
        let inside = (0..width as isize).contains(&x) && (0..height as isize).contains(&y);
        let distance = if dx != 0 && dy != 0 {
            std::f64::consts::SQRT_2
        } else {
            1.0
        };
        inside.then(|| (y as usize * width + x as usize, distance))
    })
}

struct Open {
    estimate: f64,
    cost: f64,
    cell: usize,
}

impl Ord for Open {
    /// The lowest estimate is the greatest, for [`BinaryHeap`]; ties are broken by the cell so that plans repeat.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .estimate
            .total_cmp(&self.estimate)
            .then(other.cell.cmp(&self.cell))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

/// Takes the grid's corners out of a path, giving up no clearance that the robot needs.
fn smooth(path: &mut [Point], costmap: &Costmap, config: &PlannerConfig) {
    const ROUNDS: usize = 60;
    const KEEP: f64 = 0.1;
    const PULL: f64 = 0.4;
    let original = path.to_vec();
    for _ in 0..ROUNDS {
        for at in 1..path.len().saturating_sub(1) {
            let between = nalgebra::center(&path[at - 1], &path[at + 1]);
            let moved = path[at] + (between - path[at]) * PULL + (original[at] - path[at]) * KEEP;
            let needed = config.robot_radius.min(costmap.clearance_at(&original[at]));
            if costmap.clearance_at(&moved) >= needed {
                path[at] = moved;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occupancy::drawn;

    const MAZE: [&str; 5] = [
        "#########",
        "#...#...#",
        "#.#.#.#.#",
        "#.#...#.#",
        "#########",
    ];

    fn maze() -> Costmap {
        // Corridors 1 m wide.
        Costmap::new(drawn::map(&MAZE, 20))
    }

    fn at(column: f64, row: f64) -> Point {
        Point::new(column + 0.5, row + 0.5)
    }

    #[test]
    fn a_path_keeps_to_the_middle_of_the_corridors() {
        let costmap = maze();
        let path = plan(
            &costmap,
            &PlannerConfig::default(),
            &at(1.0, 1.0),
            &at(7.0, 1.0),
        )
        .unwrap();
        assert_eq!(path.first(), Some(&at(1.0, 1.0)));
        assert_eq!(path.last(), Some(&at(7.0, 1.0)));
        let worst = path
            .iter()
            .map(|point| costmap.clearance_at(point))
            .fold(f64::INFINITY, f64::min);
        assert!(worst > 0.35, "clearance {worst}");
        // Not much longer than the corridors themselves.
        assert!(length(&path) < 14.5, "length {}", length(&path));
        assert!(path.windows(2).all(|pair| (pair[1] - pair[0]).norm() < 0.1));
    }

    #[test]
    fn an_occupied_goal_ends_within_tolerance_of_it() {
        let goal = Point::new(2.1, 1.5);
        let path = plan(&maze(), &PlannerConfig::default(), &at(1.0, 1.0), &goal).unwrap();
        let end = path.last().unwrap();
        assert!((end - goal).norm() <= 0.5 && end.x < 1.8, "{end}");
    }

    #[test]
    fn what_cannot_be_reached_has_nav2s_codes() {
        let costmap = Costmap::new(drawn::map(&["#######", "#.###.#", "#######"], 20));
        let config = PlannerConfig::default();
        let code = |start, goal| plan(&costmap, &config, &start, &goal).unwrap_err().code();
        assert_eq!(code(at(1.0, 1.0), at(5.0, 1.0)), 208);
        assert_eq!(code(at(1.0, 1.0), at(3.0, 1.0)), 208);
        assert_eq!(code(at(3.0, 1.0), at(5.0, 1.0)), 208);
        assert_eq!(code(at(1.0, 1.0), at(50.0, 1.0)), 204);
        assert_eq!(code(at(1.0, 1.0), Point::new(f64::NAN, 1.0)), 204);
        assert_eq!(code(at(-5.0, 1.0), at(1.0, 1.0)), 203);
    }

    #[test]
    fn a_robot_near_a_wall_finds_its_way_out() {
        let start = Point::new(1.15, 1.5);
        let path = plan(&maze(), &PlannerConfig::default(), &start, &at(1.0, 3.0)).unwrap();
        assert_eq!(path.first(), Some(&start));
    }

    #[test]
    fn a_goal_where_the_robot_stands_is_a_path_too() {
        let path = plan(
            &maze(),
            &PlannerConfig::default(),
            &at(1.0, 1.0),
            &at(1.0, 1.0),
        )
        .unwrap();
        assert_eq!(length(&path), 0.0);
    }
}
