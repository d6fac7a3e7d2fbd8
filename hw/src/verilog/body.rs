//! Statements: a block's `update` with its loops unrolled and its types checked, and how it is written.

use super::error::Error;
use super::expr::{Kind, Scope, Term, sized};
use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogMatch,
    VerilogStatement,
};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What an assignment writes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) low: usize,
    pub(super) width: usize,
    /// The width of the whole signal.
    pub(super) total: usize,
}

impl Target {
    pub(super) fn whole(&self) -> bool {
        self.width == self.total
    }

    fn text(&self) -> String {
        match (self.whole(), self.width) {
            (true, _) => self.name.clone(),
            (false, 1) => format!("{}[{}]", self.name, self.low),
            (false, width) => format!("{}[{}:{}]", self.name, self.low + width - 1, self.low),
        }
    }
}

/// A statement without loops.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    Assign(Target, Term),
    If(Term, Vec<Statement>, Vec<Statement>),
    /// Test, arms (label, statements), and whether the last arm is the default.
    Case(Term, Vec<(String, Vec<Statement>)>, bool),
    Comment(String),
}

impl Statement {
    /// Calls `f` on every assignment, also nested ones.
    pub(super) fn for_each_target<'a>(&'a self, f: &mut dyn FnMut(&'a Target)) {
        match self {
            Statement::Assign(target, _) => f(target),
            Statement::If(_, then, otherwise) => {
                then.iter().chain(otherwise).for_each(|s| s.for_each_target(f))
            }
            Statement::Case(_, arms, _) => {
                arms.iter().flat_map(|(_, b)| b).for_each(|s| s.for_each_target(f))
            }
            Statement::Comment(_) => {}
        }
    }

    /// Every name that is read: signals, constants and variants.
    pub(super) fn reads<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        let mut term = |t: &'a Term| into.extend(t.reads.iter().map(|read| read.name.as_str()));
        match self {
            Statement::Assign(_, value) => term(value),
            Statement::If(test, then, otherwise) => {
                term(test);
                then.iter().chain(otherwise).for_each(|s| s.reads(into));
            }
            Statement::Case(test, arms, _) => {
                term(test);
                for (label, block) in arms {
                    into.insert(label);
                    block.iter().for_each(|s| s.reads(into));
                }
            }
            Statement::Comment(_) => {}
        }
    }

    /// Writes the statement as procedural Verilog.
    pub(super) fn render(&self, indent: usize, out: &mut String) {
        let pad = "    ".repeat(indent);
        let block = |statements: &[Statement], out: &mut String| {
            statements.iter().for_each(|s| s.render(indent + 1, out));
        };
        // Writing to a String cannot fail.
        let _ = match self {
            Statement::Comment(text) => writeln!(out, "{pad}// {text}"),
            Statement::Assign(target, value) => {
                writeln!(out, "{pad}{} = {};", target.text(), value.text)
            }
            Statement::If(test, then, otherwise) => {
                let _ = writeln!(out, "{pad}if ({}) begin", test.text);
                block(then, out);
                match otherwise.as_slice() {
                    [] => writeln!(out, "{pad}end"),
                    [chained @ Statement::If(..)] => {
                        let mut text = String::new();
                        chained.render(indent, &mut text);
                        write!(out, "{pad}end else {}", text.trim_start())
                    }
                    _ => {
                        let _ = writeln!(out, "{pad}end else begin");
                        block(otherwise, out);
                        writeln!(out, "{pad}end")
                    }
                }
            }
            Statement::Case(test, arms, full) => {
                let _ = writeln!(out, "{pad}case ({})", test.text);
                for (i, (label, body)) in arms.iter().enumerate() {
                    let is_default = label == "default";
                    let last = *full && i + 1 == arms.len() && !is_default;
                    let label = if last { format!("/* {label} */ default") } else { label.clone() };
                    let _ = writeln!(out, "{pad}    {label}: begin");
                    body.iter().for_each(|s| s.render(indent + 2, out));
                    let _ = writeln!(out, "{pad}    end");
                }
                writeln!(out, "{pad}endcase")
            }
        };
    }
}

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

fn assign_target(
    scope: &Scope,
    left: &VerilogExpression,
    part: Option<(usize, usize)>,
) -> Result<(Target, bool), Error> {
    let VerilogExpression::Signal(raw) = left else {
        return Err(scope.unsupported("this assignment target", "assign to `self.<signal>.next`"));
    };
    let (name, named) = scope.named(raw)?;
    if !matches!(named.kind, Kind::Output | Kind::Local | Kind::ChildInput) {
        return Err(Error::NotAssignable { path: scope.path.into(), signal: named.raw.clone() });
    }
    let (low, width) = part.unwrap_or((0, named.width));
    let signed = named.signed && part.is_none();
    Ok((Target { name, low, width, total: named.width }, signed))
}

fn assign(
    scope: &Scope,
    (target, signed): (Target, bool),
    right: &VerilogExpression,
) -> Result<Statement, Error> {
    let value = scope.expression(right)?;
    let context = format!("{} = {}", target.text(), value.text);
    let value = scope.fit(value, target.width, signed, &context)?;
    Ok(Statement::Assign(target, value))
}

fn lower_if(
    scope: &mut Scope,
    c: &VerilogConditional,
    out: &mut Vec<Statement>,
) -> Result<(), Error> {
    let test = scope.condition(&c.test)?;
    if test.value == Some(1) {
        out.extend(lower(scope, &c.then)?);
        return Ok(());
    }
    let otherwise = match &c.otherwise {
        VerilogBlockOrConditional::Block(block) => lower(scope, block)?,
        VerilogBlockOrConditional::Conditional(inner) => lower(scope, &vec![(**inner).clone()])?,
        VerilogBlockOrConditional::None => vec![],
    };
    if test.value == Some(0) {
        out.extend(otherwise);
    } else {
        out.push(Statement::If(test, lower(scope, &c.then)?, otherwise));
    }
    Ok(())
}

fn lower_match(scope: &mut Scope, m: &VerilogMatch) -> Result<Statement, Error> {
    let test = scope.expression(&m.test)?;
    let Some(width) = test.width else {
        return Err(scope.unsupported("`match` on a literal", "match on a signal"));
    };
    let mut arms: Vec<(String, Vec<Statement>)> = vec![];
    let mut variants = 0;
    let mut full = false;
    for case in &m.cases {
        let label = if case.condition == "default" {
            full = true;
            "default".to_string()
        } else if let Ok(value) = case.condition.parse::<u128>() {
            sized(value, width)
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
            name
        };
        arms.push((label, lower(scope, &case.block)?));
    }
    Ok(Statement::Case(test, arms, full))
}
