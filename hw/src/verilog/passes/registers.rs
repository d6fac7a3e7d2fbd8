//! Modules that are nothing but one register, written out where they are used.

use crate::verilog::ir::{
    Always, Body, Design, Expr, Instance, Item, Module, Statement, Target, Trigger,
};
use std::collections::BTreeMap;

/// What a module that is one register does, in terms of its own ports.
pub(super) struct Register {
    initial: Expr,
    clock: String,
    enable: Option<String>,
    input: String,
    output: String,
}

/// The modules that are one register: `initial q = value` and `always @(posedge clock) q <= d`, perhaps with an enable.
pub(super) fn find(design: &Design) -> BTreeMap<String, Register> {
    let top = design.modules.last().map(|module| module.name.as_str());
    let below = design.modules.iter().filter(|module| Some(module.name.as_str()) != top);
    below.filter_map(|module| Some((module.name.clone(), register(module)?))).collect()
}

fn register(module: &Module) -> Option<Register> {
    let Body::Items(items) = &module.body else { return None };
    let [Item::Initial(start), Item::Always(Always { trigger: Trigger::PosEdge(clock), body })] =
        items.as_slice()
    else {
        return None;
    };
    let (enable, body) = match body.as_slice() {
        [Statement::If { test: Expr::Name(enable), then, otherwise }] if otherwise.is_empty() => {
            (Some(enable.clone()), then.as_slice())
        }
        body => (None, body),
    };
    let [Statement::Assign { target, value: Expr::Name(input), .. }] = body else { return None };
    let [Statement::Assign { target: started, value: initial @ Expr::Literal(_), .. }] =
        start.as_slice()
    else {
        return None;
    };
    (target.part.is_none() && started == target).then(|| Register {
        initial: initial.clone(),
        clock: clock.clone(),
        enable,
        input: input.clone(),
        output: target.name.clone(),
    })
}

/// Replaces instances of registers. One whose output is open, or whose clock is no signal, stays.
pub(super) fn inline(items: &mut Vec<Item>, registers: &BTreeMap<String, Register>) {
    let mut out = vec![];
    for item in items.drain(..) {
        let written = match &item {
            Item::Instance(instance) => {
                registers.get(&instance.module).and_then(|register| write_out(instance, register))
            }
            _ => None,
        };
        match written {
            Some(written) => out.extend(written),
            None => out.push(item),
        }
    }
    *items = out;
}

fn write_out(instance: &Instance, register: &Register) -> Option<[Item; 2]> {
    let value = |port: &str| {
        instance.connections.iter().find(|c| c.port == port).and_then(|c| c.value.as_ref())
    };
    let (Expr::Name(clock), Expr::Name(output)) =
        (value(&register.clock)?, value(&register.output)?)
    else {
        return None;
    };
    let target = Target::whole(output);
    let update = Statement::nonblocking(target.clone(), value(&register.input)?.clone());
    let body = match &register.enable {
        Some(enable) => {
            Statement::If { test: value(enable)?.clone(), then: vec![update], otherwise: vec![] }
        }
        None => update,
    };
    let initial = Statement::blocking(target, register.initial.clone());
    let always = Always { trigger: Trigger::PosEdge(clock.clone()), body: vec![body] };
    Some([Item::Initial(vec![initial]), Item::Always(always)])
}
