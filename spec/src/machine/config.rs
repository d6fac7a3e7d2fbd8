//! Sizes of the array and of its memories, validated once so that no later step has to.

use serde::{Deserialize, Serialize};

/// Depths of the on-chip memories, in entries of each memory's own width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memories {
    /// Instructions of 128 bits.
    pub program: usize,
    /// Tile records of 64 bits.
    pub tile: usize,
    /// Weight rows of `cols` bytes; a tile takes [`ArrayConfig::tile_rows`] of them.
    pub weight: usize,
    /// Parameter rows: bias, multiplier, shift and residual multiplier of `lanes` channels.
    pub parameter: usize,
    /// Entries of the loader's lane table, 32 bits each.
    pub lane: usize,
    /// Bytes of the raw image buffer.
    pub image: usize,
    /// Words of activation bank 0, which only the loader writes.
    pub input: usize,
    /// Words of each of the activation banks 1, 2 and 3.
    pub activation: usize,
    /// Accumulators of a column in each of its two banks: the largest pixel block.
    pub accumulator: usize,
    /// Logits of the last layer.
    pub logit: usize,
}

impl Default for Memories {
    fn default() -> Self {
        Self {
            program: 2048,
            tile: 4096,
            weight: 32768,
            parameter: 1024,
            lane: 512,
            image: 16384,
            input: 2048,
            activation: 2048,
            accumulator: 256,
            logit: 1024,
        }
    }
}

/// A validated accelerator size: every number that hardware and compiler share derives from it.
///
/// A word holds `2 * rows` int8 channels, that is `rows` pairs. `lanes` channels are requantized and written a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawConfig")]
pub struct ArrayConfig {
    rows: usize,
    cols: usize,
    memories: Memories,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    rows: usize,
    cols: usize,
    #[serde(default)]
    memories: Memories,
}

impl TryFrom<RawConfig> for ArrayConfig {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        Self::new(raw.rows, raw.cols, raw.memories)
    }
}

/// A size that the accelerator cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The array has too few or too many rows or columns.
    #[error(
        "array: {name} = {value} is outside {min}..={max}; help: choose --{name} between {min} and {max}"
    )]
    Size {
        /// `rows` or `cols`.
        name: &'static str,
        /// What was asked for.
        value: usize,
        /// Smallest supported value.
        min: usize,
        /// Largest supported value.
        max: usize,
    },
    /// A memory is empty or deeper than its address field.
    #[error(
        "array: {name} memory of {depth} entries is outside 2..={max}; help: set a depth within these limits"
    )]
    Depth {
        /// Field of [`Memories`].
        name: &'static str,
        /// What was asked for.
        depth: usize,
        /// Largest depth that the ISA can address.
        max: usize,
    },
}

impl Default for ArrayConfig {
    /// The reference configuration: 8 rows by 16 columns.
    fn default() -> Self {
        Self { rows: 8, cols: 16, memories: Memories::default() }
    }
}

impl ArrayConfig {
    /// Fewest and most rows (reduction lanes).
    pub const ROWS: (usize, usize) = (2, 16);
    /// Fewest and most columns (output channels).
    pub const COLS: (usize, usize) = (2, 32);
    /// Cycles between two pixels' visits to one accumulator: read, register, add, write.
    pub const ACCUMULATE_LATENCY: usize = 4;
    /// Cycles from a PE's activation input to its partial sum: activation, product and sum registers.
    pub const PE_LATENCY: usize = 3;

    /// Checks the sizes.
    ///
    /// # Errors
    /// A dimension outside [`Self::ROWS`] or [`Self::COLS`], or a memory that the ISA cannot address.
    pub fn new(rows: usize, cols: usize, memories: Memories) -> Result<Self, ConfigError> {
        for (name, value, (min, max)) in [("rows", rows, Self::ROWS), ("cols", cols, Self::COLS)] {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::Size { name, value, min, max });
            }
        }
        for (name, depth, max) in memories.limits() {
            if !(2..=max).contains(&depth) {
                return Err(ConfigError::Depth { name, depth, max });
            }
        }
        Ok(Self { rows, cols, memories })
    }

    /// Reduction lanes.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Output channels computed at once.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Depths of the memories.
    pub fn memories(&self) -> &Memories {
        &self.memories
    }

    /// Processing elements: `rows * cols`.
    pub fn n_pes(&self) -> usize {
        self.rows * self.cols
    }

    /// Channels in an activation word: `2 * rows`.
    pub fn word_channels(&self) -> usize {
        2 * self.rows
    }

    /// Requantize lanes, channels drained a cycle: 4 where words and columns allow it, else 2.
    pub fn lanes(&self) -> usize {
        if self.rows.is_multiple_of(2) && self.cols >= 4 { 4 } else { 2 }
    }

    /// Output channels of a tile: `cols` rounded down to whole lanes, so that no drain step straddles two words.
    pub fn group_channels(&self) -> usize {
        self.cols / self.lanes() * self.lanes()
    }

    /// Drain steps of a full group: `group_channels / lanes`.
    pub fn group_steps(&self) -> usize {
        self.cols / self.lanes()
    }

    /// Parts of a word that one drain step writes: `word_channels / lanes`.
    pub fn granules(&self) -> usize {
        self.word_channels() / self.lanes()
    }

    /// Weight rows that a tile takes in the weight memory: `rows`, and no fewer than the accumulator's latency, so
    /// that two visits to one accumulator are always far enough apart.
    pub fn tile_rows(&self) -> usize {
        self.rows.max(Self::ACCUMULATE_LATENCY)
    }
}

impl Memories {
    /// Name, depth and largest addressable depth of every memory, in the order of the fields.
    pub fn limits(&self) -> [(&'static str, usize, usize); 10] {
        [
            ("program", self.program, 1 << 16),
            ("tile", self.tile, 1 << 16),
            ("weight", self.weight, 1 << 16),
            ("parameter", self.parameter, 1 << 16),
            ("lane", self.lane, 1 << 16),
            ("image", self.image, 1 << 16),
            ("input", self.input, 1 << 16),
            ("activation", self.activation, 1 << 16),
            ("accumulator", self.accumulator, 1 << 8),
            ("logit", self.logit, 1 << 16),
        ]
    }

    /// The largest addressable depth of the memory of this name, 0 if there is none.
    pub fn largest(name: &str) -> usize {
        let limits = Self::default().limits();
        limits.iter().find(|(memory, ..)| *memory == name).map_or(0, |(_, _, largest)| *largest)
    }

    /// The larger depth of each memory.
    pub fn max(&self, other: &Self) -> Self {
        Self {
            program: self.program.max(other.program),
            tile: self.tile.max(other.tile),
            weight: self.weight.max(other.weight),
            parameter: self.parameter.max(other.parameter),
            lane: self.lane.max(other.lane),
            image: self.image.max(other.image),
            input: self.input.max(other.input),
            activation: self.activation.max(other.activation),
            accumulator: self.accumulator.max(other.accumulator),
            logit: self.logit.max(other.logit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_sizes_never_straddle() {
        for rows in 2..=16 {
            for cols in 2..=32 {
                let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
                assert_eq!(config.word_channels() % config.lanes(), 0);
                assert_eq!(config.group_channels() % config.lanes(), 0);
                assert!(
                    config.group_channels() <= cols
                        && config.group_channels() + config.lanes() > cols
                );
                assert!(config.group_steps() <= 16 && config.granules() <= 16);
            }
        }
    }

    #[test]
    fn refuses_sizes_outside_the_limits() {
        assert!(ArrayConfig::new(1, 16, Memories::default()).is_err());
        assert!(ArrayConfig::new(8, 33, Memories::default()).is_err());
        assert!(
            ArrayConfig::new(8, 16, Memories { accumulator: 257, ..Memories::default() }).is_err()
        );
        assert!(serde_json::from_str::<ArrayConfig>(r#"{"rows":17,"cols":4}"#).is_err());
    }
}
