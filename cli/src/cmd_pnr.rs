//! `twofold pnr`: the synthesized accelerator through nextpnr.

use anyhow::Result;
use sim::tools::Tools;

use crate::args::PnrArgs;
use crate::cmd_synth::synthesize_network;
use crate::hardware;
use crate::output::{Output, formatted};
use crate::synth::{PnrInput, PnrReport, place_and_route};

pub(crate) fn run(args: &PnrArgs) -> Result<Output> {
    let tools = Tools::find()?;
    // Before minutes of synthesis.
    tools.nextpnr_ecp5()?;
    let (folder, synth) = synthesize_network(&args.synth)?;
    eprintln!("{}", synth.table());
    let input = PnrInput {
        netlist: folder.join(format!("{}.json", hardware::TOP)),
        top: hardware::TOP.to_owned(),
        constraints: Some(tools.root().join("constraints/ulx3s.lpf")),
        clock_mhz: args.clock_mhz,
        seed: args.seed,
    };
    let report = place_and_route(&tools, &input, &folder.with_file_name("nextpnr"))?;
    Ok(formatted(args.synth.format.format, &report, PnrReport::table).into())
}
