//! The accelerator's Verilog as a library: Verilated and compiled at run time, called through a small C interface.
//!
//! Everything that happens every cycle is in `shim.cpp`; Rust hands over images and gets back bits and counters. Only
//! the submodule `ffi` holds unsafe code.

use std::path::Path;
use std::sync::Arc;

use spec::Memory;

use crate::SimError;
use crate::tools::Tools;

mod bare;
mod blocks;
mod build;
mod cache;
mod definitions;
mod ffi;
mod job;
mod lint;
mod unity;

pub use bare::{BareModel, BareRun};
pub use blocks::{BlockModel, BlockOutputs, BlockSource};
pub use lint::{Linted, lint};

pub(crate) use ffi::Instance;
pub(crate) use job::{Copy, Ending, Job, MemoryShape, N_REGISTERS, RunResult, Watch};

/// Instance names of the memories that are written before and read after a run.
pub(crate) fn memories() -> impl Iterator<Item = &'static str> {
    Memory::ROMS.iter().flat_map(|memory| memory.instances()).chain(&Memory::BANKS).copied()
}

/// Whether a model can write the history of its signals. A model that can is 30 to 100 times slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceMode {
    /// It cannot.
    Off,
    /// As an FST file, for GTKWave and Surfer.
    Fst,
}

/// A compiled accelerator, of which any number can run at once.
#[derive(Clone)]
pub struct Model {
    functions: Arc<ffi::Functions>,
    trace: TraceMode,
}

impl Model {
    /// Builds the model of `verilog`, whose top module is `accelerator`, or takes it from the cache at
    /// `build/model` of the checkout.
    ///
    /// # Errors
    /// A missing tool, Verilog that Verilator or the compiler refuses, a memory that is missing, a cache that cannot
    /// be written.
    pub fn build(tools: &Tools, verilog: &str, trace: TraceMode) -> Result<Self, SimError> {
        Self::build_in(tools, &tools.root().join("build/model"), verilog, trace)
    }

    /// The same with another cache folder.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_in(
        tools: &Tools,
        cache: &Path,
        verilog: &str,
        trace: TraceMode,
    ) -> Result<Self, SimError> {
        let path = build::library(tools, cache, verilog, trace)?;
        let functions = match ffi::Functions::load(&path) {
            Ok(functions) => functions,
            Err(reason) => {
                // Such as one that needs a library which the machine no longer has: once more from the start.
                eprintln!(
                    "note: the compiled model {} cannot be loaded ({reason}); it is built again",
                    path.display()
                );
                spec::files::remove(&path)?;
                let path = build::library(tools, cache, verilog, trace)?;
                ffi::Functions::load(&path).map_err(|reason| SimError::Load { path, reason })?
            }
        };
        Ok(Self { functions: Arc::new(functions), trace })
    }

    /// Whether its machines can write traces.
    pub fn trace(&self) -> TraceMode {
        self.trace
    }

    pub(crate) fn instance(&self) -> Result<Instance, SimError> {
        let message = "it cannot be set up".to_owned();
        Instance::new(self.functions.clone()).ok_or(SimError::Fatal { message })
    }
}
