//! `twofold verilog`: the accelerator's Verilog.

use anyhow::Result;
use spec::files::{Kind, Outputs, network_files, read_network};
use spec::{Design, Memories, Technology};

use crate::args::VerilogArgs;
use crate::hardware;
use crate::output::Output;
use crate::workload::{fitted, shown};

pub(crate) fn run(args: &VerilogArgs) -> Result<Output> {
    let read = args.fit.iter().flat_map(|path| network_files(path));
    let path = args.out.join("accelerator.v");
    let target = Outputs::new(args.force.force).reading(read).target(&path, Kind::Verilog)?;
    let mut config = args.array.config_with(Memories::default())?;
    if let Some(path) = &args.fit {
        config = fitted(&read_network(path)?, &config, &args.schedule.into())?;
    }
    let technology = if args.ecp5 { Technology::Ecp5 } else { Technology::Generic };
    let text = hardware::verilog(&Design::of(config.clone()).with_technology(technology))?;
    target.write(text.as_bytes())?;
    let n_modules = text.lines().filter(|line| line.starts_with("module ")).count();
    let (rows, cols, n_lines) = (config.rows(), config.cols(), text.lines().count());
    Ok(format!("{rows}x{cols}: {n_modules} modules, {n_lines} lines -> {}", shown(&path)).into())
}
