//! Where the cycles of a run went, as the hardware counts them.

/// The hardware's counters, of an image or of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All cycles: the sum of the seven fields that follow.
    pub n_cycles: u64,
    /// Cycles in which PEs did useful work, in whole arrays.
    pub useful: u64,
    /// Cycles lost to PEs that hold no kept weight, in whole arrays.
    pub idle_pes: u64,
    /// Cycles lost to fetching instructions.
    pub fetch: u64,
    /// Cycles lost to waiting for weights.
    pub weight_load: u64,
    /// Cycles lost to waiting for an earlier layer's output.
    pub dependency: u64,
    /// Cycles lost to waiting for a bank of accumulators.
    pub accumulator: u64,
    /// Cycles lost to the drain of an image's last unit.
    pub drain: u64,
    /// Multiplications by kept weights.
    pub n_useful_macs: u64,
}

impl Counters {
    /// From status registers 2 to 10.
    pub(crate) fn from_registers(registers: &[u32], n_pes: usize) -> Self {
        let at = |index: usize| u64::from(registers[index]);
        Self {
            n_cycles: at(2),
            useful: at(3),
            idle_pes: at(4),
            fetch: at(5),
            weight_load: at(6),
            dependency: at(7),
            accumulator: at(8),
            drain: at(9),
            n_useful_macs: (at(3) * n_pes as u64).saturating_sub(at(10)),
        }
    }

    /// The cycles of all causes.
    pub fn sum(&self) -> u64 {
        self.useful
            + self.idle_pes
            + self.fetch
            + self.weight_load
            + self.dependency
            + self.accumulator
            + self.drain
    }

    /// What came on top of `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            n_cycles: self.n_cycles.wrapping_sub(before.n_cycles),
            useful: self.useful.wrapping_sub(before.useful),
            idle_pes: self.idle_pes.wrapping_sub(before.idle_pes),
            fetch: self.fetch.wrapping_sub(before.fetch),
            weight_load: self.weight_load.wrapping_sub(before.weight_load),
            dependency: self.dependency.wrapping_sub(before.dependency),
            accumulator: self.accumulator.wrapping_sub(before.accumulator),
            drain: self.drain.wrapping_sub(before.drain),
            n_useful_macs: self.n_useful_macs.wrapping_sub(before.n_useful_macs),
        }
    }
}
