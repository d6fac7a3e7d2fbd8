//! `twofold verilog`: the accelerator's Verilog.

use anyhow::Result;
use flow::{VerilogOptions, emit, shown_file};
use spec::Technology;
use spec::files::{Kind, Outputs};

use crate::args::VerilogArgs;
use crate::output::Output;

pub(crate) fn run(args: &VerilogArgs) -> Result<Output> {
    let options = VerilogOptions {
        array: args.array.into(),
        fit: args.fit.clone().map(|path| (path, args.schedule.into())),
        technology: if args.ecp5 { Technology::Ecp5 } else { Technology::Generic },
        accumulators: args.accumulators.into(),
    };
    let path = args.out.join("accelerator.v");
    let outputs = Outputs::new(args.force.force).reading(options.inputs());
    let target = outputs.target(&path, Kind::Verilog)?;
    let design = options.design()?;
    let text = emit(&design)?;
    target.write(text.as_bytes())?;
    let n_modules = text.lines().filter(|line| line.starts_with("module ")).count();
    let (rows, cols) = (design.array().rows(), design.array().cols());
    let n_lines = text.lines().count();
    let path = shown_file(&path);
    Ok(format!("{rows}x{cols}: {n_modules} modules, {n_lines} lines -> {path}").into())
}
