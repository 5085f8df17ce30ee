//! Whether frames of several robots are inferred in one run: only where that is faster, which is measured.
//!
//! A GPU is often idle during a single frame; a CPU hardly ever is, and then a batch only makes its first frame wait
//! for its last.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::model::{Model, ModelError, ModelOptions};

/// Most frames of one run.
const MAX_BATCH: usize = 4;
/// A batch must take less than this share of the time that its frames take one by one.
const WORTH_IT: f64 = 0.9;
/// Runs that the shortest is taken of, at least, and for how long at least: what else the machine does comes and goes.
const RUNS: usize = 5;
const SPAN: Duration = Duration::from_millis(1500);

/// Loads `path` for the frames of many cameras: [`Model::max_batch`] is more than 1 where the file fixes it, or where
/// its batch axis is free and batches pay. Takes some two seconds longer than [`Model::load`].
///
/// # Errors
/// As [`Model::load`].
pub fn load(path: &Path, options: &ModelOptions) -> Result<Model, ModelError> {
    let in_batches = ModelOptions {
        max_batch: MAX_BATCH,
        ..options.clone()
    };
    let alone = || Model::load(path, options);
    // An axis that is called free may be fixed inside the graph all the same.
    let Ok(mut model) = Model::load(path, &in_batches) else {
        return alone();
    };
    if model.max_batch() == 1 || model.info().fixed_batch.is_some() {
        return Ok(model);
    }
    let Ok(times) = shortest(&mut model) else {
        return alone();
    };
    let max_batch = worth_it(&times);
    tracing::info!("runs of 1 to {MAX_BATCH} frames take {times:.1?}: batches of {max_batch}");
    if max_batch == MAX_BATCH {
        return Ok(model);
    }
    // The memory that the larger runs took is not given back by ONNX Runtime while its session lives.
    drop(model);
    let options = ModelOptions {
        max_batch,
        ..options.clone()
    };
    Model::load(path, &options)
}

/// Most frames of one run such that every batch up to it is worth it; `times` of runs of one frame and more.
fn worth_it(times: &[Duration]) -> usize {
    let pays = |frames: usize| {
        let alone = frames as f64 * times[0].as_secs_f64();
        times[frames - 1].as_secs_f64() < WORTH_IT * alone
    };
    let most = (2..=times.len()).take_while(|frames| pays(*frames)).last();
    most.unwrap_or(1)
}

/// The shortest of a few runs over 1, 2 and more frames, in turn, so that what else the machine does hits all alike.
fn shortest(model: &mut Model) -> ort::Result<[Duration; MAX_BATCH]> {
    let mut shortest = [Duration::MAX; MAX_BATCH];
    let (begin, mut runs) = (Instant::now(), 0);
    while runs < RUNS || begin.elapsed() < SPAN {
        runs += 1;
        for (shortest, frames) in shortest.iter_mut().zip(1..) {
            let started = Instant::now();
            model.run(frames)?;
            *shortest = started.elapsed().min(*shortest);
        }
    }
    Ok(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_made_where_it_and_every_smaller_one_pays() {
        let worth_it = |ms: [u64; 4]| worth_it(&ms.map(Duration::from_millis));
        assert_eq!(worth_it([10, 11, 12, 13]), 4);
        assert_eq!(worth_it([10, 17, 26, 40]), 3);
        assert_eq!(worth_it([10, 20, 12, 13]), 1);
        assert_eq!(worth_it([10, 20, 30, 40]), 1);
    }
}
