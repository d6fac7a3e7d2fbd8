//! A chain of `if` that compares one signal with numbers, as a `case`.

use crate::verilog::ir::{Arm, Binary, Expr, Item, Statement};

/// So many tests make a chain worth a `case`.
const FEWEST: usize = 3;

/// Rewrites every procedure.
pub(super) fn run(items: &mut [Item]) {
    for item in items {
        if let Item::Always(always) = item {
            rewrite(&mut always.body);
        }
    }
}

fn rewrite(statements: &mut [Statement]) {
    for statement in statements {
        if let Some(case) = case(statement) {
            *statement = case;
        }
        match statement {
            Statement::Comment(_) | Statement::Assign { .. } => {}
            Statement::If { then, otherwise, .. } => {
                rewrite(then);
                rewrite(otherwise);
            }
            Statement::Case { arms, .. } => arms.iter_mut().for_each(|arm| rewrite(&mut arm.body)),
        }
    }
}

/// The chain as a `case`. Every test compares the same signal, so the order of the arms decides nothing.
fn case(statement: &Statement) -> Option<Statement> {
    let mut subject: Option<&Expr> = None;
    let mut arms: Vec<Arm> = vec![];
    let mut rest = std::slice::from_ref(statement);
    let default = loop {
        let [Statement::If { test: Expr::Binary(Binary::Equal, left, label), then, otherwise }] =
            rest
        else {
            break rest;
        };
        let is_new = !arms.iter().any(|arm| arm.labels.contains(label));
        let same = subject.is_none_or(|subject| *subject == **left);
        if !matches!(**label, Expr::Literal(_))
            || !matches!(**left, Expr::Name(_))
            || !same
            || !is_new
        {
            break rest;
        }
        subject = Some(left);
        let labels = vec![(**label).clone()];
        arms.push(Arm { labels, default: false, body: then.clone() });
        rest = otherwise;
    };
    if arms.len() < FEWEST {
        return None;
    }
    arms.push(Arm { labels: vec![], default: true, body: default.to_vec() });
    Some(Statement::Case { test: subject?.clone(), arms })
}
