//! Runs the accelerator's Verilog with Verilator, cycle by cycle, and reports what its counters say.

pub mod tools;
