//! Proofs that a mutant computes what the right module does, by Yosys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flow::tools::yosys;
use serde::{Deserialize, Serialize};
use sim::tools::{ToolError, Tools};
use spec::files::{FileError, Limit, make_folder, read_text, write_atomically};
use spec::{hex_digest, process};

use super::schemata::{Mutant, Schemata};

/// How long Yosys thinks about one mutant.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// What it says at the end of a proof.
const PROVEN: &str = "Equivalence successfully proven!";
const LOG: Limit = Limit::new("a log of Yosys", 256 << 20);

/// What Yosys says of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Its module computes the same from any state, cycle by cycle.
    Equivalent,
    /// No proof was found in time.
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
    /// A log that cannot be written or read.
    #[error("{path}: {source}; help: check that the folder is writable", path = path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Yosys stopped.
    #[error("Yosys stopped at mutant {number}; help: see {log}", log = log.display())]
    Yosys {
        /// The mutant.
        number: u16,
        /// What it said.
        log: PathBuf,
    },
}

/// Tries to prove each of `mutants` equivalent to the right design, module against module with everything below it, for up
/// to half a minute each; memories below it are black boxes, and mutants of memories are not tried. Registers of the same
/// name are assumed to hold the same in one cycle, and proven to in the next, and so are wires, but for the one that the
/// mistake is in; what [`Schemata::assume`] was told of the module
/// is assumed. What Yosys said is kept in `folder`, and not asked again of the same modules. `progress` is told how many are
/// done.
///
/// # Errors
/// A missing Yosys, or one that stops.
pub fn prove(
    tools: &Tools,
    schemata: &Schemata,
    mutants: &[&Mutant],
    folder: &Path,
    progress: impl Fn(usize),
) -> Result<BTreeMap<u16, Proof>, ProofError> {
    // Yosys has no model of an array that is large.
    let mutants = mutants.iter().filter(|mutant| !schemata.is_memory(&mutant.module));
    let mut proofs = BTreeMap::new();
    for (index, mutant) in mutants.enumerate() {
        make_folder(folder)?;
        proofs.insert(mutant.number, prove_one(tools, schemata, mutant, folder)?);
        progress(index + 1);
    }
    Ok(proofs)
}

fn prove_one(
    tools: &Tools,
    schemata: &Schemata,
    mutant: &Mutant,
    folder: &Path,
) -> Result<Proof, ProofError> {
    let Mutant { module, number, .. } = mutant;
    let (right, wrong) = (schemata.module(module, None), schemata.module(module, Some(mutant)));
    let free = schemata.wire_of(mutant).unwrap_or_default();
    let told = format!("{TIME_LIMIT:?}{}{right}{wrong}{free}", script(module, ""));
    let name = &hex_digest(told.as_bytes())[..16];
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let known = file("json");
    if let Ok(text) = read_text(&known, LOG)
        && let Ok(proof) = serde_json::from_str(&text)
    {
        return Ok(proof);
    }
    write_atomically(&file("right.v"), right.as_bytes())?;
    write_atomically(&file("wrong.v"), wrong.as_bytes())?;
    write_atomically(&file("free"), format!("{free}\n").as_bytes())?;
    let script = script(module, name);
    write_atomically(&file("ys"), script.as_bytes())?;

    let log = file("log");
    let log_error = |source| ProofError::Log { path: log.clone(), source };
    let output = || File::create(&log).map_err(log_error);
    let mut command = yosys(tools)?.command();
    command.current_dir(folder).args(["-s", &format!("{name}.ys")]);
    let (out, err) = (output()?, output()?);
    let start_error = |source| ProofError::Start { program: command.get_program().into(), source };
    let mut running = process::spawn(&command, out.into(), err.into()).map_err(start_error)?;
    let start = Instant::now();
    let status = loop {
        match running.try_wait().map_err(log_error)? {
            None if start.elapsed() < TIME_LIMIT => std::thread::sleep(Duration::from_millis(50)),
            status => break status,
        }
    };
    let said = read_text(&log, LOG).map_err(log_error)?;
    let proof = match status {
        Some(status) if !status.success() => {
            return Err(ProofError::Yosys { number: *number, log: log.clone() });
        }
        Some(_) if said.contains(PROVEN) => Proof::Equivalent,
        _ => Proof::None,
    };
    let text = serde_json::to_string(&proof).expect("a proof is plain data");
    write_atomically(&known, text.as_bytes())?;
    Ok(proof)
}

/// What Yosys does with `name.right.v` and `name.wrong.v`; `name.free` has the wire that may differ.
fn script(module: &str, name: &str) -> String {
    let prepare = |which: &str, as_name: &str| {
        format!(
            "design -reset\nread_verilog -formal {name}.{which}.v\nhierarchy -top {module}\nproc\nflatten\n\
             chformal -lower\nopt_clean\nrename {module} {as_name}\ndesign -stash {as_name}\n"
        )
    };
    prepare("right", "gold")
        + &prepare("wrong", "gate")
        + &format!(
            "design -reset\ndesign -copy-from gold -as gold gold\ndesign -copy-from gate -as gate gate\n\
             equiv_make -blacklist {name}.free gold gate equiv\nhierarchy -top equiv\nopt_expr\nopt_clean\n\
             equiv_struct\nequiv_simple -set-assumes -ignore-unknown-cells\n\
             equiv_induct -set-assumes -ignore-unknown-cells\nequiv_status\n"
        )
}
