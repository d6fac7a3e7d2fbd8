//! `twofold fuzz`: random networks on random arrays, RTL against reference.

use anyhow::Result;
use flow::report::FuzzReport;
use flow::{FuzzOptions, Log, fuzz};

use crate::args::FuzzArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &FuzzArgs) -> Result<Output> {
    let report = fuzz(&FuzzOptions {
        n_layers: args.n as usize,
        seed: args.seed,
        n_arrays: usize::from(args.arrays),
        array: args.array.into(),
        log: Log::Stderr,
    })?;
    let n = report.mismatches.len();
    let failure = report.mismatches.first().map(|first| {
        format!(
            "{n} mismatches; first: array {}, network seed {}: {}; again: twofold fuzz --n {} --seed {}",
            first.array, first.network_seed, first.what, args.n, args.seed
        )
    });
    Ok(Output::new(formatted(args.format.format, &report, FuzzReport::table), failure))
}
