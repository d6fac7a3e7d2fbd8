//! `twofold sim`: a network on images through the RTL, every bit compared, cycles reported.

use anyhow::{Context, Result, bail};
use hw::pe::Multiplier;
use sim::tools::Tools;
use sim::{Machine, Model, Report, ReportInput, RunOptions, TraceMode, run_and_compare};
use spec::files::{Kind, Outputs};
use spec::{Logits, shown_lines};

use crate::args::SimArgs;
use crate::hardware;
use crate::output::{Output, formatted};
use crate::runner;
use crate::table::report_table;
use crate::workload::{Workload, inputs, report_path};

/// Images that the dense schedule is run on: enough for its steady state.
const N_DENSE: usize = 4;

pub(crate) fn run(args: &SimArgs) -> Result<Output> {
    let n_images = args.images.map(|n_images| n_images as usize);
    let outputs = Outputs::new(args.force.force).reading(inputs(&args.workload)?);
    let logits_target =
        args.logits.as_ref().map(|path| outputs.target(path, Kind::Logits)).transpose()?;
    let report_target = outputs.own(&report_path()?)?;
    if let Err(error) = report_target.probe() {
        eprintln!("warning: {error}; the result will be printed and not saved");
    }
    let workload = Workload::read(&args.workload, n_images)?;
    let Workload { network, program, images } = &workload;
    let verilog = hardware::verilog(&program.config, Multiplier::Generic)?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Off)?;

    let (tally, logits) =
        runner::run_images(&model, program, network, images, runner::n_threads(args.jobs))?;
    let dense = match workload.compile_dense() {
        Ok(dense) => {
            let mut machine = Machine::new(&model, &dense.config)?;
            machine.load(&dense)?;
            let dense_images: Vec<_> =
                (0..images.len().min(N_DENSE)).map(|index| images.get(index)).collect();
            let dense_images: Vec<_> = dense_images.iter().map(Vec::as_slice).collect();
            let checked =
                run_and_compare(&mut machine, network, &dense_images, &RunOptions::default())
                    .context("dense schedule")?;
            if let Some(divergence) = checked.divergences.iter().flatten().next() {
                bail!("dense schedule: {divergence}");
            }
            Some(checked.run)
        }
        Err(error) => {
            eprintln!(
                "note: no speed-up over the dense schedule: {}",
                shown_lines(&format!("{error:#}"))
            );
            None
        }
    };
    let input = ReportInput {
        network,
        program,
        data: images.description(),
        clock_mhz: args.clock_mhz,
        dense: dense.as_ref(),
    };
    let report = tally.report(&input).context("there is no image to run")?;
    let mut output =
        Output::new(formatted(args.format.format, &report, report_table), failure(&report));
    output.files.extend(
        logits_target.map(|target| (target, logits_json(&report.network, &logits).into_bytes())),
    );
    output.files.push((report_target, report.to_json().into_bytes()));
    Ok(output)
}

/// Class and logits of every image, for whoever checks them with another executor.
fn logits_json(network: &str, logits: &[Logits]) -> String {
    let image =
        |logits: &Logits| serde_json::json!({ "class": logits.class, "logits": logits.values });
    let images: Vec<_> = logits.iter().map(image).collect();
    let json = serde_json::json!({
        "format": "twofold-logits", "format_version": 1, "network": network, "images": images
    });
    format!("{json:#}\n")
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
