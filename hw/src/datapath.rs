//! The datapath: word to activations, activations and weights to sums, sums to int8. Nothing here decides when.

pub mod accumulator;
pub mod array;
pub mod bare_array;
pub mod bounds;
pub mod crossing;
pub mod diagonal_mask;
pub mod lane_select;
pub mod pe;
pub mod pool;
pub mod requantize;
pub mod selector;
