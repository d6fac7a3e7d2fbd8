//! What keeps layers and images from the rate of the array, in sentences.

use spec::ArrayConfig;

use super::{Bound, LayerChannels, LayerRate, Losses, Rates};

/// A share of busy PEs from which on nothing is said of channels.
const CLEARLY: f64 = 0.9;

impl LayerRate {
    /// Whether it takes as many tile cycles as a dense layer.
    pub fn is_dense_rate(&self) -> bool {
        self.n_tile_cycles >= self.n_tile_cycles_dense
    }

    /// What keeps it from twice the dense rate, a sentence each.
    fn findings(&self, config: &ArrayConfig) -> Vec<String> {
        let Self { name, n_tile_cycles, n_tile_cycles_dense, n_words, n_two_pass_words, .. } = self;
        let mut findings = Vec::new();
        if let Some(reason) = self.dense_rate.as_ref().filter(|_| !self.is_depthwise()) {
            findings.push(if self.is_dense_rate() {
                format!("layer {name:?} runs at the dense rate, {n_tile_cycles} tile cycles: {reason}")
            } else {
                format!(
                    "layer {name:?} runs at the dense rate in {n_two_pass_words} of {n_words} words, {n_tile_cycles} tile \
                     cycles beside {n_tile_cycles_dense} dense: {reason}"
                )
            });
        }
        let bound = |what: &str| format!("layer {name:?} is bound by {what}");
        let n_cycles = self.losses.n_cycles();
        match self.bound {
            Bound::Array => {}
            Bound::Channels => {
                findings.extend(self.fill(config).map(|text| bound("its channels") + ": " + &text));
            }
            Bound::WeightLoad => findings.push(format!(
                "{}, {} of {n_tile_cycles} tile cycles: its blocks have {} pixel(s) at most, and the weights of a tile take {} \
                 cycles to load",
                bound("weight load"),
                self.losses.n_weight_load_cycles,
                self.n_block_pixels,
                config.tile_rows()
            )),
            Bound::Drain if self.n_drain_cycles <= *n_tile_cycles => findings.push(format!(
                "{}, {} of {n_cycles} cycles: it takes {} cycles and the tiles {n_tile_cycles}, so that none can wait for the other \
                 without loss",
                bound("the drain"),
                self.losses.n_drain_cycles,
                self.n_drain_cycles,
            )),
            Bound::Drain => findings.push(format!(
                "{}, {} cycles beside {n_tile_cycles} of its tiles: a pixel takes {} steps of {} channels, and its tiles stream in \
                 fewer cycles{}",
                bound("the drain"),
                self.n_drain_cycles,
                self.n_drain_steps,
                config.lanes(),
                self.enough_lanes(config)
                    .map_or_else(String::new, |lanes| format!("; help: --lanes {lanes} is enough"))
            )),
            Bound::Banks => findings.push(format!(
                "{}, {} of {n_cycles} cycles: its blocks of {} pixel(s) are streamed and drained before their accumulators are \
                 free again",
                bound("the accumulator banks"),
                self.losses.n_bank_cycles,
                self.n_block_pixels,
            )),
            Bound::Dependency => findings.push(format!(
                "{}, {} of {n_cycles} cycles: it waits until what it reads first is drained and written; help: larger maps or \
                 more channels hide it, images back to back do not",
                bound("the layer before"),
                self.losses.n_wait_cycles,
            )),
        }
        findings
    }

    /// Whether each output channel is of one input channel, so that no weight has a neighbor to be kept instead.
    fn is_depthwise(&self) -> bool {
        self.channels.is_some_and(|channels| {
            let LayerChannels { n_inputs, n_outputs, n_groups } = channels;
            n_groups > 1 && n_groups == n_inputs && n_groups == n_outputs
        })
    }

    /// How the channels fill the array, where they hardly do.
    fn fill(&self, config: &ArrayConfig) -> Option<String> {
        let LayerChannels { n_inputs, n_outputs, n_groups } = self.channels?;
        let Losses { n_useful_cycles, n_channel_cycles, .. } = self.losses;
        let fill = n_useful_cycles as f64 / (n_useful_cycles + n_channel_cycles).max(1) as f64;
        if fill >= CLEARLY {
            return None;
        }
        let (rows, cols, word) = (config.rows(), config.cols(), config.word_channels());
        let percent = 100.0 * fill;
        if n_groups == 1 {
            return Some(format!(
                "{n_inputs} input and {n_outputs} output channels keep {percent:.1} % of the {rows}x{cols} array busy, whose \
                 words have {word} channels"
            ));
        }
        if self.is_depthwise() {
            return Some(format!(
                "a depthwise layer multiplies {rows} of {} weights a cycle at most, one a row: {percent:.1} % of the array",
                rows * cols
            ));
        }
        let (inputs, outputs) = (n_inputs / n_groups, n_outputs / n_groups);
        let group = config.group_channels();
        let kind = if inputs == 1 { "a depth multiplier of" } else { "groups of" };
        let size = match inputs {
            1 => outputs.to_string(),
            _ => format!("{inputs} input and {outputs} output channels"),
        };
        Some(format!(
            "{kind} {size} keeps {percent:.1} % of the {rows}x{cols} array busy, the rest of each tile is zeros between the {n_groups} \
             groups; help: groups of {word} input and {group} output channels, or multiples, fill it"
        ))
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

    /// Whether they wait only because packing waits until the layers that read bank 0 are done with the image before.
    pub fn is_bound_by_packing(&self) -> bool {
        self.is_bound_by_load() && self.n_load_cycles <= self.n_cycles
    }

    /// What keeps layers from the full rate, or from twice the dense rate, and images from following each other at the rate of the array, a
    /// sentence each. `config` is that of [`rates`](super::rates).
    pub fn findings(&self, config: &ArrayConfig) -> Vec<String> {
        let mut findings: Vec<String> =
            self.layers.iter().flat_map(|layer| layer.findings(config)).collect();
        if self.is_bound_by_load() {
            findings.push(format!(
                "the network is bound by image load{}: an image takes {} cycles to receive and {} to pack, and {} to compute; \
                 help: smaller images or a larger network cost no time, a larger space-to-depth block packs fewer pixels{}",
                if self.is_bound_by_packing() { ", by packing after bank 0" } else { "" },
                self.n_receive_cycles,
                self.n_pack_cycles,
                self.n_cycles,
                wider_port(config)
            ));
        }
        findings
    }
}

/// What a wider input port would do, where there is one.
fn wider_port(config: &ArrayConfig) -> String {
    let wider = ArrayConfig::PORT_BYTES.into_iter().find(|bytes| *bytes > config.port_bytes());
    wider.map_or_else(String::new, |bytes| {
        format!(", --port-bytes {bytes} takes more bytes a cycle than {}", config.port_bytes())
    })
}
