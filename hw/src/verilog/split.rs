//! From one procedure to continuous assignments and small `always @(*)` blocks.

use super::body::{Statement, Target};
use super::expr::Term;
use std::collections::{BTreeMap, BTreeSet};

/// A body split by how it is written: continuous assignments, and procedural groups.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// Signals with one plain assignment that holds at any time, with the comments before it.
    pub(super) continuous: Vec<(String, Term, Vec<String>)>,
    /// Statements that belong in one `always @(*)`.
    pub(super) groups: Vec<Vec<Statement>>,
    /// What the groups assign.
    pub(super) procedural: BTreeSet<String>,
}

/// Splits a body. A plain assignment is continuous if its target has no other assignment and nothing it
/// reads is assigned later. The rest is grouped so that statements which share a target, or depend on
/// their order, stay together.
pub(super) fn split(statements: Vec<Statement>) -> Split {
    let statements = merge_parts(statements);
    let (writers, last_write) = writers(&statements);
    let mut split = Split::default();
    let mut comments = vec![];
    let mut rest: Vec<(usize, Vec<String>, Statement)> = vec![];
    for (at, statement) in statements.into_iter().enumerate() {
        match statement {
            Statement::Comment(text) => comments.push(text),
            Statement::Assign(target, value)
                if target.whole()
                    && writers[&target.name] == 1
                    && value
                        .reads
                        .iter()
                        .all(|r| last_write.get(&r.name).is_none_or(|last| *last < at)) =>
            {
                split.continuous.push((target.name, value, std::mem::take(&mut comments)));
            }
            other => rest.push((at, std::mem::take(&mut comments), other)),
        }
    }
    group(rest, &last_write, &mut split);
    split
}

/// For each signal, how many statements assign it and where the last one is.
fn writers(statements: &[Statement]) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut count, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (at, statement) in statements.iter().enumerate() {
        statement.for_each_target(&mut |t| {
            *count.entry(t.name.clone()).or_insert(0) += 1;
            last.insert(t.name.clone(), at);
        });
    }
    (count, last)
}

/// Turns assignments to all the parts of a signal, such as the fields of a struct, into one concatenation.
fn merge_parts(statements: Vec<Statement>) -> Vec<Statement> {
    let (writers, last_write) = writers(&statements);
    let mut parts: BTreeMap<String, Vec<(usize, &Target, &Term)>> = BTreeMap::new();
    for (at, statement) in statements.iter().enumerate() {
        if let Statement::Assign(target, value) = statement
            && !target.whole()
        {
            parts.entry(target.name.clone()).or_default().push((at, target, value));
        }
    }
    let mut merged: BTreeMap<usize, Statement> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    for (name, mut list) in parts {
        let first = list[0].0;
        let stable = |value: &Term| {
            value.reads.iter().all(|r| last_write.get(&r.name).is_none_or(|at| *at < first))
        };
        let total: usize = list.iter().map(|(_, target, _)| target.width).sum();
        list.sort_by_key(|(_, target, _)| std::cmp::Reverse(target.low));
        let disjoint = list.windows(2).all(|pair| pair[0].1.low == pair[1].1.low + pair[1].1.width);
        if writers[&name] != list.len()
            || total != list[0].1.total
            || !disjoint
            || !list.iter().all(|(_, _, value)| stable(value))
        {
            continue;
        }
        let target = Target { name, low: 0, width: total, total };
        let terms: Vec<&Term> = list.iter().map(|(_, _, value)| *value).collect();
        merged.insert(first, Statement::Assign(target, Term::concatenation(&terms, total)));
        dropped.extend(list.iter().map(|(at, _, _)| *at));
    }
    if merged.is_empty() {
        return statements;
    }
    let mut out = vec![];
    for (at, statement) in statements.iter().enumerate() {
        if let Some(one) = merged.remove(&at) {
            out.push(one);
        } else if !dropped.contains(&at) {
            out.push(statement.clone());
        }
    }
    out
}

fn group(
    rest: Vec<(usize, Vec<String>, Statement)>,
    last_write: &BTreeMap<String, usize>,
    split: &mut Split,
) {
    let mut parent: Vec<usize> = (0..rest.len()).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, (_, _, statement)) in rest.iter().enumerate() {
        statement.for_each_target(&mut |t| {
            let first = *owner.entry(t.name.as_str()).or_insert(i);
            let (a, b) = (root(&mut parent, first), root(&mut parent, i));
            parent[b.max(a)] = b.min(a);
        });
    }
    for (i, (at, _, statement)) in rest.iter().enumerate() {
        let mut reads = BTreeSet::new();
        statement.reads(&mut reads);
        for name in reads {
            if let (Some(last), Some(writer)) = (last_write.get(name), owner.get(name))
                && last > at
            {
                let (a, b) = (root(&mut parent, *writer), root(&mut parent, i));
                parent[b.max(a)] = b.min(a);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<Statement>> = BTreeMap::new();
    for (i, (_, comments, statement)) in rest.iter().enumerate() {
        statement.for_each_target(&mut |t| {
            split.procedural.insert(t.name.clone());
        });
        let list = groups.entry(root(&mut parent, i)).or_default();
        list.extend(comments.iter().cloned().map(Statement::Comment));
        list.push(statement.clone());
    }
    split.groups = groups.into_values().collect();
}
