//! Leaves: the text of a module that is written by hand, with the ports that rust-hdl knows.

use super::docs;
use super::frame::{Child, Frame, Port};
use super::names::{clean, stem};
use super::reset;
use crate::verilog::error::Error;
use crate::verilog::ir::{Body, Module, Storage};
use crate::verilog::parse;
use std::collections::BTreeSet;

/// What a block becomes before it has a name: the name that it asks for, and the rest of its module.
pub(super) struct Draft {
    pub(super) name: Option<String>,
    /// Its name is empty.
    pub(super) module: Module,
}

/// Takes `module name: comment` apart.
pub(super) fn title(line: &str) -> Option<(String, Vec<String>)> {
    let rest = line.trim().trim_start_matches("//").trim().strip_prefix("module ")?;
    let (name, comment) = rest.split_once(':').unwrap_or((rest, ""));
    let comment = comment.trim();
    Some((name.trim().into(), if comment.is_empty() { vec![] } else { vec![comment.into()] }))
}

/// The module of a leaf.
pub(super) fn leaf(path: &str, frame: &Frame, text: &str) -> Result<Draft, Error> {
    reset::check_leaf(path, text)?;
    let mut lines = text.trim().lines();
    let (name, comments) = match lines.next().and_then(title) {
        Some((name, comments)) => (Some(name), comments),
        None => {
            lines = text.trim().lines();
            (None, vec![])
        }
    };
    let body: Vec<&str> = lines.map(str::trim_end).collect();
    let words: BTreeSet<&str> = body
        .iter()
        .flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')))
        .collect();
    // Registers are the one kind of sub-block that a text may write out instead.
    let written_out = |child: &Child| words.contains(clean(stem(&child.raw)).as_str());
    let unused = |child: &&Child| !words.contains(child.module.as_str()) && !written_out(child);
    if let Some(child) = frame.children.iter().find(unused) {
        return Err(Error::Unsupported {
            path: path.into(),
            what: format!("a leaf without its sub-block `{}`", child.raw),
            help: "instantiate it in the text, or write the composition with `#[hdl_gen]`",
        });
    }
    if let Some(port) = frame.ports.iter().find(|p| !p.input && !words.contains(p.name.as_str())) {
        return Err(Error::Undriven { path: path.into(), signal: port.raw.clone() });
    }
    let assigned: BTreeSet<&str> = body
        .iter()
        .filter_map(|line| line.trim().strip_prefix("assign "))
        .map(|rest| {
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .next()
                .unwrap_or_default()
        })
        .collect();
    let storage = |port: &Port| match port.input || assigned.contains(port.name.as_str()) {
        true => Storage::Wire,
        false => Storage::Reg,
    };
    let docs = docs::of_ports(&frame.ports);
    let ports = frame.ports.iter().zip(&docs);
    let ports = ports.map(|(port, doc)| port.declared(storage(port), doc)).collect();
    let text: String = body.iter().map(|line| format!("{line}\n")).collect();
    let body = parse::body(&text).map_or(Body::Text(text), Body::Items);
    Ok(Draft {
        name,
        module: Module { name: String::new(), comments, ports, handwritten: true, body },
    })
}
