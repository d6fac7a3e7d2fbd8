//! The `trainer` program: `train` makes a network, `table` makes and compares many, `verify` checks one against the
//! reference.
//!
//! Exit code 0: done; 1: an error, printed to stderr; 2: an unknown or impossible option, or a mistake in the run's TOML
//! file or in the definition of a table; 130: interrupted, and resumable. A second Ctrl-C ends the program at once.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spec::{shown, shown_json, shown_lines, shown_path};
use trainer::bench::{self, BenchOptions};
use trainer::integers::compare;
use trainer::interruption::{INTERRUPTED, STOPS_WITH_STDIN};
use trainer::printing::{Format, Printed};
use trainer::run::options::TrainOptions;
use trainer::run::verify::{self, VerifyOptions};
use trainer::run::{self, closing, config};
use trainer::table::definition::Table;
use trainer::table::{self, TableOptions};

/// Signals so close together are one: a terminal's Ctrl-C reaches the runs of a table, and the table passes it on.
const SAME_INTERRUPTION: Duration = Duration::from_millis(300);

/// Trains a teacher, distills it into a half-pruned student, quantizes that to integers and exports it.
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train, distill, half-prune, quantize and write a network; without any option: the embedded default
    Train {
        #[command(flatten)]
        options: Box<TrainOptions>,
    },
    /// Run a network on images with the trainer's integers and with the reference; every logit must agree
    Verify(VerifyOptions),
    /// Train every row of a table over several seeds and print means, spreads and costs; goes on where it was cut off
    Table(Box<TableOptions>),
    /// Measure images a second of training beside the same network in Python PyTorch
    Bench(BenchOptions),
}

fn main() -> ExitCode {
    trainer::memory::keep_freed_memory();
    let cli = match complete(Cli::parse()) {
        Ok(cli) => cli,
        Err(error) => {
            flow::progress::say(&format!("error: {error:#}"));
            return ExitCode::from(2);
        }
    };
    match call(cli) {
        Ok(output) => {
            #[allow(clippy::print_stdout, reason = "the result goes to stdout")]
            {
                println!("{}", escaped(&output));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            flow::progress::say(&format!("error: {error:#}"));
            ExitCode::from(if INTERRUPTED.load(Ordering::Relaxed) { 130 } else { 1 })
        }
    }
}

/// Options as they stand after the run's TOML file and what suits the data.
fn complete(cli: Cli) -> Result<Cli> {
    let options = match cli.command {
        Command::Train { options } => options,
        Command::Table(options) => {
            let mut table = Table::named(&options.table, &options.changes)?;
            if !options.rows.is_empty() {
                table.select(&options.rows)?;
            }
            return Ok(Cli { command: Command::Table(options) });
        }
        Command::Verify(_) | Command::Bench(_) => return Ok(cli),
    };
    let flags: Vec<OsString> = std::env::args_os().skip(2).collect();
    let options = config::complete(&options, &flags)?;
    options.check()?;
    run::networks(&options)?;
    Ok(Cli { command: Command::Train { options: Box::new(options) } })
}

fn call(cli: Cli) -> Result<String> {
    match cli.command {
        Command::Train { options } => {
            stop_when_interrupted()?;
            let expected = (options.expect.clone())
                .map(|path| Ok::<_, anyhow::Error>((spec::files::read_network(&path)?, path)));
            let expected = expected.transpose()?;
            let finished = run::train(&options)?;
            if let (Some((expected, path)), Some(network)) = (expected, &finished.network) {
                compare::expect_same(network, &expected, &path)?;
                flow::progress::say(&format!("it equals {}, bit for bit", shown_path(&path)));
            }
            match options.format {
                Format::Text => Ok(closing::summary(&finished, &options)),
                Format::Json => {
                    for warning in &finished.outcome.warnings {
                        flow::progress::say(&format!("warning: {}", shown(warning)));
                    }
                    flow::progress::say(&format!(
                        "run written to {}",
                        shown_path(&finished.folder)
                    ));
                    Ok(serde_json::to_string_pretty(&finished.outcome)?)
                }
            }
        }
        Command::Table(options) => {
            stop_when_interrupted()?;
            printed(table::run(&options)?)
        }
        Command::Bench(options) => {
            stop_when_interrupted()?;
            Ok(bench::render(&bench::run(&options)?, options.format)?.trim_end().to_owned())
        }
        Command::Verify(options) => printed(verify::run(&options)?),
    }
}

/// What is left to print; of a failure, the text is printed before.
fn printed(Printed { text, failure }: Printed) -> Result<String> {
    let text = text.trim_end().to_owned();
    let Some(failure) = failure else { return Ok(text) };
    writeln!(std::io::stdout(), "{}", escaped(&text))?;
    bail!(failure)
}

/// A result, which may hold names of the user's, as a terminal can show it.
fn escaped(output: &str) -> Cow<'_, str> {
    if output.starts_with('{') { shown_json(output) } else { shown_lines(output) }
}

/// Ctrl-C or SIGTERM: the first stops training at the next batch, the second ends the program at once.
fn stop_when_interrupted() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            INTERRUPTED.store(true, Ordering::Relaxed);
            match first {
                None => {
                    first = Some(Instant::now());
                    flow::progress::say(
                        "interrupted: stopping after the current batch; Ctrl-C again ends it at once",
                    );
                }
                Some(first) if first.elapsed() < SAME_INTERRUPTION => {}
                // Not the usual exit, which would tear down libtorch while it computes.
                Some(_) => signal_hook::low_level::exit(130),
            }
        }
    });
    if std::env::var_os(STOPS_WITH_STDIN).is_some() {
        std::thread::spawn(|| {
            // What comes says nothing, and an error is an end too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            INTERRUPTED.store(true, Ordering::Relaxed);
        });
    }
    Ok(())
}
