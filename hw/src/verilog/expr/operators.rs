//! Operators on expressions: of one operand, of two, and of two literals.

use rust_hdl_core::ast::{VerilogExpression, VerilogOp, VerilogOpUnary};

use super::super::error::Error;
use super::{Scope, Term};

impl Scope<'_> {
    pub(super) fn unary(
        &self,
        op: &VerilogOpUnary,
        inner: &VerilogExpression,
    ) -> Result<Term, Error> {
        let term = self.expression(inner)?;
        let Some(width) = term.width else {
            return match (op, term.value) {
                (VerilogOpUnary::Not, Some(value @ 0..=1)) => Ok(Term::literal(1 - value, None)),
                _ => Err(self.unsupported(
                    "an operator on a bare literal",
                    "give the literal a width with `bits`",
                )),
            };
        };
        let (symbol, width, signed) = match op {
            VerilogOpUnary::Not => ("~", width, term.signed),
            VerilogOpUnary::Neg => ("-", width, term.signed),
            VerilogOpUnary::All => ("&", 1, false),
            VerilogOpUnary::Any => ("|", 1, false),
            VerilogOpUnary::Xor => ("^", 1, false),
        };
        let text = format!("{symbol}{}", term.operand());
        Ok(Term::compound(text, width, signed, &[&term]))
    }

    pub(super) fn binary(
        &self,
        left: &VerilogExpression,
        op: &VerilogOp,
        right: &VerilogExpression,
    ) -> Result<Term, Error> {
        let (mut l, mut r) = (self.expression(left)?, self.expression(right)?);
        if let (None, None, Some(a), Some(b)) = (l.width, r.width, l.value, r.value) {
            return self.fold(a, op, b);
        }
        let symbol = match op {
            VerilogOp::Add => "+",
            VerilogOp::Sub => "-",
            VerilogOp::Mul => {
                return Err(self.unsupported("`*`", "write the multiplier as a leaf"));
            }
            VerilogOp::LogicalAnd => "&&",
            VerilogOp::LogicalOr => "||",
            VerilogOp::BitXor => "^",
            VerilogOp::BitAnd => "&",
            VerilogOp::BitOr => "|",
            VerilogOp::Shl => "<<",
            VerilogOp::Shr => ">>",
            VerilogOp::Eq => "==",
            VerilogOp::Lt => "<",
            VerilogOp::Le => "<=",
            VerilogOp::Ne => "!=",
            VerilogOp::Ge => ">=",
            VerilogOp::Gt => ">",
        };
        if matches!(op, VerilogOp::Shl | VerilogOp::Shr) {
            let Some(width) = l.width.filter(|_| !l.signed) else {
                return Err(self.unsupported(
                    "a shift of a literal or a signed value",
                    "use a sized unsigned signal, or a leaf",
                ));
            };
            let text = format!("{} {symbol} {}", l.operand(), r.operand());
            return Ok(Term::compound(text, width, false, &[&l, &r]));
        }
        let context = format!("{} {symbol} {}", l.text, r.text);
        let (width, signed) = match (l.width, r.width) {
            (Some(width), _) => (width, l.signed),
            (None, Some(width)) => (width, r.signed),
            (None, None) => {
                return Err(self.type_error(&context, "a sized operand".into(), "none".into()));
            }
        };
        l = self.fit(l, width, signed, &context)?;
        r = self.fit(r, width, signed, &context)?;
        let compares = matches!(
            op,
            VerilogOp::LogicalAnd
                | VerilogOp::LogicalOr
                | VerilogOp::Eq
                | VerilogOp::Lt
                | VerilogOp::Le
                | VerilogOp::Ne
                | VerilogOp::Ge
                | VerilogOp::Gt
        );
        let text = format!("{} {symbol} {}", l.operand(), r.operand());
        let (width, signed) = if compares { (1, false) } else { (width, signed) };
        Ok(Term::compound(text, width, signed, &[&l, &r]))
    }

    /// Arithmetic that is known while emitting, such as `i + 1 == 3`.
    fn fold(&self, a: u128, op: &VerilogOp, b: u128) -> Result<Term, Error> {
        let value = match op {
            VerilogOp::Add => a.checked_add(b),
            VerilogOp::Sub => a.checked_sub(b),
            VerilogOp::Mul => a.checked_mul(b),
            VerilogOp::LogicalAnd => Some((a != 0 && b != 0) as u128),
            VerilogOp::LogicalOr => Some((a != 0 || b != 0) as u128),
            VerilogOp::BitXor => Some(a ^ b),
            VerilogOp::BitAnd => Some(a & b),
            VerilogOp::BitOr => Some(a | b),
            VerilogOp::Shl => a.checked_shl(b as u32),
            VerilogOp::Shr => a.checked_shr(b as u32),
            VerilogOp::Eq => Some((a == b) as u128),
            VerilogOp::Ne => Some((a != b) as u128),
            VerilogOp::Lt => Some((a < b) as u128),
            VerilogOp::Le => Some((a <= b) as u128),
            VerilogOp::Gt => Some((a > b) as u128),
            VerilogOp::Ge => Some((a >= b) as u128),
        };
        value.map(|value| Term::literal(value, None)).ok_or_else(|| {
            self.unsupported("literal arithmetic that overflows", "keep literals non-negative")
        })
    }
}
