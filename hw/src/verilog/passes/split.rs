//! From one procedure to continuous assignments and small `always @(*)` blocks.

use super::writers;
use crate::verilog::ir::{Always, Expr, Item, Part, Port, Statement, Target, Trigger};
use std::collections::{BTreeMap, BTreeSet};

/// Splits every `always @(*)`. A plain assignment is continuous if its target has no other assignment and nothing it
/// reads is assigned later. The rest is grouped so that statements which share a target, or depend on their order, stay
/// together.
pub(super) fn run(items: &mut Vec<Item>, ports: &[Port]) {
    let nets = items.iter().filter_map(|item| match item {
        Item::Net(net) => Some(&net.signal),
        _ => None,
    });
    let widths: BTreeMap<String, usize> = ports
        .iter()
        .map(|port| &port.signal)
        .chain(nets)
        .map(|s| (s.name.clone(), s.width))
        .collect();
    let mut out = vec![];
    for item in items.drain(..) {
        match item {
            Item::Always(Always { trigger: Trigger::Combinational, body }) => {
                out.extend(split(body, &widths));
            }
            other => out.push(other),
        }
    }
    *items = out;
}

fn split(statements: Vec<Statement>, widths: &BTreeMap<String, usize>) -> Vec<Item> {
    let statements = merge_parts(statements, widths);
    let (writers, last_write) = writers(&statements);
    let mut out = vec![];
    let mut comments = vec![];
    let mut rest: Vec<(usize, Vec<Statement>)> = vec![];
    for (at, statement) in statements.iter().enumerate() {
        match statement {
            Statement::Comment(text) => comments.push(text.clone()),
            Statement::Assign { target, value, .. }
                if target.part.is_none()
                    && writers[target.name.as_str()] == 1
                    && reads_only_before(value, at, &last_write) =>
            {
                out.extend(comments.drain(..).map(Item::Comment));
                out.push(Item::Assign(target.clone(), value.clone()));
            }
            other => {
                let mut one: Vec<Statement> = comments.drain(..).map(Statement::Comment).collect();
                one.push(other.clone());
                rest.push((at, one));
            }
        }
    }
    let procedures = group(rest, &last_write).into_iter();
    out.extend(
        procedures.map(|body| Item::Always(Always { trigger: Trigger::Combinational, body })),
    );
    out
}

/// Whether nothing that `e` reads is assigned at `at` or later.
fn reads_only_before(e: &Expr, at: usize, last_write: &BTreeMap<&str, usize>) -> bool {
    let mut before = true;
    e.reads(&mut |name, _| before &= last_write.get(name).is_none_or(|last| *last < at));
    before
}

/// Turns assignments to all the parts of a signal, such as the fields of a struct, into one concatenation.
fn merge_parts(statements: Vec<Statement>, widths: &BTreeMap<String, usize>) -> Vec<Statement> {
    let (writers, last_write) = writers(&statements);
    let mut parts: BTreeMap<&str, Vec<(usize, Part, &Expr)>> = BTreeMap::new();
    for (at, statement) in statements.iter().enumerate() {
        if let Statement::Assign { target, value, .. } = statement
            && let Some(part) = target.part
        {
            parts.entry(&target.name).or_default().push((at, part, value));
        }
    }
    let mut merged: BTreeMap<usize, Statement> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    for (name, mut list) in parts {
        let first = list[0].0;
        let total: usize = list.iter().map(|(_, part, _)| part.width).sum();
        list.sort_by_key(|(_, part, _)| std::cmp::Reverse(part.low));
        let disjoint = list.windows(2).all(|pair| pair[0].1.low == pair[1].1.low + pair[1].1.width);
        if writers[name] != list.len()
            || widths.get(name) != Some(&total)
            || !disjoint
            || !list.iter().all(|(_, _, value)| reads_only_before(value, first, &last_write))
        {
            continue;
        }
        let value = Expr::Concat(list.iter().map(|(_, _, value)| (*value).clone()).collect());
        let Statement::Assign { kind, .. } = &statements[first] else { continue };
        merged.insert(first, Statement::Assign { target: Target::whole(name), value, kind: *kind });
        dropped.extend(list.iter().map(|(at, _, _)| *at));
    }
    let mut out = vec![];
    for (at, statement) in statements.iter().enumerate() {
        match merged.remove(&at) {
            Some(one) => out.push(one),
            None if dropped.contains(&at) => {}
            None => out.push(statement.clone()),
        }
    }
    out
}

/// Joins statements, each with its comments, into procedures.
fn group(
    rest: Vec<(usize, Vec<Statement>)>,
    last_write: &BTreeMap<&str, usize>,
) -> Vec<Vec<Statement>> {
    let mut parent: Vec<usize> = (0..rest.len()).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    fn join(parent: &mut [usize], a: usize, b: usize) {
        let (a, b) = (root(parent, a), root(parent, b));
        parent[b.max(a)] = b.min(a);
    }
    let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, (_, statements)) in rest.iter().enumerate() {
        statements.iter().for_each(|statement| {
            statement.targets(&mut |t| {
                let first = *owner.entry(t.name.as_str()).or_insert(i);
                join(&mut parent, first, i);
            });
        });
    }
    for (i, (at, statements)) in rest.iter().enumerate() {
        statements.iter().for_each(|statement| {
            statement.reads(&mut |name, _| {
                if let (Some(last), Some(writer)) = (last_write.get(name), owner.get(name))
                    && last > at
                {
                    join(&mut parent, *writer, i);
                }
            });
        });
    }
    let mut groups: BTreeMap<usize, Vec<Statement>> = BTreeMap::new();
    for (i, (_, statements)) in rest.into_iter().enumerate() {
        groups.entry(root(&mut parent, i)).or_default().extend(statements);
    }
    groups.into_values().collect()
}
