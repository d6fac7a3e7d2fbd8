//! Networks that others made: a foreign file in, a [`spec::QuantNetwork`] out.
//!
//! A reader turns its file into a [`graph::Graph`], which has the integers of the file and the layout of the network format;
//! [`lower`] makes a network of it, whatever it was read from. What cannot be lowered is collected and told at once.
//! Nothing here knows the array: whether the network fits is `codegen`'s to say.

mod error;
mod file;
mod formula;
pub mod graph;
mod lower;
pub mod onnx;
mod preprocess;
pub mod tflite;

pub use error::{Error, Problem};
pub use file::{Format, read};
pub use lower::{Comparison, HostStep, Imported, MapSource, Options, lower};
pub use preprocess::Preset;
