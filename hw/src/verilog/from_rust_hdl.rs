//! From a rust-hdl block to the tree; the only place of the emitter that names rust-hdl.
//!
//! A `Probe` walks the block, and each block becomes a module: a leaf keeps its text, a composed block becomes one
//! `always @(*)` with a net for each port of its sub-blocks. Blocks that become equal modules share one.

mod composed;
mod docs;
mod frame;
mod leaf;
mod names;
mod operators;
mod probe;
mod reset;
mod scope;
mod statements;

use super::ir::Design;
use super::{Error, Verilog, passes};
use rust_hdl_core::check_error::CheckError;
use rust_hdl_core::check_logic_loops::check_logic_loops;
use rust_hdl_core::check_write_inputs::check_inputs_not_written;
use rust_hdl_core::prelude::{Block, Synth};

/// The version of rust-hdl that the workspace pins, for headers.
pub const RUST_HDL_VERSION: &str = "0.46.0";

/// Connects, checks and emits `top` as module `name`, with a header as [`Verilog::new`] writes it. Equal blocks give equal
/// bytes.
///
/// # Errors
/// Returns the first [`Error`] found, in instance order.
pub fn emit<B: Block>(top: &mut B, name: &str, header: &str) -> Result<Verilog, Error> {
    Ok(Verilog::new(&design(top, name)?, header))
}

/// As [`emit`], before it becomes text.
///
/// # Errors
/// As [`emit`].
pub fn design<B: Block>(top: &mut B, name: &str) -> Result<Design, Error> {
    top.connect_all();
    check_logic_loops(top)
        .and_then(|()| check_inputs_not_written(top))
        .map_err(|e| Error::Check(describe(&e)))?;
    let mut builder = probe::Builder::new(name);
    top.accept(name, &mut builder);
    let mut design = builder.finish()?;
    passes::run(&mut design);
    Ok(design)
}

/// A value as a Verilog literal of its type's width: for the text of leaves.
pub fn literal<T: Synth>(value: T) -> String {
    scope::literal_of(&value.verilog(), T::BITS).to_string()
}

fn describe(error: &CheckError) -> String {
    let list = |what: &str, names: &[rust_hdl_core::check_error::PathedName]| {
        let mut names: Vec<String> =
            names.iter().map(|n| format!("{}.{}", n.path, n.name).replace('$', ".")).collect();
        names.sort();
        names.dedup();
        format!("{what}: {}", names.join(", "))
    };
    match error {
        CheckError::OpenSignal(map) => {
            list("unconnected signals", &map.values().cloned().collect::<Vec<_>>())
        }
        CheckError::LogicLoops(names) => list("read before written, or a loop", names),
        CheckError::WritesToInputs(names) => list("inputs written by their own block", names),
    }
}
