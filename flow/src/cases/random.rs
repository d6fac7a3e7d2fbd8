//! Random networks, arrays and images, each from one seed.

mod corners;
mod layers;

use codegen::Feature;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::{ArrayConfig, Bounds, Memories, Memory, Op, QuantNetwork, Shape, TensorRef};

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

/// An array of random size, with an input port and sections of columns of random widths and the default memories.
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
    let config = config.expect("they are possible");
    // Every other array has one mask for all columns.
    let mask_columns = if rng.random() { cols } else { rng.random_range(1..=cols) };
    config.with_mask_columns(mask_columns).expect("so many columns there are")
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
/// `word_channels` channels a word. Some weights and constants sit in the corners of their ranges. Of network format 2 it
/// has what codegen lowers.
pub fn random_network(seed: u64, size: Size, config: &ArrayConfig) -> QuantNetwork {
    let compiles = |network: &QuantNetwork| {
        codegen::check(network, config, &codegen::Options::default()).problems.is_empty()
    };
    draw(seed, size, config, &Feature::is_lowered, compiles)
}

/// As [`random_network`], with all that network format 2 can say, whether or not an array runs it.
pub fn random_network_of_all(seed: u64, size: Size) -> QuantNetwork {
    draw(seed, size, &ArrayConfig::default(), &|_| true, |_| true)
}

fn draw(
    seed: u64,
    size: Size,
    config: &ArrayConfig,
    has: &dyn Fn(Feature) -> bool,
    is_wanted: impl Fn(&QuantNetwork) -> bool,
) -> QuantNetwork {
    let mut seeds = ChaCha8Rng::seed_from_u64(seed);
    loop {
        let random = Random::new(seeds.random(), size, config, has);
        let network = random.network(&format!("random {seed}"));
        if network.validate().is_ok() && is_wanted(&network) {
            return network;
        }
    }
}

struct Random<'a> {
    builder: Builder,
    size: Size,
    word_channels: usize,
    /// Words that a map may have.
    words: usize,
    /// Output channels that share a mask in the array.
    mask_channels: usize,
    maps: Vec<TensorRef>,
    /// What of format 2 is drawn.
    has: &'a dyn Fn(Feature) -> bool,
}

impl<'a> Random<'a> {
    fn new(seed: u64, size: Size, config: &ArrayConfig, has: &'a dyn Fn(Feature) -> bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let block = *[1, 1, 1, 1, 2, 2, 3, 4, 8].choose(&mut rng).unwrap_or(&1);
        let channels = if rng.random() {
            rng.random_range(1..=4)
        } else {
            rng.random_range(1..=size.channels)
        };
        let channels = if block > 1 { 1 + channels % 3 } else { channels };
        let depths = Memory::ACTIVATION.map(|bank| bank.depth(config.memories()));
        let words = depths.into_iter().min().unwrap_or_default() / 3;
        let largest = words / (channels * block * block).div_ceil(config.word_channels());
        let height = rng.random_range(1..=size.side);
        let width = rng.random_range(1..=size.side);
        let width = width.min(largest / height).max(1);
        let mut builder =
            Builder::new([height * block, width * block, channels], block, rng.random());
        if has(Feature::ZeroPoint) && rng.random() {
            builder.set_input_zero_point(corners::zero_point(&mut rng));
        }
        let word_channels = config.word_channels();
        Self {
            builder,
            size,
            word_channels,
            words,
            mask_channels: match config.n_sections() {
                1 => config.group_channels(),
                _ => config.mask_columns(),
            },
            maps: vec![TensorRef::Input],
            has,
        }
    }

    fn network(mut self, name: &str) -> QuantNetwork {
        let n_layers = self.pick(1..=self.size.n_layers.max(1));
        let mut map = TensorRef::Input;
        for index in 0..n_layers {
            let moved = if self.pick(0..=2) == 0 { self.of_format_2(index, map) } else { None };
            map = match moved {
                Some(map) => map,
                None => self.of_format_1(index, map),
            };
            self.corners();
            self.maps.push(map);
        }
        if map != TensorRef::Input
            && [Feature::NoClasses, Feature::SpatialOutput].iter().all(|what| self.draws(*what, 2))
        {
            return self.maps_as_outputs(name);
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
        let mut rng = ChaCha8Rng::seed_from_u64(self.builder.rng().random());
        let has_bounds = self.draws(Feature::Bounds, 3);
        let has = self.has;
        let mut network = self.builder.finish(name);
        if let Some(layer) = network.layers.last_mut() {
            layer.bounds = if has_bounds {
                corners::wide_bounds(&mut rng, has)
            } else {
                Bounds::format_1(layer.bounds.low == 0, true)
            };
        }
        network
    }

    /// Ends the network with maps as outputs: the last, and others where there may be several or such that layers read.
    fn maps_as_outputs(mut self, name: &str) -> QuantNetwork {
        let last = self.builder.layers().len() - 1;
        let mut outputs = vec![last];
        if self.draws(Feature::SeveralOutputs, 2) {
            let map = *self.maps.choose(self.builder.rng()).unwrap_or(&TensorRef::Input);
            self.conv(self.maps.len(), map);
            self.corners();
            outputs.push(self.builder.layers().len() - 1);
            if let TensorRef::Layer(read) = map
                && self.draws(Feature::ReadOutput, 2)
                && !outputs.contains(&read)
                && !matches!(&self.builder.layers()[read].op, Op::Conv(conv) if conv.max_pool)
            {
                outputs.insert(self.pick(0..=outputs.len()), read);
            }
        }
        outputs.iter().for_each(|output| self.builder.unpool(*output));
        let is_wide = self.draws(Feature::Bounds, 2);
        let mut rng = ChaCha8Rng::seed_from_u64(self.builder.rng().random());
        let has = self.has;
        let mut network = self.builder.finish_maps(name, outputs);
        if let Some(layer) = network.layers.last_mut().filter(|layer| layer.op.has_constants()) {
            layer.bounds = if is_wide { corners::wide_bounds(&mut rng, has) } else { layer.bounds };
        }
        network
    }

    fn of_format_1(&mut self, index: usize, map: TensorRef) -> TensorRef {
        match self.pick(0..=11) {
            0 => self.builder.global_average_pool(&format!("pool{index}"), map),
            1 => {
                let (channels, sparsity) =
                    (self.channels(Shape { height: 1, width: 1, channels: 1 }), self.sparsity());
                let relu = self.flip();
                self.builder.fully_connected(&format!("fc{index}"), map, channels, sparsity, relu)
            }
            2 | 3 => self.fork(index, map),
            _ => self.conv(index, map),
        }
    }

    fn pick(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.builder.rng().random_range(range)
    }

    /// Whether a feature of format 2 is used: once in `of` times, and only if networks have it.
    fn draws(&mut self, feature: Feature, of: usize) -> bool {
        self.pick(1..=of) == 1 && (self.has)(feature)
    }

    fn flip(&mut self) -> bool {
        self.builder.rng().random()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use codegen::Problem;

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
    fn networks_have_all_of_format_2_where_they_may() {
        let mut n: BTreeMap<Feature, usize> = BTreeMap::new();
        for seed in 0..400 {
            let network = random_network_of_all(seed, Size::default());
            for (_, feature) in codegen::features(&network) {
                *n.entry(feature).or_default() += 1;
            }
        }
        let few: Vec<_> =
            Feature::ALL.iter().filter(|feature| n.get(feature).is_none_or(|n| *n < 8)).collect();
        assert!(few.is_empty(), "{few:?} of {n:?}");
    }

    #[test]
    fn networks_have_only_what_is_lowered() {
        let mut n: BTreeMap<Feature, usize> = BTreeMap::new();
        for seed in 0..200 {
            let network = random_network(seed, Size::default(), &random_config(seed));
            for (_, feature) in codegen::features(&network) {
                *n.entry(feature).or_default() += 1;
            }
        }
        for feature in Feature::ALL {
            let n = n.get(&feature).copied().unwrap_or(0);
            assert!(
                n == 0 && !feature.is_lowered() || n > 2 && feature.is_lowered(),
                "{n} {feature:?}"
            );
        }
    }

    #[test]
    fn what_is_not_lowered_is_refused_by_name() {
        for seed in 0..100 {
            let network = random_network_of_all(seed, Size::default());
            let options = codegen::Options::default();
            let problems = codegen::check(&network, &ArrayConfig::default(), &options).problems;
            let expected: Vec<Problem> = codegen::features(&network)
                .into_iter()
                .filter(|(_, feature)| !feature.is_lowered())
                .map(|(place, feature)| Problem::NotLowered { place, feature })
                .collect();
            let found: Vec<Problem> = problems
                .into_iter()
                .filter(|problem| matches!(problem, Problem::NotLowered { .. }))
                .collect();
            assert_eq!(found, expected, "seed {seed}");
        }
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
