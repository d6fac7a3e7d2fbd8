//! The accelerator in rust-hdl, and its Verilog.

pub mod accelerator;
pub mod accumulator;
pub mod activation_memory;
pub mod array;
pub mod control;
pub mod counters;
pub mod drain;
pub mod fetch;
pub mod lane_select;
pub mod leaf;
pub mod loader;
pub mod output;
pub mod pe;
pub mod pool;
#[cfg(test)]
mod random;
pub mod requantize;
pub mod selector;
pub mod streamer;
pub mod verilog;
pub mod weight_loader;
