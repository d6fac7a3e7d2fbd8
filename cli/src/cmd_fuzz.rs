//! `twofold fuzz`: random networks on random arrays, RTL against reference.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use cases::{Size, random_config, random_image, random_network};
use codegen::{Options, Schedule};
use progress::Progress;
use serde::Serialize;
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, TraceMode, run_and_compare};
use spec::{ArrayConfig, Design};

use crate::args::FuzzArgs;
use crate::hardware;
use crate::output::{Output, formatted};
use crate::runner::n_threads;

/// What `fuzz` found.
#[derive(Debug, Default, Serialize)]
struct FuzzReport {
    format_version: u32,
    seed: u64,
    arrays: Vec<String>,
    n_networks: usize,
    n_layers: usize,
    n_images: usize,
    n_simulated_cycles: u64,
    mismatches: Vec<Mismatch>,
}

/// A network on which RTL and reference differ, or whose run failed.
#[derive(Debug, Serialize)]
struct Mismatch {
    array: String,
    /// For `cases::random_network`, with the default size.
    network_seed: u64,
    schedule: Schedule,
    what: String,
}

/// One array and the networks that run on it.
struct Lot {
    config: ArrayConfig,
    first_seed: u64,
    n_layers: usize,
}

pub(crate) fn run(args: &FuzzArgs) -> Result<Output> {
    let fixed = args.array.rows.is_some() && args.array.cols.is_some();
    let n_arrays = if fixed { 1 } else { usize::from(args.arrays) };
    let mut lots = Vec::new();
    for index in 0..n_arrays {
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        let config = args.array.config(&random_config(seed))?;
        // Networks of different arrays must not repeat each other.
        let first_seed = seed.wrapping_mul(1_000_000_007);
        lots.push(Lot { config, first_seed, n_layers: (args.n as usize).div_ceil(n_arrays) });
    }
    let progress = Progress::new("fuzz", args.n as u64, "layers");
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Ok(FuzzReport {
        format_version: 1,
        seed: args.seed,
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
    let report = total.into_inner().expect("no thread panics while it holds the lock")?;
    let n = report.mismatches.len();
    let failure = report.mismatches.first().map(|first| {
        format!(
            "{n} mismatches; first: array {}, network seed {}: {}; again: twofold fuzz --n {} --seed {}",
            first.array, first.network_seed, first.what, (args.n as usize), args.seed
        )
    });
    Ok(Output::new(formatted(args.format.format, &report, table), failure))
}

fn array_name(config: &ArrayConfig) -> String {
    format!("{}x{}", config.rows(), config.cols())
}

fn run_lot(lot: &Lot, progress: &Progress) -> Result<FuzzReport> {
    let config = &lot.config;
    let verilog = hardware::verilog(&Design::of(config.clone()))?;
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
        let schedule = if seed % 4 == 3 { Schedule::Dense } else { Schedule::Sparse };
        let stall_seed = if seed % 2 == 0 { 0 } else { seed | 1 };
        let options = RunOptions { stall_seed, ..RunOptions::default() };
        // The dense schedule may need more memory than the network was made for.
        let (schedule, program) = match codegen::compile(&network, config, &Options { schedule }) {
            Ok(program) => (schedule, program),
            Err(_) => {
                let program = codegen::compile(&network, config, &Options::default());
                (Schedule::Sparse, program.context("a random network fits its array")?)
            }
        };
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
        report.n_networks += 1;
        report.n_images += images.len();
        report.n_layers += program.layers.len();
        progress.inc(program.layers.len() as u64);
    }
    Ok(report)
}

impl FuzzReport {
    fn add(&mut self, other: Self) {
        self.n_networks += other.n_networks;
        self.n_layers += other.n_layers;
        self.n_images += other.n_images;
        self.n_simulated_cycles += other.n_simulated_cycles;
        self.mismatches.extend(other.mismatches);
    }
}

fn table(report: &FuzzReport) -> String {
    let FuzzReport { seed, arrays, n_networks, n_layers, n_images, n_simulated_cycles, .. } =
        report;
    let mut text = format!(
        "seed {seed}: {n_layers} layers in {n_networks} networks, {n_images} images, {n_simulated_cycles} cycles, \
         arrays {}: {} mismatches\n",
        arrays.join(" "),
        report.mismatches.len()
    );
    for Mismatch { array, network_seed, schedule, what } in &report.mismatches {
        text += &format!("- array {array}, network seed {network_seed}, {schedule:?}: {what}\n");
    }
    text
}
