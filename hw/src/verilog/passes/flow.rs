//! Data flow: latches, undriven signals and reads before writes.

use crate::verilog::ir::{Expr, Part, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// The bits of each signal that are assigned so far, on every path.
type Cover = BTreeMap<String, Vec<bool>>;

/// A signal with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Assigned on some paths only.
    Latch(String),
    /// Never assigned.
    Undriven(String),
    /// Read before it is assigned.
    Early(String),
}

/// Finds latches, undriven signals and reads before writes. `driven` holds the width of every signal that the statements
/// have to assign.
///
/// # Errors
/// Returns the first fault.
pub(crate) fn check(
    driven: &BTreeMap<String, usize>,
    statements: &[Statement],
) -> Result<(), Fault> {
    let mut cover: Cover =
        driven.iter().map(|(name, width)| (name.clone(), vec![false; *width])).collect();
    flow(statements, &mut cover)?;
    let Some((name, _)) = cover.iter().find(|(_, bits)| bits.contains(&false)) else {
        return Ok(());
    };
    let mut assigned = false;
    statements.iter().for_each(|s| s.targets(&mut |t| assigned |= t.name == *name));
    Err(if assigned { Fault::Latch(name.clone()) } else { Fault::Undriven(name.clone()) })
}

fn bits_of(bits: &mut [bool], part: Option<Part>) -> &mut [bool] {
    match part {
        Some(Part { low, width }) => &mut bits[low..low + width],
        None => bits,
    }
}

fn readable(e: &Expr, cover: &mut Cover) -> Result<(), Fault> {
    let mut early = None;
    e.reads(&mut |name, part| {
        if early.is_none()
            && cover.get_mut(name).is_some_and(|bits| bits_of(bits, part).contains(&false))
        {
            early = Some(name.to_string());
        }
    });
    early.map_or(Ok(()), |name| Err(Fault::Early(name)))
}

fn flow(statements: &[Statement], cover: &mut Cover) -> Result<(), Fault> {
    for statement in statements {
        match statement {
            Statement::Assign { target, value, .. } => {
                readable(value, cover)?;
                if let Some(bits) = cover.get_mut(&target.name) {
                    bits_of(bits, target.part).fill(true);
                }
            }
            Statement::If { test, then, otherwise } => {
                readable(test, cover)?;
                branches(&[then, otherwise], cover)?;
            }
            Statement::Case { test, arms } => {
                readable(test, cover)?;
                let empty = vec![];
                let mut bodies: Vec<&Vec<Statement>> = arms.iter().map(|arm| &arm.body).collect();
                if !arms.iter().any(|arm| arm.default) {
                    bodies.push(&empty);
                }
                branches(&bodies, cover)?;
            }
            Statement::Comment(_) => {}
        }
    }
    Ok(())
}

fn branches(bodies: &[&Vec<Statement>], cover: &mut Cover) -> Result<(), Fault> {
    let mut touched = BTreeSet::new();
    bodies.iter().copied().flatten().for_each(|s| {
        s.targets(&mut |t| {
            touched.insert(t.name.clone());
        })
    });
    let mut all = vec![];
    for body in bodies {
        let mut inner = cover.clone();
        flow(body, &mut inner)?;
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
