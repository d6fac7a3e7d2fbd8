//! Operators on expressions: of one operand, of two, and of two literals.

use super::scope::{Scope, Term};
use crate::verilog::error::Error;
use crate::verilog::ir::{Binary, Expr, Unary};
use rust_hdl_core::ast::{VerilogExpression, VerilogOp, VerilogOpUnary};

impl Scope<'_> {
    pub(super) fn unary(
        &self,
        op: &VerilogOpUnary,
        inner: &VerilogExpression,
    ) -> Result<Term, Error> {
        let term = self.expression(inner)?;
        let Some(width) = term.width else {
            return match (op, term.value) {
                (VerilogOpUnary::Not, Some(value @ 0..=1)) => Ok(Term::bare(1 - value)),
                _ => Err(self.unsupported(
                    "an operator on a bare literal",
                    "give the literal a width with `bits`",
                )),
            };
        };
        let (op, width, signed) = match op {
            VerilogOpUnary::Not => (Unary::Not, width, term.signed),
            VerilogOpUnary::Neg => (Unary::Negate, width, term.signed),
            VerilogOpUnary::All => (Unary::All, 1, false),
            VerilogOpUnary::Any => (Unary::Any, 1, false),
            VerilogOpUnary::Xor => (Unary::Parity, 1, false),
        };
        Ok(Term::new(Expr::Unary(op, Box::new(term.e)), width, signed))
    }

    pub(super) fn binary(
        &self,
        left: &VerilogExpression,
        op: &VerilogOp,
        right: &VerilogExpression,
    ) -> Result<Term, Error> {
        let (l, r) = (self.expression(left)?, self.expression(right)?);
        if let (None, None, Some(a), Some(b)) = (l.width, r.width, l.value, r.value) {
            return self.fold(a, op, b);
        }
        let binary = match op {
            VerilogOp::Add => Binary::Add,
            VerilogOp::Sub => Binary::Subtract,
            VerilogOp::Mul => {
                return Err(self.unsupported("`*`", "write the multiplier as a leaf"));
            }
            VerilogOp::LogicalAnd => Binary::LogicalAnd,
            VerilogOp::LogicalOr => Binary::LogicalOr,
            VerilogOp::BitXor => Binary::Xor,
            VerilogOp::BitAnd => Binary::And,
            VerilogOp::BitOr => Binary::Or,
            VerilogOp::Shl => Binary::ShiftLeft,
            VerilogOp::Shr => Binary::ShiftRight,
            VerilogOp::Eq => Binary::Equal,
            VerilogOp::Lt => Binary::Less,
            VerilogOp::Le => Binary::LessOrEqual,
            VerilogOp::Ne => Binary::NotEqual,
            VerilogOp::Ge => Binary::GreaterOrEqual,
            VerilogOp::Gt => Binary::Greater,
        };
        if matches!(op, VerilogOp::Shl | VerilogOp::Shr) {
            let Some(width) = l.width.filter(|_| !l.signed) else {
                return Err(self.unsupported(
                    "a shift of a literal or a signed value",
                    "use a sized unsigned signal, or a leaf",
                ));
            };
            return Ok(Term::new(Expr::Binary(binary, Box::new(l.e), Box::new(r.e)), width, false));
        }
        let context = format!("{} {} {}", l.e, binary.symbol(), r.e);
        let (width, signed) = match (l.width, r.width) {
            (Some(width), _) => (width, l.signed),
            (None, Some(width)) => (width, r.signed),
            (None, None) => {
                return Err(self.type_error(&context, "a sized operand".into(), "none".into()));
            }
        };
        let l = self.fit(l, width, signed, &context)?;
        let r = self.fit(r, width, signed, &context)?;
        let (width, signed) = if binary.compares() { (1, false) } else { (width, signed) };
        Ok(Term::new(Expr::Binary(binary, Box::new(l), Box::new(r)), width, signed))
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
        value.map(Term::bare).ok_or_else(|| {
            self.unsupported("literal arithmetic that overflows", "keep literals non-negative")
        })
    }
}
