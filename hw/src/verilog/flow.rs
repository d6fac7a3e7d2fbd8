//! Data flow: latches, undriven signals and reads before writes.

use super::body::Statement;
use super::error::Error;
use super::expr::{Kind, Named, Read, Term};
use std::collections::{BTreeMap, BTreeSet};

/// The bits of each signal that are assigned so far, on every path.
type Cover = BTreeMap<String, Vec<bool>>;

/// Fails on latches, undriven signals and reads before writes.
pub(super) fn check(
    path: &str,
    names: &BTreeMap<String, Named>,
    statements: &[Statement],
) -> Result<(), Error> {
    let mut cover: Cover = names
        .iter()
        .filter(|(_, n)| matches!(n.kind, Kind::Output | Kind::Local | Kind::ChildInput))
        .map(|(name, n)| (name.clone(), vec![false; n.width]))
        .collect();
    flow(path, statements, &mut cover)?;
    let Some((name, _)) = cover.iter().find(|(_, bits)| bits.contains(&false)) else {
        return Ok(());
    };
    let mut assigned = false;
    statements.iter().for_each(|s| s.for_each_target(&mut |t| assigned |= t.name == *name));
    let signal = names[name].raw.replace('$', ".");
    Err(if assigned {
        Error::Latch { path: path.into(), signal }
    } else {
        Error::Undriven { path: path.into(), signal }
    })
}

fn flow(path: &str, statements: &[Statement], cover: &mut Cover) -> Result<(), Error> {
    let readable = |term: &Term, cover: &Cover| {
        let early = |read: &&Read| {
            cover
                .get(&read.name)
                .is_some_and(|bits| bits[read.low..read.low + read.width].contains(&false))
        };
        match term.reads.iter().find(early) {
            Some(read) => {
                Err(Error::ReadBeforeWrite { path: path.into(), signal: read.name.clone() })
            }
            None => Ok(()),
        }
    };
    for statement in statements {
        match statement {
            Statement::Assign(target, value) => {
                readable(value, cover)?;
                if let Some(bits) = cover.get_mut(&target.name) {
                    bits[target.low..target.low + target.width].fill(true);
                }
            }
            Statement::If(test, then, otherwise) => {
                readable(test, cover)?;
                branches(path, &[then, otherwise], cover)?;
            }
            Statement::Case(test, arms, full) => {
                readable(test, cover)?;
                let empty = vec![];
                let mut bodies: Vec<&Vec<Statement>> = arms.iter().map(|(_, body)| body).collect();
                if !full {
                    bodies.push(&empty);
                }
                branches(path, &bodies, cover)?;
            }
            Statement::Comment(_) => {}
        }
    }
    Ok(())
}

fn branches(path: &str, bodies: &[&Vec<Statement>], cover: &mut Cover) -> Result<(), Error> {
    let mut touched = BTreeSet::new();
    bodies.iter().copied().flatten().for_each(|s| {
        s.for_each_target(&mut |t| {
            touched.insert(t.name.clone());
        })
    });
    let mut all = vec![];
    for body in bodies {
        let mut inner = cover.clone();
        flow(path, body, &mut inner)?;
        all.push(inner);
    }
    for name in touched {
        if let Some(bits) = cover.get_mut(&name) {
            for (i, bit) in bits.iter_mut().enumerate() {
                *bit = all.iter().all(|inner| inner[&name][i]);
            }
        }
    }
    Ok(())
}
