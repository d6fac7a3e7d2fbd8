//! Expressions: from rust-hdl's syntax tree to Verilog that is exact in width and sign.
//!
//! Rust's types make both sides of every operator equally wide, so an expression is right in any context
//! once literals take their operand's width, widening is a concatenation and narrowing a part-select.

use super::names::{clean, resolve_indices};
use crate::verilog::error::Error;
use crate::verilog::ir::{Binary, Expr, Field, Literal, Part, Unary};
use rust_hdl_core::ast::{VerilogExpression, VerilogLiteral};
use std::collections::BTreeMap;

/// What a name stands for inside a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Input,
    Output,
    Local,
    Constant,
    Variant,
    ChildInput,
    ChildOutput,
}

/// A named thing inside a module.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// rust-hdl's name: `pe$3$a_in`.
    pub(super) raw: String,
    pub(super) kind: Kind,
    pub(super) width: usize,
    pub(super) signed: bool,
    /// The value of a constant or variant.
    pub(super) value: Option<Expr>,
    /// Those of a bundle.
    pub(super) fields: Vec<Field>,
}

/// An expression, with what is known about it.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) e: Expr,
    /// `None` for a literal that takes its width from its surroundings.
    pub(super) width: Option<usize>,
    pub(super) signed: bool,
    /// Known while emitting.
    pub(super) value: Option<u128>,
}

impl Term {
    /// A literal without a width.
    pub(super) fn bare(value: u128) -> Term {
        Term { e: Expr::Integer(value), width: None, signed: false, value: Some(value) }
    }

    pub(super) fn new(e: Expr, width: usize, signed: bool) -> Term {
        Term { e, width: Some(width), signed, value: None }
    }
}

/// A value as a literal of `width` bits; an enum's own literal is 64 bits wide. What has more than 128 bits becomes a
/// concatenation.
pub(super) fn literal_of(value: &VerilogLiteral, width: usize) -> Expr {
    let text = format!("{value:x}");
    let digits = text.rsplit("'h").next().unwrap_or_default();
    let low = digits.len().saturating_sub(32);
    let part = |digits: &str, width| {
        Expr::from(Literal::new(u128::from_str_radix(digits, 16).unwrap_or_default(), width))
    };
    match digits[..low].trim_start_matches('0') {
        "" => part(&digits[low..], width),
        high => {
            let chunks = high.as_bytes().rchunks(32).rev();
            let mut parts: Vec<Expr> = chunks
                .enumerate()
                .map(|(i, chunk)| {
                    let n = high.len().div_ceil(32);
                    let width = if i == 0 { width - 128 * n } else { 128 };
                    part(&String::from_utf8_lossy(chunk), width)
                })
                .collect();
            parts.push(part(&digits[low..], 128));
            Expr::Concat(parts)
        }
    }
}

/// Names and loop variables, while a body is translated.
pub(super) struct Scope<'a> {
    pub(super) path: &'a str,
    pub(super) names: &'a BTreeMap<String, Named>,
    pub(super) loops: Vec<(String, usize)>,
}

impl Scope<'_> {
    fn loop_value(&self, name: &str) -> Option<i64> {
        self.loops.iter().rev().find(|(n, _)| n == name).map(|(_, value)| *value as i64)
    }

    /// The thing that `raw` names, under its Verilog name.
    pub(super) fn named(&self, raw: &str) -> Result<(String, &Named), Error> {
        let raw = raw.trim_end_matches("$next");
        let resolved = resolve_indices(raw, &|name| self.loop_value(name)).map_err(|reason| {
            Error::Index { path: self.path.into(), identifier: raw.into(), reason }
        })?;
        let name = clean(&resolved);
        match self.names.get(&name) {
            Some(named) if named.raw == resolved => Ok((name, named)),
            _ => Err(Error::UnknownIdentifier { path: self.path.into(), identifier: resolved }),
        }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>, help: &'static str) -> Error {
        Error::Unsupported { path: self.path.into(), what: what.into(), help }
    }

    pub(super) fn type_error(&self, context: &str, expected: String, found: String) -> Error {
        Error::Type { path: self.path.into(), context: context.into(), expected, found }
    }

    /// Gives a literal its width, and checks everything else.
    pub(super) fn fit(
        &self,
        term: Term,
        width: usize,
        signed: bool,
        context: &str,
    ) -> Result<Expr, Error> {
        let describe = |width: usize, signed: bool| {
            format!("{width} bits{}", if signed { " signed" } else { "" })
        };
        match (term.width, term.value) {
            (None, Some(value)) => {
                if width < 128 && value >> width != 0 {
                    return Err(Error::Literal { path: self.path.into(), value, width });
                }
                Ok(Literal { value, width, signed }.into())
            }
            (Some(found), _) if found == width && term.signed == signed => Ok(term.e),
            (found, _) => Err(self.type_error(
                &format!("`{context}`"),
                describe(width, signed),
                found.map_or("no width".into(), |w| describe(w, term.signed)),
            )),
        }
    }

    /// A one-bit condition, and its value if that is known while emitting.
    pub(super) fn condition(&self, e: &VerilogExpression) -> Result<(Expr, Option<u128>), Error> {
        let term = self.expression(e)?;
        let (value, context) = (term.value, term.e.to_string());
        Ok((self.fit(term, 1, false, &context)?, value))
    }

    /// Translates an expression.
    pub(super) fn expression(&self, e: &VerilogExpression) -> Result<Term, Error> {
        match e {
            VerilogExpression::Signal(raw) => self.signal(raw),
            VerilogExpression::Literal(literal) => Ok(Term::bare(self.literal_value(literal)?)),
            VerilogExpression::Paren(inner) => self.expression(inner),
            VerilogExpression::Cast(inner, width) => self.cast(inner, *width),
            VerilogExpression::Signed(inner) => self.reinterpret(inner, true),
            VerilogExpression::Unsigned(inner) => self.reinterpret(inner, false),
            VerilogExpression::Binary(left, op, right) => self.binary(left, op, right),
            VerilogExpression::Unary(op, inner) => self.unary(op, inner),
            VerilogExpression::Index(base, index) => self.select(base, 1, index),
            VerilogExpression::Slice(base, width, offset) => {
                let slice = self.select(base, *width, offset)?;
                // `get_bits` of a Signed is a Signed; a Verilog part-select never is.
                if self.expression(base)?.signed && !slice.signed {
                    let e = Expr::Sign { signed: true, value: Box::new(slice.e) };
                    return Ok(Term { e, signed: true, ..slice });
                }
                Ok(slice)
            }
            VerilogExpression::IndexReplace(base, index, bit) => self.replace_bit(base, index, bit),
        }
    }

    fn signal(&self, raw: &str) -> Result<Term, Error> {
        if let Some(value) = self.loop_value(raw) {
            return Ok(Term::bare(value as u128));
        }
        let (name, named) = self.named(raw)?;
        if named.kind == Kind::ChildInput {
            return Err(self.unsupported(
                format!("reading `{raw}`, the input of a sub-block"),
                "read the signal that drives it",
            ));
        }
        Ok(Term::new(Expr::Name(name), named.width, named.signed))
    }

    fn literal_value(&self, literal: &VerilogLiteral) -> Result<u128, Error> {
        let text = format!("{literal:x}");
        let digits = text.rsplit("'h").next().unwrap_or_default();
        u128::from_str_radix(digits, 16)
            .map_err(|_| self.unsupported(format!("literal {text}"), "use a `Constant` field"))
    }

    fn cast(&self, inner: &VerilogExpression, width: usize) -> Result<Term, Error> {
        let term = self.expression(inner)?;
        let Some(from) = term.width else {
            let value = term.value;
            return Ok(Term {
                value,
                ..Term::new(self.fit(term, width, false, "cast")?, width, false)
            });
        };
        if term.signed {
            return Err(self.type_error(
                "bit_cast",
                "an unsigned value".into(),
                "a signed one".into(),
            ));
        }
        match width.cmp(&from) {
            std::cmp::Ordering::Equal => Ok(term),
            std::cmp::Ordering::Greater => {
                let zeros = Literal::new(0, width - from).into();
                Ok(Term::new(Expr::Concat(vec![zeros, term.e]), width, false))
            }
            std::cmp::Ordering::Less => self.part_select(term, width, 0),
        }
    }

    fn reinterpret(&self, inner: &VerilogExpression, signed: bool) -> Result<Term, Error> {
        let term = self.expression(inner)?;
        let Some(width) = term.width else {
            return Err(self.unsupported("a signed literal", "use a `Constant<Signed<N>>` field"));
        };
        if term.signed == signed {
            return Ok(term);
        }
        Ok(Term::new(Expr::Sign { signed, value: Box::new(term.e) }, width, signed))
    }

    /// Bits `low..low + width` of a signal or of part of one.
    fn part_select(&self, base: Term, width: usize, low: usize) -> Result<Term, Error> {
        let (name, offset, base_width) = match (&base.e, base.width) {
            (Expr::Name(name), Some(width)) => (name, 0, width),
            (Expr::Part(name, part), Some(width)) => (name, part.low, width),
            _ => {
                return Err(self.unsupported(
                    format!("a part-select of `{}`", base.e),
                    "assign the expression to a Local signal and select from that",
                ));
            }
        };
        if low + width > base_width {
            let expected = format!("bits below {base_width}");
            let found = format!("bit {}", low + width - 1);
            return Err(self.type_error(&base.e.to_string(), expected, found));
        }
        if width == base_width {
            return Ok(base);
        }
        let part = Part { low: offset + low, width };
        Ok(Term::new(Expr::Part(name.clone(), part), width, false))
    }

    fn select(
        &self,
        base: &VerilogExpression,
        width: usize,
        offset: &VerilogExpression,
    ) -> Result<Term, Error> {
        let base = self.expression(base)?;
        let offset = self.expression(offset)?;
        if let Some(low) = offset.value {
            return self.part_select(base, width, low as usize);
        }
        let Expr::Name(name) = base.e else {
            return Err(self.unsupported(
                format!("a moving part-select of `{}`", base.e),
                "assign it to a Local signal and select from that",
            ));
        };
        Ok(Term::new(Expr::Select { name, index: Box::new(offset.e), width }, width, false))
    }

    fn replace_bit(
        &self,
        base: &VerilogExpression,
        index: &VerilogExpression,
        bit: &VerilogExpression,
    ) -> Result<Term, Error> {
        let (base, index) = (self.expression(base)?, self.expression(index)?);
        let (bit, _) = self.condition(bit)?;
        let width = base
            .width
            .ok_or_else(|| self.unsupported("replace_bit of a literal", "use a signal"))?;
        let wide = match width {
            1 => bit,
            _ => Expr::Concat(vec![Literal::new(0, width - 1).into(), bit]),
        };
        let operator = |op, left, right| Expr::Binary(op, Box::new(left), Box::new(right));
        let at = |value| operator(Binary::ShiftLeft, value, index.e.clone());
        let others = Expr::Unary(Unary::Not, Box::new(at(Literal::new(1, width).into())));
        let e = operator(Binary::Or, operator(Binary::And, base.e, others), at(wide));
        Ok(Term::new(e, width, base.signed))
    }
}
