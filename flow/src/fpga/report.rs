//! What synthesis, placement and routing found: the structures that `--format json` prints, and their tables.

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of both reports' JSON.
pub(super) const FORMAT_VERSION: u32 = 1;

/// What Yosys made of the Verilog, the ports' pads not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SynthReport {
    /// The version of this structure.
    pub format_version: u32,
    /// The top module.
    pub top: String,
    /// Yosys, with its version.
    pub tool: String,
    /// ECP5 multipliers of 18 x 18 bits.
    pub n_mult18x18d: u64,
    /// ECP5 block RAMs of 18 Kbit.
    pub n_dp16kd: u64,
    /// Four-input look-up tables, without those of carry chains and of distributed RAM.
    pub n_lut4: u64,
    /// Carry-chain cells, two look-up tables each.
    pub n_ccu2c: u64,
    /// Flip-flops.
    pub n_trellis_ff: u64,
    /// Distributed RAMs of 16 words of 4 bits, four look-up tables each.
    pub n_trellis_dpr16x4: u64,
    /// Bits of all ports.
    pub n_port_bits: usize,
    /// Every kind of cell and how many there are.
    pub cells: BTreeMap<String, u64>,
    /// The same, for each instance directly below the top module; what the top module holds itself is under `""`.
    pub blocks: BTreeMap<String, BTreeMap<String, u64>>,
}

impl SynthReport {
    /// Two tables: cells by kind, and the kinds that matter by block, numbered blocks together.
    pub fn table(&self) -> String {
        let mut cells = table(&["cell", "used"]);
        for (kind, n_used) in &self.cells {
            cells.add_row([Cell::new(kind), number(n_used)]);
        }
        let kinds = ["MULT18X18D", "DP16KD", "LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4"];
        let mut blocks = table(&[&["block", "instances"], kinds.as_slice()].concat());
        for (name, group) in self.grouped_blocks() {
            let total = |kind: &str| group.iter().filter_map(|cells| cells.get(kind)).sum::<u64>();
            let name = if name.is_empty() { "(top)" } else { name };
            let row = [Cell::new(name), number(&group.len())];
            blocks.add_row(row.into_iter().chain(kinds.iter().map(|kind| number(&total(kind)))));
        }
        format!("{} for ECP5, {}\n{cells}\n\n{blocks}", self.top, self.tool)
    }

    /// The blocks by name, `requantize_0` and `requantize_1` under `requantize`.
    fn grouped_blocks(&self) -> BTreeMap<&str, Vec<&BTreeMap<String, u64>>> {
        let mut groups: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (block, cells) in &self.blocks {
            let numbered = block.rsplit_once('_').filter(|(_, n)| n.parse::<u32>().is_ok());
            groups.entry(numbered.map_or(block, |(name, _)| name)).or_default().push(cells);
        }
        groups
    }
}

/// How the top module's ports were connected for placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortContext {
    /// Each port bit has a pad of its own.
    Pads,
    /// There are more port bits than pads: shift registers drive the inputs and capture the outputs, so that every path
    /// from and to a port is timed between flip-flops. Their cells are counted as used.
    ShiftRegisters,
}

/// One kind of cell of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellUse {
    /// The device's name for it.
    pub kind: String,
    /// How many the design uses.
    pub n_used: u64,
    /// How many the device has.
    pub n_available: u64,
}

/// One kind of cell that the critical path goes through, once or several times in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathStep {
    /// The kind of cell, as Yosys names it.
    pub kind: String,
    /// How many in a row; two carry bits share a cell.
    pub n_cells: usize,
    /// The instance of the first of them.
    pub module: String,
    /// Time in these cells.
    pub logic_ns: f64,
    /// Time on the wires that lead to them.
    pub routing_ns: f64,
}

/// The path that limits the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// The register, memory or multiplier where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// What it goes through, its first and last cell included.
    pub steps: Vec<PathStep>,
    /// Time in cells, setup included.
    pub logic_ns: f64,
    /// Time on wires.
    pub routing_ns: f64,
}

impl CriticalPath {
    /// One sentence: from where, through what, to where, and how long.
    pub fn in_words(&self) -> String {
        let inner = self.steps.get(1..self.steps.len().saturating_sub(1)).unwrap_or_default();
        let through = inner.iter().map(step_in_words).collect::<Vec<_>>().join(", ");
        let through = if through.is_empty() {
            String::from("directly")
        } else {
            format!("through {through}")
        };
        let total_ns = self.logic_ns + self.routing_ns;
        format!(
            "from {} {through} to {}: {total_ns:.2} ns, of which logic {:.2} ns and routing {:.2} ns",
            self.from, self.to, self.logic_ns, self.routing_ns
        )
    }
}

fn step_in_words(step: &PathStep) -> String {
    let inside =
        if step.module.is_empty() { String::new() } else { format!(" in {}", step.module) };
    match step.n_cells {
        1 => format!("a {}{inside}", kind_in_words(&step.kind)),
        n_cells => format!("{n_cells} {}s{inside}", kind_in_words(&step.kind)),
    }
}

/// What a person calls a kind of ECP5 cell; an unknown kind keeps its name.
pub(super) fn kind_in_words(kind: &str) -> &str {
    match kind {
        "MULT18X18D" => "multiplier",
        "DP16KD" => "block RAM",
        "LUT4" => "look-up table",
        "PFUMX" | "L6MUX21" => "wide multiplexer",
        "CCU2C" => "carry cell",
        "TRELLIS_FF" => "register",
        "TRELLIS_DPR16X4" => "distributed RAM",
        "TRELLIS_IO" => "pad",
        other => other,
    }
}

/// What nextpnr made of the netlist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PnrReport {
    /// The version of this structure.
    pub format_version: u32,
    /// The top module of the netlist.
    pub top: String,
    /// nextpnr, with its version.
    pub tool: String,
    /// The device with its speed grade, and its package.
    pub device: String,
    /// How the ports were connected.
    pub port_context: PortContext,
    /// Where the placer's random numbers began.
    pub seed: u64,
    /// The fastest clock with which every path between registers is met, after routing.
    pub fmax_mhz: f64,
    /// The clock that was asked for.
    pub constraint_mhz: f64,
    /// Whether it was met.
    pub constraint_met: bool,
    /// Cells by kind, those that the design uses.
    pub cells: Vec<CellUse>,
    /// The path that limits the clock.
    pub critical_path: CriticalPath,
    /// The same, in words.
    pub critical_path_in_words: String,
}

impl PnrReport {
    /// A table of cells, the clock, and the critical path in words and step by step.
    pub fn table(&self) -> String {
        let mut cells = table(&["cell", "used", "available", "%"]);
        for cell in &self.cells {
            let percent = 100.0 * cell.n_used as f64 / cell.n_available.max(1) as f64;
            cells.add_row([
                Cell::new(&cell.kind),
                number(&cell.n_used),
                number(&cell.n_available),
                number(&format!("{percent:.1}")),
            ]);
        }
        let mut steps = table(&["critical path", "in", "cells", "logic ns", "routing ns"]);
        for step in &self.critical_path.steps {
            steps.add_row([
                Cell::new(kind_in_words(&step.kind)),
                Cell::new(&step.module),
                number(&step.n_cells),
                number(&format!("{:.2}", step.logic_ns)),
                number(&format!("{:.2}", step.routing_ns)),
            ]);
        }
        let ports = match self.port_context {
            PortContext::Pads => "every port bit on a pad",
            PortContext::ShiftRegisters => {
                "out of context: ports on shift registers, which count as used"
            }
        };
        let verdict = if self.constraint_met { "met" } else { "missed" };
        format!(
            "{} on {}, {}, seed {}; {ports}\n{cells}\n\nFmax {:.1} MHz ({:.1} MHz asked for: {verdict})\n\
             critical path: {}\n{steps}",
            self.top,
            self.device,
            self.tool,
            self.seed,
            self.fmax_mhz,
            self.constraint_mhz,
            self.critical_path_in_words
        )
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table
}

fn number(value: &impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_blocks_share_a_row() {
        let counts = |n: u64| BTreeMap::from([(String::from("LUT4"), n)]);
        let report = SynthReport {
            format_version: FORMAT_VERSION,
            top: String::from("toy"),
            tool: String::from("Yosys"),
            n_mult18x18d: 0,
            n_dp16kd: 0,
            n_lut4: 12,
            n_ccu2c: 0,
            n_trellis_ff: 0,
            n_trellis_dpr16x4: 0,
            n_port_bits: 3,
            cells: counts(12),
            blocks: [("", 1), ("array", 2), ("pool_0", 4), ("pool_10", 5)]
                .map(|(name, n)| (name.to_owned(), counts(n)))
                .into(),
        };
        let rows = report.table();
        let columns =
            |row: &str| row.split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        let rows: Vec<_> = rows
            .lines()
            .map(columns)
            .filter(|row| row.len() > 4)
            .map(|row| row[1..6].join(" "))
            .collect();
        assert_eq!(rows[2..], ["(top) 1 0 0 1", "array 1 0 0 2", "pool 2 0 0 9"]);
    }
}
