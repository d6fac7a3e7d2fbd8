//! `twofold wave`: every signal of one image's run.

use anyhow::{Context, Result, ensure};
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, SimError, TraceMode};
use spec::Design;
use spec::files::{Kind, Outputs, finish_wave};

use crate::args::WaveArgs;
use crate::hardware;
use crate::output::Output;
use crate::table::grouped;
use crate::workload::{Workload, inputs, shown};

pub(crate) fn run(args: &WaveArgs) -> Result<Output> {
    let wanted = args.image as usize;
    let outputs = Outputs::new(args.force.force).reading(inputs(&args.workload)?);
    let target = outputs.target(&args.out, Kind::Wave)?;
    let Workload { program, images, .. } = Workload::read(&args.workload, Some(wanted + 1))?;
    let index = wanted.min(images.len().saturating_sub(1));
    ensure!(index == wanted, "there are only {} images; help: lower --image", images.len());
    let verilog = hardware::verilog(&Design::of(program.config.clone()))?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Fst)?;
    let mut machine = Machine::new(&model, &program.config)?;
    machine.load(&program)?;
    let image = images.get(index);
    let mut result = None;
    target.write_with(|aside| {
        let run = machine.trace(&image, aside, &RunOptions::default());
        if let Err(error @ SimError::Trace { .. }) = run {
            return Err(error.into());
        }
        // An error that the wave is to explain leaves it behind as well.
        result = Some(run);
        finish_wave(aside).with_context(|| format!("cannot write {}", args.out.display()))
    })?;
    let run = result.context("the image was run")??;
    let class = run.images[0].logits.class;
    Ok(format!(
        "image {index}: {} cycles, class {} -> {}; open it with GTKWave or Surfer",
        grouped(run.n_cycles),
        program.classes.get(class).map_or("?".into(), |name| spec::shown(name)),
        shown(&args.out)
    )
    .into())
}
