//! World files: written and read back, and what is said of a wrong one.

// A test fails by a panic, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use sim::World;
use sim::grid::{CellState, OccupancyGrid};
use sim::scenario::{Scenario, ScenarioOptions};

#[test]
fn a_world_that_is_written_reads_back_the_same() {
    for seed in 0..4 {
        let scenario = Scenario::generate(ScenarioOptions {
            seed,
            ..Default::default()
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        scenario.write(folder.path()).unwrap();
        let read = World::read_sdf(&folder.path().join("world.sdf")).unwrap();
        assert_eq!(read.models.len(), scenario.world.models.len());
        for (read, written) in read.models.iter().zip(&scenario.world.models) {
            assert_eq!(read, written, "seed {seed}");
        }
        assert!(read == scenario.world, "seed {seed}");
        assert!(
            OccupancyGrid::of_world(&read) == scenario.map,
            "seed {seed}"
        );
    }
}

#[test]
fn the_map_is_what_nav2_reads() {
    let scenario = Scenario::generate(ScenarioOptions {
        seed: 5,
        ..Default::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    scenario.write(folder.path()).unwrap();
    let yaml = fs::read_to_string(folder.path().join("map.yaml")).unwrap();
    assert!(
        yaml.contains("image: map.pgm\nmode: trinary\nresolution: 0.05\n"),
        "{yaml}"
    );
    let image = fs::read(folder.path().join("map.pgm")).unwrap();
    let header = format!("P5\n{} {}\n255\n", scenario.map.width, scenario.map.height);
    assert!(image.starts_with(header.as_bytes()));
    let pixels = &image[header.len()..];
    assert_eq!(pixels.len(), scenario.map.width * scenario.map.height);
    // The robot's start, counted from the image's upper row, is free.
    let start = scenario.world.robot_start;
    let cell = scenario.map.cell_at([start.x, start.y]).unwrap();
    let (column, row) = (cell % scenario.map.width, cell / scenario.map.width);
    assert_eq!(
        pixels[(scenario.map.height - 1 - row) * scenario.map.width + column],
        254
    );
    assert!(pixels.contains(&0) && pixels.contains(&205));
    // As map_server tells free from unknown.
    let threshold = yaml
        .lines()
        .find_map(|line| line.strip_prefix("free_thresh: "));
    let threshold: f64 = threshold.unwrap().parse().unwrap();
    let occupancy = |pixel: f64| (255.0 - pixel) / 255.0;
    assert!(occupancy(254.0) < threshold && occupancy(205.0) >= threshold);
}

const WALL: &str = "<model name='wall'><link name='l'><collision name='c'><geometry><box><size>1 1 1</size></box></geometry></collision></link></model>";

/// The error for a world with this inside, on the lines from 3 on.
fn error(inside: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.sdf");
    fs::write(
        &path,
        format!("<sdf version='1.9'>\n<world name='w'>\n{inside}\n</world>\n</sdf>\n"),
    )
    .unwrap();
    let message = World::read_sdf(&path).unwrap_err().to_string();
    assert!(message.contains("world.sdf"), "{message}");
    message
}

#[test]
fn a_world_without_walls_is_refused() {
    let message = error("");
    assert!(message.contains(":2: the world has no walls"), "{message}");
    let message = error(
        "<model name='chair_1'><link name='l'><collision name='c'><geometry><box><size>1 1 1</size></box></geometry></collision></link></model>",
    );
    assert!(
        message.contains("the world has no walls"),
        "an object is no wall: {message}"
    );
}

#[test]
fn what_is_outside_the_subset_is_named_with_its_line() {
    let cases = [
        (
            "<include><uri>model://sun</uri></include>",
            "3: <include> in <world> is outside",
        ),
        (
            "\n<model name='a'><joint name='j'/></model>",
            "4: <joint> in <model> is outside",
        ),
        (
            "<model name='a'>\n<link name='l'>\n<sensor name='s'/></link></model>",
            "5: <sensor> in <link> is outside",
        ),
        (
            "<model name='a'><link name='l'><visual name='v'><geometry><box><sise>1 1 1</sise></box></geometry></visual></link></model>",
            "<sise> in <box>",
        ),
        (
            "<model name='a'><link name='l'><visual name='v'><geometry><capsule/></geometry></visual></link></model>",
            "<capsule> in <geometry>",
        ),
        (
            "<model name='a'><pose>1 2 3</pose></model>",
            "3: <pose> has 3 numbers, not 6",
        ),
        (
            "<model name='a'><pose>1 2 3 0 0 x</pose></model>",
            "`x` in <pose> is not a number",
        ),
        (
            "<model name='a'><pose relative_to='b'>1 2 3 0 0 0</pose></model>",
            "<pose> with `relative_to`",
        ),
        (
            "<model><link name='l'/></model>",
            "this <model> has no name",
        ),
        (
            "<light name='l' type='point'/>",
            "this light is not directional",
        ),
        (
            "<model name='a'><link name='l'><visual name='v'><geometry><box><size>1 0 1</size></box></geometry></visual></link></model>",
            "<size> is 0",
        ),
        (
            "<model name='a'><link name='l'><visual name='v'><geometry><box><size>1 1 1</size></box></geometry><material><pbr><metal>\n<albedo_map>no.png</albedo_map></metal></pbr></material></visual></link></model>",
            "4: cannot read the picture",
        ),
        (
            "<model name='a'><link name='l'><collision name='c'><pose>0 0 0 1 0 0</pose><geometry><box><size>1 1 1</size></box></geometry></collision></link></model>",
            "does not stand upright",
        ),
        (
            "<model name='a'><link name='l'><visual name='v'><geometry><mesh><uri>model://x.dae</uri></mesh></geometry></visual></link></model>",
            "names no file here",
        ),
    ];
    for (inside, expected) in cases {
        let message = error(&format!("{inside}{WALL}"));
        assert!(message.contains(expected), "{inside}\n gave: {message}");
        assert!(message.contains("; "), "no remedy in: {message}");
    }
}

#[test]
fn a_world_too_large_for_a_map_is_refused() {
    let far = WALL
        .replace("<link", "<pose>1e9 0 0 0 0 0</pose><link")
        .replace("'wall'", "'far'");
    let message = error(&format!("{WALL}{far}"));
    assert!(
        message.contains(":2: the world is 1000000001 m by 1 m"),
        "{message}"
    );
}

#[test]
fn broken_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = World::read_sdf(&folder.path().join("no.sdf"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("no.sdf"), "{missing}");
    let path = folder.path().join("world.sdf");
    fs::write(&path, "<sdf>\n<world name='w'>\n</sdf>").unwrap();
    let message = World::read_sdf(&path).unwrap_err().to_string();
    assert!(message.contains("world.sdf:3: this is no XML"), "{message}");
    fs::write(&path, "<robot/>").unwrap();
    assert!(
        World::read_sdf(&path)
            .unwrap_err()
            .to_string()
            .contains("not <sdf>")
    );
}

#[test]
fn a_model_named_twice_is_refused() {
    assert!(error(&format!("{WALL}\n{WALL}")).contains(":4: a second model is named `wall`"));
}

#[test]
fn the_worlds_that_come_with_it_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds");
    let worlds = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for path in worlds.filter(|p| p.extension().is_some_and(|e| e == "sdf")) {
        let world = World::read_sdf(&path).unwrap();
        let map = OccupancyGrid::of_world(&world);
        assert_eq!(
            map.at([world.robot_start.x, world.robot_start.y]),
            CellState::Free,
            "{}",
            path.display()
        );
        assert!(
            world.models.iter().any(|m| m.class().is_some()),
            "{} holds no object",
            path.display()
        );
    }
}
