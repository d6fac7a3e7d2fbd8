//! `twofold compile`: a network's program and ROM files.

use anyhow::Result;
use flow::report::grouped;
use flow::{CompileOptions, NetworkChoice, compile, shown_file, tile_cycles};
use spec::files::Outputs;

use crate::args::CompileArgs;
use crate::output::Output;

pub(crate) fn run(args: &CompileArgs) -> Result<Output> {
    let network = NetworkChoice::from(&args.network);
    let outputs = Outputs::new(args.force.force).reading(network.inputs()?);
    let target = outputs.program(&args.out)?;
    let program = compile(&CompileOptions {
        network,
        array: args.array.into(),
        schedule: args.schedule.into(),
        fit: args.fit,
    })?;
    target.write(&program)?;
    Ok(format!(
        "{}: {} instructions, {} tiles, {} weight rows, {} parameter rows; {} cycles an image by the tile rule -> {}",
        spec::shown(&program.network),
        program.instructions.len(),
        program.tiles.len(),
        program.weights.len(),
        program.parameters.len(),
        grouped(tile_cycles(&program)),
        shown_file(&args.out)
    )
    .into())
}
