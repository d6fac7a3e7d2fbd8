//! Every signal of one image's run.

use sim::{Machine, Model, SimError, TraceMode};
use spec::Design;
use spec::files::{Target, finish_wave};

use crate::build::emit;
use crate::choice::WorkloadOptions;
use crate::error::FlowError;
use crate::tools::Tools;
use crate::workload::Workload;

/// What is traced.
#[derive(Clone, Debug, Default)]
pub struct WaveOptions {
    /// What is run on what.
    pub workload: WorkloadOptions,
    /// Which image of the data.
    pub image: usize,
}

/// What the traced run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveResult {
    /// Cycles simulated.
    pub n_cycles: u64,
    /// The class that the RTL chose, if it has a name.
    pub class: Option<String>,
}

/// Runs one image and writes every signal to an FST file.
///
/// # Errors
/// As [`crate::run()`], and a file that cannot be written. A run that fails leaves its wave, which is to explain it.
pub fn wave(options: &WaveOptions, target: &Target) -> Result<WaveResult, FlowError> {
    let index = options.image;
    let Workload { program, images, .. } = Workload::read(&options.workload, Some(index + 1))?;
    if index >= images.len() {
        return Err(FlowError::NoImage { n_images: images.len() });
    }
    let verilog = emit(&Design::of(program.config.clone()))?;
    let model = Model::build(&Tools::find()?, &verilog, TraceMode::Fst)?;
    let mut machine = Machine::new(&model, &program.config)?;
    machine.load(&program)?;
    let image = images.get(index);
    let mut result = None;
    target.write_with(|aside| {
        let run = machine.trace(&image, aside, &sim::RunOptions::default());
        if let Err(error @ SimError::Trace { .. }) = run {
            return Err(FlowError::from(error));
        }
        // An error that the wave is to explain leaves it behind as well.
        result = Some(run);
        finish_wave(aside)
            .map_err(|reason| FlowError::Wave { path: target.path().to_owned(), reason })
    })?;
    let run = result.expect("a wave is written after its run")?;
    let class = run.images[0].logits.class;
    Ok(WaveResult { n_cycles: run.n_cycles, class: program.classes.get(class).cloned() })
}
