//! Every layer kind of network format 2 that is compiled, over random shapes and arrays: reference, interpreter and RTL
//! agree on every bit.

use codegen::Options;
use flow::cases::random_image;
use rand::RngExt;
use rand::seq::IndexedRandom;
use spec::{ArrayConfig, Bounds, Conv, Memories, QuantNetwork, Shape, TensorRef, Window};
use twofold_tests::executor::{Executor, Interpreter, Reference, VerilatedRtl, first_difference};
use twofold_tests::sketch::Sketch;
use twofold_tests::subject::Subject;

/// Rows, columns and lanes: arrays of one granule a word and of many, of fewer columns than a word has channels and of more.
const ARRAYS: [(usize, usize, usize); 8] =
    [(2, 2, 2), (3, 5, 2), (4, 4, 4), (4, 8, 8), (8, 16, 2), (8, 16, 4), (8, 16, 16), (16, 8, 4)];
/// Networks of each kind and array; those of the interpreter alone.
const N_RTL: u64 = 5;
const N_INTERPRETED: u64 = 20;

/// Room for many words of few channels.
fn memories() -> Memories {
    let deep = 1 << 13;
    Memories { input: deep, tile: deep, weight: 1 << 15, logit: deep, ..Memories::default() }
        .with_banks([deep; 3])
}

/// Runs random networks of one kind on every array.
fn check(make: impl Fn(u64) -> QuantNetwork) {
    for (rows, cols, lanes) in ARRAYS {
        let config = ArrayConfig::new(rows, cols, memories()).and_then(|it| it.with_lanes(lanes));
        let config = config.expect("the array is possible");
        for seed in 0..N_INTERPRETED {
            let network = make(seed);
            let place = format!("{} of seed {seed} at {rows}x{cols}, {lanes} lanes", network.name);
            let images = (0..2).map(|image| random_image(&network, seed ^ image << 32)).collect();
            let subject = Subject::new(&place, network, &config, &Options::default(), images)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let expected = Reference.run(&subject).expect("the images have the right size");
            let mut executors: Vec<Box<dyn Executor>> = vec![Box::new(Interpreter)];
            if seed < N_RTL {
                executors.push(Box::new(VerilatedRtl));
            }
            for executor in executors {
                let found =
                    executor.run(&subject).unwrap_or_else(|error| panic!("{place}: {error}"));
                let difference = first_difference(&subject, &expected, &found);
                assert_eq!(difference, None, "{place} on {}", executor.name());
            }
        }
    }
}

/// An input of a few pixels and channels.
fn sketch(name: &str, seed: u64, least: usize) -> Sketch {
    let mut sketch = Sketch::new(name, [least, least, 1], seed);
    let rng = sketch.rng();
    let [height, width] = [0; 2].map(|_| rng.random_range(least..least + 8));
    let channels = *[1, 2, 3, 4, 7, 8, 16, 17, 33].choose(rng).expect("there are choices");
    Sketch::new(name, [height, width, channels], seed)
}

/// Two classes of what is left.
fn finish(mut sketch: Sketch, last: TensorRef) -> QuantNetwork {
    sketch.fully_connected(last, 2);
    sketch.finish()
}

/// Strides, dilation and padding that a kernel allows on a map.
fn place(
    sketch: &mut Sketch,
    map: TensorRef,
    kernel: [usize; 2],
) -> impl FnOnce(&mut Conv) + use<> {
    let Shape { height, width, .. } = sketch.shape(map);
    let rng = sketch.rng();
    let stride = [0; 2].map(|_| rng.random_range(1..=4));
    let mut dilation = [1; 2];
    let mut padding = [0; 4];
    for (axis, size) in [height, width].into_iter().enumerate() {
        padding[2 * axis] = rng.random_range(0..=kernel[axis] / 2);
        padding[2 * axis + 1] = rng.random_range(0..=kernel[axis] / 2);
        let padded = size + padding[2 * axis] + padding[2 * axis + 1];
        let most = (padded - 1).checked_div(kernel[axis] - 1).unwrap_or(4).clamp(1, 4);
        dilation[axis] = if rng.random() { 1 } else { rng.random_range(1..=most) };
    }
    move |conv| {
        conv.stride = stride;
        conv.dilation = dilation;
        conv.padding = padding;
    }
}

#[test]
fn convolutions_of_any_stride_and_dilation() {
    check(|seed| {
        let mut sketch = sketch("conv", seed, 10);
        let mut map = TensorRef::Input;
        for index in 0..2 {
            let Shape { height, width, .. } = sketch.shape(map);
            let rng = sketch.rng();
            let large = [[10, 4], [1, 9], [9, 1], [1, 3], [3, 3], [2, 2]];
            let kernel = if index == 0 {
                *large.choose(rng).expect("there are choices")
            } else {
                [rng.random_range(1..=height.min(16)), rng.random_range(1..=width.min(16))]
            };
            let channels = rng.random_range(1..=20);
            let place = place(&mut sketch, map, kernel);
            map = sketch.conv(map, channels, kernel, place);
        }
        finish(sketch, map)
    });
}

#[test]
fn concatenations() {
    check(|seed| {
        let mut sketch = sketch("concat", seed, 2);
        let mut maps = vec![TensorRef::Input];
        for _ in 0..2 {
            // Of the last maps, mostly of those that no other reads; some are read twice.
            let n_parts = sketch.rng().random_range(2..=4);
            let mut parts = Vec::new();
            for _ in 0..n_parts {
                let from = *maps.choose(sketch.rng()).expect("there is the input");
                let channels = *[1, 2, 3, 4, 8, 12, 16, 17].choose(sketch.rng()).expect("a choice");
                if sketch.rng().random_range(0..4) == 0 {
                    parts.push(from);
                } else {
                    parts.push(sketch.conv(from, channels, [1; 2], |_| ()));
                }
            }
            // Not in the order in which they are computed.
            if sketch.rng().random_range(0..3) == 0 {
                parts.reverse();
            }
            maps = parts.iter().copied().chain([sketch.concat(&parts)]).collect();
        }
        let unread = sketch.unread();
        let last = match unread.len() {
            1 => unread[0],
            _ => sketch.concat(&unread),
        };
        finish(sketch, last)
    });
}

#[test]
fn several_outputs_and_maps_that_are_sent() {
    check(|seed| {
        let mut sketch = sketch("outputs", seed, 2);
        let first = sketch.conv(TensorRef::Input, 5, [1; 2], |_| ());
        let channels = sketch.rng().random_range(1..=19);
        let second = sketch.conv(first, channels, [2, 1], |_| ());
        let joined = sketch.concat(&[first, first]);
        sketch.fully_connected(second, 3);
        sketch.conv(joined, 7, [1, 2], |_| ());
        // The second map is read, too; the third is a concatenation; the last has several pixels.
        let all = [vec![4, 3], vec![4, 1, 3], vec![2, 3, 4], vec![0, 1, 2, 3, 4]];
        let outputs = all.choose(sketch.rng()).expect("there are choices").clone();
        sketch.finish_with(&outputs)
    });
}

#[test]
fn copies_that_are_sent_are_told_of() {
    let mut sketch = Sketch::new("copied", [3, 3, 4], 1);
    let first = sketch.conv(TensorRef::Input, 4, [1; 2], |_| ());
    sketch.conv(first, 4, [1; 2], |_| ());
    let notes = |outputs: &[usize]| {
        let network = sketch.clone().finish_with(outputs);
        codegen::check(&network, &ArrayConfig::default(), &Options::default()).notes
    };
    assert_eq!(notes(&[1]), Vec::<String>::new());
    let [note] = &notes(&[1, 0])[..] else { panic!("there is one copy") };
    assert!(note.starts_with("layer \"layer0\" is an output and read by layers: a copy"), "{note}");
}

#[test]
fn networks_that_are_not_compiled_have_rates() {
    let mut sketch = Sketch::new("refused", [130, 130, 1], 1);
    let window = Window { kernel: [130; 2], stride: [1; 2], padding: [0; 4] };
    let mean = sketch.average_pool(TensorRef::Input, window);
    sketch.requantize(mean);
    let mut network = sketch.finish_with(&[1]);
    network.layers[1].bounds = Bounds { low: -300, high: 300 };
    let (config, options) = (ArrayConfig::default(), Options::default());
    assert!(!codegen::check(&network, &config, &options).problems.is_empty());
    assert_eq!(codegen::rates(&network, &config, &options).layers.len(), 2);
}

#[test]
fn additions_and_maps_of_another_scale() {
    check(|seed| {
        let mut sketch = sketch("add", seed, 2);
        let channels = sketch.shape(TensorRef::Input).channels;
        let first = sketch.requantize(TensorRef::Input);
        let second = sketch.conv(TensorRef::Input, channels, [1; 2], |_| ());
        let sum = sketch.add(first, second);
        let twice = sketch.add(sum, TensorRef::Input);
        let sum = sketch.add(twice, second);
        finish(sketch, sum)
    });
}

/// A window of up to 3 x 3 that fits a map, with or without padding.
fn window(sketch: &mut Sketch, map: TensorRef) -> Window {
    let Shape { height, width, .. } = sketch.shape(map);
    let rng = sketch.rng();
    let kernel = [height, width].map(|size| rng.random_range(1..=size.min(3)));
    let stride = [0; 2].map(|_| rng.random_range(1..=3));
    let [y, x] = kernel;
    let padding = [y, y, x, x].map(|size| rng.random_range(0..size));
    Window { kernel, stride, padding }
}

#[test]
fn pools() {
    check(|seed| {
        let mut sketch = sketch("pools", seed, 2);
        let at = window(&mut sketch, TensorRef::Input);
        let largest = sketch.max_pool(TensorRef::Input, at);
        let means = sketch.average_pool(TensorRef::Input, at);
        let at = window(&mut sketch, means);
        let means = sketch.average_pool(means, at);
        let Shape { height, width, .. } = sketch.shape(largest);
        let all = Window { kernel: [height, width], stride: [1; 2], padding: [0; 4] };
        let mean = sketch.average_pool(largest, all);
        let at = window(&mut sketch, largest);
        let largest = sketch.max_pool(largest, at);
        sketch.fully_connected(means, 2);
        sketch.fully_connected(largest, 3);
        sketch.fully_connected(mean, 3);
        let unread: Vec<usize> = sketch
            .unread()
            .into_iter()
            .filter_map(|map| match map {
                TensorRef::Layer(index) => Some(index),
                TensorRef::Input => None,
            })
            .collect();
        sketch.finish_with(&unread)
    });
}

#[test]
fn depthwise_and_grouped_convolutions() {
    check(|seed| {
        let mut sketch = sketch("depthwise", seed, 3);
        let kernel = [0; 2].map(|_| sketch.rng().random_range(1..=3));
        let at = place(&mut sketch, TensorRef::Input, kernel);
        let multiplier = *[1, 1, 2, 3].choose(sketch.rng()).expect("there are choices");
        let map = sketch.depthwise(TensorRef::Input, multiplier, kernel, at);
        // In groups of several channels, too.
        let Shape { channels, .. } = sketch.shape(map);
        let divisors: Vec<usize> = (1..=channels).filter(|n| channels % n == 0).collect();
        let groups = *divisors.choose(sketch.rng()).expect("there are choices");
        let n_outputs = groups * sketch.rng().random_range(1..=3);
        let map = sketch.conv(map, n_outputs, [1; 2], |conv| conv.groups = groups);
        let map = sketch.depthwise(map, 1, [1; 2], |_| ());
        finish(sketch, map)
    });
}
