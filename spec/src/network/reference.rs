//! The integer reference: plain loops that define every output bit. docs/network.md has the same in formulas.

use ndarray::{Array3, Array4, Axis, s};

use super::error::NetworkError;
use super::layers::{Conv, Layer, Op, QuantNetwork, TensorRef, Window};
use super::quant::round_shift;
use super::shapes::Shape;

/// What leaves the accelerator: of a classifier the logits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logits {
    /// All values of the outputs, one output after the other, each `[height, width, channels]` with the channels innermost.
    pub values: Vec<i16>,
    /// Index of the largest value, the lowest of equal ones.
    pub class: usize,
}

/// The output of a layer, `[height, width, channels]`, after pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerOutput {
    /// Of a layer that only others read.
    Map(Array3<i8>),
    /// Of an output of the network.
    Output(Array3<i16>),
}

/// Everything that a network computes from one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    /// The output of every layer, in their order.
    pub layers: Vec<LayerOutput>,
    /// The outputs of the network.
    pub logits: Logits,
}

impl LayerOutput {
    /// The feature map, `None` for an output.
    pub fn map(&self) -> Option<&Array3<i8>> {
        match self {
            Self::Map(map) => Some(map),
            Self::Output(_) => None,
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
    let mut run = Run { network, input, maps: Vec::with_capacity(network.layers.len()) };
    for layer in &network.layers {
        let map = run.layer(layer);
        run.maps.push(map);
    }
    let outputs = network.outputs.iter().flat_map(|index| run.maps[*index].iter().copied());
    let logits = Logits::new(outputs.collect());
    let layers = run.maps.into_iter().enumerate().map(|(index, map)| {
        if network.is_output(index) {
            LayerOutput::Output(map)
        } else {
            LayerOutput::Map(map.mapv(|value| value as i8))
        }
    });
    Ok(Inference { layers: layers.collect(), logits })
}

/// Channel `(dy * block + dx) * channels + c` of pixel `(y, x)` is channel `c` of `(y * block + dy, x * block + dx)`.
fn space_to_depth(network: &QuantNetwork, image: &[i8]) -> Array3<i16> {
    let input = &network.input;
    let block = input.space_to_depth;
    let Shape { height, width, channels } = input.shape();
    Array3::from_shape_fn((height, width, channels), |(y, x, k)| {
        let (position, c) = (k / input.channels, k % input.channels);
        let (row, column) = (y * block + position / block, x * block + position % block);
        image[(row * input.width + column) * input.channels + c].into()
    })
}

/// The maps so far.
struct Run<'a> {
    network: &'a QuantNetwork,
    input: Array3<i16>,
    maps: Vec<Array3<i16>>,
}

impl Run<'_> {
    fn map(&self, map: TensorRef) -> &Array3<i16> {
        match map {
            TensorRef::Input => &self.input,
            TensorRef::Layer(index) => &self.maps[index],
        }
    }

    fn layer(&self, layer: &Layer) -> Array3<i16> {
        let input = self.map(layer.input);
        let clamp = |value: i64| layer.bounds.clamp(value);
        match &layer.op {
            Op::AveragePool(window) => pool(input, window, |pixels| clamp(rounded_mean(pixels))),
            Op::MaxPool(window) => pool(input, window, |pixels| {
                let largest = pixels.iter().max().expect("a window has a pixel");
                clamp((*largest).into())
            }),
            Op::Concat(_) => {
                let parts: Vec<_> = layer.reads().map(|map| self.map(map).view()).collect();
                let joined = ndarray::concatenate(Axis(2), &parts);
                let joined = joined.expect("the parts have the same pixels");
                // Rows of one channel come out in another order of axes.
                joined.as_standard_layout().into_owned()
            }
            Op::Conv(conv) if conv.max_pool => max_pool(&self.requantized(layer)),
            _ => self.requantized(layer),
        }
    }

    /// `clamp(round(v / 2^shift) + zero_point)`, before pooling.
    fn requantized(&self, layer: &Layer) -> Array3<i16> {
        let added = layer.addend().map(|addend| {
            let (map, zero_point) = (self.map(addend.from), self.network.zero_point(addend.from));
            (addend, map, i64::from(zero_point))
        });
        let constants = &layer.requantize;
        let sums = self.sums(layer);
        Array3::from_shape_fn(sums.dim(), |(y, x, k)| {
            let (mut before, mut after) = (0, 0);
            if let Some((addend, map, zero_point)) = &added
                && let Some(value) = map.get([y * addend.stride, x * addend.stride, k])
            {
                let product = (i64::from(*value) - zero_point) * i64::from(addend.multiplier[k]);
                *(if addend.after { &mut after } else { &mut before }) = product;
            }
            let t = i64::from(sums[[y, x, k]]) + i64::from(constants.bias[k]) + before;
            let v = t * i64::from(constants.multiplier[k]) + after;
            let rounded = round_shift(v, constants.shift[k] as u32, constants.rounding);
            layer.bounds.clamp(rounded + i64::from(layer.zero_point))
        })
    }

    /// Accumulators without bias and residual.
    fn sums(&self, layer: &Layer) -> Array3<i32> {
        let zero_point = i16::from(self.network.zero_point(layer.input));
        let input = self.map(layer.input).mapv(|value| value - zero_point);
        match &layer.op {
            Op::Conv(conv) => {
                let (height, width, channels) = input.dim();
                let out = layer.computed_shape(|_| Shape { height, width, channels });
                convolve(conv, &input, out)
            }
            Op::GlobalAveragePool => {
                let (_, _, channels) = input.dim();
                Array3::from_shape_fn((1, 1, channels), |(_, _, k)| {
                    input.slice(s![.., .., k]).iter().map(|value| i32::from(*value)).sum()
                })
            }
            Op::FullyConnected(fc) => {
                let weight = &fc.weight;
                Array3::from_shape_fn((1, 1, weight.dim().0), |(_, _, k)| {
                    let weights = weight.slice(s![k, .., .., ..]);
                    input
                        .iter()
                        .zip(weights)
                        .map(|(value, weight)| i32::from(*value) * i32::from(*weight))
                        .sum()
                })
            }
            _ => input.mapv(i32::from),
        }
    }
}

/// The products of a pixel are a dot product for each kernel row where its taps and their channels lie side by side in
/// the map and in the kernel alike, and one for each tap of a kernel with dilation or groups.
///
/// `input` is less its zero point, so that a pixel outside of it adds nothing.
fn convolve(conv: &Conv, input: &Array3<i16>, out: Shape) -> Array3<i32> {
    let (height, width, channels) = input.dim();
    let (n_out, kernel_height, kernel_width, n_inputs) = conv.weight.dim();
    let [top, _, left, _] = conv.padding;
    let lies_side_by_side = conv.groups == 1 && conv.dilation[1] == 1;
    let per_group = n_out / conv.groups;
    let map: Vec<i16> = input.iter().copied().collect();
    let kernel = widen(&conv.weight);
    let mut sums = Array3::zeros((out.height, out.width, n_out));
    let pixels = sums.as_slice_mut().expect("a new array is contiguous").chunks_exact_mut(n_out);
    for (index, pixel) in pixels.enumerate() {
        let (oy, ox) = (index / out.width * conv.stride[0], index % out.width * conv.stride[1]);
        let row = |ky: usize| (oy + ky * conv.dilation[0]).checked_sub(top).filter(|y| *y < height);
        let column =
            |kx: usize| (ox + kx * conv.dilation[1]).checked_sub(left).filter(|x| *x < width);
        let inside: Vec<(usize, usize)> =
            (0..kernel_width).filter_map(|kx| Some((kx, column(kx)?))).collect();
        let length = if lies_side_by_side { inside.len() } else { 1 };
        for (ky, y) in (0..kernel_height).filter_map(|ky| Some((ky, row(ky)?))) {
            for (kx, x) in inside.iter().step_by(length.max(1)) {
                let at = (y * width + x) * channels;
                for (k, sum) in pixel.iter_mut().enumerate() {
                    let at = at + k / per_group * n_inputs;
                    let weights = ((k * kernel_height + ky) * kernel_width + kx) * n_inputs;
                    let length = length * n_inputs;
                    *sum += dot(&map[at..at + length], &kernel[weights..weights + length]);
                }
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

/// What `of` makes of the pixels of the map that each window sees.
fn pool(map: &Array3<i16>, window: &Window, of: impl Fn(&[i16]) -> i16) -> Array3<i16> {
    let (height, width, channels) = map.dim();
    let out = Shape { height, width, channels }.swept(window.sweep());
    let [top, _, left, _] = window.padding;
    let mut pixels = Vec::new();
    Array3::from_shape_fn((out.height, out.width, channels), |(y, x, k)| {
        pixels.clear();
        for row in (0..window.kernel[0]).map(|ky| y * window.stride[0] + ky) {
            for column in (0..window.kernel[1]).map(|kx| x * window.stride[1] + kx) {
                let inside = row.checked_sub(top).zip(column.checked_sub(left));
                pixels.extend(inside.and_then(|(y, x)| map.get([y, x, k])));
            }
        }
        of(&pixels)
    })
}

/// The mean to the nearest integer, halves away from zero.
fn rounded_mean(pixels: &[i16]) -> i64 {
    let sum: i64 = pixels.iter().map(|pixel| i64::from(*pixel)).sum();
    let n = pixels.len() as i64;
    sum.signum() * ((2 * sum.abs() + n) / (2 * n))
}

fn max_pool(map: &Array3<i16>) -> Array3<i16> {
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
