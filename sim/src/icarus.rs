//! The accelerator's Verilog under Icarus, an event simulator with unknown values: slow, and independent of Verilator.
//!
//! What is unknown stays unknown there, so it shows what depends on contents that registers and memories happen to
//! have at power-up. The test bench drives and samples the ports in the very cycles in which Verilator's shim does, with
//! the same pauses for a seed: counters and cycles are comparable one by one.

mod bench;
mod parse;
mod power_up;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use spec::{ArrayConfig, Program, files, process};
use tempfile::TempDir;

use crate::SimError;
use crate::loaded::{Loaded, RtlExecutor, RunOptions, RunOutput};
use crate::tools::{IcarusTools, Tools};

use bench::Bench;

/// What registers and memories other than ROMs hold before the first clock edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PowerUp {
    /// Registers hold the initial values of the Verilog, memories are unknown.
    #[default]
    Initial,
    /// Everything is unknown.
    Unknown,
    /// Every register with an initial value and every memory holds random bits of this seed.
    Random(u64),
}

/// How the accelerator is brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcarusOptions {
    /// What it holds before the first clock edge.
    pub power_up: PowerUp,
    /// Whether it is reset, for as long as its ports' description asks for; else reset is 0 from the start.
    pub reset: bool,
}

impl Default for IcarusOptions {
    fn default() -> Self {
        Self { power_up: PowerUp::default(), reset: true }
    }
}

/// An accelerator in Icarus. Every run compiles and starts from power-up.
pub struct Icarus {
    tools: IcarusTools,
    folder: PathBuf,
    verilog: String,
    config: ArrayConfig,
    options: IcarusOptions,
    loaded: Option<Loaded>,
}

impl Icarus {
    /// An accelerator of this Verilog, made for `config`. Runs take place in folders of their own in `build/icarus` of the
    /// checkout.
    ///
    /// # Errors
    /// If Icarus is missing.
    pub fn new(
        tools: &Tools,
        verilog: &str,
        config: &ArrayConfig,
        options: IcarusOptions,
    ) -> Result<Self, SimError> {
        Ok(Self {
            tools: tools.icarus()?,
            folder: tools.root().join("build/icarus"),
            verilog: power_up::transform(verilog, options.power_up),
            config: config.clone(),
            options,
            loaded: None,
        })
    }

    /// Takes a program for its ROMs.
    ///
    /// # Errors
    /// A program for another configuration.
    pub fn load(&mut self, program: &Program) -> Result<(), SimError> {
        self.loaded = Some(Loaded::new(program, &self.config)?);
        Ok(())
    }

    /// Runs frames of any length but none in place of images, as [`crate::Machine::run_frames`] does.
    ///
    /// # Errors
    /// As [`RtlExecutor::run`], Verilog that Icarus refuses, and an output that is unknown.
    pub fn run_frames(
        &mut self,
        frames: &[&[i8]],
        options: &RunOptions,
    ) -> Result<RunOutput, SimError> {
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let cycle_limit = options.cycle_limit.unwrap_or(loaded.cycle_limit);
        let reset_cycles = if self.options.reset { self.config.reset_cycles() as u64 } else { 0 };
        let seed = match self.options.power_up {
            PowerUp::Random(seed) => seed,
            PowerUp::Initial | PowerUp::Unknown => 0,
        };
        let bench = Bench { loaded, frames, options, cycle_limit, reset_cycles, seed };
        let began = Instant::now();
        let output = self.simulate(&loaded.program, &bench)?;
        let result = parse::result(&output, loaded, frames, began.elapsed())?;
        loaded.output(&result, cycle_limit, String::new)
    }

    fn simulate(&self, program: &Program, bench: &Bench) -> Result<String, SimError> {
        files::make_folder(&self.folder)?;
        let folder = TempDir::new_in(&self.folder).map_err(file_error(&self.folder))?;
        let write = |name: &str, text: &str| {
            files::write_atomically(&folder.path().join(name), text.as_bytes())
        };
        for (name, text) in program.to_files() {
            write(name, &text)?;
        }
        write("accelerator.v", &self.verilog)?;
        write("bench.v", &bench.verilog())?;
        write(bench::IMAGES, &bench.images())?;
        let mut compile = Command::new(&self.tools.iverilog);
        compile.args(["-g2012", "-s", bench::TOP, "-o", "bench.vvp", "accelerator.v", "bench.v"]);
        run(folder.path(), compile)?;
        let mut simulate = Command::new(&self.tools.vvp);
        simulate.args(["-n", "bench.vvp"]);
        run(folder.path(), simulate)
    }
}

impl RtlExecutor for Icarus {
    fn program(&self) -> Option<&Program> {
        self.loaded.as_ref().map(|loaded| &loaded.program)
    }

    fn run(&mut self, images: &[&[i8]], options: &RunOptions) -> Result<RunOutput, SimError> {
        self.loaded.as_ref().ok_or(SimError::NoProgram)?.check_images(images)?;
        self.run_frames(images, options)
    }

    /// Never known: a run takes too long to repeat it.
    fn time_byte(
        &mut self,
        _image: &[i8],
        _layer: usize,
        _bank: usize,
        _word_and_byte: [usize; 2],
    ) -> Result<Option<u64>, SimError> {
        Ok(None)
    }
}

/// Runs a program to a success and gives its stdout.
fn run(folder: &Path, mut command: Command) -> Result<String, SimError> {
    let program = PathBuf::from(command.get_program());
    command.current_dir(folder);
    let output = process::output(&command)
        .map_err(|source| SimError::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout, output.stderr].concat();
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').take(10).collect();
    let log = String::from_utf8_lossy(&lines.join(&b'\n')).trim().to_owned();
    let status = output.status;
    let log = if log.is_empty() { format!("it says nothing, {status}") } else { log };
    Err(SimError::Icarus { program, log })
}

/// How long Icarus is likely to take for so many multiplications on an array: each PE costs time in each cycle, as does
/// everything around the array. Measured on a common machine of 2026.
pub fn icarus_time(n_macs: u64, config: &ArrayConfig) -> Duration {
    let n_pes = config.n_pes() as u64;
    Duration::from_nanos(n_macs / n_pes * (NS_A_CYCLE + NS_A_PE_CYCLE * n_pes))
}

const NS_A_CYCLE: u64 = 40_000;
const NS_A_PE_CYCLE: u64 = 800;

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> SimError + use<> {
    let path = path.to_owned();
    move |source| SimError::Folder { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_without_a_word_is_told_by_its_status() {
        let error = run(&std::env::temp_dir(), Command::new("false")).unwrap_err().to_string();
        assert!(error.starts_with("false fails:\nit says nothing, exit status: 1\n"), "{error}");
    }
}
