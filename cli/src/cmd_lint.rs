//! `twofold lint`: every warning of Verilator on the generated Verilog, less the waivers of hw/lint.vlt.

use anyhow::{Context, Result};
use sim::tools::Tools;
use spec::files::write_atomically;
use spec::{Design, Memories};

use crate::args::LintArgs;
use crate::hardware;
use crate::output::Output;

pub(crate) fn run(args: &LintArgs) -> Result<Output> {
    let config = args.array.config_with(Memories::default())?;
    let tools = Tools::find()?;
    let verilator = tools.verilator()?;
    let (rows, cols) = (config.rows(), config.cols());
    let folder = tools.root().join(format!("build/lint/{rows}x{cols}"));
    let path = folder.join("accelerator.v");
    let verilog = hardware::verilog(&Design::of(config.clone()))?;
    write_atomically(&path, verilog.as_bytes())?;
    let waivers = tools.root().join("hw/lint.vlt");
    let mut command = verilator.command();
    command.current_dir(&folder).args(["--lint-only", "-Wall", "--top-module", hardware::TOP]);
    if waivers.is_file() {
        command.arg(&waivers);
    }
    let output = spec::process::output(command.arg(&path)).context("cannot start Verilator")?;
    let log = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("- ")).collect();
    let n = lines.iter().filter(|line| line.starts_with('%')).count();
    if output.status.success() && n == 0 {
        return Ok(format!("{rows}x{cols}: no warning of Verilator -Wall").into());
    }
    let failure = Some(format!("{rows}x{cols}: Verilator has {n} messages"));
    Ok(Output::new(lines.join("\n"), failure))
}
