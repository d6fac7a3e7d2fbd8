//! `twofold sim`: a network on images through the RTL, every bit compared, cycles reported.

use anyhow::{Context, Result, bail};
use sim::{Report, ReportInput, RunOptions, RunOutput, run_and_compare};
use spec::files::{Kind, Outputs};
use spec::shown_lines;

use crate::args::SimArgs;
use crate::logits;
use crate::output::{Output, formatted};
use crate::runner;
use crate::simulator::Simulator;
use crate::table::report_table;
use crate::workload::{Workload, inputs, report_path};

/// Images that the dense schedule is run on: enough for its steady state.
const N_DENSE: usize = 4;

pub(crate) fn run(args: &SimArgs) -> Result<Output> {
    let n_images = args.images.map(|n_images| n_images as usize);
    let outputs = Outputs::new(args.force.force).reading(inputs(&args.workload)?);
    let logits_target =
        args.logits.as_ref().map(|path| outputs.target(path, Kind::Logits)).transpose()?;
    let report_target = outputs.unprobed(&report_path()?, Kind::Report)?;
    if let Err(error) = report_target.probe() {
        eprintln!("warning: {error}; the result will be printed and not saved");
    }
    let workload = Workload::read(&args.workload, n_images)?;
    let Workload { network, program, images } = &workload;
    if let Some(announcement) = images.announcement() {
        eprintln!("{}", shown_lines(&announcement));
    }
    let simulator = Simulator::build(args.simulator, &program.config)?;
    let n_threads = runner::n_threads(args.jobs);
    let n_dense = images.len().min(N_DENSE).min(simulator.batch());
    simulator.announce(program, images.len(), n_dense, n_threads);

    let (tally, logits) = runner::run_images(&simulator, program, network, images, n_threads)?;
    // A failure of the comparison costs no result of the network itself.
    let (dense, dense_failure) = match run_dense(&workload, &simulator, n_dense) {
        Ok(dense) => (dense, None),
        Err(error) => (None, Some(format!("dense schedule: {error:#}"))),
    };
    let input = ReportInput {
        network,
        program,
        data: images.description(),
        n_trained_images: images.n_trained(),
        clock_mhz: args.clock_mhz,
        dense: dense.as_ref(),
    };
    let report = tally.report(&input).context("there is no image to run")?;
    let failure = failure(&report).or(dense_failure);
    let mut output = Output::new(formatted(args.format.format, &report, report_table), failure);
    output.files.extend(
        logits_target
            .map(|target| (target, logits::to_json(network, images, &logits).into_bytes())),
    );
    output.files.push((report_target, report.to_json().into_bytes()));
    Ok(output)
}

/// The dense schedule on the first `n_images` images, every bit checked; `None` where it does not fit, which is said.
fn run_dense(
    workload: &Workload,
    simulator: &Simulator,
    n_images: usize,
) -> Result<Option<RunOutput>> {
    let dense = match workload.compile_dense() {
        Ok(dense) => dense,
        Err(error) => {
            let reason = format!("{error:#}");
            eprintln!("note: no speed-up over the dense schedule: {}", shown_lines(&reason));
            return Ok(None);
        }
    };
    let images: Vec<_> = (0..n_images).map(|index| workload.images.get(index)).collect();
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    let mut executor = simulator.executor(&dense)?;
    let checked =
        run_and_compare(&mut *executor, &workload.network, &images, &RunOptions::default())?;
    if let Some(divergence) = checked.divergences.iter().flatten().next() {
        bail!("{divergence}");
    }
    Ok(Some(checked.run))
}

/// Why the run is a failure, if it is one.
fn failure(report: &Report) -> Option<String> {
    let divergence = report.first_divergence.as_ref()?;
    let n = report.n_mismatched_images;
    Some(format!(
        "{n} of {} images differ from the reference; first: {divergence}",
        report.n_images
    ))
}
