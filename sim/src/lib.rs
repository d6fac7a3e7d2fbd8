//! Runs the accelerator's Verilog with Verilator, cycle by cycle, and reports what its counters say.
//!
//! Verilog text, a program and images come in; logits, layer outputs and counters go out. It knows neither rust-hdl nor
//! how a network becomes a program. [`Machine`] runs, [`Tally`] counts, [`Report`] says it, [`first_divergence`] explains
//! a mismatch.

mod counters;
mod divergence;
mod error;
mod machine;
mod report;
mod tally;
pub mod tools;
mod verilator;

pub use counters::{Counters, LostCycles};
pub use divergence::{CheckedRun, Divergence, Unit, first_divergence, run_and_compare};
pub use error::SimError;
pub use machine::{ImageResult, LayerResult, Machine, RunOptions, RunOutput};
pub use report::{ArrayReport, Bound, FORMAT_VERSION, LayerReport, Report, ScheduleReport};
pub use tally::{ReportInput, Tally};
pub use verilator::{Model, TraceMode};
