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
    /// Channels.
    pub channels: usize,
    /// Channels before them in a map that several layers write side by side, else 0.
    pub first_channel: usize,
    /// Channels of that map, else `channels`; a pixel takes `ceil(map_channels / word_channels)` words, channel `k` in byte
    /// `(first_channel + k) % word_channels` of word `(first_channel + k) / word_channels`.
    pub map_channels: usize,
}

impl Region {
    /// A map of `[height, width, channels]` that one layer writes.
    pub fn new(banks: u8, address: usize, [height, width, channels]: [usize; 3]) -> Self {
        let (first_channel, map_channels) = (0, channels);
        Self { banks, address, height, width, channels, first_channel, map_channels }
    }

    /// Words of a pixel.
    pub fn pixel_words(&self, word_channels: usize) -> usize {
        self.map_channels.div_ceil(word_channels)
    }
}

/// An output of the network, and where it lies in the logit memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputInfo {
    /// Name of the layer.
    pub layer: String,
    /// First granule of `lanes` entries.
    pub address: usize,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels; a pixel takes `ceil(channels / lanes)` granules.
    pub channels: usize,
}

impl OutputInfo {
    /// The only output, of one pixel.
    pub fn of_one_pixel(layer: &str, channels: usize) -> Self {
        Self { layer: layer.to_owned(), address: 0, height: 1, width: 1, channels }
    }

    /// Granules of all pixels.
    pub fn n_granules(&self, lanes: usize) -> usize {
        self.height * self.width * self.channels.div_ceil(lanes)
    }

    /// The entries of the logit memory that it consists of, pixel by pixel, channels innermost.
    fn entries(&self, lanes: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { address, height, width, channels, .. } = *self;
        let pixel = move |pixel: usize| (address + pixel * channels.div_ceil(lanes)) * lanes;
        (0..height * width).flat_map(move |at| (0..channels).map(move |k| pixel(at) + k))
    }
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

/// A row of the weight ROM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightRow {
    /// `cols` weights.
    pub weights: Vec<i8>,
    /// Bit `s - 1`: section `s` of columns takes the other channel of the pair than section `s - 1`. Section 0 takes what the
    /// tile's mask says.
    pub crossings: u32,
}

impl From<Vec<i8>> for WeightRow {
    /// Weights of columns that all take the same channel.
    fn from(weights: Vec<i8>) -> Self {
        Self { weights, crossings: 0 }
    }
}

/// The contents of every ROM, least significant word first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The array it was compiled for.
    pub config: ArrayConfig,
    /// Name of the network.
    pub network: String,
    /// Class names, none if the outputs are no classes.
    pub classes: Vec<String>,
    /// What leaves the accelerator, in that order.
    pub outputs: Vec<OutputInfo>,
    /// Bytes of one image.
    pub n_input_bytes: usize,
    /// Program ROM.
    pub instructions: Vec<[u32; INSTRUCTION_WORDS]>,
    /// Tile ROM.
    pub tiles: Vec<[u32; TILE_WORDS]>,
    /// Weight ROM: `tile_rows` rows a tile, row `r` of a tile for array row `r`.
    pub weights: Vec<WeightRow>,
    /// Parameter ROM: rows of `lanes` channels.
    pub parameters: Vec<Vec<Parameter>>,
    /// Lane table of the loader.
    pub lanes: Vec<[u32; LANE_WORDS]>,
    /// Layers in the order of execution; `STREAM.layer` is an index into it.
    pub layers: Vec<LayerInfo>,
}

impl Program {
    /// Entries of the logit memory that are sent for an image: all up to the last of an output.
    pub fn n_sent(&self) -> usize {
        let lanes = self.config.lanes();
        let ends = self.outputs.iter().filter_map(|output| output.entries(lanes).last());
        ends.max().map_or(0, |last| last + 1)
    }

    /// The values of the outputs, one output after the other, each `[height, width, channels]`, of what was sent.
    ///
    /// # Panics
    /// If fewer than [`Self::n_sent`] entries were sent.
    pub fn output_values(&self, sent: &[i16]) -> Vec<i16> {
        let lanes = self.config.lanes();
        self.outputs.iter().flat_map(|output| output.entries(lanes)).map(|at| sent[at]).collect()
    }

    /// Whether all that is sent are values of outputs, so that the class is the index of the largest of them.
    pub fn sends_outputs_alone(&self) -> bool {
        let n_values = |output: &OutputInfo| output.height * output.width * output.channels;
        self.outputs.iter().map(n_values).sum::<usize>() == self.n_sent()
    }
}
