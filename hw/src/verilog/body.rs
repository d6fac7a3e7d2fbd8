//! Statements: a block's `update` with its loops unrolled, checked for latches, and split into
//! continuous assignments and `always @(*)` blocks.

use super::error::Error;
use super::expr::{Kind, Named, Read, Scope, Term, sized};
use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogMatch,
    VerilogStatement,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What an assignment writes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    low: usize,
    width: usize,
    /// The width of the whole signal.
    total: usize,
}

impl Target {
    fn whole(&self) -> bool {
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
    fn for_each_target<'a>(&'a self, f: &mut dyn FnMut(&'a Target)) {
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
