//! Networks of the shapes of MLPerf Tiny's, with random weights: what they need at 8x16, and that they run.

use codegen::Options;
use flow::cases::random_image;
use spec::{ArrayConfig, Conv, Memories, QuantNetwork, TensorRef};
use twofold_tests::executor::{Executor, Interpreter, Reference, VerilatedRtl, first_difference};
use twofold_tests::sketch::Sketch;
use twofold_tests::subject::Subject;

/// SAME padding of a kernel: TensorFlow's, more at the bottom and at the right.
fn same(
    sketch: &Sketch,
    map: TensorRef,
    kernel: [usize; 2],
    stride: usize,
) -> impl FnOnce(&mut Conv) + use<> {
    let shape = sketch.shape(map);
    let pads = [shape.height, shape.width].into_iter().zip(kernel).flat_map(|(size, kernel)| {
        let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
        [total / 2, total - total / 2]
    });
    let pads: Vec<usize> = pads.collect();
    move |conv| {
        conv.stride = [stride; 2];
        conv.padding = [pads[0], pads[1], pads[2], pads[3]];
    }
}

fn conv(
    sketch: &mut Sketch,
    map: TensorRef,
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
) -> TensorRef {
    let at = same(sketch, map, kernel, stride);
    sketch.conv(map, channels, kernel, at)
}

fn depthwise(sketch: &mut Sketch, map: TensorRef, stride: usize) -> TensorRef {
    let at = same(sketch, map, [3; 2], stride);
    sketch.depthwise(map, 1, [3; 2], at)
}

/// Keyword spotting: a kernel of 10 rows, four depthwise convolutions.
fn ds_cnn() -> QuantNetwork {
    let mut sketch = Sketch::new("ds-cnn", [49, 10, 1], 1);
    let mut map = conv(&mut sketch, TensorRef::Input, 64, [10, 4], 2);
    for _ in 0..4 {
        map = depthwise(&mut sketch, map, 1);
        map = conv(&mut sketch, map, 64, [1; 2], 1);
    }
    map = sketch.global_average_pool(map);
    sketch.fully_connected(map, 12);
    sketch.finish()
}

/// Visual wake words: MobileNet v1, a quarter as wide.
fn mobilenet(side: usize) -> QuantNetwork {
    let mut sketch = Sketch::new("mobilenet-0.25", [side, side, 3], 2);
    let mut map = conv(&mut sketch, TensorRef::Input, 8, [3; 2], 2);
    let blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)];
    let rest = [(128, 1); 5].into_iter().chain([(256, 2), (256, 1)]);
    for (channels, stride) in blocks.into_iter().chain(rest) {
        map = depthwise(&mut sketch, map, stride);
        map = conv(&mut sketch, map, channels, [1; 2], 1);
    }
    map = sketch.global_average_pool(map);
    sketch.fully_connected(map, 2);
    sketch.finish()
}

/// Image classification: three blocks with additions of maps of their own scales.
fn resnet_8() -> QuantNetwork {
    let mut sketch = Sketch::new("resnet-8", [32, 32, 3], 3);
    let mut map = conv(&mut sketch, TensorRef::Input, 16, [3; 2], 1);
    for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
        let inner = conv(&mut sketch, map, channels, [3; 2], stride);
        let outer = conv(&mut sketch, inner, channels, [3; 2], 1);
        let shortcut =
            if stride == 1 { map } else { conv(&mut sketch, map, channels, [1; 2], stride) };
        map = sketch.add(outer, shortcut);
    }
    map = sketch.global_average_pool(map);
    sketch.fully_connected(map, 10);
    sketch.finish()
}

/// The memories that a network needs beyond those that an array has by default: name, needed, available.
fn short_of(network: &QuantNetwork) -> Vec<(&'static str, usize, usize)> {
    let config = ArrayConfig::new(8, 16, Memories::default()).expect("the array is possible");
    let report = codegen::check(network, &config, &Options::default());
    let short = report.requirements.iter().filter(|need| need.needed > need.available);
    short.map(|need| (need.memory.key(), need.needed, need.available)).collect()
}

/// Runs a network at 8x16 with the memories that it needs; its cycles.
fn run(network: QuantNetwork) -> u64 {
    let any = ArrayConfig::new(8, 16, Memories::default()).expect("the array is possible");
    let memories = codegen::requirements(&network, &any, &Options::default())
        .unwrap_or_else(|errors| panic!("{}: {errors}", network.name));
    let config =
        ArrayConfig::new(8, 16, memories.max(&Memories::default())).expect("the array is possible");
    let name = network.name.clone();
    let images = vec![random_image(&network, 1)];
    let subject = Subject::new(&name, network, &config, &Options::default(), images)
        .unwrap_or_else(|error| panic!("{error}"));
    let expected = Reference.run(&subject).expect("the image has the right size");
    for executor in [&Interpreter as &dyn Executor, &VerilatedRtl] {
        let found = executor.run(&subject).unwrap_or_else(|error| panic!("{name}: {error}"));
        let difference = first_difference(&subject, &expected, &found);
        assert_eq!(difference, None, "{name} on {}", executor.name());
    }
    codegen::tile_cycles(&subject.program)
}

#[test]
fn ds_cnn_runs_in_the_default_memories() {
    let network = ds_cnn();
    assert_eq!(short_of(&network), []);
    assert!(run(network) < 60_000);
}

#[test]
fn resnet_8_runs() {
    let network = resnet_8();
    assert_eq!(short_of(&network), []);
    run(network);
}

#[test]
fn mobilenet_runs_and_what_it_is_short_of_is_said() {
    let network = mobilenet(96);
    let short = short_of(&network);
    // Two maps of 2,304 words in one bank take fewer block RAMs than in two.
    assert_eq!(
        short,
        [("image", 27_648, 16_384), ("input", 2_304, 2_048), ("bank1", 4_608, 2_048)]
    );
    run(network);
}
