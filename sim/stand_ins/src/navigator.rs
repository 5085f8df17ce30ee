//! Drives the robot to one goal: plans, follows, replans, and knows when it cannot go on. No ROS: one call for each
//! control period of simulated time.

use crate::costmap::Costmap;
use crate::follower::{Follower, FollowerConfig, Step, Velocity};
use crate::footprint::Footprint;
use crate::geometry::{Point, Pose2, position};
use crate::planner::{self, PlanError, PlannerConfig};
use crate::progress::ProgressChecker;

/// `FollowPath` code of Nav2 for a robot that does not get anywhere.
pub const FAILED_TO_MAKE_PROGRESS: u16 = 105;
/// `FollowPath` code of Nav2 for a way that stays blocked.
pub const NO_VALID_CONTROL: u16 = 106;

/// What the navigation stand-in is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct NavigatorConfig {
    /// How paths are planned.
    pub planner: PlannerConfig,
    /// How they are followed.
    pub follower: FollowerConfig,
    /// The robot's outline.
    pub footprint: Footprint,
    /// Distance that the outline keeps from what the lidar sees, m.
    pub footprint_margin: f64,
    /// How far ahead a command is checked against the scan, s.
    pub collision_horizon: f64,
    /// A new path is planned this often, s.
    pub replan_period: f64,
    /// Without progress for this long the goal is aborted, s.
    pub progress_timeout: f64,
}

impl Default for NavigatorConfig {
    fn default() -> Self {
        Self {
            planner: PlannerConfig::default(),
            follower: FollowerConfig::default(),
            footprint: Footprint::waffle(),
            footprint_margin: 0.02,
            collision_horizon: 0.8,
            replan_period: 1.0,
            progress_timeout: 10.0,
        }
    }
}

/// Where the robot is to go, in the map frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The place.
    pub position: Point,
    /// The heading there, rad.
    pub yaw: f64,
}

/// What is known at one control period.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// Simulated time, s.
    pub now: f64,
    /// The robot's pose in the map.
    pub map_from_base: Pose2,
    /// What the newest scan hit, in the base frame as it is now.
    pub hits: &'a [Point],
}

/// What to do in a control period.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Drive on so.
    Drive(Velocity),
    /// The goal is reached.
    Succeeded,
    /// The goal cannot be reached; the error code of the result.
    Failed(u16),
}

/// The way to one goal.
#[derive(Debug, Clone)]
pub struct Navigator {
    config: NavigatorConfig,
    target: Target,
    follower: Follower,
    progress: ProgressChecker,
    planned_at: f64,
    blocked: bool,
    path_is_new: bool,
}

impl Navigator {
    /// Plans the way to `target`.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(
        config: NavigatorConfig,
        target: Target,
        costmap: &mut Costmap,
        situation: &Situation<'_>,
    ) -> Result<Self, PlanError> {
        let start = position(&situation.map_from_base);
        costmap.refresh(situation.now);
        let path = match planner::plan(costmap, &config.planner, &start, &target.position) {
            // What was seen beside the map may be gone, or never have been there; the map alone decides.
            Err(PlanError::NoPath) => {
                costmap.forget();
                costmap.refresh(situation.now);
                planner::plan(costmap, &config.planner, &start, &target.position)?
            }
            plan => plan?,
        };
        Ok(Self {
            follower: Follower::new(config.follower.clone(), path, target.yaw),
            progress: ProgressChecker::new(config.progress_timeout),
            planned_at: situation.now,
            config,
            target,
            blocked: false,
            path_is_new: true,
        })
    }

    /// The decision of this control period.
    pub fn step(&mut self, costmap: &mut Costmap, situation: &Situation<'_>) -> Decision {
        if situation.now - self.planned_at >= self.config.replan_period
            && !self.follower.is_aligning()
        {
            self.replan(costmap, situation);
        }
        let velocity = match self.follower.step(&situation.map_from_base) {
            Step::Arrived => return Decision::Succeeded,
            Step::Drive(velocity) => velocity,
        };
        let outline = self.config.footprint.padded(self.config.footprint_margin);
        self.blocked = outline.would_hit(velocity, self.config.collision_horizon, situation.hits);
        if !self
            .progress
            .makes_progress(situation.now, &situation.map_from_base)
        {
            return Decision::Failed(if self.blocked {
                NO_VALID_CONTROL
            } else {
                FAILED_TO_MAKE_PROGRESS
            });
        }
        Decision::Drive(if self.blocked {
            Velocity::default()
        } else {
            velocity
        })
    }

    /// The way left, in m.
    pub fn distance_remaining(&self, map_from_base: &Pose2) -> f64 {
        self.follower.distance_remaining(map_from_base)
    }

    /// The path, if it has changed since the last call.
    pub fn take_new_path(&mut self) -> Option<&[Point]> {
        std::mem::take(&mut self.path_is_new).then(|| self.follower.path())
    }

    /// Plans anew from where the robot is; when that fails, the old path stays and the progress checker decides.
    fn replan(&mut self, costmap: &mut Costmap, situation: &Situation<'_>) {
        self.planned_at = situation.now;
        costmap.refresh(situation.now);
        let start = position(&situation.map_from_base);
        let plan = planner::plan(costmap, &self.config.planner, &start, &self.target.position);
        if let Ok(path) = plan {
            self.follower.replace_path(path);
            self.path_is_new = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::pose;
    use crate::occupancy::drawn;

    const MAZE: [&str; 5] = [
        "#########",
        "#...#...#",
        "#.#.#.#.#",
        "#.#...#.#",
        "#########",
    ];
    const PERIOD: f64 = 0.05;

    fn costmap() -> Costmap {
        Costmap::new(drawn::map(&MAZE, 20))
    }

    fn target(x: f64, y: f64) -> Target {
        Target {
            position: Point::new(x, y),
            yaw: 1.0,
        }
    }

    struct Run {
        end: Decision,
        pose: Pose2,
        seconds: f64,
        least_clearance: f64,
    }

    /// Drives an ideal robot; `moves`: whether the base obeys. `thing`: a point in the map that the lidar sees.
    fn run(target: Target, moves: bool, thing: Option<Point>) -> Run {
        let mut costmap = costmap();
        let mut at = pose(1.5, 1.5, 0.0);
        let mut now = 0.0;
        let mut least_clearance = f64::INFINITY;
        let mut navigator = None;
        loop {
            let hits: Vec<Point> = thing
                .iter()
                .filter(|thing| (*thing - position(&at)).norm() < 3.5)
                .map(|thing| at.inverse_transform_point(thing))
                .collect();
            if let Some(thing) = thing {
                costmap.observe(now, &position(&at), &[thing]);
            }
            let situation = Situation {
                now,
                map_from_base: at,
                hits: &hits,
            };
            let navigator = navigator.get_or_insert_with(|| {
                Navigator::start(
                    NavigatorConfig::default(),
                    target.clone(),
                    &mut costmap,
                    &situation,
                )
                .unwrap()
            });
            match navigator.step(&mut costmap, &situation) {
                Decision::Drive(v) if moves => {
                    at *= pose(v.linear * PERIOD, 0.0, v.angular * PERIOD);
                }
                Decision::Drive(_) => {}
                end => {
                    return Run {
                        end,
                        pose: at,
                        seconds: now,
                        least_clearance,
                    };
                }
            }
            least_clearance = least_clearance.min(costmap.clearance_at(&position(&at)));
            if let Some(thing) = thing {
                assert!(
                    !Footprint::waffle().contains(&at.inverse_transform_point(&thing)),
                    "ran into the thing at {now} s"
                );
            }
            now += PERIOD;
            assert!(now < 300.0, "neither arrives nor gives up");
        }
    }

    #[test]
    fn drives_through_a_maze_in_the_middle_of_its_corridors() {
        let run = run(target(7.5, 1.5), true, None);
        assert_eq!(run.end, Decision::Succeeded);
        assert!((position(&run.pose) - Point::new(7.5, 1.5)).norm() < 0.25);
        assert!((run.pose.rotation.angle() - 1.0).abs() < 0.25);
        assert!(run.least_clearance > 0.3, "{}", run.least_clearance);
        assert!(run.seconds < 100.0, "took {} s", run.seconds);
    }

    #[test]
    fn a_base_that_is_held_is_no_progress() {
        let run = run(target(7.5, 1.5), false, None);
        assert_eq!(run.end, Decision::Failed(FAILED_TO_MAKE_PROGRESS));
        assert!((10.0..11.0).contains(&run.seconds), "{}", run.seconds);
    }

    #[test]
    fn goes_round_a_thing_that_is_not_in_the_map() {
        let run = run(target(1.5, 3.5), true, Some(Point::new(1.15, 2.5)));
        assert_eq!(run.end, Decision::Succeeded);
    }

    #[test]
    fn a_goal_outside_the_map_is_refused_at_once() {
        let situation = Situation {
            now: 0.0,
            map_from_base: pose(1.5, 1.5, 0.0),
            hits: &[],
        };
        let error = Navigator::start(
            NavigatorConfig::default(),
            target(70.0, 1.5),
            &mut costmap(),
            &situation,
        )
        .unwrap_err();
        assert_eq!(error.code(), 204);
    }
}
