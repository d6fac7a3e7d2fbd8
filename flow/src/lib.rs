//! Every step from a network to a checked, synthesized accelerator, as functions with typed results.
//!
//! Options name a network, an array and images; a step reads, compiles, emits, builds, runs, compares and reports. What it
//! gives back serializes to the JSON of docs/report.md and has a table for people. Nothing here parses a command line,
//! prints a result or trains; a step says on stderr how far it is unless it is asked not to ([`Log`]).
//!
//! ```no_run
//! use twofold_flow::{CheckOptions, FlowError, NetworkChoice, RunOptions, WorkloadOptions, check, run};
//!
//! fn main() -> Result<(), FlowError> {
//!     let network = NetworkChoice::Path("networks/mine".into());
//!     let report = check(&CheckOptions { network: network.clone(), ..CheckOptions::default() })?;
//!     println!("{}", report.table());
//!     // Every bit of 20 images through the RTL, in Verilator, against the integer reference.
//!     let workload = WorkloadOptions { network, fit: !report.fits, ..WorkloadOptions::default() };
//!     let result = run(&RunOptions { workload, n_images: Some(20), ..RunOptions::default() })?;
//!     assert!(result.report.bit_exact, "{:?}", result.failure());
//!     println!("{:?} cycles between images", result.report.schedule.n_cycles_between_images);
//!     println!("logits of the first image: {:?}", result.logits[0].values);
//!     Ok(())
//! }
//! ```

mod bench;
mod block_rams;
mod build;
pub mod cases;
mod check;
mod choice;
mod committed;
mod compile;
mod error;
mod export;
pub mod fpga;
mod fuzz;
mod images;
mod lint;
mod log;
mod mlperf;
mod model;
pub mod progress;
pub mod report;
mod run;
mod runner;
mod shapes;
mod shown;
mod simulator;
mod synthesize;
pub mod tools;
mod verify;
mod wave;
mod workload;

pub use bench::{BenchOptions, bench};
pub use build::{TOP, VerilogOptions, emit};
pub use check::{CheckOptions, check};
pub use choice::{ArraySizes, ImageChoice, NetworkChoice, WorkloadOptions};
pub use codegen::{Schedule, disassemble, tile_cycles};
pub use committed::DEFAULT_NETWORK;
pub use compile::{CompileOptions, compile, compile_or_read, rom_bytes};
pub use error::FlowError;
pub use export::{ExportResult, export};
pub use fuzz::{FuzzOptions, fuzz};
pub use import::Preset;
pub use lint::{LintReport, lint};
pub use log::Log;
pub use mlperf::{MlperfOptions, mlperf};
pub use model::{ImportOptions, ImportResult, import_model};
pub use run::{RunOptions, RunResult, run};
pub use shapes::{ShapesOptions, shapes};
pub use shown::shown_file;
pub use simulator::{Simulator, SimulatorKind};
pub use synthesize::{PnrOptions, SynthOptions, Synthesis, place_and_route, synthesize};
pub use verify::{ComparisonOptions, VerifyOptions, verify};
pub use wave::{WaveOptions, WaveResult, wave};
