//! Where the cycles of a layer go, and which of the losses binds it.

use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

/// What keeps a layer from the full rate of the array: where it loses most cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Nothing: nearly every PE multiplies a kept weight in nearly every cycle, or the layer has none to multiply.
    Array,
    /// Channels that do not fill words and columns, or reach few columns: those of depthwise and grouped layers.
    Channels,
    /// Loading the weights of the next tile, because a block has fewer pixels than a tile has weight rows.
    WeightLoad,
    /// Requantizing and writing the sums, `lanes` channels of a pixel a cycle.
    Drain,
    /// The two accumulator banks: units of few tiles and pixels follow each other faster than their banks are free again.
    Banks,
    /// Waiting for what the layer before has not written yet, or for the accumulators in which it still lies.
    Dependency,
}

impl Bound {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Channels => "channels",
            Self::WeightLoad => "weight load",
            Self::Drain => "drain",
            Self::Banks => "accumulator banks",
            Self::Dependency => "the layer before",
        }
    }
}

/// Cycles of a layer by what they are spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Of useful work of all PEs together.
    pub n_useful_cycles: u64,
    /// Of PEs without a kept weight, in whole arrays, while pixels stream.
    pub n_channel_cycles: u64,
    /// In which no pixel streams, because weights are being loaded.
    pub n_weight_load_cycles: u64,
    /// By which the drain takes longer than the tiles.
    pub n_drain_cycles: u64,
    /// By which the accumulator banks take longer than tiles and drain.
    pub n_bank_cycles: u64,
    /// Of waiting for the layers before; 0 where that is not known.
    pub n_wait_cycles: u64,
}

impl Losses {
    /// A share of useful cycles that counts as all.
    pub(super) const FULL: f64 = 0.97;

    /// All cycles.
    pub fn n_cycles(&self) -> u64 {
        self.n_useful_cycles + self.by_bound().iter().map(|(_, n_cycles)| n_cycles).sum::<u64>()
    }

    /// The useful part of all cycles.
    pub fn useful_share(&self) -> f64 {
        self.n_useful_cycles as f64 / self.n_cycles().max(1) as f64
    }

    /// The largest loss, of equal ones the first; [`Bound::Array`] where there is hardly any.
    pub fn bound(&self) -> Bound {
        if self.useful_share() >= Self::FULL {
            return Bound::Array;
        }
        let losses = self.by_bound().into_iter().rev();
        losses.max_by_key(|(_, n_cycles)| *n_cycles).map_or(Bound::Array, |(bound, _)| bound)
    }

    fn by_bound(&self) -> [(Bound, u64); 5] {
        [
            (Bound::Channels, self.n_channel_cycles),
            (Bound::WeightLoad, self.n_weight_load_cycles),
            (Bound::Drain, self.n_drain_cycles),
            (Bound::Banks, self.n_bank_cycles),
            (Bound::Dependency, self.n_wait_cycles),
        ]
    }
}

impl Add for Losses {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            n_useful_cycles: self.n_useful_cycles + other.n_useful_cycles,
            n_channel_cycles: self.n_channel_cycles + other.n_channel_cycles,
            n_weight_load_cycles: self.n_weight_load_cycles + other.n_weight_load_cycles,
            n_drain_cycles: self.n_drain_cycles + other.n_drain_cycles,
            n_bank_cycles: self.n_bank_cycles + other.n_bank_cycles,
            n_wait_cycles: self.n_wait_cycles + other.n_wait_cycles,
        }
    }
}

impl Sum for Losses {
    fn sum<I: Iterator<Item = Self>>(losses: I) -> Self {
        losses.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_loss_binds_unless_there_is_hardly_any() {
        let losses = Losses { n_useful_cycles: 970, n_wait_cycles: 30, ..Losses::default() };
        assert_eq!((losses.bound(), losses.n_cycles()), (Bound::Array, 1000));
        let losses =
            Losses { n_useful_cycles: 900, n_wait_cycles: 60, n_bank_cycles: 40, ..losses };
        assert_eq!(losses.bound(), Bound::Dependency);
        let losses = Losses { n_channel_cycles: 60, ..losses };
        assert_eq!(losses.bound(), Bound::Channels);
        assert_eq!([losses, losses].into_iter().sum::<Losses>().n_channel_cycles, 120);
    }
}
