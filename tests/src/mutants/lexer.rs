//! Tokens of Verilog text, without comments, attributes and directives.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Text,
    Symbol,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'text> {
    pub(super) kind: Kind,
    pub(super) text: &'text str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Symbols of more than one character, the longest first.
const SYMBOLS: [&str; 20] = [
    "<<<", ">>>", "===", "!==", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "~&", "~|", "~^",
    "^~", "+:", "-:", "**", "->",
];

/// All tokens of `text`, in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let until = |end: &str| rest.find(end).map_or(rest.len(), |found| found + end.len());
        let run = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
        let (kind, length) = if first.is_whitespace() {
            (None, run(char::is_whitespace))
        } else if rest.starts_with("//") || first == '`' {
            (None, until("\n"))
        } else if rest.starts_with("/*") {
            (None, until("*/"))
        } else if rest.starts_with("(*") && !rest.starts_with("(*)") {
            (None, until("*)"))
        } else if first == '"' {
            (Some(Kind::Text), rest[1..].find('"').map_or(rest.len(), |found| found + 2))
        } else if first.is_ascii_digit() || first == '\'' {
            (Some(Kind::Number), run(|c| c.is_ascii_alphanumeric() || "'_?".contains(c)))
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            (Some(Kind::Name), run(|c| c.is_alphanumeric() || "_$".contains(c)))
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            (Some(Kind::Symbol), symbol.map_or(first.len_utf8(), |symbol| symbol.len()))
        };
        if let Some(kind) = kind {
            tokens.push(Token { kind, text: &rest[..length], start: at });
        }
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_attributes_and_directives_are_no_tokens() {
        let text = "`default_nettype none\n(* keep *) reg [7:0] a; // b\nalways @(*) a = /* c */ 8'hff << ~x;";
        let words: Vec<&str> = tokens(text).iter().map(|token| token.text).collect();
        let expected =
            "reg [ 7 : 0 ] a ; always @ ( * ) a = 8'hff << ~ x ;".split(' ').collect::<Vec<_>>();
        assert_eq!(words, expected);
    }
}
