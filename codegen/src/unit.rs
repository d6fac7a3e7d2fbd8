//! What a unit, one pixel block of one channel group, takes: its tiles stream while the unit before is drained.

use spec::ArrayConfig;

use crate::blocks::Block;
use crate::tiling::Tile;

/// Cycles of a drain beside its steps: from the address of the last accumulator to the last write, and to the next unit.
const DRAIN_LATENCY: u64 = 16;

/// One pixel block of one channel group.
pub(crate) struct Unit {
    pub(crate) n_tiles: u64,
    pub(crate) n_pixels: u64,
    pub(crate) n_drain_cycles: u64,
}

impl Unit {
    pub(crate) fn tile_cycles(&self, config: &ArrayConfig) -> u64 {
        self.n_tiles * self.n_pixels.max(config.tile_rows() as u64)
    }

    pub(crate) fn cycles(&self, config: &ArrayConfig) -> u64 {
        self.tile_cycles(config).max(self.n_drain_cycles)
    }
}

/// The units of a layer of so many output channels, tiles by group; if `sum`, a block adds into one accumulator.
pub(crate) fn units(
    blocks: &[Block],
    groups: &[Vec<Tile>],
    n_channels: usize,
    sum: bool,
    config: &ArrayConfig,
) -> Vec<Unit> {
    let n_full = config.group_steps();
    let last = groups.len().saturating_sub(1);
    let n_last = (n_channels - last * config.group_channels()).div_ceil(config.lanes());
    itertools::iproduct!(blocks, groups.iter().enumerate())
        .map(|(block, (index, tiles))| {
            let n_drained = if sum { 1 } else { block.n_pixels() };
            let n_steps = if index == last { n_last } else { n_full };
            Unit {
                n_tiles: tiles.len() as u64,
                n_pixels: block.n_pixels() as u64,
                n_drain_cycles: (n_drained * n_steps) as u64 + DRAIN_LATENCY,
            }
        })
        .collect()
}
