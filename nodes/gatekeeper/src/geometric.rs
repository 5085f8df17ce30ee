//! The second evaluator: does the goal lie on known free space, with room for the robot, and does a way lead there?

use crate::free_space::{FreeSpace, Place};
use crate::goal::MapPose;
use crate::refusal::Refusal;

/// How far from a refused goal an alternative is looked for, m.
const ALTERNATIVE_WITHIN: f64 = 1.0;

/// A goal that the map forbids.
#[derive(Clone, Debug, PartialEq)]
pub struct Forbidden {
    /// Why.
    pub refusal: Refusal,
    /// The nearest pose that would be feasible, if one is near.
    pub alternative: Option<MapPose>,
}

/// Judges a goal on the map for a robot standing at `robot`.
///
/// # Errors
/// The first rule that the goal breaks, with an alternative.
pub fn check(
    space: &FreeSpace,
    robot_radius: f64,
    robot: MapPose,
    goal: MapPose,
) -> Result<(), Box<Forbidden>> {
    let regions = space.regions_at(robot.x, robot.y);
    let refuse = |refusal| {
        let alternative = regions.as_ref().and_then(|regions| {
            let (x, y) = space.nearest_in(goal.x, goal.y, regions, ALTERNATIVE_WITHIN)?;
            Some(MapPose { x, y, ..goal })
        });
        Box::new(Forbidden {
            refusal,
            alternative,
        })
    };
    let MapPose { x, y, .. } = goal;
    match space.place(x, y) {
        Place::Free => {}
        Place::Occupied => return Err(refuse(Refusal::Occupied { x, y })),
        Place::Unknown => return Err(refuse(Refusal::UnknownSpace { x, y })),
        Place::Outside => return Err(refuse(Refusal::OutsideMap { x, y })),
    }
    let clearance_m = space.clearance(x, y);
    if clearance_m < robot_radius {
        return Err(refuse(Refusal::NoClearance {
            clearance_m,
            needed_m: robot_radius,
        }));
    }
    match &regions {
        None => Err(refuse(Refusal::RobotNotInFreeSpace {
            x: robot.x,
            y: robot.y,
        })),
        Some(regions) if !space.is_in(x, y, regions) => Err(refuse(Refusal::Unreachable)),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::free_space::tests::drawn;

    const RADIUS: f64 = 0.14;

    /// Two rooms joined by a door that is wide enough, a third without a door, and a slit too narrow to pass.
    const HOUSE: &str = "
        ??????????????????????????
        ?########################?
        ?#......#...............#?
        ?#......#...............#?
        ?#......#...............#?
        ?#......................#?
        ?#......................#?
        ?#......................#?
        ?#......................#?
        ?#......#...............#?
        ?#......#...............#?
        ?#......############.####?
        ?#......#......#........#?
        ?#......#......#........#?
        ?#......#......#........#?
        ?#......#......#........#?
        ?#......#......#........#?
        ?########################?
        ??????????????????????????";

    fn house() -> FreeSpace {
        FreeSpace::new(drawn(HOUSE), RADIUS).unwrap()
    }

    fn at(x: f64, y: f64) -> MapPose {
        MapPose { x, y, yaw: 0.5 }
    }

    fn judge(robot: MapPose, goal: MapPose) -> Result<(), Box<Forbidden>> {
        check(&house(), RADIUS, robot, goal)
    }

    const LEFT: MapPose = MapPose {
        x: 0.5,
        y: 0.5,
        yaw: 0.0,
    };

    fn code(goal: MapPose) -> u16 {
        judge(LEFT, goal).unwrap_err().refusal.code()
    }

    #[test]
    fn a_goal_through_the_door_is_feasible() {
        assert_eq!(judge(LEFT, at(2.0, 1.4)), Ok(()));
    }

    #[test]
    fn the_robots_own_place_is_feasible() {
        assert_eq!(judge(LEFT, LEFT), Ok(()));
    }

    #[test]
    fn outside_in_a_wall_and_unknown_are_told_apart() {
        assert_eq!(code(at(15.0, 0.5)), 9222);
        assert_eq!(code(at(1e300, 0.5)), 9222);
        assert_eq!(code(at(0.05, 0.05)), 9223);
        assert_eq!(code(at(0.85, 0.5)), 9224);
    }

    #[test]
    fn too_close_to_a_wall_gets_the_next_place_with_room() {
        let refused = judge(LEFT, at(0.72, 0.5)).unwrap_err();
        assert_eq!(refused.refusal.code(), 9225);
        let other = refused.alternative.unwrap();
        assert!(
            (other.x - 0.65).abs() < 1e-9 && other.yaw == 0.5,
            "{other:?}"
        );
        assert_eq!(judge(LEFT, other), Ok(()));
    }

    #[test]
    fn a_room_without_a_door_is_out_of_reach() {
        assert_eq!(code(at(1.2, 0.5)), 9226);
    }

    #[test]
    fn a_slit_narrower_than_the_robot_joins_nothing() {
        assert_eq!(code(at(2.0, 0.5)), 9226);
        assert_eq!(
            judge(at(1.8, 0.5), at(2.0, 0.4)),
            Ok(()),
            "from inside it is near"
        );
    }

    #[test]
    fn a_robot_that_hugs_a_wall_still_stands_in_its_room_only() {
        let hugging = at(0.78, 0.5);
        assert_eq!(judge(hugging, at(0.5, 1.4)), Ok(()));
        let next_door = judge(hugging, at(1.2, 0.5)).unwrap_err();
        assert_eq!(next_door.refusal.code(), 9226);
    }

    #[test]
    fn a_robot_inside_a_block_gets_no_goal() {
        let mut grid = drawn(&(".".repeat(40) + "\n").repeat(40));
        for row in 20..30 {
            grid.cells[row * 40 + 20..row * 40 + 30].fill(100);
        }
        let space = FreeSpace::new(grid, RADIUS).unwrap();
        let refused = check(&space, RADIUS, at(2.5, 2.5), at(1.0, 1.0)).unwrap_err();
        assert_eq!(refused.refusal.code(), 9227);
        assert_eq!(refused.alternative, None);
    }
}
