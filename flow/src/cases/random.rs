//! Random networks, arrays and images, each from one seed.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::{
    ArrayConfig, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, Layer, MAX_RESIDUAL_MULTIPLIER,
    Memories, Op, Pattern, QuantNetwork, Shape, Sparsity, TensorRef,
};

use super::{Builder, ConvSpec};

/// How large a random network may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Layers, besides the shortcuts of residual blocks and the last one.
    pub n_layers: usize,
    /// Rows and columns of the input map.
    pub side: usize,
    /// Channels of a map.
    pub channels: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { n_layers: 5, side: 20, channels: 40 }
    }
}

/// An array of random size, with an input port of random width and the default memories.
pub fn random_config(seed: u64) -> ArrayConfig {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x61_72_72_61_79);
    let rows = rng.random_range(ArrayConfig::ROWS.0..=ArrayConfig::ROWS.1);
    let cols = rng.random_range(ArrayConfig::COLS.0..=ArrayConfig::COLS.1);
    let config = ArrayConfig::new(rows, cols, Memories::default());
    let config = config.expect("sizes within the limits are valid");
    let lanes: Vec<usize> = config.possible_lanes().collect();
    let lanes = *lanes.choose(&mut rng).expect("two lanes are always possible");
    let port_bytes = *ArrayConfig::PORT_BYTES.choose(&mut rng).expect("there are widths");
    let config = config.with_lanes(lanes).and_then(|config| config.with_port_bytes(port_bytes));
    config.expect("they are possible")
}

/// An image of int8 noise; every eighth value is a corner, -128, 127 or 0.
pub fn random_image(network: &QuantNetwork, seed: u64) -> Vec<i8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x69_6d_61_67_65);
    let pixel = |_| {
        if rng.random_ratio(1, 8) {
            *[-128, 127, 0].choose(&mut rng).unwrap_or(&0)
        } else {
            rng.random()
        }
    };
    (0..network.input.n_bytes()).map(pixel).collect()
}

/// A valid network of random topology, weights and constants that fits the default memories of an array with
/// `word_channels` channels a word. Some weights and constants sit in the corners of their ranges.
pub fn random_network(seed: u64, size: Size, config: &ArrayConfig) -> QuantNetwork {
    let mut seeds = ChaCha8Rng::seed_from_u64(seed);
    loop {
        let network = Random::new(seeds.random(), size, config).network(&format!("random {seed}"));
        if network.validate().is_ok()
            && codegen::check(&network, config, &codegen::Options::default()).problems.is_empty()
        {
            return network;
        }
    }
}

struct Random {
    builder: Builder,
    size: Size,
    word_channels: usize,
    /// Words that a map may have.
    words: usize,
    cols: usize,
    maps: Vec<TensorRef>,
}

impl Random {
    fn new(seed: u64, size: Size, config: &ArrayConfig) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let block = *[1, 1, 1, 1, 2, 2, 3, 4, 8].choose(&mut rng).unwrap_or(&1);
        let channels = if rng.random() {
            rng.random_range(1..=4)
        } else {
            rng.random_range(1..=size.channels)
        };
        let channels = if block > 1 { 1 + channels % 3 } else { channels };
        let words = config.memories().input.min(config.memories().activation) / 3;
        let largest = words / (channels * block * block).div_ceil(config.word_channels());
        let height = rng.random_range(1..=size.side);
        let width = rng.random_range(1..=size.side);
        let width = width.min(largest / height).max(1);
        let builder = Builder::new([height * block, width * block, channels], block, rng.random());
        let word_channels = config.word_channels();
        Self {
            builder,
            size,
            word_channels,
            words,
            cols: config.group_channels(),
            maps: vec![TensorRef::Input],
        }
    }

    fn network(mut self, name: &str) -> QuantNetwork {
        let n_layers = self.pick(1..=self.size.n_layers.max(1));
        let mut map = TensorRef::Input;
        for index in 0..n_layers {
            map = match self.pick(0..=11) {
                0 => self.builder.global_average_pool(&format!("pool{index}"), map),
                1 => {
                    let (channels, sparsity) = (
                        self.channels(Shape { height: 1, width: 1, channels: 1 }),
                        self.sparsity(),
                    );
                    let relu = self.flip();
                    self.builder.fully_connected(
                        &format!("fc{index}"),
                        map,
                        channels,
                        sparsity,
                        relu,
                    )
                }
                2 | 3 => self.fork(index, map),
                _ => self.conv(index, map),
            };
            self.corners();
            self.maps.push(map);
        }
        let Shape { height, width, .. } = self.builder.shape(map);
        let n_classes = self.pick(1..=self.size.channels.min(24));
        let sparsity = self.sparsity();
        match self.pick(0..=4) {
            0 => {
                self.builder.global_average_pool("logits", map);
            }
            1 if height <= 7 && width <= 7 => {
                let spec = ConvSpec {
                    kernel: [height, width],
                    padding: [0; 4],
                    ..ConvSpec::same(n_classes, 1, sparsity)
                };
                self.builder.conv("logits", map, &spec);
            }
            _ => {
                self.builder.fully_connected("logits", map, n_classes, sparsity, false);
            }
        }
        self.corners();
        self.builder.finish(name)
    }

    /// A convolution, perhaps with an earlier map added.
    fn conv(&mut self, index: usize, map: TensorRef) -> TensorRef {
        let mut spec = self.kernel(map);
        let shape = output(self.builder.shape(map), &spec);
        spec.channels = self.channels(shape);
        spec.sparsity = self.sparsity();
        spec.max_pool = self.pick(0..=3) == 0 && shape.height > 1 && shape.width > 1;
        if self.flip() {
            spec.residual = self.residual(shape);
        }
        self.builder.conv(&format!("conv{index}"), map, &spec)
    }

    /// Two convolutions of one map, the first added to the second.
    fn fork(&mut self, index: usize, map: TensorRef) -> TensorRef {
        let mut spec = self.kernel(map);
        let shape = output(self.builder.shape(map), &spec);
        spec.channels = self.channels(shape);
        spec.sparsity = self.sparsity();
        let side = self.builder.conv(&format!("side{index}"), map, &spec);
        spec.relu = self.flip();
        spec.sparsity = self.sparsity();
        spec.residual = Some((side, 1));
        self.corners();
        self.builder.conv(&format!("fork{index}"), map, &spec)
    }

    fn kernel(&mut self, map: TensorRef) -> ConvSpec {
        let Shape { height, width, .. } = self.builder.shape(map);
        let square = self.pick(1..=7);
        let kernel = match self.pick(0..=5) {
            0 => [self.pick(1..=7), self.pick(1..=7)],
            1 => [square; 2],
            2 => [1; 2],
            _ => [3; 2],
        };
        let mut padding = match self.pick(0..=5) {
            0 => [self.pick(0..=7), self.pick(0..=7), self.pick(0..=7), self.pick(0..=7)],
            1 => [0; 4],
            2 => [self.pick(0..=15); 4],
            _ => [kernel[0] / 2, kernel[0] / 2, kernel[1] / 2, kernel[1] / 2],
        };
        padding[1] += kernel[0].saturating_sub(height + padding[0] + padding[1]);
        padding[3] += kernel[1].saturating_sub(width + padding[2] + padding[3]);
        let stride = if self.flip() { 1 } else { self.pick(1..=4) };
        ConvSpec {
            kernel,
            padding,
            stride,
            relu: self.flip(),
            ..ConvSpec::same(1, 1, Sparsity::default())
        }
    }

    /// An earlier map that covers an output of `shape`, with a stride.
    fn residual(&mut self, shape: Shape) -> Option<(TensorRef, usize)> {
        let covers = |map: TensorRef, stride: usize| {
            let Shape { height, width, .. } = self.builder.shape(map);
            height > (shape.height - 1) * stride && width > (shape.width - 1) * stride
        };
        let choices: Vec<(TensorRef, usize)> = self
            .maps
            .iter()
            .flat_map(|map| (1..=4).map(move |stride| (*map, stride)))
            .filter(|(map, stride)| covers(*map, *stride))
            .collect();
        choices.choose(self.builder.rng()).copied()
    }

    /// Channels for a map, no more than it has room for.
    fn channels(&mut self, shape: Shape) -> usize {
        let n_words = (self.words / shape.n_pixels().max(1)).max(1);
        self.pick(1..=self.size.channels.min(n_words * self.word_channels))
    }

    fn sparsity(&mut self) -> Sparsity {
        let patterns = [
            Pattern::Dense,
            Pattern::Unstructured,
            Pattern::UhpFixed,
            Pattern::UhpShared,
            Pattern::UhpShared,
            Pattern::UhpFree,
        ];
        let pattern = *patterns.choose(self.builder.rng()).unwrap_or(&Pattern::Dense);
        let group = if self.flip() { self.cols } else { self.pick(1..=40) };
        Sparsity { pattern, group: if pattern == Pattern::UhpShared { group } else { 0 } }
    }

    /// Moves some weights and constants of the last layer to the ends of their ranges.
    fn corners(&mut self) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.builder.rng().random());
        let Some(layer) = self.builder.last_mut() else { return };
        if rng.random_ratio(1, 4) {
            corner_weights(layer, &mut rng);
        }
        if rng.random_ratio(1, 3) {
            corner_constants(layer, &mut rng);
        }
    }

    fn pick(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.builder.rng().random_range(range)
    }

    fn flip(&mut self) -> bool {
        self.builder.rng().random()
    }
}

fn output(input: Shape, spec: &ConvSpec) -> Shape {
    let [top, bottom, left, right] = spec.padding;
    Shape {
        height: (input.height + top + bottom - spec.kernel[0]) / spec.stride + 1,
        width: (input.width + left + right - spec.kernel[1]) / spec.stride + 1,
        channels: spec.channels,
    }
}

/// Kept weights become one extreme, extremes of both signs, or mostly zero.
fn corner_weights(layer: &mut Layer, rng: &mut ChaCha8Rng) {
    let Some(weight) = layer.op.weight_mut() else { return };
    let kind = rng.random_range(0..5);
    for value in weight.iter_mut().filter(|value| **value != 0) {
        *value = match kind {
            0 => -128,
            1 => 127,
            2 => *[-128, 127].choose(rng).unwrap_or(&127),
            3 => 0,
            _ if rng.random_ratio(9, 10) => 0,
            _ => *value,
        };
    }
}

/// Channels here and there get a constant that saturates, vanishes or lies at the end of its field, as far as the
/// accumulator allows.
fn corner_constants(layer: &mut Layer, rng: &mut ChaCha8Rng) {
    let corners = &mut layer.requantize;
    for channel in 0..corners.bias.len() {
        match rng.random_range(0..10) {
            0 => corners.multiplier[channel] = 0,
            1 => corners.multiplier[channel] = FORMAT_1_MAX_MULTIPLIER,
            2 => corners.shift[channel] = 0,
            3 => corners.shift[channel] = FORMAT_1_MAX_SHIFT as i32,
            4 => {
                corners.bias[channel] =
                    *[-1 << 30, 1 << 30, (1 << 30) + 1].choose(rng).unwrap_or(&0)
            }
            5 => (corners.multiplier[channel], corners.shift[channel]) = (1, 1),
            6 => corners.shift[channel] = rng.random_range(0..=FORMAT_1_MAX_SHIFT as i32),
            _ => {}
        }
        let residual = match &mut layer.op {
            Op::Conv(conv) => conv.residual.as_mut(),
            _ => None,
        };
        if let Some(residual) = residual {
            match rng.random_range(0..8) {
                0 => residual.multiplier[channel] = 0,
                1 => residual.multiplier[channel] = MAX_RESIDUAL_MULTIPLIER,
                2 => residual.multiplier[channel] = 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_network() {
        let config = random_config(3);
        assert_eq!(config, random_config(3));
        let network = || random_network(3, Size::default(), &config);
        assert_eq!(network(), network());
        assert_eq!(random_image(&network(), 1), random_image(&network(), 1));
    }

    #[test]
    fn networks_vary() {
        let mut n = [0; 6];
        for seed in 0..200 {
            let network = random_network(seed, Size::default(), &random_config(seed));
            for layer in &network.layers {
                match &layer.op {
                    Op::Conv(conv) => {
                        n[0] += usize::from(conv.max_pool);
                        n[1] += usize::from(conv.residual.is_some());
                        n[2] += usize::from(conv.stride != [1; 2]);
                        n[3] += usize::from(
                            conv.residual
                                .as_ref()
                                .is_some_and(|residual| residual.from == TensorRef::Input),
                        );
                    }
                    Op::GlobalAveragePool => n[4] += 1,
                    Op::FullyConnected(_) => n[5] += 1,
                    _ => {}
                }
            }
        }
        assert!(n.iter().all(|n| *n > 20), "{n:?}");
    }
}
