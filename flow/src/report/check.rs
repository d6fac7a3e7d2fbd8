//! What checking a network found.

use codegen::{Bound, LayerRate, Rates, Requirement};
use serde::Serialize;
use spec::shown;

use super::table::{grouped, new_table};

/// Whether a network fits an array, and what sets its rate there.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Version of this structure.
    pub format_version: u32,
    /// The network's name; of one that cannot be read, where it should be.
    pub network: String,
    /// Rows of the array.
    pub rows: usize,
    /// Columns of the array.
    pub cols: usize,
    /// Whether the memories were sized to the network.
    pub fit: bool,
    /// Whether the network runs there.
    pub fits: bool,
    /// By the tile rule, one image; absent if the network does not fit.
    pub n_tile_cycles: Option<u64>,
    /// Layer by layer, estimates by the rules of tile and drain; absent if the network does not fit.
    pub rates: Option<Rates>,
    /// What it needs of every memory.
    pub memories: Vec<Requirement>,
    /// Why it does not fit.
    pub problems: Vec<String>,
    /// What costs cycles, and why.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// The same for people.
    pub fn table(&self) -> String {
        let report = self;
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
                memories.add_row([memory.key(), needed.as_str(), available.as_str(), unit]);
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
}

/// What a person calls it.
pub(super) fn bound_name(bound: Bound) -> &'static str {
    match bound {
        Bound::Array => "array",
        Bound::WeightLoad => "weight load",
        Bound::Drain => "drain",
    }
}

fn layer_table(layers: &[LayerRate]) -> String {
    let mut table =
        new_table(&["layer", "cycles", "dense cycles", "speed-up", "tiles", "drain", "bound by"]);
    for layer in layers {
        let bound = bound_name(layer.bound);
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
