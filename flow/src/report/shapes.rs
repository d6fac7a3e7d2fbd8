//! How busy the array was with layers of many shapes.

use codegen::{Bound, LayerRate, Losses};
use serde::Serialize;

use super::table::new_table;

/// What `shapes` measured. Table and JSON print the same.
#[derive(Clone, Debug, Serialize)]
pub struct ShapeReport {
    /// Version of this structure.
    pub format_version: u32,
    /// One a shape.
    pub shapes: Vec<ShapeRow>,
}

/// A shape on an array.
#[derive(Clone, Debug, Serialize)]
pub struct ShapeRow {
    /// Kernel, channels and size, or a whole network.
    pub shape: String,
    /// Rows of the array.
    pub rows: usize,
    /// Columns of the array.
    pub cols: usize,
    /// Output channels drained a cycle.
    pub lanes: usize,
    /// Without pruning.
    pub dense: ShapeRate,
    /// With one weight of each pair kept, at positions that a tile's columns share; `None` of layers without pairs.
    pub half_pruned: Option<ShapeRate>,
}

/// How fast it ran, and how fast it could at most.
#[derive(Clone, Debug, Serialize)]
pub struct ShapeRate {
    /// Cycles of a layer, the mean of those that count, or of computing an image of the network.
    pub n_cycles: f64,
    /// Multiplications of kept weights in them.
    pub n_useful_macs: f64,
    /// Useful MACs over PEs times cycles.
    pub macs_per_pe_per_cycle: f64,
    /// The same by the rules of `codegen::rates`, without what layers wait for each other.
    pub bound: f64,
    /// What sets the bound: the largest loss.
    pub bound_by: Bound,
}

impl ShapeRate {
    /// Of `n_layers` layers, or of one network, that took so many cycles for so many MACs together.
    pub(crate) fn new(
        n_layers: usize,
        n_pes: usize,
        n_cycles: u64,
        n_useful_macs: u64,
        rates: &[LayerRate],
    ) -> Self {
        let rate = |n_cycles: u64| n_useful_macs as f64 / (n_cycles.max(1) * n_pes as u64) as f64;
        let losses: Losses = rates.iter().map(|layer| layer.losses).sum();
        Self {
            n_cycles: n_cycles as f64 / n_layers as f64,
            n_useful_macs: n_useful_macs as f64 / n_layers as f64,
            macs_per_pe_per_cycle: rate(n_cycles),
            bound: rate(rates.iter().map(|layer| layer.n_cycles).sum()),
            bound_by: losses.bound(),
        }
    }

    fn cells(&self) -> [String; 4] {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        [
            format!("{:.1}", self.n_cycles),
            percent(self.macs_per_pe_per_cycle),
            percent(self.bound),
            self.bound_by.name().to_owned(),
        ]
    }
}

impl ShapeReport {
    /// The same for people.
    pub fn table(&self) -> String {
        let mut table = new_table(&[
            "shape",
            "array",
            "lanes",
            "dense cycles",
            "of the PEs",
            "bound",
            "bound by",
            "half-pruned cycles",
            "of the PEs",
            "bound",
            "bound by",
        ]);
        for ShapeRow { shape, rows, cols, lanes, dense, half_pruned } in &self.shapes {
            let half = half_pruned.as_ref().map(ShapeRate::cells).unwrap_or_default();
            let array = [shape.clone(), format!("{rows}x{cols}"), lanes.to_string()];
            table.add_row(array.into_iter().chain(dense.cells()).chain(half));
        }
        format!(
            "{table}\n\nof the PEs: useful MACs / PE / cycle of a layer between changes of `stream_layer`; docs/report.md \
             defines every figure\n"
        )
    }
}
