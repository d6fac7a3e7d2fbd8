//! `twofold verify` and `twofold mlperf`: imported networks against the runtimes of their models.

use anyhow::Result;
use flow::report::{MlperfReport, VerifyReport};
use flow::{Log, MlperfOptions, VerifyOptions, mlperf, verify};

use crate::args::{MlperfArgs, VerifyArgs};
use crate::output::{Output, formatted};

pub(crate) fn run(args: &VerifyArgs) -> Result<Output> {
    let report = verify(&VerifyOptions {
        model: args.model.clone(),
        n_inputs: args.inputs.n as usize,
        seed: args.inputs.seed,
        data: args.inputs.data.clone(),
        band: args.inputs.band,
        preprocess: args.preprocess.into(),
        array: args.array.into(),
        clock_mhz: args.inputs.clock_mhz,
        log: Log::Stderr,
    })?;
    let failure = report.failure();
    Ok(Output::new(formatted(args.format.format, &report, VerifyReport::table), failure))
}

pub(crate) fn run_mlperf(args: &MlperfArgs) -> Result<Output> {
    let report = mlperf(&MlperfOptions {
        models: args.models.clone(),
        n_inputs: args.inputs.n as usize,
        seed: args.inputs.seed,
        data: args.inputs.data.clone(),
        band: args.inputs.band,
        array: args.array.into(),
        clock_mhz: args.inputs.clock_mhz,
        log: Log::Stderr,
    })?;
    let failure = report.failure();
    Ok(Output::new(formatted(args.format.format, &report, MlperfReport::table), failure))
}
