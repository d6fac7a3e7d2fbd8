//! Networks to test with.

mod format_2;

pub(crate) use format_2::{networks_2, random_network_2, toy_2};
use ndarray::{Array1, Array4};
use proptest::prelude::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::json;
use spec::{
    Bounds, Conv, FullyConnected, InputSpec, Layer, MAX_RESIDUAL_MULTIPLIER, Op, Pattern,
    Preprocess, QuantNetwork, Requantize, Residual, Rounding, Shape, Sparsity, TensorRef,
    fixed_channel,
};

/// What breaks a rule, and its name.
pub(crate) type Case = (&'static str, fn(&mut QuantNetwork));

/// What is said of `network` once each rule is broken: the rule's name, then a line a message, each with its help.
pub(crate) fn messages(network: fn() -> QuantNetwork, cases: &[Case]) -> String {
    let of_case = |(name, break_rule): &Case| {
        let mut network = network();
        break_rule(&mut network);
        let errors = network.validate().expect_err(name);
        let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
        assert!(lines.iter().all(|line| line.contains("; help: ")), "{name}: {lines:?}");
        format!("{name}:\n{}", lines.join("\n"))
    };
    cases.iter().map(of_case).collect::<Vec<_>>().join("\n")
}

/// A stream of numbers.
pub(crate) struct Random(SplitMix64);

impl Random {
    /// A stream of its own for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// In `low..=high`.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.0.next_u64() % (high - low + 1) as u64) as i64
    }

    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        self.range(low as i64, high as i64) as usize
    }

    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.range(0, 99) < percent
    }

    /// Corner values often.
    pub(crate) fn int8(&mut self) -> i8 {
        match self.range(0, 7) {
            0 => -128,
            1 => 127,
            2 => 0,
            _ => self.range(-128, 127) as i8,
        }
    }

    pub(crate) fn image(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.int8()).collect()
    }
}

pub(crate) fn vector(values: &[i32]) -> Array1<i32> {
    Array1::from_vec(values.to_vec())
}

/// A network of format 1.
pub(crate) fn toy() -> QuantNetwork {
    let dense = Sparsity::default();
    let requantize = |n: usize| Requantize {
        bias: Array1::from_elem(n, 3),
        multiplier: Array1::from_elem(n, 20_000),
        shift: Array1::from_elem(n, 21),
        rounding: Rounding::HalfEven,
    };
    let weights = |shape: (usize, usize, usize, usize)| {
        Array4::from_shape_fn(shape, |(k, y, x, c)| {
            ((k * 37 + y * 11 + x * 5 + c * 3) % 17) as i8 - 8
        })
    };
    let halved = |(k, y, x, c): (usize, usize, usize, usize), weight: i8| {
        if c % 2 == (k / 4 + y + x) % 2 { weight } else { 0 }
    };
    let first = weights((4, 3, 3, 4));
    let first = Array4::from_shape_fn(first.dim(), |index| halved(index, first[index]));
    let conv = |name: &str, input, weight, max_pool, residual, sparsity| Layer {
        name: name.into(),
        input,
        op: Op::Conv(Conv { padding: [1; 4], sparsity, residual, max_pool, ..Conv::new(weight) }),
        requantize: requantize(4),
        bounds: Bounds::format_1(true, false),
        zero_point: 0,
        scale: 0.02,
    };
    let residual = Residual {
        from: TensorRef::Layer(0),
        stride: 1,
        multiplier: Array1::from_elem(4, 100),
        after: false,
    };
    let shared = Sparsity { pattern: Pattern::UhpShared, group: 16 };
    QuantNetwork {
        name: "toy".into(),
        input: InputSpec {
            height: 8,
            width: 8,
            channels: 1,
            space_to_depth: 2,
            scale: 0.0079,
            zero_point: 0,
            preprocess: None,
        },
        classes: vec!["a".into(), "b".into()],
        layers: vec![
            conv("conv1", TensorRef::Input, first, false, None, shared),
            conv("conv2", TensorRef::Layer(0), weights((4, 3, 3, 4)), true, Some(residual), dense),
            Layer {
                name: "pool".into(),
                input: TensorRef::Layer(1),
                op: Op::GlobalAveragePool,
                requantize: requantize(4),
                bounds: Bounds::INT8,
                zero_point: 0,
                scale: 0.02,
            },
            Layer {
                name: "fc".into(),
                input: TensorRef::Layer(2),
                op: Op::FullyConnected(FullyConnected {
                    weight: weights((2, 1, 1, 4)),
                    sparsity: dense,
                }),
                requantize: requantize(2),
                bounds: Bounds::INT16,
                zero_point: 0,
                scale: 0.001,
            },
        ],
        outputs: vec![3],
        provenance: json!({}),
    }
}

/// Valid networks of any kind of layer.
pub(crate) fn networks() -> impl Strategy<Value = (QuantNetwork, Vec<i8>)> {
    (0usize..6, any::<u64>()).prop_map(|(n_inner, seed)| {
        let mut random = Random::new(seed);
        let network = random_network(n_inner, &mut random);
        let image = random.image(network.input.n_bytes());
        (network, image)
    })
}

pub(crate) fn random_network(n_inner: usize, random: &mut Random) -> QuantNetwork {
    let block = random.size(1, 3);
    let (height, width, channels) =
        (block * random.size(1, 9), block * random.size(1, 9), random.size(1, 3));
    let gray = if channels == 3 { 3 } else { 1 };
    let preprocess = (channels == gray && random.chance(50)).then(|| Preprocess {
        height,
        width,
        channels,
        downsample: random.size(1, 3),
        scale: random.range(1, 1 << 50) as f64 / 3e14,
        zero_point: random.chance(50).then(|| random.range(0, 255) as u8 as i8),
        ..Preprocess::sar(height)
    });
    let mut network = QuantNetwork {
        name: format!("random-{}", random.range(0, 99)),
        input: InputSpec {
            height,
            width,
            channels,
            space_to_depth: block,
            scale: 1.0 / 127.0,
            zero_point: 0,
            preprocess,
        },
        classes: Vec::new(),
        layers: Vec::new(),
        outputs: vec![n_inner],
        provenance: json!(null),
    };
    for index in 0..n_inner {
        let input = previous(index);
        let op = if random.chance(12) {
            Op::GlobalAveragePool
        } else {
            random_conv(&network, input, random)
        };
        push(&mut network, input, op, random);
    }
    let input = previous(network.layers.len());
    let map = network.shape(input);
    let op = if random.chance(75) {
        let weight =
            random_weight((random.size(1, 9), map.height, map.width, map.channels), random);
        let sparsity = random_sparsity(random);
        Op::FullyConnected(FullyConnected { weight: prune(weight, sparsity, random), sparsity })
    } else {
        Op::GlobalAveragePool
    };
    push(&mut network, input, op, random);
    let n_logits = network.layers.last().expect("one was pushed").requantize.bias.len();
    let last = network.layers.last_mut().expect("one was pushed");
    last.bounds = Bounds::format_1(last.bounds.low == 0, true);
    network.classes = (0..n_logits).map(|class| format!("class {class}")).collect();
    network
}

fn previous(index: usize) -> TensorRef {
    index.checked_sub(1).map_or(TensorRef::Input, TensorRef::Layer)
}

fn push(network: &mut QuantNetwork, input: TensorRef, op: Op, random: &mut Random) {
    let n = op.weight().map_or(network.shape(input).channels, |weight| weight.dim().0);
    let n_terms = op.weight().map_or(network.shape(input).n_pixels(), |weight| weight.len() / n);
    let shift = 15 + n_terms.ilog2() as i64;
    let mut numbers =
        |low: i64, high: i64| (0..n).map(|_| random.range(low, high) as i32).collect::<Vec<i32>>();
    let requantize = Requantize {
        bias: vector(&numbers(-3000, 3000)),
        multiplier: vector(&numbers(0, 32767)),
        shift: vector(&numbers((shift - 6).max(0), (shift + 8).min(47))),
        rounding: Rounding::HalfEven,
    };
    let name = format!("layer {}", network.layers.len());
    let scale = random.range(1, 1 << 50) as f64 / 1e15;
    let bounds = Bounds::format_1(random.chance(50), false);
    network.layers.push(Layer { name, input, op, requantize, bounds, zero_point: 0, scale });
}

fn random_conv(network: &QuantNetwork, input: TensorRef, random: &mut Random) -> Op {
    let map = network.shape(input);
    let mut padding = [0; 4].map(|_: usize| random.size(0, 3));
    let (kernel_height, kernel_width) = (random.size(1, 7), random.size(1, 7));
    padding[1] = padding[1].max(kernel_height.saturating_sub(map.height + padding[0]));
    padding[3] = padding[3].max(kernel_width.saturating_sub(map.width + padding[2]));
    let stride = random.size(1, 4);
    let n_out = random.size(1, 9);
    let sparsity = random_sparsity(random);
    let weight = random_weight((n_out, kernel_height, kernel_width, map.channels), random);
    let height = (map.height + padding[0] + padding[1] - kernel_height) / stride + 1;
    let width = (map.width + padding[2] + padding[3] - kernel_width) / stride + 1;
    let residual = random
        .chance(60)
        .then(|| random_residual(network, Shape { height, width, channels: n_out }, random));
    let max_pool = height >= 2 && width >= 2 && random.chance(40);
    Op::Conv(Conv {
        stride: [stride; 2],
        padding,
        sparsity,
        residual: residual.flatten(),
        max_pool,
        ..Conv::new(prune(weight, sparsity, random))
    })
}

fn random_residual(network: &QuantNetwork, out: Shape, random: &mut Random) -> Option<Residual> {
    let tensors =
        std::iter::once(TensorRef::Input).chain((0..network.layers.len()).map(TensorRef::Layer));
    let stride = random.size(1, 2);
    let fits = |shape: Shape| {
        shape.height > (out.height - 1) * stride && shape.width > (out.width - 1) * stride
    };
    let candidates: Vec<TensorRef> =
        tensors.filter(|tensor| fits(network.shape(*tensor))).collect();
    let from = *candidates.get(random.size(0, candidates.len().max(1) - 1))?;
    let largest = if random.chance(20) { i64::from(MAX_RESIDUAL_MULTIPLIER) } else { 300 };
    let multiplier = (0..out.channels).map(|_| random.range(0, largest) as i32).collect();
    Some(Residual { from, stride, multiplier, after: false })
}

fn random_weight(shape: (usize, usize, usize, usize), random: &mut Random) -> Array4<i8> {
    Array4::from_shape_fn(shape, |_| random.int8())
}

fn random_sparsity(random: &mut Random) -> Sparsity {
    let pattern = match random.range(0, 4) {
        0 => Pattern::Dense,
        1 => Pattern::Unstructured,
        2 => Pattern::UhpFixed,
        3 => Pattern::UhpShared,
        _ => Pattern::UhpFree,
    };
    Sparsity { pattern, group: random.size(1, 5) }
}

fn prune(mut weight: Array4<i8>, sparsity: Sparsity, random: &mut Random) -> Array4<i8> {
    let (n_out, kernel_height, kernel_width, n_in) = weight.dim();
    let group = if sparsity.pattern == Pattern::UhpShared { sparsity.group } else { 1 };
    for tap in 0..kernel_height * kernel_width {
        let (ky, kx) = (tap / kernel_width, tap % kernel_width);
        for pair in 0..n_in.div_ceil(2) {
            let mut odd = false;
            for k in 0..n_out {
                if k % group == 0 {
                    odd = random.chance(50);
                }
                let kept = match sparsity.pattern {
                    Pattern::Dense => continue,
                    Pattern::Unstructured if random.chance(50) => continue,
                    Pattern::Unstructured => usize::MAX,
                    Pattern::UhpFixed => fixed_channel(pair, tap),
                    Pattern::UhpShared | Pattern::UhpFree => 2 * pair + usize::from(odd),
                };
                for channel in (2 * pair..n_in.min(2 * pair + 2)).filter(|channel| *channel != kept)
                {
                    weight[[k, ky, kx, channel]] = 0;
                }
            }
        }
    }
    weight
}
