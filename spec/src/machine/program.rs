//! A compiled network: the contents of every ROM, and what a report needs to know about the layers.

mod contents;
mod rom;

pub use contents::{LayerInfo, OutputInfo, Program, Region, WeightRow};
pub use rom::ProgramError;
