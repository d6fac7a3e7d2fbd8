//! A program as text: one line an instruction, tile, parameter row and lane.

use std::fmt::Write;

use spec::Program;
use spec::isa::{Instruction, Lane, Tile};

/// Disassembles the whole program, each record with its address; tiles with their weights, one array row a bracket.
pub fn listing(program: &Program) -> String {
    let mut text = String::new();
    let mut line =
        |content: String| writeln!(text, "{content}").expect("a string takes every line");
    line(format!(
        "program of {} for {}x{}",
        program.network,
        program.config.rows(),
        program.config.cols()
    ));
    for (address, instruction) in program.instructions.iter().enumerate() {
        let content = Instruction::decode(instruction).map_or_else(
            || format!("{:#010x}?", instruction[0]),
            |instruction| instruction.to_string(),
        );
        line(format!("{address:5}  {content}"));
    }
    line("tiles".to_owned());
    let tile_weights = program.weights.chunks(program.config.tile_rows());
    for (address, (tile, weights)) in program.tiles.iter().zip(tile_weights).enumerate() {
        line(format!("{address:5}  {}", Tile::decode(tile)));
        line(format!("       {weights:?}"));
    }
    line("parameters".to_owned());
    for (address, row) in program.parameters.iter().enumerate() {
        for parameter in row {
            let spec::Parameter { bias, multiplier, shift, residual_multiplier } = parameter;
            line(format!(
                "{address:5}  bias={bias} multiplier={multiplier} shift={shift} residual_multiplier={residual_multiplier}"
            ));
        }
    }
    line("lanes".to_owned());
    for (address, lane) in program.lanes.iter().enumerate() {
        line(format!("{address:5}  {}", Lane::decode(&[*lane])));
    }
    text
}
