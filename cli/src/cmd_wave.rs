//! `twofold wave`: every signal of one image's run.

use anyhow::Result;
use flow::report::grouped;
use flow::{WaveOptions, WorkloadOptions, shown_file, wave};
use spec::files::{Kind, Outputs};

use crate::args::WaveArgs;
use crate::output::Output;

pub(crate) fn run(args: &WaveArgs) -> Result<Output> {
    let workload = WorkloadOptions::from(&args.workload);
    let image = args.image as usize;
    let outputs = Outputs::new(args.force.force).reading(workload.inputs()?);
    let target = outputs.target(&args.out, Kind::Wave)?;
    let result = wave(&WaveOptions { workload, image }, &target)?;
    Ok(format!(
        "image {image}: {} cycles, recognized as {} -> {}; open it with GTKWave or Surfer",
        grouped(result.n_cycles),
        result.class.map_or("?".into(), |name| spec::shown(&name).into_owned()),
        shown_file(&args.out)
    )
    .into())
}
