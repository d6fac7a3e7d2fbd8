//! The accelerator in rust-hdl, and its Verilog.

pub mod accelerator;
pub mod context;
pub mod control;
pub mod datapath;
pub mod design;
pub mod leaf;
pub mod memory;
pub mod native;
#[cfg(test)]
mod random;
pub mod tech;
pub mod verilog;
