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
    let Ok([one, batch]) = shortest(&mut model, [1, MAX_BATCH]) else {
        return alone();
    };
    let share = batch.as_secs_f64() / (MAX_BATCH as f64 * one.as_secs_f64());
    let pays = share < WORTH_IT;
    tracing::info!(
        "a run of {MAX_BATCH} frames takes {share:.2} times the time of {MAX_BATCH} runs: batches of {}",
        if pays { MAX_BATCH } else { 1 }
    );
    if pays {
        return Ok(model);
    }
    // The memory that the larger runs took is not given back by ONNX Runtime while its session lives.
    drop(model);
    alone()
}

/// The shortest of a few runs over each number of frames, in turn, so that what else the machine does hits all alike.
fn shortest<const N: usize>(model: &mut Model, frames: [usize; N]) -> ort::Result<[Duration; N]> {
    let mut shortest = [Duration::MAX; N];
    let (begin, mut runs) = (Instant::now(), 0);
    while runs < RUNS || begin.elapsed() < SPAN {
        runs += 1;
        for (shortest, frames) in shortest.iter_mut().zip(frames) {
            let started = Instant::now();
            model.run(frames)?;
            *shortest = started.elapsed().min(*shortest);
        }
    }
    Ok(shortest)
}
