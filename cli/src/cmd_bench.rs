//! `twofold bench`: how fast the simulation is, on one core.

use std::time::Duration;

use anyhow::Result;
use flow::report::BenchReport;
use flow::{BenchOptions, bench};

use crate::args::BenchArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &BenchArgs) -> Result<Output> {
    let report = bench(&BenchOptions {
        case: args.case.clone(),
        array: args.array.into(),
        least: Duration::from_secs_f64(args.seconds),
    })?;
    Ok(formatted(args.format.format, &report, BenchReport::table).into())
}
