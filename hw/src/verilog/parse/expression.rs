//! Expressions, by precedence.

use super::Parser;
use super::tokens::Token;
use crate::verilog::ir::{Binary, Expr, Literal, Part, Unary};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Option<Expr> {
        let test = self.binary(1)?;
        if !self.tokens.eat("?") {
            return Some(test);
        }
        let then = self.expression()?;
        self.symbol(":")?;
        let otherwise = self.expression()?;
        Some(Expr::Conditional(Box::new(test), Box::new(then), Box::new(otherwise)))
    }

    /// Operators that bind at least as tightly as `level`.
    fn binary(&mut self, level: u8) -> Option<Expr> {
        let mut left = self.unary()?;
        while let Some(Token::Symbol(symbol)) = self.tokens.peek()
            && let Some(op) = Binary::ALL.into_iter().find(|op| op.symbol() == symbol)
            && op.precedence() >= level
        {
            self.tokens.next();
            let right = self.binary(op.precedence() + 1)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        const UNARY: [Unary; 5] =
            [Unary::Not, Unary::Negate, Unary::All, Unary::Any, Unary::Parity];
        if let Some(Token::Symbol(symbol)) = self.tokens.peek()
            && let Some(op) = UNARY.into_iter().find(|op| op.symbol() == symbol)
        {
            self.tokens.next();
            return Some(Expr::Unary(op, Box::new(self.unary()?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Option<Expr> {
        match self.tokens.next()? {
            Token::Number(text) => number(text),
            Token::Word(word @ ("$signed" | "$unsigned")) => {
                self.symbol("(")?;
                let value = Box::new(self.expression()?);
                self.symbol(")")?;
                Some(Expr::Sign { signed: word == "$signed", value })
            }
            Token::Word(name)
                if !crate::verilog::names::is_keyword(name) && !name.starts_with('$') =>
            {
                self.selection(name.into())
            }
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.symbol(")")?;
                Some(inner)
            }
            Token::Symbol("{") => self.concatenation(),
            _ => None,
        }
    }

    fn selection(&mut self, name: String) -> Option<Expr> {
        if !self.tokens.eat("[") {
            return Some(Expr::Name(name));
        }
        let index = self.expression()?;
        let e = if self.tokens.eat("+:") {
            Expr::Select { name, index: Box::new(index), width: self.integer()? }
        } else if let Expr::Integer(high) = index {
            let low = if self.tokens.eat(":") { self.integer()? } else { high as usize };
            Expr::Part(name, Part { low, width: (high as usize + 1).checked_sub(low)? })
        } else {
            Expr::Select { name, index: Box::new(index), width: 1 }
        };
        self.symbol("]")?;
        Some(e)
    }

    fn concatenation(&mut self) -> Option<Expr> {
        let first = self.expression()?;
        if let Expr::Integer(n) = first {
            self.symbol("{")?;
            let value = self.expression()?;
            self.symbol("}")?;
            self.symbol("}")?;
            return Some(Expr::Repeat(n as usize, Box::new(value)));
        }
        let mut parts = vec![first];
        while self.tokens.eat(",") {
            parts.push(self.expression()?);
        }
        self.symbol("}")?;
        Some(Expr::Concat(parts))
    }
}

/// `5`, `8'd5`, `8'sd5`, `16'hbeef` or `4'b0101`.
fn number(text: &str) -> Option<Expr> {
    let Some((width, rest)) = text.split_once('\'') else {
        return text.parse().ok().map(Expr::Integer);
    };
    let (signed, rest) = rest.strip_prefix('s').map_or((false, rest), |rest| (true, rest));
    let (radix, digits) = rest.split_at_checked(1)?;
    let radix = match radix {
        "d" => 10,
        "h" => 16,
        "b" => 2,
        _ => return None,
    };
    let value = u128::from_str_radix(digits, radix).ok()?;
    Some(Literal { value, width: width.parse().ok()?, signed }.into())
}
