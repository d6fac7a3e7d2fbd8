//! A network in memory: its layers, what they read and the shapes of their maps.

use ndarray::{Array1, Array4};
use serde_json::Value;

use super::preprocess::Preprocess;
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
    /// How an image becomes the int8 input, `None` if the user brings int8 data.
    pub preprocess: Option<Preprocess>,
}

/// Per-channel requantization; all arrays have one entry an output channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantize {
    /// Added to the sum of products.
    pub bias: Array1<i32>,
    /// `0..=MAX_MULTIPLIER`.
    pub multiplier: Array1<i32>,
    /// `0..=MAX_SHIFT`.
    pub shift: Array1<i32>,
}

/// A feature map added to the accumulators before requantization.
///
/// Output `(y, x, k)` gets `residual_multiplier[k] * from[y * stride, x * stride, k]`, and nothing where `from` has no
/// channel `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residual {
    /// The map.
    pub from: TensorRef,
    /// 1..=4.
    pub stride: usize,
    /// One entry an output channel, `0..=MAX_RESIDUAL_MULTIPLIER`.
    pub multiplier: Array1<i32>,
}

/// A convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// `[out_channels, kernel_height, kernel_width, in_channels]`.
    pub weight: Array4<i8>,
    /// 1..=4, both directions.
    pub stride: usize,
    /// Zero rows and columns around the input: top, bottom, left, right.
    pub padding: [usize; 4],
    /// How it was pruned.
    pub sparsity: Sparsity,
    /// Added before requantization.
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

/// What a layer computes into its accumulators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Convolution, perhaps with residual add and max-pool.
    Conv(Conv),
    /// Sum over all pixels of each channel; the division is in the requantization.
    GlobalAveragePool,
    /// Product with a whole feature map.
    FullyConnected(FullyConnected),
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Unique in the network.
    pub name: String,
    /// What it reads.
    pub input: TensorRef,
    /// What it computes.
    pub op: Op,
    /// From accumulators to outputs.
    pub requantize: Requantize,
    /// Negative results become 0.
    pub relu: bool,
    /// Real value of one step of the output; a label.
    pub scale: f64,
}

/// A quantized classifier. The last layer gives the logits, 16 bits each, from a map of one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantNetwork {
    /// A name for reports.
    pub name: String,
    /// What it takes.
    pub input: InputSpec,
    /// Class names, one a logit.
    pub classes: Vec<String>,
    /// In the order of execution; a layer reads only earlier ones.
    pub layers: Vec<Layer>,
    /// How it came to be: command, seed, data, accuracy. Free-form.
    pub provenance: Value,
}

/// Rows, columns and channels of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl InputSpec {
    /// The map that the first layer sees, after space-to-depth.
    pub fn shape(&self) -> Shape {
        let block = self.space_to_depth;
        Shape {
            height: self.height / block,
            width: self.width / block,
            channels: self.channels * block * block,
        }
    }

    /// Bytes of one image at the input port, `[height, width, channels]`.
    pub fn n_bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl Shape {
    /// Pixels of the map.
    pub fn n_pixels(&self) -> usize {
        self.height * self.width
    }

    /// The output of a 2x2 max-pool: an odd last row or column is dropped.
    pub(super) fn pooled(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2, ..self }
    }

    /// The output of a convolution whose kernel fits the padded map.
    pub(super) fn convolved(
        &self,
        weight: &Array4<i8>,
        stride: usize,
        [top, bottom, left, right]: [usize; 4],
    ) -> Self {
        let (channels, kernel_height, kernel_width, _) = weight.dim();
        Self {
            height: (self.height + top + bottom - kernel_height) / stride + 1,
            width: (self.width + left + right - kernel_width) / stride + 1,
            channels,
        }
    }
}

impl Layer {
    /// Output shape of the convolution, sum or product, before pooling.
    pub fn conv_shape(&self, input: Shape) -> Shape {
        match &self.op {
            Op::Conv(conv) => input.convolved(&conv.weight, conv.stride, conv.padding),
            Op::GlobalAveragePool => Shape { height: 1, width: 1, channels: input.channels },
            Op::FullyConnected(fc) => Shape { height: 1, width: 1, channels: fc.weight.dim().0 },
        }
    }

    /// Output shape after pooling.
    pub fn output_shape(&self, input: Shape) -> Shape {
        let shape = self.conv_shape(input);
        match &self.op {
            Op::Conv(conv) if conv.max_pool => shape.pooled(),
            _ => shape,
        }
    }
}

impl QuantNetwork {
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

    /// The output shape of every layer of a validated network.
    pub fn shapes(&self) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let input = match layer.input {
                TensorRef::Input => self.input.shape(),
                TensorRef::Layer(index) => shapes[index],
            };
            shapes.push(layer.output_shape(input));
        }
        shapes
    }

    /// The shape of a feature map of a validated network. Walks the layers before it: [`Self::shapes`] gives those of all.
    pub fn shape(&self, tensor: TensorRef) -> Shape {
        let mut chain = Vec::new();
        let mut map = tensor;
        while let TensorRef::Layer(index) = map {
            chain.push(index);
            map = self.layers[index].input;
        }
        let input = self.input.shape();
        chain.iter().rev().fold(input, |shape, index| self.layers[*index].output_shape(shape))
    }
}
