//! A quantized network as other formats have it: integer weights, a scale and a zero point for each map, operations of the
//! size of TFLite's.
//!
//! What a reader promises:
//!
//! - maps are `[height, width, channels]`, channels innermost. The batch, of 1, is gone; a map of one axis is `[1, 1, n]`. A reader
//!   of a channels-first format permutes weights, also those of a fully connected node that reads a flattened map;
//! - activations are int8, weights int8 with zero point 0, biases int32 of scale `input scale * weight scale`;
//! - nodes are in the order of execution;
//! - what it does not know is in [`Graph::problems`], one a node, and that node is left out, so that [`crate::lower`] can tell all of
//!   them at once. Nodes that read what such a node computes stay in.
//!
//! Scales are binary32, as the formats have them: the order of their products decides the last bit of a multiplier.

use ndarray::Array4;
use spec::{Bounds, Rounding, Shape};

use crate::error::Problem;

/// A quantized network of another format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// A name for reports.
    pub name: String,
    /// Whose arithmetic the integers are to follow.
    pub runtime: Runtime,
    /// Every map.
    pub tensors: Vec<Tensor>,
    /// In the order of execution.
    pub nodes: Vec<Node>,
    /// The maps that the network takes.
    pub inputs: Vec<TensorId>,
    /// The maps that it gives.
    pub outputs: Vec<TensorId>,
    /// How images become real values of the input, where the file says it.
    pub normalization: Option<Normalization>,
    /// What is not supported, found by the reader.
    pub problems: Vec<Problem>,
    /// What the user is told, one line each: what the host does with the input, for one.
    pub notes: Vec<String>,
}

/// Of 8-bit samples `b` of an image: `(b - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One, or one a channel.
    pub mean: Vec<f32>,
    /// One, or one a channel.
    pub std: Vec<f32>,
}

/// Whose arithmetic it is: adds, requantizations and means over windows differ between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// TFLite with XNNPACK, as LiteRT installs it.
    #[default]
    LiteRt,
    /// The quantized operators of onnxruntime on signed activations: QOperator models.
    OnnxRuntime,
    /// ONNX's operators on real values by their definition, in binary32: QDQ models, as onnxruntime runs them without its
    /// optimizer's changes.
    Onnx,
}

/// The index of a map in [`Graph::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// A map: real value = `scale * (value - zero_point)`. What only the host reads or writes need not be int8: its scale is then 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// As the file has it; empty where the file has no such map, or no name for it.
    pub name: String,
    /// Rows, columns, channels.
    pub shape: Shape,
    /// Finite, above 0.
    pub scale: f32,
    /// The value that means 0.
    pub zero_point: i8,
}

/// A computed map.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The position among the nodes of the file, from 0.
    pub index: usize,
    /// As the file has it, else the name of what it computes; may be empty.
    pub name: String,
    /// The type of the operation, as the format writes it: `CONV_2D`, `QLinearConv`.
    pub kind: String,
    /// The maps that it reads; constants are in `op`.
    pub inputs: Vec<TensorId>,
    /// The map that it computes.
    pub output: TensorId,
    /// What it computes.
    pub op: Op,
    /// The smallest and largest value of the output: a fused or following ReLU, ReLU6 or clip. Within int8.
    pub bounds: Bounds,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Convolution, grouped and depthwise too. One input.
    Conv(Conv),
    /// Product with a whole map. One input.
    FullyConnected(FullyConnected),
    /// Sum of two maps of one shape.
    Add,
    /// Largest of the pixels in each window. One input.
    MaxPool(Pool),
    /// Mean of the pixels in each window. One input.
    AveragePool(AveragePool),
    /// Mean of all pixels of each channel. One input.
    GlobalAveragePool,
    /// The channels of all inputs, one after the other.
    Concat,
    /// The same real values at the scale, zero point and bounds of the output. One input; a ReLU by itself is one.
    Requantize,
    /// The map with rows and columns of zero point around it: top, bottom, left, right. One input.
    Pad([usize; 4]),
    /// The same values in the same order, in a map of another shape. One input.
    Reshape,
    /// What the host does with an output: it is no part of the network. One input.
    Host(HostOp),
}

/// A convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// `[out_channels, kernel_height, kernel_width, in_channels / groups]`. Of a depthwise convolution with `m` outputs a channel,
    /// output `c * m + i` is that of input channel `c`.
    pub weight: Array4<i8>,
    /// One, or one an output channel.
    pub weight_scales: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<i32>,
    /// Divides input and output channels.
    pub groups: usize,
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Rows, columns.
    pub dilation: [usize; 2],
    /// Top, bottom, left, right; such pixels hold the input's zero point. [`same_padding`] computes TFLite's.
    pub padding: [usize; 4],
}

/// A product with a whole map.
#[derive(Clone, Debug, PartialEq)]
pub struct FullyConnected {
    /// `[out_channels, height, width, in_channels]` of the map that is read, or `[out_channels, 1, 1, n]` of as many values in the order
    /// height, width, channels.
    pub weight: Array4<i8>,
    /// One, or one an output channel.
    pub weight_scales: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<i32>,
}

/// A window that moves over each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Top, bottom, left, right.
    pub padding: [usize; 4],
}

/// A window whose mean is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePool {
    /// The window.
    pub pool: Pool,
    /// Whether pixels of the padding count in the mean, as zeros.
    pub counts_padding: bool,
    /// TFLite's is half away from zero, onnxruntime's half to even.
    pub rounding: Rounding,
}

/// What stays on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOp {
    /// Exponentials, normalized; the largest value stays the largest.
    Softmax,
    /// The logarithm of a softmax.
    LogSoftmax,
    /// The logistic function.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// The index of the largest value.
    ArgMax,
    /// Real values from integers.
    Dequantize,
    /// Integers of another type, such as uint8.
    Convert,
    /// Another shape of what the host computes.
    Reshape,
    /// Another order of axes.
    Transpose,
}

impl Graph {
    /// A map.
    ///
    /// # Panics
    /// If there is none of this index: readers give no others out.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }
}

/// Rows or columns before and after the map with which a window of `extent` (dilation included) and `stride` gives
/// `ceil(size / stride)` pixels: TFLite's SAME, ONNX's SAME_UPPER.
pub fn same_padding(size: usize, extent: usize, stride: usize) -> [usize; 2] {
    let n_outputs = size.div_ceil(stride.max(1));
    let reach = (n_outputs.max(1) - 1).saturating_mul(stride).saturating_add(extent);
    let total = reach.saturating_sub(size);
    [total / 2, total - total / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_after_the_map() {
        assert_eq!(same_padding(32, 3, 1), [1, 1]);
        assert_eq!(same_padding(32, 3, 2), [0, 1]);
        assert_eq!(same_padding(49, 10, 2), [4, 5]);
        assert_eq!(same_padding(10, 4, 2), [1, 1]);
        assert_eq!(same_padding(7, 1, 2), [0, 0]);
        assert_eq!(same_padding(0, usize::MAX, 0), [usize::MAX / 2, usize::MAX / 2 + 1]);
    }
}
