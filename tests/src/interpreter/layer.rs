//! The state that `STREAM`, `DRAIN` and `BLOCK` set, checked.

use spec::ArrayConfig;

use super::Problem;
use super::document::{Block, Drain, Stream};

/// What a residual is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residual {
    Nothing,
    BeforeScaling,
    AfterScaling,
}

/// `STREAM` and `DRAIN` of a layer.
pub(super) struct LayerState {
    pub(super) n_groups: usize,
    pub(super) logits: bool,
    pub(super) in_bank: usize,
    pub(super) stride_x: usize,
    pub(super) stride_y: usize,
    pub(super) sum: bool,
    pub(super) pixel_step: usize,
    pub(super) row_step: usize,
    pub(super) tile_base: usize,
    pub(super) weight_base: usize,
    pub(super) in_width: usize,
    pub(super) in_height: usize,
    pub(super) fill: i8,
    pub(super) out_banks: usize,
    pub(super) half_away: bool,
    pub(super) zero_point: i64,
    /// Smallest and largest result.
    pub(super) bounds: (i64, i64),
    pub(super) residual: Residual,
    pub(super) residual_zero_point: i64,
    pub(super) residual_bank: usize,
    pub(super) n_steps: usize,
    pub(super) n_last_steps: usize,
    pub(super) out_pixel_step: usize,
    pub(super) out_row_step: usize,
    pub(super) residual_pixel_step: usize,
    pub(super) residual_row_step: usize,
    pub(super) parameter_base: usize,
    pub(super) out_granule: usize,
}

impl LayerState {
    pub(super) fn new(
        config: &ArrayConfig,
        stream: &Stream,
        drain: &Drain,
    ) -> Result<Self, Problem> {
        let layer = Self {
            n_groups: stream.groups_minus_1 + 1,
            logits: drain.logits,
            in_bank: stream.in_bank,
            stride_x: stream.stride_x,
            stride_y: stream.stride_y,
            sum: stream.sum,
            pixel_step: stream.pixel_step,
            row_step: stream.row_step,
            tile_base: stream.tile_base,
            weight_base: stream.weight_base,
            in_width: stream.in_width,
            in_height: stream.in_height,
            fill: i8::try_from(stream.fill).expect("the field has 8 bits"),
            out_banks: drain.out_banks,
            half_away: drain.half_away,
            zero_point: drain.zero_point,
            bounds: if drain.wide {
                (drain.low * 256, drain.high * 256 + 255)
            } else {
                (drain.low, drain.high)
            },
            residual: match drain.residual {
                0 => Residual::Nothing,
                1 => Residual::BeforeScaling,
                2 => Residual::AfterScaling,
                value => {
                    let why = "it is 0, 1 or 2";
                    return Err(Problem::Value { field: "DRAIN.residual", value, why });
                }
            },
            residual_zero_point: drain.residual_zero_point,
            residual_bank: drain.residual_bank,
            n_steps: drain.steps_minus_1 + 1,
            n_last_steps: drain.last_steps_minus_1 + 1,
            out_pixel_step: drain.out_pixel_step,
            out_row_step: drain.out_row_step,
            residual_pixel_step: drain.residual_pixel_step,
            residual_row_step: drain.residual_row_step,
            parameter_base: drain.parameter_base,
            out_granule: drain.out_granule,
        };
        let steps = config.group_steps();
        let rules = [
            ("STREAM.stride_x", layer.stride_x, (1..=4).contains(&layer.stride_x), "1..4"),
            ("STREAM.stride_y", layer.stride_y, (1..=4).contains(&layer.stride_y), "1..4"),
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
                "DRAIN.wide",
                usize::from(drain.wide),
                drain.logits || !drain.wide,
                "a map holds int8",
            ),
            (
                "DRAIN.low",
                drain.low.rem_euclid(256) as usize,
                drain.low <= drain.high,
                "it is not above high",
            ),
            (
                "DRAIN.out_granule",
                layer.out_granule,
                layer.out_granule < config.granules(),
                "below N",
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

/// Which tiles of a block wait.
#[derive(Clone, Copy)]
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
    /// Rows and columns of the pooling window, and from one to the next.
    pub(super) window: (usize, usize),
    pub(super) pool_stride: (usize, usize),
}

impl BlockState {
    pub(super) fn new(
        config: &ArrayConfig,
        layer: &LayerState,
        block: &Block,
    ) -> Result<Self, Problem> {
        let (height, width) = (block.height_minus_1 + 1, block.width_minus_1 + 1);
        let depth = config.memories().accumulator;
        if !layer.sum && height * width > depth {
            return Err(Problem::Accumulators { height, width, depth });
        }
        let window = (block.window_height_minus_1 + 1, block.window_width_minus_1 + 1);
        let pool_stride = (block.pool_stride_y_minus_1 + 1, block.pool_stride_x_minus_1 + 1);
        let is_pooled = (window, pool_stride) != ((1, 1), (1, 1));
        let fits = |side: usize, window: usize, stride: usize| {
            window <= side && (side - window).is_multiple_of(stride)
        };
        let rules = [
            ("BLOCK.window_height_minus_1", window.0 - 1, window.0 <= 3, "0..2"),
            ("BLOCK.window_width_minus_1", window.1 - 1, window.1 <= 3, "0..2"),
            ("BLOCK.pool_stride_y_minus_1", pool_stride.0 - 1, pool_stride.0 <= 3, "0..2"),
            ("BLOCK.pool_stride_x_minus_1", pool_stride.1 - 1, pool_stride.1 <= 3, "0..2"),
            (
                "BLOCK.height_minus_1",
                height - 1,
                fits(height, window.0, pool_stride.0),
                "windows and strides fill a block",
            ),
            (
                "BLOCK.width_minus_1",
                width - 1,
                fits(width, window.1, pool_stride.1),
                "windows and strides fill a block",
            ),
            (
                "STREAM.sum",
                usize::from(layer.sum),
                !(layer.sum && is_pooled),
                "a single sum is not pooled",
            ),
        ];
        for (field, value, holds, why) in rules {
            if !holds {
                return Err(Problem::Value { field, value, why });
            }
        }
        Ok(Self {
            waits: Waits { late: block.wait_late, all: block.wait_all },
            height,
            width,
            in_address: block.in_address,
            out_address: block.out_address,
            residual_address: block.residual_address,
            y0: block.y0,
            x0: block.x0,
            window,
            pool_stride,
        })
    }
}
