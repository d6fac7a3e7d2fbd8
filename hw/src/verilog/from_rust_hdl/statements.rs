//! Statements: a block's `update` with its loops unrolled and its types checked.

use super::scope::{Kind, Scope};
use crate::verilog::error::Error;
use crate::verilog::ir::{Arm, Expr, Literal, Part, Statement, Target};
use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogMatch,
    VerilogStatement,
};

/// Translates a block: loops are unrolled, conditions known while emitting are decided.
pub(super) fn lower(scope: &mut Scope, block: &VerilogBlock) -> Result<Vec<Statement>, Error> {
    let mut out = vec![];
    for statement in block {
        match statement {
            VerilogStatement::Assignment(left, right) => {
                let target = assign_target(scope, left, None)?;
                out.push(assign(scope, target, right)?);
            }
            VerilogStatement::SliceAssignment { base, width, offset, replacement } => {
                let Some(low) = scope.expression(offset)?.value else {
                    return Err(
                        scope.unsupported("a moving part of a target", "use a loop with `if`")
                    );
                };
                let target = assign_target(scope, base, Some((low as usize, *width)))?;
                out.push(assign(scope, target, replacement)?);
            }
            VerilogStatement::If(conditional) => lower_if(scope, conditional, &mut out)?,
            VerilogStatement::Match(m) => out.push(lower_match(scope, m)?),
            VerilogStatement::Loop(l) => {
                for i in l.from.as_usize()..l.to.as_usize() {
                    scope.loops.push((l.index.clone(), i));
                    let body = lower(scope, &l.block);
                    scope.loops.pop();
                    out.extend(body?);
                }
            }
            VerilogStatement::Comment(text) => {
                // The macro leaves its own spelling in: `comment! ("text`.
                let text = text.split_once("(\"").map_or(text.as_str(), |(_, text)| text);
                out.push(Statement::Comment(text.trim().to_string()));
            }
            VerilogStatement::Macro(inner) => out.extend(lower(scope, inner)?),
            VerilogStatement::Link(_) => {
                return Err(scope.unsupported("`link` or `join`", "assign the signals one by one"));
            }
        }
    }
    Ok(out)
}

/// The target, its width, and whether it is signed.
fn assign_target(
    scope: &Scope,
    left: &VerilogExpression,
    part: Option<(usize, usize)>,
) -> Result<(Target, usize, bool), Error> {
    let VerilogExpression::Signal(raw) = left else {
        return Err(scope.unsupported("this assignment target", "assign to `self.<signal>.next`"));
    };
    let (name, named) = scope.named(raw)?;
    if !matches!(named.kind, Kind::Output | Kind::Local | Kind::ChildInput) {
        return Err(Error::NotAssignable { path: scope.path.into(), signal: named.raw.clone() });
    }
    let (low, width) = part.unwrap_or((0, named.width));
    let signed = named.signed && part.is_none();
    let part = (width != named.width).then_some(Part { low, width });
    Ok((Target { name, part }, width, signed))
}

fn assign(
    scope: &Scope,
    (target, width, signed): (Target, usize, bool),
    right: &VerilogExpression,
) -> Result<Statement, Error> {
    let value = scope.expression(right)?;
    let context = format!("{target} = {}", value.e);
    let value = scope.fit(value, width, signed, &context)?;
    Ok(Statement::blocking(target, value))
}

fn lower_if(
    scope: &mut Scope,
    c: &VerilogConditional,
    out: &mut Vec<Statement>,
) -> Result<(), Error> {
    let (test, value) = scope.condition(&c.test)?;
    if value == Some(1) {
        out.extend(lower(scope, &c.then)?);
        return Ok(());
    }
    let otherwise = match &c.otherwise {
        VerilogBlockOrConditional::Block(block) => lower(scope, block)?,
        VerilogBlockOrConditional::Conditional(inner) => lower(scope, &vec![(**inner).clone()])?,
        VerilogBlockOrConditional::None => vec![],
    };
    if value == Some(0) {
        out.extend(otherwise);
    } else {
        out.push(Statement::If { test, then: lower(scope, &c.then)?, otherwise });
    }
    Ok(())
}

fn lower_match(scope: &mut Scope, m: &VerilogMatch) -> Result<Statement, Error> {
    let test = scope.expression(&m.test)?;
    let Some(width) = test.width else {
        return Err(scope.unsupported("`match` on a literal", "match on a signal"));
    };
    let mut arms: Vec<Arm> = vec![];
    let mut variants = 0;
    let mut full = false;
    for case in &m.cases {
        let label = if case.condition == "default" {
            None
        } else if let Ok(value) = case.condition.parse::<u128>() {
            Some(Literal::new(value, width).into())
        } else {
            let (name, named) = scope.named(&case.condition)?;
            if named.kind != Kind::Variant {
                return Err(scope.unsupported(
                    format!("the pattern `{name}`"),
                    "use enum variants, integers or `_`",
                ));
            }
            variants += 1;
            let prefix = format!("{}$", named.raw.split('$').next().unwrap_or_default());
            full |= scope
                .names
                .values()
                .filter(|n| n.kind == Kind::Variant && n.raw.starts_with(&prefix))
                .count()
                == variants;
            Some(Expr::Name(name))
        };
        let default = label.is_none();
        let labels = label.into_iter().collect();
        arms.push(Arm { labels, default, body: lower(scope, &case.block)? });
    }
    if let Some(last) = arms.last_mut().filter(|_| full) {
        // The codes that no variant has go where the last variant does.
        last.default = true;
    }
    Ok(Statement::Case { test: test.e, arms })
}
