//! The accelerator and its memories through Yosys, and on through nextpnr.

use std::path::PathBuf;

use codegen::Options;
use spec::files::{write_atomically, write_program};
use spec::{AccumulatorMemory, Design, Technology};

use crate::build::{TOP, emit};
use crate::choice::{ArraySizes, Chosen, NetworkChoice};
use crate::committed;
use crate::error::FlowError;
use crate::fpga::{self, PnrInput, PnrReport, SynthInput, SynthReport};
use crate::tools::{self, Tools};
use crate::workload::{compiled, fitted};

/// What is synthesized.
#[derive(Clone, Debug, Default)]
pub struct SynthOptions {
    /// The network in the ROMs.
    pub network: NetworkChoice,
    /// The array.
    pub array: ArraySizes,
    /// Keep the memories' default depths instead of making them as deep as the network needs.
    pub full_memories: bool,
    /// What the accumulators are made of.
    pub accumulators: AccumulatorMemory,
}

/// A synthesized accelerator.
#[derive(Clone, Debug)]
pub struct Synthesis {
    /// What Yosys made of it.
    pub report: SynthReport,
    /// The folder of its netlist.
    pub folder: PathBuf,
}

/// Synthesizes the accelerator with a network in its ROMs.
///
/// # Errors
/// A missing tool, a network that cannot be read or does not fit, a design that Yosys refuses.
pub fn synthesize(options: &SynthOptions) -> Result<Synthesis, FlowError> {
    let tools = Tools::find()?;
    // Before anything is written.
    tools::yosys(&tools)?;
    let Chosen { network, config, .. } = options.network.read(None)?;
    let mut config = options.array.config(&config)?;
    if !options.full_memories {
        config = fitted(&network, &config, &Options::default())?;
    }
    let program = compiled(&network, &config, &Options::default())?;
    let folder = tools.root().join(format!("build/synth/{}x{}", config.rows(), config.cols()));
    let verilog = folder.join("verilog/accelerator.v");
    let design = Design::of(config)
        .with_technology(Technology::Ecp5)
        .with_accumulators(options.accumulators);
    write_atomically(&verilog, emit(&design)?.as_bytes())?;
    write_program(&program, &folder.join("program"))?;
    let input = SynthInput {
        verilog_files: vec![verilog],
        rom_dir: Some(folder.join("program")),
        top: TOP.to_owned(),
    };
    let folder = folder.join("yosys");
    let report = fpga::synthesize(&tools, &input, &folder)?;
    Ok(Synthesis { report, folder })
}

/// How a synthesized accelerator is placed and routed.
#[derive(Clone, Debug)]
pub struct PnrOptions {
    /// The clock to reach, in MHz.
    pub clock_mhz: f64,
    /// Where the placer's random numbers begin.
    pub seed: u64,
}

impl Default for PnrOptions {
    fn default() -> Self {
        Self { clock_mhz: 100.0, seed: 1 }
    }
}

/// Places and routes the accelerator for the ULX3S-85F.
///
/// # Errors
/// A missing tool, or a design that does not fit or cannot be routed.
pub fn place_and_route(
    synthesis: &Synthesis,
    options: &PnrOptions,
) -> Result<PnrReport, FlowError> {
    let input = PnrInput {
        netlist: synthesis.folder.join(format!("{TOP}.json")),
        top: TOP.to_owned(),
        constraints: Some(committed::constraints()?),
        clock_mhz: options.clock_mhz,
        seed: options.seed,
    };
    let out = synthesis.folder.with_file_name("nextpnr");
    Ok(fpga::place_and_route(&Tools::find()?, &input, &out)?)
}
