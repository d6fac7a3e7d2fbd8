//! Images spread over all cores, a machine a thread, every bit compared.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sim::{CheckedRun, RunOptions, SimError, Tally, run_and_compare};
use spec::{Logits, Program, QuantNetwork};

use crate::images::Images;
use crate::log::Log;
use crate::simulator::Simulator;

/// Threads to use: `jobs`, or one a core.
pub(crate) fn n_threads(jobs: Option<u16>) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    jobs.map_or(cores, usize::from)
}

/// Runs all images and counts; with the count come the logits of each image, in order.
pub(crate) fn run_images(
    simulator: &Simulator,
    program: &Program,
    network: &QuantNetwork,
    images: &Images,
    n_threads: usize,
    log: Log,
) -> Result<(Tally, Vec<Logits>), SimError> {
    let progress = log.progress("sim", images.len() as u64, "images");
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let total: Mutex<Result<Tally, SimError>> = Mutex::new(Ok(Tally::default()));
    let logits = Mutex::new(BTreeMap::new());
    let batch_size = simulator.batch();
    let n_batches = images.len().div_ceil(batch_size);
    let work = || {
        let mut executor = simulator.executor(program)?;
        let mut tally = Tally::default();
        while !failed.load(Ordering::Relaxed) {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch >= n_batches {
                break;
            }
            let first = batch * batch_size;
            let indices = first..images.len().min(first + batch_size);
            let inputs: Vec<_> = indices.clone().map(|index| images.get(index)).collect();
            let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
            let CheckedRun { run, references, divergences } =
                run_and_compare(&mut *executor, network, &inputs, &RunOptions::default())
                    .map_err(|error| shift_image(error, first))?;
            tally.add_run(&run);
            for (((index, result), reference), divergence) in
                indices.zip(&run.images).zip(references).zip(divergences)
            {
                let label = images.label(index);
                tally.add_image(index, result, reference.logits.class, label, divergence);
                let mut logits = logits.lock().expect("no thread panics while it holds the lock");
                logits.insert(index, result.logits.clone());
            }
            progress.inc(inputs.len() as u64);
        }
        Ok(tally)
    };
    thread::scope(|scope| {
        for _ in 0..n_threads.min(n_batches.max(1)) {
            scope.spawn(|| {
                let result = work();
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                let mut total = total.lock().expect("no thread panics while it holds the lock");
                let sum = std::mem::replace(&mut *total, Ok(Tally::default()));
                *total = match (sum, result) {
                    (Ok(sum), Ok(tally)) => Ok(sum.merge(tally)),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
            });
        }
    });
    progress.clear();
    let total = total.into_inner().expect("no thread panics while it holds the lock")?;
    let logits = logits.into_inner().expect("no thread panics while it holds the lock");
    Ok((total, logits.into_values().collect()))
}

/// The image's index in the whole set instead of in its batch.
fn shift_image(error: SimError, first: usize) -> SimError {
    match error {
        SimError::Timeout { image, cycle_limit, layer, drained, instruction } => {
            SimError::Timeout { image: image + first, cycle_limit, layer, drained, instruction }
        }
        SimError::Hardware { image, layer, instruction } => {
            SimError::Hardware { image: image + first, layer, instruction }
        }
        SimError::Protocol { image, n_logits } => {
            SimError::Protocol { image: image + first, n_logits }
        }
        SimError::Counters { image, layer, n_cycles, sum } => {
            SimError::Counters { image: image + first, layer, n_cycles, sum }
        }
        SimError::ImageSize { image, expected, found } => {
            SimError::ImageSize { image: image + first, expected, found }
        }
        error => error,
    }
}
