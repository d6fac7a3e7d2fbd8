//! Tests of leaves and of the Verilog emitter, through the public API.

mod constructs;
mod datapath;
mod differential;
mod emit;
mod example;
mod periphery;
mod refusals;
mod verilated;
