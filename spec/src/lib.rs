//! What hardware and software agree on: sizes, arithmetic, network format, ISA, program format and the integer
//! reference that defines every output bit.
//!
//! Nothing here knows rust-hdl, Verilator or libtorch, and nothing computes in floating point: a `scale` is only a
//! label. Files are read and written in [`files`] alone, programs are started in [`process`] alone.

mod digest;
pub mod files;
pub mod machine;
pub mod network;
pub mod process;
mod shown;

pub use digest::hex_digest;
pub use machine::{
    AccumulatorMemory, ArrayConfig, ConfigError, Design, LayerInfo, Memories, Memory, OutputInfo,
    Parameter, ParameterField, Program, ProgramError, Region, Technology, WeightRow, isa, status,
};
pub use network::{
    Add, Addend, Bounds, Conv, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, Foreign, FoundSparsity,
    FullyConnected, Inference, InputSpec, KeyFault, Layer, LayerOutput, Logits, MAX_MULTIPLIER,
    MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT, Macs, NetworkError, Normalize, Op, Pattern, Preprocess,
    PreprocessError, QuantNetwork, Requantize, Residual, Rounding, Shape, Sparsity, TensorRef,
    Transfer, Window, fixed_channel, kept_positions, round_shift, run_reference, scale_round,
};
pub use shown::{shown, shown_json, shown_lines, shown_path};
