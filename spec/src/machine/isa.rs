//! The instruction set: instructions, tile records and lane records, and where their fields lie in ROM words.
//!
//! One table, in `records`, makes a struct of each record with its encoder and decoder. The hardware's wiring and the
//! documentation test read the same table, as [`Table`] and, field by field, as the `LAYOUT` of a record. Values are
//! stored modulo `2^width`; a negative number is its two's complement. Fields that overlap, straddle a word or do not
//! fit their type do not compile.
//!
//! ```
//! use twofold_spec::isa::{End, Instruction};
//!
//! let words = End { logits_minus_1: 9 }.encode()?;
//! assert_eq!(words, [End::OPCODE | 9 << 8, 0, 0, 0, 0]);
//! let instruction = Instruction::decode(&words).expect("its opcode is known");
//! assert_eq!(instruction.to_string(), "END    logits_minus_1=9");
//! # Ok::<(), twofold_spec::isa::FieldError>(())
//! ```

use std::fmt;

mod field;
mod records;

pub use field::{Field, FieldError, Table};
pub use records::{
    Block, BlockLayout, Drain, DrainLayout, End, EndLayout, Lane, LaneLayout, Load, LoadLayout,
    Stream, StreamLayout, Tile, TileLayout,
};

/// Words of 32 bits in an instruction.
pub const INSTRUCTION_WORDS: usize = 5;
/// Words of 32 bits in a tile record.
pub const TILE_WORDS: usize = 2;
/// Words of 32 bits in a lane record.
pub const LANE_WORDS: usize = 2;

/// Where the opcode of every instruction lies.
pub const OPCODE: Field = Field {
    record: "instruction",
    name: "opcode",
    word: 0,
    lsb: 0,
    width: 4,
    signed: false,
    meaning: "which instruction it is",
};

/// `DRAIN.residual`: the residual is added to the sum.
pub const RESIDUAL_BEFORE: usize = 1;
/// `DRAIN.residual`: the residual is added after the scaling.
pub const RESIDUAL_AFTER: usize = 2;

/// Every record: the instructions in the order of their opcodes, then the entries of the other ROMs.
pub const TABLES: [Table; 7] =
    [Stream::TABLE, Drain::TABLE, Block::TABLE, End::TABLE, Load::TABLE, Tile::TABLE, Lane::TABLE];

/// Any instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Sets how the layer's input is streamed.
    Stream(Stream),
    /// Sets how the layer's output is drained.
    Drain(Drain),
    /// Computes one block of output pixels.
    Block(Block),
    /// Ends the image.
    End(End),
    /// Sets how an image is packed and waits for it.
    Load(Load),
}

impl Instruction {
    /// The words, least significant first.
    ///
    /// # Errors
    /// A value outside its field.
    pub fn encode(&self) -> Result<[u32; INSTRUCTION_WORDS], FieldError> {
        match self {
            Self::Stream(record) => record.encode(),
            Self::Drain(record) => record.encode(),
            Self::Block(record) => record.encode(),
            Self::End(record) => record.encode(),
            Self::Load(record) => record.encode(),
        }
    }

    /// The instruction in these words, `None` if the opcode is unknown.
    pub fn decode(words: &[u32; INSTRUCTION_WORDS]) -> Option<Self> {
        match Self::opcode(words) {
            Stream::OPCODE => Some(Self::Stream(Stream::decode(words))),
            Drain::OPCODE => Some(Self::Drain(Drain::decode(words))),
            Block::OPCODE => Some(Self::Block(Block::decode(words))),
            End::OPCODE => Some(Self::End(End::decode(words))),
            Load::OPCODE => Some(Self::Load(Load::decode(words))),
            _ => None,
        }
    }

    /// The opcode in these words, known or not.
    pub fn opcode(words: &[u32; INSTRUCTION_WORDS]) -> u32 {
        words[OPCODE.word] >> OPCODE.lsb & ((1 << OPCODE.width) - 1)
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(record) => record.fmt(f),
            Self::Drain(record) => record.fmt(f),
            Self::Block(record) => record.fmt(f),
            Self::End(record) => record.fmt(f),
            Self::Load(record) => record.fmt(f),
        }
    }
}

macro_rules! from_records {
    ($($Name:ident),+) => {
        $(
            impl From<$Name> for Instruction {
                fn from(record: $Name) -> Self {
                    Self::$Name(record)
                }
            }
        )+
    };
}

from_records!(Stream, Drain, Block, End, Load);

#[cfg(test)]
mod tests;
