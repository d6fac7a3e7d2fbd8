//! What a trained network costs on the accelerator: asked of the `twofold` program, once, and kept in the run folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use dataset::Random;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{JSON, ROM};

pub(crate) const FILE_NAME: &str = "hardware.json";
const FORMAT_VERSION: u32 = 2;
/// Images that are simulated, enough for the steady state: cycles do not depend on what they show, and every bit of them
/// is checked.
const N_IMAGES: usize = 4;

/// Figures of the reference array, 8 rows by 16 columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Layout of the file.
    pub format_version: u32,
    /// Digest of the weights that were measured.
    pub tensors_sha256: String,
    /// Bytes of all ROM files together.
    pub rom_bytes: u64,
    /// Cycles from one image's end to the next one's in the steady state, from the simulated RTL.
    pub n_cycles_between_images: u64,
    /// Cycles that computing an image takes.
    pub n_compute_cycles_per_image: u64,
    /// Whether memories had to be made deeper than they are by default.
    pub fitted_memories: bool,
}

/// The `twofold` program beside this one.
///
/// # Errors
/// When it is not there; the message says how to build it.
pub fn find_twofold(trainer: &Path) -> Result<PathBuf> {
    let path = trainer.with_file_name(format!("twofold{}", std::env::consts::EXE_SUFFIX));
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    ensure!(
        path.is_file(),
        "{} is not there, which counts ROM bytes and cycles; build it with `cargo build{release} --bin twofold` \
         (`make table` does), or leave them out with --no-hardware",
        path.display()
    );
    Ok(path)
}

/// Measures the network of a run folder, unless its figures lie there already.
///
/// # Errors
/// A network that `twofold` refuses, or whose bits are wrong in the RTL; what it said is in the message.
pub fn measure(twofold: &Path, folder: &Path) -> Result<Hardware> {
    let path = folder.join(FILE_NAME);
    let network = spec::files::read_network(folder)?;
    let tensors_sha256 = tensors_digest(folder)?;
    let stored = spec::files::read_regular(&path, JSON)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(hardware) = stored.filter(|stored: &Hardware| {
        stored.format_version == FORMAT_VERSION && stored.tensors_sha256 == tensors_sha256
    }) {
        return Ok(hardware);
    }
    let scratch = tempfile::tempdir().context("no temporary folder can be made")?;
    let images = scratch.path().join("images.bin");
    let mut random = Random::new(&[1]);
    let bytes: Vec<u8> =
        (0..N_IMAGES * network.input.n_bytes()).map(|_| random.bits() as u8).collect();
    spec::files::write_atomically(&images, &bytes)?;

    let simulate = |fit: bool| {
        let mut command = Command::new(twofold);
        command.args(["sim", "--format", "json", "--network"]).arg(folder);
        command.arg("--int8").arg(&images);
        output(command.args(fit.then_some("--fit")))
    };
    let (report, fitted_memories) = match simulate(false) {
        Ok(report) => (report, false),
        Err(first) => match simulate(true) {
            Ok(report) => (report, true),
            Err(second) => bail!("{first:#}; with --fit: {second:#}"),
        },
    };
    let report: Value = serde_json::from_str(&report).context("twofold sim printed no report")?;
    let cycles = |key: &str| {
        let n_cycles = report["schedule"][key].as_u64();
        n_cycles.with_context(|| format!("the report of twofold sim lacks `schedule.{key}`"))
    };
    let program = scratch.path().join("program");
    let mut command = Command::new(twofold);
    command.arg("compile").arg(folder).arg("--out").arg(&program);
    output(command.args(fitted_memories.then_some("--fit")))?;
    let hardware = Hardware {
        format_version: FORMAT_VERSION,
        tensors_sha256,
        rom_bytes: rom_bytes(&program)?,
        n_cycles_between_images: cycles("n_cycles_between_images")?,
        n_compute_cycles_per_image: cycles("n_compute_cycles_per_image")?,
        fitted_memories,
    };
    let json = serde_json::to_string_pretty(&hardware)? + "\n";
    spec::files::write_atomically(&path, json.as_bytes())?;
    Ok(hardware)
}

fn tensors_digest(folder: &Path) -> Result<String> {
    let path = folder.join("network.json");
    let text = spec::files::read_text(&path, JSON)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let json: Value = serde_json::from_str(&text)?;
    let digest = json["tensors_sha256"].as_str();
    Ok(digest.with_context(|| format!("{}: lacks `tensors_sha256`", path.display()))?.to_owned())
}

/// Bytes of every ROM file of a program: two hexadecimal digits each.
fn rom_bytes(program: &Path) -> Result<u64> {
    let context = || format!("{}: cannot be read", program.display());
    let mut n_digits = 0;
    for entry in std::fs::read_dir(program).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let text = spec::files::read_regular(&path, ROM).with_context(context)?;
            n_digits += text.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
        }
    }
    ensure!(n_digits > 0, "{}: holds no ROM file", program.display());
    Ok(n_digits as u64 / 2)
}

/// What a command printed, if it succeeded.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = spec::process::output(command)
        .with_context(|| format!("{}: cannot be started", Path::new(&program).display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| line.starts_with("error")).or(stderr.lines().last());
    ensure!(
        output.status.success(),
        "twofold {}: {}",
        command.get_args().next().unwrap_or_default().display(),
        last.unwrap_or("failed, without a word")
    );
    String::from_utf8(output.stdout).context("twofold printed no text")
}
