//! What can keep a block from becoming Verilog.

use thiserror::Error;

/// Why a block was not emitted. `path` is the instance path, such as `top.array.pe_3`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// A name in `update` is neither a signal, a constant, an enum variant nor a loop variable.
    #[error(
        "{path}: `{identifier}` is unknown; help: use a signal, a `Constant` field, an enum variant or a loop variable \
         (a plain `self._n` is only allowed as a loop bound)"
    )]
    UnknownIdentifier {
        /// Instance path.
        path: String,
        /// The name as written, with `$` for the dots.
        identifier: String,
    },
    /// Two different things get the same Verilog name.
    #[error("{path}: `{first}` and `{second}` both become `{identifier}`; help: rename one field")]
    Collision {
        /// Instance path.
        path: String,
        /// The Verilog name.
        identifier: String,
        /// The first owner of the name.
        first: String,
        /// The second owner of the name.
        second: String,
    },
    /// A name is reserved in Verilog or SystemVerilog.
    #[error("{path}: `{identifier}` is a Verilog keyword; help: rename the field")]
    Keyword {
        /// Instance path.
        path: String,
        /// The reserved word.
        identifier: String,
    },
    /// A name holds characters that Verilog does not allow.
    #[error("{path}: `{identifier}` is no Verilog name; help: use letters, digits and `_`")]
    BadName {
        /// Instance path.
        path: String,
        /// The offending name.
        identifier: String,
    },
    /// An index could not be computed while emitting.
    #[error(
        "{path}: index of `{identifier}` is not computable ({reason}); help: only loop variables, integers and + - * / % ( ) \
         may stand in an index, bind a size with `for n in self._n..(self._n + 1)`"
    )]
    Index {
        /// Instance path.
        path: String,
        /// The indexed name as written.
        identifier: String,
        /// What is wrong.
        reason: String,
    },
    /// Two operands, or a value and its target, have different widths or signedness.
    #[error(
        "{path}: {context}: expected {expected}, found {found}; help: use `bit_cast`, `get_bits` or a typed Local signal"
    )]
    Type {
        /// Instance path.
        path: String,
        /// The expression in question.
        context: String,
        /// The type needed, such as `8 bits` or `24 bits signed`.
        expected: String,
        /// The type seen.
        found: String,
    },
    /// A literal does not fit its width.
    #[error("{path}: literal {value} does not fit {width} bits")]
    Literal {
        /// Instance path.
        path: String,
        /// The literal.
        value: u128,
        /// The width it is used at.
        width: usize,
    },
    /// A signal is never assigned.
    #[error(
        "{path}: `{signal}` is never assigned; help: assign it in `update`, or call `drive` in a leaf's `connect`"
    )]
    Undriven {
        /// Instance path.
        path: String,
        /// The signal.
        signal: String,
    },
    /// A signal is assigned on some paths only, which would make a latch.
    #[error(
        "{path}: `{signal}` is not assigned on every path (a latch); help: give it a default at the start of `update`"
    )]
    Latch {
        /// Instance path.
        path: String,
        /// The signal.
        signal: String,
    },
    /// An output or local signal is read before it is assigned, which is a latch or a combinational loop.
    #[error(
        "{path}: `{signal}` is read before it is assigned; help: assign it earlier in `update`, or register it"
    )]
    ReadBeforeWrite {
        /// Instance path.
        path: String,
        /// The signal.
        signal: String,
    },
    /// A block assigns what it must not assign.
    #[error(
        "{path}: `{signal}` cannot be assigned here; help: only own outputs, locals and inputs of sub-blocks can"
    )]
    NotAssignable {
        /// Instance path.
        path: String,
        /// The signal.
        signal: String,
    },
    /// A register starts at another value than reset gives it.
    #[error(
        "{path}: `{register}` starts at {initial}, but reset makes it {reset}; help: a device without a reset relies on initial \
         values, use `Register::starting_at`"
    )]
    ResetValue {
        /// Instance path.
        path: String,
        /// The register.
        register: String,
        /// Its initial value.
        initial: String,
        /// Its value after reset.
        reset: String,
    },
    /// rust-hdl's own check found a problem.
    #[error("rust-hdl refuses the design: {0}")]
    Check(String),
    /// Something rust-hdl can express but this emitter does not write.
    #[error("{path}: {what} is not supported; help: {help}")]
    Unsupported {
        /// Instance path.
        path: String,
        /// The construct.
        what: String,
        /// What to do instead.
        help: &'static str,
    },
}
