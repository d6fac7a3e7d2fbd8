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
mod layers;
mod macs;
mod pattern;
mod preprocess;
mod quant;
mod reference;
mod rules;
mod sparsity;
mod tensors;
mod view;

pub use error::{KeyFault, NetworkError};
pub use foreign::Foreign;
pub(crate) use foreign::{N_FIRST_BYTES, foreign};
pub(crate) use format::{structure_errors, tensor_file_name};
pub use layers::{
    Conv, FullyConnected, InputSpec, Layer, Op, QuantNetwork, Requantize, Residual, Shape,
    TensorRef,
};
pub use macs::Macs;
pub use preprocess::{Normalize, Preprocess, PreprocessError, Transfer};
pub use quant::{
    MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT, clamp_i8, clamp_i16, scale_round,
};
pub use reference::{Inference, LayerOutput, Logits, run_reference};
pub use sparsity::{Pattern, Sparsity, fixed_channel, kept_positions};
