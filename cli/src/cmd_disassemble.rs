//! `twofold disassemble`: a program's instructions and records as text.

use std::fmt::Write;

use anyhow::Result;
use spec::Program;
use spec::files::read_program;
use spec::isa::{Instruction, Lane, Tile};

use crate::args::DisassembleArgs;
use crate::output::Output;
use crate::workload::{Chosen, choose_network, compile};

pub(crate) fn run(args: &DisassembleArgs) -> Result<Output> {
    let compiled = args.network.network.as_ref().filter(|path| path.join("program.json").is_file());
    let program = match compiled {
        Some(folder) => read_program(folder)?,
        None => {
            let Chosen { network, config, .. } = choose_network(&(&args.network).into(), None)?;
            compile(&network, &args.array.config(&config)?, &args.schedule.into())?
        }
    };
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
