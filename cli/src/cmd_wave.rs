//! `twofold wave`: every signal of one image's run.

use anyhow::{Context, Result, ensure};
use hw::pe::Multiplier;
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, TraceMode};

use crate::args::WaveArgs;
use crate::hardware;
use crate::output::Output;
use crate::table::grouped;
use crate::workload::{Workload, shown};

pub(crate) fn run(args: &WaveArgs) -> Result<Output> {
    let wanted = args.image as usize;
    let Workload { program, images, .. } = Workload::read(&args.workload, Some(wanted + 1))?;
    let index = wanted.min(images.len().saturating_sub(1));
    ensure!(index == wanted, "there are only {} images; help: lower --image", images.len());
    let verilog = hardware::verilog(&program.config, Multiplier::Generic)?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Fst)?;
    let mut machine = Machine::new(&model, &program.config)?;
    machine.load(&program)?;
    if let Some(folder) = args.out.parent() {
        let error = || format!("cannot make {}; help: choose another --out", folder.display());
        std::fs::create_dir_all(folder).with_context(error)?;
    }
    let mut partial = args.out.clone().into_os_string();
    partial.push(".partial");
    let run = machine.trace(&images.get(index), partial.as_ref(), &RunOptions::default());
    // An error that the wave is to explain leaves it behind as well.
    std::fs::rename(&partial, &args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    let run = run?;
    let class = run.images[0].logits.class;
    Ok(format!(
        "image {index}: {} cycles, class {} -> {}; open it with GTKWave or Surfer",
        grouped(run.n_cycles),
        program.classes.get(class).map_or("?", String::as_str),
        shown(&args.out)
    )
    .into())
}
