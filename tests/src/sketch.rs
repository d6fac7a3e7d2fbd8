//! Networks of any layers, with random weights: a test gives shapes, and constants are drawn that neither vanish nor always
//! saturate.

use ndarray::Array4;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use spec::{
    Bounds, Conv, FORMAT_1_MAX_MULTIPLIER, FullyConnected, InputSpec, Layer, Op, QuantNetwork,
    Requantize, Rounding, Shape, Sparsity, TensorRef,
};

/// Root mean square of a map's values, and of weights, as far as the constants know.
const MAP_RMS: f64 = 50.0;
const WEIGHT_RMS: f64 = 74.0;

/// A network in the making.
#[derive(Clone, Debug)]
pub struct Sketch {
    network: QuantNetwork,
    shapes: Vec<Shape>,
    rng: ChaCha8Rng,
}

impl Sketch {
    /// Starts with an input of `[height, width, channels]`.
    pub fn new(name: &str, [height, width, channels]: [usize; 3], seed: u64) -> Self {
        let input = InputSpec {
            height,
            width,
            channels,
            space_to_depth: 1,
            scale: 1.0,
            zero_point: 0,
            preprocess: None,
        };
        let network = QuantNetwork {
            name: name.to_owned(),
            input,
            classes: Vec::new(),
            layers: Vec::new(),
            outputs: Vec::new(),
            provenance: Value::Null,
        };
        Self { network, shapes: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The generator, for choices that belong to the same seed.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// The shape of a map.
    pub fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.network.input.shape(),
            TensorRef::Layer(index) => self.shapes[index],
        }
    }

    /// Adds a convolution that `change` gives groups, strides, dilation and padding.
    pub fn conv(
        &mut self,
        input: TensorRef,
        channels: usize,
        [height, width]: [usize; 2],
        change: impl FnOnce(&mut Conv),
    ) -> TensorRef {
        let mut conv = Conv::new(Array4::zeros((0, 0, 0, 0)));
        change(&mut conv);
        let n_inputs = self.shape(input).channels / conv.groups;
        conv.weight = self.weights([channels, height, width, n_inputs]);
        self.multiplying(input, Op::Conv(conv), height * width * n_inputs)
    }

    /// Adds a depthwise convolution of so many output channels an input channel.
    pub fn depthwise(
        &mut self,
        input: TensorRef,
        multiplier: usize,
        kernel: [usize; 2],
        change: impl FnOnce(&mut Conv),
    ) -> TensorRef {
        let Shape { channels, .. } = self.shape(input);
        self.conv(input, channels * multiplier, kernel, |conv| {
            conv.groups = channels;
            change(conv);
        })
    }

    /// Adds a fully connected layer over all of `input`.
    pub fn fully_connected(&mut self, input: TensorRef, channels: usize) -> TensorRef {
        let Shape { height, width, channels: n_inputs } = self.shape(input);
        let weight = self.weights([channels, height, width, n_inputs]);
        let op = Op::FullyConnected(FullyConnected { weight, sparsity: Sparsity::default() });
        self.multiplying(input, op, height * width * n_inputs)
    }

    /// Ends the network; the layer added last gives the logits, one a class.
    ///
    /// # Panics
    /// If the network breaks a rule.
    pub fn finish(mut self) -> QuantNetwork {
        let last = self.network.layers.len() - 1;
        self.network.layers[last].bounds = Bounds::INT16;
        let n_classes = self.shapes[last].channels;
        self.network.classes = (0..n_classes).map(|class| format!("class {class}")).collect();
        self.network.outputs = vec![last];
        if let Err(errors) = self.network.validate() {
            panic!("{}: {errors:?}", self.network.name);
        }
        self.network
    }

    fn weights(&mut self, shape: [usize; 4]) -> Array4<i8> {
        Array4::from_shape_simple_fn(shape, || self.rng.random())
    }

    /// Adds a layer whose outputs are sums of so many products.
    fn multiplying(&mut self, input: TensorRef, op: Op, n_products: usize) -> TensorRef {
        let spread = (n_products as f64).sqrt() * MAP_RMS * WEIGHT_RMS;
        let weight = op.weight().expect("the layer has weights");
        let n_channels = weight.dim().0;
        let requantize = self.constants(n_channels, spread);
        let low = if self.rng.random() { 0 } else { i16::from(i8::MIN) };
        self.push(input, op, requantize, Bounds { low, ..Bounds::INT8 })
    }

    /// Constants that bring sums of this spread to that of a map, and biases of up to a quarter of it.
    fn constants(&mut self, n_channels: usize, spread: f64) -> Requantize {
        let shift = (f64::from(FORMAT_1_MAX_MULTIPLIER) / (MAP_RMS / spread)).log2() as i32 - 1;
        let multiplier = MAP_RMS / spread * f64::from(shift).exp2();
        let quarter = (spread / 4.0) as i32;
        let bias = (0..n_channels).map(|_| self.rng.random_range(-quarter..=quarter)).collect();
        let multipliers = (0..n_channels)
            .map(|_| (multiplier * self.rng.random_range(0.5..1.5)) as i32)
            .collect();
        let shifts = (0..n_channels).map(|_| shift).collect();
        Requantize { bias, multiplier: multipliers, shift: shifts, rounding: Rounding::HalfEven }
    }

    fn push(
        &mut self,
        input: TensorRef,
        op: Op,
        requantize: Requantize,
        bounds: Bounds,
    ) -> TensorRef {
        let index = self.network.layers.len();
        let name = format!("layer{index}");
        let layer = Layer { name, input, op, requantize, bounds, zero_point: 0, scale: 1.0 };
        self.shapes.push(layer.output_shape(|map| self.shape(map)));
        self.network.layers.push(layer);
        TensorRef::Layer(index)
    }
}
