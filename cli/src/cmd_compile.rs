//! `twofold compile`: a network's program and ROM files.

use anyhow::Result;
use spec::files::Outputs;

use crate::args::CompileArgs;
use crate::output::Output;
use crate::table::grouped;
use crate::workload::{Chosen, choose_network, compile, fitted, network_inputs, shown};

pub(crate) fn run(args: &CompileArgs) -> Result<Output> {
    let outputs = Outputs::new(args.force.force).reading(network_inputs(&(&args.network).into())?);
    let target = outputs.program(&args.out)?;
    let Chosen { network, config, .. } = choose_network(&(&args.network).into(), None)?;
    let options = args.schedule.into();
    let mut config = args.array.config(&config)?;
    if args.fit {
        config = fitted(&network, &config, &options)?;
    }
    let program = compile(&network, &config, &options)?;
    target.write(&program)?;
    Ok(format!(
        "{}: {} instructions, {} tiles, {} weight rows, {} parameter rows; {} cycles an image by the tile rule -> {}",
        spec::shown(&network.name),
        program.instructions.len(),
        program.tiles.len(),
        program.weights.len(),
        program.parameters.len(),
        grouped(codegen::tile_cycles(&program)),
        shown(&args.out)
    )
    .into())
}
