//! How fast each layer runs, and what sets its rate.
//!
//! Cycles are those of three rules, not of a simulation: a tile of `P` pixels streams in `max(P, tile_rows)` cycles; a
//! unit of `P` pixels and `S` drain steps is drained in `P * S` cycles, while other units stream; and an accumulator bank is
//! held until the next unit in it cannot overtake the drain, of which there are two. A unit takes the largest of the three, and
//! no less than half of a drain with its last write, since two units at most are being written. What layers wait for each
//! other is not in them: [`layer_waits`] finds it in a program, and [`Rates::with_waits`] adds it.

mod dense;
mod findings;
mod lift;
mod losses;
mod waits;

use serde::Serialize;
use spec::{ArrayConfig, Op, Pattern, Program, QuantNetwork};

pub use dense::DenseRate;
pub use lift::{Lift, lifts};
pub use losses::{Bound, Losses};
pub use waits::{Waits, layer_waits};

use crate::loader::PACK_LATENCY;
use crate::options::{Options, Schedule};
use crate::plan::{Step, plan};
use crate::tiling::Tile;
use crate::unit::{Unit, units};
use dense::reason;

/// What a layer takes of one image, by the rules of this module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRate {
    /// Its name.
    pub name: String,
    /// How it was pruned, `None` for a pool or a copy, which have no weights.
    pub pattern: Option<Pattern>,
    /// Cycles: of each unit its tiles' or its drain's, whichever are more.
    pub n_cycles: u64,
    /// The same with both passes of every tile.
    pub n_cycles_dense: u64,
    /// Cycles of the tiles alone.
    pub n_tile_cycles: u64,
    /// The same with both passes of every tile.
    pub n_tile_cycles_dense: u64,
    /// Cycles of the drain alone.
    pub n_drain_cycles: u64,
    /// Where its cycles go, with those of waiting for other layers if they are known.
    pub losses: Losses,
    /// What it loses most cycles by.
    pub bound: Bound,
    /// The channels of a convolution or a fully connected layer.
    pub channels: Option<LayerChannels>,
    /// Words at a kernel position, over all channel groups, that are multiplied.
    pub n_words: usize,
    /// Those of them that take two passes.
    pub n_two_pass_words: usize,
    /// Why it runs at the dense rate, if any of it does.
    pub dense_rate: Option<DenseRate>,
    /// Pixels of its largest block.
    pub n_block_pixels: usize,
    /// Drain steps of a pixel and a full channel group.
    pub n_drain_steps: usize,
}

/// Channels that are multiplied with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayerChannels {
    /// Of the input.
    pub n_inputs: usize,
    /// Of the output.
    pub n_outputs: usize,
    /// Groups, each of its own input and output channels.
    pub n_groups: usize,
}

/// What a network takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// In the order of execution.
    pub layers: Vec<LayerRate>,
    /// Sum of the layers.
    pub n_cycles: u64,
    /// Cycles in which layers wait for each other, 0 where that is not known.
    pub n_wait_cycles: u64,
    /// Cycles to receive an image.
    pub n_receive_cycles: u64,
    /// Cycles to pack it into bank 0, if it is received.
    pub n_pack_cycles: u64,
    /// Cycles to receive and to pack it, if bank 0 is free: rows are packed as they come.
    pub n_load_cycles: u64,
    /// Estimate of the cycles from one image to the next when images follow each other: without what layers wait for each
    /// other, for packing and for the output, which counts in a tiny network.
    pub n_cycles_between_images: u64,
}

/// What each layer of a validated network takes on the array `config`, whether or not its memories hold the network.
pub fn rates(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Rates {
    let chosen = plan(network, config, options);
    let dense = plan(network, config, &Options { schedule: Schedule::Dense });
    let layers: Vec<LayerRate> = chosen
        .steps
        .iter()
        .zip(&dense.steps)
        .map(|(step, dense)| layer_rate(network, config, options, step, dense))
        .collect();
    let n_cycles = layers.iter().map(|layer| layer.n_cycles).sum();
    let (input, port_bytes) = (&network.input, config.port_bytes());
    let n_entries = chosen.loader.lane_table(input, port_bytes).map_or(0, |table| table.len());
    let load_cycles =
        |bank_free| chosen.loader.load_cycles(input, n_entries, port_bytes, bank_free);
    let (n_receive_cycles, n_load_cycles) =
        (input.n_bytes().div_ceil(port_bytes) as u64, load_cycles(0));
    let n_pack_cycles =
        (chosen.loader.grid.0 * chosen.loader.grid.1 * n_entries) as u64 + PACK_LATENCY;
    let readers = chosen.steps.iter().rposition(Step::reads_input).map_or(0, |last| last + 1);
    let until_released: u64 = layers[..readers].iter().map(|layer| layer.n_cycles).sum();
    Rates {
        layers,
        n_cycles,
        n_wait_cycles: 0,
        n_receive_cycles,
        n_pack_cycles,
        n_load_cycles,
        n_cycles_between_images: load_cycles(until_released).max(n_cycles),
    }
}

impl Rates {
    /// The same with what the layers of their program wait for each other, and with the waits for drain and banks that their units
    /// have one after the other: fewer than in a long run of such units, since the last ones are drained while the next layer streams.
    pub fn with_waits(mut self, program: &Program) -> Self {
        for (layer, waits) in self.layers.iter_mut().zip(layer_waits(program)) {
            let Losses { n_drain_cycles, n_bank_cycles, .. } = layer.losses;
            let Waits { n_own_cycles, n_other_cycles } = waits;
            layer.losses.n_wait_cycles = n_other_cycles;
            let is_drain = n_drain_cycles >= n_bank_cycles;
            let [drain, banks] = if is_drain { [n_own_cycles, 0] } else { [0, n_own_cycles] };
            (layer.losses.n_drain_cycles, layer.losses.n_bank_cycles) = (drain, banks);
            layer.bound = layer.losses.bound();
        }
        self.n_wait_cycles = self.layers.iter().map(|layer| layer.losses.n_wait_cycles).sum();
        self
    }
}

fn units_of(step: &Step, config: &ArrayConfig) -> Vec<Unit> {
    units(&step.blocks, &step.groups, step.output.channels, step.sum, config)
}

fn layer_rate(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
    step: &Step,
    dense: &Step,
) -> LayerRate {
    let (units, dense_units) = (units_of(step, config), units_of(dense, config));
    let sum = |units: &[Unit], cycles: &dyn Fn(&Unit) -> u64| units.iter().map(cycles).sum();
    let n_tile_cycles = sum(&units, &|unit| unit.tile_cycles(config));
    let n_tile_cycles_dense = sum(&dense_units, &|unit| unit.tile_cycles(config));
    let (n_words, n_two_pass_words) = words(&step.groups);
    let sparsity = step.network_layer.and_then(|layer| network.layers[layer].op.sparsity());
    let is_dense_rate = n_tile_cycles >= n_tile_cycles_dense;
    let dense_rate = sparsity.and_then(|sparsity| {
        let shape = network.layers[step.network_layer?].op.weight()?.dim();
        let partly = sparsity.pattern.is_half() && n_two_pass_words > 0;
        (is_dense_rate || partly).then(|| {
            if options.schedule == Schedule::Dense {
                DenseRate::Schedule
            } else {
                reason(sparsity, (shape.0, shape.3), n_two_pass_words > 0, config)
            }
        })
    });
    let losses = losses_of(step, config);
    LayerRate {
        name: step.name.clone(),
        pattern: sparsity.map(|sparsity| sparsity.pattern),
        n_cycles: losses.n_cycles(),
        n_cycles_dense: sum(&dense_units, &|unit| unit.cycles(config)),
        n_tile_cycles,
        n_tile_cycles_dense,
        n_drain_cycles: sum(&units, &|unit| unit.n_drain_cycles),
        losses,
        bound: losses.bound(),
        channels: step.network_layer.and_then(|layer| channels(&network.layers[layer].op)),
        n_words,
        n_two_pass_words,
        dense_rate,
        n_block_pixels: step.blocks.iter().map(|block| block.n_pixels()).max().unwrap_or(0),
        n_drain_steps: config.group_steps().min(step.output.channels.div_ceil(config.lanes())),
    }
}

/// Where the cycles of a step go, without waiting.
fn losses_of(step: &Step, config: &ArrayConfig) -> Losses {
    let units = units_of(step, config);
    let n_pixel_cycles: u64 = units.iter().map(|unit| unit.n_tiles * unit.n_pixels).sum();
    // Kept weights that are zero are not all streamed, so that the tiles are what counts.
    let n_macs: u64 = itertools::iproduct!(&step.blocks, step.groups.iter().flatten())
        .map(|(block, tile)| (block.n_pixels() * tile.active) as u64)
        .sum();
    let n_useful_cycles = match n_macs {
        0 => n_pixel_cycles,
        n_macs => n_macs / config.n_pes() as u64,
    };
    let losses = Losses {
        n_useful_cycles,
        n_channel_cycles: n_pixel_cycles - n_useful_cycles,
        ..Losses::default()
    };
    let of_unit = |unit: &Unit| {
        let (tiles, drain) = (unit.tile_cycles(config), unit.drain_cycles());
        Losses {
            n_weight_load_cycles: tiles - unit.n_tiles * unit.n_pixels,
            n_drain_cycles: drain.saturating_sub(tiles),
            n_bank_cycles: unit.cycles(config) - tiles.max(drain),
            ..Losses::default()
        }
    };
    losses + units.iter().map(of_unit).sum()
}

/// The channels that an operation multiplies.
fn channels(op: &Op) -> Option<LayerChannels> {
    let (n_outputs, _, _, n_inputs) = op.weight()?.dim();
    let n_groups = match op {
        Op::Conv(conv) => conv.groups,
        _ => 1,
    };
    Some(LayerChannels { n_inputs: n_inputs * n_groups, n_outputs, n_groups })
}

/// Words at a kernel position that are multiplied, and how many of them in two passes.
pub(crate) fn words(groups: &[Vec<Tile>]) -> (usize, usize) {
    let position = |tile: &Tile| (tile.word, tile.ky, tile.kx);
    let n_tiles: usize = groups.iter().map(Vec::len).sum();
    let n_words: usize =
        groups.iter().map(|tiles| tiles.chunk_by(|a, b| position(a) == position(b)).count()).sum();
    (n_words, n_tiles - n_words)
}
