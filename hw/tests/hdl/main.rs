//! Tests of leaves and of the Verilog emitter, through the public API.

mod constructs;
mod emit;
mod example;
