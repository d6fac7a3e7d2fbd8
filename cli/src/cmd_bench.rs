//! `twofold bench`: how fast the simulation is, on one core.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, TraceMode};
use spec::{Design, run_reference};

use crate::args::{BenchArgs, NetworkArgs};
use crate::hardware;
use crate::images::Images;
use crate::output::{Output, formatted};
use crate::table::{grouped, new_table};
use crate::workload::{Chosen, choose_network, compile};

/// What `bench` measured.
#[derive(Debug, Serialize)]
struct BenchReport {
    format_version: u32,
    case: String,
    rows: usize,
    cols: usize,
    /// Of the RTL, without tracing, a second of processor time.
    simulated_cycles_per_second: f64,
    executors: Vec<Executor>,
}

/// Something that computes the network.
#[derive(Debug, Serialize)]
struct Executor {
    name: &'static str,
    images_per_second: f64,
    /// Images a second over those of the first executor, in the same run.
    ratio: f64,
}

pub(crate) fn run(args: &BenchArgs) -> Result<Output> {
    let chosen = NetworkArgs { case: Some(args.case.clone()), network: None };
    let Chosen { network, config, case, .. } = choose_network(&chosen, None)?;
    let case = case.expect("the network is of a case");
    let config = args.array.config(&config)?;
    let program = compile(&network, &config, &case.options())?;
    let images = Images::noise(case.images(&network));
    let image = images.get(0);
    let verilog = hardware::verilog(&Design::of(config.clone()))?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Off)?;
    let mut machine = Machine::new(&model, &config)?;
    machine.load(&program)?;

    // One run to warm up, which also checks the image.
    machine.run(&[&image], &RunOptions::default())?;
    let least = Duration::from_secs_f64(args.seconds);
    let (mut n_cycles, mut cpu_time) = (0, Duration::ZERO);
    let rtl = images_per_second(least, || {
        let run = machine.run(&[image.as_slice(); 4], &RunOptions::default())?;
        n_cycles += run.n_cycles;
        cpu_time += run.cpu_time;
        Ok(run.images.len())
    })?;
    let reference = images_per_second(least / 4, || {
        run_reference(&network, &image)?;
        Ok(1)
    })?;
    let executor = |name, images_per_second| Executor {
        name,
        images_per_second,
        ratio: images_per_second / rtl,
    };
    let report = BenchReport {
        format_version: 1,
        case: args.case.clone(),
        rows: config.rows(),
        cols: config.cols(),
        simulated_cycles_per_second: n_cycles as f64 / cpu_time.as_secs_f64(),
        executors: vec![
            executor("RTL in Verilator", rtl),
            executor("integer reference", reference),
        ],
    };
    Ok(formatted(args.format.format, &report, table).into())
}

fn images_per_second(least: Duration, mut run: impl FnMut() -> Result<usize>) -> Result<f64> {
    let start = Instant::now();
    let mut n_images = 0;
    while start.elapsed() < least {
        n_images += run()?;
    }
    Ok(n_images as f64 / start.elapsed().as_secs_f64())
}

fn table(report: &BenchReport) -> String {
    let BenchReport { case, rows, cols, simulated_cycles_per_second: speed, .. } = report;
    let mut executors = new_table(&["executor, one core", "images / s", "ratio"]);
    for Executor { name, images_per_second, ratio } in &report.executors {
        executors.add_row([name, &*format!("{images_per_second:.2}"), &*format!("{ratio:.2}")]);
    }
    let speed = grouped(speed.round() as u64);
    format!("{case} on {rows}x{cols}: {speed} simulated cycles / s on one core\n\n{executors}\n")
}
