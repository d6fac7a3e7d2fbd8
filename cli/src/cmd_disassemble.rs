//! `twofold disassemble`: a program's instructions and records as text.

use std::fmt::Write;

use anyhow::Result;
use flow::{CompileOptions, compile_or_read};
use spec::Program;
use spec::isa::{Instruction, Lane, Tile};

use crate::args::DisassembleArgs;
use crate::output::Output;

pub(crate) fn run(args: &DisassembleArgs) -> Result<Output> {
    let program = compile_or_read(&CompileOptions {
        network: (&args.network).into(),
        array: args.array.into(),
        schedule: args.schedule.into(),
        fit: false,
    })?;
    Ok(listing(&program).into())
}

fn listing(program: &Program) -> String {
    let mut text = String::new();
    let mut add = |address: usize, line: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{address:5} {line}");
    };
    for (address, words) in program.instructions.iter().enumerate() {
        let unknown = || format!("unknown opcode {}", Instruction::opcode(words));
        add(address, Instruction::decode(words).map_or_else(unknown, |known| known.to_string()));
    }
    for (address, words) in program.tiles.iter().enumerate() {
        add(address, Tile::decode(words).to_string());
    }
    for (address, word) in program.lanes.iter().enumerate() {
        add(address, Lane::decode(&[*word]).to_string());
    }
    text
}
