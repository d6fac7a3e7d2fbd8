//! Passes over the tree: checks, and rewriting that makes it read as if written by hand. None knows a front-end, and none
//! changes what the design does.

pub(super) mod flow;

mod connect;
mod split;

use super::ir::{Body, Design, Direction, Item, Module, Statement, Storage};
use std::collections::{BTreeMap, BTreeSet};

/// Rewrites a design in which each composed module is one `always @(*)` and every port of an instance has a net of its own.
pub(super) fn run(design: &mut Design) {
    for module in &mut design.modules {
        if let Body::Items(items) = &mut module.body {
            split::run(items, &module.ports);
            connect::run(items, &module.ports);
        }
        declare(module);
    }
}

/// Declares what a procedure assigns as `reg`, and the rest as `wire`.
fn declare(module: &mut Module) {
    let Body::Items(items) = &mut module.body else { return };
    let mut assigned = BTreeSet::new();
    for item in items.iter().filter(|item| !matches!(item, Item::Assign(..))) {
        item.targets(&mut |target| {
            assigned.insert(target.name.clone());
        });
    }
    let storage = |name: &str| if assigned.contains(name) { Storage::Reg } else { Storage::Wire };
    for port in module.ports.iter_mut().filter(|port| port.direction == Direction::Output) {
        port.storage = storage(&port.signal.name);
    }
    for item in items {
        if let Item::Net(net) = item {
            net.storage = storage(&net.signal.name);
        }
    }
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
