//! What can go wrong between Verilog and a placed design.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use sim::tools::ToolError;
use spec::files::FileError;

/// Why there is no netlist, or no placed design.
#[derive(Debug, thiserror::Error)]
pub enum FpgaError {
    /// A tool that is not set up.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An input, or what a tool wrote, cannot be read.
    #[error("cannot read {path}: {reason}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A log that cannot be written.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A source without a name.
    #[error("{path} is not a file", path = path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// A tool that cannot be started.
    #[error("cannot start {tool}: {reason}")]
    Start {
        /// The tool.
        tool: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// A tool that cannot be waited for.
    #[error("cannot wait for {tool}: {reason}")]
    Wait {
        /// The tool.
        tool: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// A tool that failed.
    #[error("{what} failed ({status}): {errors}; help: the whole log is {log}", log = log.display())]
    Failed {
        /// What it did.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// The errors of its log.
        errors: String,
        /// That log.
        log: PathBuf,
    },
    /// Cells that no ECP5 has.
    #[error(
        "the design holds latches, divisions or tristates: {cells}; help: give every output of an always block a \
         default, and divide by shifting"
    )]
    Forbidden {
        /// Their names.
        cells: String,
    },
    /// Nets without exactly one driver, or combinational loops.
    #[error(
        "the design holds nets without exactly one driver, or loops: {warnings}; help: see {list}",
        list = list.display()
    )]
    Nets {
        /// What Yosys says.
        warnings: String,
        /// All of it.
        list: PathBuf,
    },
    /// A netlist that was not written to its end.
    #[error(
        "{path} is cut off; help: check that the disk has room, and synthesize again: {reason}",
        path = path.display()
    )]
    CutOff {
        /// The netlist.
        path: PathBuf,
        /// Where it ends.
        reason: serde_json::Error,
    },
    /// A netlist of somebody else.
    #[error("{path} is not a netlist written by Yosys: {reason}", path = path.display())]
    NotANetlist {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: serde_json::Error,
    },
    /// A netlist of another design.
    #[error(
        "netlist {path}: no module {top}; help: synthesize again with top {top}",
        path = path.display()
    )]
    NoModule {
        /// The netlist.
        path: PathBuf,
        /// The module that was asked for.
        top: String,
    },
    /// A top module without a clock.
    #[error(
        "the top module has no clock; help: name an input of one bit `clock` (its ports are {ports})"
    )]
    NoClock {
        /// Its ports.
        ports: String,
    },
    /// A top module that does nothing.
    #[error(
        "the top module {top} has no inputs besides its clock, or no outputs; help: give it both"
    )]
    NoPorts {
        /// The module.
        top: String,
    },
    /// A report of nextpnr that is not understood.
    #[error("report {path}: {why}", path = path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// What is missing.
        why: BadReport,
    },
}

/// What a report of nextpnr lacks.
#[derive(Debug, thiserror::Error)]
pub enum BadReport {
    /// It is of another version, perhaps.
    #[error("not what nextpnr 0.11 writes: {0}")]
    Format(#[from] serde_json::Error),
    /// No clock.
    #[error("nextpnr found no clock")]
    NoClock,
    /// No path that the clock is limited by.
    #[error("nextpnr reports no path between registers of clock {0}")]
    NoPath(String),
}
