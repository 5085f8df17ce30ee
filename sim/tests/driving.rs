//! How the base moves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

mod common;

use common::room;
use sim::robot::{
    self, MAX_ANGULAR_ACCELERATION, MAX_ANGULAR_SPEED, MAX_LINEAR_ACCELERATION, MAX_LINEAR_SPEED,
};
use sim::{BaseKind, Simulation, SimulationOptions};

fn simulation(half: f64, base: BaseKind) -> Simulation {
    Simulation::new(&room(half), SimulationOptions { seed: 3, base })
}

fn run(simulation: &mut Simulation, seconds: f64) {
    for _ in 0..(seconds / robot::STEP.as_secs_f64()).round() as u32 {
        simulation.step();
    }
}

/// Repeats a command at 20 Hz, as a controller does.
fn drive(simulation: &mut Simulation, linear: f64, angular: f64, seconds: f64) {
    for _ in 0..(seconds * 20.0).round() as u32 {
        simulation.command(linear, angular);
        run(simulation, 0.05);
    }
}

#[test]
fn speeds_and_accelerations_stay_within_the_robots() {
    let mut simulation = simulation(5.0, BaseKind::KeepsLastVelocity);
    let dt = robot::STEP.as_secs_f64();
    let mut before = simulation.ground_truth().velocity;
    for (linear, angular) in [
        (9.0, 9.0),
        (-9.0, -9.0),
        (f64::NAN, 1.0),
        (0.1, f64::INFINITY),
    ] {
        simulation.command(linear, angular);
        for _ in 0..200 {
            simulation.step();
            let now = simulation.ground_truth().velocity;
            assert!((now.linear - before.linear).abs() <= MAX_LINEAR_ACCELERATION * dt + 1e-12);
            assert!((now.angular - before.angular).abs() <= MAX_ANGULAR_ACCELERATION * dt + 1e-12);
            assert!(now.linear.abs() <= MAX_LINEAR_SPEED && now.angular.abs() <= MAX_ANGULAR_SPEED);
            before = now;
        }
    }
    assert_eq!(
        before.linear, 0.0,
        "a command that is not finite stops the base"
    );
    assert_eq!(before.angular, 0.0);
}

#[test]
fn one_kind_of_base_stops_half_a_second_after_its_last_command() {
    let mut simulation = simulation(5.0, BaseKind::Stops);
    drive(&mut simulation, 0.2, 0.0, 1.0);
    run(&mut simulation, 0.45);
    assert_eq!(simulation.ground_truth().velocity.linear, 0.2);
    run(&mut simulation, 0.05 + 0.21);
    assert_eq!(simulation.ground_truth().velocity.linear, 0.0);
}

#[test]
fn the_other_kind_keeps_its_last_velocity() {
    let mut simulation = simulation(5.0, BaseKind::KeepsLastVelocity);
    simulation.command(0.2, 0.0);
    run(&mut simulation, 10.0);
    assert_eq!(simulation.ground_truth().velocity.linear, 0.2);
}

#[test]
fn without_motor_power_the_base_stands_and_forgets_its_commands() {
    let mut simulation = simulation(5.0, BaseKind::KeepsLastVelocity);
    simulation.command(0.26, 1.0);
    run(&mut simulation, 1.0);
    simulation.set_motor_power(false);
    run(&mut simulation, 0.5);
    assert_eq!(simulation.ground_truth().velocity, Default::default());
    simulation.command(0.26, 0.0);
    simulation.set_motor_power(true);
    run(&mut simulation, 1.0);
    assert_eq!(simulation.ground_truth().velocity, Default::default());
}

#[test]
fn a_collision_stops_the_robot_dead_and_counts_once() {
    let mut simulation = simulation(1.0, BaseKind::Stops);
    drive(&mut simulation, 0.26, 0.0, 10.0);
    assert_eq!(simulation.collisions(), 1);
    assert_eq!(simulation.min_clearance(), 0.0);
    let front = simulation.ground_truth().pose.x + robot::BODY_CENTER_X + robot::BODY_HALF_LENGTH;
    assert!(
        (0.995..=1.0).contains(&front),
        "the body's front stands at the wall, not at {front}"
    );
    drive(&mut simulation, -0.1, 0.0, 2.0);
    drive(&mut simulation, 0.26, 0.0, 3.0);
    assert_eq!(
        simulation.collisions(),
        2,
        "a second run into the wall is a second collision"
    );
}

#[test]
fn min_clearance_is_measured_from_the_bodys_outline() {
    let mut simulation = simulation(1.0, BaseKind::Stops);
    simulation.step();
    // The body is nearest to the wall behind it.
    let behind = 1.0 + robot::BODY_CENTER_X - robot::BODY_HALF_LENGTH;
    assert!((simulation.min_clearance() - behind).abs() < 1e-9);
    drive(&mut simulation, 0.0, 1.0, 2.0);
    assert!(simulation.min_clearance() < behind);
    assert_eq!(simulation.collisions(), 0);
}

#[test]
fn odometry_drifts_a_little_and_says_how_much() {
    let mut worst: f64 = 0.0;
    for seed in 0..10 {
        let mut simulation = Simulation::new(
            &room(5.0),
            SimulationOptions {
                seed,
                base: BaseKind::Stops,
            },
        );
        for _ in 0..8 {
            drive(&mut simulation, 0.25, 0.0, 8.0);
            drive(&mut simulation, 0.0, 0.8, std::f64::consts::FRAC_PI_2 / 0.8);
        }
        let odometry = simulation.odometry();
        let error = odometry
            .motion
            .pose
            .distance(&simulation.ground_truth().pose);
        // 16 m with eight turns.
        assert!(error > 1e-3, "seed {seed}: {error} m is no drift");
        assert!(error < 0.8, "seed {seed}: {error} m is too much drift");
        let sigma = (odometry.covariance[(0, 0)] + odometry.covariance[(1, 1)]).sqrt();
        assert!(
            error < 5.0 * sigma,
            "seed {seed}: {error} m off, but sigma is {sigma} m"
        );
        worst = worst.max(error);
    }
    assert!(worst > 0.05);
}

#[test]
fn a_run_is_the_same_to_the_bit_whoever_looks_at_it() {
    let mut watched = simulation(2.0, BaseKind::Stops);
    let mut alone = simulation(2.0, BaseKind::Stops);
    let (mut rgb, mut depth, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..60u32 {
        let command = (0.2, if i % 20 < 10 { 0.9 } else { -0.5 });
        for simulation in [&mut watched, &mut alone] {
            simulation.command(command.0, command.1);
            run(simulation, 0.05);
        }
        watched.scan(&mut ranges);
        watched.imu();
        if i % 10 == 0 {
            watched.render(&mut rgb, &mut depth);
        }
    }
    watched.render(&mut rgb, &mut depth);
    watched.scan(&mut ranges);
    let (mut other_rgb, mut other_depth, mut other_ranges) = (Vec::new(), Vec::new(), Vec::new());
    alone.scan(&mut other_ranges);
    alone.render(&mut other_rgb, &mut other_depth);
    assert_eq!(watched.odometry(), alone.odometry());
    assert_eq!(watched.ground_truth(), alone.ground_truth());
    assert_eq!(watched.imu(), alone.imu());
    assert!(
        ranges
            .iter()
            .map(|r| r.to_bits())
            .eq(other_ranges.iter().map(|r| r.to_bits()))
    );
    assert!(rgb == other_rgb && depth == other_depth);

    let mut other_seed = Simulation::new(
        &room(2.0),
        SimulationOptions {
            seed: 4,
            base: BaseKind::Stops,
        },
    );
    drive(&mut other_seed, 0.2, 0.0, 1.0);
    let mut same = simulation(2.0, BaseKind::Stops);
    drive(&mut same, 0.2, 0.0, 1.0);
    assert_ne!(other_seed.odometry(), same.odometry());
}
