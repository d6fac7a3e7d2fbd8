//! What a unit, one pixel block of one channel group, takes: its tiles stream while the unit before is drained.

use spec::ArrayConfig;

use crate::blocks::{Block, Pooling};
use crate::tiling::Tile;

/// Cycles from the last read of a unit to the first of the next but one, whose results wait for those of the first.
const WRITE_CYCLES: u64 = ArrayConfig::WRITE_LATENCY as u64 + 2;

/// One pixel block of one channel group.
pub(crate) struct Unit {
    pub(crate) n_tiles: u64,
    pub(crate) n_pixels: u64,
    /// Accumulators that are read.
    pub(crate) n_accumulators: u64,
    /// Reads of them, one a cycle.
    pub(crate) n_drain_cycles: u64,
    /// They are read by windows, so that their bank is free after the last read.
    pub(crate) windowed: bool,
}

impl Unit {
    pub(crate) fn tile_cycles(&self, config: &ArrayConfig) -> u64 {
        self.n_tiles * self.n_pixels.max(config.tile_rows() as u64)
    }

    /// Of a run of such units, from one to the next.
    pub(crate) fn cycles(&self, config: &ArrayConfig) -> u64 {
        self.tile_cycles(config).max(self.drain_cycles()).max(self.bank_cycles(config))
    }

    /// What the drain of such units takes, from one to the next: two at most are being written.
    pub(crate) fn drain_cycles(&self) -> u64 {
        self.n_drain_cycles.max((self.n_drain_cycles + WRITE_CYCLES).div_ceil(2))
    }

    /// What the two accumulator banks allow: each is held from the unit's first pixel until the next unit in it cannot
    /// overtake the drain.
    fn bank_cycles(&self, config: &ArrayConfig) -> u64 {
        let spare = self.n_accumulators + config.overlapping_reads() as u64;
        let held_reads = match self.windowed {
            true => self.n_drain_cycles,
            false => self.n_drain_cycles.saturating_sub(spare).max(2),
        };
        (self.tile_cycles(config) + config.drain_latency() as u64 + held_reads).div_ceil(2)
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
            let n_reads = if sum { 1 } else { block.n_reads() };
            let n_steps = if index == last { n_last } else { n_full };
            Unit {
                n_tiles: tiles.len() as u64,
                n_pixels: block.n_pixels() as u64,
                n_accumulators: n_drained as u64,
                n_drain_cycles: (n_reads * n_steps) as u64,
                windowed: block.pooling != Pooling::NONE,
            }
        })
        .collect()
}
