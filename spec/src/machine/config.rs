//! Sizes of the array and of its memories, validated once so that no later step has to.

use serde::{Deserialize, Serialize};

use super::isa::{INSTRUCTION_WORDS, LANE_WORDS, TILE_WORDS};
use super::memories::{Memories, Memory};
use super::parameter::Parameter;

/// A validated accelerator size: every number that hardware and compiler share derives from it.
///
/// A word holds `2 * rows` int8 channels, that is `rows` pairs. `lanes` channels are requantized and written a cycle,
/// `port_bytes` bytes of an image are received. Each *section* of `mask_columns` columns takes a channel of each pair of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawConfig", into = "RawConfig")]
pub struct ArrayConfig {
    rows: usize,
    cols: usize,
    lanes: usize,
    port_bytes: usize,
    mask_columns: usize,
    memories: Memories,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    rows: usize,
    cols: usize,
    lanes: Option<usize>,
    #[serde(default = "default_port_bytes")]
    port_bytes: usize,
    /// All where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    mask_columns: Option<usize>,
    #[serde(default)]
    memories: Memories,
}

fn default_port_bytes() -> usize {
    ArrayConfig::DEFAULT_PORT_BYTES
}

impl TryFrom<RawConfig> for ArrayConfig {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        let config = Self::new(raw.rows, raw.cols, raw.memories)?;
        let mut config = config.with_port_bytes(raw.port_bytes)?;
        if let Some(lanes) = raw.lanes {
            config = config.with_lanes(lanes)?;
        }
        config.with_mask_columns(raw.mask_columns.unwrap_or(raw.cols))
    }
}

impl From<ArrayConfig> for RawConfig {
    fn from(config: ArrayConfig) -> Self {
        let mask_columns = (config.n_sections() > 1).then_some(config.mask_columns);
        let ArrayConfig { rows, cols, lanes, port_bytes, memories, .. } = config;
        Self { rows, cols, lanes: Some(lanes), port_bytes, mask_columns, memories }
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
    /// Drain steps of so many lanes would straddle words, or be wider than the array.
    #[error(
        "array: lanes = {lanes} are odd, do not divide a word of {word_channels} channels (2 a row) or are more than {cols} \
         columns; help: choose --lanes among {}",
        .possible.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
    )]
    Lanes {
        /// What was asked for.
        lanes: usize,
        /// Channels of a word.
        word_channels: usize,
        /// Columns of the array.
        cols: usize,
        /// Lanes that the array can have.
        possible: Vec<usize>,
    },
    /// The input port has a width that it cannot have.
    #[error(
        "array: port_bytes = {value}; help: an input port takes {} bytes a cycle",
        ArrayConfig::PORT_BYTES.map(|bytes| bytes.to_string()).join(", ")
    )]
    PortBytes {
        /// What was asked for.
        value: usize,
    },
    /// No column, or more than there are, would share a mask.
    #[error(
        "array: mask_columns = {mask_columns} is outside 1..={cols}, the columns of the array; help: choose --mask-columns \
         between 1 (each column for itself) and {cols} (one mask for all)"
    )]
    MaskColumns {
        /// What was asked for.
        mask_columns: usize,
        /// Columns of the array.
        cols: usize,
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
        Self::new(8, 16, Memories::default()).expect("the reference sizes are possible")
    }
}

impl ArrayConfig {
    /// Fewest and most rows (reduction lanes).
    pub const ROWS: (usize, usize) = (2, 16);
    /// Fewest and most columns (output channels).
    pub const COLS: (usize, usize) = (2, 32);
    /// Fewest and most lanes (output channels requantized at once).
    pub const LANES: (usize, usize) = (2, 32);
    /// Bytes that the input port may take a cycle.
    pub const PORT_BYTES: [usize; 5] = [1, 2, 4, 8, 16];
    /// Bytes that it takes where nothing else is said.
    pub const DEFAULT_PORT_BYTES: usize = 4;

    /// Checks the sizes. Lanes are 4 where words and columns allow it, else 2; see [`Self::with_lanes`].
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
        let lanes = if rows.is_multiple_of(2) && cols >= 4 { 4 } else { 2 };
        let port_bytes = Self::DEFAULT_PORT_BYTES;
        Ok(Self { rows, cols, lanes, port_bytes, mask_columns: cols, memories })
    }

    /// The same array with so many lanes.
    ///
    /// # Errors
    /// Lanes that are not among [`Self::possible_lanes`].
    pub fn with_lanes(self, lanes: usize) -> Result<Self, ConfigError> {
        let possible: Vec<usize> = self.possible_lanes().collect();
        if possible.contains(&lanes) {
            return Ok(Self { lanes, ..self });
        }
        let (word_channels, cols) = (self.word_channels(), self.cols);
        Err(ConfigError::Lanes { lanes, word_channels, cols, possible })
    }

    /// The same array with other memories.
    ///
    /// # Errors
    /// A memory that the ISA cannot address.
    pub fn with_memories(self, memories: Memories) -> Result<Self, ConfigError> {
        let Self { memories, .. } = Self::new(self.rows, self.cols, memories)?;
        Ok(Self { memories, ..self })
    }

    /// Lanes that an array of these rows and columns can have: pairs of channels that divide a word, with a column for each. Groups
    /// of output channels begin at a pair, as the diagonal of a tile does.
    pub fn possible_lanes(&self) -> impl Iterator<Item = usize> {
        let (word, cols) = (self.word_channels(), self.cols);
        let (least, most) = Self::LANES;
        (least..=most.min(cols))
            .filter(move |lanes| lanes.is_multiple_of(2) && word.is_multiple_of(*lanes))
    }

    /// The same array with another input port.
    ///
    /// # Errors
    /// A width that is none of [`Self::PORT_BYTES`].
    pub fn with_port_bytes(self, port_bytes: usize) -> Result<Self, ConfigError> {
        if !Self::PORT_BYTES.contains(&port_bytes) {
            return Err(ConfigError::PortBytes { value: port_bytes });
        }
        Ok(Self { port_bytes, ..self })
    }

    /// The same array with another mask for each so many columns.
    ///
    /// # Errors
    /// None, or more columns than there are.
    pub fn with_mask_columns(self, mask_columns: usize) -> Result<Self, ConfigError> {
        let cols = self.cols;
        if !(1..=cols).contains(&mask_columns) {
            return Err(ConfigError::MaskColumns { mask_columns, cols });
        }
        Ok(Self { mask_columns, ..self })
    }

    /// Reduction lanes.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Output channels computed at once.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes that the input port takes a cycle, and that the loader packs.
    pub fn port_bytes(&self) -> usize {
        self.port_bytes
    }

    /// Columns that take the same channel of each pair: a section, from column 0 on; the last may be narrower.
    pub fn mask_columns(&self) -> usize {
        self.mask_columns
    }

    /// Sections of columns, `ceil(cols / mask_columns)`. With more than one both channels of a pair travel along the rows, and
    /// a weight row has a crossing for each section but the first.
    pub fn n_sections(&self) -> usize {
        self.cols.div_ceil(self.mask_columns)
    }

    /// Crossings of a weight row: sections that may take the other channel of a pair than the section before.
    pub fn n_crossings(&self) -> usize {
        self.n_sections() - 1
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

    /// Requantize lanes: channels of a pixel that are drained a cycle.
    pub fn lanes(&self) -> usize {
        self.lanes
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
            Self::Weight => 8 * (config.cols() + config.n_crossings().div_ceil(8)),
            Self::Parameter => Parameter::BITS * config.lanes(),
            Self::Lane => 32 * LANE_WORDS,
            Self::Image => 8,
            Self::Input | Self::Bank1 | Self::Bank2 | Self::Bank3 => 8 * config.word_channels(),
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
        for (rows, cols) in (2..=16).flat_map(|rows| (2..=32).map(move |cols| (rows, cols))) {
            let default = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
            let possible: Vec<usize> = default.possible_lanes().collect();
            assert!(possible.contains(&2) && possible.contains(&default.lanes()));
            for lanes in possible {
                let config = default.clone().with_lanes(lanes).unwrap();
                assert_eq!(config.word_channels() % lanes, 0);
                assert_eq!(config.group_channels() % lanes, 0);
                assert!((cols - lanes + 1..=cols).contains(&config.group_channels()));
                assert!(config.group_steps() <= 16 && config.granules() <= 16);
            }
        }
    }

    #[test]
    fn lanes_are_said_or_follow_from_the_sizes() {
        let read = |text: &str| serde_json::from_str::<ArrayConfig>(text);
        assert_eq!(read(r#"{"rows":8,"cols":16}"#).unwrap().lanes(), 4);
        let config = read(r#"{"rows":8,"cols":16,"lanes":16}"#).unwrap();
        assert_eq!(config.lanes(), 16);
        assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        let error = ArrayConfig::default().with_lanes(5).unwrap_err().to_string();
        assert!(error.ends_with("help: choose --lanes among 2, 4, 8, 16"), "{error}");
        assert!(read(r#"{"rows":16,"cols":16,"lanes":32}"#).is_err());
    }

    #[test]
    fn sections_of_columns_are_said_or_one() {
        let read = |text: &str| serde_json::from_str::<ArrayConfig>(text);
        let one = ArrayConfig::default();
        assert_eq!((one.mask_columns(), one.n_sections(), one.n_crossings()), (16, 1, 0));
        assert_eq!(Memory::Weight.bits(&one), 128);
        assert!(!serde_json::to_string(&one).unwrap().contains("mask_columns"));
        let six = read(r#"{"rows":8,"cols":16,"lanes":16,"mask_columns":3}"#).unwrap();
        assert_eq!((six.lanes(), six.n_sections(), six.n_crossings()), (16, 6, 5));
        assert_eq!(Memory::Weight.bits(&six), 136);
        assert_eq!(read(&serde_json::to_string(&six).unwrap()).unwrap(), six);
        assert_eq!(six.clone().with_memories(Memories::default()).unwrap(), six);
        let free = one.with_mask_columns(1).unwrap();
        assert_eq!((free.n_crossings(), Memory::Weight.bits(&free)), (15, 144));
        for mask_columns in [0, 17] {
            let error = free.clone().with_mask_columns(mask_columns).unwrap_err().to_string();
            assert!(error.contains("between 1") && error.contains("16 (one"), "{error}");
        }
        assert!(read(r#"{"rows":8,"cols":16,"mask_columns":17}"#).is_err());
    }

    #[test]
    fn refuses_sizes_outside_the_limits() {
        assert!(ArrayConfig::new(1, 16, Memories::default()).is_err());
        assert!(ArrayConfig::new(8, 33, Memories::default()).is_err());
        assert!(
            ArrayConfig::new(8, 16, Memories { accumulator: 257, ..Memories::default() }).is_err()
        );
        assert!(serde_json::from_str::<ArrayConfig>(r#"{"rows":17,"cols":4}"#).is_err());
        assert!(
            serde_json::from_str::<ArrayConfig>(r#"{"rows":8,"cols":4,"port_bytes":3}"#).is_err()
        );
    }

    #[test]
    fn the_input_port_has_a_default_and_keeps_its_width() {
        let config: ArrayConfig = serde_json::from_str(r#"{"rows":8,"cols":16}"#).unwrap();
        assert_eq!(config, ArrayConfig::default());
        let wide = config.with_port_bytes(16).unwrap();
        let json = serde_json::to_string(&wide).unwrap();
        assert_eq!(serde_json::from_str::<ArrayConfig>(&json).unwrap().port_bytes(), 16);
        let memories = Memories { image: 99, ..Memories::default() };
        assert_eq!(wide.with_memories(memories).unwrap().port_bytes(), 16);
        let error = ArrayConfig::default().with_port_bytes(12).unwrap_err().to_string();
        assert!(error.contains("port_bytes = 12") && error.contains("1, 2, 4, 8, 16"), "{error}");
    }
}
