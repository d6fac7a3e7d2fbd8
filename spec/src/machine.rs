//! What the accelerator is to those who build, program and watch it: its sizes, instruction set, ROM images and status
//! registers. How a network is written or computed is told in [`crate::network`], which knows nothing of this wing.

pub(crate) mod config;
pub(crate) mod design;
pub mod isa;
pub(crate) mod program;
pub mod status;

pub use config::{ArrayConfig, ConfigError, Memories};
pub use design::{Design, Technology};
pub use program::{LayerInfo, Parameter, Program, ProgramError, Region};
