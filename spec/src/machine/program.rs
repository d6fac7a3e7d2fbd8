//! A compiled network: the contents of every ROM, and what a report needs to know about the layers.

use serde::{Deserialize, Serialize};

use crate::ArrayConfig;
use crate::isa::{INSTRUCTION_WORDS, TILE_WORDS};

mod rom;

pub use rom::ProgramError;

/// Per-channel constants of the requantizer; in the ROM 72 bits:
/// `{residual_multiplier[16], 2'b0, shift[6], 1'b0, multiplier[15], bias[32]}`, most significant first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Added to the accumulator.
    pub bias: i32,
    /// `0..=MAX_MULTIPLIER`.
    pub multiplier: u16,
    /// `0..=MAX_SHIFT`.
    pub shift: u8,
    /// Zero where nothing is added.
    pub residual_multiplier: u16,
}

/// Where a feature map lies: the same words in every bank of the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Bit b: bank b holds the map.
    pub banks: u8,
    /// First word.
    pub address: usize,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels; a pixel takes `ceil(channels / word_channels)` words, channel `k` in byte `k % word_channels` of word
    /// `k / word_channels`.
    pub channels: usize,
}

/// A layer of the program, for reports and for the first divergence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerInfo {
    /// Name in the network.
    pub name: String,
    /// Index in the network, `None` for a copy that codegen inserted.
    pub network_layer: Option<usize>,
    /// Where its output lies when its last unit is written; `None` for logits.
    pub output: Option<Region>,
    /// MACs that the pattern keeps, a whole image.
    pub n_useful_macs: u64,
    /// MACs of the same layer without pruning.
    pub n_dense_macs: u64,
    /// Tiles of one block, all groups.
    pub n_tiles: usize,
    /// Pixel blocks.
    pub n_blocks: usize,
}

/// The contents of every ROM, least significant word first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The array it was compiled for.
    pub config: ArrayConfig,
    /// Name of the network.
    pub network: String,
    /// Class names.
    pub classes: Vec<String>,
    /// Bytes of one image.
    pub n_input_bytes: usize,
    /// Program ROM.
    pub instructions: Vec<[u32; INSTRUCTION_WORDS]>,
    /// Tile ROM.
    pub tiles: Vec<[u32; TILE_WORDS]>,
    /// Weight ROM: rows of `cols` weights, `tile_rows` rows a tile, row `r` of a tile for array row `r`.
    pub weights: Vec<Vec<i8>>,
    /// Parameter ROM: rows of `lanes` channels.
    pub parameters: Vec<Vec<Parameter>>,
    /// Lane table of the loader.
    pub lanes: Vec<u32>,
    /// Layers in the order of execution; `STREAM.layer` is an index into it.
    pub layers: Vec<LayerInfo>,
}
