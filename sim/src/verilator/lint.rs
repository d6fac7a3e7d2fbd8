//! What Verilator has to say of Verilog, without building a model.

use std::path::Path;

use spec::files;
use spec::process;

use crate::SimError;
use crate::tools::Tools;

/// What Verilator said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linted {
    /// All of it.
    pub log: String,
    /// Whether it ended without an error.
    pub accepted: bool,
}

/// Runs `verilator --lint-only -Wall` on `verilog` with the waivers of a `.vlt` file, both written to `folder`.
///
/// # Errors
/// A missing tool, or a file that cannot be written. What Verilator finds is the result.
pub fn lint(
    tools: &Tools,
    verilog: &str,
    top: &str,
    waivers: &str,
    folder: &Path,
) -> Result<Linted, SimError> {
    let verilator = tools.verilator()?;
    let (source, waived) = (folder.join(format!("{top}.v")), folder.join("lint.vlt"));
    files::write_atomically(&source, verilog.as_bytes())?;
    files::write_atomically(&waived, waivers.as_bytes())?;
    let mut command = verilator.command();
    command.current_dir(folder).args(["--lint-only", "-Wall", "--top-module", top]);
    let output = process::output(command.arg(&waived).arg(&source))
        .map_err(|reason| SimError::Start { program: verilator.binary, source: reason })?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Linted { log, accepted: output.status.success() })
}
