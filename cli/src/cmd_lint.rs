//! `twofold lint`: every warning of Verilator on the generated Verilog, less the waivers of hw/lint.vlt.

use anyhow::Result;
use flow::{ArraySizes, LintReport, lint};
use spec::{Design, Memories};

use crate::args::LintArgs;
use crate::output::Output;

pub(crate) fn run(args: &LintArgs) -> Result<Output> {
    let design = Design::of(ArraySizes::from(args.array).config_with(Memories::default())?);
    let (rows, cols) = (design.array().rows(), design.array().cols());
    let LintReport { lines, n_messages, clean } = lint(&design)?;
    if clean {
        return Ok(format!("{rows}x{cols}: no warning of Verilator -Wall").into());
    }
    let failure = Some(format!("{rows}x{cols}: Verilator has {n_messages} messages"));
    Ok(Output::new(lines.join("\n"), failure))
}
