//! The command lines of `verify` and `mlperf`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use flow::{ComparisonOptions, Log};

use super::import::PresetArg;
use super::{ArrayArgs, FormatArgs};

/// What both compare.
#[derive(Debug, Args)]
pub(crate) struct ComparisonArgs {
    /// Inputs: half of them images of --data, the others random.
    #[arg(short, long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(2..))]
    pub(crate) n: u32,
    /// Where the random inputs begin.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Images, as `sim --data` takes them; all inputs are random without.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<String>,
    /// The band of images that have several: `vh`, `vv` or a number from 1.
    #[arg(long, value_name = "BAND", requires = "data")]
    pub(crate) band: Option<super::Band>,
    /// The clock that inferences a second assume, in MHz; what was routed last by default.
    #[arg(long, value_name = "MHZ", default_value_t = 71.6, value_parser = super::positive)]
    pub(crate) clock_mhz: f64,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

impl From<&ComparisonArgs> for ComparisonOptions {
    fn from(args: &ComparisonArgs) -> Self {
        Self {
            n_inputs: args.n as usize,
            seed: args.seed,
            data: args.data.clone(),
            band: args.band,
            array: args.array.into(),
            clock_mhz: args.clock_mhz,
            log: Log::Stderr,
        }
    }
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The model: a .tflite or .onnx file.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// How images become the input.
    #[arg(long, value_enum, value_name = "NAME", default_value = "bytes")]
    pub(crate) preprocess: PresetArg,
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
}

/// Arguments of `mlperf`.
#[derive(Debug, Args)]
pub(crate) struct MlperfArgs {
    /// The folder with the published models.
    #[arg(long, value_name = "DIR")]
    pub(crate) models: PathBuf,
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
}
