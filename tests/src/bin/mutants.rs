//! `make mutants`: which mistakes in the accelerator's Verilog the kill suite notices.
//!
//! Verdicts are remembered in `build/mutants`: a run that was cut off goes on, and one of the same design and suite has
//! nothing to do. Survivors that Yosys proves equivalent are no gap; those that tests/mutants.json explains are survivors,
//! and a second share leaves them out. The exit status is 1 if fewer than 97 % of what is not proven equivalent die.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use clap::Parser;
use sim::tools::{Tools, checkout_root};
use sim::{Machine, Model, TraceMode};
use spec::files::{make_folder, write_atomically};
use twofold_tests::design::{array, verilog};
use twofold_tests::mutants::{
    Campaign, Explanations, HANDOVERS, KillSuite, LEAST_KILLED, Mutant, Proof, SIZE, Schemata,
    Tally, prove, sample, survivors,
};

/// Runs mutants of the accelerator's Verilog and prints which the kill suite overlooks.
#[derive(Parser)]
#[command(name = "mutants")]
struct Args {
    /// Rows of the array.
    #[arg(long, default_value_t = SIZE[0])]
    rows: usize,
    /// Columns of the array.
    #[arg(long, default_value_t = SIZE[1])]
    cols: usize,
    /// Run so many mutants, chosen at random, half of them in control; all by default.
    #[arg(short, long)]
    n: Option<usize>,
    /// Of the choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; one a core by default.
    #[arg(long)]
    jobs: Option<usize>,
    /// Do not ask Yosys about survivors.
    #[arg(long)]
    no_proofs: bool,
    /// Where verdicts are kept; build/mutants of the checkout by default.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let root = checkout_root()?;
    let tools = Tools::find()?;
    let folder = args.folder.unwrap_or_else(|| root.join("build/mutants"));
    let config = array(args.rows, args.cols);
    let right = verilog(&config);
    let explanations = Explanations::read(&root)?;
    let schemata =
        Schemata::new(&right, "accelerator", &HANDOVERS)?.assume(explanations.assumptions());
    make_folder(&folder)?;
    // Survivors name its lines.
    let text = folder.join(format!("accelerator_{}x{}.v", args.rows, args.cols));
    write_atomically(&text, right.as_bytes())?;
    let mut machine =
        Machine::new(&Model::build(&tools, &schemata.verilog(&[]), TraceMode::Off)?, &config)?;
    let suite = KillSuite::new(&config, &mut machine);
    let n_all = schemata.mutants.len();
    let chosen = sample(&schemata.mutants, args.n.unwrap_or(n_all), args.seed);
    eprintln!("{} of {n_all} mutants, {} cycles of programs", chosen.len(), suite.n_cycles());
    let model = Model::build(&tools, &schemata.verilog(&chosen), TraceMode::Off)?;
    let campaign = Campaign::new(&schemata, model, &suite, &folder)?;

    let n_threads = match args.jobs {
        Some(n) => n,
        None => std::thread::available_parallelism().context("the number of cores")?.get(),
    };
    let printed = AtomicUsize::new(0);
    let progress = |done: usize| {
        let percent = done * 100 / chosen.len().max(1);
        if printed.fetch_max(percent, Ordering::Relaxed) < percent {
            eprintln!("{percent} %, {done} of {} mutants", chosen.len());
        }
    };
    let verdicts = campaign.run(&chosen, n_threads, progress)?;
    let survivors = survivors(&chosen, &verdicts);
    let proofs = if args.no_proofs {
        BTreeMap::new()
    } else {
        eprintln!("asking Yosys about {} survivors", survivors.len());
        let progress = |done: usize| {
            if done.is_multiple_of(10) {
                eprintln!("{done} of {} survivors", survivors.len());
            }
        };
        prove(&tools, &schemata, &survivors, &folder.join("proofs"), progress)?
    };
    let equivalent = |mutant: &Mutant| proofs.get(&mutant.number) == Some(&Proof::Equivalent);
    let tally = Tally::new(&chosen, &verdicts, equivalent, &explanations);
    println!("{tally}");
    println!("Verilog: {}\nverdicts: {}", text.display(), campaign.path().display());
    Ok(if tally.share() >= LEAST_KILLED { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
