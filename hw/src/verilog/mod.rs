//! Verilog from a rust-hdl block: readable, merged, and checked.
//!
//! In goes a `Block`, out comes one module per *distinct* body. rust-hdl's own writer makes a module per
//! instance and lets several mistakes through silently; this one is a `Probe` of its own and
//!
//! - merges modules whose text is equal, and names them after their leaf or field;
//! - gives literals the width of their context, widens by concatenation and narrows by part-select;
//! - turns plain assignments into port connections and `assign`, and groups the rest into small
//!   `always @(*)` blocks;
//! - refuses unknown names, colliding names, keywords, width mismatches, latches, undriven signals and
//!   reads before writes, each with its instance path,
//! - refuses registers that start at another value than their reset gives them.
//!
//! A module's name is the first line of a leaf's text (see [`crate::leaf::verilog`]), or
//! `comment!("module name")` at the start of an `update`, or else the name of the field that holds the
//! block. A number is appended only when two different bodies want the same name.

mod body;
mod error;
mod expr;
mod flow;
mod module;
mod names;
mod reset;
mod split;
mod write;

pub use error::Error;

use module::Emitter;
use rust_hdl_core::check_error::CheckError;
use rust_hdl_core::check_logic_loops::check_logic_loops;
use rust_hdl_core::check_write_inputs::check_inputs_not_written;
use rust_hdl_core::prelude::{Block, Synth};
use std::fmt::Write;

/// The version of rust-hdl that the workspace pins, for headers.
pub const RUST_HDL_VERSION: &str = "0.46.0";

/// One module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module's name.
    pub name: String,
    /// From the comment above `module` to `endmodule`, with a final newline.
    pub text: String,
}

/// An emitted design: sub-modules first, the top module last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verilog {
    /// The header, as comment lines.
    pub header: String,
    /// The modules, each after the ones it uses.
    pub modules: Vec<Module>,
}

impl Verilog {
    /// The whole design as one file.
    pub fn text(&self) -> String {
        let mut out = self.header.clone();
        for module in &self.modules {
            out.push('\n');
            out.push_str(&module.text);
        }
        out
    }

    /// The top module.
    pub fn top(&self) -> &Module {
        self.modules.last().expect("an emitted design holds its top module")
    }
}

/// Connects, checks and emits `top` as module `name`.
///
/// `header` says what was built, such as the array configuration; each of its lines becomes a comment, and
/// the rust-hdl version follows. Equal blocks give equal bytes.
///
/// # Errors
/// Returns the first [`Error`] found, in instance order.
pub fn emit<B: Block>(top: &mut B, name: &str, header: &str) -> Result<Verilog, Error> {
    top.connect_all();
    check_logic_loops(top)
        .and_then(|()| check_inputs_not_written(top))
        .map_err(|e| Error::Check(describe(&e)))?;
    let mut emitter = Emitter::new(name);
    top.accept(name, &mut emitter);
    let modules = emitter.finish()?;
    let mut text = String::new();
    for line in header.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("// {line}").trim_end());
    }
    let _ = writeln!(text, "// Generated from rust-hdl {RUST_HDL_VERSION}; do not edit.");
    Ok(Verilog { header: text, modules })
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

/// The range of a declaration with a space after it, or nothing for one bit: for the text of leaves.
pub fn range_of(width: usize) -> String {
    if width == 1 { String::new() } else { format!("{} ", expr::range(width)) }
}

/// A value as a Verilog literal of its type's width: for the text of leaves.
pub fn literal<T: Synth>(value: T) -> String {
    expr::literal_of(&value.verilog(), T::BITS)
}
