//! Which rule of docs/isa.md a program breaks, and where.

use std::fmt;

/// The point of the program at which a rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Address of the instruction.
    pub instruction: usize,
    /// Index of the layer in progress.
    pub layer: usize,
    /// Channel group, within a `BLOCK`.
    pub group: Option<usize>,
    /// Address of the tile record, while streaming.
    pub tile: Option<usize>,
    /// Row and column of the pixel in the block.
    pub pixel: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}, layer {}", self.instruction, self.layer)?;
        if let Some(group) = self.group {
            write!(f, ", group {group}")?;
        }
        if let Some(tile) = self.tile {
            write!(f, ", tile {tile}")?;
        }
        match self.pixel {
            Some((y, x)) => write!(f, ", pixel ({y}, {x}) of the block"),
            None => Ok(()),
        }
    }
}

/// A program that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InterpreterError {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// A rule of docs/isa.md, broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such instruction.
    #[error("word {word:#010x} holds no opcode")]
    Opcode {
        /// Word 0 of the instruction.
        word: u32,
    },
    /// Bits that belong to no field are set.
    #[error("bits outside all fields are set")]
    UnusedBits,
    /// An instruction before the one that it needs.
    #[error("{instruction} without a {missing} before it")]
    Order {
        /// The instruction.
        instruction: &'static str,
        /// What should come first.
        missing: &'static str,
    },
    /// Layers are numbered in order.
    #[error("STREAM.layer is {found}, not {expected}")]
    LayerIndex {
        /// The field.
        found: usize,
        /// Layers completed.
        expected: usize,
    },
    /// Instructions that are never reached.
    #[error("{n} instructions after END")]
    AfterEnd {
        /// How many.
        n: usize,
    },
    /// The program runs off its memory.
    #[error("no END")]
    NoEnd,
    /// More or fewer `layer_end` than layers.
    #[error("the number of BLOCKs with layer_end is not that of the program's layers, {n}")]
    LayerCount {
        /// Layers in the manifest.
        n: usize,
    },
    /// `DRAIN.logits` and the manifest disagree.
    #[error("DRAIN.logits and the manifest's output disagree")]
    LogitsFlag,
    /// `END.logits_minus_1` does not fit the outputs.
    #[error("END sends {found} logits, the outputs have {expected}")]
    LogitCount {
        /// Logits sent.
        found: usize,
        /// Classes.
        expected: usize,
    },
    /// A logit that no layer wrote.
    #[error("logit {index} was never written")]
    LogitMissing {
        /// Its index.
        index: usize,
    },
    /// A value that the field's meaning excludes.
    #[error("{field} = {value} is not allowed: {why}")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The rule.
        why: &'static str,
    },
    /// An image of the wrong size.
    #[error("the image has {found} bytes, LOAD and the manifest say {load} and {manifest}")]
    ImageLength {
        /// Bytes given.
        found: usize,
        /// `LOAD.bytes_minus_1 + 1`.
        load: usize,
        /// `n_input_bytes`.
        manifest: usize,
    },
    /// An address beyond a memory.
    #[error("{memory}: address {address} is beyond its {depth} entries")]
    Address {
        /// The memory.
        memory: &'static str,
        /// The address.
        address: usize,
        /// Its depth, or rows of the ROM.
        depth: usize,
    },
    /// A needed byte that nothing has written.
    #[error("bank {bank}, word {word}, byte {byte} is read but was never written")]
    Unwritten {
        /// The bank.
        bank: usize,
        /// The word.
        word: usize,
        /// The byte.
        byte: usize,
    },
    /// A needed byte that one of the units just before may still have to write.
    #[error(
        "bank {bank}, word {word}, byte {byte} is read but the unit that writes it may not have done so: wait"
    )]
    NotYetWritten {
        /// The bank.
        bank: usize,
        /// The word.
        word: usize,
        /// The byte.
        byte: usize,
    },
    /// Two readers of one bank.
    #[error("bank {bank} is streamed while one of the two units before reads its residual there")]
    PortConflict {
        /// The bank.
        bank: usize,
    },
    /// A residual byte that a unit of the same layer has overwritten.
    #[error(
        "bank {bank}, word {word}, byte {byte} is read as residual after the same layer wrote it"
    )]
    ResidualOverwritten {
        /// The bank.
        bank: usize,
        /// The word.
        word: usize,
        /// The byte.
        byte: usize,
    },
    /// Bank 0 read when the loader may overwrite it.
    #[error("bank 0 is read after release_input")]
    Released,
    /// More pixels than accumulators.
    #[error("a block of {height}x{width} pixels needs more than {depth} accumulators")]
    Accumulators {
        /// Rows of the block.
        height: usize,
        /// Pixels of a block row.
        width: usize,
        /// Accumulators of a column.
        depth: usize,
    },
    /// A sum beyond 32 bits.
    #[error("accumulator {accumulator} of column {column} overflows")]
    Overflow {
        /// Which.
        accumulator: usize,
        /// Of which column.
        column: usize,
    },
    /// A byte of the output that this layer has not written.
    #[error(
        "output pixel ({y}, {x}), channel {channel} in bank {bank} was not written by its layer"
    )]
    OutputMissing {
        /// The bank.
        bank: usize,
        /// Row of the map.
        y: usize,
        /// Pixel of the row.
        x: usize,
        /// Channel.
        channel: usize,
    },
    /// Copies of the output that differ.
    #[error("output pixel ({y}, {x}), channel {channel} differs between the banks of the region")]
    CopiesDiffer {
        /// Row of the map.
        y: usize,
        /// Pixel of the row.
        x: usize,
        /// Channel.
        channel: usize,
    },
}
