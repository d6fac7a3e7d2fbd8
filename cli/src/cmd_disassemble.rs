//! `twofold disassemble`: a program's instructions and records as text.

use anyhow::Result;
use flow::{CompileOptions, compile_or_read, disassemble};

use crate::args::DisassembleArgs;
use crate::output::Output;

pub(crate) fn run(args: &DisassembleArgs) -> Result<Output> {
    let program = compile_or_read(&CompileOptions {
        network: (&args.network).into(),
        array: args.array.into(),
        schedule: args.schedule.into(),
        fit: false,
    })?;
    Ok(disassemble(&program).into())
}
