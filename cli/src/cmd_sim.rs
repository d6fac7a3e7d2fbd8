//! `twofold sim`: a network on images through the RTL, every bit compared, cycles reported.

use anyhow::Result;
use flow::report::{report_path, report_table};
use flow::{Log, RunOptions, WorkloadOptions, run as run_network};
use spec::files::{Kind, Outputs};

use crate::args::SimArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &SimArgs) -> Result<Output> {
    let workload = WorkloadOptions::from(&args.workload);
    let outputs = Outputs::new(args.force.force).reading(workload.inputs()?);
    let logits_target =
        args.logits.as_ref().map(|path| outputs.target(path, Kind::Logits)).transpose()?;
    let report_target = outputs.unprobed(&report_path()?, Kind::Report)?;
    if let Err(error) = report_target.probe() {
        eprintln!("warning: {error}; the result will be printed and not saved");
    }
    let result = run_network(&RunOptions {
        workload,
        n_images: args.images.map(|n_images| n_images as usize),
        simulator: args.simulator.into(),
        clock_mhz: args.clock_mhz,
        jobs: args.jobs,
        log: Log::Stderr,
    })?;
    let text = formatted(args.format.format, &result.report, report_table);
    let mut output = Output::new(text, result.failure());
    output.files.extend(logits_target.map(|target| (target, result.logits_json().into_bytes())));
    output.files.push((report_target, result.report.to_json().into_bytes()));
    Ok(output)
}
