//! Finds the robot in the map by matching each scan against it, starting from what odometry predicts.
//!
//! The map becomes a field of signed distances to the walls' surfaces. A scan lies well when its points lie at distance
//! zero; Gauss-Newton moves it there, with the odometry's prediction as a prior, so that along a bare corridor, where
//! the scan says nothing, odometry decides. Points that no wall explains (things that are not in the map) lose their
//! weight. The curvature at the optimum is the pose's information.

use crate::distance::distance_in_cells;
use crate::geometry::{Point, Pose2, normalize_angle, pose, position};
use crate::occupancy::{Cell, OccupancyMap};
use nalgebra::{Matrix3, Vector2, Vector3};

/// Signed distances to the nearest wall: positive in front of it, negative inside.
#[derive(Debug, Clone)]
pub struct DistanceField {
    map: OccupancyMap,
    distance: Vec<f64>,
}

impl DistanceField {
    /// The field of a map's occupied cells.
    pub fn new(map: &OccupancyMap) -> Self {
        let occupied = |index: usize| map.cells[index] == Cell::Occupied;
        let outside = distance_in_cells(map.width, map.height, occupied);
        let inside = distance_in_cells(map.width, map.height, |index| !occupied(index));
        // Between centres; the surface lies half a cell before the first occupied centre.
        let signed = |(out, inn): (f64, f64)| {
            let cells = if out > 0.0 { out - 0.5 } else { 0.5 - inn };
            cells.clamp(-1e3, 1e3) * map.resolution
        };
        Self {
            distance: outside.into_iter().zip(inside).map(signed).collect(),
            map: OccupancyMap {
                cells: Vec::new(),
                ..map.clone()
            },
        }
    }

    /// Distance and its gradient at a point of the map frame, interpolated between cells; `None` outside.
    fn at(&self, point: &Point) -> Option<(f64, Vector2<f64>)> {
        let map = &self.map;
        let x = (point.x - map.origin.x) / map.resolution - 0.5;
        let y = (point.y - map.origin.y) / map.resolution - 0.5;
        let inside =
            x >= 0.0 && y >= 0.0 && x + 1.0 < map.width as f64 && y + 1.0 < map.height as f64;
        if !inside {
            return None;
        }
        let (column, row) = (x as usize, y as usize);
        let (u, v) = (x - column as f64, y - row as f64);
        let corner = |dx: usize, dy: usize| self.distance[(row + dy) * map.width + column + dx];
        let (a, b, c, d) = (corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1));
        let value = (a * (1.0 - u) + b * u) * (1.0 - v) + (c * (1.0 - u) + d * u) * v;
        let gradient = Vector2::new(
            (b - a) * (1.0 - v) + (d - c) * v,
            (c - a) * (1.0 - u) + (d - b) * u,
        ) / map.resolution;
        Some((value, gradient))
    }

    /// As [`Self::at`], for a point that a beam along `beam` has hit. A beam ends at the front of a wall, so a point inside
    /// one or behind it belongs to its front, not to its back, which may be nearer.
    fn before(&self, point: &Point, beam: &Vector2<f64>) -> Option<(f64, Vector2<f64>)> {
        let here = self.at(point)?;
        let ray = beam.try_normalize(1e-6)?;
        if here.1.dot(&ray) <= 0.0 {
            return Some(here);
        }
        let step = self.map.resolution * 0.5;
        let mut inside = here.0 <= 0.0;
        let mut behind = step;
        while behind < BEHIND_WALL {
            if let Some((distance, gradient)) = self.at(&(point - ray * behind)) {
                inside |= distance <= 0.0;
                let slope = gradient.dot(&ray);
                if inside && slope < 0.0 {
                    return Some((distance + slope * behind, gradient));
                }
            }
            behind += step;
        }
        Some(here)
    }
}

/// Farthest that a point may lie behind the front of the wall that it belongs to, m.
const BEHIND_WALL: f64 = 0.3;
/// Standard deviation that a scan point is trusted with, m. Larger than the lidar's noise: neighbouring points err
/// alike, by the map's cells above all.
const POINT_SIGMA: f64 = 0.12;
/// Points farther than this from any wall count little, m.
const OUTLIER_DISTANCE: f64 = 0.04;
/// Gauss-Newton rounds; the first ones look farther for a wall.
const ROUNDS: usize = 12;
/// How much farther in the first round.
const FIRST_ROUND_REACH: f64 = 4.0;
/// Share of points that a pose found by searching has to fit better by, for each metre or radian that it is away.
const DISTANCE_PRICE: f64 = 0.3;
/// A point this near to a wall fits, m.
const FIT_DISTANCE: f64 = 0.1;
/// Growth of the uncertainty for each update, m or rad.
const STILL_SIGMA: f64 = 0.001;
/// Growth for each metre driven, m or rad.
const DRIVE_SIGMA: f64 = 0.08;
/// Growth for each radian turned, rad.
const TURN_SIGMA: f64 = 0.06;

/// The estimate of where the robot is.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Pose of the base in the map.
    pub map_from_base: Pose2,
    /// Of x, y (m) and yaw (rad) in the map frame.
    pub covariance: Matrix3<f64>,
    /// Share of the scan's points that lie on a wall of the map, 0 to 1.
    pub fit: f64,
}

/// Follows the robot through its map.
#[derive(Debug, Clone)]
pub struct Localizer {
    field: DistanceField,
    estimate: Estimate,
    odom_from_base: Option<Pose2>,
    /// What someone says of the robot's place; the next scan is then matched widely.
    told: Option<Told>,
    /// Whether anyone ever said anything.
    is_told: bool,
}

/// What someone says of the robot's place.
#[derive(Debug, Clone, Copy)]
enum Told {
    /// It is here.
    Here(Pose2),
    /// It was here when its odometry began.
    OdometryBegan(Pose2),
}

impl Localizer {
    /// A localizer that waits to be told where the robot is.
    pub fn new(map: &OccupancyMap) -> Self {
        Self {
            field: DistanceField::new(map),
            estimate: Estimate {
                map_from_base: Pose2::identity(),
                covariance: told_covariance(),
                fit: 0.0,
            },
            odom_from_base: None,
            told: None,
            is_told: false,
        }
    }

    /// Someone says that the robot is at about this pose.
    pub fn robot_is_at(&mut self, map_from_base: Pose2) {
        self.tell(Told::Here(map_from_base));
    }

    /// Someone says that the robot was at about this pose when its odometry began. It may have driven since.
    pub fn odometry_began_at(&mut self, map_from_odom: Pose2) {
        self.tell(Told::OdometryBegan(map_from_odom));
    }

    fn tell(&mut self, told: Told) {
        self.told = Some(told);
        self.is_told = true;
    }

    /// Whether anyone has said where the robot is or was; until then scans are of no use.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// The newest estimate.
    pub fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// Takes in a scan: its points in the base frame, and the odometry at the time it was taken.
    pub fn update(&mut self, odom_from_base: Pose2, points: &[Point]) -> &Estimate {
        self.predict(&odom_from_base);
        if let Some(told) = self.told.take() {
            let at = match told {
                Told::Here(map_from_base) => map_from_base,
                Told::OdometryBegan(map_from_odom) => map_from_odom * odom_from_base,
            };
            self.estimate.map_from_base = self.search_around(&at, points);
            self.estimate.covariance = told_covariance();
        }
        self.correct(points);
        self.estimate.fit = self.fit(&self.estimate.map_from_base, points);
        &self.estimate
    }

    /// The transform to publish, for the odometry of the last update.
    pub fn map_from_odom(&self) -> Pose2 {
        let odom_from_base = self.odom_from_base.unwrap_or_else(Pose2::identity);
        self.estimate.map_from_base * odom_from_base.inverse()
    }

    fn predict(&mut self, odom_from_base: &Pose2) {
        let moved = match &self.odom_from_base {
            Some(before) => before.inv_mul(odom_from_base),
            None => Pose2::identity(),
        };
        self.odom_from_base = Some(*odom_from_base);
        let before = self.estimate.map_from_base;
        let after = before * moved;
        let shift = after.translation.vector - before.translation.vector;
        let mut motion = Matrix3::identity();
        motion[(0, 2)] = -shift.y;
        motion[(1, 2)] = shift.x;
        let driven = shift.norm();
        let turned = moved.rotation.angle().abs();
        let place = STILL_SIGMA + DRIVE_SIGMA * driven;
        let heading = STILL_SIGMA + DRIVE_SIGMA * driven + TURN_SIGMA * turned;
        let noise = Vector3::new(place * place, place * place, heading * heading);
        self.estimate.map_from_base = after;
        self.estimate.covariance =
            motion * self.estimate.covariance * motion.transpose() + Matrix3::from_diagonal(&noise);
    }

    /// Moves the predicted pose to where the scan lies on the walls.
    fn correct(&mut self, points: &[Point]) {
        let predicted = self.estimate.map_from_base;
        let Some(prior) = self.estimate.covariance.try_inverse() else {
            return;
        };
        let mut at = predicted;
        let mut information = prior;
        for round in 0..ROUNDS {
            let reach =
                OUTLIER_DISTANCE * FIRST_ROUND_REACH.powf(1.0 - (round as f64 / 4.0).min(1.0));
            let (matched, pull) = self.normal_equations(&at, points, reach);
            information = prior + matched;
            let from_prior = difference(&predicted, &at);
            let Some(inverse) = information.try_inverse() else {
                return;
            };
            let step = inverse * (pull + prior * from_prior);
            at = moved(&at, &step);
            if round > 4 && step.norm() < 1e-5 {
                break;
            }
        }
        if let Some(covariance) = information.try_inverse() {
            self.estimate.map_from_base = at;
            self.estimate.covariance = (covariance + covariance.transpose()) * 0.5;
        }
    }

    /// What the points say about a step (x, y, yaw in the map frame) away from `at`.
    fn normal_equations(
        &self,
        at: &Pose2,
        points: &[Point],
        reach: f64,
    ) -> (Matrix3<f64>, Vector3<f64>) {
        let mut matched = Matrix3::zeros();
        let mut pull = Vector3::zeros();
        for point in points {
            let turned = at.rotation * point;
            let on_map = at.translation * turned;
            let Some((distance, gradient)) = self.field.before(&on_map, &turned.coords) else {
                continue;
            };
            // Geman-McClure: what no wall explains loses its say.
            let ratio = distance / reach;
            let weight = (1.0 + ratio * ratio).powi(-2) / (POINT_SIGMA * POINT_SIGMA);
            let along = Vector3::new(
                gradient.x,
                gradient.y,
                gradient.y * turned.x - gradient.x * turned.y,
            );
            matched += along * along.transpose() * weight;
            pull -= along * (distance * weight);
        }
        (matched, pull)
    }

    fn fit(&self, at: &Pose2, points: &[Point]) -> f64 {
        let fitting = points
            .iter()
            .filter(|point| {
                self.field
                    .at(&(at * *point))
                    .is_some_and(|(distance, _)| distance.abs() < FIT_DISTANCE)
            })
            .count();
        fitting as f64 / points.len().max(1) as f64
    }

    /// How sharply the points lie on walls, 0 to 1.
    fn score(&self, at: &Pose2, points: &[Point]) -> f64 {
        let sum: f64 = points
            .iter()
            .filter_map(|point| self.field.at(&(at * point)))
            .map(|(distance, _)| (-(distance / FIT_DISTANCE).powi(2)).exp())
            .sum();
        sum / points.len().max(1) as f64
    }

    /// The pose near `centre` where the points fit best, unless it is hardly better than a nearer one.
    fn search_around(&self, centre: &Pose2, points: &[Point]) -> Pose2 {
        const REACH: i32 = 5;
        const STEP: f64 = 0.1;
        const TURN: f64 = 0.08;
        let mut best = (self.score(centre, points), *centre);
        for turn in -REACH..=REACH {
            for dx in -REACH..=REACH {
                for dy in -REACH..=REACH {
                    let candidate = pose(
                        centre.translation.x + f64::from(dx) * STEP,
                        centre.translation.y + f64::from(dy) * STEP,
                        centre.rotation.angle() + f64::from(turn) * TURN,
                    );
                    let away = difference(&candidate, centre).norm();
                    let score = self.score(&candidate, points) - DISTANCE_PRICE * away;
                    if score > best.0 {
                        best = (score, candidate);
                    }
                }
            }
        }
        best.1
    }
}

/// How uncertain a place is that someone tells.
fn told_covariance() -> Matrix3<f64> {
    let sigmas = Vector3::new(0.3, 0.3, 0.2);
    Matrix3::from_diagonal(&sigmas.component_mul(&sigmas))
}

/// The step (x, y, yaw in the map frame) from `from` to `to`.
fn difference(to: &Pose2, from: &Pose2) -> Vector3<f64> {
    let shift = position(to) - position(from);
    let turn = normalize_angle(to.rotation.angle() - from.rotation.angle());
    Vector3::new(shift.x, shift.y, turn)
}

fn moved(at: &Pose2, step: &Vector3<f64>) -> Pose2 {
    pose(
        at.translation.x + step.x,
        at.translation.y + step.y,
        at.rotation.angle() + step.z,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occupancy::drawn;

    /// A maze of 1 m corridors with two loops.
    const MAZE: [&str; 7] = [
        "###########",
        "#....#....#",
        "#.##.#.##.#",
        "#.#.....#.#",
        "#.#.###.#.#",
        "#.........#",
        "###########",
    ];

    fn maze() -> OccupancyMap {
        drawn::map(&MAZE, 20)
    }

    fn told(map: &OccupancyMap, map_from_odom: Pose2) -> Localizer {
        let mut localizer = Localizer::new(map);
        localizer.odometry_began_at(map_from_odom);
        localizer
    }

    /// Noise that needs no generator crate: equidistributed in [-1, 1).
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        }
    }

    /// The scan of a lidar at the base, by marching through the map: 180 beams of up to 3.5 m.
    fn scan(
        map: &OccupancyMap,
        at: &Pose2,
        thing: Option<&Point>,
        noise: &mut Noise,
    ) -> Vec<Point> {
        (0..180)
            .filter_map(|beam| {
                let angle = f64::from(beam) * std::f64::consts::TAU / 180.0;
                let ray = Vector2::new(angle.cos(), angle.sin());
                let range = (0..700).map(|step| f64::from(step) * 0.005).find(|range| {
                    let end = at * Point::from(ray * *range);
                    let on_thing = thing.is_some_and(|thing| (end - thing).norm() < 0.15);
                    on_thing
                        || map.cell_at(&end).is_none_or(|(column, row)| {
                            map.cells[map.index(column, row)] == Cell::Occupied
                        })
                })?;
                Some(Point::from(ray * (range + 0.02 * noise.next())))
            })
            .collect()
    }

    /// Corners of a way through the maze, 30 m long.
    const WAY: [(f64, f64); 9] = [
        (1.5, 1.5),
        (9.5, 1.5),
        (9.5, 5.5),
        (6.5, 5.5),
        (6.5, 3.5),
        (4.5, 3.5),
        (4.5, 5.5),
        (1.5, 5.5),
        (1.5, 1.5),
    ];

    /// The poses along [`WAY`], one for each scan at 0.25 m/s and 1 rad/s.
    fn poses() -> Vec<Pose2> {
        let mut poses = vec![pose(WAY[0].0, WAY[0].1, 0.0)];
        for corner in &WAY[1..] {
            let corner = Point::new(corner.0, corner.1);
            loop {
                let at = poses[poses.len() - 1];
                let to = corner - position(&at);
                let turn = normalize_angle(to.y.atan2(to.x) - at.rotation.angle());
                if to.norm() < 0.05 {
                    break;
                }
                let step = if turn.abs() > 0.05 {
                    pose(0.0, 0.0, turn.clamp(-0.1, 0.1))
                } else {
                    pose(0.025, 0.0, turn)
                };
                poses.push(at * step);
            }
        }
        poses
    }

    /// Follows the way with an odometry that errs by `scale` and by noise; returns the worst error in m and rad.
    fn follow(scale: f64, thing: Option<Point>) -> (f64, f64) {
        let map = maze();
        let mut noise = Noise(7);
        let way = poses();
        let mut localizer = told(&map, way[0]);
        let mut odom = Pose2::identity();
        let mut worst = (0.0_f64, 0.0_f64);
        for at in 0..way.len() {
            if at > 0 {
                let step = way[at - 1].inv_mul(&way[at]);
                let error = 1.0 + 0.02 * noise.next();
                odom *= pose(
                    step.translation.x * scale * error,
                    0.0,
                    step.rotation.angle() * (2.0 - scale) * error + 0.001 * noise.next() + 0.0005,
                );
            }
            let points = scan(&map, &way[at], thing.as_ref(), &mut noise);
            localizer.update(odom, &points);
            let error = difference(&localizer.estimate().map_from_base, &way[at]);
            worst = (worst.0.max(error.xy().norm()), worst.1.max(error.z.abs()));
            let carried = localizer.map_from_odom() * odom;
            assert!(difference(&carried, &localizer.estimate().map_from_base).norm() < 1e-9);
        }
        worst
    }

    #[test]
    fn keeps_its_place_through_a_long_way_with_bad_odometry() {
        let length: f64 = WAY
            .windows(2)
            .map(|w| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1))
            .sum();
        assert!(length >= 28.0);
        let (metres, radians) = follow(1.03, None);
        assert!(metres < 0.05 && radians < 0.03, "{metres} m, {radians} rad");
    }

    #[test]
    fn a_thing_that_is_not_in_the_map_does_not_mislead_it() {
        let (metres, radians) = follow(0.98, Some(Point::new(5.5, 1.25)));
        assert!(metres < 0.07 && radians < 0.03, "{metres} m, {radians} rad");
    }

    #[test]
    fn finds_itself_from_a_rough_initial_pose() {
        let map = maze();
        let truth = pose(1.6, 3.2, 1.2);
        let mut localizer = told(&map, pose(1.3, 2.9, 1.4));
        let points = scan(&map, &truth, None, &mut Noise(1));
        let estimate = localizer.update(Pose2::identity(), &points);
        let error = difference(&estimate.map_from_base, &truth);
        // Along the corridor the scan may say little; across it and in heading it says all.
        assert!(error.x.abs() < 0.03 && error.z.abs() < 0.02, "{error}");
        assert!(estimate.fit > 0.9);
    }

    #[test]
    fn a_localizer_that_starts_late_goes_by_the_odometry() {
        let map = maze();
        let truth = pose(5.5, 3.5, 0.4);
        let began = pose(1.5, 1.5, 0.0);
        // 4.5 m of driving, with some drift.
        let odom = began.inv_mul(&truth) * pose(0.15, -0.1, 0.08);
        let mut localizer = told(&map, began);
        let points = scan(&map, &truth, None, &mut Noise(1));
        let estimate = localizer.update(odom, &points);
        let error = difference(&estimate.map_from_base, &truth);
        assert!(error.norm() < 0.03, "{error}");
    }

    #[test]
    fn a_point_behind_the_front_of_a_thin_wall_belongs_to_that_front() {
        // A wall of 0.1 m from x = 0.5 on.
        let lines = ["...........#..........."; 5];
        let map = drawn::map(&lines.map(|line| &line[6..17]), 2);
        let field = DistanceField::new(&map);
        for (x, beam, expected) in [(0.58, 1.0, -0.08), (0.58, -1.0, -0.02), (0.64, 1.0, -0.14)] {
            let beam = Vector2::new(beam, 0.0);
            let (distance, gradient) = field.before(&Point::new(x, 0.25), &beam).unwrap();
            assert!((distance - expected).abs() < 0.03, "{x} {beam}: {distance}");
            assert!(gradient.dot(&beam) < 0.0);
        }
    }

    #[test]
    fn says_how_sure_it_is() {
        let map = drawn::map(&["############", "#..........#", "############"], 20);
        let truth = pose(6.0, 1.5, 0.0);
        let mut localizer = told(&map, truth);
        for _ in 0..5 {
            localizer.update(Pose2::identity(), &scan(&map, &truth, None, &mut Noise(3)));
        }
        let estimate = localizer.estimate();
        let (along, across) = (estimate.covariance[(0, 0)], estimate.covariance[(1, 1)]);
        assert!(along > 50.0 * across, "along {along}, across {across}");
        assert!(across.sqrt() < 0.03);
    }

    #[test]
    fn a_scan_without_points_changes_nothing_but_the_uncertainty() {
        let mut localizer = told(&maze(), pose(1.5, 1.5, 0.0));
        localizer.update(Pose2::identity(), &[]);
        let before = localizer.estimate().covariance[(0, 0)];
        let estimate = localizer.update(pose(0.1, 0.0, 0.0), &[]);
        assert!((estimate.map_from_base.translation.x - 1.6).abs() < 1e-9);
        assert!(estimate.covariance[(0, 0)] > before);
        assert_eq!(estimate.fit, 0.0);
    }
}
