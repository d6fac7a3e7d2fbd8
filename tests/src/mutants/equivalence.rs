//! Proofs that a mutant computes what the right module does, by Yosys.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use flow::tools::yosys;
use serde::{Deserialize, Serialize};
use sim::tools::{ToolError, Tools};
use spec::files::{FileError, make_folder, write_atomically};
use spec::process;

use super::schemata::{Mutant, Schemata};

/// What Yosys says of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Its module computes the same from any state, cycle by cycle.
    Equivalent,
    /// No proof was found.
    None,
}

/// Proofs that could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Yosys is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Yosys cannot be started.
    #[error("cannot start {program}: {source}; help: run `make tools`", program = program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Yosys stopped.
    #[error("Yosys stopped at mutant {number}: {said}; help: see {log}", log = log.display())]
    Yosys {
        /// The mutant.
        number: u16,
        /// Its last line.
        said: String,
        /// What it said.
        log: PathBuf,
    },
}

/// Tries to prove each of `mutants` equivalent to the right design, module against module with everything below it, in
/// `folder`; memories below it are black boxes, and mutants of memories are not tried. Registers of the same name are assumed to hold the same in one cycle, and proven to in the next.
///
/// # Errors
/// A missing Yosys, or one that stops.
pub fn prove(
    tools: &Tools,
    schemata: &Schemata,
    mutants: &[&Mutant],
    folder: &Path,
) -> Result<BTreeMap<u16, Proof>, ProofError> {
    // Yosys has no model of an array that is large.
    let mutants: Vec<&Mutant> =
        mutants.iter().copied().filter(|mutant| !schemata.is_memory(&mutant.module)).collect();
    if mutants.is_empty() {
        return Ok(BTreeMap::new());
    }
    make_folder(folder)?;
    let mut script = String::new();
    let mut by_module: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_module.entry(&mutant.module).or_default().push(mutant);
    }
    let prepare = |module: &str, file: &str, name: &str| {
        format!(
            "design -reset\nread_verilog {file}\nhierarchy -top {module}\nproc\nflatten\nopt_clean\n\
             rename {module} {name}\n"
        )
    };
    for (module, mutants) in by_module {
        let right = format!("right_{module}.v");
        write_atomically(&folder.join(&right), schemata.module(module, None).as_bytes())?;
        script += &prepare(module, &right, "gold");
        script += "design -save gold\n";
        for mutant in mutants {
            let wrong = format!("wrong_{}.v", mutant.number);
            let text = schemata.module(module, Some(mutant));
            write_atomically(&folder.join(&wrong), text.as_bytes())?;
            let _ = writeln!(script, "log {MARK} {}", mutant.number);
            script += &prepare(module, &wrong, "gate");
            script += "design -stash gate\ndesign -load gold\ndesign -copy-from gate -as gate gate\n\
                       equiv_make gold gate equiv\nhierarchy -top equiv\nopt_expr\nopt_clean\n\
                       equiv_struct -icells\nequiv_simple -ignore-unknown-cells\n\
                       equiv_induct -ignore-unknown-cells\nequiv_status\n";
        }
    }
    write_atomically(&folder.join("prove.ys"), script.as_bytes())?;
    let mut command = yosys(tools)?.command();
    command.current_dir(folder).args(["-s", "prove.ys"]);
    let program = PathBuf::from(command.get_program());
    let output =
        process::output(&command).map_err(|source| ProofError::Start { program, source })?;
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    let log_path = folder.join("prove.log");
    write_atomically(&log_path, log.as_bytes())?;
    let proofs = proofs(&log);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().unwrap_or_default().to_owned();
        let number = proofs.keys().last().copied().unwrap_or_default();
        return Err(ProofError::Yosys { number, said, log: log_path });
    }
    Ok(proofs)
}

const MARK: &str = "twofold mutant";

/// What a log says of each mutant.
fn proofs(log: &str) -> BTreeMap<u16, Proof> {
    let mark = format!("\n{MARK} ");
    let parts = log.split(&mark).skip(1);
    let proof = |part: &str| {
        let number = part.lines().next()?.trim().parse().ok()?;
        let is_proven = part.contains("Equivalence successfully proven!");
        Some((number, if is_proven { Proof::Equivalent } else { Proof::None }))
    };
    parts.filter_map(proof).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_at_its_marks() {
        let log = "x\ntwofold mutant 3 \n  Equivalence successfully proven!\n\ntwofold mutant 12\nunproven\n";
        assert_eq!(proofs(log), BTreeMap::from([(3, Proof::Equivalent), (12, Proof::None)]));
    }
}
