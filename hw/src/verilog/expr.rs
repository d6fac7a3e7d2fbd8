//! Expressions: from rust-hdl's syntax tree to Verilog text that is exact in width and sign.
//!
//! Rust's types make both sides of every operator equally wide, so the text is right in any context
//! once literals take their operand's width, widening is a concatenation and narrowing a part-select.

use super::error::Error;
use super::names::{clean, resolve_indices};
use rust_hdl_core::ast::{VerilogExpression, VerilogLiteral};
use std::collections::BTreeMap;

mod operators;

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
    pub(super) value: String,
}

/// Bits of a signal that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) low: usize,
    pub(super) width: usize,
}

/// An expression as text, with what is known about it.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) text: String,
    /// `None` for a literal that takes its width from its surroundings.
    pub(super) width: Option<usize>,
    pub(super) signed: bool,
    /// Known while emitting.
    pub(super) value: Option<u128>,
    pub(super) reads: Vec<Read>,
    /// Needs no parentheses and reads well as a port connection.
    pub(super) simple: bool,
    /// The bits of one signal that this is: name, lowest bit.
    slice_of: Option<(String, usize)>,
}

impl Term {
    fn literal(value: u128, width: Option<usize>) -> Term {
        let text = width.map_or_else(|| value.to_string(), |width| sized(value, width));
        Term {
            text,
            width,
            signed: false,
            value: Some(value),
            reads: vec![],
            simple: true,
            slice_of: None,
        }
    }

    fn compound(text: String, width: usize, signed: bool, parts: &[&Term]) -> Term {
        let reads = parts.iter().flat_map(|t| t.reads.iter().cloned()).collect();
        Term { text, width: Some(width), signed, value: None, reads, simple: false, slice_of: None }
    }

    /// `{high, .., low}`.
    pub(super) fn concatenation(parts: &[&Term], width: usize) -> Term {
        let texts: Vec<&str> = parts.iter().map(|t| t.text.as_str()).collect();
        Term::compound(format!("{{{}}}", texts.join(", ")), width, false, parts)
    }

    /// The text, in parentheses where an operator would need them.
    fn operand(&self) -> String {
        if self.simple { self.text.clone() } else { format!("({})", self.text) }
    }

    /// The signal this is, if it is one whole signal.
    pub(super) fn whole_signal(&self) -> Option<&str> {
        self.slice_of.as_ref().filter(|(name, _)| *name == self.text).map(|(name, _)| name.as_str())
    }
}

/// `8'd5`, `16'hbeef`.
pub(super) fn sized(value: u128, width: usize) -> String {
    if value < 1000 { format!("{width}'d{value}") } else { format!("{width}'h{value:x}") }
}

/// A value as a literal of `width` bits; an enum's own literal is 64 bits wide.
pub(super) fn literal_of(value: &VerilogLiteral, width: usize) -> String {
    let text = format!("{value:x}");
    let digits = text.rsplit("'h").next().unwrap_or_default();
    u128::from_str_radix(digits, 16)
        .map_or_else(|_| format!("{width}'h{digits}"), |value| sized(value, width))
}

/// The range of a declaration: empty for one bit.
pub(super) fn range(width: usize) -> String {
    if width == 1 { String::new() } else { format!("[{}:0]", width - 1) }
}

/// Names, loop variables and renamed nets, while a body is translated.
pub(super) struct Scope<'a> {
    pub(super) path: &'a str,
    pub(super) names: &'a BTreeMap<String, Named>,
    pub(super) aliases: &'a BTreeMap<String, String>,
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

    fn type_error(&self, context: &str, expected: String, found: String) -> Error {
        Error::Type { path: self.path.into(), context: context.into(), expected, found }
    }

    /// Gives a literal its width, and checks everything else.
    pub(super) fn fit(
        &self,
        term: Term,
        width: usize,
        signed: bool,
        context: &str,
    ) -> Result<Term, Error> {
        let describe = |width: usize, signed: bool| {
            format!("{width} bits{}", if signed { " signed" } else { "" })
        };
        match (term.width, term.value) {
            (None, Some(value)) => {
                if width < 128 && value >> width != 0 {
                    return Err(Error::Literal { path: self.path.into(), value, width });
                }
                let mut literal = Term::literal(value, Some(width));
                if signed {
                    literal =
                        Term { text: format!("$signed({})", literal.text), signed, ..literal };
                }
                Ok(literal)
            }
            (Some(found), _) if found == width && term.signed == signed => Ok(term),
            (found, _) => Err(self.type_error(
                &format!("`{context}`"),
                describe(width, signed),
                found.map_or("no width".into(), |w| describe(w, term.signed)),
            )),
        }
    }

    /// A one-bit condition.
    pub(super) fn condition(&self, e: &VerilogExpression) -> Result<Term, Error> {
        let term = self.expression(e)?;
        let context = term.text.clone();
        self.fit(term, 1, false, &context)
    }

    /// Translates an expression.
    pub(super) fn expression(&self, e: &VerilogExpression) -> Result<Term, Error> {
        match e {
            VerilogExpression::Signal(raw) => self.signal(raw),
            VerilogExpression::Literal(literal) => {
                Ok(Term::literal(self.literal_value(literal)?, None))
            }
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
                    let text = format!("$signed({})", slice.text);
                    return Ok(Term { text, signed: true, slice_of: None, ..slice });
                }
                Ok(slice)
            }
            VerilogExpression::IndexReplace(base, index, bit) => self.replace_bit(base, index, bit),
        }
    }

    fn signal(&self, raw: &str) -> Result<Term, Error> {
        if let Some(value) = self.loop_value(raw) {
            return Ok(Term::literal(value as u128, None));
        }
        let (name, named) = self.named(raw)?;
        if named.kind == Kind::ChildInput {
            return Err(self.unsupported(
                format!("reading `{raw}`, the input of a sub-block"),
                "read the signal that drives it",
            ));
        }
        let text = self.aliases.get(&name).unwrap_or(&name).clone();
        let reads = vec![Read { name, low: 0, width: named.width }];
        Ok(Term {
            slice_of: Some((text.clone(), 0)),
            text,
            width: Some(named.width),
            signed: named.signed,
            value: None,
            reads,
            simple: true,
        })
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
            return self.fit(term, width, false, "cast");
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
                let text = format!("{{{}'d0, {}}}", width - from, term.text);
                Ok(Term { simple: true, ..Term::compound(text, width, false, &[&term]) })
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
        let function = if signed { "$signed" } else { "$unsigned" };
        let text = format!("{function}({})", term.text);
        Ok(Term { simple: true, ..Term::compound(text, width, signed, &[&term]) })
    }

    /// Bits `low..low + width` of a signal or of part of one.
    fn part_select(&self, base: Term, width: usize, low: usize) -> Result<Term, Error> {
        let (Some((name, offset)), Some(base_width)) = (base.slice_of.clone(), base.width) else {
            return Err(self.unsupported(
                format!("a part-select of `{}`", base.text),
                "assign the expression to a Local signal and select from that",
            ));
        };
        if low + width > base_width {
            let expected = format!("bits below {base_width}");
            return Err(self.type_error(&base.text, expected, format!("bit {}", low + width - 1)));
        }
        if width == base_width {
            return Ok(base);
        }
        let low = offset + low;
        let text = if width == 1 {
            format!("{name}[{low}]")
        } else {
            format!("{name}[{}:{low}]", low + width - 1)
        };
        let reads = base.reads.into_iter().map(|read| Read { low, width, ..read }).collect();
        Ok(Term {
            text,
            width: Some(width),
            signed: false,
            value: None,
            reads,
            simple: true,
            slice_of: Some((name, low)),
        })
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
        let Some(name) = base.whole_signal().map(String::from) else {
            return Err(self.unsupported(
                format!("a moving part-select of `{}`", base.text),
                "assign it to a Local signal and select from that",
            ));
        };
        let text = if width == 1 {
            format!("{name}[{}]", offset.text)
        } else {
            format!("{name}[{} +: {width}]", offset.operand())
        };
        Ok(Term { simple: true, ..Term::compound(text, width, false, &[&base, &offset]) })
    }

    fn replace_bit(
        &self,
        base: &VerilogExpression,
        index: &VerilogExpression,
        bit: &VerilogExpression,
    ) -> Result<Term, Error> {
        let (base, index, bit) =
            (self.expression(base)?, self.expression(index)?, self.condition(bit)?);
        let width = base
            .width
            .ok_or_else(|| self.unsupported("replace_bit of a literal", "use a signal"))?;
        let wide =
            if width == 1 { bit.operand() } else { format!("{{{}'d0, {}}}", width - 1, bit.text) };
        let at = index.operand();
        let text =
            format!("({} & ~({} << {at})) | ({wide} << {at})", base.operand(), sized(1, width));
        Ok(Term::compound(text, width, base.signed, &[&base, &index, &bit]))
    }
}
