//! The memories on chip: names, files and depths, as in docs/memory_map.md.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A memory, or several that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// Instructions.
    Program,
    /// Tile records.
    Tile,
    /// Weight rows of `cols` bytes, and the crossings of sections.
    Weight,
    /// Parameter rows of `lanes` channels.
    Parameter,
    /// Lane records of the loader.
    Lane,
    /// The image as received.
    Image,
    /// The packed image: activation bank 0.
    Input,
    /// Feature maps: activation bank 1.
    Bank1,
    /// Activation bank 2.
    Bank2,
    /// Activation bank 3.
    Bank3,
    /// Partial sums of a block, two banks a column.
    Accumulator,
    /// Values of all outputs.
    Logit,
}

impl Memory {
    /// Every memory, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Program,
        Self::Tile,
        Self::Weight,
        Self::Parameter,
        Self::Lane,
        Self::Image,
        Self::Input,
        Self::Bank1,
        Self::Bank2,
        Self::Bank3,
        Self::Accumulator,
        Self::Logit,
    ];
    /// Those whose contents are files of a program.
    pub const ROMS: [Self; 5] =
        [Self::Program, Self::Tile, Self::Weight, Self::Parameter, Self::Lane];
    /// The activation banks, by their numbers in the ISA.
    pub const ACTIVATION: [Self; 4] = [Self::Input, Self::Bank1, Self::Bank2, Self::Bank3];
    /// Their instance names.
    pub const BANKS: [&'static str; 4] = ["bank0", "bank1", "bank2", "bank3"];

    /// The name in files and messages, and the field of [`Memories`].
    pub const fn key(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Tile => "tile",
            Self::Weight => "weight",
            Self::Parameter => "parameter",
            Self::Lane => "lane",
            Self::Image => "image",
            Self::Input => "input",
            Self::Bank1 => "bank1",
            Self::Bank2 => "bank2",
            Self::Bank3 => "bank3",
            Self::Accumulator => "accumulator",
            Self::Logit => "logit",
        }
    }

    /// Instance names in the Verilog, which simulators and waveforms know; none of the image, the accumulators and the
    /// logits, which lie within their blocks.
    pub const fn instances(self) -> &'static [&'static str] {
        match self {
            Self::Program => &["program_memory"],
            Self::Tile => &["tile_memory"],
            Self::Weight => &["weight_memory"],
            Self::Parameter => &["parameter_memory"],
            Self::Lane => &["lane_memory"],
            Self::Input => &["bank0"],
            Self::Bank1 => &["bank1"],
            Self::Bank2 => &["bank2"],
            Self::Bank3 => &["bank3"],
            Self::Image | Self::Accumulator | Self::Logit => &[],
        }
    }

    /// The file of a program that holds the contents; `None` of what is written while the accelerator runs.
    pub const fn file(self) -> Option<&'static str> {
        match self {
            Self::Program => Some("program.hex"),
            Self::Tile => Some("tile.hex"),
            Self::Weight => Some("weight.hex"),
            Self::Parameter => Some("parameter.hex"),
            Self::Lane => Some("lane.hex"),
            Self::Image
            | Self::Input
            | Self::Bank1
            | Self::Bank2
            | Self::Bank3
            | Self::Accumulator
            | Self::Logit => None,
        }
    }

    /// Entries that `memories` gives it.
    pub const fn depth(self, memories: &Memories) -> usize {
        match self {
            Self::Program => memories.program,
            Self::Tile => memories.tile,
            Self::Weight => memories.weight,
            Self::Parameter => memories.parameter,
            Self::Lane => memories.lane,
            Self::Image => memories.image,
            Self::Input => memories.input,
            Self::Bank1 => memories.bank1,
            Self::Bank2 => memories.bank2,
            Self::Bank3 => memories.bank3,
            Self::Accumulator => memories.accumulator,
            Self::Logit => memories.logit,
        }
    }

    /// The largest depth that the ISA can address.
    pub const fn largest(self) -> usize {
        match self {
            Self::Accumulator => 1 << 8,
            _ => 1 << 16,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// Depths of the on-chip memories, in entries of each memory's own width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memories {
    /// Instructions of 160 bits.
    pub program: usize,
    /// Tile records of 64 bits.
    pub tile: usize,
    /// Weight rows of `cols` bytes and, with several sections, a bit for each section but the first; a tile takes
    /// [`super::ArrayConfig::tile_rows`] of them.
    pub weight: usize,
    /// Parameter rows: bias, multiplier, shift and residual multiplier of `lanes` channels.
    pub parameter: usize,
    /// Entries of the loader's lane table, 64 bits each.
    pub lane: usize,
    /// Bytes of the image as received, in as many banks as the input port has bytes.
    pub image: usize,
    /// Words of activation bank 0, which only the loader writes.
    pub input: usize,
    /// Words of activation bank 1, which as banks 2 and 3 only the drain writes.
    pub bank1: usize,
    /// Words of activation bank 2.
    pub bank2: usize,
    /// Words of activation bank 3.
    pub bank3: usize,
    /// Accumulators of a column in each of its two banks: the largest pixel block.
    pub accumulator: usize,
    /// Entries of all outputs, a pixel in whole granules of `lanes`.
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
            bank1: 2048,
            bank2: 2048,
            bank3: 2048,
            accumulator: 256,
            logit: 1024,
        }
    }
}

impl Memories {
    /// Depths that `depth` gives.
    pub fn from_depths(depth: impl Fn(Memory) -> usize) -> Self {
        Self {
            program: depth(Memory::Program),
            tile: depth(Memory::Tile),
            weight: depth(Memory::Weight),
            parameter: depth(Memory::Parameter),
            lane: depth(Memory::Lane),
            image: depth(Memory::Image),
            input: depth(Memory::Input),
            bank1: depth(Memory::Bank1),
            bank2: depth(Memory::Bank2),
            bank3: depth(Memory::Bank3),
            accumulator: depth(Memory::Accumulator),
            logit: depth(Memory::Logit),
        }
    }

    /// Banks 1, 2 and 3 of so many words each.
    pub fn with_banks(self, [bank1, bank2, bank3]: [usize; 3]) -> Self {
        Self { bank1, bank2, bank3, ..self }
    }

    /// Words of banks 1, 2 and 3.
    pub fn banks(&self) -> [usize; 3] {
        [self.bank1, self.bank2, self.bank3]
    }

    /// The larger depth of each memory.
    pub fn max(&self, other: &Self) -> Self {
        Self::from_depths(|memory| memory.depth(self).max(memory.depth(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_fields_of_the_depths() {
        let json = serde_json::to_value(Memories::default()).unwrap();
        for memory in Memory::ALL {
            assert_eq!(json[memory.key()], memory.depth(&Memories::default()), "{memory}");
            assert_eq!(serde_json::to_value(memory).unwrap(), memory.key());
        }
        assert_eq!(json.as_object().unwrap().len(), Memory::ALL.len());
    }

    #[test]
    fn roms_have_a_file_and_an_instance() {
        for memory in Memory::ALL {
            assert_eq!(memory.file().is_some(), Memory::ROMS.contains(&memory));
            assert!(memory.file().is_none() || memory.instances().len() == 1);
        }
        let banks = Memory::ACTIVATION.iter().flat_map(|bank| bank.instances());
        assert!(banks.eq(&Memory::BANKS));
    }
}
