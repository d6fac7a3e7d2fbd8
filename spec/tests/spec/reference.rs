//! The reference against an executor written from the documentation, and against numbers worked out by hand.

use std::collections::BTreeMap;

use ndarray::Array4;
use proptest::prelude::*;
use spec::{
    Bounds, Conv, FullyConnected, InputSpec, Layer, LayerOutput, NetworkError, Op, QuantNetwork,
    Requantize, Rounding, Sparsity, TensorRef, run_reference,
};

use crate::stranger;
use crate::support::{
    Random, networks, networks_2, random_network, random_network_2, toy, toy_2, vector,
};

fn compare(network: &QuantNetwork, image: &[i8]) {
    let (json, tensors) = network.to_parts();
    let run = stranger::run(&json, &tensors, image);
    let inference = run_reference(network, image).unwrap();
    assert_eq!(inference.layers.len(), run.maps.len());
    for ((output, map), layer) in inference.layers.iter().zip(&run.maps).zip(&network.layers) {
        let values: Vec<i64> = match output {
            LayerOutput::Map(map) => map.iter().map(|value| i64::from(*value)).collect(),
            LayerOutput::Output(map) => map.iter().map(|value| i64::from(*value)).collect(),
        };
        assert_eq!(values, map.values(), "{}", layer.name);
    }
    let outputs: Vec<i64> = inference.logits.values.iter().map(|value| i64::from(*value)).collect();
    assert_eq!((outputs, inference.logits.class), (run.outputs, run.class));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_strangers_executor((network, image) in networks()) {
        prop_assert_eq!(network.validate(), Ok(()));
        compare(&network, &image);
    }

    #[test]
    fn agrees_with_a_strangers_executor_on_format_2((network, image) in networks_2()) {
        prop_assert_eq!(network.validate(), Ok(()));
        compare(&network, &image);
    }
}

#[test]
fn networks_of_format_2_have_all_of_it() {
    let mut n: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut n_inner, mut n_values) = (0, 0);
    for seed in 0..300 {
        let network = random_network_2(6, &mut Random::new(seed));
        let image = Random::new(seed).image(network.input.n_bytes());
        for output in run_reference(&network, &image).unwrap().layers {
            let values: Vec<i8> = output.map().into_iter().flatten().copied().collect();
            let (least, most) = (values.iter().min().copied(), values.iter().max().copied());
            n_inner += values.iter().filter(|v| Some(**v) != least && Some(**v) != most).count();
            n_values += values.len();
        }
        let mut see = |what, is_seen: bool| *n.entry(what).or_default() += usize::from(is_seen);
        see("several outputs", network.outputs.len() > 1);
        for layer in &network.layers {
            see("half away", layer.requantize.rounding == Rounding::HalfAway);
            match &layer.op {
                Op::Conv(conv) => {
                    let (_, height, _, n_in) = conv.weight.dim();
                    let residual = conv.residual.as_ref();
                    see("grouped", conv.groups > 1 && n_in > 1);
                    see("depthwise", conv.groups > 1 && n_in == 1);
                    see(
                        "multiplied channels",
                        conv.groups > 1 && conv.weight.dim().0 > conv.groups,
                    );
                    see("dilated", conv.dilation[0] > 1 && height > 1);
                    see("of two strides", conv.stride[0] != conv.stride[1]);
                    see("of a large kernel", height > 7);
                    see("residual before", residual.is_some_and(|residual| !residual.after));
                    see("residual after", residual.is_some_and(|residual| residual.after));
                }
                Op::FullyConnected(_) => see("fully connected", true),
                Op::GlobalAveragePool => see("global average", true),
                Op::AveragePool(window) => {
                    see("average", window.padding != [0; 4]);
                    see("average of all", window.kernel[0] > 3);
                }
                Op::MaxPool(window) => see("largest", window.padding != [0; 4]),
                Op::Add(_) => see("add", true),
                Op::Requantize => see("requantize", true),
                Op::Concat(others) => see("concat", others.len() > 1),
            }
        }
    }
    assert!(n.values().all(|n| *n > 15), "{n:?}");
    assert!(4 * n_inner > n_values, "{n_inner} of {n_values} values");
}

#[test]
fn agrees_on_the_toy_of_format_2() {
    let network = toy_2();
    let mut random = Random::new(2);
    for _ in 0..20 {
        compare(&network, &random.image(64));
    }
    for value in [-128, 0, 127] {
        compare(&network, &[value; 64]);
    }
}

#[test]
fn random_networks_neither_vanish_nor_saturate() {
    let (mut n_inner, mut n_values) = (0, 0);
    for seed in 0..200 {
        let network = random_network(4, &mut Random::new(seed));
        let image = Random::new(seed).image(network.input.n_bytes());
        for output in run_reference(&network, &image).unwrap().layers {
            let values: Vec<i8> = output.map().into_iter().flatten().copied().collect();
            n_inner += values.iter().filter(|value| ![-128, 0, 127].contains(*value)).count();
            n_values += values.len();
        }
    }
    assert!(10 * n_inner > 3 * n_values, "{n_inner} of {n_values} values");
}

#[test]
fn agrees_on_the_toy() {
    let network = toy();
    let mut random = Random::new(1);
    for _ in 0..20 {
        compare(&network, &random.image(64));
    }
    for value in [-128, 0, 127] {
        compare(&network, &[value; 64]);
    }
}

/// One fully connected layer over `n_inputs` bytes.
fn vector_network(
    weights: &[i8],
    n_inputs: usize,
    requantize: Requantize,
    relu: bool,
) -> QuantNetwork {
    let n_out = weights.len() / n_inputs;
    QuantNetwork {
        name: "vector".into(),
        input: InputSpec {
            height: 1,
            width: 1,
            channels: n_inputs,
            space_to_depth: 1,
            scale: 1.0,
            zero_point: 0,
            preprocess: None,
        },
        classes: (0..n_out).map(|class| class.to_string()).collect(),
        layers: vec![Layer {
            name: "fc".into(),
            input: TensorRef::Input,
            op: Op::FullyConnected(FullyConnected {
                weight: Array4::from_shape_vec((n_out, 1, 1, n_inputs), weights.to_vec()).unwrap(),
                sparsity: Sparsity::default(),
            }),
            requantize,
            bounds: Bounds::format_1(relu, true),
            zero_point: 0,
            scale: 1.0,
        }],
        outputs: vec![0],
        provenance: serde_json::Value::Null,
    }
}

#[test]
fn rounds_and_saturates_logits() {
    let requantize = Requantize {
        bias: vector(&[0, 0, 0, 1, i32::MAX - 20_000, i32::MIN + 20_000, 5]),
        multiplier: vector(&[1, 1, 1, 1, 32767, 32767, 1]),
        shift: vector(&[1, 1, 2, 1, 0, 0, 47]),
        rounding: Rounding::HalfEven,
    };
    let network = vector_network(&[1, -1, 2, 2, 127, -128, 0], 1, requantize, false);
    assert_eq!(network.validate(), Ok(()));
    // 3/2, -3/2, 6/4, 7/2, beyond both ends, and next to nothing.
    let inference = run_reference(&network, &[3]).unwrap();
    assert_eq!(inference.logits.values, [2, -2, 2, 4, 32767, -32768, 0]);
    assert_eq!(inference.logits.class, 4);
    // -128/2, 128/2, -256/4, -255/2.
    let inference = run_reference(&network, &[-128]).unwrap();
    assert_eq!(inference.logits.values[..4], [-64, 64, -64, -128]);
}

#[test]
fn the_lowest_of_equal_logits_is_the_class() {
    let requantize = Requantize {
        bias: vector(&[1, 7, 7, -3]),
        multiplier: vector(&[1; 4]),
        shift: vector(&[0; 4]),
        rounding: Rounding::HalfEven,
    };
    let network = vector_network(&[0; 4], 1, requantize, true);
    let logits = run_reference(&network, &[9]).unwrap().logits;
    assert_eq!((logits.values, logits.class), (vec![1, 7, 7, 0], 1));
}

#[test]
fn accumulators_reach_their_limit_exactly() {
    // 2000 products of (-128)^2; the bias takes the rest of 31 bits.
    let n = 2000;
    let worst = 2000 * 128 * 128;
    let bias = i32::MAX - worst;
    let requantize = Requantize {
        bias: vector(&[bias]),
        multiplier: vector(&[1]),
        shift: vector(&[16]),
        rounding: Rounding::HalfEven,
    };
    let mut network = vector_network(&vec![-128; n], n, requantize, false);
    assert_eq!(network.validate(), Ok(()));
    // (2^31 - 1) / 2^16 is just below 32768 and saturates.
    assert_eq!(run_reference(&network, &vec![-128; n]).unwrap().logits.values, [32767]);
    network.layers[0].requantize.bias = vector(&[bias + 1]);
    let errors = network.validate().unwrap_err();
    let expected = NetworkError::Accumulator {
        layer: "fc".into(),
        channel: 0,
        worst: 1 << 31,
        max: (1 << 31) - 1,
    };
    assert_eq!(errors, [expected]);
}

#[test]
fn space_to_depth_orders_channels_by_row_column_and_channel() {
    let mut network = toy();
    network.layers.truncate(1);
    let layer = &mut network.layers[0];
    // Output channel k is input channel k of the packed map.
    let weight = Array4::from_shape_fn((4, 1, 1, 4), |(k, _, _, c)| i8::from(k == c));
    layer.op = Op::Conv(Conv::new(weight));
    layer.bounds = Bounds::INT8;
    layer.requantize = Requantize {
        bias: vector(&[0; 4]),
        multiplier: vector(&[1; 4]),
        shift: vector(&[0; 4]),
        rounding: Rounding::HalfEven,
    };
    network.layers.extend(toy().layers.into_iter().skip(2));
    network.layers[1].input = TensorRef::Layer(0);
    network.layers[2].input = TensorRef::Layer(1);
    network.outputs = vec![2];
    let image: Vec<i8> = (0..64).collect();
    let inference = run_reference(&network, &image).unwrap();
    let map = inference.layers[0].map().unwrap();
    assert_eq!(map.dim(), (4, 4, 4));
    let pixel = |y: usize, x: usize| (0..4).map(|k| map[[y, x, k]]).collect::<Vec<_>>();
    assert_eq!(pixel(0, 0), [0, 1, 8, 9]);
    assert_eq!(pixel(3, 2), [52, 53, 60, 61]);
}

#[test]
fn refuses_an_image_of_another_size() {
    let error = run_reference(&toy(), &[0; 63]).unwrap_err();
    assert_eq!(error, NetworkError::ImageLength { expected: 64, found: 63 });
}
