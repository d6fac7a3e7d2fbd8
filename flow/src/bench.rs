//! How fast the simulation is, on one core.

use std::time::{Duration, Instant};

use sim::{Machine, Model, TraceMode};
use spec::{Design, run_reference};

use crate::build::emit;
use crate::choice::{ArraySizes, Chosen, NetworkChoice};
use crate::committed;
use crate::error::FlowError;
use crate::report::{BenchReport, ExecutorSpeed};
use crate::tools::Tools;
use crate::workload::compiled;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The case that is run.
    pub case: String,
    /// The array.
    pub array: ArraySizes,
    /// Least time to measure.
    pub least: Duration,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            case: "resnet20-uhp".to_owned(),
            array: ArraySizes::default(),
            least: Duration::from_secs(3),
        }
    }
}

/// Simulates the case and runs the reference on it.
///
/// # Errors
/// A case that cannot be read or does not fit, a missing tool, a simulation that fails.
pub fn bench(options: &BenchOptions) -> Result<BenchReport, FlowError> {
    let case = committed::case(&options.case)?;
    let Chosen { network, config, .. } = NetworkChoice::Case(options.case.clone()).read(None)?;
    let config = options.array.config(&config)?;
    let program = compiled(&network, &config, &case.options())?;
    let images = case.images(&network);
    let image = images.first().ok_or(FlowError::NoImages)?;
    let verilog = emit(&Design::of(config.clone()))?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Off)?;
    let mut machine = Machine::new(&model, &config)?;
    machine.load(&program)?;

    let run_options = sim::RunOptions::default();
    // One run to warm up, which also checks the image.
    machine.run(&[image], &run_options)?;
    let (mut n_cycles, mut cpu_time) = (0, Duration::ZERO);
    let rtl = images_per_second(options.least, || {
        let run = machine.run(&[image.as_slice(); 4], &run_options)?;
        n_cycles += run.n_cycles;
        cpu_time += run.cpu_time;
        Ok(run.images.len())
    })?;
    let reference = images_per_second(options.least / 4, || {
        run_reference(&network, image)?;
        Ok(1)
    })?;
    let executor = |name, images_per_second| ExecutorSpeed {
        name,
        images_per_second,
        ratio: images_per_second / rtl,
    };
    Ok(BenchReport {
        format_version: 1,
        case: options.case.clone(),
        rows: config.rows(),
        cols: config.cols(),
        simulated_cycles_per_second: n_cycles as f64 / cpu_time.as_secs_f64(),
        executors: vec![
            executor("RTL in Verilator", rtl),
            executor("integer reference", reference),
        ],
    })
}

fn images_per_second(
    least: Duration,
    mut run: impl FnMut() -> Result<usize, FlowError>,
) -> Result<f64, FlowError> {
    let start = Instant::now();
    let mut n_images = 0;
    while start.elapsed() < least {
        n_images += run()?;
    }
    Ok(n_images as f64 / start.elapsed().as_secs_f64())
}
