//! Every warning of Verilator on the generated Verilog, less the waivers of `hw/lint.vlt`.

use spec::Design;

use crate::build::{TOP, emit};
use crate::committed;
use crate::error::FlowError;
use crate::tools::Tools;

/// What Verilator has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintReport {
    /// Its lines, without those that tell of no fault; none if all is well.
    pub lines: Vec<String>,
    /// How many warnings and errors they are.
    pub n_messages: usize,
    /// Whether it accepts the Verilog.
    pub clean: bool,
}

/// Lints the Verilog of a design.
///
/// # Errors
/// A missing tool, or a file that cannot be written.
pub fn lint(design: &Design) -> Result<LintReport, FlowError> {
    let tools = Tools::find()?;
    let (rows, cols) = (design.array().rows(), design.array().cols());
    let folder = tools.root().join(format!("build/lint/{rows}x{cols}"));
    let linted = sim::lint(&tools, &emit(design)?, TOP, &committed::waivers()?, &folder)?;
    let lines: Vec<String> =
        linted.log.lines().filter(|line| !line.starts_with("- ")).map(str::to_owned).collect();
    let n_messages = lines.iter().filter(|line| line.starts_with('%')).count();
    Ok(LintReport { lines, n_messages, clean: linted.accepted && n_messages == 0 })
}
