//! `twofold synth`: the accelerator and its memories through Yosys.

use std::path::PathBuf;

use anyhow::Result;
use codegen::Options;
use sim::tools::Tools;
use spec::files::{write_atomically, write_program};
use spec::{Design, Technology};

use crate::args::SynthArgs;
use crate::hardware;
use crate::output::{Output, formatted};
use crate::synth::{SynthInput, SynthReport, synthesize};
use crate::workload::{Chosen, choose_network, compile, fitted};

pub(crate) fn run(args: &SynthArgs) -> Result<Output> {
    let (_, report) = synthesize_network(args)?;
    Ok(formatted(args.format.format, &report, SynthReport::table).into())
}

/// Synthesizes the accelerator with a network in its ROMs; gives the folder of the results too.
pub(crate) fn synthesize_network(args: &SynthArgs) -> Result<(PathBuf, SynthReport)> {
    let tools = Tools::find()?;
    // Before anything is written.
    tools.yosys()?;
    let Chosen { network, config, .. } = choose_network(&args.network, None)?;
    let mut config = args.array.config(&config)?;
    if !args.full_memories {
        config = fitted(&network, &config, &Options::default())?;
    }
    let program = compile(&network, &config, &Options::default())?;
    let folder = tools.root().join(format!("build/synth/{}x{}", config.rows(), config.cols()));
    let verilog = folder.join("verilog/accelerator.v");
    let design = Design::of(config).with_technology(Technology::Ecp5);
    write_atomically(&verilog, hardware::verilog(&design)?.as_bytes())?;
    write_program(&program, &folder.join("program"))?;
    let input = SynthInput {
        verilog_files: vec![verilog],
        rom_dir: Some(folder.join("program")),
        top: hardware::TOP.to_owned(),
    };
    let out = folder.join("yosys");
    let report = synthesize(&tools, &input, &out)?;
    Ok((out, report))
}
