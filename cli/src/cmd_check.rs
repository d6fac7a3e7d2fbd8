//! `twofold check`: whether a network fits an array.

use anyhow::Result;
use codegen::{Options, Requirement};
use serde::Serialize;

use crate::args::CheckArgs;
use crate::output::{Output, formatted};
use crate::table::{grouped, new_table};
use crate::workload::{Chosen, choose_network};

/// What `check` found.
#[derive(Debug, Serialize)]
struct CheckReport {
    format_version: u32,
    network: String,
    rows: usize,
    cols: usize,
    fits: bool,
    /// By the tile rule, one image; absent if the network does not fit.
    n_tile_cycles: Option<u64>,
    memories: Vec<Requirement>,
    problems: Vec<String>,
    notes: Vec<String>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Output> {
    let Chosen { network, config, case } = choose_network(&(&args.network).into(), None)?;
    let config = args.array.config(&config)?;
    let options = case.map_or(Options::default(), |case| case.options());
    let found = codegen::check(&network, &config, &options);
    let n_tile_cycles = codegen::compile(&network, &config, &options);
    let report = CheckReport {
        format_version: 1,
        network: network.name.clone(),
        rows: config.rows(),
        cols: config.cols(),
        fits: found.problems.is_empty(),
        n_tile_cycles: n_tile_cycles.ok().map(|program| codegen::tile_cycles(&program)),
        memories: found.requirements,
        problems: found.problems.iter().map(ToString::to_string).collect(),
        notes: found.notes,
    };
    let n = report.problems.len();
    let failure = (n > 0).then(|| format!("{n} problem{}", if n == 1 { "" } else { "s" }));
    Ok(Output { text: formatted(args.format.format, &report, table), failure })
}

fn table(report: &CheckReport) -> String {
    let mut text = format!(
        "{}: {} the {}x{} array\n",
        report.network,
        if report.fits { "fits" } else { "does not fit" },
        report.rows,
        report.cols
    );
    if let Some(cycles) = report.n_tile_cycles {
        text += &format!("cycles an image by the tile rule: {}\n", grouped(cycles));
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
