//! Networks of the kill suite: random ones that are short, and those made for one part of the accelerator each.

use codegen::Options;
use flow::cases::{Builder, ConvSpec, Size, random_network, with_random_arithmetic};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spec::{
    ArrayConfig, Conv, FullyConnected, Layer, MAX_MULTIPLIER, MAX_SHIFT, Op, Pattern, QuantNetwork,
    Rounding, Sparsity, TensorRef, Window,
};

/// The longest program, in cycles of its tiles an image.
const MOST_CYCLES: u64 = 5_000;
/// Of each kind.
const N_SCALES: u64 = 8;
const N_HALVES: u64 = 16;
const N_LIVE: u64 = 16;
const N_POOLS: u64 = 12;
const N_AVERAGES: u64 = 8;
const N_LEAST: u64 = 8;
const N_DEPTHWISE: u64 = 8;
const N_LOADS: u64 = 24;
const N_WINDOWS: u64 = 24;

/// Networks made for one part of the accelerator each.
pub(super) fn directed(config: &ArrayConfig) -> Vec<QuantNetwork> {
    let scales = (0..N_SCALES).map(scales);
    let halves = (0..N_HALVES).map(halves);
    let fitting = |make: fn(u64) -> QuantNetwork, n: u64| {
        (0..n).map(move |seed| fitting(make, seed, config)).collect::<Vec<_>>()
    };
    let mut networks: Vec<_> = scales.chain(halves).collect();
    networks.extend(fitting(live, N_LIVE));
    networks.extend(fitting(pools, N_POOLS));
    networks.extend(fitting(averages, N_AVERAGES));
    networks.extend(fitting(wide, 1));
    networks.extend(fitting(least, N_LEAST));
    networks.extend(fitting(depthwise, N_DEPTHWISE));
    networks.extend(fitting(loads, N_LOADS));
    networks.extend(fitting(windows, N_WINDOWS));
    networks
}

/// The first of a kind from `seed` on that an array can run and that takes few cycles.
fn fitting(make: impl Fn(u64) -> QuantNetwork, seed: u64, config: &ArrayConfig) -> QuantNetwork {
    let networks = (0..).map(|other| make(seed + other * 1000));
    let is_short = |network: &QuantNetwork| {
        let program = codegen::compile(network, config, &Options::default());
        program.is_ok_and(|program| codegen::tile_cycles(&program) <= MOST_CYCLES)
    };
    networks.into_iter().find(is_short).expect("there is no end of networks")
}

/// Maps that live long: each layer reads one of the last maps and adds another, so that every bank holds several, and is
/// read and added from.
fn live(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(1..=4), rng.random_range(1..=4)];
    let mut builder = Builder::new([height, width, rng.random_range(1..=7)], 1, seed);
    let mut maps = vec![TensorRef::Input];
    for index in 0..7 {
        let recent = &maps[maps.len().saturating_sub(4)..];
        let from = *recent.choose(&mut rng).unwrap_or(&TensorRef::Input);
        let added = *recent.choose(&mut rng).unwrap_or(&TensorRef::Input);
        let spec = ConvSpec {
            residual: (index > 0 && from != added).then_some((added, 1)),
            relu: rng.random(),
            ..ConvSpec::same(
                rng.random_range(3..=13),
                *[1, 3].choose(&mut rng).unwrap_or(&1),
                pattern(&mut rng),
            )
        };
        maps.push(builder.conv(&format!("conv{index}"), from, &spec));
    }
    let last = *maps.last().unwrap_or(&TensorRef::Input);
    builder.fully_connected("logits", last, 5, Sparsity::default(), false);
    builder.finish("live")
}

/// Max-pools of even and odd sizes, so high that a block has several rows of windows, with and without an addition at a stride.
fn pools(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(16..=23), rng.random_range(4..=6)];
    let mut builder = Builder::new([height, width, rng.random_range(1..=3)], 1, seed);
    let same = ConvSpec::same(rng.random_range(2..=7), 1, pattern(&mut rng));
    let whole = builder.conv("conv", TensorRef::Input, &same);
    // A kernel of stride 2 halves the map, and adds every other pixel of another.
    let stride = rng.random_range(1..=2);
    let added = [None, Some(TensorRef::Input), Some(whole)].choose(&mut rng).copied().flatten();
    let spec = ConvSpec {
        stride: [stride; 2],
        padding: [0; 4],
        max_pool: true,
        residual: added.map(|map| (map, stride)),
        relu: rng.random(),
        ..ConvSpec::same(rng.random_range(2..=9), 1, pattern(&mut rng))
    };
    let map = builder.conv("pool", whole, &spec);
    builder.fully_connected("logits", map, 4, Sparsity::default(), false);
    builder.finish("pools")
}

/// Averages over few pixels of many channels: the sums of a group come from several tiles, and the array waits between
/// them.
fn averages(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(1..=2), rng.random_range(1..=3)];
    let mut builder = Builder::new([height, width, rng.random_range(1..=4)], 1, seed);
    let spec = ConvSpec {
        relu: rng.random(),
        ..ConvSpec::same(rng.random_range(5..=20), 1, pattern(&mut rng))
    };
    let map = builder.conv("conv", TensorRef::Input, &spec);
    let average = builder.global_average_pool("average", map);
    if rng.random() {
        builder.fully_connected("logits", average, 6, Sparsity::default(), false);
    }
    builder.finish("averages")
}

/// An image of one byte: it is computed as soon after reset as can be.
fn least(seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([1, 1, 1], 1, seed);
    builder.fully_connected("logits", TensorRef::Input, 2, Sparsity::default(), false);
    builder.finish("least")
}

/// Images whose first layer reaches far beyond each of their edges, packed in blocks that do not fill: what is not of the image
/// lies in memory beside it.
fn loads(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(3..=9), rng.random_range(3..=9)];
    let channels = rng.random_range(1..=3);
    let mut builder = Builder::new([height, width, channels], rng.random_range(1..=3), seed);
    let kernel = [rng.random_range(1..=7), rng.random_range(1..=7)];
    let mut beyond = |kernel: usize| rng.random_range(kernel - 1..=kernel + 2);
    let padding = [beyond(kernel[0]), beyond(kernel[0]), beyond(kernel[1]), beyond(kernel[1])];
    let stride = [rng.random_range(1..=3), rng.random_range(1..=3)];
    let same = ConvSpec::same(rng.random_range(1..=5), 1, pattern(&mut rng));
    let map = builder.conv("conv", TensorRef::Input, &ConvSpec { kernel, padding, stride, ..same });
    let map = builder.global_average_pool("average", map);
    builder.fully_connected("logits", map, 3, Sparsity::default(), false);
    builder.finish("loads")
}

/// Max-pools whose windows have sides and strides of their own, also one row or column and a stride beyond the window.
fn windows(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(6..=11), rng.random_range(6..=11)];
    let mut builder = Builder::new([height, width, rng.random_range(1..=3)], 1, seed);
    let same = ConvSpec::same(rng.random_range(2..=9), 1, pattern(&mut rng));
    let map = builder.conv("conv", TensorRef::Input, &same);
    let mut sides = || [rng.random_range(1..=3), rng.random_range(1..=3)];
    let window = Window { kernel: sides(), stride: sides(), padding: [0; 4] };
    let map = builder.max_pool("windows", map, window);
    builder.fully_connected("logits", map, 4, Sparsity::default(), false);
    builder.finish("windows")
}

/// Depthwise layers of several words and groups: tiles whose rows are one stored row, of new rows and of the same ones.
fn depthwise(seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [height, width] = [rng.random_range(2..=6), rng.random_range(2..=6)];
    let mut builder = Builder::new([height, width, rng.random_range(1..=4)], 1, seed);
    let channels = rng.random_range(5..=20);
    let same = ConvSpec::same(channels, 1, pattern(&mut rng));
    let map = builder.conv("conv", TensorRef::Input, &same);
    let spec = ConvSpec {
        groups: channels,
        stride: [rng.random_range(1..=2); 2],
        relu: rng.random(),
        ..ConvSpec::same(channels, *[2, 3].choose(&mut rng).unwrap_or(&3), Sparsity::default())
    };
    let map = builder.conv("depthwise", map, &spec);
    builder.fully_connected("logits", map, 3, Sparsity::default(), false);
    builder.finish("depthwise")
}

/// Rows of as many pixels as there are accumulators: whatever writes one after the last pixel is seen.
fn wide(seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([2, 256, 1], 1, seed);
    let spec = ConvSpec { relu: false, ..ConvSpec::same(2, 1, Sparsity::default()) };
    let map = builder.conv("conv", TensorRef::Input, &spec);
    builder.global_average_pool("logits", map);
    builder.finish("wide")
}

fn pattern(rng: &mut ChaCha8Rng) -> Sparsity {
    let patterns = [Pattern::Dense, Pattern::Unstructured, Pattern::UhpFixed, Pattern::UhpFree];
    Sparsity { pattern: *patterns.choose(rng).unwrap_or(&Pattern::Dense), group: 0 }
}

/// Two layers whose channels take every shift, so that what is left of 8 and of 16 bits is shown from every stage of the
/// shifters; biases and multipliers are large and of both signs.
fn scales(seed: u64) -> QuantNetwork {
    const N_SHIFTS: usize = MAX_SHIFT as usize + 1;
    let mut builder = Builder::new([1, 1, 4], 1, seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut change = |layer: Option<&mut Layer>, bits: i32| {
        let constants = &mut layer.expect("a layer was added").requantize;
        for channel in 0..constants.bias.len() {
            let shift = (channel % N_SHIFTS) as i32;
            // A sum that this shift and a large multiplier bring to about so many bits.
            let n_bits = (bits + shift - 24).clamp(1, 30);
            let bias = rng.random_range(0..1i64 << n_bits) as i32;
            constants.bias[channel] = if rng.random() { bias } else { -bias };
            constants.multiplier[channel] = rng.random_range(MAX_MULTIPLIER / 2..=MAX_MULTIPLIER);
            constants.shift[channel] = shift;
        }
    };
    let map = builder.conv(
        "conv",
        TensorRef::Input,
        &ConvSpec { relu: false, ..ConvSpec::same(N_SHIFTS, 1, Sparsity::default()) },
    );
    change(builder.last_mut(), 8);
    builder.fully_connected("logits", map, 2 * N_SHIFTS, Sparsity::default(), false);
    let mut network = builder.finish("scales");
    change(network.layers.last_mut(), 16);
    // Small weights leave the sums to the biases; the first half of the logits are biases alone.
    for layer in &mut network.layers {
        let (Op::Conv(Conv { weight, .. }) | Op::FullyConnected(FullyConnected { weight, .. })) =
            &mut layer.op
        else {
            continue;
        };
        let n_alone = weight.dim().0 - N_SHIFTS;
        for ((channel, ..), weight) in weight.indexed_iter_mut() {
            *weight = if channel < n_alone { 0 } else { (*weight).clamp(-1, 1) };
        }
    }
    network
}

/// Logits half-way between an even integer and the next, or one bit of the product away from that: whether each bit below the
/// half counts shows in the result. They are biases alone.
fn halves(seed: u64) -> QuantNetwork {
    const N_LOGITS: usize = 96;
    let mut builder = Builder::new([1, 1, 4], 1, seed);
    let dense = Sparsity::default();
    builder.fully_connected("logits", TensorRef::Input, N_LOGITS, dense, false);
    let mut network = builder.finish("halves");
    let Some(Layer { op: Op::FullyConnected(FullyConnected { weight, .. }), requantize, .. }) =
        network.layers.last_mut()
    else {
        return network;
    };
    weight.fill(0);
    if seed % 2 == 1 {
        requantize.rounding = Rounding::HalfAway;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for channel in 0..N_LOGITS {
        // The multiplier is a power of two; an int32 has the half at one of the bits below its sign.
        let log_multiplier = rng.random_range(0..=23);
        let half = rng.random_range(0..=30);
        let shift = half + 1 + log_multiplier;
        let mut bias = 1i64 << half;
        if half < 28 {
            bias += rng.random_range(0..3) << (half + 2);
        }
        if half > 0 && rng.random_range(0..8) != 0 {
            bias += 1 << rng.random_range(0..half);
        }
        let bias = if rng.random() { bias } else { -bias };
        requantize.bias[channel] = i32::try_from(bias).expect("the half is at bit 30 at most");
        requantize.multiplier[channel] = 1 << log_multiplier;
        requantize.shift[channel] = shift;
    }
    network
}

/// The first random network from `seed` on that takes few cycles; every other one has the arithmetic of others.
pub(super) fn short(seed: u64, size: Size, config: &ArrayConfig) -> QuantNetwork {
    let make = |of: u64| {
        let network = random_network(of, size, config);
        if seed % 2 == 1 { with_random_arithmetic(&network, of) } else { network }
    };
    fitting(make, seed, config)
}
