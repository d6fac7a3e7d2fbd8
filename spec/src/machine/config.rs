//! Sizes of the array and of its memories, validated once so that no later step has to.

use serde::{Deserialize, Serialize};

use super::isa::{INSTRUCTION_WORDS, LANE_WORDS, TILE_WORDS};
use super::memories::{Memories, Memory};
use super::parameter::Parameter;

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
        for memory in Memory::ALL {
            let (depth, max) = (memory.depth(&memories), memory.largest());
            if !(2..=max).contains(&depth) {
                return Err(ConfigError::Depth { name: memory.key(), depth, max });
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
}

impl Memory {
    /// Bits of an entry.
    pub fn bits(self, config: &ArrayConfig) -> usize {
        match self {
            Self::Program => 32 * INSTRUCTION_WORDS,
            Self::Tile => 32 * TILE_WORDS,
            Self::Weight => 8 * config.cols(),
            Self::Parameter => Parameter::BITS * config.lanes(),
            Self::Lane => 32 * LANE_WORDS,
            Self::Image => 8,
            Self::Input | Self::Activation => 8 * config.word_channels(),
            Self::Accumulator => 32,
            Self::Logit => 16,
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
