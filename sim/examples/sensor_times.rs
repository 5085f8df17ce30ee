//! How long a picture, a scan and a physics step take on this machine, in a generated maze.

use std::time::Instant;

use sim::scenario::{Scenario, ScenarioOptions};
use sim::{Simulation, SimulationOptions};

fn main() -> Result<(), sim::scenario::NoMaze> {
    for seed in 0..4 {
        let scenario = Scenario::generate(ScenarioOptions {
            seed,
            ..Default::default()
        })?;
        let mut simulation = Simulation::new(
            &scenario.world,
            SimulationOptions {
                seed,
                ..Default::default()
            },
        );
        let (mut rgb, mut depth, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        let mut best = [f64::INFINITY; 3];
        let mut total = [0.0; 3];
        const TURNS: u32 = 200;
        for _ in 0..TURNS {
            let mut lap = Instant::now();
            let mut times = [0.0; 3];
            let mut stop = |index: usize| {
                times[index] = lap.elapsed().as_secs_f64() * 1e3;
                lap = Instant::now();
            };
            simulation.command(0.05, 0.9);
            simulation.step();
            stop(0);
            simulation.scan(&mut ranges);
            stop(1);
            simulation.render(&mut rgb, &mut depth);
            stop(2);
            for i in 0..3 {
                best[i] = times[i].min(best[i]);
                total[i] += times[i] / f64::from(TURNS);
            }
        }
        println!(
            "seed {seed}: step {:.4} ms, scan {:.3} ms, picture {:.2} ms in the mean (at best {:.4}, {:.3}, {:.2})",
            total[0], total[1], total[2], best[0], best[1], best[2]
        );
    }
    Ok(())
}
