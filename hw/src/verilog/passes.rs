//! Passes over the tree: checks, and rewriting that makes it read as if written by hand. None knows a front-end, and none
//! changes what the design does.

pub(super) mod flow;

mod cases;
mod clocked;
mod connect;
mod defaults;
mod fields;
mod layout;
mod registers;
mod split;

use super::ir::{Body, Design, Item, Statement};
use std::collections::BTreeMap;

/// Rewrites a design in which each composed module is one `always @(*)` and every port of an instance has a net of its own.
pub(super) fn run(design: &mut Design) {
    let registers = registers::find(design);
    for module in &mut design.modules {
        let Body::Items(items) = &mut module.body else { continue };
        if !module.handwritten {
            defaults::run(items);
            split::run(items, &module.ports);
            connect::run(items);
            registers::inline(items, &registers);
            clocked::run(items);
            cases::run(items);
            fields::run(items, &module.ports);
            layout::order(items);
        }
        layout::declare(items, &mut module.ports);
    }
    layout::drop_unused(design);
}

/// How many times each name is read.
fn n_reads(items: &[Item]) -> BTreeMap<&str, usize> {
    let mut n = BTreeMap::new();
    items.iter().for_each(|item| item.reads(&mut |name, _| *n.entry(name).or_default() += 1));
    n
}

/// For each signal, how many statements assign it and where the last one is.
fn writers(statements: &[Statement]) -> (BTreeMap<&str, usize>, BTreeMap<&str, usize>) {
    let (mut count, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (at, statement) in statements.iter().enumerate() {
        statement.targets(&mut |t| {
            *count.entry(t.name.as_str()).or_insert(0) += 1;
            last.insert(t.name.as_str(), at);
        });
    }
    (count, last)
}
