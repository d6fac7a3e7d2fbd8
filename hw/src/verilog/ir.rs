//! Verilog as a tree: what front-ends build, passes change, and [`super::print`] writes.
//!
//! It knows as much of Verilog-2005 as the emitter writes. A module whose text is written by hand may stay text
//! ([`Body::Text`]). Names are final: the printer adds and changes none.

mod walk;

use std::fmt;

/// A design: each module after the ones it uses, the top module last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Design {
    /// The modules.
    pub modules: Vec<Module>,
}

impl Design {
    /// The module of that name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The comment above it, line by line.
    pub comments: Vec<String>,
    /// The ports in order.
    pub ports: Vec<Port>,
    /// Whether it is written by hand, so that its items stand in the order that was chosen for them.
    pub handwritten: bool,
    /// What stands between the port list and `endmodule`.
    pub body: Body,
}

/// What stands between the port list and `endmodule`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// A tree, in the order of printing.
    Items(Vec<Item>),
    /// Text as it was written by hand, without indentation of its own.
    Text(String),
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    /// Which way.
    pub direction: Direction,
    /// Name, width and sign.
    pub signal: Signal,
    /// Whether a procedure assigns it.
    pub storage: Storage,
    /// What it is; empty where nothing is said, or what is said of the port before goes for this one, too.
    pub doc: String,
}

/// Which way a port goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the module.
    Input,
    /// Out of the module.
    Output,
}

/// How Verilog declares a signal; it says nothing about flip-flops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// Driven by an `assign` or a port.
    Wire,
    /// Assigned in `always` or `initial`.
    Reg,
}

/// A named vector of bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Bits.
    pub width: usize,
    /// Two's complement.
    pub signed: bool,
    /// What it is made of, the lowest bits first; empty for plain bits.
    pub fields: Vec<Field>,
}

/// A field of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name; that of a field of a field holds both names.
    pub name: String,
    /// Where it is.
    pub part: Part,
}

/// One thing inside a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// A comment on what follows it.
    Comment(String),
    /// `localparam`.
    Parameter(Signal, Expr),
    /// `wire` or `reg`.
    Net(Net),
    /// A sub-module.
    Instance(Instance),
    /// `assign`.
    Assign(Target, Expr),
    /// `initial`.
    Initial(Vec<Statement>),
    /// `always`.
    Always(Always),
}

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Net {
    /// Name, width and sign.
    pub signal: Signal,
    /// `wire` or `reg`.
    pub storage: Storage,
    /// What drives a wire, if that stands in its declaration.
    pub value: Option<Expr>,
    /// Whether it exists only to reach a port of a sub-module.
    pub of_instance: bool,
}

/// A sub-module in use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Of which module.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Ports by name, and what they are connected to.
    pub connections: Vec<Connection>,
}

/// A port of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Name of the port.
    pub port: String,
    /// Which way the port goes.
    pub direction: Direction,
    /// What it is connected to; `None` leaves an output open.
    pub value: Option<Expr>,
}

/// An `always` block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Always {
    /// What runs it.
    pub trigger: Trigger,
    /// What it does.
    pub body: Vec<Statement>,
}

/// What runs an `always` block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// `@(*)`, with blocking assignments.
    Combinational,
    /// `@(posedge name)`, with nonblocking assignments.
    PosEdge(String),
}

/// A statement of a procedure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Statement {
    /// A comment on what follows it.
    Comment(String),
    /// An assignment.
    Assign {
        /// What is written.
        target: Target,
        /// The new value.
        value: Expr,
        /// `=` or `<=`.
        kind: Assignment,
    },
    /// `if`, with an `else` unless that is empty.
    If {
        /// One bit.
        test: Expr,
        /// Where it is 1.
        then: Vec<Statement>,
        /// Where it is not.
        otherwise: Vec<Statement>,
    },
    /// `case`.
    Case {
        /// What is compared.
        test: Expr,
        /// The arms; the first that matches runs.
        arms: Vec<Arm>,
    },
}

/// When an assignment takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assignment {
    /// `=`, at once.
    Blocking,
    /// `<=`, when the procedure has ended.
    Nonblocking,
}

/// One arm of a `case`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arm {
    /// The values that it is for.
    pub labels: Vec<Expr>,
    /// Whether it also takes what no other arm does; its labels are then a comment.
    pub default: bool,
    /// What it does.
    pub body: Vec<Statement>,
}

/// What an assignment writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The signal.
    pub name: String,
    /// The bits, if not all.
    pub part: Option<Part>,
}

impl Target {
    /// A whole signal.
    pub fn whole(name: impl Into<String>) -> Target {
        Target { name: name.into(), part: None }
    }
}

/// Bits `low..low + width` of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// The lowest bit.
    pub low: usize,
    /// How many.
    pub width: usize,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A sized number.
    Literal(Literal),
    /// A number without a width of its own: how far to shift.
    Integer(u128),
    /// A signal or `localparam` as a whole.
    Name(String),
    /// Fixed bits of a signal.
    Part(String, Part),
    /// `name[index +: width]`.
    Select {
        /// The signal.
        name: String,
        /// The lowest bit.
        index: Box<Expr>,
        /// How many bits.
        width: usize,
    },
    /// An operator of one operand.
    Unary(Unary, Box<Expr>),
    /// An operator of two operands.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `test ? then : otherwise`.
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `{high, .., low}`.
    Concat(Vec<Expr>),
    /// `{n{value}}`.
    Repeat(usize, Box<Expr>),
    /// `$signed(value)`, or `$unsigned(value)`.
    Sign {
        /// Whether the bits become a signed number.
        signed: bool,
        /// The bits.
        value: Box<Expr>,
    },
}

/// A number of a known width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Literal {
    /// The bits.
    pub value: u128,
    /// How many there are.
    pub width: usize,
    /// Two's complement.
    pub signed: bool,
}

impl Literal {
    /// An unsigned number.
    pub fn new(value: u128, width: usize) -> Literal {
        Literal { value, width, signed: false }
    }
}

/// Small numbers are decimal: `8'd5`, `16'hbeef`.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Literal { value, width, signed } = *self;
        let sign = if signed { "s" } else { "" };
        if value < 1000 {
            write!(f, "{width}'{sign}d{value}")
        } else {
            write!(f, "{width}'{sign}h{value:x}")
        }
    }
}

impl From<Literal> for Expr {
    fn from(literal: Literal) -> Expr {
        Expr::Literal(literal)
    }
}

/// An operator of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `~`
    Not,
    /// `-`
    Negate,
    /// `&`
    All,
    /// `|`
    Any,
    /// `^`
    Parity,
}

impl Unary {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Unary::Not => "~",
            Unary::Negate => "-",
            Unary::All => "&",
            Unary::Any => "|",
            Unary::Parity => "^",
        }
    }
}

/// An operator of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Binary {
    Multiply,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    And,
    Xor,
    Or,
    LogicalAnd,
    LogicalOr,
}

impl Binary {
    /// All of them.
    pub const ALL: [Binary; 16] = [
        Binary::Multiply,
        Binary::Add,
        Binary::Subtract,
        Binary::ShiftLeft,
        Binary::ShiftRight,
        Binary::Less,
        Binary::LessOrEqual,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Equal,
        Binary::NotEqual,
        Binary::And,
        Binary::Xor,
        Binary::Or,
        Binary::LogicalAnd,
        Binary::LogicalOr,
    ];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        self.spelling().0
    }

    /// How tightly it binds: more is tighter (IEEE 1364-2005, table 5-4).
    pub fn precedence(self) -> u8 {
        self.spelling().1
    }

    /// Whether the result is one bit, whatever the operands' width.
    pub fn compares(self) -> bool {
        matches!(self.precedence(), 6 | 7 | 1 | 2)
    }

    fn spelling(self) -> (&'static str, u8) {
        match self {
            Binary::Multiply => ("*", 10),
            Binary::Add => ("+", 9),
            Binary::Subtract => ("-", 9),
            Binary::ShiftLeft => ("<<", 8),
            Binary::ShiftRight => (">>", 8),
            Binary::Less => ("<", 7),
            Binary::LessOrEqual => ("<=", 7),
            Binary::Greater => (">", 7),
            Binary::GreaterOrEqual => (">=", 7),
            Binary::Equal => ("==", 6),
            Binary::NotEqual => ("!=", 6),
            Binary::And => ("&", 5),
            Binary::Xor => ("^", 4),
            Binary::Or => ("|", 3),
            Binary::LogicalAnd => ("&&", 2),
            Binary::LogicalOr => ("||", 1),
        }
    }
}
