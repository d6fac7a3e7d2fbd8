//! The simulated speed of the array and its selector alone, built and run as the whole accelerator is.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use spec::{ArrayConfig, files, process};
use tempfile::TempDir;

use super::TraceMode;
use super::build::{Toolchain, partial_folder};
use super::unity::unity_start;
use crate::SimError;
use crate::tools::Tools;

const DRIVER: &str = include_str!("bare.cpp");

/// What the bare array did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BareRun {
    /// Cycles simulated, each with other inputs.
    pub n_cycles: u64,
    /// Processor time that they took.
    pub cpu_time: Duration,
}

/// The array with its selector, compiled to a program.
pub struct BareModel {
    program: PathBuf,
    _folder: TempDir,
}

impl BareModel {
    /// Builds `verilog`, the array of `config` with its selector in a top module named `top`. It is not kept.
    ///
    /// # Errors
    /// A missing tool, Verilog that Verilator or the compiler refuses, a cache folder that cannot be written.
    pub fn build(
        tools: &Tools,
        verilog: &str,
        top: &str,
        config: &ArrayConfig,
    ) -> Result<Self, SimError> {
        let cache = tools.root().join("build/model");
        files::make_folder(&cache)?;
        let toolchain = Toolchain::find(tools.verilator()?, tools.compiler()?, TraceMode::Off)?;
        let folder = partial_folder(&cache)?;
        let unity = |names: &[String], header: &str| Ok(unity_source(names, header, config));
        let model = toolchain.model(folder.path(), verilog, top, &unity)?;
        let program = folder.path().join("bare");
        toolchain.link(&model, &toolchain.runtime(&cache)?, &[], &program)?;
        Ok(Self { program, _folder: folder })
    }

    /// Simulates it for at least this processor time, on one core.
    ///
    /// # Errors
    /// A program that fails, or an array that computes nothing.
    pub fn run(&self, least: Duration) -> Result<BareRun, SimError> {
        let mut command = Command::new(&self.program);
        let output = process::output(command.arg(least.as_nanos().to_string()))
            .map_err(|source| SimError::Start { program: self.program.clone(), source })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> =
            text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [n_cycles, ns, sum] if sum > 0 => {
                Ok(BareRun { n_cycles, cpu_time: Duration::from_nanos(ns) })
            }
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                let status = output.status;
                let message = format!("the bare array gave no sums: {status} {}", said.trim());
                Err(SimError::Fatal { message })
            }
        }
    }
}

fn unity_source(names: &[String], header: &str, config: &ArrayConfig) -> String {
    let mut text = unity_start(names, header);
    let lists = [
        ("TWOFOLD_WORDS", "word", config.word_channels()),
        ("TWOFOLD_WEIGHTS", "weight", config.cols()),
        ("TWOFOLD_PSUMS", "psum", config.cols()),
    ];
    for (list, port, n) in lists {
        let _ = write!(text, "#define {list}(X)");
        for position in 0..n {
            let _ = write!(text, " X({position}, {port}_{position})");
        }
        if port == "weight" {
            // Crossings of sections come with the weights.
            for byte in 0..config.n_crossings().div_ceil(8) {
                let _ = write!(text, " X({}, crossing_{byte})", n + byte);
            }
        }
        text.push('\n');
    }
    text + "#line 1 \"bare.cpp\"\n" + DRIVER
}
