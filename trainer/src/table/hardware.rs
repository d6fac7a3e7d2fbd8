//! What a trained network costs on the accelerator: asked of `flow`, once, and kept in the run folder.

use std::path::Path;

use anyhow::{Context, Result, bail};
use dataset::Random;
use flow::{
    CompileOptions, ImageChoice, Log, NetworkChoice, RunOptions, RunResult, WorkloadOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::JSON;

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

/// Measures the network of a run folder, unless its figures lie there already.
///
/// # Errors
/// A network that does not fit the array whatever its memories, a missing Verilator, or bits that are wrong in the RTL.
pub fn measure(folder: &Path) -> Result<Hardware> {
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
    let mut random = Random::new(&[1]);
    let mut image = || (0..network.input.n_bytes()).map(|_| random.bits() as i8).collect();
    let images: Vec<Vec<i8>> = (0..N_IMAGES).map(|_| image()).collect();
    let network = NetworkChoice::Given(Box::new(network));
    let simulate = |fit: bool| -> Result<RunResult> {
        let workload = WorkloadOptions {
            network: network.clone(),
            images: ImageChoice::Given(images.clone()),
            fit,
            ..WorkloadOptions::default()
        };
        let result =
            flow::run(&RunOptions { workload, log: Log::Silent, ..RunOptions::default() })?;
        match result.failure() {
            None => Ok(result),
            Some(failure) => bail!(failure),
        }
    };
    let (result, fitted_memories) = fitted_if_needed(simulate)?;
    let schedule = &result.report.schedule;
    let n_cycles_between_images = schedule
        .n_cycles_between_images
        .with_context(|| format!("{N_IMAGES} images are too few for a steady state"))?;
    let compile = CompileOptions { network, fit: fitted_memories, ..CompileOptions::default() };
    let hardware = Hardware {
        format_version: FORMAT_VERSION,
        tensors_sha256,
        rom_bytes: flow::rom_bytes(&flow::compile(&compile)?),
        n_cycles_between_images,
        n_compute_cycles_per_image: schedule.n_compute_cycles_per_image,
        fitted_memories,
    };
    let json = serde_json::to_string_pretty(&hardware)? + "\n";
    spec::files::write_atomically(&path, json.as_bytes())?;
    Ok(hardware)
}

/// What a step gives with the default memories, or else with memories as deep as the network needs, and which it was.
fn fitted_if_needed<T>(step: impl Fn(bool) -> Result<T>) -> Result<(T, bool)> {
    match step(false) {
        Ok(result) => Ok((result, false)),
        Err(first) => match step(true) {
            Ok(result) => Ok((result, true)),
            Err(second) => bail!("{}; with --fit: {}", one_line(&first), one_line(&second)),
        },
    }
}

/// A message that may list many problems, on the line of a table's failure.
fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn tensors_digest(folder: &Path) -> Result<String> {
    let path = folder.join("network.json");
    let text = spec::files::read_text(&path, JSON)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let json: Value = serde_json::from_str(&text)?;
    let digest = json["tensors_sha256"].as_str();
    Ok(digest.with_context(|| format!("{}: lacks `tensors_sha256`", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[test]
    fn memories_are_fitted_where_the_default_ones_do_not_do() {
        let step = |works: [bool; 2]| {
            fitted_if_needed(move |fit| {
                ensure!(works[usize::from(fit)], "memory is full:\n  - with {fit}");
                Ok("cycles")
            })
        };
        assert_eq!(step([true, false]).unwrap(), ("cycles", false));
        assert_eq!(step([false, true]).unwrap(), ("cycles", true));
        let message = step([false, false]).unwrap_err().to_string();
        assert_eq!(
            message,
            "memory is full: - with false; with --fit: memory is full: - with true"
        );
    }
}
