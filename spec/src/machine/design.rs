//! What is built: an array with its memories, and what it is built for.

use serde::{Deserialize, Serialize};

use super::config::{ArrayConfig, ConfigError};
use super::memories::Memories;

/// What the Verilog is for. Every bit and every cycle is the same, whatever the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Technology {
    /// Anything: products are left to the tools. The fastest to simulate.
    #[default]
    Generic,
    /// Lattice ECP5: its MULT18X18D is instantiated with its input and output registers.
    Ecp5,
}

/// What the accumulators of an FPGA are made of. Every bit and every cycle is the same, whatever the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccumulatorMemory {
    /// What the tools take for memories of their depth: block RAM, but for the shallowest.
    #[default]
    Automatic,
    /// Distributed RAM, where look-up tables are left and block RAMs are short.
    LookUpTables,
}

/// An accelerator that can be built: whoever emits, builds or synthesizes Verilog takes one.
///
/// Programs and reports name the [`ArrayConfig`] alone, because what is compiled for it runs on every design of it. A
/// choice that changes the hardware and not the program is a field here, with a default that [`Self::of`] takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    array: ArrayConfig,
    technology: Technology,
    accumulators: AccumulatorMemory,
}

impl Design {
    /// An array of these sizes for any technology.
    ///
    /// # Errors
    /// As [`ArrayConfig::new`].
    pub fn new(rows: usize, cols: usize, memories: Memories) -> Result<Self, ConfigError> {
        Ok(Self::of(ArrayConfig::new(rows, cols, memories)?))
    }

    /// This array for any technology.
    pub fn of(array: ArrayConfig) -> Self {
        Self { array, ..Self::default() }
    }

    /// The same for another technology.
    pub fn with_technology(self, technology: Technology) -> Self {
        Self { technology, ..self }
    }

    /// The same with accumulators made of something else.
    pub fn with_accumulators(self, accumulators: AccumulatorMemory) -> Self {
        Self { accumulators, ..self }
    }

    /// Sizes of the array and depths of its memories.
    pub fn array(&self) -> &ArrayConfig {
        &self.array
    }

    /// What the Verilog is for.
    pub fn technology(&self) -> Technology {
        self.technology
    }

    /// What the accumulators are made of.
    pub fn accumulators(&self) -> AccumulatorMemory {
        self.accumulators
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_design_is_as_valid_as_its_array() {
        assert!(matches!(
            Design::new(17, 16, Memories::default()),
            Err(ConfigError::Size { name: "rows", value: 17, .. })
        ));
        let shallow = Memories { tile: 1, ..Memories::default() };
        assert!(matches!(
            Design::new(8, 16, shallow),
            Err(ConfigError::Depth { name: "tile", depth: 1, .. })
        ));
        let design =
            Design::new(2, 5, Memories::default()).unwrap().with_technology(Technology::Ecp5);
        assert_eq!((design.array().rows(), design.array().cols()), (2, 5));
        assert_eq!(design.technology(), Technology::Ecp5);
    }
}
