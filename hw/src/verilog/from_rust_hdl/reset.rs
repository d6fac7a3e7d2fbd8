//! The rule that a register starts at the value that reset gives it: a device that powers up with initial values then
//! needs no reset.

use super::frame::Frame;
use super::names::clean;
use super::scope::Kind;
use crate::verilog::error::Error;
use crate::verilog::ir::{Expr, Part, Statement, Target};
use std::collections::BTreeMap;

/// Name of the reset input of every block that has one.
const RESET: &str = "reset";

/// The value of `8'd5` or `16'hbeef`, if it is one of at most 128 bits.
fn literal_value(text: &str) -> Option<u128> {
    let (_, digits) = text.trim().split_once('\'')?;
    let digits = digits.trim_start_matches('s');
    match digits.split_at_checked(1)? {
        ("d", digits) => digits.parse().ok(),
        ("h", digits) => u128::from_str_radix(digits, 16).ok(),
        ("b", digits) => u128::from_str_radix(digits, 2).ok(),
        _ => None,
    }
}

/// Registers of a leaf's text and what its `initial` statements give them.
pub(super) fn initial_values(text: &str) -> BTreeMap<&str, &str> {
    let mut values = BTreeMap::new();
    let mut in_block = false;
    for line in text.lines().map(str::trim) {
        let statement = match line.strip_prefix("initial ") {
            Some("begin") => {
                in_block = true;
                continue;
            }
            Some(statement) => statement,
            None if in_block => line,
            None => continue,
        };
        in_block &= line != "end";
        if let Some((name, value)) = statement.strip_suffix(';').and_then(|s| s.split_once(" = ")) {
            values.insert(name, value);
        }
    }
    values
}

/// Checks the text of a leaf that resets registers of its own.
pub(super) fn check_leaf(path: &str, text: &str) -> Result<(), Error> {
    let initial = initial_values(text);
    let lines = text.lines().map(str::trim);
    let reset = lines.skip_while(|line| !line.starts_with("if (reset)")).skip(1);
    for line in reset.take_while(|line| !line.starts_with("end")) {
        let Some((name, value)) = line.strip_suffix(';').and_then(|s| s.split_once(" <= ")) else {
            continue;
        };
        let start = initial.get(name).copied();
        if start.and_then(literal_value).is_none_or(|start| Some(start) != literal_value(value)) {
            return Err(error(path, name, start, value));
        }
    }
    Ok(())
}

/// Checks the statements of a block that run while `reset` is up.
pub(super) fn check(path: &str, frame: &Frame, statements: &[Statement]) -> Result<(), Error> {
    if frame.names.get(RESET).is_none_or(|named| named.kind != Kind::Input) {
        return Ok(());
    }
    let mut result = Ok(());
    for statement in statements {
        visit(statement, false, &mut |target, value| {
            if result.is_ok() {
                result = check_assignment(path, frame, target, value);
            }
        });
    }
    result
}

/// Calls `f` on every assignment that is made because `reset` is up.
fn visit<'a>(statement: &'a Statement, reset: bool, f: &mut dyn FnMut(&'a Target, &'a Expr)) {
    match statement {
        Statement::Assign { target, value, .. } if reset => f(target, value),
        Statement::Assign { .. } | Statement::Comment(_) => {}
        Statement::If { test, then, otherwise } => {
            let mut reset_then = reset;
            test.reads(&mut |name, _| reset_then |= name == RESET);
            then.iter().for_each(|statement| visit(statement, reset_then, f));
            otherwise.iter().for_each(|statement| visit(statement, reset, f));
        }
        Statement::Case { arms, .. } => {
            arms.iter().flat_map(|arm| &arm.body).for_each(|body| visit(body, reset, f));
        }
    }
}

fn check_assignment(path: &str, frame: &Frame, target: &Target, value: &Expr) -> Result<(), Error> {
    let is_register = |raw: &str| target.name == format!("{}_d", clean(raw));
    let Some(register) = frame.children.iter().find(|child| is_register(&child.raw)) else {
        return Ok(());
    };
    let name = clean(&register.raw);
    let reset = match value {
        Expr::Literal(literal) => Some(literal.value),
        Expr::Name(name) => match frame.names.get(name).and_then(|named| named.value.as_ref()) {
            Some(Expr::Literal(literal)) => Some(literal.value),
            _ => None,
        },
        _ => None,
    };
    let part = target.part.unwrap_or(Part { low: 0, width: frame.names[&target.name].width });
    let mask = 1u128.checked_shl(part.width as u32).map_or(u128::MAX, |end| end - 1);
    let start = register.initial.as_deref();
    let bits = start.and_then(literal_value).map(|start| start >> part.low & mask);
    if bits.is_none() || bits != reset {
        return Err(error(path, &name, start, &value.to_string()));
    }
    Ok(())
}

fn error(path: &str, register: &str, initial: Option<&str>, reset: &str) -> Error {
    Error::ResetValue {
        path: path.into(),
        register: register.into(),
        initial: initial.unwrap_or("nothing").into(),
        reset: reset.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_every_base_have_a_value() {
        let values = ["8'd5", "16'hbeef", "1'b1", "32'sd0", "5", "8'dx"].map(literal_value);
        assert_eq!(values, [Some(5), Some(0xbeef), Some(1), Some(0), None, None]);
    }

    #[test]
    fn a_leaf_starts_where_its_reset_leads() {
        let leaf = |start: &str| {
            format!(
                "reg a;\ninitial begin\n    a = {start};\nend\nalways @(posedge clock) begin\n    if (reset) begin\n        \
                 a <= 1'd0;\n    end else begin\n        a <= d;\n    end\nend\n"
            )
        };
        assert_eq!(check_leaf("top", &leaf("1'd0")), Ok(()));
        let error = check_leaf("top", &leaf("1'd1")).unwrap_err().to_string();
        assert!(error.starts_with("top: `a` starts at 1'd1, but reset makes it 1'd0;"), "{error}");
        let error = check_leaf("top", &leaf("1'd0").replace("    a = 1'd0;\n", "")).unwrap_err();
        assert!(error.to_string().starts_with("top: `a` starts at nothing,"), "{error}");
    }
}
