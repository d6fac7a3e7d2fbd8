//! Random networks on random arrays, RTL against reference.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cases::{Size, random_config, random_image, random_network};
use crate::progress::Progress;
use codegen::{Feature, Options, Schedule};
use sim::{Machine, Model, TraceMode, run_and_compare};
use spec::{ArrayConfig, Design, Program, QuantNetwork};

use crate::build::emit;
use crate::choice::ArraySizes;
use crate::error::FlowError;
use crate::log::Log;
use crate::report::{FuzzReport, Mismatch};
use crate::runner::n_threads;
use crate::tools::Tools;
use crate::workload::compiled;

/// What is tried.
#[derive(Clone, Debug)]
pub struct FuzzOptions {
    /// At least so many random layers.
    pub n_layers: usize,
    /// Where the random networks begin; the same seed gives the same run.
    pub seed: u64,
    /// How many arrays of random size.
    pub n_arrays: usize,
    /// Their sizes where they are not random.
    pub array: ArraySizes,
    /// What is said meanwhile.
    pub log: Log,
}

impl Default for FuzzOptions {
    fn default() -> Self {
        Self {
            n_layers: 1000,
            seed: 1,
            n_arrays: 4,
            array: ArraySizes::default(),
            log: Log::default(),
        }
    }
}

/// One array and the networks that run on it.
struct Lot {
    config: ArrayConfig,
    first_seed: u64,
    n_layers: usize,
}

/// Runs random networks and compares every bit.
///
/// # Errors
/// Sizes that there cannot be, or a missing tool. A network on which RTL and reference differ is a result.
pub fn fuzz(options: &FuzzOptions) -> Result<FuzzReport, FlowError> {
    let fixed = options.array.rows.is_some() && options.array.cols.is_some();
    let n_arrays = if fixed { 1 } else { options.n_arrays };
    let mut lots = Vec::new();
    for index in 0..n_arrays {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        let config = options.array.config(&random_config(seed))?;
        // Networks of different arrays must not repeat each other.
        let first_seed = seed.wrapping_mul(1_000_000_007);
        lots.push(Lot { config, first_seed, n_layers: options.n_layers.div_ceil(n_arrays) });
    }
    let progress = options.log.progress("fuzz", options.n_layers as u64, "layers");
    let next = AtomicUsize::new(0);
    let lowered = Feature::ALL.into_iter().filter(|feature| feature.is_lowered());
    let not_lowered = Feature::ALL.into_iter().filter(|feature| !feature.is_lowered());
    let total = Mutex::new(Ok(FuzzReport {
        format_version: 1,
        seed: options.seed,
        n_networks_with: lowered.map(|feature| (feature, 0)).collect(),
        not_lowered: not_lowered.collect(),
        arrays: lots.iter().map(|lot| array_name(&lot.config)).collect(),
        ..FuzzReport::default()
    }));
    thread::scope(|scope| {
        for _ in 0..n_threads(None).min(lots.len()) {
            scope.spawn(|| {
                while let Some(lot) = lots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run_lot(lot, &progress);
                    let mut total = total.lock().expect("no thread panics while it holds the lock");
                    match (&mut *total, result) {
                        (Ok(sum), Ok(report)) => sum.add(report),
                        (Ok(_), Err(error)) => *total = Err(error),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    progress.clear();
    total.into_inner().expect("no thread panics while it holds the lock")
}

fn array_name(config: &ArrayConfig) -> String {
    let (rows, cols) = (config.rows(), config.cols());
    let sections = match config.n_sections() {
        1 => String::new(),
        _ => format!(", masks of {} columns", config.mask_columns()),
    };
    format!("{rows}x{cols}, {} lanes, port of {}{sections}", config.lanes(), config.port_bytes())
}

fn run_lot(lot: &Lot, progress: &Progress) -> Result<FuzzReport, FlowError> {
    let config = &lot.config;
    let verilog = emit(&Design::of(config.clone()))?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Off)?;
    let mut machine = Machine::new(&model, config)?;
    let mut report = FuzzReport::default();
    for seed in lot.first_seed.. {
        if report.n_layers >= lot.n_layers {
            break;
        }
        let network = random_network(seed, Size::default(), config);
        let images: Vec<_> = (0..2).map(|index| random_image(&network, seed ^ index)).collect();
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        // Every fourth network runs dense, every other one with pauses at both ports.
        let wanted = if seed % 4 == 3 { Schedule::Dense } else { Schedule::Sparse };
        let stall_seed = if seed % 2 == 0 { 0 } else { seed | 1 };
        let options = sim::RunOptions { stall_seed, ..sim::RunOptions::default() };
        let (schedule, program) = compiled_if_possible(&network, config, wanted)?;
        machine.load(&program)?;
        let what = match run_and_compare(&mut machine, &network, &images, &options) {
            Ok(checked) => {
                report.n_simulated_cycles += checked.run.n_cycles;
                checked.divergences.into_iter().flatten().next().map(|first| first.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        report.mismatches.extend(what.map(|what| Mismatch {
            array: array_name(config),
            network_seed: seed,
            schedule,
            what,
        }));
        for (_, feature) in codegen::features(&network) {
            *report.n_networks_with.entry(feature).or_default() += 1;
        }
        report.n_networks += 1;
        report.n_images += images.len();
        report.n_layers += program.layers.len();
        progress.inc(program.layers.len() as u64);
    }
    Ok(report)
}

/// The program of a schedule, or of the sparse one where the wanted one needs more memory than the network was made for;
/// and which it is.
fn compiled_if_possible(
    network: &QuantNetwork,
    config: &ArrayConfig,
    wanted: Schedule,
) -> Result<(Schedule, Program), FlowError> {
    match codegen::compile(network, config, &Options { schedule: wanted }) {
        Ok(program) => Ok((wanted, program)),
        Err(_) => {
            let schedule = Schedule::Sparse;
            Ok((schedule, compiled(network, config, &Options { schedule })?))
        }
    }
}

#[cfg(test)]
mod tests {
    use spec::Memories;

    use super::*;

    #[test]
    fn the_schedule_that_is_told_is_the_one_that_was_compiled() {
        let (network, config) = (0..)
            .map(|seed| (random_network(seed, Size::default(), &random_config(seed)), seed))
            .map(|(network, seed)| (network, random_config(seed)))
            .find(|(network, config)| {
                let tiles = |schedule| {
                    codegen::compile(network, config, &Options { schedule })
                        .map(|program| program.tiles.len())
                };
                tiles(Schedule::Dense).ok() > tiles(Schedule::Sparse).ok()
            })
            .unwrap();
        let (schedule, dense) = compiled_if_possible(&network, &config, Schedule::Dense).unwrap();
        assert_eq!(schedule, Schedule::Dense);

        let sparse =
            codegen::compile(&network, &config, &Options::default()).expect("it was made to fit");
        let memories = Memories { tile: sparse.tiles.len().max(2), ..config.memories().clone() };
        let small = config.clone().with_memories(memories).unwrap();
        let (schedule, program) = compiled_if_possible(&network, &small, Schedule::Dense).unwrap();
        assert_eq!((schedule, program.tiles.len()), (Schedule::Sparse, sparse.tiles.len()));
        assert!(dense.tiles.len() > program.tiles.len());
    }
}
