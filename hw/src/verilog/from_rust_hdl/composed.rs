//! Composed blocks: a module that is one `always @(*)`, with a net for each port of its sub-blocks.

use super::docs;
use super::frame::{Frame, net_of};
use super::leaf::{Draft, title};
use super::names::{clean, stem};
use super::reset;
use super::scope::{Kind, Named, Scope};
use super::statements::lower;
use crate::verilog::error::Error;
use crate::verilog::ir::{
    Always, Body, Connection, Direction, Expr, Instance, Item, Literal, Module, Net, Signal,
    Statement, Storage, Trigger,
};
use crate::verilog::passes::flow::{self, Fault};
use rust_hdl_core::ast::VerilogBlock;
use std::collections::{BTreeMap, BTreeSet};

/// The module of a composed block.
pub(super) fn composed(path: &str, frame: &Frame, block: &VerilogBlock) -> Result<Draft, Error> {
    let names = &frame.names;
    let mut statements = lower(&mut Scope { path, names, loops: vec![] }, block)?;
    check_flow(path, names, &statements)?;
    reset::check(path, frame, &statements)?;
    let mut name = None;
    let mut comments = vec![];
    if let Some(Statement::Comment(text)) = statements.first()
        && let Some((module, comment)) = title(text)
    {
        (name, comments) = (Some(module), comment);
        statements.remove(0);
    }
    let mut items = parameters(frame, &statements);
    let locals = frame.order.iter().filter(|name| names[*name].kind == Kind::Local);
    items.extend(locals.map(|name| net(name, &names[name], false)));
    for child in &frame.children {
        let nets = child.ports.iter().map(|port| net_of(&child.raw, &port.name));
        items.extend(nets.map(|name| net(&name, &names[&name], true)));
    }
    for child in &frame.children {
        let connections = child.ports.iter().map(|port| Connection {
            port: port.name.clone(),
            direction: if port.input { Direction::Input } else { Direction::Output },
            value: Some(Expr::Name(net_of(&child.raw, &port.name))),
        });
        items.push(Item::Instance(Instance {
            module: child.module.clone(),
            name: clean(&child.raw),
            connections: connections.collect(),
        }));
    }
    if !statements.is_empty() {
        items.push(Item::Always(Always { trigger: Trigger::Combinational, body: statements }));
    }
    let docs = docs::of_ports(&frame.ports);
    let ports = frame.ports.iter().zip(&docs);
    let ports = ports.map(|(port, doc)| port.declared(Storage::Wire, doc)).collect();
    let module = Module {
        name: String::new(),
        comments,
        ports,
        handwritten: false,
        body: Body::Items(items),
    };
    Ok(Draft { name, module })
}

fn signal(name: &str, named: &Named) -> Signal {
    Signal {
        name: name.into(),
        width: named.width,
        signed: named.signed,
        fields: named.fields.clone(),
    }
}

fn net(name: &str, named: &Named, of_instance: bool) -> Item {
    Item::Net(Net { signal: signal(name, named), storage: Storage::Wire, value: None, of_instance })
}

/// The enum variants and constants that are read.
fn parameters(frame: &Frame, statements: &[Statement]) -> Vec<Item> {
    let mut reads = BTreeSet::new();
    statements.iter().for_each(|statement| {
        statement.reads(&mut |name, _| {
            reads.insert(name);
        });
    });
    let read = |kind| move |(_, named): &(&String, &Named)| named.kind == kind;
    let mut variants: Vec<_> = frame
        .names
        .iter()
        .filter(|(name, _)| reads.contains(name.as_str()))
        .filter(read(Kind::Variant))
        .collect();
    let number = |named: &Named| match named.value {
        Some(Expr::Literal(Literal { value, .. })) => value,
        _ => 0,
    };
    variants.sort_by_key(|(_, named)| (stem(&named.raw), number(named)));
    let constants = frame
        .order
        .iter()
        .filter(|name| reads.contains(name.as_str()))
        .map(|name| (name, &frame.names[name]))
        .filter(read(Kind::Constant));
    variants
        .into_iter()
        .chain(constants)
        .filter_map(|(name, named)| {
            Some(Item::Parameter(signal(name, named), named.value.clone()?))
        })
        .collect()
}

fn check_flow(
    path: &str,
    names: &BTreeMap<String, Named>,
    statements: &[Statement],
) -> Result<(), Error> {
    let driven = names
        .iter()
        .filter(|(_, n)| matches!(n.kind, Kind::Output | Kind::Local | Kind::ChildInput))
        .map(|(name, n)| (name.clone(), n.width))
        .collect();
    let raw = |name: String| names[&name].raw.replace('$', ".");
    let path = path.to_string();
    flow::check(&driven, statements).map_err(|fault| match fault {
        Fault::Latch(name) => Error::Latch { path, signal: raw(name) },
        Fault::Undriven(name) => Error::Undriven { path, signal: raw(name) },
        Fault::Early(name) => Error::ReadBeforeWrite { path, signal: name },
    })
}
