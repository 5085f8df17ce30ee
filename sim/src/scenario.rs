//! A search from a seed: a maze, the wanted object and others in it, and where to look from.

use std::path::Path;

use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::classes::CLASSES;
use crate::decor;
use crate::grid::{CellState, OccupancyGrid};
use crate::lookout;
use crate::maze::{Cell, Maze, MazeOptions};
use crate::noise::{self, Purpose};
use crate::objects;
use crate::obstacles::Obstacles;
use crate::pose::{Pose, Pose2, normalize_angle};
use crate::robot;
use crate::sdf::SdfError;
use crate::surfaces::Families;
use crate::world::World;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScenarioOptions {
    /// Decides everything.
    pub seed: u64,
    /// The class that is searched for; from the seed where it is not given.
    pub find: Option<usize>,
    /// Leaves all objects of that class out.
    pub absent: bool,
    /// Leaves all objects of other classes out.
    pub alone: bool,
}

/// A world to search in, with all that belongs to the search.
pub struct Scenario {
    /// The world.
    pub world: World,
    /// The maze that it was made from.
    pub maze: Maze,
    /// Its map.
    pub map: OccupancyGrid,
    /// Where to look from, in order. One of them is inside a wall.
    pub locations: Vec<(String, Pose2)>,
    /// The class that is searched for.
    pub find: usize,
    /// The seed.
    pub seed: u64,
}

/// What is true of a world, for the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroundTruth {
    /// The world's name.
    pub world: String,
    /// The seed that it was made from.
    pub seed: Option<u64>,
    /// The class that is searched for.
    pub find: Option<String>,
    /// x, y in m and heading in rad.
    pub robot_start: [f64; 3],
    /// All objects.
    pub objects: Vec<TrueObject>,
}

/// An object as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrueObject {
    /// The model's name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// x, y in m.
    pub position: [f64; 2],
    /// Heading in rad.
    pub theta: f64,
}

impl GroundTruth {
    /// What is true of any world.
    pub fn of_world(world: &World, seed: Option<u64>, find: Option<usize>) -> Self {
        let Pose2 { x, y, theta } = world.robot_start;
        let objects = world.models.iter().filter_map(|model| {
            Some(TrueObject {
                name: model.name.clone(),
                class: CLASSES[model.class()?].to_owned(),
                position: [model.pose.xyz[0], model.pose.xyz[1]],
                theta: model.pose.rpy[2],
            })
        });
        Self {
            world: world.name.clone(),
            seed,
            find: find.map(|class| CLASSES[class].to_owned()),
            robot_start: [x, y, theta],
            objects: objects.collect(),
        }
    }
}

/// The robot passes where this much is free around its middle, m: its outline's farthest corner, and some room for its steering.
pub const PASSING_RADIUS: f64 = 0.30;
/// Free room around each location, m.
pub const LOCATION_ROOM: f64 = 0.40;
/// The way from the start to the nearest place from which the wanted object may be seen is at least this long, m.
pub const SHORTEST_SEARCH: f64 = 5.5;
/// No location is nearer to the wanted object, m.
pub const NOT_AT_OBJECT: f64 = 1.0;
/// From farther away than this the wanted object is not expected to be recognised, m.
const SIGHT: f64 = 6.0;
/// Attempts before a seed is given up; each is a maze of its own.
const ATTEMPTS: u64 = 400;
/// What places may be called.
const NAMES: [&str; 16] = [
    "atrium",
    "kitchen",
    "library",
    "workshop",
    "gallery",
    "studio",
    "pantry",
    "laundry",
    "archive",
    "lobby",
    "office",
    "lounge",
    "hallway",
    "cellar",
    "terrace",
    "storeroom",
];

/// No maze came out right.
#[derive(Debug, thiserror::Error)]
#[error("no maze for seed {0} after {ATTEMPTS} attempts; take another seed")]
pub struct NoMaze(pub u64);

impl Scenario {
    /// Generates a search; the same options give the same search.
    pub fn generate(options: ScenarioOptions) -> Result<Self, NoMaze> {
        let classes = CLASSES.len();
        let find = options.find.unwrap_or_else(|| {
            noise::generator(options.seed, Purpose::Maze, u64::MAX).random_range(0..classes)
        });
        (0..ATTEMPTS)
            .find_map(|attempt| {
                let mut rng = noise::generator(options.seed, Purpose::Maze, attempt);
                Self::attempt(options, find, &mut rng)
            })
            .ok_or(NoMaze(options.seed))
    }

    fn attempt(options: ScenarioOptions, find: usize, rng: &mut ChaCha8Rng) -> Option<Self> {
        let maze = Maze::generate(
            MazeOptions {
                columns: rng.random_range(5..8),
                rows: rng.random_range(4..7),
                openness: rng.random_range(0.08..0.25),
                ..MazeOptions::default()
            },
            rng,
        );
        let mut cells: Vec<Cell> = maze.cells().collect();
        cells.shuffle(rng);
        let start = cells.pop()?;
        let [x, y] = maze.center(start);
        let exit = *maze.exits(start).first()?;
        let [toward_x, toward_y] = maze.center(exit);
        let robot_start = Pose2::new(x, y, (toward_y - y).atan2(toward_x - x));

        // Objects first, on bare walls: surfaces cost time, and most attempts fail before they matter.
        let mut bare = World {
            name: format!("maze_{}", options.seed),
            robot_start,
            light: Default::default(),
            models: vec![maze.model(&[], &crate::world::Material::color([0.5; 3]), rng)],
        };
        let mut wanted = None;
        if !options.absent {
            let cell = take_cell(&maze, &mut cells, |cell| maze.exits(cell).len() < 3)?;
            wanted = Some(bare.models.len());
            bare.models.push(beside_wall(
                &maze,
                cell,
                objects::object(find, 0, Pose::default(), rng),
                rng,
            )?);
        }
        if !options.alone {
            for number in 1..=rng.random_range(4..8usize) {
                let class = (find + rng.random_range(1..CLASSES.len())) % CLASSES.len();
                let Some(cell) = take_cell(&maze, &mut cells, |cell| maze.exits(cell).len() < 4)
                else {
                    break;
                };
                let object = objects::object(class, number, Pose::default(), rng);
                bare.models.extend(beside_wall(&maze, cell, object, rng));
            }
        }
        let map = OccupancyGrid::of_world(&bare);
        let distances = map.distances([x, y], PASSING_RADIUS);
        if let Some(wanted) = wanted
            && first_sight(&bare, wanted, &map, &distances) < SHORTEST_SEARCH
        {
            return None;
        }
        let mut places = spread_places(&maze, &bare, &map, &distances, rng);
        if places.len() < 4 {
            return None;
        }
        let mut world = decor::decorate(&maze, &bare.name, Families::All, 1024, rng);
        world.robot_start = robot_start;
        world.models.extend(bare.models.into_iter().skip(1));
        // The bare maze was one model, the decorated one comes after its ground: objects stand one place later.
        if let Some(wanted) = wanted {
            let view = lookout::best_view(&world, wanted + 1, &map, &distances, rng)?;
            let [x, y, _] = world.models[wanted + 1].pose.xyz;
            places.retain(|place| {
                place.distance(&view) > 0.8
                    && place.distance(&Pose2::new(x, y, 0.0)) > NOT_AT_OBJECT
            });
            if places.len() < 4 {
                return None;
            }
            places.truncate(6);
            let at = rng.random_range(2..=4);
            places.insert(at, view);
        }
        let inside = wall_middle(&maze, rng)?;
        // Early in the list, so that every search meets it.
        places.insert(rng.random_range(0..2), inside);
        let mut names = NAMES;
        names.shuffle(rng);
        let locations = names
            .iter()
            .map(|n| (*n).to_owned())
            .zip(places.into_iter().map(rounded))
            .collect();
        Some(Self {
            world,
            maze,
            map,
            locations,
            find,
            seed: options.seed,
        })
    }

    /// What is true of the world.
    pub fn ground_truth(&self) -> GroundTruth {
        GroundTruth::of_world(&self.world, Some(self.seed), Some(self.find))
    }

    /// Writes `world.sdf` with its textures and meshes, `map.pgm` and `map.yaml`, `locations.yaml` and `ground_truth.json`.
    pub fn write(&self, folder: &Path) -> Result<(), SdfError> {
        let io = |cause| SdfError::Io {
            path: folder.to_owned(),
            cause,
        };
        std::fs::create_dir_all(folder).map_err(io)?;
        self.world.write_sdf(&folder.join("world.sdf"))?;
        self.map.write(folder).map_err(io)?;
        let lines: String = self
            .locations
            .iter()
            .map(|(name, pose)| format!("{name}: [{:?}, {:?}, {:?}]\n", pose.x, pose.y, pose.theta))
            .collect();
        std::fs::write(folder.join("locations.yaml"), lines).map_err(io)?;
        write_ground_truth(&self.ground_truth(), folder).map_err(io)
    }
}

/// Writes `ground_truth.json`.
pub fn write_ground_truth(truth: &GroundTruth, folder: &Path) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(truth)?;
    std::fs::write(folder.join("ground_truth.json"), text + "\n")
}

/// Takes a cell out of the list, a dead end rather than another.
fn take_cell(maze: &Maze, cells: &mut Vec<Cell>, fits: impl Fn(Cell) -> bool) -> Option<Cell> {
    let dead_end = cells.iter().position(|&cell| maze.exits(cell).len() == 1);
    let index = dead_end.or_else(|| cells.iter().position(|&cell| fits(cell)))?;
    Some(cells.remove(index))
}

/// The model in a cell, next to one of its walls; `None` for a cell without.
fn beside_wall(
    maze: &Maze,
    cell: Cell,
    mut model: crate::world::Model,
    rng: &mut ChaCha8Rng,
) -> Option<crate::world::Model> {
    let options = maze.options();
    let (x, y) = (cell.0 as isize, cell.1 as isize);
    let mut sides = vec![(1isize, 0isize), (-1, 0), (0, 1), (0, -1)];
    sides.shuffle(rng);
    let walled = |&(dx, dy): &(isize, isize)| {
        let (nx, ny) = (x + dx, y + dy);
        let inside =
            nx >= 0 && ny >= 0 && nx < options.columns as isize && ny < options.rows as isize;
        !inside || !maze.connected(cell, (nx as usize, ny as usize))
    };
    let (dx, dy) = sides.into_iter().find(walled)?;
    let reach = objects::reach(&model);
    let out =
        options.pitch / 2.0 - options.wall_thickness / 2.0 - reach - rng.random_range(0.02..0.06);
    let along = rng.random_range(-0.2..0.2);
    let [cx, cy] = maze.center(cell);
    let (dx, dy) = (dx as f64, dy as f64);
    // Its front looks away from the wall, more or less.
    let yaw = (-dy).atan2(-dx) + rng.random_range(-0.8..0.8);
    model.pose = Pose::planar(
        cx + dx * out - dy * along,
        cy + dy * out + dx * along,
        normalize_angle(yaw),
    );
    Some(model)
}

/// The length of the shortest way to a place from which the model may be seen.
fn first_sight(world: &World, model: usize, map: &OccupancyGrid, distances: &[f64]) -> f64 {
    let others = World {
        models: world
            .models
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != model)
            .map(|(_, m)| m.clone())
            .collect(),
        ..world.clone()
    };
    // At this height only walls and what is as tall as they hide anything for good.
    let walls = Obstacles::in_band(&others, 0.95, 0.95);
    let [x, y, _] = world.models[model].pose.xyz;
    let reach = objects::reach(&world.models[model]);
    let near = (0..map.cells.len()).filter(|&cell| distances[cell] < SHORTEST_SEARCH);
    near.filter(|&cell| {
        let from = map.center(cell);
        let distance = (from[0] - x).hypot(from[1] - y);
        let across = [
            -(from[1] - y) / distance * reach,
            (from[0] - x) / distance * reach,
        ];
        distance < SIGHT
            && [-1.0, 0.0, 1.0]
                .iter()
                .any(|s| walls.line_of_sight(from, [x + s * across[0], y + s * across[1]]))
    })
    .map(|cell| distances[cell])
    .fold(f64::INFINITY, f64::min)
}

/// Reachable places with room around them, far from each other, in the order of a short tour; each looks where most is seen.
fn spread_places(
    maze: &Maze,
    world: &World,
    map: &OccupancyGrid,
    distances: &[f64],
    rng: &mut ChaCha8Rng,
) -> Vec<Pose2> {
    let body = Obstacles::in_band(world, robot::BODY_BAND[0], robot::BODY_BAND[1]);
    let fits = |&[x, y]: &[f64; 2]| {
        let reachable = map
            .cell_at([x, y])
            .is_some_and(|cell| distances[cell].is_finite());
        reachable && body.point_distance([x, y]) >= LOCATION_ROOM
    };
    let start = [world.robot_start.x, world.robot_start.y];
    let gap = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut middles: Vec<[f64; 2]> = maze
        .cells()
        .map(|cell| maze.center(cell))
        .filter(fits)
        .collect();
    middles.shuffle(rng);
    let mut chosen: Vec<[f64; 2]> = Vec::new();
    let count = rng.random_range(5..8usize);
    while chosen.len() < count {
        let room = |p: &[f64; 2]| {
            chosen
                .iter()
                .chain([&start])
                .map(|c| gap(*c, *p))
                .fold(f64::INFINITY, f64::min)
        };
        let Some(next) = middles
            .iter()
            .copied()
            .max_by(|a, b| room(a).total_cmp(&room(b)))
        else {
            break;
        };
        if room(&next) < 1.3 {
            break;
        }
        chosen.push(next);
    }
    let mut tour = Vec::new();
    let mut here = start;
    while let Some(i) =
        (0..chosen.len()).min_by(|&a, &b| gap(here, chosen[a]).total_cmp(&gap(here, chosen[b])))
    {
        here = chosen.swap_remove(i);
        let directions = (0..24).map(|i| f64::from(i) * std::f64::consts::TAU / 24.0);
        let view = |angle: f64| -> f64 {
            (-2..=2)
                .map(|i| {
                    body.ray(here, angle + f64::from(i) * 0.2, 8.0)
                        .unwrap_or(8.0)
                })
                .sum()
        };
        let theta = directions
            .max_by(|a, b| view(*a).total_cmp(&view(*b)))
            .unwrap_or_default();
        tour.push(Pose2::new(here[0], here[1], normalize_angle(theta)));
    }
    tour
}

/// A place in the middle of an inner wall.
fn wall_middle(maze: &Maze, rng: &mut ChaCha8Rng) -> Option<Pose2> {
    let mut cells: Vec<Cell> = maze.cells().collect();
    cells.shuffle(rng);
    cells.iter().find_map(|&cell| {
        let other = maze
            .neighbors(cell)
            .into_iter()
            .find(|&n| !maze.connected(cell, n))?;
        let ([ax, ay], [bx, by]) = (maze.center(cell), maze.center(other));
        Some(Pose2::new((ax + bx) / 2.0, (ay + by) / 2.0, 0.0))
    })
}

/// Whether a place is free on the map.
pub fn is_free(map: &OccupancyGrid, pose: Pose2) -> bool {
    map.at([pose.x, pose.y]) == CellState::Free
}

/// As it is written: millimetres and milliradians.
fn rounded(pose: Pose2) -> Pose2 {
    let round = |v: f64| (v * 1000.0).round() / 1000.0;
    Pose2::new(round(pose.x), round(pose.y), round(pose.theta))
}
