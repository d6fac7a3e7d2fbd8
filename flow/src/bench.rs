//! How fast the simulation is, on one core.

use std::time::{Duration, Instant};

use sim::{BareModel, BareRun, Machine, Model, TraceMode};
use spec::{Design, run_reference};

use hw::design::BARE_TOP;

use crate::build::{emit, emit_bare_array};
use crate::choice::{ArraySizes, Chosen, NetworkChoice};
use crate::committed;
use crate::error::FlowError;
use crate::report::{BenchReport, ExecutorSpeed};
use crate::tools::Tools;
use crate::workload::compiled;

/// In how many turns whole and bare are measured.
const N_TURNS: u32 = 4;

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
    let (tools, design) = (Tools::find()?, Design::of(config.clone()));
    let model = Model::build(&tools, &emit(&design)?, TraceMode::Off)?;
    let bare_model = BareModel::build(&tools, &emit_bare_array(&design)?, BARE_TOP, &config)?;
    let mut machine = Machine::new(&model, &config)?;
    machine.load(&program)?;

    let run_options = sim::RunOptions::default();
    // One run to warm up, which also checks the image.
    machine.run(&[image], &run_options)?;
    let turn = options.least / N_TURNS;
    let (mut whole, mut bare) = (Speed::default(), Speed::default());
    let (mut n_images, mut wall) = (0, Duration::ZERO);
    // In turns, so that whatever else the machine does slows both alike.
    for _ in 0..N_TURNS {
        let BareRun { n_cycles, cpu_time } = bare_model.run(turn)?;
        bare.add(n_cycles, cpu_time);
        let start = Instant::now();
        while start.elapsed() < turn {
            let run = machine.run(&[image.as_slice(); 4], &run_options)?;
            n_images += run.images.len();
            whole.add(run.n_cycles, run.cpu_time);
        }
        wall += start.elapsed();
    }
    let rtl = n_images as f64 / wall.as_secs_f64();
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
        simulated_cycles_per_second: whole.cycles_per_second(),
        bare_array_cycles_per_second: bare.cycles_per_second(),
        whole_over_bare: whole.cycles_per_second() / bare.cycles_per_second(),
        executors: vec![
            executor("RTL in Verilator", rtl),
            executor("integer reference", reference),
        ],
    })
}

/// Cycles and the processor time that they took.
#[derive(Default)]
struct Speed {
    n_cycles: u64,
    cpu_time: Duration,
}

impl Speed {
    fn add(&mut self, n_cycles: u64, cpu_time: Duration) {
        self.n_cycles += n_cycles;
        self.cpu_time += cpu_time;
    }

    fn cycles_per_second(&self) -> f64 {
        self.n_cycles as f64 / self.cpu_time.as_secs_f64()
    }
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
