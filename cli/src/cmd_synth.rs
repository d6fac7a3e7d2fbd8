//! `twofold synth`: the accelerator and its memories through Yosys.

use anyhow::Result;
use flow::fpga::SynthReport;
use flow::{SynthOptions, synthesize};

use crate::args::SynthArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &SynthArgs) -> Result<Output> {
    let synthesis = synthesize(&options(args))?;
    Ok(formatted(args.format.format, &synthesis.report, SynthReport::table).into())
}

pub(crate) fn options(args: &SynthArgs) -> SynthOptions {
    SynthOptions {
        network: (&args.network).into(),
        array: args.array.into(),
        full_memories: args.full_memories,
        accumulators: args.accumulators.into(),
    }
}
