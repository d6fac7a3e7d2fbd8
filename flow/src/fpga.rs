//! Synthesis, placement and routing of generated Verilog for the ECP5, with Yosys and nextpnr.
//!
//! Verilog and ROM files go in; a netlist, a [`SynthReport`] and a [`PnrReport`] come out, in a folder that also keeps
//! each tool's script and whole log. Both tools run as WebAssembly, which is slow and sees a private `/tmp`: everything
//! they read is copied into that folder, and they run in it. What the Verilog means is not known here.

mod block_ram;
mod critical_path;
mod error;
mod harness;
mod netlist;
mod nextpnr;
mod process;
mod report;
mod yosys;

#[cfg(test)]
mod tests;

pub use block_ram::{DEVICES, MemoryShape};
pub use error::{BadReport, FpgaError};
pub use nextpnr::{PnrInput, place_and_route};
pub use report::{CellUse, CriticalPath, PathStep, PnrReport, PortContext, SynthReport};
pub use yosys::{SynthInput, synthesize};
