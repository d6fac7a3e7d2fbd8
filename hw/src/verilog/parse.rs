//! From the text of a leaf to the tree: declarations, `assign`, `initial`, `always` and what stands in them.
//!
//! What it does not know, such as a memory, an attribute or an unknown digit, makes it give up: the leaf stays text.

mod expression;
mod tokens;

use super::ir::{
    Always, Arm, Assignment, Item, Net, Part, Signal, Statement, Storage, Target, Trigger,
};
use tokens::{Token, Tokens};

/// The items of a module's body; `None` where the text holds something that is not known here.
pub(super) fn body(text: &str) -> Option<Vec<Item>> {
    let mut parser = Parser { tokens: Tokens::new(text)? };
    let mut items = vec![];
    while !parser.tokens.at_end() {
        parser.item(&mut items)?;
    }
    Some(items)
}

struct Parser<'a> {
    tokens: Tokens<'a>,
}

impl Parser<'_> {
    fn item(&mut self, items: &mut Vec<Item>) -> Option<()> {
        match self.tokens.next()? {
            Token::Comment(text) => items.push(Item::Comment(text.into())),
            Token::Word("wire") => self.net(Storage::Wire, items)?,
            Token::Word("reg") => self.net(Storage::Reg, items)?,
            Token::Word("assign") => {
                let target = self.target()?;
                self.symbol("=")?;
                items.push(Item::Assign(target, self.expression()?));
                self.symbol(";")?;
            }
            Token::Word("initial") => items.push(Item::Initial(self.block()?)),
            Token::Word("always") => {
                self.symbol("@")?;
                self.symbol("(")?;
                let trigger = if self.tokens.eat("*") {
                    Trigger::Combinational
                } else {
                    self.word("posedge")?;
                    Trigger::PosEdge(self.name()?)
                };
                self.symbol(")")?;
                items.push(Item::Always(Always { trigger, body: self.block()? }));
            }
            _ => return None,
        }
        Some(())
    }

    fn net(&mut self, storage: Storage, items: &mut Vec<Item>) -> Option<()> {
        let signed = self.tokens.eat_word("signed");
        let mut width = 1;
        if self.tokens.eat("[") {
            width = self.integer()? + 1;
            self.symbol(":")?;
            (self.integer()? == 0).then_some(())?;
            self.symbol("]")?;
        }
        let name = self.name()?;
        let signal = Signal { name, width, signed, fields: vec![] };
        let value = match self.tokens.eat("=") {
            true => Some(self.expression()?),
            false => None,
        };
        items.push(Item::Net(Net { signal, storage, value, of_instance: false }));
        self.symbol(";")
    }

    /// One statement, or those between `begin` and `end`.
    fn block(&mut self) -> Option<Vec<Statement>> {
        let mut body = vec![];
        if self.tokens.eat_word("begin") {
            while !self.tokens.eat_word("end") {
                body.push(self.statement()?);
            }
        } else {
            body.push(self.statement()?);
        }
        Some(body)
    }

    fn statement(&mut self) -> Option<Statement> {
        if let Some(text) = self.tokens.eat_comment() {
            return Some(Statement::Comment(text.into()));
        }
        if self.tokens.eat_word("if") {
            self.symbol("(")?;
            let test = self.expression()?;
            self.symbol(")")?;
            let then = self.block()?;
            let otherwise = if self.tokens.eat_word("else") { self.block()? } else { vec![] };
            return Some(Statement::If { test, then, otherwise });
        }
        if self.tokens.eat_word("case") {
            return self.case();
        }
        let target = self.target()?;
        let kind = match self.tokens.next()? {
            Token::Symbol("=") => Assignment::Blocking,
            Token::Symbol("<=") => Assignment::Nonblocking,
            _ => return None,
        };
        let value = self.expression()?;
        self.symbol(";")?;
        Some(Statement::Assign { target, value, kind })
    }

    fn case(&mut self) -> Option<Statement> {
        self.symbol("(")?;
        let test = self.expression()?;
        self.symbol(")")?;
        let mut arms = vec![];
        while !self.tokens.eat_word("endcase") {
            let default = self.tokens.eat_word("default");
            let mut labels = vec![];
            if !default {
                labels.push(self.expression()?);
                while self.tokens.eat(",") {
                    labels.push(self.expression()?);
                }
            }
            self.symbol(":")?;
            arms.push(Arm { labels, default, body: self.block()? });
        }
        Some(Statement::Case { test, arms })
    }

    fn target(&mut self) -> Option<Target> {
        let name = self.name()?;
        if !self.tokens.eat("[") {
            return Some(Target::whole(name));
        }
        let high = self.integer()?;
        let low = if self.tokens.eat(":") { self.integer()? } else { high };
        self.symbol("]")?;
        Some(Target { name, part: Some(Part { low, width: (high + 1).checked_sub(low)? }) })
    }

    fn name(&mut self) -> Option<String> {
        match self.tokens.next()? {
            Token::Word(name) if !super::names::is_keyword(name) => Some(name.into()),
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<usize> {
        match self.tokens.next()? {
            Token::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    fn symbol(&mut self, symbol: &str) -> Option<()> {
        self.tokens.eat(symbol).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.tokens.eat_word(word).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verilog::ir::{Body, Module};
    use crate::verilog::print;

    fn printed(text: &str) -> Option<String> {
        let body = Body::Items(body(text)?);
        let module =
            Module { name: "m".into(), comments: vec![], ports: vec![], handwritten: true, body };
        let text = print::module(&module);
        let inside = text.strip_prefix("module m (\n);\n")?.strip_suffix("endmodule\n")?;
        Some(
            inside
                .lines()
                .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
                .collect(),
        )
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let text = "\
reg signed [7:0] a;
wire b = (~c & (d | (&e))) ? {2'd1, f[3:0]} : {3{g[h +: 2]}};

initial begin
    a = 8'sd0;
end

always @(posedge clock) begin
    // A comment.
    if (b) begin
        a[3:0] <= $signed(a[7:4]) + 4'hf00;
        a[4] <= 1'd0;
    end else if (c != 2'd1) begin
        a[4] <= 1'd0;
    end else begin
        a <= (-a) - (c - d);
    end
    if (b) a <= c;
    else a <= d;
    case (c)
        2'd1, 2'd2: a <= c << 2;
        default: begin
            a <= c;
            b <= d;
        end
    endcase
end
";
        let once = printed(text).unwrap();
        assert_eq!(once, text);
    }

    #[test]
    fn what_it_does_not_know_stays_text() {
        for text in [
            "reg [7:0] memory [0:3];",
            "assign a = 8'dx;",
            "initial $readmemh(\"a\", b);",
            "(* keep *) wire a;",
        ] {
            assert_eq!(body(text), None, "{text}");
        }
    }
}
