//! From the tree to text: parentheses where they are needed, one blank line between groups.

use super::ir::{
    Always, Arm, Assignment, Binary, Body, Direction, Expr, Instance, Item, Module, Part, Port,
    Signal, Statement, Storage, Target, Trigger, Unary,
};
use std::fmt::{self, Display, Formatter, Write};

/// A line that would be longer is broken where that is easy.
const MOST_COLUMNS: usize = 120;

/// From the comment above `module` to `endmodule`, with a final newline.
pub fn module(module: &Module) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for line in &module.comments {
        let _ = writeln!(out, "// {line}");
    }
    let _ = writeln!(out, "module {} (", module.name);
    for (i, port) in module.ports.iter().enumerate() {
        let comma = if i + 1 < module.ports.len() { "," } else { "" };
        let line = format!("{port}{comma}");
        match port.doc.as_str() {
            "" => write_line(&mut out, 1, &line),
            doc if 4 + line.len() + " // ".len() + doc.len() <= MOST_COLUMNS => {
                write_line(&mut out, 1, &format!("{line} // {doc}"));
            }
            doc => {
                wrapped(doc, MOST_COLUMNS - 7)
                    .iter()
                    .for_each(|text| write_line(&mut out, 1, &format!("// {text}")));
                write_line(&mut out, 1, &line);
            }
        }
    }
    out.push_str(");\n");
    match &module.body {
        Body::Items(items) => write_items(&mut out, items),
        Body::Text(text) => text.lines().for_each(|line| write_line(&mut out, 1, line)),
    }
    out.push_str("endmodule\n");
    out
}

/// An expression as it stands alone.
pub fn expression(e: &Expr) -> String {
    e.to_string()
}

/// The range of a declaration with a space after it, or nothing for one bit.
pub fn range(width: usize) -> String {
    if width == 1 { String::new() } else { format!("[{}:0] ", width - 1) }
}

/// The words of a text in lines of at most `most` columns.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= most) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.into()),
        }
    }
    lines
}

fn write_line(out: &mut String, indent: usize, line: &str) {
    if !line.is_empty() {
        out.push_str(&"    ".repeat(indent));
        out.push_str(line);
    }
    out.push('\n');
}

fn write_items(out: &mut String, items: &[Item]) {
    let mut before: Option<&Item> = None;
    let mut comments = vec![];
    for item in items {
        if let Item::Comment(text) = item {
            comments.push(text);
            continue;
        }
        if before.is_some_and(|before| !is_group(before, item)) {
            out.push('\n');
        }
        for text in comments.drain(..) {
            write_line(out, 1, &format!("// {text}"));
        }
        write_item(out, item);
        before = Some(item);
    }
}

/// Whether two items stand next to each other without a blank line.
fn is_group(a: &Item, b: &Item) -> bool {
    match (a, b) {
        (Item::Instance(_) | Item::Always(_) | Item::Initial(_), _) => false,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

fn write_item(out: &mut String, item: &Item) {
    match item {
        Item::Comment(text) => write_line(out, 1, &format!("// {text}")),
        Item::Parameter(signal, value) => {
            write_line(out, 1, &format!("localparam {signal} = {value};"))
        }
        Item::Net(net) => {
            let value = net.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
            write_line(out, 1, &format!("{} {}{value};", net.storage, net.signal));
        }
        Item::Assign(target, value) => write_line(out, 1, &format!("assign {target} = {value};")),
        Item::Instance(instance) => write_instance(out, instance),
        Item::Initial(body) => write_procedure(out, "initial", body),
        Item::Always(Always { trigger, body }) => {
            let head = match trigger {
                Trigger::Combinational => "always @(*)".to_string(),
                Trigger::PosEdge(clock) => format!("always @(posedge {clock})"),
            };
            write_procedure(out, &head, body);
        }
    }
}

fn write_instance(out: &mut String, instance: &Instance) {
    write_line(out, 1, &format!("{} {} (", instance.module, instance.name));
    for (i, connection) in instance.connections.iter().enumerate() {
        let comma = if i + 1 < instance.connections.len() { "," } else { "" };
        let value = connection.value.as_ref().map(expression).unwrap_or_default();
        write_line(out, 2, &format!(".{}({value}){comma}", connection.port));
    }
    write_line(out, 1, ");");
}

fn write_procedure(out: &mut String, head: &str, body: &[Statement]) {
    match body {
        // Initial values stand one a line, so that each is found by its name at the start of a line.
        _ if head == "initial" => write_block(out, 1, head, body),
        [one @ Statement::Assign { .. }] => {
            write_line(out, 1, &format!("{head} {}", assignment(one)));
        }
        [Statement::If { test, then, otherwise }] if otherwise.is_empty() => {
            write_if(out, 1, &format!("{head} if ({test})"), then, otherwise);
        }
        _ => write_block(out, 1, head, body),
    }
}

fn write_block(out: &mut String, indent: usize, head: &str, body: &[Statement]) {
    write_line(out, indent, &format!("{head} begin"));
    body.iter().for_each(|s| write_statement(out, indent + 1, s));
    write_line(out, indent, "end");
}

/// The one assignment of a body, if it fits behind `head`.
fn short(indent: usize, head: &str, body: &[Statement]) -> Option<String> {
    let [one @ Statement::Assign { .. }] = body else { return None };
    let line = format!("{head} {}", assignment(one));
    (4 * indent + line.len() <= MOST_COLUMNS).then_some(line)
}

fn assignment(statement: &Statement) -> String {
    match statement {
        Statement::Assign { target, value, kind } => {
            let symbol = match kind {
                Assignment::Blocking => "=",
                Assignment::Nonblocking => "<=",
            };
            format!("{target} {symbol} {value};")
        }
        _ => String::new(),
    }
}

fn write_statement(out: &mut String, indent: usize, statement: &Statement) {
    match statement {
        Statement::Comment(text) => write_line(out, indent, &format!("// {text}")),
        Statement::Assign { .. } => write_line(out, indent, &assignment(statement)),
        Statement::If { test, then, otherwise } => {
            write_if(out, indent, &format!("if ({test})"), then, otherwise);
        }
        Statement::Case { test, arms } => {
            write_line(out, indent, &format!("case ({test})"));
            for Arm { labels, default, body } in arms {
                let labels = labels.iter().map(expression).collect::<Vec<_>>().join(", ");
                let label = match (default, labels.is_empty()) {
                    (true, true) => "default".to_string(),
                    (true, false) => format!("/* {labels} */ default"),
                    (false, _) => labels,
                };
                let label = format!("{label}:");
                match short(indent + 1, &label, body) {
                    _ if body.is_empty() => write_line(out, indent + 1, &format!("{label} ;")),
                    Some(line) => write_line(out, indent + 1, &line),
                    None => write_block(out, indent + 1, &label, body),
                }
            }
            write_line(out, indent, "endcase");
        }
    }
}

/// `head` is `if (..)` with what stands before it on the line.
fn write_if(
    out: &mut String,
    indent: usize,
    head: &str,
    then: &[Statement],
    otherwise: &[Statement],
) {
    match short_chain(indent, head, then, otherwise) {
        Some(lines) => lines.iter().for_each(|line| write_line(out, indent, line)),
        None => write_branches(out, indent, head, then, otherwise),
    }
}

/// An `if` in which every branch is one assignment that fits behind its test.
fn short_chain(
    indent: usize,
    head: &str,
    then: &[Statement],
    otherwise: &[Statement],
) -> Option<Vec<String>> {
    let mut lines = vec![short(indent, head, then)?];
    match otherwise {
        [] => {}
        [Statement::If { test, then, otherwise }] => {
            lines.extend(short_chain(indent, &format!("else if ({test})"), then, otherwise)?);
        }
        _ => lines.push(short(indent, "else", otherwise)?),
    }
    Some(lines)
}

fn write_branches(
    out: &mut String,
    indent: usize,
    head: &str,
    then: &[Statement],
    otherwise: &[Statement],
) {
    write_line(out, indent, &format!("{head} begin"));
    then.iter().for_each(|s| write_statement(out, indent + 1, s));
    match otherwise {
        [] => write_line(out, indent, "end"),
        [Statement::If { test, then, otherwise }] => {
            write_branches(out, indent, &format!("end else if ({test})"), then, otherwise);
        }
        _ => write_block(out, indent, "end else", otherwise),
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let direction = match self.direction {
            Direction::Input => "input",
            Direction::Output => "output",
        };
        write!(f, "{direction} {} {}", self.storage, self.signal)
    }
}

impl Display for Storage {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            Storage::Wire => "wire",
            Storage::Reg => "reg",
        })
    }
}

/// As in a declaration: `signed [7:0] name`.
impl Display for Signal {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let signed = if self.signed { "signed " } else { "" };
        write!(f, "{signed}{}{}", range(self.width), self.name)
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self.width {
            1 => write!(f, "[{}]", self.low),
            width => write!(f, "[{}:{}]", self.low + width - 1, self.low),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.name)?;
        self.part.iter().try_for_each(|part| part.fmt(f))
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Expr::Literal(literal) => literal.fmt(f),
            Expr::Integer(value) => value.fmt(f),
            Expr::Name(name) => f.write_str(name),
            Expr::Part(name, part) => write!(f, "{name}{part}"),
            Expr::Select { name, index, width: 1 } => write!(f, "{name}[{index}]"),
            Expr::Select { name, index, width } => {
                write!(f, "{name}[{} +: {width}]", Operand { e: index, needs: is_operator(index) })
            }
            Expr::Unary(op, inner) => {
                // `~&a` and `--a` would be other operators.
                let needs = is_operator(inner) || matches!(**inner, Expr::Unary(..));
                write!(f, "{}{}", op.symbol(), Operand { e: inner, needs })
            }
            Expr::Binary(op, left, right) => {
                let (left, right) = (operand(*op, left, false), operand(*op, right, true));
                write!(f, "{left} {} {right}", op.symbol())
            }
            Expr::Conditional(test, then, otherwise) => {
                let nested = |e: &Expr| matches!(e, Expr::Conditional(..));
                let combined = |e: &Expr| matches!(e, Expr::Binary(op, ..) if !op.compares());
                let test = Operand { e: test, needs: nested(test) || combined(test) };
                let then = Operand { e: then, needs: nested(then) };
                write!(f, "{test} ? {then} : {otherwise}")
            }
            Expr::Concat(parts) => {
                f.write_char('{')?;
                for (i, part) in parts.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    part.fmt(f)?;
                }
                f.write_char('}')
            }
            Expr::Repeat(n, value) => write!(f, "{{{n}{{{value}}}}}"),
            Expr::Sign { signed: true, value } => write!(f, "$signed({value})"),
            Expr::Sign { signed: false, value } => write!(f, "$unsigned({value})"),
        }
    }
}

/// An expression inside an operator.
struct Operand<'a> {
    e: &'a Expr,
    needs: bool,
}

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        if self.needs { write!(f, "({})", self.e) } else { self.e.fmt(f) }
    }
}

fn is_operator(e: &Expr) -> bool {
    matches!(e, Expr::Binary(..) | Expr::Conditional(..))
}

/// An operand of `op`. Beyond what the grammar needs, shifts, reductions, and comparisons and `^` among bitwise operators
/// are set apart: languages differ in how tightly these bind.
fn operand(op: Binary, e: &Expr, right: bool) -> Operand<'_> {
    let needs = match e {
        Expr::Binary(inner, ..) => {
            let (outer, level) = (op.precedence(), inner.precedence());
            let shift = |op| matches!(op, Binary::ShiftLeft | Binary::ShiftRight);
            let bitwise = |op| matches!(op, Binary::And | Binary::Xor | Binary::Or);
            let unusual = shift(op)
                || shift(*inner)
                || bitwise(op) && (inner.compares() || !bitwise(*inner))
                || bitwise(op) && op != *inner && (op == Binary::Xor || *inner == Binary::Xor);
            level < outer || right && level == outer || unusual
        }
        Expr::Conditional(..) => true,
        Expr::Unary(Unary::Not, _) => false,
        Expr::Unary(..) => true,
        _ => false,
    };
    Operand { e, needs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(op: Binary, left: Expr, right: Expr) -> Expr {
        Expr::Binary(op, Box::new(left), Box::new(right))
    }

    #[test]
    fn parentheses_stand_where_they_are_needed() {
        let [a, b, c] = ["a", "b", "c"].map(Expr::name);
        let not = |e| Expr::Unary(Unary::Not, Box::new(e));
        let any = |e| Expr::Unary(Unary::Any, Box::new(e));
        let cases = [
            (
                binary(Binary::And, binary(Binary::Or, a.clone(), b.clone()), c.clone()),
                "(a | b) & c",
            ),
            (binary(Binary::Or, binary(Binary::And, a.clone(), b.clone()), c.clone()), "a & b | c"),
            (
                binary(Binary::Add, binary(Binary::Add, a.clone(), b.clone()), c.clone()),
                "a + b + c",
            ),
            (
                binary(Binary::Subtract, a.clone(), binary(Binary::Subtract, b.clone(), c.clone())),
                "a - (b - c)",
            ),
            (
                binary(Binary::Add, a.clone(), binary(Binary::ShiftLeft, b.clone(), c.clone())),
                "a + (b << c)",
            ),
            (
                binary(Binary::Or, a.clone(), binary(Binary::Equal, b.clone(), c.clone())),
                "a | (b == c)",
            ),
            (
                binary(Binary::Xor, a.clone(), binary(Binary::And, b.clone(), c.clone())),
                "a ^ (b & c)",
            ),
            (
                binary(Binary::LogicalAnd, a.clone(), binary(Binary::Less, b.clone(), c.clone())),
                "a && b < c",
            ),
            (binary(Binary::And, not(a.clone()), b.clone()), "~a & b"),
            (not(binary(Binary::And, a.clone(), b.clone())), "~(a & b)"),
            (not(any(a.clone())), "~(|a)"),
            (binary(Binary::Or, a.clone(), any(b.clone())), "a | (|b)"),
            (
                binary(Binary::Equal, binary(Binary::And, a.clone(), b.clone()), c.clone()),
                "(a & b) == c",
            ),
        ];
        for (e, text) in cases {
            assert_eq!(expression(&e), text);
        }
    }
}
