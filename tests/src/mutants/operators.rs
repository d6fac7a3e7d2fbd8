//! What may be wrong with an expression: the texts that could stand in its place.

use serde::{Deserialize, Serialize};

use super::syntax::{Expr, Module, Node, Role, Site};

/// What kind of mistake a mutant makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// Another operator.
    Operator,
    /// An inversion or reduction that is forgotten.
    Forgotten,
    /// Another constant.
    Constant,
    /// Another bit of a signal.
    Bit,
    /// A conjunct or disjunct that is left out.
    Dropped,
    /// Operands that change places.
    Swapped,
    /// A condition that always or never holds.
    Stuck,
    /// A `case` that looks at something else.
    Selector,
    /// A value that is assigned with its bits inverted.
    Inverted,
    /// An input of an instance that is always 0 or 1, or has its bits inverted.
    Port,
}

/// A text that could stand in the place of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
    pub(super) mistake: Mistake,
}

/// All alternatives of a module's expressions; `modules` says which ports of its instances are inputs.
pub(super) fn alternatives(text: &str, module: &Module, modules: &[Module]) -> Vec<Alternative> {
    let mut out = Alternatives { text, all: Vec::new() };
    for site in &module.sites {
        let Site { expr, role } = site;
        match *role {
            Role::Assignment => {
                out.operands(expr);
                if expr.node != Node::Number {
                    out.inverted(expr, Mistake::Inverted);
                }
            }
            Role::Condition => {
                out.operands(expr);
                out.stuck(expr, Mistake::Stuck);
            }
            Role::Selector => {
                out.operands(expr);
                out.inverted(expr, Mistake::Selector);
            }
            Role::Port { module, port } => {
                let instance = modules.iter().find(|other| other.name == module);
                let input = instance.and_then(|module| module.inputs.get(port));
                match input {
                    Some(_) if port == "clock" => {}
                    Some(true) => {
                        out.operands(expr);
                        out.stuck(expr, Mistake::Port);
                    }
                    Some(false) => {
                        out.operands(expr);
                        out.inverted(expr, Mistake::Port);
                    }
                    None => {}
                }
            }
        }
    }
    out.all
}

struct Alternatives<'text> {
    text: &'text str,
    all: Vec<Alternative>,
}

impl<'text> Alternatives<'text> {
    fn of(&self, expr: &Expr) -> &'text str {
        &self.text[expr.start..expr.end]
    }

    /// As an operand of any operator.
    fn operand(&self, expr: &Expr) -> String {
        match expr.node {
            Node::Binary(_) | Node::Choice => format!("({})", self.of(expr)),
            _ => self.of(expr).to_owned(),
        }
    }

    fn add(&mut self, expr: &Expr, text: String, mistake: Mistake) {
        let Expr { start, end, .. } = *expr;
        let is_known = self
            .all
            .iter()
            .rev()
            .take_while(|other| other.end >= start)
            .any(|other| (other.start, other.end, &other.text) == (start, end, &text));
        if !is_known && text != self.of(expr) {
            self.all.push(Alternative { start, end, text, mistake });
        }
    }

    fn stuck(&mut self, expr: &Expr, mistake: Mistake) {
        if expr.node != Node::Number {
            self.add(expr, "1'b0".to_owned(), mistake);
            self.add(expr, "1'b1".to_owned(), mistake);
        }
    }

    fn inverted(&mut self, expr: &Expr, mistake: Mistake) {
        self.add(expr, format!("~{}", self.operand(expr)), mistake);
    }

    /// Alternatives of an expression and of everything in it.
    fn operands(&mut self, expr: &Expr) {
        match (expr.node, &expr.operands[..]) {
            (Node::Number, _) => {
                if let Some(other) = other_constant(self.of(expr)) {
                    self.add(expr, other, Mistake::Constant);
                }
            }
            (Node::Bit(index), _) if index > 0 => {
                let name = self.of(expr).split('[').next().unwrap_or_default();
                self.add(expr, format!("{name}[{}]", index - 1), Mistake::Bit);
            }
            // Of one bit, both reductions are the bit.
            (Node::Unary("|" | "&"), [Expr { node: Node::Bit(_), .. }]) => {}
            (Node::Unary("~" | "!" | "|" | "&" | "-"), [operand]) => {
                let text = self.of(expr);
                match &text[..1] {
                    "|" => self.add(expr, format!("&{}", &text[1..]), Mistake::Operator),
                    "&" => self.add(expr, format!("|{}", &text[1..]), Mistake::Operator),
                    _ => self.add(expr, self.of(operand).to_owned(), Mistake::Forgotten),
                }
            }
            (Node::Binary(operator), [left, right]) => {
                let (l, r) = (self.operand(left), self.operand(right));
                for other in other_operators(operator) {
                    self.add(expr, format!("{l} {other} {r}"), Mistake::Operator);
                }
                if ["&", "|", "&&", "||"].contains(&operator) {
                    self.add(expr, l.clone(), Mistake::Dropped);
                    self.add(expr, r.clone(), Mistake::Dropped);
                }
                if operator == "-" {
                    self.add(expr, format!("{r} - {l}"), Mistake::Swapped);
                }
            }
            (Node::Choice, [condition, ..]) => self.stuck(condition, Mistake::Stuck),
            (Node::Concatenation, [first, second, ..]) => {
                let rest = &self.text[second.end..expr.end];
                let text = format!("{{{}, {}{rest}", self.of(second), self.of(first));
                self.add(expr, text, Mistake::Swapped);
            }
            _ => {}
        }
        expr.operands.iter().for_each(|operand| self.operands(operand));
    }
}

fn other_operators(operator: &str) -> &'static [&'static str] {
    match operator {
        "+" => &["-"],
        "-" | "*" => &["+"],
        "&" => &["|"],
        "|" => &["&"],
        "^" => &["|"],
        "&&" => &["||"],
        "||" => &["&&"],
        "==" => &["!="],
        "!=" => &["=="],
        "<" => &["<=", ">"],
        "<=" => &["<", ">"],
        ">" => &[">=", "<"],
        ">=" => &[">", "<"],
        "<<" => &[">>"],
        ">>" => &["<<"],
        ">>>" => &[">>"],
        _ => &[],
    }
}

/// The constant after it, of the same width; `None` of unknown bits.
fn other_constant(text: &str) -> Option<String> {
    let Some((width, digits)) = text.split_once('\'') else {
        return Some((text.parse::<u64>().ok()? + 1).to_string());
    };
    let (sign, digits) = match digits.strip_prefix('s') {
        Some(digits) => ("s", digits),
        None => ("", digits),
    };
    let radix = match digits.chars().next()? {
        'b' => 2,
        'o' => 8,
        'd' => 10,
        'h' => 16,
        _ => return None,
    };
    let value = u128::from_str_radix(&digits[1..].replace('_', ""), radix).ok()?;
    let width: u32 = width.parse().ok().filter(|width| (1..128).contains(width))?;
    Some(format!("{width}'{sign}d{}", (value + 1) % (1 << width)))
}

#[cfg(test)]
mod tests {
    use super::super::syntax::modules;
    use super::*;

    fn texts(expr: &str) -> Vec<(String, Mistake)> {
        let text = format!("module m (input wire [3:0] a);\n    assign b = {expr};\nendmodule\n");
        let modules = modules(&text).unwrap();
        let all = alternatives(&text, &modules[0], &modules);
        all.into_iter().map(|alternative| (alternative.text, alternative.mistake)).collect()
    }

    #[test]
    fn mistakes_are_those_of_the_operator() {
        let of = |expr| texts(expr).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(
            of("a & ~b | c"),
            ["(a & ~b) & c", "(a & ~b)", "c", "a | ~b", "a", "~b", "b", "~(a & ~b | c)"]
        );
        assert_eq!(of("x - y"), ["x + y", "y - x", "~(x - y)"]);
        assert_eq!(of("s ? 4'd15 : q[3]"), ["1'b0", "1'b1", "4'd0", "q[2]", "~(s ? 4'd15 : q[3])"]);
        assert_eq!(
            of("$signed(a) < {b, c}"),
            ["$signed(a) <= {b, c}", "$signed(a) > {b, c}", "{c, b}", "~($signed(a) < {b, c})"]
        );
    }

    #[test]
    fn constants_stay_in_their_width() {
        assert_eq!(other_constant("1'b1").as_deref(), Some("1'd0"));
        assert_eq!(other_constant("32'sd0").as_deref(), Some("32'sd1"));
        assert_eq!(other_constant("16'hff80").as_deref(), Some("16'd65409"));
        assert_eq!(other_constant("49'dx"), None);
    }
}
