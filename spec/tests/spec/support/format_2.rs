//! Networks of format 2.

use ndarray::{Array1, Array4};
use proptest::prelude::*;
use serde_json::json;
use spec::{
    Add, Bounds, Conv, FullyConnected, InputSpec, Layer, MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER,
    Op, Pattern, QuantNetwork, Requantize, Residual, Rounding, Shape, Sparsity, TensorRef, Window,
};

use super::{Random, prune, random_sparsity, random_weight, toy};

/// The example of docs/network.md: every operation and key of format 2.
pub(crate) fn toy_2() -> QuantNetwork {
    let requantize = |n: usize, shift: i32, rounding| Requantize {
        bias: Array1::from_elem(n, 300),
        multiplier: Array1::from_shape_fn(n, |k| 10_000_019 + 65_537 * k as i32),
        shift: Array1::from_elem(n, shift),
        rounding,
    };
    let weights = |shape: (usize, usize, usize, usize)| {
        Array4::from_shape_fn(shape, |(k, y, x, c)| {
            ((k * 37 + y * 11 + x * 5 + c * 3) % 23) as i8 - 11
        })
    };
    let first = weights((4, 3, 3, 4));
    let first = Array4::from_shape_fn(first.dim(), |(k, y, x, c)| {
        if c % 2 == (y + x) % 2 { first[[k, y, x, c]] } else { 0 }
    });
    let even = Rounding::HalfEven;
    let layer = |name: &str, input: usize, op, requantize, zero_point, scale| Layer {
        name: name.into(),
        input: TensorRef::Layer(input),
        op,
        requantize,
        bounds: Bounds::INT8,
        zero_point,
        scale,
    };
    let multiplier = || Array1::from_shape_fn(4, |k| 9_000_001 + 1_000_003 * k as i32);
    let residual =
        Residual { from: TensorRef::Layer(0), stride: 1, multiplier: multiplier(), after: true };
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    let layers = vec![
        Layer {
            input: TensorRef::Input,
            bounds: Bounds { low: -20, high: 127 },
            ..layer(
                "conv",
                0,
                Op::Conv(Conv {
                    padding: [1; 4],
                    sparsity: Sparsity { pattern: Pattern::UhpShared, group: 16 },
                    ..Conv::new(first)
                }),
                requantize(4, 28, even),
                -20,
                0.02,
            )
        },
        layer(
            "depthwise",
            0,
            Op::Conv(Conv {
                padding: [1, 1, 2, 2],
                dilation: [1, 2],
                groups: 4,
                residual: Some(residual),
                ..Conv::new(weights((4, 3, 3, 1)))
            }),
            requantize(4, 26, even),
            7,
            0.02,
        ),
        Layer {
            bounds: Bounds { low: -100, high: 100 },
            ..layer(
                "add",
                1,
                Op::Add(Add { other: TensorRef::Layer(0), multiplier: multiplier() }),
                requantize(4, 24, even),
                -5,
                0.03,
            )
        },
        layer(
            "largest",
            2,
            Op::MaxPool(window([3, 2], [2, 1], [1, 1, 0, 1])),
            Requantize::none(),
            -5,
            0.03,
        ),
        layer(
            "mean",
            2,
            Op::AveragePool(window([2, 3], [2, 1], [0, 0, 1, 1])),
            Requantize::none(),
            -5,
            0.03,
        ),
        layer("scaled", 0, Op::Requantize, requantize(4, 24, Rounding::HalfAway), -5, 0.03),
        layer(
            "small",
            5,
            Op::MaxPool(window([1, 1], [2, 1], [0; 4])),
            Requantize::none(),
            -5,
            0.03,
        ),
        layer(
            "concat",
            3,
            Op::Concat(vec![TensorRef::Layer(4), TensorRef::Layer(6)]),
            Requantize::none(),
            -5,
            0.03,
        ),
        layer("pool", 7, Op::GlobalAveragePool, requantize(12, 27, even), 1, 0.02),
        Layer {
            bounds: Bounds::INT16,
            ..layer(
                "fc",
                8,
                Op::FullyConnected(FullyConnected {
                    weight: weights((2, 1, 1, 12)),
                    sparsity: Sparsity::default(),
                }),
                requantize(2, 22, even),
                0,
                0.001,
            )
        },
    ];
    let toy = toy();
    QuantNetwork {
        name: "toy 2".into(),
        input: InputSpec { zero_point: 3, ..toy.input },
        classes: Vec::new(),
        layers,
        outputs: vec![9, 7],
        provenance: json!({}),
    }
}

/// Valid networks of any kind of layer.
pub(crate) fn networks_2() -> impl Strategy<Value = (QuantNetwork, Vec<i8>)> {
    (1usize..9, any::<u64>()).prop_map(|(n_layers, seed)| {
        let mut random = Random::new(seed);
        let network = random_network_2(n_layers, &mut random);
        let image = random.image(network.input.n_bytes());
        (network, image)
    })
}

/// A network of about so many layers; those that none reads are outputs, and some that are read.
pub(crate) fn random_network_2(n_layers: usize, random: &mut Random) -> QuantNetwork {
    let block = random.size(1, 2);
    let input = InputSpec {
        height: block * random.size(1, 12),
        width: block * random.size(1, 12),
        channels: random.size(1, 4),
        space_to_depth: block,
        scale: 0.25,
        zero_point: random.int8(),
        preprocess: None,
    };
    let network = QuantNetwork {
        name: "random".into(),
        input,
        classes: Vec::new(),
        layers: Vec::new(),
        outputs: Vec::new(),
        provenance: json!(null),
    };
    let mut maker = Maker { network, random };
    for _ in 0..n_layers {
        maker.layer();
    }
    let Maker { mut network, random } = maker;
    let mut is_read = vec![false; network.layers.len()];
    for map in network.layers.iter().flat_map(Layer::reads) {
        if let TensorRef::Layer(index) = map {
            is_read[index] = true;
        }
    }
    for (index, is_read) in is_read.into_iter().enumerate() {
        let layer = &mut network.layers[index];
        let is_pooled = matches!(&layer.op, Op::Conv(conv) if conv.max_pool);
        match (is_read, is_pooled) {
            (false, true) => {
                let Op::Conv(conv) = &mut layer.op else { unreachable!("it is a convolution") };
                conv.max_pool = false;
            }
            (false, false) if layer.op.has_constants() && random.chance(50) => {
                layer.bounds = Bounds::INT16;
            }
            _ => {}
        }
        if !is_read || !is_pooled && random.chance(10) {
            let place = random.size(0, network.outputs.len());
            network.outputs.insert(place, index);
        }
    }
    network
}

struct Maker<'a> {
    network: QuantNetwork,
    random: &'a mut Random,
}

impl Maker<'_> {
    fn layer(&mut self) {
        let input = self.map();
        match self.random.range(0, 11) {
            0 => self.window(input),
            1 => self.average(input),
            2 => self.add(input),
            3 => self.concat(input),
            4 => self.push_sum(input, Op::Requantize, 1),
            5 => self.push_sum(input, Op::GlobalAveragePool, self.network.shape(input).n_pixels()),
            6 => self.fully_connected(input),
            _ => self.conv(input),
        };
    }

    /// Mostly the last map, so that networks are deep.
    fn map(&mut self) -> TensorRef {
        let n = self.network.layers.len();
        let index = if self.random.chance(60) { n } else { self.random.size(0, n) };
        index.checked_sub(1).map_or(TensorRef::Input, TensorRef::Layer)
    }

    fn maps(&self, fits: impl Fn(Shape) -> bool) -> Vec<TensorRef> {
        let layers = (0..self.network.layers.len()).map(TensorRef::Layer);
        let maps = std::iter::once(TensorRef::Input).chain(layers);
        maps.filter(|map| fits(self.network.shape(*map))).collect()
    }

    fn pick(&mut self, maps: &[TensorRef]) -> TensorRef {
        maps[self.random.size(0, maps.len() - 1)]
    }

    fn quantization(&self, map: TensorRef) -> (i8, f64) {
        match map {
            TensorRef::Input => (self.network.input.zero_point, self.network.input.scale),
            TensorRef::Layer(index) => {
                let layer = &self.network.layers[index];
                (layer.zero_point, layer.scale)
            }
        }
    }

    fn bounds(&mut self) -> Bounds {
        if self.random.chance(40) {
            return Bounds::INT8;
        }
        let (a, b) = (self.random.int8(), self.random.int8());
        Bounds { low: a.min(b).into(), high: a.max(b).into() }
    }

    fn push(
        &mut self,
        input: TensorRef,
        op: Op,
        requantize: Requantize,
        quantization: (i8, f64),
    ) -> TensorRef {
        let index = self.network.layers.len();
        let bounds = if matches!(op, Op::Concat(_)) { Bounds::INT8 } else { self.bounds() };
        self.network.layers.push(Layer {
            name: format!("layer {index}"),
            input,
            op,
            requantize,
            bounds,
            zero_point: quantization.0,
            scale: quantization.1,
        });
        TensorRef::Layer(index)
    }

    /// A layer with constants for sums of so many terms.
    fn push_sum(&mut self, input: TensorRef, op: Op, n_terms: usize) -> TensorRef {
        let n_channels = op.weight().map_or(self.network.shape(input).channels, |w| w.dim().0);
        let weight_bits = if op.weight().is_some() { 6 } else { 0 };
        let spread = weight_bits + n_terms.ilog2() as i64 / 2;
        let bits = self.random.range(1, 24);
        let shift = (bits + spread).min(50);
        let random = &mut *self.random;
        let mut vector = |low: i64, high: i64| -> Array1<i32> {
            (0..n_channels).map(|_| random.range(low, high) as i32).collect()
        };
        let requantize = Requantize {
            bias: vector(-3000, 3000),
            multiplier: vector(0, (1 << bits) - 1),
            shift: vector((shift - 3).max(0), shift + 3),
            rounding: if self.random.chance(50) { Rounding::HalfEven } else { Rounding::HalfAway },
        };
        let scale = self.random.range(1, 9) as f64 / 16.0;
        let zero_point = if self.random.chance(70) { self.random.int8() } else { 0 };
        self.push(input, op, requantize, (zero_point, scale))
    }

    fn conv(&mut self, input: TensorRef) -> TensorRef {
        let map = self.network.shape(input);
        let dilation =
            [0; 2].map(|_: usize| if self.random.chance(70) { 1 } else { self.random.size(1, 4) });
        let kernel = [0; 2].map(|_: usize| match self.random.range(0, 5) {
            0 => self.random.size(1, 16),
            1 | 2 => 3,
            _ => self.random.size(1, 4),
        });
        let extent = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
        let mut padding = [0; 4].map(|_: usize| self.random.size(0, 3));
        let sides = [map.height, map.width];
        for axis in 0..2 {
            let lacking = extent[axis]
                .saturating_sub(sides[axis] + padding[2 * axis] + padding[2 * axis + 1]);
            padding[2 * axis] += lacking / 2;
            padding[2 * axis + 1] += lacking.div_ceil(2);
        }
        if padding.iter().any(|side| *side > 15) {
            return self.push_sum(input, Op::Requantize, 1);
        }
        let stride = [0; 2].map(|_: usize| self.random.size(1, 4));
        let divisors: Vec<usize> =
            (1..=map.channels).filter(|n| map.channels.is_multiple_of(*n)).collect();
        let groups = match self.random.range(0, 3) {
            0 => map.channels,
            1 => divisors[self.random.size(0, divisors.len() - 1)],
            _ => 1,
        };
        let n_out = groups * self.random.size(1, (9 / groups).max(1));
        let n_in = map.channels / groups;
        let sparsity = if groups > 1 { Sparsity::default() } else { random_sparsity(self.random) };
        let weight = random_weight((n_out, kernel[0], kernel[1], n_in), self.random);
        let weight = prune(weight, sparsity, self.random);
        let rows = |axis: usize| {
            (sides[axis] + padding[2 * axis] + padding[2 * axis + 1] - extent[axis]) / stride[axis]
                + 1
        };
        let (height, width) = (rows(0), rows(1));
        let residual = self.random.chance(50).then(|| self.residual([height, width], n_out));
        let max_pool = height >= 2 && width >= 2 && self.random.chance(30);
        let n_terms = n_in * kernel[0] * kernel[1];
        let op = Op::Conv(Conv {
            groups,
            stride,
            dilation,
            padding,
            sparsity,
            residual: residual.flatten(),
            max_pool,
            ..Conv::new(weight)
        });
        self.push_sum(input, op, n_terms)
    }

    fn residual(&mut self, [height, width]: [usize; 2], n_out: usize) -> Option<Residual> {
        let stride = self.random.size(1, 2);
        let maps =
            self.maps(|map| map.height > (height - 1) * stride && map.width > (width - 1) * stride);
        if maps.is_empty() {
            return None;
        }
        let (from, after) = (self.pick(&maps), self.random.chance(50));
        let max = if after { MAX_MULTIPLIER } else { MAX_RESIDUAL_MULTIPLIER };
        let largest = if self.random.chance(30) { max } else { 300 };
        let multiplier = (0..n_out).map(|_| self.random.range(0, largest.into()) as i32).collect();
        Some(Residual { from, stride, multiplier, after })
    }

    fn fully_connected(&mut self, input: TensorRef) -> TensorRef {
        let map = self.network.shape(input);
        let shape = (self.random.size(1, 9), map.height, map.width, map.channels);
        let sparsity = random_sparsity(self.random);
        let weight = random_weight(shape, self.random);
        let weight = prune(weight, sparsity, self.random);
        let op = Op::FullyConnected(FullyConnected { weight, sparsity });
        self.push_sum(input, op, map.n_values())
    }

    fn window(&mut self, input: TensorRef) -> TensorRef {
        let Shape { height, width, .. } = self.network.shape(input);
        let kernel = [height, width].map(|side| self.random.size(1, side.min(3)));
        let stride = [0; 2].map(|_: usize| self.random.size(1, 3));
        let padding = [0, 0, 1, 1].map(|axis: usize| self.random.size(0, kernel[axis] - 1));
        let window = Window { kernel, stride, padding };
        let op = if self.random.chance(50) { Op::MaxPool(window) } else { Op::AveragePool(window) };
        self.push(input, op, Requantize::none(), self.quantization(input))
    }

    fn average(&mut self, input: TensorRef) -> TensorRef {
        let Shape { height, width, .. } = self.network.shape(input);
        let window = Window { kernel: [height, width], stride: [1; 2], padding: [0; 4] };
        self.push(input, Op::AveragePool(window), Requantize::none(), self.quantization(input))
    }

    fn add(&mut self, input: TensorRef) -> TensorRef {
        let shape = self.network.shape(input);
        let maps = self.maps(|map| map == shape);
        let other = self.pick(&maps);
        let most = 1 << self.random.range(1, 24);
        let multiplier =
            (0..shape.channels).map(|_| self.random.range(0, most - 1) as i32).collect();
        self.push_sum(input, Op::Add(Add { other, multiplier }), 1)
    }

    /// Of maps that mean something else, copies are put side by side.
    fn concat(&mut self, input: TensorRef) -> TensorRef {
        let shape = self.network.shape(input);
        let maps = self.maps(|map| (map.height, map.width) == (shape.height, shape.width));
        let quantization = self.quantization(input);
        let mut others = Vec::new();
        for _ in 0..self.random.size(1, 3) {
            let map = self.pick(&maps);
            if self.quantization(map) == quantization {
                others.push(map);
                continue;
            }
            let copy = self.push_sum(map, Op::Requantize, 1);
            let TensorRef::Layer(index) = copy else { unreachable!("it was pushed") };
            let layer = &mut self.network.layers[index];
            (layer.zero_point, layer.scale) = quantization;
            others.push(copy);
        }
        self.push(input, Op::Concat(others), Requantize::none(), quantization)
    }
}
