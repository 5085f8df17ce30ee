//! What every generated search must be like.

// A test fails by a panic, in its helpers too.
#![allow(clippy::unwrap_used)]

use sim::frames::labels;
use sim::grid::CellState;
use sim::obstacles::Obstacles;
use sim::render::{Camera, Renderer, Scene};
use sim::robot;
use sim::scenario::{
    NOT_AT_OBJECT, PASSING_RADIUS, SHORTEST_SEARCH, Scenario, ScenarioOptions, is_free,
};

fn check(seed: u64) {
    let scenario = Scenario::generate(ScenarioOptions {
        seed,
        ..Default::default()
    })
    .unwrap();
    let (map, world) = (&scenario.map, &scenario.world);
    let start = [world.robot_start.x, world.robot_start.y];
    let distances = map.distances(start, PASSING_RADIUS);
    let reached = |x: f64, y: f64| {
        map.cell_at([x, y])
            .map_or(f64::INFINITY, |cell| distances[cell])
    };

    let (free, blocked): (Vec<_>, Vec<_>) = scenario
        .locations
        .iter()
        .partition(|(_, pose)| is_free(map, *pose));
    assert!(free.len() >= 4, "seed {seed}: {} places", free.len());
    assert_eq!(blocked.len(), 1, "seed {seed}");
    assert_eq!(
        map.at([blocked[0].1.x, blocked[0].1.y]),
        CellState::Occupied,
        "seed {seed}"
    );
    for (name, pose) in &free {
        assert!(
            reached(pose.x, pose.y).is_finite(),
            "seed {seed}: {name} cannot be reached"
        );
    }

    // The object is seen from one of the places, and from no place within the first metres of the way.
    let truth = scenario.ground_truth();
    let wanted: Vec<_> = truth
        .objects
        .iter()
        .filter(|o| Some(&o.class) == truth.find.as_ref())
        .collect();
    assert_eq!(wanted.len(), 1, "seed {seed}");
    let [x, y] = wanted[0].position;
    let scene = Scene::new(world);
    let mut renderer = Renderer::new(Camera::ROBOT);
    let mut seen_from = Vec::new();
    for (name, pose) in &free {
        assert!(
            (pose.x - x).hypot(pose.y - y) > NOT_AT_OBJECT - 0.01,
            "seed {seed}: {name} lies at the object"
        );
        let eye = robot::camera_pose(*pose);
        renderer.draw(&scene, &eye);
        let found = labels(&mut renderer, world, &scene, &eye);
        if found
            .iter()
            .any(|label| label.class == scenario.find && label.seen.pixels > 500)
        {
            seen_from.push(reached(pose.x, pose.y));
        }
    }
    assert!(
        !seen_from.is_empty(),
        "seed {seed}: the object is seen from nowhere"
    );
    assert!(
        seen_from.iter().all(|way| *way >= SHORTEST_SEARCH - 0.3),
        "seed {seed}: seen after {seen_from:?} m"
    );

    // Nothing stands in a wall, on another thing, or on the robot.
    let solids: Vec<_> = world
        .models
        .iter()
        .map(|model| {
            let alone = sim::World {
                models: vec![model.clone()],
                ..world.clone()
            };
            Obstacles::in_band(&alone, 0.0, 2.0)
        })
        .collect();
    for (i, object) in world
        .models
        .iter()
        .enumerate()
        .filter(|(_, m)| m.class().is_some())
    {
        let [x, y, _] = object.pose.xyz;
        let nearest = solids
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, s)| s.point_distance([x, y]));
        let room = nearest.fold(f64::INFINITY, f64::min);
        assert!(
            room >= sim::objects::reach(object),
            "seed {seed}: {} has {room} m",
            object.name
        );
        assert!(
            (x - start[0]).hypot(y - start[1]) > 0.6,
            "seed {seed}: {} at the start",
            object.name
        );
    }
}

#[test]
fn a_hundred_searches_are_sound_first_half() {
    (0..50).for_each(check);
}

#[test]
fn a_hundred_searches_are_sound_second_half() {
    (50..100).for_each(check);
}

#[test]
fn a_seed_gives_the_same_search_always() {
    let generate = |seed| {
        Scenario::generate(ScenarioOptions {
            seed,
            ..Default::default()
        })
        .unwrap()
    };
    let (a, b, other) = (generate(9), generate(9), generate(10));
    assert!(a.world == b.world && a.map == b.map && a.locations == b.locations);
    assert!(a.world != other.world);
}

#[test]
fn the_wanted_object_or_all_others_can_be_left_out() {
    for find in 0..sim::CLASSES.len() {
        let options = ScenarioOptions {
            seed: 20 + find as u64,
            find: Some(find),
            ..Default::default()
        };
        let absent = Scenario::generate(ScenarioOptions {
            absent: true,
            ..options
        })
        .unwrap();
        assert!(absent.world.models.iter().all(|m| m.class() != Some(find)));
        assert!(absent.world.models.iter().any(|m| m.class().is_some()));
        let alone = Scenario::generate(ScenarioOptions {
            alone: true,
            ..options
        })
        .unwrap();
        let classes: Vec<_> = alone
            .world
            .models
            .iter()
            .filter_map(|m| m.class())
            .collect();
        assert_eq!(classes, [find]);
    }
}
