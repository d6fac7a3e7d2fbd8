//! `twofold compile`: a network's program and ROM files.

use anyhow::Result;
use spec::files::write_program;

use crate::args::CompileArgs;
use crate::output::Output;
use crate::table::grouped;
use crate::workload::{Chosen, choose_network, compile, fitted, shown};

pub(crate) fn run(args: &CompileArgs) -> Result<Output> {
    let Chosen { network, config, .. } = choose_network(&(&args.network).into(), None)?;
    let options = args.schedule.into();
    let mut config = args.array.config(&config)?;
    if args.fit {
        config = fitted(&network, &config, &options)?;
    }
    let program = compile(&network, &config, &options)?;
    write_program(&program, &args.out)?;
    Ok(format!(
        "{}: {} instructions, {} tiles, {} weight rows, {} parameter rows; {} cycles an image by the tile rule -> {}",
        network.name,
        program.instructions.len(),
        program.tiles.len(),
        program.weights.len(),
        program.parameters.len(),
        grouped(codegen::tile_cycles(&program)),
        shown(&args.out)
    )
    .into())
}
