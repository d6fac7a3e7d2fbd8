//! Cycles that hardware, compiler and simulators agree on. ARCHITECTURE.md has the whole timing between the blocks.

use super::config::ArrayConfig;

impl ArrayConfig {
    /// Cycles between two pixels' visits to one accumulator: read, register, add, write.
    pub const ACCUMULATE_LATENCY: usize = 4;
    /// Cycles from a PE's activation input to its partial sum: activation, product and sum registers.
    pub const PE_LATENCY: usize = 3;
    /// Cycles of reset beyond one a row and one a column.
    pub const RESET_MARGIN: usize = 16;

    /// Cycles from the addressing of an accumulator to the cycle after its result is written, by which others know it.
    pub const WRITE_LATENCY: usize = 15;

    /// Cycles from the address of a unit's last input word to that of its first accumulator, at the drain.
    pub fn drain_latency(&self) -> usize {
        self.rows() + self.cols() + 5
    }

    /// Reads of a unit's accumulators that may be left, beyond one an accumulator, when a new unit starts in their bank.
    pub fn overlapping_reads(&self) -> usize {
        self.rows() + 5
    }

    /// Weight rows that a tile takes in the weight memory: `rows`, and no fewer than the accumulator's latency, so
    /// that two visits to one accumulator are always far enough apart.
    pub fn tile_rows(&self) -> usize {
        self.rows().max(Self::ACCUMULATE_LATENCY)
    }

    /// Cycles for which reset is held at least: the lines of control to, in and behind the array have no reset, they are
    /// flushed.
    pub fn reset_cycles(&self) -> usize {
        self.rows() + self.cols() + Self::RESET_MARGIN
    }
}
