//! Tests of leaves and of the Verilog emitter, through the public API.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

mod blocks;
mod constructs;
mod datapath;
mod decoders;
mod differential;
mod emit;
mod example;
mod leaves;
mod periphery;
mod power_up;
#[path = "../../src/random.rs"]
mod random;
mod refusals;
mod unknown;
mod verilated;
