//! The integer reference: plain loops that define every output bit.

use ndarray::{Array3, Array4, s};

use super::error::NetworkError;
use super::layers::{Conv, Layer, Op, QuantNetwork, Residual, Shape, TensorRef};
use super::quant::{clamp_i8, clamp_i16, scale_round};

/// The result of the last layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logits {
    /// One a class.
    pub values: Vec<i16>,
    /// Index of the largest logit, the lowest of equal ones.
    pub class: usize,
}

/// The output of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerOutput {
    /// `[height, width, channels]`, after pooling.
    Map(Array3<i8>),
    /// Of the last layer.
    Logits(Logits),
}

/// Everything that a network computes from one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    /// The output of every layer, in their order; the last is the logits.
    pub layers: Vec<LayerOutput>,
    /// The output of the last layer.
    pub logits: Logits,
}

impl LayerOutput {
    /// The feature map, `None` for logits.
    pub fn map(&self) -> Option<&Array3<i8>> {
        match self {
            Self::Map(map) => Some(map),
            Self::Logits(_) => None,
        }
    }
}

impl Logits {
    /// Finds the class of `values`.
    pub fn new(values: Vec<i16>) -> Self {
        let class = (0..values.len()).rev().max_by_key(|&index| values[index]).unwrap_or(0);
        Self { values, class }
    }
}

/// Runs a validated network on one image of int8 bytes, `[height, width, channels]`.
///
/// # Errors
/// [`NetworkError::ImageLength`] if the image has another size than the network's input.
///
/// # Panics
/// If the network does not pass [`QuantNetwork::validate`].
pub fn run_reference(network: &QuantNetwork, image: &[i8]) -> Result<Inference, NetworkError> {
    let expected = network.input.n_bytes();
    if image.len() != expected {
        return Err(NetworkError::ImageLength { expected, found: image.len() });
    }
    let input = space_to_depth(network, image);
    let mut maps: Vec<Array3<i8>> = Vec::new();
    let (last, inner) = network.layers.split_last().expect("a validated network has a layer");
    for layer in inner {
        let sums = layer_sums(layer, &input, &maps);
        let map = Array3::from_shape_fn(sums.dim(), |(y, x, k)| {
            clamp_i8(requantize(layer, sums[[y, x, k]], k), layer.relu)
        });
        maps.push(if matches!(&layer.op, Op::Conv(conv) if conv.max_pool) {
            max_pool(&map)
        } else {
            map
        });
    }
    let sums = layer_sums(last, &input, &maps);
    let logits = sums.iter().enumerate();
    let logits =
        logits.map(|(channel, &value)| clamp_i16(requantize(last, value, channel), last.relu));
    let logits = Logits::new(logits.collect());
    let layers = maps
        .into_iter()
        .map(LayerOutput::Map)
        .chain([LayerOutput::Logits(logits.clone())])
        .collect();
    Ok(Inference { layers, logits })
}

/// Channel `(dy * block + dx) * channels + c` of pixel `(y, x)` is channel `c` of `(y * block + dy, x * block + dx)`.
fn space_to_depth(network: &QuantNetwork, image: &[i8]) -> Array3<i8> {
    let input = &network.input;
    let block = input.space_to_depth;
    let Shape { height, width, channels } = input.shape();
    Array3::from_shape_fn((height, width, channels), |(y, x, k)| {
        let (position, c) = (k / input.channels, k % input.channels);
        let (row, column) = (y * block + position / block, x * block + position % block);
        image[(row * input.width + column) * input.channels + c]
    })
}

/// Accumulators with bias and residual, before pooling.
fn layer_sums(layer: &Layer, input: &Array3<i8>, maps: &[Array3<i8>]) -> Array3<i32> {
    let map = |tensor: TensorRef| match tensor {
        TensorRef::Input => input,
        TensorRef::Layer(index) => &maps[index],
    };
    let from = map(layer.input);
    let mut sums = match &layer.op {
        Op::Conv(conv) => convolve(layer, conv, from),
        Op::GlobalAveragePool => {
            let (_, _, channels) = from.dim();
            Array3::from_shape_fn((1, 1, channels), |(_, _, k)| {
                from.slice(s![.., .., k]).iter().map(|value| i32::from(*value)).sum()
            })
        }
        Op::FullyConnected(fc) => {
            let weight = &fc.weight;
            Array3::from_shape_fn((1, 1, weight.dim().0), |(_, _, k)| {
                let weights = weight.slice(s![k, .., .., ..]);
                from.iter()
                    .zip(weights)
                    .map(|(value, weight)| i32::from(*value) * i32::from(*weight))
                    .sum()
            })
        }
    };
    if let Some(Residual { from, stride, multiplier }) = layer.residual() {
        let from = map(*from);
        let (_, _, channels) = from.dim();
        for ((y, x, k), sum) in sums.indexed_iter_mut().filter(|((_, _, k), _)| *k < channels) {
            *sum += i32::from(from[[y * stride, x * stride, k]]) * multiplier[k];
        }
    }
    for ((_, _, k), sum) in sums.indexed_iter_mut() {
        *sum += layer.requantize.bias[k];
    }
    sums
}

/// The products of a pixel are a dot product for each kernel row: the taps of a row and their channels lie side by
/// side in the map and in the kernel alike.
fn convolve(layer: &Layer, conv: &Conv, input: &Array3<i8>) -> Array3<i32> {
    let (height, width, channels) = input.dim();
    let (n_out, kernel_height, kernel_width, _) = conv.weight.dim();
    let [top, _, left, _] = conv.padding;
    let out = layer.conv_shape(Shape { height, width, channels });
    let map: Vec<i16> = input.iter().map(|value| i16::from(*value)).collect();
    let kernel = widen(&conv.weight);
    let mut sums = Array3::zeros((out.height, out.width, n_out));
    let pixels = sums.as_slice_mut().expect("a new array is contiguous").chunks_exact_mut(n_out);
    for (index, pixel) in pixels.enumerate() {
        let (oy, ox) = (index / out.width * conv.stride, index % out.width * conv.stride);
        let first = left.saturating_sub(ox);
        let last = kernel_width.min((width + left).saturating_sub(ox));
        if first >= last {
            continue;
        }
        let length = (last - first) * channels;
        for ky in (0..kernel_height).filter(|ky| (top..top + height).contains(&(oy + ky))) {
            let row = ((oy + ky - top) * width + ox + first - left) * channels;
            for (k, sum) in pixel.iter_mut().enumerate() {
                let weights = ((k * kernel_height + ky) * kernel_width + first) * channels;
                *sum += dot(&map[row..row + length], &kernel[weights..weights + length]);
            }
        }
    }
    sums
}

fn widen(weight: &Array4<i8>) -> Vec<i16> {
    weight.iter().map(|weight| i16::from(*weight)).collect()
}

fn dot(left: &[i16], right: &[i16]) -> i32 {
    left.iter().zip(right).map(|(left, right)| i32::from(*left) * i32::from(*right)).sum()
}

fn requantize(layer: &Layer, value: i32, channel: usize) -> i64 {
    let constants = &layer.requantize;
    scale_round(value, constants.multiplier[channel], constants.shift[channel] as u32)
}

fn max_pool(map: &Array3<i8>) -> Array3<i8> {
    let (height, width, channels) = map.dim();
    Array3::from_shape_fn((height / 2, width / 2, channels), |(y, x, k)| {
        let window = [(0, 0), (0, 1), (1, 0), (1, 1)];
        window
            .map(|(dy, dx)| map[[2 * y + dy, 2 * x + dx, k]])
            .into_iter()
            .max()
            .expect("a window has four pixels")
    })
}
