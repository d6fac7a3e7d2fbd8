//! How fast each layer runs, and what sets its rate.
//!
//! Cycles are those of three rules, not of a simulation: a tile of `P` pixels streams in `max(P, tile_rows)` cycles; a
//! unit of `P` pixels and `S` drain steps is drained in `P * S` cycles, while other units stream; and an accumulator bank is
//! held until the next unit in it cannot overtake the drain, of which there are two. A unit takes the largest of the three, and
//! no less than half of a drain with its last write, since two units at most are being written. What layers wait for each
//! other is not in them. [`Bound`] names the first two, which take whole layers; the banks bind units of few tiles and pixels.

use std::fmt;

use serde::Serialize;
use spec::{ArrayConfig, Pattern, QuantNetwork, Sparsity};

use crate::loader::PACK_LATENCY;
use crate::options::{Options, Schedule};
use crate::plan::{Step, plan};
use crate::tiling::Tile;
use crate::unit::{Unit, units};

/// What a layer spends most of its cycles on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Streaming pixels through the array: the rate of the multipliers.
    Array,
    /// Loading the weights of the next tile, because a block has fewer pixels than a tile has weight rows.
    WeightLoad,
    /// Requantizing and writing the sums, `lanes` channels of a pixel a cycle.
    Drain,
}

/// Why a layer gains nothing, or not all that it could, from its zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DenseRate {
    /// Both passes of every tile were asked for.
    Schedule,
    /// The layer is not pruned.
    NotPruned,
    /// Zeros lie anywhere, so that some pair of nearly every tile has two survivors.
    Unstructured {
        /// Output channels of a tile.
        tile_channels: usize,
    },
    /// Each output channel keeps positions of its own, and several columns share a mask.
    FreePositions {
        /// Output channels of a tile.
        tile_channels: usize,
    },
    /// Masks are shared by other output channels than those of a section of columns.
    Groups {
        /// Output channels that share a mask.
        group: usize,
        /// Output channels of a tile.
        tile_channels: usize,
        /// The most columns of a section whose masks would match.
        mask_columns: usize,
    },
    /// The input is so narrow that a dense layer takes no more passes.
    FewChannels {
        /// Channels of the input.
        channels: usize,
    },
}

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
    /// Cycles of `n_tile_cycles` in which no pixel streams, because weights are being loaded.
    pub n_weight_load_cycles: u64,
    /// Cycles of the drain alone.
    pub n_drain_cycles: u64,
    /// What it spends most of its cycles on.
    pub bound: Bound,
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

/// What a network takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// In the order of execution.
    pub layers: Vec<LayerRate>,
    /// Sum of the layers.
    pub n_cycles: u64,
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

impl fmt::Display for DenseRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => write!(f, "the dense schedule was asked for"),
            Self::NotPruned => write!(f, "it is not pruned (pattern \"dense\")"),
            Self::Unstructured { tile_channels } => write!(
                f,
                "unstructured zeros leave some pair of a tile two survivors, which takes two passes; help: uhp-shared \
                 with group = {tile_channels} takes one"
            ),
            Self::FreePositions { tile_channels } => write!(
                f,
                "under uhp-free each output channel keeps positions of its own, which takes two passes; help: \
                 uhp-shared with group = {tile_channels} takes one, as does --mask-columns 1, a mask for each column"
            ),
            Self::Groups { group, tile_channels, mask_columns } => {
                write!(
                    f,
                    "its masks are shared by {group} output channels, a tile has {tile_channels}; help: prune with a \
                     multiple of {tile_channels} as group, or choose --mask-columns {mask_columns}"
                )?;
                let (least, most) = ArrayConfig::COLS;
                if (least..=most).contains(group) {
                    write!(f, " or --cols {group}")
                } else {
                    Ok(())
                }
            }
            Self::FewChannels { channels } => {
                write!(f, "a dense layer of {channels} input channel(s) takes no more passes")
            }
        }
    }
}

impl LayerRate {
    /// Whether it takes as many tile cycles as a dense layer.
    pub fn is_dense_rate(&self) -> bool {
        self.n_tile_cycles >= self.n_tile_cycles_dense
    }

    /// What keeps it from twice the dense rate, a sentence each.
    fn findings(&self, config: &ArrayConfig) -> Vec<String> {
        let Self { name, n_tile_cycles, n_tile_cycles_dense, n_words, n_two_pass_words, .. } = self;
        let mut findings = Vec::new();
        if let Some(reason) = &self.dense_rate {
            findings.push(if self.is_dense_rate() {
                format!("layer {name:?} runs at the dense rate, {n_tile_cycles} tile cycles: {reason}")
            } else {
                format!(
                    "layer {name:?} runs at the dense rate in {n_two_pass_words} of {n_words} words, {n_tile_cycles} tile \
                     cycles beside {n_tile_cycles_dense} dense: {reason}"
                )
            });
        }
        match self.bound {
            Bound::Array => {}
            Bound::WeightLoad => findings.push(format!(
                "layer {name:?} is bound by weight load, {} of {n_tile_cycles} tile cycles: its blocks have {} pixel(s) at \
                 most, and the weights of a tile take {} cycles to load",
                self.n_weight_load_cycles,
                self.n_block_pixels,
                config.tile_rows()
            )),
            Bound::Drain => findings.push(format!(
                "layer {name:?} is bound by the drain, {} cycles beside {n_tile_cycles} of its tiles: a pixel takes {} \
                 steps of {} channels, and its tiles stream in fewer cycles{}",
                self.n_drain_cycles,
                self.n_drain_steps,
                config.lanes(),
                self.enough_lanes(config)
                    .map_or_else(String::new, |lanes| format!("; help: --lanes {lanes} is enough"))
            )),
        }
        findings
    }

    /// The fewest lanes with which the drain keeps up with the tiles.
    fn enough_lanes(&self, config: &ArrayConfig) -> Option<usize> {
        let n_channels = self.n_drain_steps * config.lanes();
        let n_pixel_drains = self.n_drain_cycles / self.n_drain_steps as u64;
        config
            .possible_lanes()
            .filter(|lanes| *lanes > config.lanes())
            // Of others the channel groups are smaller, and the tiles more.
            .filter(|lanes| {
                let wider = config.clone().with_lanes(*lanes);
                wider.is_ok_and(|wider| wider.group_channels() == config.group_channels())
            })
            .find(|lanes| n_pixel_drains * n_channels.div_ceil(*lanes) as u64 <= self.n_tile_cycles)
    }
}

impl Rates {
    /// Whether images wait for the loader rather than for the array.
    pub fn is_bound_by_load(&self) -> bool {
        self.n_cycles_between_images > self.n_cycles
    }

    /// What keeps layers from twice the dense rate and images from following each other at the rate of the array, a
    /// sentence each. `config` is that of [`rates`].
    pub fn findings(&self, config: &ArrayConfig) -> Vec<String> {
        let mut findings: Vec<String> =
            self.layers.iter().flat_map(|layer| layer.findings(config)).collect();
        if self.is_bound_by_load() {
            findings.push(format!(
                "the network is bound by image load: an image takes {} cycles to receive and {} to pack, and {} to compute; \
                 help: smaller images or a larger network cost no time, a larger space-to-depth block packs fewer pixels{}",
                self.n_receive_cycles,
                self.n_pack_cycles,
                self.n_cycles,
                wider_port(config)
            ));
        }
        findings
    }
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
        n_receive_cycles,
        n_pack_cycles,
        n_load_cycles,
        n_cycles_between_images: load_cycles(until_released).max(n_cycles),
    }
}

/// What a wider input port would do, where there is one.
fn wider_port(config: &ArrayConfig) -> String {
    let wider = ArrayConfig::PORT_BYTES.into_iter().find(|bytes| *bytes > config.port_bytes());
    wider.map_or_else(String::new, |bytes| {
        format!(", --port-bytes {bytes} takes more bytes a cycle than {}", config.port_bytes())
    })
}

impl Unit {
    fn bound(&self, config: &ArrayConfig) -> Bound {
        if self.n_drain_cycles > self.tile_cycles(config) {
            Bound::Drain
        } else if self.n_pixels < config.tile_rows() as u64 {
            Bound::WeightLoad
        } else {
            Bound::Array
        }
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
    let n_pixel_cycles: u64 = sum(&units, &|unit| unit.n_tiles * unit.n_pixels);
    let of_bound = |bound: Bound| -> u64 {
        units
            .iter()
            .filter(|unit| unit.bound(config) == bound)
            .map(|unit| unit.cycles(config))
            .sum()
    };
    let bounds = [Bound::Array, Bound::WeightLoad, Bound::Drain];
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
    LayerRate {
        name: step.name.clone(),
        pattern: sparsity.map(|sparsity| sparsity.pattern),
        n_cycles: sum(&units, &|unit| unit.cycles(config)),
        n_cycles_dense: sum(&dense_units, &|unit| unit.cycles(config)),
        n_tile_cycles,
        n_tile_cycles_dense,
        n_weight_load_cycles: n_tile_cycles - n_pixel_cycles,
        n_drain_cycles: sum(&units, &|unit| unit.n_drain_cycles),
        // Of equal ones the last, so the array comes last.
        bound: bounds
            .into_iter()
            .rev()
            .max_by_key(|bound| of_bound(*bound))
            .unwrap_or(Bound::Array),
        n_words,
        n_two_pass_words,
        dense_rate,
        n_block_pixels: step.blocks.iter().map(|block| block.n_pixels()).max().unwrap_or(0),
        n_drain_steps: config.group_steps().min(step.output.channels.div_ceil(config.lanes())),
    }
}

fn reason(
    sparsity: Sparsity,
    (n_outputs, channels): (usize, usize),
    two_passes: bool,
    config: &ArrayConfig,
) -> DenseRate {
    let tile_channels = config.group_channels();
    let group = sparsity.group;
    // Whether all output channels of a section share a mask, if sections have so many columns.
    let matches = |columns: usize| {
        (0..n_outputs).step_by(tile_channels).all(|first| {
            let end = (first + tile_channels).min(n_outputs);
            let mut sections = (first..end).step_by(columns);
            sections.all(|first| first / group == ((first + columns).min(end) - 1) / group)
        })
    };
    match sparsity.pattern {
        Pattern::Dense => DenseRate::NotPruned,
        Pattern::Unstructured => DenseRate::Unstructured { tile_channels },
        _ if !two_passes => DenseRate::FewChannels { channels },
        Pattern::UhpFree => DenseRate::FreePositions { tile_channels },
        Pattern::UhpShared if !matches(config.mask_columns()) => {
            let mask_columns = (2..=config.cols()).rev().find(|n| matches(*n)).unwrap_or(1);
            DenseRate::Groups { group, tile_channels, mask_columns }
        }
        Pattern::UhpShared | Pattern::UhpFixed => DenseRate::FewChannels { channels },
    }
}

/// Words at a kernel position that are multiplied, and how many of them in two passes.
pub(crate) fn words(groups: &[Vec<Tile>]) -> (usize, usize) {
    let position = |tile: &Tile| (tile.word, tile.ky, tile.kx);
    let n_tiles: usize = groups.iter().map(Vec::len).sum();
    let n_words: usize =
        groups.iter().map(|tiles| tiles.chunk_by(|a, b| position(a) == position(b)).count()).sum();
    (n_words, n_tiles - n_words)
}
