//! What compiling finds: memories needed, problems, notes.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use spec::{ArrayConfig, Memory, NetworkError};

use crate::features::Feature;

/// What brings weights that not even the largest memory holds down to it, beside a smaller network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cures {
    /// Half-pruned weights whose masks are shared by so many output channels, on this array; `None` if that is too little.
    pub pruning: Option<usize>,
    /// The largest array.
    pub array: bool,
    /// Half-pruned weights on the largest array.
    pub both: bool,
}

impl fmt::Display for Cures {
    /// What follows a first advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, cols) = (ArrayConfig::ROWS.1, ArrayConfig::COLS.1);
        let pruned = |group| format!("half-pruned weights (uhp-shared with group = {group})");
        let array = format!("a larger array, of up to {rows} rows and {cols} columns");
        match (self.pruning, self.array) {
            (Some(group), true) => write!(f, ", {}, or {array}", pruned(group)),
            (Some(group), false) => write!(f, ", or {}", pruned(group)),
            (None, true) => write!(f, ", or {array}"),
            (None, false) if self.both => {
                write!(
                    f,
                    ", or {} and an array of {rows} rows and {cols} columns together",
                    pruned(cols)
                )
            }
            (None, false) => Ok(()),
        }
    }
}

/// Something that keeps a network from running on an array.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The network itself is wrong.
    #[error("{0}")]
    Network(NetworkError),
    /// A memory that is too small.
    #[error(
        "{memory} memory: {needed} {unit} are needed, {limit}; help: {help}",
        limit = limit("it has", *needed, *available, *largest),
        help = memory_help(*memory, *needed <= *largest, *fit_helps, *cures)
    )]
    Memory {
        /// Which one.
        memory: Memory,
        /// What one entry is.
        unit: &'static str,
        /// Entries needed.
        needed: usize,
        /// Entries that there are.
        available: usize,
        /// Entries that the instruction set can address.
        largest: usize,
        /// Whether memories of other depths cure this and all other problems.
        fit_helps: bool,
        /// What makes the weights fit that no memory holds; `None` of a memory that can be large enough.
        cures: Option<Cures>,
    },
    /// Activation banks that are too small for the maps alive at a time.
    #[error(
        "layer {layer:?}: activation memory: {n_maps} map(s) of {n_words} words of {word_channels} channels in all are alive, \
         which takes {needed}, {limit}; help: {help}",
        needed = banks(needed),
        limit = if is_addressed(needed, *largest) {
            format!("there are {}", banks(available))
        } else {
            format!("at most {largest} can be addressed")
        },
        help = memory_help(Memory::Bank1, is_addressed(needed, *largest), *fit_helps, None)
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
        /// Words of banks 1, 2 and 3 with which the whole network fits.
        needed: [usize; 3],
        /// Words that they have.
        available: [usize; 3],
        /// Words of a bank that the instruction set can address.
        largest: usize,
        /// Whether memories of other depths cure this and all other problems.
        fit_helps: bool,
    },
    /// A pooled pixel does not fit the accumulators.
    #[error(
        "layer {layer:?}: max_pool needs {needed} accumulators a column, there are {accumulators}; help: give \
         memories.accumulator {needed} or more"
    )]
    PoolAccumulators {
        /// The layer.
        layer: String,
        /// Pixels of a window.
        needed: usize,
        /// Accumulators of a column.
        accumulators: usize,
    },
    /// A mean over more pixels than a multiplier of 24 bits divides by exactly.
    #[error(
        "layer {layer:?}: a mean over {n_pixels} pixels, at most {most} are divided by exactly; help: pool smaller maps, or take \
         global_average_pool, whose multiplier is the network's own"
    )]
    MeanPixels {
        /// The layer.
        layer: String,
        /// Pixels of a window.
        n_pixels: usize,
        /// Most of them.
        most: usize,
    },
    /// What network format 2 says and the compiler does not lower yet.
    #[error(
        "{place}: {feature} is not compiled yet; help: the reference runs it; leave it out to run on the accelerator, or use \
         a newer version"
    )]
    NotLowered {
        /// The first that uses it: `input`, `network` or the layer.
        place: String,
        /// What it is.
        feature: Feature,
    },
    /// More layers than can be numbered.
    #[error(
        "network: {n_layers} layers, copies of maps included, at most {most} can be numbered; help: use fewer layers"
    )]
    TooManyLayers {
        /// Layers of the program.
        n_layers: usize,
        /// Largest number.
        most: usize,
    },
    /// A quantity that the instruction set has no room for.
    #[error("{place}: {value} {quantity}, at most {most} can be encoded; help: {help}")]
    TooLarge {
        /// The layer, or the input.
        place: String,
        /// What it is, in the plural.
        quantity: &'static str,
        /// Its value.
        value: i64,
        /// Its largest value.
        most: i64,
        /// What to do.
        help: &'static str,
    },
}

impl Problem {
    /// Whether memories of other depths cure it.
    pub fn is_curable(&self) -> bool {
        match self {
            Self::Memory { needed, largest, .. } => needed <= largest,
            Self::Activation { needed, largest, .. } => is_addressed(needed, *largest),
            _ => false,
        }
    }

    /// Sends nobody to `--fit` because of one problem that has another which it does not cure.
    pub(crate) fn set_fit_helps(&mut self, helps: bool) {
        if let Self::Memory { fit_helps, .. } | Self::Activation { fit_helps, .. } = self {
            *fit_helps = helps;
        }
    }
}

fn is_addressed(banks: &[usize; 3], largest: usize) -> bool {
    banks.iter().all(|depth| *depth <= largest)
}

/// Banks 1 to 3 of so many words.
fn banks([bank1, bank2, bank3]: &[usize; 3]) -> String {
    if bank1 == bank2 && bank2 == bank3 {
        format!("banks of {bank1} words")
    } else {
        format!("banks of {bank1}, {bank2} and {bank3} words")
    }
}

/// The limit that counts: the depth, or where no depth helps that of the instruction set.
fn limit(has: &str, needed: usize, available: usize, largest: usize) -> String {
    if needed <= largest {
        format!("{has} {available}")
    } else {
        format!("at most {largest} can be addressed")
    }
}

fn memory_help(
    memory: Memory,
    is_curable: bool,
    fit_helps: bool,
    cures: Option<Cures>,
) -> Cow<'static, str> {
    if is_curable {
        return Cow::Borrowed(match (fit_helps, memory) {
            (true, Memory::Bank1) => {
                "size the memories with --fit, where the device has room, or use fewer channels or smaller maps"
            }
            (true, _) => {
                "size the memories with --fit, where the device has room, or make the network smaller"
            }
            (false, _) => "make the network smaller; --fit cures this, but not the other problems",
        });
    }
    if let (Memory::Weight | Memory::Tile, Some(cures)) = (memory, cures) {
        return Cow::Owned(format!(
            "--fit does not cure this; use fewer channels or layers{cures}"
        ));
    }
    Cow::Borrowed(match memory {
        Memory::Program => "--fit does not cure this; use fewer layers or smaller maps",
        Memory::Parameter => {
            "--fit does not cure this; use fewer output channels or classes, or an array of more lanes"
        }
        Memory::Lane => {
            "--fit does not cure this; use fewer input channels or a smaller space-to-depth block"
        }
        Memory::Image => {
            "--fit does not cure this; use smaller images, cropped or reduced before they come here"
        }
        Memory::Input => {
            "--fit does not cure this; use smaller images or a larger space-to-depth block, or more rows, which make \
             words wider"
        }
        Memory::Bank1 | Memory::Bank2 | Memory::Bank3 => {
            "--fit does not cure this; use a larger stride or a max-pool earlier, fewer channels, or more rows, which \
             make words wider"
        }
        Memory::Weight | Memory::Tile | Memory::Accumulator | Memory::Logit => {
            "--fit does not cure this; use fewer classes or smaller outputs"
        }
    })
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
    /// The memory.
    pub memory: Memory,
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
