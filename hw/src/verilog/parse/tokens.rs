//! Words, numbers, symbols and comments.

/// The smallest part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, a keyword, or a system function with its `$`.
    Word(&'a str),
    /// `8'd5`, or plain digits.
    Number(&'a str),
    Symbol(&'a str),
    /// Without `//`.
    Comment(&'a str),
}

/// Longer ones first.
const SYMBOLS: [&str; 33] = [
    "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+:", "(", ")", "[", "]", "{", "}", ";", ":",
    ",", "?", "=", "<", ">", "+", "-", "*", "&", "|", "^", "~", "@", "#", ".", "!",
];
/// These have another meaning as one symbol than as two, and are not known here.
const OTHERS: [&str; 10] = ["<<<", ">>>", "===", "!==", "~&", "~|", "~^", "^~", "(*", "*)"];

/// The tokens of a text, to be taken one after the other.
pub(super) struct Tokens<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Tokens<'a> {
    /// `None` at a character that begins no token.
    pub(super) fn new(text: &'a str) -> Option<Self> {
        let mut tokens = vec![];
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
            let length_of = |f: &dyn Fn(char) -> bool| rest.find(|c| !f(c)).unwrap_or(rest.len());
            let first = rest.chars().next()?;
            let length = if let Some(comment) = rest.strip_prefix("//") {
                let text = comment.lines().next().unwrap_or_default();
                tokens.push(Token::Comment(text.trim()));
                text.len() + 2
            } else if first.is_ascii_digit() {
                let length = length_of(&|c| is_name(c) || c == '\'');
                tokens.push(Token::Number(&rest[..length]));
                length
            } else if is_name(first) {
                let length = length_of(&is_name);
                tokens.push(Token::Word(&rest[..length]));
                length
            } else if OTHERS.iter().any(|other| rest.starts_with(other) && !rest.starts_with("(*)"))
            {
                return None;
            } else {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol))?;
                tokens.push(Token::Symbol(symbol));
                symbol.len()
            };
            rest = rest[length..].trim_start();
        }
        Some(Self { tokens, next: 0 })
    }

    pub(super) fn at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.next += 1;
        Some(token)
    }

    /// Takes the token if it is this symbol.
    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if found == symbol);
        self.next += usize::from(found);
        found
    }

    /// Takes the token if it is this word.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.next += usize::from(found);
        found
    }

    /// Takes the token if it is a comment.
    pub(super) fn eat_comment(&mut self) -> Option<&'a str> {
        let Some(Token::Comment(text)) = self.peek() else { return None };
        self.next += 1;
        Some(text)
    }
}
