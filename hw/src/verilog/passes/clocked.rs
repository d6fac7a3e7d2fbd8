//! Registers next to the logic that drives them: a net that is only computed to be stored goes.

use super::n_reads;
use crate::verilog::ir::{Always, Assignment, Expr, Item, Statement, Trigger};
use std::collections::{BTreeMap, BTreeSet};

/// Stores what a continuous assignment computes directly, makes a procedure that computes nothing but next values of
/// registers a clocked one, and gathers single registers in one procedure.
pub(super) fn run(items: &mut Vec<Item>) {
    store_assigned(items);
    store_computed(items);
    gather(items);
}

/// Nets of instances that are read in one place.
fn nets_read_once(items: &[Item]) -> BTreeSet<&str> {
    let reads = n_reads(items);
    let nets = items.iter().filter_map(|item| match item {
        Item::Net(net) if net.of_instance => Some(net.signal.name.as_str()),
        _ => None,
    });
    nets.filter(|name| reads.get(name) == Some(&1)).collect()
}

/// Nets of instances that nothing but one register reads.
fn stored_once(items: &[Item]) -> BTreeSet<String> {
    let once = nets_read_once(items);
    let stored = items.iter().filter_map(|item| match single(item)? {
        (_, _, Expr::Name(name)) if once.contains(name.as_str()) => Some(name.clone()),
        _ => None,
    });
    stored.collect()
}

/// Nets of instances that nothing but the enable of one register reads.
fn enables_once(items: &[Item]) -> BTreeSet<String> {
    let once = nets_read_once(items);
    let enables = items.iter().filter_map(|item| {
        single(item)?;
        match item {
            Item::Always(Always { body, .. }) => match body.as_slice() {
                [Statement::If { test: Expr::Name(name), .. }] if once.contains(name.as_str()) => {
                    Some(name.clone())
                }
                _ => None,
            },
            _ => None,
        }
    });
    enables.collect()
}

/// The clock, target and value of a procedure that is one register, with or without an enable.
fn single(item: &Item) -> Option<(&String, &String, &Expr)> {
    let Item::Always(Always { trigger: Trigger::PosEdge(clock), body }) = item else { return None };
    let body = match body.as_slice() {
        [Statement::If { then, otherwise, .. }] if otherwise.is_empty() => then.as_slice(),
        body => body,
    };
    match body {
        [Statement::Assign { target, value, .. }] if target.part.is_none() => {
            Some((clock, &target.name, value))
        }
        _ => None,
    }
}

/// `assign d = value` with `q <= d` becomes `q <= value`, and so does what enables a register.
fn store_assigned(items: &mut Vec<Item>) {
    let mut stored = stored_once(items);
    stored.extend(enables_once(items));
    let mut values: BTreeMap<String, Expr> = BTreeMap::new();
    items.retain(|item| match item {
        Item::Assign(target, value) if stored.contains(&target.name) => {
            values.insert(target.name.clone(), value.clone());
            false
        }
        _ => true,
    });
    items.retain(|item| !matches!(item, Item::Net(net) if values.contains_key(&net.signal.name)));
    for item in items {
        if let Item::Always(always) = item {
            always.body.iter_mut().for_each(|statement| {
                statement.expressions_mut(&mut |e| {
                    if let Expr::Name(name) = e
                        && let Some(value) = values.get(name)
                    {
                        *e = value.clone();
                    }
                });
            });
        }
    }
}

/// An `always @(*)` of which every target is the next value of a register becomes `always @(posedge clock)`.
fn store_computed(items: &mut Vec<Item>) {
    let stored = stored_once(items);
    // By the net of the next value: clock and register.
    let mut registers: BTreeMap<String, (String, String)> = BTreeMap::new();
    for item in items.iter() {
        if let Item::Always(Always { body, .. }) = item
            && let [Statement::Assign { value: Expr::Name(next), .. }] = body.as_slice()
            && stored.contains(next)
            && let Some((clock, register, _)) = single(item)
        {
            registers.insert(next.clone(), (clock.clone(), register.clone()));
        }
    }
    let mut moved = BTreeSet::new();
    for item in items.iter_mut() {
        let Item::Always(always @ Always { trigger: Trigger::Combinational, .. }) = item else {
            continue;
        };
        let mut targets = BTreeSet::new();
        always.body.iter().for_each(|statement| {
            statement.targets(&mut |target| {
                targets.insert(target.name.clone());
            });
        });
        let clocks: Option<BTreeSet<&String>> =
            targets.iter().map(|name| registers.get(name).map(|(clock, _)| clock)).collect();
        let clock = match clocks.map(|clocks| clocks.into_iter().collect::<Vec<_>>()) {
            Some(clocks) if clocks.len() == 1 => clocks[0].clone(),
            _ => continue,
        };
        always.trigger = Trigger::PosEdge(clock);
        store(&mut always.body, &registers);
        moved.extend(targets);
    }
    items.retain(|item| match item {
        Item::Net(net) => !moved.contains(&net.signal.name),
        Item::Always(_) => {
            !matches!(single(item), Some((_, _, Expr::Name(next))) if moved.contains(next))
        }
        _ => true,
    });
}

/// Assigns registers in place of their next values. That a register keeps its value unless something follows need not be
/// said.
fn store(statements: &mut Vec<Statement>, registers: &BTreeMap<String, (String, String)>) {
    rename(statements, registers);
    let mut assigned = BTreeSet::new();
    statements.retain(|statement| {
        let keeps = matches!(statement, Statement::Assign { target, value, .. }
            if target.part.is_none() && *value == Expr::Name(target.name.clone()));
        let mut is_first = true;
        statement.targets(&mut |target| is_first &= assigned.insert(target.name.clone()));
        !(keeps && is_first)
    });
}

fn rename(statements: &mut [Statement], registers: &BTreeMap<String, (String, String)>) {
    for statement in statements {
        match statement {
            Statement::Comment(_) => {}
            Statement::Assign { target, kind, .. } => {
                target.name.clone_from(&registers[&target.name].1);
                *kind = Assignment::Nonblocking;
            }
            Statement::If { then, otherwise, .. } => {
                rename(then, registers);
                rename(otherwise, registers);
            }
            Statement::Case { arms, .. } => {
                arms.iter_mut().for_each(|arm| rename(&mut arm.body, registers));
            }
        }
    }
}

/// One procedure for all single registers of a clock, those of one enable under one `if`.
fn gather(items: &mut Vec<Item>) {
    let mut bodies: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    items.retain(|item| {
        let (Some((clock, ..)), Item::Always(always)) = (single(item), item) else { return true };
        let gathered = bodies.entry(clock.clone()).or_default();
        for statement in &always.body {
            let same = gathered.iter_mut().find_map(|other| match (other, statement) {
                (Statement::If { test, then, .. }, Statement::If { test: of_this, .. })
                    if test == of_this =>
                {
                    Some(then)
                }
                _ => None,
            });
            match (same, statement) {
                (Some(body), Statement::If { then, .. }) => body.extend(then.iter().cloned()),
                _ => gathered.push(statement.clone()),
            }
        }
        false
    });
    items.extend(bodies.into_iter().map(|(clock, mut body)| {
        body.sort_by_key(|statement| matches!(statement, Statement::If { .. }));
        Item::Always(Always { trigger: Trigger::PosEdge(clock), body })
    }));
}
