//! `twofold pnr`: the synthesized accelerator through nextpnr.

use anyhow::Result;
use flow::fpga::PnrReport;
use flow::tools::{Tools, nextpnr_ecp5};
use flow::{PnrOptions, place_and_route, synthesize};

use crate::args::PnrArgs;
use crate::cmd_synth;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &PnrArgs) -> Result<Output> {
    // Before minutes of synthesis.
    nextpnr_ecp5(&Tools::find()?)?;
    let synthesis = synthesize(&cmd_synth::options(&args.synth))?;
    eprintln!("{}", synthesis.report.table());
    let options = PnrOptions { clock_mhz: args.clock_mhz, seed: args.seed };
    let report = place_and_route(&synthesis, &options)?;
    Ok(formatted(args.synth.format.format, &report, PnrReport::table).into())
}
