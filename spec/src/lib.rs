//! What hardware and software agree on: sizes, arithmetic, network format, ISA, program format and the integer
//! reference that defines every output bit.
//!
//! Nothing here knows rust-hdl, Verilator or libtorch, and nothing computes in floating point: a `scale` is only a
//! label. Files are read and written in [`files`] alone, programs are started in [`process`] alone.

mod config;
pub mod files;
pub mod isa;
mod macs;
mod network;
mod preprocess;
pub mod process;
mod program;
mod quant;
mod reference;
mod shown;
mod sparsity;
pub mod status;

pub use config::{ArrayConfig, ConfigError, Memories};
pub use macs::Macs;
pub use network::{
    Conv, Foreign, FullyConnected, InputSpec, KeyFault, Layer, NetworkError, Op, QuantNetwork,
    Requantize, Residual, Shape, TensorRef,
};
pub use preprocess::{Normalize, Preprocess, PreprocessError, Transfer};
pub use program::{LayerInfo, Parameter, Program, ProgramError, Region};
pub use quant::{
    MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT, clamp_i8, clamp_i16, scale_round,
};
pub use reference::{Inference, LayerOutput, Logits, run_reference};
pub use shown::{shown, shown_json, shown_lines, shown_path};
pub use sparsity::{Pattern, Sparsity, fixed_channel, kept_positions};
