//! Verilog from a rust-hdl block: readable, merged, and checked.
//!
//! In goes a `Block`, out comes one module per *distinct* body. A front-end, `from_rust_hdl`, makes a tree of it ([`ir`]),
//! passes rewrite the tree, and `print` writes it. rust-hdl's own writer makes a module per instance and lets several
//! mistakes through silently; this one
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

mod error;
mod from_rust_hdl;
pub mod ir;
mod names;
mod parse;
mod passes;
pub mod print;

pub use error::Error;
pub use from_rust_hdl::{RUST_HDL_VERSION, design, emit, literal};
pub use print::range as range_of;

use ir::Design;
use std::fmt::Write;

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
    /// The header: comment lines, and the directive that makes an undeclared name an error.
    pub header: String,
    /// The modules, each after the ones it uses.
    pub modules: Vec<Module>,
}

impl Verilog {
    /// The text of a design. `header` says what was built, such as the size of the array; each of its lines becomes a
    /// comment between the license and the rust-hdl version.
    pub fn new(design: &Design, header: &str) -> Verilog {
        let mut text = format!("// SPDX-License-Identifier: {}\n", env!("CARGO_PKG_LICENSE"));
        for line in header.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", format!("// {line}").trim_end());
        }
        let _ = writeln!(text, "// Generated from rust-hdl {RUST_HDL_VERSION}; do not edit.");
        text.push_str("\n`default_nettype none\n");
        let modules = design.modules.iter();
        let modules =
            modules.map(|module| Module { name: module.name.clone(), text: print::module(module) });
        Verilog { header: text, modules: modules.collect() }
    }

    /// The whole design as one file.
    pub fn text(&self) -> String {
        let mut out = self.header.clone();
        for module in &self.modules {
            out.push('\n');
            out.push_str(&module.text);
        }
        // What is read behind this file may rely on the default.
        out.push_str("\n`default_nettype wire\n");
        out
    }

    /// The top module.
    pub fn top(&self) -> &Module {
        self.modules.last().expect("an emitted design holds its top module")
    }
}
