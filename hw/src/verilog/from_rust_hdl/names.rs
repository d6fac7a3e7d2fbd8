//! Names: from rust-hdl's `a[i]$b` to Verilog's `a_3_b`.

/// The Verilog spelling of a rust-hdl name: `pe$3$a_in` is `pe_3_a_in`.
pub(super) fn clean(raw: &str) -> String {
    raw.replace("::", "_").replace('$', "_")
}

/// A field name without the index of a `Vec` element: `pe$3$1` is `pe`.
pub(super) fn stem(instance: &str) -> &str {
    instance.split('$').next().unwrap_or(instance)
}

/// Replaces every `[expression]` by `$value`. `lookup` gives the loop variables.
pub(super) fn resolve_indices(
    raw: &str,
    lookup: &dyn Fn(&str) -> Option<i64>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = raw;
    while let Some(open) = rest.find('[') {
        out.push_str(&rest[..open]);
        let close = matching_bracket(&rest[open..]).ok_or("unbalanced `[`")? + open;
        let value = evaluate(&rest[open + 1..close], lookup)?;
        if value < 0 {
            return Err(format!("{value} is negative"));
        }
        out.push_str(&format!("${value}"));
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn matching_bracket(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Integer arithmetic over loop variables.
fn evaluate(text: &str, lookup: &dyn Fn(&str) -> Option<i64>) -> Result<i64, String> {
    let mut parser = Parser { rest: text, lookup };
    let value = parser.sum()?;
    match parser.rest {
        "" => Ok(value),
        rest => Err(format!("`{rest}` is left over")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    lookup: &'a dyn Fn(&str) -> Option<i64>,
}

impl Parser<'_> {
    fn eat(&mut self, symbol: char) -> bool {
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Result<i64, String> {
        let mut value = self.product()?;
        loop {
            if self.eat('+') {
                value = value.checked_add(self.product()?).ok_or("overflow")?;
            } else if self.eat('-') {
                value = value.checked_sub(self.product()?).ok_or("overflow")?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut value = self.atom()?;
        loop {
            if self.eat('*') {
                value = value.checked_mul(self.atom()?).ok_or("overflow")?;
            } else if self.eat('/') {
                value = value.checked_div(self.atom()?).ok_or("division by zero")?;
            } else if self.eat('%') {
                value = value.checked_rem(self.atom()?).ok_or("division by zero")?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Result<i64, String> {
        if self.eat('(') {
            let value = self.sum()?;
            return if self.eat(')') { Ok(value) } else { Err("unbalanced `(`".into()) };
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = word.trim_end_matches("usize").replace('_', "");
            return digits.parse().map_err(|_| format!("`{word}` is no number"));
        }
        (self.lookup)(word).ok_or_else(|| format!("`{word}` is not a loop variable"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(raw: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "r" => Some(2),
            "n" => Some(16),
            _ => None,
        };
        resolve_indices(raw, &lookup)
    }

    #[test]
    fn indices_become_numbers() {
        assert_eq!(resolve("pe[(r*n+3)-1]$x[r%2]$y").unwrap(), "pe$34$x$0$y");
        assert_eq!(resolve("plain").unwrap(), "plain");
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        assert!(resolve("a[_n]").unwrap_err().contains("_n"));
        assert!(resolve("a[r-3]").unwrap_err().contains("negative"));
        assert!(resolve("a[r/0]").unwrap_err().contains("zero"));
        assert!(resolve("a[sel$val().index()]").is_err());
    }
}
