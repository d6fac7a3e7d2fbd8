//! Expressions: operators by precedence, down to names, literals and groups.

use super::{Expr, Kind, Node, Parsed, Parser};

impl<'text> Parser<'text> {
    pub(super) fn expr(&mut self) -> Parsed<Expr<'text>> {
        let condition = self.binary(0)?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let yes = self.expr()?;
        self.expect(":")?;
        let no = self.expr()?;
        Ok(of(condition.start, no.end, Node::Choice, vec![condition, yes, no]))
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr<'text>> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while operators.contains(&self.look(0)) {
            let operator = self.look(0);
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = of(left.start, right.end, Node::Binary(operator), vec![left, right]);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr<'text>> {
        let (start, operator) = (self.start(), self.look(0));
        if !UNARY.contains(&operator) {
            return self.primary();
        }
        self.at += 1;
        let operand = self.unary()?;
        Ok(of(start, operand.end, Node::Unary(operator), vec![operand]))
    }

    fn primary(&mut self) -> Parsed<Expr<'text>> {
        let start = self.start();
        let Some(token) = self.tokens.get(self.at).copied() else { return self.fail("a value") };
        match (token.kind, token.text) {
            (Kind::Number, _) => {
                self.at += 1;
                Ok(of(start, self.end(), Node::Number, Vec::new()))
            }
            (Kind::Name, name) if name.starts_with('$') => {
                self.at += 1;
                self.expect("(")?;
                let operands = self.list(")")?;
                Ok(of(start, self.end(), Node::Call, operands))
            }
            (Kind::Name, _) => self.named(),
            (_, "(") => {
                self.at += 1;
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(of(start, self.end(), Node::Parentheses, vec![inner]))
            }
            (_, "{") => {
                self.at += 1;
                let mut operands = vec![self.expr()?];
                if self.takes("{") {
                    operands = self.list("}")?;
                    self.expect("}")?;
                    return Ok(of(start, self.end(), Node::Repetition, operands));
                }
                if self.takes(",") {
                    operands.extend(self.list("}")?);
                } else {
                    self.expect("}")?;
                }
                Ok(of(start, self.end(), Node::Concatenation, operands))
            }
            _ => self.fail("a value"),
        }
    }

    pub(super) fn list(&mut self, end: &'static str) -> Parsed<Vec<Expr<'text>>> {
        let mut operands = vec![self.expr()?];
        while self.takes(",") {
            operands.push(self.expr()?);
        }
        self.expect(end)?;
        Ok(operands)
    }

    /// A name with its selections.
    pub(super) fn named(&mut self) -> Parsed<Expr<'text>> {
        let start = self.start();
        self.name()?;
        let (mut operands, mut bit, mut n_selections) = (Vec::new(), None, 0);
        loop {
            if self.takes(".") {
                self.name()?;
            } else if self.takes("[") {
                let index = self.expr()?;
                n_selections += 1;
                if self.takes("]") {
                    if self.is_constant(&index) {
                        bit = self.text[index.start..index.end].parse().ok();
                    } else {
                        operands.push(index);
                    }
                } else {
                    self.skip_past("]")?;
                    n_selections += 1;
                }
            } else {
                break;
            }
        }
        let node = match bit {
            Some(index) if n_selections == 1 => Node::Bit(index),
            _ => Node::Name,
        };
        Ok(of(start, self.end(), node, operands))
    }

    /// Whether an index holds no signal.
    fn is_constant(&self, index: &Expr<'text>) -> bool {
        let inside =
            self.tokens.iter().filter(|token| (index.start..index.end).contains(&token.start));
        inside
            .filter(|token| token.kind == Kind::Name)
            .all(|token| self.genvars.contains(token.text))
    }
}

/// Binary operators by precedence, the loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^", "~^", "^~"],
    &["&"],
    &["==", "!=", "===", "!=="],
    &["<", "<=", ">", ">="],
    &["<<", ">>", "<<<", ">>>"],
    &["+", "-"],
    &["*", "/", "%"],
];
const UNARY: [&str; 9] = ["!", "~", "&", "|", "^", "~&", "~|", "-", "+"];

fn of<'text>(
    start: usize,
    end: usize,
    node: Node<'text>,
    operands: Vec<Expr<'text>>,
) -> Expr<'text> {
    Expr { start, end, node, operands }
}
