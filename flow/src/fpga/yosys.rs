//! Synthesis with Yosys: checks what no ECP5 cell can do well, maps, and counts cells.

use std::fs;
use std::path::{Path, PathBuf};

use spec::files::{Limit, make_folder, read_regular, read_text, remove, write_atomically};

use super::error::FpgaError;
use super::netlist::{NETLIST, Netlist};
use super::process::Job;
use super::report::{FORMAT_VERSION, SynthReport};
use crate::tools::{self, Tools};

/// Cells that mean a latch or a division, as Yosys names them before mapping.
const FORBIDDEN: [&str; 11] = [
    "$dlatch",
    "$adlatch",
    "$dlatchsr",
    "$sr",
    "$div",
    "$mod",
    "$divfloor",
    "$modfloor",
    "$pow",
    "$tribuf",
    "$_TBUF_",
];

/// Reports, and what the script's checks list.
pub(super) const REPORT: Limit = Limit::new("a report", 64 << 20);
const REPORT_FILE: &str = "synth.report.json";

/// What is synthesized.
#[derive(Debug, Clone)]
pub struct SynthInput {
    /// All source files.
    pub verilog_files: Vec<PathBuf>,
    /// The folder whose files `$readmemh` names, relative to it.
    pub rom_dir: Option<PathBuf>,
    /// The top module.
    pub top: String,
}

/// Synthesizes `input` for ECP5 in the folder `out_dir`, which is made if need be. It then holds the
/// netlist as `TOP.json` and `TOP.il`, the script, the log and copies of the inputs; if those are what they were, the last run's result is returned.
///
/// # Errors
/// If Yosys is not set up, an input cannot be read, the Verilog is wrong, or the design holds a latch, an undriven or
/// multiply driven net, a combinational loop, or a division.
pub fn synthesize(
    tools: &Tools,
    input: &SynthInput,
    out_dir: &Path,
) -> Result<SynthReport, FpgaError> {
    let yosys = tools::yosys(tools)?;
    make_folder(out_dir)?;
    let mut staged = Stage { folder: out_dir, is_changed: false };
    let mut sources = Vec::new();
    for path in &input.verilog_files {
        let name = path.file_name().ok_or_else(|| FpgaError::NotAFile { path: path.clone() })?;
        sources.push(name.to_string_lossy().into_owned());
        staged.copy(path, Path::new(name))?;
    }
    if let Some(rom_dir) = &input.rom_dir {
        staged.copy_folder(rom_dir, Path::new(""))?;
    }
    staged.write(Path::new("synth.ys"), script(&sources, &input.top).as_bytes())?;

    let report_path = out_dir.join(REPORT_FILE);
    let netlist_path = out_dir.join(format!("{}.json", input.top));
    if !staged.is_changed && netlist_path.is_file() {
        let last = read_regular(&report_path, REPORT)
            .ok()
            .and_then(|json| serde_json::from_slice::<SynthReport>(&json).ok());
        if let Some(report) = last.filter(|report| report.format_version == FORMAT_VERSION) {
            eprintln!("yosys: nothing changed since {}", report_path.display());
            return Ok(report);
        }
    }
    for stale in
        [&report_path, &netlist_path, &out_dir.join("forbidden.txt"), &out_dir.join("check.txt")]
    {
        remove(stale)?;
    }

    eprintln!("yosys: synthesizing {} for ECP5 in {}", input.top, out_dir.display());
    let mut command = yosys.command();
    command.args(["-q", "-l", "synth.log", "synth.ys"]);
    let job = Job {
        name: "yosys",
        what: "synthesis",
        folder: out_dir,
        log_name: "synth.log",
        is_progress: is_yosys_progress,
    };
    let result = job.run(command);
    verdict(out_dir)?;
    result?;

    let report = report(&Netlist::read(&netlist_path, &input.top)?, &input.top);
    let mut json = serde_json::to_vec_pretty(&report).expect("keys are strings");
    json.push(b'\n');
    write_atomically(&report_path, &json)?;
    Ok(report)
}

/// The script: read, check what is forbidden while it still has a name, map, check again. The cell library comes first
/// for sources that instantiate its cells; without `setattr`, Yosys would read their modules' source once more after it
/// has flattened them, and miss what they held. `pmux2shiftx` keeps a `case` over a number a multiplexer that the number
/// selects; Yosys would compare the number with every label, and join what is behind each by AND and OR.
fn script(sources: &[String], top: &str) -> String {
    let mut script =
        String::from("read_verilog -lib -specify +/ecp5/cells_sim.v +/ecp5/cells_bb.v\n");
    for source in sources {
        script += &format!("read_verilog \"{source}\"\n");
    }
    let forbidden: Vec<_> = FORBIDDEN.iter().map(|kind| format!("t:{kind}")).collect();
    let forbidden = forbidden.join(" ");
    script
        + &format!(
            "hierarchy -check -top {top}
setattr -unset reprocess_after c:*
proc
opt_clean
tee -q -o check.txt check
opt_expr
opt_clean
tee -q -o forbidden.txt select -list {forbidden}
select -assert-none {forbidden}
pmux2shiftx
synth_ecp5 -top {top}
check -assert
select -assert-none t:$* t:$scopeinfo %d
write_json {top}.json
select {top}
write_rtlil -selected {top}.il
"
        )
}

/// Whether a line of Yosys' log heads a pass.
pub(super) fn is_yosys_progress(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(". Executing ")
}

/// Turns what the script's checks listed into one error.
fn verdict(out_dir: &Path) -> Result<(), FpgaError> {
    let forbidden = read_text(&out_dir.join("forbidden.txt"), REPORT).unwrap_or_default();
    let forbidden: Vec<_> = forbidden.lines().filter(|line| !line.trim().is_empty()).collect();
    if !forbidden.is_empty() {
        return Err(FpgaError::Forbidden { cells: forbidden.join(", ") });
    }
    let check = read_text(&out_dir.join("check.txt"), REPORT).unwrap_or_default();
    let warnings: Vec<_> =
        check.lines().filter_map(|line| line.strip_prefix("Warning: ")).collect();
    if !warnings.is_empty() {
        let (warnings, list) = (warnings.join("; "), out_dir.join("check.txt"));
        return Err(FpgaError::Nets { warnings, list });
    }
    Ok(())
}

fn report(netlist: &Netlist, top: &str) -> SynthReport {
    let cells = netlist.cells_by_kind();
    let n = |kind: &str| cells.get(kind).copied().unwrap_or(0);
    SynthReport {
        format_version: FORMAT_VERSION,
        top: top.to_owned(),
        tool: netlist.creator.split(" (").next().unwrap_or_default().to_owned(),
        n_mult18x18d: n("MULT18X18D"),
        n_dp16kd: n("DP16KD"),
        n_lut4: n("LUT4"),
        n_ccu2c: n("CCU2C"),
        n_trellis_ff: n("TRELLIS_FF"),
        n_trellis_dpr16x4: n("TRELLIS_DPR16X4"),
        n_port_bits: netlist.n_port_bits(),
        blocks: netlist.cells_by_block(),
        cells,
    }
}

/// A file that somebody else, or a tool, wrote.
pub(super) fn read(path: &Path, limit: Limit) -> Result<Vec<u8>, FpgaError> {
    read_regular(path, limit).map_err(|reason| FpgaError::Read { path: path.to_owned(), reason })
}

/// The folder that a tool runs in, and whether anything put there differs from what was there.
pub(super) struct Stage<'a> {
    pub(super) folder: &'a Path,
    pub(super) is_changed: bool,
}

impl Stage<'_> {
    pub(super) fn copy(&mut self, from: &Path, name: &Path) -> Result<(), FpgaError> {
        let content = read(from, NETLIST)?;
        self.write(name, &content)
    }

    fn copy_folder(&mut self, from: &Path, name: &Path) -> Result<(), FpgaError> {
        let error = |reason| FpgaError::Read { path: from.to_owned(), reason };
        for entry in fs::read_dir(from).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let name = name.join(path.file_name().expect("entries of a folder have names"));
            if path.is_dir() {
                self.copy_folder(&path, &name)?;
            } else {
                self.copy(&path, &name)?;
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, name: &Path, content: &[u8]) -> Result<(), FpgaError> {
        let path = self.folder.join(name);
        if read_regular(&path, NETLIST).is_ok_and(|old| old == content) {
            return Ok(());
        }
        self.is_changed = true;
        Ok(write_atomically(&path, content)?)
    }
}
