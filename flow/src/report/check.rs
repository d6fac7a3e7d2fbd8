//! What checking a network found.

use codegen::{LayerRate, Lift, Rates, Requirement};
use serde::Serialize;
use spec::{Memory, shown};

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
    /// Of layers that are bound by more than the layer before: the array on which they are not, or take clearly fewer cycles.
    pub lifts: Vec<LayerLift>,
    /// What it needs of every memory.
    pub memories: Vec<Requirement>,
    /// What they take on an ECP5; absent if no memories hold the network.
    pub block_ram: Option<BlockRams>,
    /// Why it does not fit.
    pub problems: Vec<String>,
    /// What costs cycles, and why.
    pub notes: Vec<String>,
}

/// Another array for a layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerLift {
    /// The layer.
    pub layer: String,
    /// What to ask `twofold` for.
    pub flags: String,
    /// What the layer takes there.
    #[serde(flatten)]
    pub lift: Lift,
}

/// What the memories of a design take on an ECP5, by the rules by which Yosys maps them: as deep as the network's program
/// needs, which is what `synth` makes of them, and as deep as they are.
#[derive(Clone, Debug, Serialize)]
pub struct BlockRams {
    /// Memory by memory.
    pub memories: Vec<MemoryUse>,
    /// Bits in all.
    pub n_bits: u64,
    /// Block RAMs in all.
    pub n_block_rams: u64,
    /// Bits of memories as deep as they are.
    pub n_bits_available: u64,
    /// Block RAMs that these take.
    pub n_block_rams_available: u64,
    /// What devices have.
    pub devices: Vec<Device>,
}

/// A memory on an ECP5, or several that are alike.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemoryUse {
    /// Which one.
    pub memory: Memory,
    /// Bits, of one copy.
    pub n_bits: u64,
    /// Block RAMs (DP16KD) of all copies; 0 of one in distributed RAM.
    pub n_block_rams: u64,
    /// The same as deep as it is.
    pub n_bits_available: u64,
    /// The same as deep as it is.
    pub n_block_rams_available: u64,
}

/// An ECP5.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its block RAMs.
    pub n_block_rams: u64,
}

impl BlockRams {
    /// What the largest device is short of, if it is: by how much, and where it goes.
    pub(crate) fn shortage(&self) -> Option<String> {
        let largest = self.devices.iter().max_by_key(|device| device.n_block_rams)?;
        let short = self.n_block_rams.checked_sub(largest.n_block_rams).filter(|n| *n > 0)?;
        let mut memories = self.memories.clone();
        memories.retain(|memory| memory.n_block_rams > 0);
        memories.sort_by_key(|memory| std::cmp::Reverse(memory.n_block_rams));
        let memories: Vec<String> = memories
            .iter()
            .map(|memory| format!("{} {}", memory.memory, memory.n_block_rams))
            .collect();
        let accumulators = self.memories.iter().find(|memory| memory.memory == Memory::Accumulator);
        let help = match accumulators.map_or(0, |accumulators| accumulators.n_block_rams) {
            0 => String::new(),
            n if n >= short => String::from("; help: --lut-accumulators is enough"),
            n => format!("; help: --lut-accumulators saves {n} of them"),
        };
        Some(format!(
            "the memories take {} block RAMs, {short} more than the {} of an {}: {}{help}",
            self.n_block_rams,
            largest.n_block_rams,
            largest.name,
            memories.join(", ")
        ))
    }

    fn summary(&self) -> String {
        let devices = self.devices.iter();
        let devices: Vec<String> =
            devices.map(|device| format!("{} {}", device.name, device.n_block_rams)).collect();
        format!(
            "ECP5 block RAMs: {} ({} Kbit) as deep as needed, which `twofold synth` makes them, {} ({} Kbit) as deep as available; \
             devices have: {}\n",
            self.n_block_rams,
            kilobits(self.n_bits),
            self.n_block_rams_available,
            kilobits(self.n_bits_available),
            devices.join(", ")
        )
    }
}

/// Rounded up.
fn kilobits(n_bits: u64) -> String {
    grouped(n_bits.div_ceil(1024))
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
                "estimated cycles an image with drains: {}, dense {}; in {} more layers wait for each other; between images: {}\n\
                 (by the rules of tile, drain and order; `twofold sim` measures)\n\n{}\n",
                grouped(rates.n_cycles),
                grouped(n_dense),
                grouped(rates.n_wait_cycles),
                grouped(rates.n_cycles_between_images),
                layer_table(&rates.layers, &report.lifts)
            );
        }
        if !report.memories.is_empty() {
            text += &format!("\n{}\n", self.memory_table());
        }
        if let Some(block_ram) = &report.block_ram {
            text += &block_ram.summary();
        }
        for (title, lines) in [("problems", &report.problems), ("notes", &report.notes)] {
            if !lines.is_empty() {
                text += &format!("\n{title}:\n");
                text.extend(lines.iter().map(|line| format!("- {line}\n")));
            }
        }
        text
    }

    fn memory_table(&self) -> String {
        let mut header = vec!["memory", "needed", "available", "unit"];
        if self.block_ram.is_some() {
            header.extend(["Kbit", "block RAMs", "as available"]);
        }
        let mut table = new_table(&header);
        for Requirement { memory, unit, needed, available } in &self.memories {
            let (needed, available) = (grouped(*needed as u64), grouped(*available as u64));
            let mut row = vec![memory.key().to_owned(), needed, available, (*unit).to_owned()];
            let uses = self.block_ram.iter().flat_map(|block_ram| &block_ram.memories);
            if let Some(found) = uses.into_iter().find(|found| found.memory == *memory) {
                row.push(kilobits(found.n_bits));
                row.push(grouped(found.n_block_rams));
                row.push(grouped(found.n_block_rams_available));
            }
            table.add_row(row);
        }
        table.to_string()
    }
}

fn layer_table(layers: &[LayerRate], lifts: &[LayerLift]) -> String {
    let mut table = new_table(&[
        "layer",
        "cycles",
        "dense cycles",
        "speed-up",
        "tiles",
        "drain",
        "waits",
        "useful",
        "bound by",
        "faster with",
    ]);
    for layer in layers {
        let losses = layer.losses;
        let lift = lifts.iter().find(|lift| lift.layer == layer.name);
        table.add_row([
            shown(&layer.name).into_owned(),
            grouped(layer.n_cycles),
            grouped(layer.n_cycles_dense),
            format!("{:.3}", layer.n_cycles_dense as f64 / layer.n_cycles as f64),
            grouped(layer.n_tile_cycles),
            grouped(layer.n_drain_cycles),
            grouped(losses.n_wait_cycles),
            format!("{:.1} %", 100.0 * losses.useful_share()),
            layer.bound.name().to_owned(),
            lift.map_or_else(String::new, LayerLift::cell),
        ]);
    }
    table.to_string()
}

impl LayerLift {
    fn cell(&self) -> String {
        let Lift { n_cycles, useful_share, .. } = self.lift;
        format!("{}: {}, {:.1} %", self.flags, grouped(n_cycles), 100.0 * useful_share)
    }
}
