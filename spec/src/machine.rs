//! What the accelerator is to those who build, program and watch it: its sizes, instruction set, memories, ROM images,
//! status registers and timing. How a network is written or computed is told in [`crate::network`], which knows nothing of this wing.

pub(crate) mod config;
pub(crate) mod design;
pub mod isa;
pub(crate) mod memories;
mod parameter;
pub(crate) mod program;
pub mod status;
mod timing;

pub use config::{ArrayConfig, ConfigError};
pub use design::{AccumulatorMemory, Design, Technology};
pub use memories::{Memories, Memory};
pub use parameter::{Parameter, ParameterField};
pub use program::{LayerInfo, OutputInfo, Program, ProgramError, Region, WeightRow};
