//! The Verilog of a design.

use std::path::PathBuf;

use codegen::{Options, Schedule};
use hw::verilog::{Error, Verilog};
use spec::files::{network_files, read_network};
use spec::{AccumulatorMemory, Design, Memories, Technology};

use crate::choice::ArraySizes;
use crate::error::FlowError;
use crate::workload::fitted;

/// Name of the top module.
pub const TOP: &str = hw::design::TOP;

/// Which accelerator.
#[derive(Clone, Debug, Default)]
pub struct VerilogOptions {
    /// The array.
    pub array: ArraySizes,
    /// Make every memory just as deep as the program of this network, in this schedule, needs.
    pub fit: Option<(PathBuf, Schedule)>,
    /// What the Verilog is for.
    pub technology: Technology,
    /// What the accumulators are made of.
    pub accumulators: AccumulatorMemory,
}

impl VerilogOptions {
    /// The files that are read: the Verilog does not go there.
    pub fn inputs(&self) -> Vec<PathBuf> {
        self.fit.iter().flat_map(|(path, _)| network_files(path)).collect()
    }

    /// The design that is asked for.
    ///
    /// # Errors
    /// A network that cannot be read or does not fit.
    pub fn design(&self) -> Result<Design, FlowError> {
        let mut config = self.array.config_with(Memories::default())?;
        if let Some((path, schedule)) = &self.fit {
            let options = Options { schedule: *schedule };
            config = fitted(&read_network(path)?, &config, &options)?;
        }
        let design = Design::of(config).with_technology(self.technology);
        Ok(design.with_accumulators(self.accumulators))
    }
}

/// The Verilog of a design, as one text.
///
/// # Errors
/// A block that the emitter refuses: a bug.
pub fn emit(design: &Design) -> Result<String, FlowError> {
    text(design, hw::design::emit(design))
}

/// The Verilog of the array of a design with its selector alone.
pub(crate) fn emit_bare_array(design: &Design) -> Result<String, FlowError> {
    text(design, hw::design::emit_bare_array(design))
}

fn text(design: &Design, emitted: Result<Verilog, Error>) -> Result<String, FlowError> {
    let (rows, cols) = (design.array().rows(), design.array().cols());
    match emitted {
        Ok(verilog) => Ok(verilog.text()),
        Err(reason) => Err(FlowError::Emit { rows, cols, reason: Box::new(reason) }),
    }
}
