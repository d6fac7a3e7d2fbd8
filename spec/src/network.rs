//! A quantized network: what `trainer` exports and `codegen` lowers.
//!
//! On disk it is a JSON file beside a safetensors file; docs/network.md is the format. In memory, tensors sit in the
//! layers and names are resolved to indices. [`QuantNetwork::validate`] holds every rule that does not depend on the
//! array: a network that passes cannot overflow an accumulator.

mod draft;
mod error;
mod foreign;
mod format;
mod json;
mod key_fault;
mod layers;
mod macs;
mod pattern;
mod preprocess;
mod quant;
mod read_input;
mod read_network;
mod reference;
mod rules;
mod shapes;
mod sparsity;
mod tensors;
mod version;
mod view;
mod write;

pub use error::NetworkError;
pub use foreign::Foreign;
pub(crate) use foreign::{N_FIRST_BYTES, foreign};
pub(crate) use format::{structure_errors, tensor_file_name};
pub use key_fault::KeyFault;
pub use layers::{
    Add, Addend, Conv, FullyConnected, InputSpec, Layer, Op, QuantNetwork, Requantize, Residual,
    TensorRef, Window,
};
pub use macs::Macs;
pub use pattern::FoundSparsity;
pub use preprocess::{Normalize, Preprocess, PreprocessError, Transfer};
pub use quant::{
    Bounds, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER,
    MAX_SHIFT, Rounding, round_shift, scale_round,
};
pub use reference::{Inference, LayerOutput, Logits, run_reference};
pub use shapes::Shape;
pub use sparsity::{Pattern, Sparsity, fixed_channel, kept_positions};
