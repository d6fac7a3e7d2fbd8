//! What a program holds in memory.

use serde::{Deserialize, Serialize};

use crate::machine::config::ArrayConfig;
use crate::machine::isa::{INSTRUCTION_WORDS, LANE_WORDS, TILE_WORDS};
use crate::machine::parameter::Parameter;

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
    pub lanes: Vec<[u32; LANE_WORDS]>,
    /// Layers in the order of execution; `STREAM.layer` is an index into it.
    pub layers: Vec<LayerInfo>,
}
