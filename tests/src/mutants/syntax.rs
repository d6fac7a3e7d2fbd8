//! Reads the Verilog that Twofold writes far enough to know its modules and every expression that computes something.
//!
//! Declarations of sizes, constants, initial values, case labels and loop bounds are passed over: they describe, they do
//! not compute.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{Kind, Token, tokens};

mod expressions;

/// An expression and where it lies in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expr<'text> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) node: Node<'text>,
    /// Operands in the order of the text; those that must be constant are not among them.
    pub(super) operands: Vec<Expr<'text>>,
}

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node<'text> {
    /// A name, perhaps with selections; dynamic indices are its operands.
    Name,
    /// One bit of a name, at a constant index.
    Bit(usize),
    Number,
    Unary(&'text str),
    Binary(&'text str),
    /// Condition, then, else.
    Choice,
    Concatenation,
    Repetition,
    /// A call such as `$signed`.
    Call,
    Parentheses,
}

/// An expression with the place that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site<'text> {
    pub(super) expr: Expr<'text>,
    pub(super) role: Role<'text>,
}

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role<'text> {
    Assignment,
    Condition,
    /// What a `case` looks at.
    Selector,
    /// Of an instance of a module.
    Port {
        module: &'text str,
        port: &'text str,
    },
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Module<'text> {
    pub(super) name: &'text str,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the list of ports ends.
    pub(super) body: usize,
    /// Names of inputs, and whether they are one bit wide.
    pub(super) inputs: BTreeMap<&'text str, bool>,
    /// Names of outputs.
    pub(super) outputs: Vec<&'text str>,
    /// Whether it keeps words in an array.
    pub(super) is_memory: bool,
    /// Modules of its instances.
    pub(super) instances: BTreeSet<&'text str>,
    pub(super) sites: Vec<Site<'text>>,
}

/// Text that this reader does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {found:?} where {expected} should be; help: teach mutants::syntax this construct"
)]
pub struct SyntaxError {
    /// Line of the text, from 1.
    pub line: usize,
    /// What is there.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

/// All modules of `text`.
///
/// # Errors
/// The first construct that is unknown.
pub(super) fn modules(text: &str) -> Result<Vec<Module<'_>>, SyntaxError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text),
        at: 0,
        module: Module::default(),
        genvars: BTreeSet::new(),
    };
    let mut modules = Vec::new();
    while parser.at < parser.tokens.len() {
        modules.push(parser.module()?);
    }
    Ok(modules)
}

type Parsed<T> = Result<T, SyntaxError>;

struct Parser<'text> {
    text: &'text str,
    tokens: Vec<Token<'text>>,
    at: usize,
    module: Module<'text>,
    /// Variables of generate loops, which are constants.
    genvars: BTreeSet<&'text str>,
}

impl<'text> Parser<'text> {
    fn look(&self, ahead: usize) -> &'text str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn next(&mut self) -> Option<Token<'text>> {
        self.at += 1;
        self.tokens.get(self.at - 1).copied()
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_next = self.look(0) == text;
        self.at += usize::from(is_next);
        is_next
    }

    fn fail<T>(&self, expected: &'static str) -> Parsed<T> {
        let start = self.tokens.get(self.at).map_or(self.text.len(), |token| token.start);
        let line = self.text[..start].matches('\n').count() + 1;
        Err(SyntaxError { line, found: self.look(0).to_owned(), expected })
    }

    fn expect(&mut self, text: &'static str) -> Parsed<()> {
        if self.takes(text) { Ok(()) } else { self.fail(text) }
    }

    fn name(&mut self) -> Parsed<&'text str> {
        match self.tokens.get(self.at) {
            Some(Token { kind: Kind::Name, text, .. }) => {
                self.at += 1;
                Ok(text)
            }
            _ => self.fail("a name"),
        }
    }

    /// Start of the next token and end of the last.
    fn start(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |token| token.start)
    }

    fn end(&self) -> usize {
        self.tokens[self.at - 1].end()
    }

    /// Passes over everything up to and with `text`.
    fn skip_past(&mut self, text: &'static str) -> Parsed<()> {
        while !self.takes(text) {
            if self.next().is_none() {
                return self.fail(text);
            }
        }
        Ok(())
    }

    /// Passes over a bracketed group, whose first token is next.
    fn skip_group(&mut self) -> Parsed<()> {
        let mut depth = 0usize;
        loop {
            match self.next().map(|token| token.text) {
                Some("(" | "[" | "{") => depth += 1,
                Some(")" | "]" | "}") => depth -= 1,
                None => return self.fail("the end of a group"),
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_ranges(&mut self) -> Parsed<bool> {
        let is_wide = self.look(0) == "[";
        while self.look(0) == "[" {
            self.skip_group()?;
        }
        Ok(is_wide)
    }

    fn module(&mut self) -> Parsed<Module<'text>> {
        let start = self.start();
        self.expect("module")?;
        self.module = Module { name: self.name()?, start, ..Module::default() };
        self.genvars.clear();
        if self.takes("#") {
            self.skip_group()?;
        }
        self.expect("(")?;
        let (mut is_input, mut is_wide) = (false, false);
        while !self.takes(")") {
            match self.look(0) {
                "input" | "output" | "inout" => {
                    is_input = self.look(0) == "input";
                    is_wide = false;
                    self.at += 1;
                }
                "wire" | "reg" | "signed" | "," => self.at += 1,
                "[" => is_wide = self.skip_ranges()?,
                _ => {
                    let name = self.name()?;
                    if is_input {
                        self.module.inputs.insert(name, !is_wide);
                    } else {
                        self.module.outputs.push(name);
                    }
                }
            }
        }
        self.expect(";")?;
        self.module.body = self.end();
        while !self.takes("endmodule") {
            self.item()?;
        }
        self.module.end = self.end();
        Ok(std::mem::take(&mut self.module))
    }

    fn item(&mut self) -> Parsed<()> {
        match self.look(0) {
            "localparam" | "parameter" | "defparam" => self.skip_past(";"),
            "genvar" => {
                self.at += 1;
                while !self.takes(";") {
                    let name = self.name()?;
                    self.genvars.insert(name);
                    self.takes(",");
                }
                Ok(())
            }
            "function" => self.skip_past("endfunction"),
            "wire" | "reg" | "integer" => self.declaration(),
            "assign" => {
                self.at += 1;
                loop {
                    self.assignment()?;
                    if !self.takes(",") {
                        break;
                    }
                }
                self.expect(";")
            }
            "initial" => {
                self.at += 1;
                let n_sites = self.module.sites.len();
                self.statement()?;
                self.module.sites.truncate(n_sites);
                Ok(())
            }
            "always" => {
                self.at += 1;
                self.expect("@")?;
                if self.look(0) == "*" {
                    self.at += 1
                } else {
                    self.skip_group()?
                }
                self.statement()
            }
            "generate" | "endgenerate" | ";" => {
                self.at += 1;
                Ok(())
            }
            "for" => {
                self.at += 1;
                self.skip_group()?;
                self.item()
            }
            "if" => {
                self.at += 1;
                self.skip_group()?;
                self.item()?;
                if self.takes("else") { self.item() } else { Ok(()) }
            }
            "begin" => {
                self.at += 1;
                if self.takes(":") {
                    self.name()?;
                }
                while !self.takes("end") {
                    self.item()?;
                }
                Ok(())
            }
            _ => self.instance(),
        }
    }

    fn declaration(&mut self) -> Parsed<()> {
        self.at += 1;
        self.takes("signed");
        self.skip_ranges()?;
        loop {
            self.name()?;
            self.module.is_memory |= self.skip_ranges()?;
            if self.takes("=") {
                let expr = self.expr()?;
                self.module.sites.push(Site { expr, role: Role::Assignment });
            }
            if !self.takes(",") {
                return self.expect(";");
            }
        }
    }

    fn instance(&mut self) -> Parsed<()> {
        let module = self.name()?;
        self.module.instances.insert(module);
        if self.takes("#") {
            self.skip_group()?;
        }
        self.name()?;
        self.skip_ranges()?;
        self.expect("(")?;
        while !self.takes(")") {
            self.expect(".")?;
            let port = self.name()?;
            self.expect("(")?;
            if !self.takes(")") {
                let expr = self.expr()?;
                self.expect(")")?;
                self.module.sites.push(Site { expr, role: Role::Port { module, port } });
            }
            self.takes(",");
        }
        self.expect(";")
    }

    fn statement(&mut self) -> Parsed<()> {
        match self.look(0) {
            "begin" => {
                self.at += 1;
                if self.takes(":") {
                    self.name()?;
                }
                while !self.takes("end") {
                    self.statement()?;
                }
                Ok(())
            }
            "if" => {
                self.at += 1;
                self.expect("(")?;
                let expr = self.expr()?;
                self.expect(")")?;
                self.module.sites.push(Site { expr, role: Role::Condition });
                self.statement()?;
                if self.takes("else") { self.statement() } else { Ok(()) }
            }
            "case" | "casez" => {
                self.at += 1;
                self.expect("(")?;
                let expr = self.expr()?;
                self.expect(")")?;
                self.module.sites.push(Site { expr, role: Role::Selector });
                while !self.takes("endcase") {
                    if self.takes("default") {
                        self.takes(":");
                    } else {
                        self.expr()?;
                        while self.takes(",") {
                            self.expr()?;
                        }
                        self.expect(":")?;
                    }
                    self.statement()?;
                }
                Ok(())
            }
            "for" => {
                self.at += 1;
                self.skip_group()?;
                self.statement()
            }
            "integer" | "reg" => self.declaration(),
            ";" => {
                self.at += 1;
                Ok(())
            }
            word if word.starts_with('$') => self.skip_past(";"),
            _ => {
                self.assignment()?;
                self.expect(";")
            }
        }
    }

    fn assignment(&mut self) -> Parsed<()> {
        if self.look(0) == "{" {
            self.skip_group()?;
        } else {
            self.name()?;
            while self.takes(".") {
                self.name()?;
            }
            self.skip_ranges()?;
        }
        if !self.takes("=") && !self.takes("<=") {
            return self.fail("an assignment");
        }
        let expr = self.expr()?;
        self.module.sites.push(Site { expr, role: Role::Assignment });
        Ok(())
    }
}
