//! The accelerator in rust-hdl, and its Verilog.

pub mod leaf;
pub mod verilog;
