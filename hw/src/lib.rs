//! The accelerator in rust-hdl, and its Verilog.
