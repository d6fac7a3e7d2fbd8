//! Assignments that are overwritten on every path before anyone reads them.

use crate::verilog::ir::{Item, Statement, Target};

/// Drops them from every procedure.
pub(super) fn run(items: &mut [Item]) {
    for item in items {
        if let Item::Always(always) = item {
            drop_dead(&mut always.body);
        }
    }
}

fn drop_dead(statements: &mut Vec<Statement>) {
    for statement in statements.iter_mut() {
        match statement {
            Statement::If { then, otherwise, .. } => {
                drop_dead(then);
                drop_dead(otherwise);
            }
            Statement::Case { arms, .. } => {
                arms.iter_mut().for_each(|arm| drop_dead(&mut arm.body))
            }
            Statement::Comment(_) | Statement::Assign { .. } => {}
        }
    }
    let mut at = 0;
    while at < statements.len() {
        match &statements[at] {
            Statement::Assign { target, .. } if is_overwritten(target, &statements[at + 1..]) => {
                statements.remove(at);
            }
            _ => at += 1,
        }
    }
}

/// Whether the statements that follow write the target on every path, and none reads it before.
fn is_overwritten(target: &Target, after: &[Statement]) -> bool {
    for statement in after {
        let mut is_read = false;
        statement.reads(&mut |name, _| is_read |= name == target.name);
        if is_read {
            return false;
        }
        if covers(statement, target) {
            return true;
        }
    }
    false
}

fn covers(statement: &Statement, wanted: &Target) -> bool {
    let any = |body: &[Statement]| body.iter().any(|statement| covers(statement, wanted));
    match statement {
        Statement::Comment(_) => false,
        Statement::Assign { target, .. } => {
            target.name == wanted.name
                && match (target.part, wanted.part) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(new), Some(old)) => {
                        new.low <= old.low && old.low + old.width <= new.low + new.width
                    }
                }
        }
        Statement::If { then, otherwise, .. } => any(then) && any(otherwise),
        Statement::Case { arms, .. } => {
            arms.iter().any(|arm| arm.default) && arms.iter().all(|arm| any(&arm.body))
        }
    }
}
