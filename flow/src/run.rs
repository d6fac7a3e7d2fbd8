//! A network on images through the RTL, every bit compared, cycles reported.

use sim::{Report, ReportInput, RunOutput, run_and_compare};
use spec::{Design, Logits, Program, QuantNetwork};

use crate::choice::WorkloadOptions;
use crate::error::FlowError;
use crate::images::Images;
use crate::log::Log;
use crate::report::logits_json;
use crate::runner;
use crate::simulator::{Simulator, SimulatorKind};
use crate::workload::Workload;

/// Images that the dense schedule is run on: enough for its steady state.
const N_DENSE: usize = 4;

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What is run on what.
    pub workload: WorkloadOptions,
    /// At most so many images; 200 simulated chips, all images of a folder or case by default.
    pub n_images: Option<usize>,
    /// What runs the Verilog.
    pub simulator: SimulatorKind,
    /// The clock for images a second, in MHz.
    pub clock_mhz: f64,
    /// Threads; one a core by default.
    pub jobs: Option<u16>,
    /// What is said meanwhile.
    pub log: Log,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            workload: WorkloadOptions::default(),
            n_images: None,
            simulator: SimulatorKind::default(),
            clock_mhz: 50.0,
            jobs: None,
            log: Log::default(),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct RunResult {
    /// Cycles, accuracy, and whether every bit was right.
    pub report: Report,
    /// The network that was run.
    pub network: QuantNetwork,
    /// What it was compiled to.
    pub program: Program,
    /// Logits and class of every image, as the RTL gave them.
    pub logits: Vec<Logits>,
    /// Why the comparison with the dense schedule failed, if it did; one that does not fit is no failure.
    pub dense_failure: Option<FlowError>,
    images: Images,
}

impl RunResult {
    /// Why the run is a failure, if it is one.
    pub fn failure(&self) -> Option<String> {
        let Report { first_divergence, n_mismatched_images: n, n_images, .. } = &self.report;
        let differs = first_divergence.as_ref().map(|divergence| {
            format!("{n} of {n_images} images differ from the reference; first: {divergence}")
        });
        let dense = || self.dense_failure.as_ref().map(|error| format!("dense schedule: {error}"));
        differs.or_else(dense)
    }

    /// The file of `sim --logits`: name, label, class and logits of every image.
    pub fn logits_json(&self) -> String {
        logits_json(&self.network, &self.images, &self.logits)
    }
}

/// Runs the network on its images, and its dense schedule on a few.
///
/// # Errors
/// A network or images that cannot be read or do not fit, a missing tool, a simulation that comes to no end. Bits that
/// differ are a result.
pub fn run(options: &RunOptions) -> Result<RunResult, FlowError> {
    let log = options.log;
    let workload = Workload::read(&options.workload, options.n_images)?;
    if let Some(announcement) = workload.images.announcement() {
        log.say(&announcement);
    }
    let Workload { network, program, images } = &workload;
    let design = Design::of(program.config.clone());
    let simulator = Simulator::build(options.simulator, &design)?;
    let n_threads = runner::n_threads(options.jobs);
    let n_dense = images.len().min(N_DENSE).min(simulator.batch());
    simulator.announce(program, images.len(), n_dense, n_threads, log);

    let (tally, logits) = runner::run_images(&simulator, program, network, images, n_threads, log)?;
    // A failure of the comparison costs no result of the network itself.
    let (dense, dense_failure) = match run_dense(&workload, &simulator, n_dense, log) {
        Ok(dense) => (dense, None),
        Err(error) => (None, Some(error)),
    };
    let input = ReportInput {
        network,
        program,
        data: images.description(),
        n_trained_images: images.n_trained(),
        clock_mhz: options.clock_mhz,
        dense: dense.as_ref(),
    };
    let report = tally.report(&input).ok_or(FlowError::NoImages)?;
    let Workload { network, program, images } = workload;
    Ok(RunResult { report, network, program, logits, dense_failure, images })
}

/// The dense schedule on the first `n_images` images, every bit checked; `None` where it does not fit, which is said.
fn run_dense(
    workload: &Workload,
    simulator: &Simulator,
    n_images: usize,
    log: Log,
) -> Result<Option<RunOutput>, FlowError> {
    let dense = match workload.compile_dense() {
        Ok(dense) => dense,
        Err(error) => {
            log.say(&format!("note: no speed-up over the dense schedule: {error}"));
            return Ok(None);
        }
    };
    let images: Vec<_> = (0..n_images).map(|index| workload.images.get(index)).collect();
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    let mut executor = simulator.executor(&dense)?;
    let options = sim::RunOptions::default();
    let checked = run_and_compare(&mut *executor, &workload.network, &images, &options)?;
    match checked.divergences.into_iter().flatten().next() {
        Some(divergence) => Err(FlowError::Dense(Box::new(divergence))),
        None => Ok(Some(checked.run)),
    }
}
