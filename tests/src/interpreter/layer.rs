//! The state that `STREAM`, `DRAIN` and `BLOCK` set, checked.

use spec::ArrayConfig;
use spec::isa::{INSTRUCTION_WORDS, Record, decode};

use super::{Problem, get};

/// `STREAM` and `DRAIN` of a layer.
pub(super) struct LayerState {
    pub(super) n_groups: usize,
    pub(super) logits: bool,
    pub(super) in_bank: usize,
    pub(super) stride: usize,
    pub(super) sum: bool,
    pub(super) pixel_step: usize,
    pub(super) row_step: usize,
    pub(super) tile_base: usize,
    pub(super) weight_base: usize,
    pub(super) in_width: usize,
    pub(super) in_height: usize,
    pub(super) out_banks: usize,
    pub(super) pool: bool,
    pub(super) relu: bool,
    pub(super) residual_bank: usize,
    pub(super) n_steps: usize,
    pub(super) n_last_steps: usize,
    pub(super) out_pixel_step: usize,
    pub(super) out_row_step: usize,
    pub(super) residual_pixel_step: usize,
    pub(super) residual_row_step: usize,
    pub(super) parameter_base: usize,
}

impl LayerState {
    pub(super) fn new(
        config: &ArrayConfig,
        stream: &[u32; INSTRUCTION_WORDS],
        drain: &[u32; INSTRUCTION_WORDS],
    ) -> Result<Self, Problem> {
        let s = |name| get(Record::Stream, stream, name);
        let d = |name| get(Record::Drain, drain, name);
        let layer = Self {
            n_groups: s("groups_minus_1") + 1,
            logits: d("logits") == 1,
            in_bank: s("in_bank"),
            stride: s("stride"),
            sum: s("sum") == 1,
            pixel_step: s("pixel_step"),
            row_step: s("row_step"),
            tile_base: s("tile_base"),
            weight_base: s("weight_base"),
            in_width: s("in_width"),
            in_height: s("in_height"),
            out_banks: d("out_banks"),
            pool: d("pool") == 1,
            relu: d("relu") == 1,
            residual_bank: d("residual_bank"),
            n_steps: d("steps_minus_1") + 1,
            n_last_steps: d("last_steps_minus_1") + 1,
            out_pixel_step: d("out_pixel_step"),
            out_row_step: d("out_row_step"),
            residual_pixel_step: d("residual_pixel_step"),
            residual_row_step: d("residual_row_step"),
            parameter_base: d("parameter_base"),
        };
        let steps = config.group_steps();
        let rules = [
            ("STREAM.stride", layer.stride, (1..=4).contains(&layer.stride), "1..4"),
            (
                "DRAIN.out_banks",
                layer.out_banks,
                layer.out_banks & 1 == 0,
                "only the loader writes bank 0",
            ),
            (
                "DRAIN.out_banks",
                layer.out_banks,
                (layer.out_banks == 0) == layer.logits,
                "a map or logits are written",
            ),
            (
                "DRAIN.pool",
                usize::from(layer.pool),
                !(layer.pool && (layer.logits || layer.sum)),
                "only maps are pooled",
            ),
            (
                "DRAIN.last_steps_minus_1",
                layer.n_last_steps - 1,
                layer.n_last_steps <= steps,
                "below S",
            ),
            (
                "DRAIN.steps_minus_1",
                layer.n_steps - 1,
                layer.n_groups == 1 || layer.n_steps == steps,
                "all groups but the last are full",
            ),
        ];
        for (field, value, holds, why) in rules {
            if !holds {
                return Err(Problem::Value { field, value, why });
            }
        }
        Ok(layer)
    }
}

/// Whether group 0 of a block waits.
#[derive(Clone, Copy, Default)]
pub(super) struct Waits {
    pub(super) late: bool,
    pub(super) all: bool,
}

/// `BLOCK`.
pub(super) struct BlockState {
    pub(super) waits: Waits,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) in_address: usize,
    pub(super) out_address: usize,
    pub(super) residual_address: usize,
    pub(super) y0: i64,
    pub(super) x0: i64,
}

impl BlockState {
    pub(super) fn new(
        config: &ArrayConfig,
        layer: &LayerState,
        words: &[u32; INSTRUCTION_WORDS],
    ) -> Result<Self, Problem> {
        let b = |name| get(Record::Block, words, name);
        let (height, width) = (b("height_minus_1") + 1, b("width_minus_1") + 1);
        let depth = config.memories().accumulator;
        if !layer.sum && height * width > depth {
            return Err(Problem::Accumulators { height, width, depth });
        }
        for (field, value) in
            [("BLOCK.height_minus_1", height - 1), ("BLOCK.width_minus_1", width - 1)]
        {
            if layer.pool && value.is_multiple_of(2) {
                return Err(Problem::Value { field, value, why: "a pooled block has even sides" });
            }
        }
        Ok(Self {
            waits: Waits { late: b("wait_late") == 1, all: b("wait_all") == 1 },
            height,
            width,
            in_address: b("in_address"),
            out_address: b("out_address"),
            residual_address: b("residual_address"),
            y0: decode(Record::Block, words, "y0"),
            x0: decode(Record::Block, words, "x0"),
        })
    }
}
