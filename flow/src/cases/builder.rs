//! Builds a network layer by layer, with random weights and constants that fit them.

mod maps;

use ndarray::{Array1, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use spec::{
    Bounds, Conv, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, FullyConnected, InputSpec, Layer,
    MAX_RESIDUAL_MULTIPLIER, Op, QuantNetwork, Requantize, Residual, Rounding, Shape, Sparsity,
    TensorRef,
};

use super::weights::random_weights;

/// Standard deviation of a layer's outputs before ReLU.
const SPREAD: f64 = 40.0;
/// Standard deviation of the logits.
const LOGIT_SPREAD: f64 = 2000.0;
/// Root mean square of uniform int8 inputs.
const INPUT_RMS: f64 = 74.0;

/// A convolution to add.
#[derive(Clone, Debug)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Rows and columns.
    pub stride: [usize; 2],
    /// Rows and columns between neighboring taps.
    pub dilation: [usize; 2],
    /// Groups of channels, which divide input and output channels; as many as the input's channels for a depthwise one.
    pub groups: usize,
    /// Top, bottom, left, right.
    pub padding: [usize; 4],
    /// How it is pruned.
    pub sparsity: Sparsity,
    /// A map to add, and its stride.
    pub residual: Option<(TensorRef, usize)>,
    /// Whether it is added after the scaling.
    pub after: bool,
    /// 2x2 max-pool.
    pub max_pool: bool,
    /// ReLU.
    pub relu: bool,
}

impl ConvSpec {
    /// A square kernel with padding that keeps the size at stride 1, and ReLU.
    pub fn same(channels: usize, kernel: usize, sparsity: Sparsity) -> Self {
        Self {
            channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            groups: 1,
            padding: [kernel / 2; 4],
            sparsity,
            residual: None,
            after: false,
            max_pool: false,
            relu: true,
        }
    }
}

/// A network in the making.
#[derive(Clone, Debug)]
pub struct Builder {
    input: InputSpec,
    layers: Vec<Layer>,
    shapes: Vec<Shape>,
    /// Root mean square of each layer's outputs, as far as the weights tell.
    rms: Vec<f64>,
    rng: ChaCha8Rng,
    seed: u64,
}

impl Builder {
    /// Starts with an input of `[height, width, channels]` and a space-to-depth block.
    pub fn new(input: [usize; 3], space_to_depth: usize, seed: u64) -> Self {
        let [height, width, channels] = input;
        let input = InputSpec {
            height,
            width,
            channels,
            space_to_depth,
            scale: 1.0 / 127.0,
            zero_point: 0,
            preprocess: None,
        };
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { input, layers: Vec::new(), shapes: Vec::new(), rms: Vec::new(), rng, seed }
    }

    /// The generator, for choices that belong to the same seed.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// The shape of a map.
    pub fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.input.shape(),
            TensorRef::Layer(index) => self.shapes[index],
        }
    }

    /// The zero point of a map.
    pub fn zero_point(&self, map: TensorRef) -> i8 {
        match map {
            TensorRef::Input => self.input.zero_point,
            TensorRef::Layer(index) => self.layers[index].zero_point,
        }
    }

    /// Gives the input another zero point than 0.
    pub fn set_input_zero_point(&mut self, zero_point: i8) {
        self.input.zero_point = zero_point;
    }

    /// The layers so far.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Takes a convolution's max-pool away; only of a layer that no other reads.
    pub fn unpool(&mut self, index: usize) {
        if let Some(Layer { op: Op::Conv(conv), .. }) = self.layers.get_mut(index) {
            conv.max_pool = false;
        }
    }

    /// The layer added last, to change its constants.
    pub fn last_mut(&mut self) -> Option<&mut Layer> {
        self.layers.last_mut()
    }

    /// Adds a convolution of `input`.
    pub fn conv(&mut self, name: &str, input: TensorRef, spec: &ConvSpec) -> TensorRef {
        let ConvSpec { channels, kernel, stride, padding, sparsity, max_pool, relu, .. } = *spec;
        let ConvSpec { dilation, groups, after, .. } = *spec;
        let shape = [channels, kernel[0], kernel[1], self.shape(input).channels / groups];
        let weight = random_weights(shape, sparsity, &mut self.rng);
        let spreads = self.spreads(&weight, input);
        let mut residual = spec.residual.map(|(from, stride)| {
            let unit = |spread: &f64| {
                (spread / SPREAD).round().clamp(1.0, f64::from(MAX_RESIDUAL_MULTIPLIER)) as i32
            };
            Residual { from, stride, multiplier: spreads.iter().map(unit).collect(), after }
        });
        let totals: Vec<f64> = match &residual {
            None | Some(Residual { after: true, .. }) => spreads,
            Some(Residual { from, multiplier, .. }) => {
                let rms = self.rms(*from);
                spreads
                    .iter()
                    .zip(multiplier)
                    .map(|(spread, m)| spread.hypot(f64::from(*m) * rms))
                    .collect()
            }
        };
        let mut requantize = self.requantize(&totals, SPREAD);
        if let Some(residual) = residual.as_mut().filter(|residual| residual.after) {
            residual.multiplier = self.added_after(&mut requantize);
        }
        let op = Op::Conv(Conv {
            groups,
            stride,
            dilation,
            padding,
            sparsity,
            residual,
            max_pool,
            ..Conv::new(weight)
        });
        self.push(name, input, op, requantize, relu)
    }

    /// Adds a global average pool of `input`.
    pub fn global_average_pool(&mut self, name: &str, input: TensorRef) -> TensorRef {
        let Shape { channels, .. } = self.shape(input);
        let (multiplier, shift) = fixed_point(1.0 / self.shape(input).n_pixels() as f64);
        let requantize = Requantize {
            bias: Array1::zeros(channels),
            multiplier: Array1::from_elem(channels, multiplier),
            shift: Array1::from_elem(channels, shift),
            rounding: Rounding::HalfEven,
        };
        self.push(name, input, Op::GlobalAveragePool, requantize, false)
    }

    /// Adds a fully connected layer over all of `input`.
    pub fn fully_connected(
        &mut self,
        name: &str,
        input: TensorRef,
        channels: usize,
        sparsity: Sparsity,
        relu: bool,
    ) -> TensorRef {
        let shape = self.shape(input);
        let weight = random_weights(
            [channels, shape.height, shape.width, shape.channels],
            sparsity,
            &mut self.rng,
        );
        let spreads = self.spreads(&weight, input);
        let requantize = self.requantize(&spreads, SPREAD);
        self.push(
            name,
            input,
            Op::FullyConnected(FullyConnected { weight, sparsity }),
            requantize,
            relu,
        )
    }

    /// Ends the network; the layer added last gives the logits, one a class.
    pub fn finish(mut self, name: &str) -> QuantNetwork {
        let n_classes = self.shapes.last().map_or(0, |shape| shape.channels);
        if let Some(layer) = self.layers.last_mut() {
            // The constants so far spread the outputs over int8.
            let factor = LOGIT_SPREAD / SPREAD;
            layer.bounds = Bounds::format_1(layer.bounds.low == 0, true);
            let constants = &mut layer.requantize;
            for (multiplier, shift) in constants.multiplier.iter_mut().zip(&mut constants.shift) {
                (*multiplier, *shift) =
                    fixed_point(f64::from(*multiplier) / f64::from(*shift).exp2() * factor);
            }
        }
        let output = self.layers.len().saturating_sub(1);
        let classes = (0..n_classes).map(|class| format!("class {class}")).collect();
        QuantNetwork { classes, ..self.finish_maps(name, vec![output]) }
    }

    /// Ends the network with the maps of these layers as outputs that are no classes.
    pub fn finish_maps(self, name: &str, outputs: Vec<usize>) -> QuantNetwork {
        QuantNetwork {
            name: name.to_owned(),
            input: self.input,
            classes: Vec::new(),
            outputs,
            layers: self.layers,
            provenance: json!({ "weights": "random", "seed": self.seed }),
        }
    }

    fn push(
        &mut self,
        name: &str,
        input: TensorRef,
        op: Op,
        requantize: Requantize,
        relu: bool,
    ) -> TensorRef {
        let rms = match op {
            Op::GlobalAveragePool | Op::AveragePool(_) | Op::MaxPool(_) | Op::Concat(_) => {
                self.rms(input)
            }
            _ if relu => SPREAD / 2f64.sqrt(),
            _ => SPREAD,
        };
        // What keeps values keeps what they mean.
        let zero_point = if op.has_constants() { 0 } else { self.zero_point(input) };
        let layer = Layer {
            name: name.to_owned(),
            input,
            op,
            requantize,
            bounds: Bounds::format_1(relu, false),
            zero_point,
            scale: 1.0 / 127.0,
        };
        self.shapes.push(layer.output_shape(|map| self.shape(map)));
        self.rms.push(rms);
        self.layers.push(layer);
        TensorRef::Layer(self.layers.len() - 1)
    }

    fn rms(&self, map: TensorRef) -> f64 {
        match map {
            TensorRef::Input => INPUT_RMS.hypot(self.input.zero_point.into()),
            TensorRef::Layer(index) => self.rms[index],
        }
    }

    /// Standard deviation of each channel's accumulator.
    fn spreads(&self, weight: &ndarray::Array4<i8>, input: TensorRef) -> Vec<f64> {
        let squares = |weights: ndarray::ArrayView3<'_, i8>| {
            weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>()
        };
        let rms = self.rms(input);
        weight.axis_iter(Axis(0)).map(|weights| (squares(weights).sqrt() * rms).max(1.0)).collect()
    }

    /// Brings accumulators that spread by `spreads` to a spread of `target`, with a bias of up to a quarter of it.
    fn requantize(&mut self, spreads: &[f64], target: f64) -> Requantize {
        let (multiplier, shift): (Vec<i32>, Vec<i32>) =
            spreads.iter().map(|spread| fixed_point(target / spread)).unzip();
        let bias = spreads.iter().map(|spread| {
            let quarter = (spread / 4.0) as i32;
            self.rng.random_range(-quarter..=quarter)
        });
        Requantize {
            bias: bias.collect(),
            multiplier: multiplier.into(),
            shift: shift.into(),
            rounding: Rounding::HalfEven,
        }
    }
}

/// The closest `multiplier / 2^shift`.
fn fixed_point(value: f64) -> (i32, i32) {
    let scaled = |shift: u32| (value * f64::from(shift).exp2()).round();
    let shift = (0..=FORMAT_1_MAX_SHIFT)
        .rev()
        .find(|shift| scaled(*shift) <= f64::from(FORMAT_1_MAX_MULTIPLIER))
        .unwrap_or(0);
    (scaled(shift).min(f64::from(FORMAT_1_MAX_MULTIPLIER)) as i32, shift as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_point_keeps_fifteen_bits() {
        assert_eq!(fixed_point(0.25), (16384, 16));
        assert_eq!(fixed_point(1.0 / 3.0), (21845, 16));
        assert_eq!(fixed_point(40000.0), (32767, 0));
        assert_eq!(fixed_point(1e-20), (0, 47));
    }
}
