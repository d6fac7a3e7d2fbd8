//! Networks of any layers, with random weights: a test gives shapes, and constants are drawn that neither vanish nor always
//! saturate.

use ndarray::{Array1, Array4};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use spec::{
    Add, Bounds, Conv, FullyConnected, InputSpec, Layer, MAX_MULTIPLIER, Op, QuantNetwork,
    Requantize, Rounding, Shape, Sparsity, TensorRef, Window,
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
    /// Of every map.
    zero_point: i8,
}

impl Sketch {
    /// Starts with an input of `[height, width, channels]`.
    pub fn new(name: &str, [height, width, channels]: [usize; 3], seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let zero_point = if rng.random() { 0 } else { rng.random_range(-30..=30) };
        let input = InputSpec {
            height,
            width,
            channels,
            space_to_depth: 1,
            scale: 1.0,
            zero_point,
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
        Self { network, shapes: Vec::new(), rng, zero_point }
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

    /// Adds a global average pool.
    pub fn global_average_pool(&mut self, input: TensorRef) -> TensorRef {
        let shape = self.shape(input);
        let requantize = self.constants(shape.channels, MAP_RMS * shape.n_pixels() as f64);
        self.push(input, Op::GlobalAveragePool, requantize, Bounds::INT8)
    }

    /// Adds a layer that brings a map to another scale.
    pub fn requantize(&mut self, input: TensorRef) -> TensorRef {
        let requantize = self.constants(self.shape(input).channels, MAP_RMS);
        let bounds = self.bounds();
        self.push(input, Op::Requantize, requantize, bounds)
    }

    /// Adds two maps, each multiplied by constants of its own.
    pub fn add(&mut self, input: TensorRef, other: TensorRef) -> TensorRef {
        let channels = self.shape(input).channels;
        let requantize = self.constants(channels, MAP_RMS);
        let near = |multiplier: &i32| *multiplier / 2 + self.rng.random_range(0..=*multiplier);
        let multiplier: Array1<i32> = requantize.multiplier.iter().map(near).collect();
        let bounds = self.bounds();
        self.push(input, Op::Add(Add { other, multiplier }), requantize, bounds)
    }

    /// Adds an average pool.
    pub fn average_pool(&mut self, input: TensorRef, window: Window) -> TensorRef {
        let bounds = self.bounds();
        self.push(input, Op::AveragePool(window), Requantize::none(), bounds)
    }

    /// Adds a max-pool.
    pub fn max_pool(&mut self, input: TensorRef, window: Window) -> TensorRef {
        let bounds = self.bounds();
        self.push(input, Op::MaxPool(window), Requantize::none(), bounds)
    }

    /// The layers that no other reads.
    pub fn unread(&self) -> Vec<TensorRef> {
        let n_reads = self.network.n_reads();
        let layers = (0..self.network.layers.len()).map(TensorRef::Layer);
        layers.filter(|map| !n_reads.contains_key(map)).collect()
    }

    /// Puts maps side by side.
    pub fn concat(&mut self, parts: &[TensorRef]) -> TensorRef {
        let op = Op::Concat(parts[1..].to_vec());
        self.push(parts[0], op, Requantize::none(), Bounds::INT8)
    }

    /// Ends the network, which sends the outputs of these layers; those that no other reads are of 16 bits.
    ///
    /// # Panics
    /// If the network breaks a rule.
    pub fn finish_with(mut self, outputs: &[usize]) -> QuantNetwork {
        let n_reads = self.network.n_reads();
        for &index in outputs {
            let is_read = n_reads.contains_key(&TensorRef::Layer(index));
            let layer = &mut self.network.layers[index];
            if !is_read && layer.op.has_constants() {
                layer.bounds = Bounds::INT16;
            }
        }
        self.network.outputs = outputs.to_vec();
        self.validated()
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
        self.validated()
    }

    fn validated(self) -> QuantNetwork {
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
        let bounds = self.bounds();
        self.push(input, op, requantize, bounds)
    }

    /// Those of ReLU, of all int8, or narrower ones.
    fn bounds(&mut self) -> Bounds {
        match self.rng.random_range(0..3) {
            0 => Bounds::INT8,
            1 => Bounds { low: 0, ..Bounds::INT8 },
            _ => Bounds {
                low: self.rng.random_range(-128..=-60),
                high: self.rng.random_range(60..=127),
            },
        }
    }

    /// Constants that bring sums of this spread to that of a map, and biases of up to a quarter of it.
    fn constants(&mut self, n_channels: usize, spread: f64) -> Requantize {
        let shift = (f64::from(MAX_MULTIPLIER) / (MAP_RMS / spread)).log2() as i32 - 1;
        let multiplier = MAP_RMS / spread * f64::from(shift).exp2();
        let quarter = (spread / 4.0) as i32;
        let bias = (0..n_channels).map(|_| self.rng.random_range(-quarter..=quarter)).collect();
        let multipliers = (0..n_channels)
            .map(|_| (multiplier * self.rng.random_range(0.5..1.5)) as i32)
            .collect();
        let rounding = *[Rounding::HalfEven, Rounding::HalfAway]
            .choose(&mut self.rng)
            .expect("there are choices");
        let shifts = (0..n_channels).map(|_| shift).collect();
        Requantize { bias, multiplier: multipliers, shift: shifts, rounding }
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
        let zero_point = match op {
            Op::AveragePool(_) | Op::MaxPool(_) | Op::Concat(_) => self.network.zero_point(input),
            // Parts of a concatenation have one zero point.
            _ => self.zero_point,
        };
        let layer = Layer { name, input, op, requantize, bounds, zero_point, scale: 1.0 };
        self.shapes.push(layer.output_shape(|map| self.shape(map)));
        self.network.layers.push(layer);
        TensorRef::Layer(index)
    }
}
