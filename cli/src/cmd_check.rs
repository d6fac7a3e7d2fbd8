//! `twofold check`: whether a network fits an array, and what sets its rate there.

use anyhow::{Error, Result};
use cases::Case;
use codegen::{Bound, LayerRate, Options, Problem, Rates, Requirement};
use serde::Serialize;
use spec::files::FileError;
use spec::{ArrayConfig, shown};

use crate::args::{CheckArgs, Format};
use crate::output::{Output, formatted};
use crate::table::{grouped, new_table};
use crate::workload::{Chosen, choose_network, fitted_with_dense};

/// What `check` found.
#[derive(Debug, Serialize)]
struct CheckReport {
    format_version: u32,
    /// The network's name; of one that cannot be read, where it should be.
    network: String,
    rows: usize,
    cols: usize,
    /// Whether the memories were sized to the network.
    fit: bool,
    fits: bool,
    /// By the tile rule, one image; absent if the network does not fit.
    n_tile_cycles: Option<u64>,
    /// Layer by layer, estimates by the rules of tile and drain; absent if the network does not fit.
    rates: Option<Rates>,
    memories: Vec<Requirement>,
    problems: Vec<String>,
    /// What costs cycles, and why.
    notes: Vec<String>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Output> {
    let report = match choose_network(&(&args.network).into(), None) {
        Ok(chosen) => check(args, chosen)?,
        // A program that reads the JSON gets its answer there; a person reads an error.
        Err(error) if args.format.format == Format::Json => unreadable(args, &error)?,
        Err(error) => return Err(error),
    };
    let n = report.problems.len();
    let failure = (n > 0).then(|| format!("{n} problem{}", if n == 1 { "" } else { "s" }));
    Ok(Output::new(formatted(args.format.format, &report, table), failure))
}

fn check(args: &CheckArgs, chosen: Chosen) -> Result<CheckReport> {
    let Chosen { network, config, case, .. } = chosen;
    let options = case.as_ref().map_or(Options::default(), Case::options);
    let mut config = args.array.config(&config)?;
    if args.fit
        && let Ok(fitted) = fitted_with_dense(&network, &config, &options)
    {
        config = fitted;
    }
    let mut found = codegen::check(&network, &config, &options);
    if args.fit {
        // Where the memories could not be sized, only what no depth of a memory cures is a problem.
        found.problems.retain(|problem| !problem.is_curable());
    }
    let rates = found.problems.is_empty().then(|| codegen::rates(&network, &config, &options));
    let findings = rates.as_ref().map_or(Vec::new(), |rates| rates.findings(&config));
    Ok(CheckReport {
        format_version: 1,
        network: network.name,
        rows: config.rows(),
        cols: config.cols(),
        fit: args.fit,
        fits: found.problems.is_empty(),
        n_tile_cycles: rates
            .as_ref()
            .map(|rates| rates.layers.iter().map(|layer| layer.n_tile_cycles).sum()),
        rates,
        memories: found.requirements,
        problems: found.problems.iter().map(Problem::to_string).collect(),
        notes: found.notes.into_iter().chain(findings).collect(),
    })
}

/// The report of a network that cannot be read, each of its problems by itself.
fn unreadable(args: &CheckArgs, error: &Error) -> Result<CheckReport> {
    let problems = match error.downcast_ref() {
        Some(FileError::Network { errors, .. }) => errors.iter().map(ToString::to_string).collect(),
        _ => vec![format!("{error:#}")],
    };
    let config = args.array.config(&ArrayConfig::default())?;
    let path = args.network.network.as_ref().map(|path| path.display().to_string());
    Ok(CheckReport {
        format_version: 1,
        network: path.or_else(|| args.network.case.clone()).unwrap_or_default(),
        rows: config.rows(),
        cols: config.cols(),
        fit: args.fit,
        fits: false,
        n_tile_cycles: None,
        rates: None,
        memories: Vec::new(),
        problems,
        notes: Vec::new(),
    })
}

fn table(report: &CheckReport) -> String {
    let mut text = format!(
        "{}: {} the {}x{} array{}\n",
        shown(&report.network),
        if report.fits { "fits" } else { "does not fit" },
        report.rows,
        report.cols,
        if report.fit && report.fits { ", its memories sized to it" } else { "" }
    );
    if let Some(cycles) = report.n_tile_cycles {
        text += &format!("cycles an image by the tile rule: {}\n", grouped(cycles));
    }
    if let Some(rates) = &report.rates {
        let n_dense: u64 = rates.layers.iter().map(|layer| layer.n_cycles_dense).sum();
        text += &format!(
            "estimated cycles an image with drains: {}, dense {}; between images: {}\n\
             (by the rules of tile and drain: layers also wait for each other and for packing, which `twofold sim` measures)\n\n{}\n",
            grouped(rates.n_cycles),
            grouped(n_dense),
            grouped(rates.n_cycles_between_images),
            layer_table(&rates.layers)
        );
    }
    if !report.memories.is_empty() {
        let mut memories = new_table(&["memory", "needed", "available", "unit"]);
        for Requirement { memory, unit, needed, available } in &report.memories {
            let (needed, available) = (grouped(*needed as u64), grouped(*available as u64));
            memories.add_row([memory, needed.as_str(), available.as_str(), unit]);
        }
        text += &format!("\n{memories}\n");
    }
    for (title, lines) in [("problems", &report.problems), ("notes", &report.notes)] {
        if !lines.is_empty() {
            text += &format!("\n{title}:\n");
            text.extend(lines.iter().map(|line| format!("- {line}\n")));
        }
    }
    text
}

fn layer_table(layers: &[LayerRate]) -> String {
    let mut table =
        new_table(&["layer", "cycles", "dense cycles", "speed-up", "tiles", "drain", "bound by"]);
    for layer in layers {
        let bound = match layer.bound {
            Bound::Array => "array",
            Bound::WeightLoad => "weight load",
            Bound::Drain => "drain",
        };
        table.add_row([
            shown(&layer.name).into_owned(),
            grouped(layer.n_cycles),
            grouped(layer.n_cycles_dense),
            format!("{:.3}", layer.n_cycles_dense as f64 / layer.n_cycles as f64),
            grouped(layer.n_tile_cycles),
            grouped(layer.n_drain_cycles),
            bound.to_owned(),
        ]);
    }
    table.to_string()
}
