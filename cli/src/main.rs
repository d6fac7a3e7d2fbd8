//! The `twofold` program: reads the command line, calls a step, prints its result.
//!
//! stdout is the result, stderr the progress. Exit code 0: done; 1: it failed, or the result is a failure (a network that
//! does not fit, bits that differ, lint messages); 2: the command line is wrong.

mod args;
mod cmd_bench;
mod cmd_check;
mod cmd_compile;
mod cmd_disassemble;
mod cmd_export;
mod cmd_fuzz;
mod cmd_import;
mod cmd_lint;
mod cmd_pnr;
mod cmd_report;
mod cmd_shapes;
mod cmd_sim;
mod cmd_synth;
mod cmd_verify;
mod cmd_verilog;
mod cmd_wave;
mod output;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use spec::shown_lines;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Import(args) => cmd_import::run(&args),
        Command::Export(args) => cmd_export::run(&args),
        Command::Verify(args) => cmd_verify::run(&args),
        Command::Mlperf(args) => cmd_verify::run_mlperf(&args),
        Command::Check(args) => cmd_check::run(&args),
        Command::Compile(args) => cmd_compile::run(&args),
        Command::Verilog(args) => cmd_verilog::run(&args),
        Command::Lint(args) => cmd_lint::run(&args),
        Command::Sim(args) => cmd_sim::run(&args),
        Command::Report(args) => cmd_report::run(&args),
        Command::Wave(args) => cmd_wave::run(&args),
        Command::Bench(args) => cmd_bench::run(&args),
        Command::Shapes(args) => cmd_shapes::run(&args),
        Command::Fuzz(args) => cmd_fuzz::run(&args),
        Command::Disassemble(args) => cmd_disassemble::run(&args),
        Command::Synth(args) => cmd_synth::run(&args),
        Command::Pnr(args) => cmd_pnr::run(&args),
    };
    let output = match result {
        Ok(output) => output,
        Err(error) => return fail(&message(&error)),
    };
    let printed = match writeln!(io::stdout(), "{}", shown_lines(output.text.trim_end())) {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    };
    let written = output.write_files();
    if let Some(failure) = &output.failure {
        fail(failure);
    }
    match (printed, written) {
        (Ok(()), Ok(())) if output.failure.is_none() => ExitCode::SUCCESS,
        (Ok(()), Ok(())) => ExitCode::FAILURE,
        (Err(error), _) => fail(&format!(
            "cannot write the result to stdout: {error}; help: check that the disk has room"
        )),
        (Ok(()), Err(error)) => fail(&error.to_string()),
    }
}

/// An error and its causes, those left out that the error already tells.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
    }
    text
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {}", shown_lines(message));
    ExitCode::FAILURE
}
