//! What compiling finds: memories needed, problems, notes.

use std::fmt;

use serde::Serialize;
use spec::NetworkError;
use spec::isa::FieldError;

/// Something that keeps a network from running on an array.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The network itself is wrong.
    #[error("{0}")]
    Network(NetworkError),
    /// A memory that is too small.
    #[error(
        "{memory} memory: {needed} {unit} are needed, it has {available}; help: size the memories \
         with --fit, where the device has room, or make the network smaller"
    )]
    Memory {
        /// Field of [`spec::Memories`].
        memory: &'static str,
        /// What one entry is.
        unit: &'static str,
        /// Entries needed.
        needed: usize,
        /// Entries that there are.
        available: usize,
    },
    /// Activation banks that are too small for the maps alive at a time.
    #[error(
        "layer {layer:?}: activation memory: {n_maps} map(s) of {n_words} words of {word_channels} channels in all are alive, \
         which takes banks of {needed} words, banks have {available}; help: size the \
         memories with --fit, where the device has room, or use fewer channels or smaller maps"
    )]
    Activation {
        /// The first layer whose output finds no room.
        layer: String,
        /// Maps alive at this layer, its output included.
        n_maps: usize,
        /// Words of these maps.
        n_words: usize,
        /// Channels of a word.
        word_channels: usize,
        /// Words of a bank with which the whole network fits.
        needed: usize,
        /// Words of a bank.
        available: usize,
    },
    /// A pooled pixel does not fit the accumulators.
    #[error(
        "layer {layer:?}: max_pool needs 4 accumulators a column, there are {accumulators}; help: give \
         memories.accumulator 4 or more"
    )]
    PoolAccumulators {
        /// The layer.
        layer: String,
        /// Accumulators of a column.
        accumulators: usize,
    },
    /// A value that the ISA has no room for.
    #[error("layer {layer:?}: {error}")]
    Field {
        /// The layer.
        layer: String,
        /// The value.
        error: FieldError,
    },
}

/// All problems of a network, never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileErrors {
    /// In the order input, memories, layers.
    pub problems: Vec<Problem>,
}

impl std::error::Error for CompileErrors {}

impl fmt::Display for CompileErrors {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// How much of a memory a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Field of [`spec::Memories`].
    pub memory: &'static str,
    /// What one entry is.
    pub unit: &'static str,
    /// Entries needed.
    pub needed: usize,
    /// Entries that there are.
    pub available: usize,
}

/// Everything that [`crate::check`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One entry a memory, in the order of [`spec::Memories`]; empty if the network itself is wrong.
    pub requirements: Vec<Requirement>,
    /// What keeps the network from running; empty if it runs.
    pub problems: Vec<Problem>,
    /// What costs cycles but does not keep it from running.
    pub notes: Vec<String>,
}
