//! Every rule of a network: broken alone it gives its own message, and all together they are all reported.

use spec::{
    Conv, InputSpec, Layer, NetworkError, Normalize, Op, Pattern, Preprocess, QuantNetwork,
    TensorRef,
};

use crate::support::{Case, messages, toy, vector};

fn conv(layer: &mut Layer) -> &mut Conv {
    match &mut layer.op {
        Op::Conv(conv) => conv,
        _ => panic!("{} is no convolution", layer.name),
    }
}

fn conv1(network: &mut QuantNetwork) -> &mut Conv {
    conv(&mut network.layers[0])
}

fn conv2(network: &mut QuantNetwork) -> &mut Conv {
    conv(&mut network.layers[1])
}

/// `conv1` keeps everything under `pattern`.
fn full(network: &mut QuantNetwork, pattern: Pattern) {
    conv1(network).weight.fill(1);
    conv1(network).sparsity.pattern = pattern;
}

/// `conv1` keeps the even channels alone, as every pattern but the fixed one allows.
fn even(network: &mut QuantNetwork, pattern: Pattern) {
    full(network, pattern);
    conv1(network)
        .weight
        .indexed_iter_mut()
        .filter(|((_, _, _, c), _)| c % 2 == 1)
        .for_each(|(_, weight)| *weight = 0);
}

const CASES: &[Case] = &[
    ("no rows", |n| n.input.height = 0),
    ("too wide", |n| n.input.width = 2048),
    ("no channels", |n| n.input.channels = 0),
    ("block too large", |n| n.input.space_to_depth = 9),
    ("block of nothing", |n| n.input.space_to_depth = 0),
    ("block does not divide", |n| n.input.space_to_depth = 3),
    ("input scale", |n| n.input.scale = f64::NAN),
    ("impossible pre-processing", |n| {
        let normalize = Normalize::Fixed { mean: vec![], std: vec![] };
        n.input.preprocess = Some(Preprocess { normalize, ..Preprocess::sar(8) });
    }),
    ("pre-processing of another size", |n| n.input.preprocess = Some(Preprocess::sar(9))),
    ("no layers", |n| n.layers.clear()),
    ("empty name", |n| n.layers[2].name.clear()),
    ("reserved name", |n| n.layers[2].name = "input".into()),
    ("name used twice", |n| n.layers[2].name = "conv1".into()),
    ("input that comes later", |n| n.layers[0].input = TensorRef::Layer(1)),
    ("input that does not exist", |n| n.layers[3].input = TensorRef::Layer(7)),
    ("residual that comes later", |n| {
        conv2(n).residual.as_mut().unwrap().from = TensorRef::Layer(2)
    }),
    ("unread layer", |n| n.layers[3].input = TensorRef::Layer(0)),
    ("layer scale zero", |n| n.layers[1].scale = 0.0),
    ("layer scale infinite", |n| n.layers[1].scale = f64::INFINITY),
    ("kernel too high", |n| conv1(n).weight = ndarray::Array4::zeros((4, 17, 3, 4))),
    ("kernel too wide", |n| conv1(n).weight = ndarray::Array4::zeros((4, 3, 18, 4))),
    ("kernel of nothing", |n| conv1(n).weight = ndarray::Array4::zeros((4, 0, 3, 4))),
    ("no output channels", |n| {
        conv1(n).weight = ndarray::Array4::zeros((0, 3, 3, 4));
        n.layers[0].requantize = spec::Requantize::none();
    }),
    ("kernel beyond the input", |n| {
        conv1(n).weight = ndarray::Array4::zeros((4, 7, 3, 4));
        conv1(n).padding = [1; 4];
    }),
    ("input channels", |n| conv2(n).weight = ndarray::Array4::zeros((4, 3, 3, 5))),
    ("stride", |n| conv1(n).stride = [5; 2]),
    ("stride of nothing", |n| conv1(n).stride = [0, 1]),
    ("padding", |n| conv1(n).padding = [0, 16, 0, 20]),
    ("residual stride", |n| conv2(n).residual.as_mut().unwrap().stride = 0),
    ("residual too small", |n| conv2(n).residual.as_mut().unwrap().stride = 2),
    ("pool too small", |n| {
        conv2(n).stride = [4; 2];
        conv2(n).residual = None;
    }),
    ("bias length", |n| n.layers[0].requantize.bias = vector(&[0; 3])),
    ("shift length", |n| n.layers[2].requantize.shift = vector(&[0; 5])),
    ("residual multiplier length", |n| {
        conv2(n).residual.as_mut().unwrap().multiplier = vector(&[0; 5])
    }),
    ("multiplier too large", |n| n.layers[0].requantize.multiplier[2] = 1 << 24),
    ("multiplier negative", |n| n.layers[0].requantize.multiplier[3] = -1),
    ("shift too large", |n| n.layers[0].requantize.shift[0] = 56),
    ("residual multiplier too large", |n| {
        conv2(n).residual.as_mut().unwrap().multiplier[1] = 65536
    }),
    ("accumulator", |n| n.layers[1].requantize.bias[3] = i32::MIN + 1000),
    ("accumulator of a pool", |n| n.layers[2].requantize.bias[0] = i32::MAX),
    ("group of nothing", |n| conv1(n).sparsity.group = 0),
    ("both of a pair, fixed", |n| full(n, Pattern::UhpFixed)),
    ("both of a pair, shared", |n| full(n, Pattern::UhpShared)),
    ("both of a pair, free", |n| full(n, Pattern::UhpFree)),
    ("another position than the fixed one", |n| even(n, Pattern::UhpFixed)),
    ("positions of a group differ", |n| {
        even(n, Pattern::UhpShared);
        conv1(n).sparsity.group = 3;
        conv1(n).weight[[2, 1, 2, 2]] = 0;
        conv1(n).weight[[2, 1, 2, 3]] = 5;
    }),
    ("fully connected over another map", |n| n.layers[3].input = TensorRef::Layer(1)),
    ("map instead of logits", |n| {
        n.layers.truncate(1);
        n.outputs = vec![0];
        n.classes = ["a", "b", "c", "d"].map(String::from).to_vec();
    }),
    ("pooled logits", |n| {
        n.layers.truncate(2);
        n.outputs = vec![1];
        conv1(n).stride = [2; 2];
        conv2(n).residual = None;
        n.classes = ["a", "b", "c", "d"].map(String::from).to_vec();
    }),
    ("too few classes", |n| n.classes.truncate(1)),
    ("class without a name", |n| n.classes[1].clear()),
    ("class named twice", |n| n.classes[1] = "a".into()),
];

#[test]
fn the_toy_keeps_every_rule() {
    assert_eq!(toy().validate(), Ok(()));
}

#[test]
fn every_broken_rule_has_its_message() {
    insta::assert_snapshot!(messages(toy, CASES));
}

#[test]
fn every_pattern_accepts_what_it_allows() {
    for pattern in [Pattern::Dense, Pattern::Unstructured, Pattern::UhpShared, Pattern::UhpFree] {
        let mut network = toy();
        even(&mut network, pattern);
        assert_eq!(network.validate(), Ok(()), "{pattern:?}");
    }
    let mut network = toy();
    full(&mut network, Pattern::UhpFixed);
    let fixed = |y: usize, x: usize, c: usize| spec::fixed_channel(c / 2, 3 * y + x) == c;
    let conv = conv1(&mut network);
    conv.weight
        .indexed_iter_mut()
        .for_each(|((_, y, x, c), weight)| *weight = i8::from(fixed(y, x, c)));
    assert_eq!(network.validate(), Ok(()));
    // A shared group larger than the layer is the whole layer; positions may differ between groups.
    let mut network = toy();
    even(&mut network, Pattern::UhpShared);
    conv1(&mut network).sparsity.group = 1000;
    assert_eq!(network.validate(), Ok(()));
    conv1(&mut network).sparsity.group = 2;
    for k in 2..4 {
        conv1(&mut network).weight[[k, 1, 2, 2]] = 0;
        conv1(&mut network).weight[[k, 1, 2, 3]] = 5;
    }
    assert_eq!(network.validate(), Ok(()));
}

#[test]
fn limits_are_inclusive() {
    let mut network = toy();
    network.input =
        InputSpec { height: 2047, width: 8, channels: 1, space_to_depth: 1, ..network.input };
    let conv = conv1(&mut network);
    conv.weight = ndarray::Array4::zeros((4, 16, 16, 1));
    conv.stride = [4; 2];
    conv.padding = [15, 15, 8, 2];
    network.layers[0].requantize.multiplier.fill((1 << 24) - 1);
    network.layers[0].requantize.shift.fill(55);
    conv2(&mut network).residual.as_mut().unwrap().multiplier.fill(65535);
    conv2(&mut network).max_pool = false;
    assert_eq!(network.validate(), Ok(()));
}

#[test]
fn all_problems_come_at_once() {
    let mut network = toy();
    network.input.scale = -1.0;
    network.layers[0].requantize.shift[1] = 99;
    conv2(&mut network).stride = [9; 2];
    network.layers[3].scale = f64::NAN;
    network.classes.push("c".into());
    let errors = network.validate().unwrap_err();
    let kinds: Vec<bool> = errors
        .iter()
        .zip([
            |error: &NetworkError| matches!(error, NetworkError::Scale { place, .. } if place == "input"),
            |error: &NetworkError| matches!(error, NetworkError::Constant { value: 99, channel: 1, .. }),
            |error: &NetworkError| matches!(error, NetworkError::LayerSize { field: "stride", value: 9, .. }),
            |error: &NetworkError| matches!(error, NetworkError::Scale { place, .. } if place.contains("fc")),
            |error: &NetworkError| matches!(error, NetworkError::ClassCount { n_classes: 3, n_logits: 2 }),
        ])
        .map(|(error, is_kind)| is_kind(error))
        .collect();
    assert_eq!((errors.len(), kinds), (5, vec![true; 5]), "{errors:#?}");
}
