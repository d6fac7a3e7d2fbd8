//! Why a node is not read.

use crate::Error;

/// What a node gives, or why not.
pub(super) type Outcome<T> = Result<T, Fault>;

/// Why a node is not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The node is not supported, and what to do.
    Unsupported(String, String),
    /// What it reads is of a node that is not read: that one is reported.
    Follows,
    /// The file as a whole is not read.
    File(Error),
}

impl Fault {
    /// A node that is not supported.
    pub(super) fn new(fault: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unsupported(fault.into(), help.into())
    }

    /// An attribute that means nothing.
    pub(super) fn attribute(name: &str, found: &str) -> Self {
        Self::new(
            format!("its attribute {name} is {found}"),
            "export the model again, and run `onnx.checker.check_model` on it",
        )
    }

    /// An operation on floating-point numbers between quantized ones.
    pub(super) fn float(what: &str) -> Self {
        Self::new(
            format!("{what} is computed in floating point"),
            "quantize every map between the first and the last operation: onnxruntime.quantization.quantize_static writes a QuantizeLinear and a DequantizeLinear behind each",
        )
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::File(error)
    }
}
