//! `twofold verify` and `twofold mlperf`: imported networks against the runtimes of their models.

use anyhow::Result;
use flow::report::{MlperfReport, VerifyReport};
use flow::{MlperfOptions, VerifyOptions, mlperf, verify};

use crate::args::{MlperfArgs, VerifyArgs};
use crate::output::{Output, formatted};

pub(crate) fn run(args: &VerifyArgs) -> Result<Output> {
    let report = verify(&VerifyOptions {
        model: args.model.clone(),
        preprocess: args.preprocess.into(),
        comparison: (&args.comparison).into(),
    })?;
    let text = formatted(args.comparison.format.format, &report, VerifyReport::table);
    Ok(Output::new(text, report.failure()))
}

pub(crate) fn run_mlperf(args: &MlperfArgs) -> Result<Output> {
    let report = mlperf(&MlperfOptions {
        models: args.models.clone(),
        comparison: (&args.comparison).into(),
    })?;
    let text = formatted(args.comparison.format.format, &report, MlperfReport::table);
    Ok(Output::new(text, report.failure()))
}
