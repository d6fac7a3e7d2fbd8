//! Where the cycles of a run went, as the hardware counts them.

use serde::{Deserialize, Serialize};
use spec::status;

/// The hardware's counters, of an image or of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All cycles: the useful and the lost ones.
    pub n_cycles: u64,
    /// Cycles in which PEs did useful work, in whole arrays.
    pub useful: u64,
    /// The others.
    pub lost: LostCycles,
    /// Multiplications by kept weights.
    pub n_useful_macs: u64,
}

/// Cycles without useful work, by cause; see ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostCycles {
    /// PEs without a kept weight, in whole arrays.
    pub idle_pes: u64,
    /// Fetching instructions.
    pub fetch: u64,
    /// Waiting for weights.
    pub weight_load: u64,
    /// Waiting for an earlier layer's output.
    pub dependency: u64,
    /// Waiting for a bank of accumulators.
    pub accumulator: u64,
    /// Draining an image's last unit.
    pub drain: u64,
}

impl Counters {
    /// From the status registers.
    pub(crate) fn from_registers(registers: &[u32], n_pes: usize) -> Self {
        let at = |index: usize| u64::from(registers[index]);
        let [idle_pes, fetch, weight_load, dependency, accumulator, drain] = status::LOST.map(at);
        Self {
            n_cycles: at(status::CYCLES),
            useful: at(status::USEFUL),
            lost: LostCycles { idle_pes, fetch, weight_load, dependency, accumulator, drain },
            n_useful_macs: (at(status::USEFUL) * n_pes as u64)
                .saturating_sub(at(status::IDLE_REMAINDER)),
        }
    }

    /// The cycles of all causes.
    pub fn sum(&self) -> u64 {
        self.useful + self.lost.by_cause().iter().map(|(_, n_cycles)| n_cycles).sum::<u64>()
    }

    /// What came on top of `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let (lost, earlier) = (&self.lost, &before.lost);
        Self {
            n_cycles: self.n_cycles.wrapping_sub(before.n_cycles),
            useful: self.useful.wrapping_sub(before.useful),
            lost: LostCycles {
                idle_pes: lost.idle_pes.wrapping_sub(earlier.idle_pes),
                fetch: lost.fetch.wrapping_sub(earlier.fetch),
                weight_load: lost.weight_load.wrapping_sub(earlier.weight_load),
                dependency: lost.dependency.wrapping_sub(earlier.dependency),
                accumulator: lost.accumulator.wrapping_sub(earlier.accumulator),
                drain: lost.drain.wrapping_sub(earlier.drain),
            },
            n_useful_macs: self.n_useful_macs.wrapping_sub(before.n_useful_macs),
        }
    }
}

impl LostCycles {
    /// Cause and cycles, in a fixed order.
    pub fn by_cause(&self) -> [(&'static str, u64); 6] {
        let Self { idle_pes, fetch, weight_load, dependency, accumulator, drain } = *self;
        let n_cycles = [idle_pes, fetch, weight_load, dependency, accumulator, drain];
        std::array::from_fn(|cause| (status::LOST_CAUSES[cause], n_cycles[cause]))
    }
}
