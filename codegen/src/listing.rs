//! A program as text: one line an instruction, tile and lane.

use std::fmt::Write;

use spec::Program;
use spec::isa::{Instruction, Lane, Tile};

/// Disassembles a program: its instructions, tile records and lane records, each with its address.
pub fn disassemble(program: &Program) -> String {
    let mut text = String::new();
    let mut add = |address: usize, line: String| {
        writeln!(text, "{address:5} {line}").expect("a string takes every line");
    };
    for (address, words) in program.instructions.iter().enumerate() {
        let unknown = || format!("unknown opcode {}", Instruction::opcode(words));
        add(address, Instruction::decode(words).map_or_else(unknown, |known| known.to_string()));
    }
    for (address, words) in program.tiles.iter().enumerate() {
        add(address, Tile::decode(words).to_string());
    }
    for (address, words) in program.lanes.iter().enumerate() {
        add(address, Lane::decode(words).to_string());
    }
    text
}
