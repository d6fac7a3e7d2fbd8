//! Placement and routing with nextpnr: cells used, the fastest clock, and the path that limits it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spec::files::{make_folder, remove, write_atomically};

use super::critical_path::{JsonPath, critical_path};
use super::error::{BadReport, FpgaError};
use super::harness::{INSTANCE, clock_of, shift_registers};
use super::netlist::{NETLIST, Netlist};
use super::process::Job;
use super::report::{CellUse, CriticalPath, FORMAT_VERSION, PnrReport, PortContext};
use super::yosys::{REPORT, Stage, is_yosys_progress, read};
use crate::tools::{self, Tools};

/// Pads for the user in the CABGA381 package of an LFE5U-85F. nextpnr itself would place more, on pads without a ball.
const N_PADS: usize = 205;
const DEVICE: &str = "LFE5U-85F-6 CABGA381";
const DEVICE_ARGS: [&str; 5] = ["--85k", "--package", "CABGA381", "--speed", "6"];

/// What is placed and routed.
#[derive(Debug, Clone)]
pub struct PnrInput {
    /// The netlist that [`super::synthesize`] left, `TOP.json`; `TOP.il` lies beside it.
    pub netlist: PathBuf,
    /// Its top module.
    pub top: String,
    /// Pins and their voltages as in an LPF file; ports that it does not name are placed freely.
    pub constraints: Option<String>,
    /// The clock to reach. Placement works until it is met, so that asking for little gives little.
    pub clock_mhz: f64,
    /// Where the placer's random numbers begin.
    pub seed: u64,
}

#[derive(Deserialize)]
struct JsonReport {
    fmax: BTreeMap<String, JsonFmax>,
    utilization: BTreeMap<String, JsonUse>,
    critical_paths: Vec<JsonPath>,
}

#[derive(Deserialize)]
struct JsonFmax {
    achieved: f64,
    constraint: f64,
}

#[derive(Deserialize)]
struct JsonUse {
    used: u64,
    available: u64,
}

/// Places and routes `input` on an ECP5-85F of speed grade 6 in the folder `out_dir`, which is made if need be and then
/// holds nextpnr's log and report, and the placed design as `TOP.config`. A design with more port bits than the package
/// has pads is placed out of context: see [`PortContext`]. Missing the clock is no error.
///
/// # Errors
/// If a tool is not set up, an input cannot be read, or the design does not fit or cannot be routed.
pub fn place_and_route(
    tools: &Tools,
    input: &PnrInput,
    out_dir: &Path,
) -> Result<PnrReport, FpgaError> {
    let nextpnr = tools::nextpnr_ecp5(tools)?;
    make_folder(out_dir)?;
    let mut staged = Stage { folder: out_dir, is_changed: false };
    let mut netlist = Netlist::read(&input.netlist, &input.top)?;
    clock_of(&netlist.ports)?;
    let json = read(&input.netlist, NETLIST)?;
    let mut design = format!("{}.json", input.top);
    staged.write(Path::new(&design), &json)?;
    let mut port_context = PortContext::Pads;
    if netlist.n_port_bits() > N_PADS {
        port_context = PortContext::ShiftRegisters;
        let rtlil = input.netlist.with_extension("il");
        staged.copy(&rtlil, Path::new(&format!("{}.il", input.top)))?;
        design = wrap(tools, &netlist, &input.top, &mut staged)?;
        netlist = Netlist::read(&out_dir.join(&design), &wrapper_of(&input.top))?;
    }

    let mut command = nextpnr.command();
    command.args(DEVICE_ARGS).args([
        "--json",
        &design,
        "--report",
        "nextpnr.json",
        "--lpf-allow-unconstrained",
    ]);
    command.args(["--textcfg", &format!("{}.config", input.top), "--timing-allow-fail"]);
    command.args(["--freq", &input.clock_mhz.to_string(), "--seed", &input.seed.to_string()]);
    if let Some(constraints) = &input.constraints {
        staged.write(Path::new("pins.lpf"), constraints.as_bytes())?;
        command.args(["--lpf", "pins.lpf"]);
    }
    let raw_path = out_dir.join("nextpnr.json");
    remove(&raw_path)?;
    eprintln!("nextpnr: placing and routing {} on {DEVICE} in {}", input.top, out_dir.display());
    command.args(["-q", "--log", "nextpnr.log"]);
    let what = "placement and routing";
    Job { name: "nextpnr", what, folder: out_dir, log_name: "nextpnr.log", is_progress }
        .run(command)?;

    let raw = read(&raw_path, REPORT)?;
    let mut report = report(&raw, &netlist, input, port_context)
        .map_err(|why| FpgaError::Report { path: raw_path, why })?;
    report.tool = version(tools)?;
    let mut json = serde_json::to_vec_pretty(&report).expect("keys are strings");
    json.push(b'\n');
    write_atomically(&out_dir.join("pnr.report.json"), &json)?;
    Ok(report)
}

fn wrapper_of(top: &str) -> String {
    format!("{top}_on_pads")
}

/// Puts the mapped netlist between shift registers and returns the new netlist's file name.
fn wrap(
    tools: &Tools,
    netlist: &Netlist,
    top: &str,
    staged: &mut Stage<'_>,
) -> Result<String, FpgaError> {
    let wrapper = wrapper_of(top);
    let n_port_bits = netlist.n_port_bits();
    eprintln!(
        "yosys: {n_port_bits} port bits do not fit on {N_PADS} pads: putting shift registers on the ports"
    );
    let verilog = shift_registers(&wrapper, top, &netlist.ports)?;
    let script = format!(
        "read_verilog {wrapper}.v
synth_ecp5 -top {wrapper}
delete {top}
read_rtlil {top}.il
flatten {wrapper}
delete {top}
clean
write_json {wrapper}.json
"
    );
    staged.write(Path::new(&format!("{wrapper}.v")), verilog.as_bytes())?;
    staged.write(Path::new("wrap.ys"), script.as_bytes())?;
    let name = format!("{wrapper}.json");
    if staged.is_changed || !staged.folder.join(&name).is_file() {
        let mut command = tools::yosys(tools)?.command();
        command.args(["-q", "-l", "wrap.log", "wrap.ys"]);
        let what = "putting shift registers on the ports";
        let job = Job {
            name: "yosys",
            what,
            folder: staged.folder,
            log_name: "wrap.log",
            is_progress: is_yosys_progress,
        };
        job.run(command)?;
    }
    Ok(name)
}

fn is_progress(line: &str) -> bool {
    line.strip_prefix("Info: ").is_some_and(|line| !line.starts_with(['[', ' ']))
}

fn version(tools: &Tools) -> Result<String, FpgaError> {
    let output = spec::process::output(tools::nextpnr_ecp5(tools)?.command().arg("--version"))
        .map_err(|reason| FpgaError::Start { tool: "nextpnr".to_owned(), reason })?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let version = said.split("Version ").nth(1).and_then(|rest| rest.split(')').next());
    Ok(version.unwrap_or("nextpnr").to_owned())
}

/// Reads nextpnr's own report. The clock is the slowest of all, which is the only one.
fn report(
    raw: &[u8],
    netlist: &Netlist,
    input: &PnrInput,
    port_context: PortContext,
) -> Result<PnrReport, BadReport> {
    let raw: JsonReport = serde_json::from_slice(raw)?;
    let (clock, fmax) = raw
        .fmax
        .iter()
        .min_by(|(_, a), (_, b)| a.achieved.total_cmp(&b.achieved))
        .ok_or(BadReport::NoClock)?;
    let mut critical_path = critical_path(&raw.critical_paths, clock, netlist)?;
    if port_context == PortContext::ShiftRegisters {
        without_instance(&mut critical_path);
    }
    let cells = raw.utilization.into_iter().filter(|(_, cell)| cell.used > 0);
    Ok(PnrReport {
        format_version: FORMAT_VERSION,
        top: input.top.clone(),
        tool: String::new(),
        device: String::from(DEVICE),
        port_context,
        seed: input.seed,
        fmax_mhz: fmax.achieved,
        constraint_mhz: fmax.constraint,
        constraint_met: fmax.achieved >= fmax.constraint,
        cells: cells
            .map(|(kind, cell)| CellUse { kind, n_used: cell.used, n_available: cell.available })
            .collect(),
        critical_path_in_words: critical_path.in_words(),
        critical_path,
    })
}

/// Takes the wrapper's instance name off the names of the design.
fn without_instance(path: &mut CriticalPath) {
    let inside = format!("{INSTANCE}.");
    for end in [&mut path.from, &mut path.to] {
        *end = end.replace(&format!(" {inside}"), " ").replace(&format!("({inside}"), "(");
    }
    for step in &mut path.steps {
        if step.module == INSTANCE {
            step.module.clear();
        } else if let Some(module) = step.module.strip_prefix(&inside) {
            step.module = module.to_owned();
        }
    }
}
