//! `twofold check`: whether a network fits an array, and what sets its rate there.

use anyhow::Result;
use flow::report::CheckReport;
use flow::{CheckOptions, check};

use crate::args::{CheckArgs, Format};
use crate::output::{Output, formatted};

pub(crate) fn run(args: &CheckArgs) -> Result<Output> {
    let options = CheckOptions {
        network: (&args.network).into(),
        array: args.array.into(),
        fit: args.fit,
        accumulators: args.accumulators.into(),
    };
    let report = match check(&options) {
        Ok(report) => report,
        // A program that reads the JSON gets its answer there; a person reads an error.
        Err(error) if args.format.format == Format::Json => {
            CheckReport::unreadable(&options, &error)?
        }
        Err(error) => return Err(error.into()),
    };
    let n = report.problems.len();
    let failure = (n > 0).then(|| format!("{n} problem{}", if n == 1 { "" } else { "s" }));
    Ok(Output::new(formatted(args.format.format, &report, CheckReport::table), failure))
}
