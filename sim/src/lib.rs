//! Runs the accelerator's Verilog with Verilator or Icarus, cycle by cycle, and reports what its counters say.
//!
//! Verilog text, a program and images come in; logits, layer outputs and counters go out. It knows neither rust-hdl nor
//! how a network becomes a program. [`Machine`] runs, [`Icarus`] does so far slower and with unknown values, [`Tally`]
//! counts, [`Report`] says it, [`first_divergence`] explains a mismatch.

mod counters;
mod divergence;
mod error;
mod icarus;
mod loaded;
mod machine;
mod report;
mod tally;
pub mod tools;
mod verilator;

pub use counters::{Counters, LostCycles};
pub use divergence::{CheckedRun, Divergence, Unit, first_divergence, run_and_compare};
pub use error::SimError;
pub use icarus::{Icarus, IcarusOptions, PowerUp, icarus_time};
pub use loaded::{BadImages, ImageResult, LayerResult, RtlExecutor, RunOptions, RunOutput};
pub use machine::Machine;
pub use report::{ArrayReport, Bound, FORMAT_VERSION, LayerReport, Report, ScheduleReport};
pub use tally::{ReportInput, Tally};
pub use verilator::{
    BareModel, BareRun, BlockModel, BlockOutputs, BlockSource, Linted, Model, TraceMode, lint,
};
