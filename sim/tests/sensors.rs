//! What the lidar and the camera say, against what geometry says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

mod common;

use std::fs;
use std::sync::Arc;

use common::{block, room};
use sim::classes::class_index;
use sim::frames::labels;
use sim::render::{Camera, Renderer, Scene};
use sim::robot::{self, CAMERA_CENTER, CAMERA_FOCAL, CAMERA_WIDTH};
use sim::texture::Texture;
use sim::world::{Material, World};
use sim::{Pose, Pose2, Simulation, SimulationOptions};

const CAMERA_HEIGHT_ABOVE_GROUND: f64 = robot::BASE_LINK.xyz[2] + robot::CAMERA_LINK.xyz[2];

#[test]
fn lidar_ranges_are_true_but_for_noise() {
    let mut world = room(2.0);
    world.robot_start = Pose2::new(0.3, -0.2, 0.4);
    let simulation = Simulation::new(&world, SimulationOptions::default());
    let mut ranges = Vec::new();
    simulation.scan(&mut ranges);
    assert_eq!(ranges.len(), 360);
    let [x, y] = world.robot_start.transform(robot::BASE_SCAN.xyz[0], 0.0);
    let mut errors = Vec::new();
    for (beam, &range) in ranges.iter().enumerate() {
        let angle = 0.4 + beam as f64 * std::f64::consts::TAU / 360.0;
        let to_wall = |place: f64, slope: f64| {
            if slope > 0.0 {
                (2.0 - place) / slope
            } else {
                (-2.0 - place) / slope
            }
        };
        let expected = to_wall(x, angle.cos()).min(to_wall(y, angle.sin()));
        if expected <= robot::LIDAR_RANGE_MAX {
            errors.push(f64::from(range) - expected);
        }
    }
    assert!(errors.len() > 300);
    assert!(errors.iter().all(|e| e.abs() < 6.0 * robot::LIDAR_SIGMA));
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let sigma =
        (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64).sqrt();
    assert!(mean.abs() < 0.003, "bias of {mean} m");
    assert!((0.007..0.013).contains(&sigma), "sigma {sigma} m");
}

#[test]
fn lidar_sees_nothing_beyond_its_range() {
    let simulation = Simulation::new(&room(5.0), SimulationOptions::default());
    let mut ranges = Vec::new();
    simulation.scan(&mut ranges);
    assert!(ranges.iter().all(|r| r.is_infinite()));
}

#[test]
fn depth_is_that_along_the_optical_axis() {
    let mut simulation = Simulation::new(&room(2.0), SimulationOptions::default());
    let (mut rgb, mut depth) = (Vec::new(), Vec::new());
    simulation.render(&mut rgb, &mut depth);
    assert_eq!((rgb.len(), depth.len()), (640 * 480 * 3, 640 * 480));
    let wall = 2.0 - robot::CAMERA_LINK.xyz[0];
    for (column, row) in [(320, 240), (0, 200), (639, 200), (100, 20), (500, 250)] {
        let mm = f64::from(depth[row * CAMERA_WIDTH + column]);
        assert!(
            (mm - wall * 1000.0).abs() <= 1.0,
            "({column}, {row}): {mm} mm"
        );
    }
    for row in [300, 400, 479] {
        let expected =
            CAMERA_HEIGHT_ABOVE_GROUND * CAMERA_FOCAL / (row as f64 + 0.5 - CAMERA_CENTER[1]);
        let mm = f64::from(depth[row * CAMERA_WIDTH + 320]);
        assert!(
            (mm - expected * 1000.0).abs() <= 1.0,
            "row {row}: {mm} mm, not {expected} m"
        );
    }
}

#[test]
fn nothing_is_seen_in_the_sky() {
    let mut world = room(20.0);
    world.models.truncate(2);
    let mut simulation = Simulation::new(&world, SimulationOptions::default());
    let (mut rgb, mut depth) = (Vec::new(), Vec::new());
    simulation.render(&mut rgb, &mut depth);
    assert_eq!(depth[320], 0);
}

/// Red, green over blue, white.
fn quarters() -> Vec<[u8; 3]> {
    let (red, green, blue, white) = ([250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250]);
    (0..64 * 64)
        .map(|i| match (i / 64 < 32, i % 64 < 32) {
            (true, true) => red,
            (true, false) => green,
            (false, true) => blue,
            (false, false) => white,
        })
        .collect()
}

#[test]
fn a_picture_on_a_panel_is_upright_and_not_mirrored_on_every_side() {
    let folder = tempfile::tempdir().unwrap();
    let pixels = quarters();
    image::save_buffer(
        folder.path().join("quarters.png"),
        pixels.as_flattened(),
        64,
        64,
        image::ExtendedColorType::Rgb8,
    )
    .unwrap();
    for quarter_turn in 0..4 {
        let yaw = f64::from(quarter_turn) * std::f64::consts::FRAC_PI_2;
        let text = format!(
            "<sdf version='1.9'><world name='w'>
               <light name='sun' type='directional'><direction>0 0 -1</direction></light>
               <model name='panel'><static>true</static><pose>1.5 0 0.25 0 0 {yaw}</pose><link name='l'>
                 <visual name='v'><geometry><box><size>0.5 0.5 0.5</size></box></geometry>
                   <material><diffuse>1 1 1 1</diffuse>
                     <pbr><metal><albedo_map>quarters.png</albedo_map></metal></pbr></material></visual>
                 <collision name='c'><geometry><box><size>0.5 0.5 0.5</size></box></geometry></collision>
               </link></model>
             </world></sdf>"
        );
        let path = folder.path().join("world.sdf");
        fs::write(&path, text).unwrap();
        let world = World::read_sdf(&path).unwrap();
        let mut simulation = Simulation::new(&world, SimulationOptions::default());
        let (mut rgb, mut depth) = (Vec::new(), Vec::new());
        simulation.render(&mut rgb, &mut depth);
        let distance = 1.5 - 0.25 - robot::CAMERA_LINK.xyz[0];
        // The picture's quarters are 0.125 m off its middle, which is beside and above the camera.
        let pixel = |left: f64, up: f64| {
            let x = CAMERA_CENTER[0] + CAMERA_FOCAL * (robot::CAMERA_LINK.xyz[1] - left) / distance;
            let y = CAMERA_CENTER[1]
                - CAMERA_FOCAL * (0.25 + up - CAMERA_HEIGHT_ABOVE_GROUND) / distance;
            let i = (y as usize * CAMERA_WIDTH + x as usize) * 3;
            [rgb[i], rgb[i + 1], rgb[i + 2]].map(|c| c > 90)
        };
        assert_eq!(
            pixel(0.125, 0.125),
            [true, false, false],
            "upper left, turned by {yaw}"
        );
        assert_eq!(
            pixel(-0.125, 0.125),
            [false, true, false],
            "upper right, turned by {yaw}"
        );
        assert_eq!(
            pixel(0.125, -0.125),
            [false, false, true],
            "lower left, turned by {yaw}"
        );
        assert_eq!(
            pixel(-0.125, -0.125),
            [true, true, true],
            "lower right, turned by {yaw}"
        );
    }
}

#[test]
fn far_pictures_are_averaged_not_picked_from() {
    // One black and one white pixel in turn: from afar, grey.
    let pixels: Vec<[u8; 3]> = (0..512 * 512)
        .map(|i| [if (i + i / 512) % 2 == 0 { 0 } else { 255 }; 3])
        .collect();
    let mut world = room(6.0);
    let skin = Material::textured(Arc::new(Texture::new("checks.png", 512, 512, &pixels)));
    world.models.push(block(
        "panel",
        Pose::at(5.0, 0.0, 0.25),
        [0.1, 0.5, 0.5],
        skin,
    ));
    let mut simulation = Simulation::new(&world, SimulationOptions::default());
    let (mut rgb, mut depth) = (Vec::new(), Vec::new());
    simulation.render(&mut rgb, &mut depth);
    let line = &rgb[(220 * CAMERA_WIDTH + 300) * 3..][..15 * 3];
    let (low, high) = (line.iter().min().unwrap(), line.iter().max().unwrap());
    assert!(high - low < 40, "{low} to {high}");
}

#[test]
fn labels_are_boxes_around_what_is_seen() {
    let mut world = room(3.0);
    let size = [0.3, 0.4, 0.3];
    world.models.push(block(
        "box_0",
        Pose::at(1.5, 0.2, 0.15),
        size,
        Material::color([0.8, 0.5, 0.2]),
    ));
    let see = |world: &World| {
        let scene = Scene::new(world);
        let mut renderer = Renderer::new(Camera::ROBOT);
        let eye = robot::camera_pose(Pose2::default());
        renderer.draw(&scene, &eye);
        labels(&mut renderer, world, &scene, &eye)
    };
    let found = see(&world);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].class, class_index("box").unwrap());
    assert_eq!(found[0].visible, 1.0);
    let near = 1.5 - 0.15 - robot::CAMERA_LINK.xyz[0];
    let column = |y: f64, distance: f64| {
        CAMERA_CENTER[0] + CAMERA_FOCAL * (robot::CAMERA_LINK.xyz[1] - y) / distance
    };
    let row = |z: f64| CAMERA_CENTER[1] + CAMERA_FOCAL * (CAMERA_HEIGHT_ABOVE_GROUND - z) / near;
    // Its right side is seen too, whose far edge is nearer to the picture's middle.
    let expected = [
        column(0.4, near),
        row(0.3),
        column(0.0, near + 0.3),
        row(0.0),
    ];
    let expected = [
        expected[0],
        expected[1],
        column(0.0, near).max(expected[2]),
        expected[3],
    ];
    for (side, (got, wanted)) in found[0].seen.corners.iter().zip(expected).enumerate() {
        assert!(
            (*got as f64 - wanted).abs() <= 1.0,
            "side {side}: {got}, not {wanted}"
        );
    }
    let line = found[0].yolo_line(&Camera::ROBOT);
    let numbers: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!((numbers[1] * 640.0 - (expected[0] + expected[2]) / 2.0).abs() <= 1.0);
    assert!((numbers[4] * 480.0 - (expected[3] - expected[1])).abs() <= 2.0);

    // A wall before its left half.
    world.models.push(block(
        "wall_9",
        Pose::at(1.0, 0.4, 0.5),
        [0.05, 0.5, 1.0],
        Material::color([0.5; 3]),
    ));
    let half = see(&world);
    assert!(half[0].seen.corners[0] > found[0].seen.corners[0] + 30);
    assert_eq!(half[0].seen.corners[2], found[0].seen.corners[2]);
    assert!((0.2..0.8).contains(&half[0].visible));

    // All of it hidden: no label.
    world.models.push(block(
        "wall_10",
        Pose::at(0.9, 0.0, 0.5),
        [0.05, 2.0, 1.0],
        Material::color([0.5; 3]),
    ));
    assert!(see(&world).is_empty());
}
