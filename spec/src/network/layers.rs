//! A network in memory: its layers and what they read.

use std::collections::HashMap;

use ndarray::{Array1, Array4};
use serde_json::Value;

use super::preprocess::Preprocess;
use super::quant::{Bounds, Rounding};
use super::sparsity::Sparsity;

/// The feature map that a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TensorRef {
    /// The network's input after space-to-depth.
    Input,
    /// The output of the layer with this index.
    Layer(usize),
}

/// What the network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Rows of the image.
    pub height: usize,
    /// Pixels of an image row.
    pub width: usize,
    /// Interleaved channels of the image.
    pub channels: usize,
    /// Block of the space-to-depth step, 1 for none: `b` divides height and width, and channel
    /// `(dy * b + dx) * channels + c` of pixel `(y, x)` is channel `c` of image pixel `(y * b + dy, x * b + dx)`.
    pub space_to_depth: usize,
    /// Real value of one step of the int8 input; a label.
    pub scale: f64,
    /// The int8 value that means 0: what pixels outside the map count as.
    pub zero_point: i8,
    /// How an image becomes the int8 input, `None` if the user brings int8 data.
    pub preprocess: Option<Preprocess>,
}

/// Per-channel requantization; all arrays have one entry an output channel, and none in layers that only move or compare
/// values: [`Op::AveragePool`], [`Op::MaxPool`] and [`Op::Concat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantize {
    /// Added to the sum of products.
    pub bias: Array1<i32>,
    /// `0..=MAX_MULTIPLIER`.
    pub multiplier: Array1<i32>,
    /// `0..=MAX_SHIFT`.
    pub shift: Array1<i32>,
    /// Of `v / 2^shift`.
    pub rounding: Rounding,
}

/// A feature map added to a convolution.
///
/// With `r = from[y * stride, x * stride, k] - zero point of from`, output `(y, x, k)` gets `residual_multiplier[k] * r`, and
/// nothing where `from` has no channel `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residual {
    /// The map.
    pub from: TensorRef,
    /// 1..=4, both directions.
    pub stride: usize,
    /// One entry an output channel: `0..=MAX_RESIDUAL_MULTIPLIER` before the scaling, `0..=MAX_MULTIPLIER` after it.
    pub multiplier: Array1<i32>,
    /// Whether it is added to the product with the requantization multiplier, instead of to the accumulator.
    pub after: bool,
}

/// A convolution: grouped, and depthwise where each group has one input channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// `[out_channels, kernel_height, kernel_width, in_channels / groups]`.
    pub weight: Array4<i8>,
    /// Divides input and output channels; output channel `k` reads the input channels of group
    /// `k / (out_channels / groups)`. 1 for an ordinary convolution.
    pub groups: usize,
    /// Rows and columns, 1..=4 each.
    pub stride: [usize; 2],
    /// Rows and columns between neighboring taps of the kernel, 1..=4 each.
    pub dilation: [usize; 2],
    /// Rows and columns around the input that count as 0: top, bottom, left, right.
    pub padding: [usize; 4],
    /// How it was pruned.
    pub sparsity: Sparsity,
    /// Added before or after the scaling.
    pub residual: Option<Residual>,
    /// 2x2 max-pool with stride 2 after requantization; an odd last row or column is dropped.
    pub max_pool: bool,
}

/// A fully connected layer over a whole feature map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullyConnected {
    /// `[out_channels, height, width, in_channels]` of the input map.
    pub weight: Array4<i8>,
    /// How it was pruned.
    pub sparsity: Sparsity,
}

/// A window that moves over each channel of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns, 1..=3 each; of an average pool also all of the map's, without padding.
    pub kernel: [usize; 2],
    /// Rows and columns, 1..=3 each.
    pub stride: [usize; 2],
    /// Rows and columns around the map that the window may reach into, each less than the kernel: top, bottom, left,
    /// right. Their pixels do not count.
    pub padding: [usize; 4],
}

/// A map that is added to the layer's input, channel by channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// The map, of the input's shape.
    pub other: TensorRef,
    /// One entry a channel, `0..=MAX_MULTIPLIER`, what the other map is multiplied by.
    pub multiplier: Array1<i32>,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Convolution, perhaps with residual add and max-pool.
    Conv(Conv),
    /// Sum over all pixels of each channel, less the zero point; the division is in the requantization.
    GlobalAveragePool,
    /// Product with a whole feature map.
    FullyConnected(FullyConnected),
    /// Mean of the pixels in each window, rounded half away from zero. It has no constants.
    AveragePool(Window),
    /// Largest of the pixels in each window. It has no constants.
    MaxPool(Window),
    /// Sum of two maps of different scales.
    Add(Add),
    /// The same map at another scale.
    Requantize,
    /// The channels of the layer's input, then those of these maps. It has no constants.
    Concat(Vec<TensorRef>),
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Unique in the network.
    pub name: String,
    /// What it reads, of several maps the first.
    pub input: TensorRef,
    /// What it computes.
    pub op: Op,
    /// From accumulators to outputs.
    pub requantize: Requantize,
    /// Within int8, unless the layer is an output that no other reads.
    pub bounds: Bounds,
    /// The output that means 0.
    pub zero_point: i8,
    /// Real value of one step of the output; a label.
    pub scale: f64,
}

/// A quantized network. A classifier has one output, of one pixel: the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantNetwork {
    /// A name for reports.
    pub name: String,
    /// What it takes.
    pub input: InputSpec,
    /// Class names, one a logit; empty if the outputs are no classes.
    pub classes: Vec<String>,
    /// In the order of execution; a layer reads only earlier ones.
    pub layers: Vec<Layer>,
    /// Indices of the layers whose outputs leave the accelerator, in that order.
    pub outputs: Vec<usize>,
    /// How it came to be: command, seed, data, accuracy. Free-form.
    pub provenance: Value,
}

/// A map that a layer adds, before or after the scaling.
#[derive(Clone, Copy, Debug)]
pub struct Addend<'a> {
    /// The map.
    pub from: TensorRef,
    /// Rows and columns between the pixels that are taken.
    pub stride: usize,
    /// One entry an output channel.
    pub multiplier: &'a Array1<i32>,
    /// Whether it is added to the product with the requantization multiplier, instead of to the accumulator.
    pub after: bool,
}

impl Requantize {
    /// That of a layer without constants.
    pub fn none() -> Self {
        let none = || Array1::from_vec(Vec::new());
        Self { bias: none(), multiplier: none(), shift: none(), rounding: Rounding::default() }
    }
}

impl Conv {
    /// A dense convolution of stride 1 without padding, residual or pool.
    pub fn new(weight: Array4<i8>) -> Self {
        Self {
            weight,
            groups: 1,
            stride: [1; 2],
            dilation: [1; 2],
            padding: [0; 4],
            sparsity: Sparsity::default(),
            residual: None,
            max_pool: false,
        }
    }
}

impl Op {
    /// `[out_channels, kernel_height, kernel_width, in_channels / groups]`, `None` for what has no weights.
    pub fn weight(&self) -> Option<&Array4<i8>> {
        match self {
            Self::Conv(conv) => Some(&conv.weight),
            Self::FullyConnected(fc) => Some(&fc.weight),
            _ => None,
        }
    }

    /// As [`Self::weight`], to change them.
    pub fn weight_mut(&mut self) -> Option<&mut Array4<i8>> {
        match self {
            Self::Conv(conv) => Some(&mut conv.weight),
            Self::FullyConnected(fc) => Some(&mut fc.weight),
            _ => None,
        }
    }

    /// How its weights were pruned, `None` for what has none.
    pub fn sparsity(&self) -> Option<Sparsity> {
        match self {
            Self::Conv(conv) => Some(conv.sparsity),
            Self::FullyConnected(fc) => Some(fc.sparsity),
            _ => None,
        }
    }

    /// Whether it has bias, multiplier and shift.
    pub fn has_constants(&self) -> bool {
        self.kind().has_constants()
    }
}

impl Layer {
    /// The residual of a convolution.
    pub fn residual(&self) -> Option<&Residual> {
        match &self.op {
            Op::Conv(Conv { residual, .. }) => residual.as_ref(),
            _ => None,
        }
    }

    /// The map that it adds: the residual of a convolution, or the second of an add.
    pub fn addend(&self) -> Option<Addend<'_>> {
        match &self.op {
            Op::Conv(Conv { residual: Some(residual), .. }) => Some(Addend {
                from: residual.from,
                stride: residual.stride,
                multiplier: &residual.multiplier,
                after: residual.after,
            }),
            Op::Add(Add { other, multiplier }) => {
                Some(Addend { from: *other, stride: 1, multiplier, after: true })
            }
            _ => None,
        }
    }

    /// Every map that it reads: its input, the one that it adds, those that it puts beside the first.
    pub fn reads(&self) -> impl Iterator<Item = TensorRef> + '_ {
        let others: &[TensorRef] = match &self.op {
            Op::Concat(others) => others,
            _ => &[],
        };
        let added = self.addend().map(|addend| addend.from);
        std::iter::once(self.input).chain(added).chain(others.iter().copied())
    }
}

impl QuantNetwork {
    /// Whether the layer with this index is one of the outputs.
    pub fn is_output(&self, layer: usize) -> bool {
        self.outputs.contains(&layer)
    }

    /// How often each map is read by layers; one that is not here is not.
    pub fn n_reads(&self) -> HashMap<TensorRef, usize> {
        let mut n_reads = HashMap::new();
        for map in self.layers.iter().flat_map(Layer::reads) {
            *n_reads.entry(map).or_default() += 1;
        }
        n_reads
    }

    /// The zero point of a map.
    pub fn zero_point(&self, map: TensorRef) -> i8 {
        match map {
            TensorRef::Input => self.input.zero_point,
            TensorRef::Layer(index) => self.layers[index].zero_point,
        }
    }

    /// The seed by which the images that it was trained on were divided, if its provenance says so.
    pub fn split_seed(&self) -> Option<u64> {
        self.provenance.pointer("/options/split-seed").and_then(Value::as_u64)
    }

    /// SHA-256 of the record of its training images, if its provenance names one.
    pub fn training_images_sha256(&self) -> Option<&str> {
        self.provenance.pointer("/training_images/sha256").and_then(Value::as_str)
    }

    /// The band of the images that it was trained on, as far as its provenance names one.
    pub fn band(&self) -> Option<&str> {
        self.provenance.pointer("/options/band").and_then(Value::as_str)
    }
}
