//! Every rule that format 2 adds: broken alone it gives its own message. Format 1 keeps its own limits.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spec::{
    Add, Bounds, Conv, Layer, NetworkError, Op, Pattern, QuantNetwork, Residual, Rounding, Shape,
    Sparsity, TensorRef, Window,
};

use crate::support::{Case, messages, toy, toy_2, vector};

fn layer<'n>(network: &'n mut QuantNetwork, name: &str) -> &'n mut Layer {
    network.layers.iter_mut().find(|layer| layer.name == name).expect("the toy has it")
}

fn conv<'n>(network: &'n mut QuantNetwork, name: &str) -> &'n mut Conv {
    match &mut layer(network, name).op {
        Op::Conv(conv) => conv,
        _ => panic!("{name} is no convolution"),
    }
}

fn window<'n>(network: &'n mut QuantNetwork, name: &str) -> &'n mut Window {
    match &mut layer(network, name).op {
        Op::AveragePool(window) | Op::MaxPool(window) => window,
        _ => panic!("{name} has no window"),
    }
}

fn add(network: &mut QuantNetwork) -> &mut Add {
    match &mut layer(network, "add").op {
        Op::Add(add) => add,
        _ => panic!("it is no add"),
    }
}

fn others(network: &mut QuantNetwork) -> &mut Vec<TensorRef> {
    match &mut layer(network, "concat").op {
        Op::Concat(others) => others,
        _ => panic!("it is no concat"),
    }
}

const CASES: &[Case] = &[
    ("kernel too high", |n| conv(n, "conv").weight = ndarray::Array4::zeros((4, 17, 3, 4))),
    ("a dilated kernel beyond the input", |n| conv(n, "depthwise").dilation = [4, 4]),
    ("stride of rows", |n| conv(n, "conv").stride = [5, 1]),
    ("stride of columns", |n| conv(n, "conv").stride = [1, 0]),
    ("both strides", |n| conv(n, "conv").stride = [7, 8]),
    ("dilation", |n| conv(n, "depthwise").dilation = [0, 5]),
    ("no groups", |n| conv(n, "depthwise").groups = 0),
    ("groups that do not divide", |n| conv(n, "depthwise").groups = 3),
    ("groups of another size than the weights", |n| conv(n, "depthwise").groups = 2),
    ("a half-pruned grouped convolution", |n| {
        conv(n, "depthwise").sparsity = Sparsity { pattern: Pattern::UhpFree, group: 0 };
    }),
    ("multiplier too large", |n| layer(n, "add").requantize.multiplier[1] = 1 << 24),
    ("shift too large", |n| layer(n, "scaled").requantize.shift[0] = 56),
    ("added multiplier too large", |n| add(n).multiplier[2] = 1 << 24),
    ("residual multiplier after the scaling too large", |n| {
        conv(n, "depthwise").residual.as_mut().unwrap().multiplier[3] = 1 << 24;
    }),
    ("residual multiplier before the scaling too large", |n| {
        conv(n, "depthwise").residual.as_mut().unwrap().after = false;
    }),
    ("constants where there are none", |n| layer(n, "mean").requantize.bias = vector(&[1])),
    ("too few constants of an add", |n| add(n).multiplier = vector(&[1, 2, 3])),
    ("an accumulator with a zero point", |n| {
        let weights = &conv(n, "conv").weight.index_axis(ndarray::Axis(0), 0);
        let sum: i32 = weights.iter().map(|weight| i32::from(weight.unsigned_abs())).sum();
        // The zero point of the input is 3.
        layer(n, "conv").requantize.bias[0] = i32::MAX - 130 * sum;
    }),
    ("an accumulator of a requantization", |n| {
        layer(n, "scaled").requantize.bias[0] = i32::MAX - 147;
    }),
    ("bounds that are no range", |n| layer(n, "add").bounds = Bounds { low: 5, high: 4 }),
    ("wide bounds of a map", |n| layer(n, "add").bounds = Bounds::INT16),
    ("wide bounds of an output that is read", |n| {
        n.outputs.push(2);
        layer(n, "add").bounds = Bounds::INT16;
    }),
    ("bounds of a concatenation", |n| layer(n, "concat").bounds = Bounds { low: 0, high: 127 }),
    ("window too large", |n| window(n, "largest").kernel = [4, 5]),
    ("window of nothing", |n| window(n, "mean").kernel = [0, 0]),
    ("stride of a window", |n| window(n, "mean").stride = [4, 0]),
    ("padding that hides a window", |n| window(n, "largest").padding = [3, 0, 0, 2]),
    ("a window of all of the map with padding", |n| {
        *window(n, "mean") = Window { kernel: [4, 4], stride: [1; 2], padding: [1, 0, 0, 0] };
    }),
    ("window beyond the map", |n| {
        window(n, "small").stride = [3, 3];
        *window(n, "largest") = Window { kernel: [1; 2], stride: [3; 2], padding: [0; 4] };
        *window(n, "mean") = Window { kernel: [3; 2], stride: [3; 2], padding: [0; 4] };
        layer(n, "mean").input = TensorRef::Layer(3);
    }),
    ("a pool to another zero point", |n| layer(n, "largest").zero_point = -4),
    ("a pool to another scale", |n| layer(n, "small").scale = 0.04),
    ("parts of other zero points and scales", |n| {
        others(n)[1] = TensorRef::Layer(0);
    }),
    ("parts of other sizes", |n| others(n)[0] = TensorRef::Layer(2)),
    ("a concatenation of one", |n| others(n).clear()),
    ("a part that comes later", |n| others(n)[0] = TensorRef::Layer(8)),
    ("an add of another shape", |n| {
        conv(n, "depthwise").stride = [2, 1];
        let requantize = layer(n, "scaled").requantize.clone();
        layer(n, "largest").input = TensorRef::Layer(1);
        layer(n, "largest").op = Op::Requantize;
        layer(n, "largest").requantize = requantize;
    }),
    ("an add of what comes later", |n| add(n).other = TensorRef::Layer(3)),
    ("no outputs", |n| n.outputs.clear()),
    ("too many outputs", |n| n.outputs = vec![9; 65]),
    ("an output twice", |n| n.outputs.push(9)),
    ("an output that does not exist", |n| n.outputs.push(10)),
    ("a pooled output", |n| {
        n.outputs.push(0);
        conv(n, "conv").max_pool = true;
    }),
    ("an unread layer that is no output", |n| n.outputs = vec![7]),
    ("classes of two outputs", |n| n.classes = ["a", "b"].map(String::from).to_vec()),
    ("classes of a map", |n| {
        n.layers.truncate(8);
        n.outputs = vec![7];
        n.classes = ["a", "b"].map(String::from).to_vec();
    }),
];

#[test]
fn the_toy_keeps_every_rule() {
    assert_eq!(toy_2().validate(), Ok(()));
    let shapes = toy_2().shapes();
    let sizes = |shape: &Shape| [shape.height, shape.width, shape.channels];
    assert_eq!(
        shapes.iter().map(sizes).collect::<Vec<_>>(),
        [
            [4, 4, 4],
            [4, 4, 4],
            [4, 4, 4],
            [2, 4, 4],
            [2, 4, 4],
            [4, 4, 4],
            [2, 4, 4],
            [2, 4, 12],
            [1, 1, 12],
            [1, 1, 2]
        ]
    );
}

#[test]
fn every_broken_rule_has_its_message() {
    insta::assert_snapshot!(messages(toy_2, CASES));
}

#[test]
fn limits_are_inclusive() {
    let mut network = toy_2();
    network.outputs = vec![9, 7, 0, 1, 2];
    let depthwise = conv(&mut network, "depthwise");
    depthwise.weight = ndarray::Array4::zeros((8, 5, 16, 1));
    *depthwise = Conv { dilation: [4, 1], padding: [15, 15, 15, 15], ..depthwise.clone() };
    depthwise.residual = None;
    let depthwise = layer(&mut network, "depthwise");
    for (vector, value) in [
        (&mut depthwise.requantize.bias, i32::MIN + 1),
        (&mut depthwise.requantize.multiplier, (1 << 24) - 1),
        (&mut depthwise.requantize.shift, 55),
    ] {
        *vector = vector_of(8, value);
    }
    // From rows and columns of their own.
    layer(&mut network, "add").input = TensorRef::Layer(0);
    add(&mut network).multiplier.fill((1 << 24) - 1);
    *window(&mut network, "mean") =
        Window { kernel: [2, 3], stride: [3, 1], padding: [1, 1, 2, 0] };
    layer(&mut network, "scaled").requantize.bias.fill(i32::MAX - 148);
    assert_eq!(network.validate(), Ok(()));
    layer(&mut network, "scaled").requantize.bias.fill(i32::MAX - 147);
    let errors = network.validate().unwrap_err();
    assert!(matches!(errors[..], [NetworkError::Accumulator { .. }]), "{errors:?}");
}

fn vector_of(n: usize, value: i32) -> ndarray::Array1<i32> {
    ndarray::Array1::from_elem(n, value)
}

#[test]
fn an_average_pool_may_cover_the_whole_map() {
    let mut network = toy_2();
    network.layers.truncate(3);
    network.outputs = vec![2];
    let add = network.layers[2].clone();
    network.layers.push(Layer {
        name: "all".into(),
        input: TensorRef::Layer(2),
        op: Op::AveragePool(Window { kernel: [4, 4], stride: [1; 2], padding: [0; 4] }),
        requantize: spec::Requantize::none(),
        ..add
    });
    network.outputs = vec![3];
    assert_eq!(network.validate(), Ok(()));
    let pool = &mut network.layers[3];
    pool.op = Op::MaxPool(Window { kernel: [4, 4], stride: [1; 2], padding: [0; 4] });
    assert_eq!(network.validate().unwrap_err().len(), 2);
}

/// What format 1 cannot say makes a file of format 2, all by itself.
#[test]
fn each_thing_beyond_format_1_is_written_in_format_2() {
    let version = |network: &QuantNetwork| {
        let json: Value = serde_json::from_str(&network.to_parts().0).unwrap();
        json["format_version"].as_u64().unwrap()
    };
    assert_eq!(version(&toy()), 1);
    let mut n = 0;
    let mut beyond = |change: fn(&mut QuantNetwork)| {
        let mut network = toy();
        change(&mut network);
        assert_eq!(version(&network), 2);
        let (json, tensors) = network.to_parts();
        assert_eq!(QuantNetwork::from_parts(&json, &tensors), Ok(network));
        n += 1;
    };
    fn conv(network: &mut QuantNetwork, index: usize) -> &mut Conv {
        match &mut network.layers[index].op {
            Op::Conv(conv) => conv,
            _ => panic!("it is no convolution"),
        }
    }
    beyond(|n| n.input.zero_point = 1);
    beyond(|n| n.layers[0].zero_point = -128);
    beyond(|n| n.layers[0].bounds.low = 1);
    beyond(|n| n.layers[3].bounds = Bounds::INT8);
    beyond(|n| n.layers[2].requantize.rounding = Rounding::HalfAway);
    beyond(|n| n.layers[1].requantize.multiplier[0] = 32768);
    beyond(|n| n.layers[1].requantize.shift[0] = 48);
    beyond(|n| conv(n, 1).residual.as_mut().unwrap().after = true);
    beyond(|n| {
        conv(n, 1).residual = None;
        conv(n, 1).stride = [1, 2];
    });
    beyond(|n| conv(n, 1).dilation = [2, 2]);
    beyond(|n| {
        conv(n, 1).groups = 2;
        conv(n, 1).weight = ndarray::Array4::zeros((4, 3, 3, 2));
    });
    beyond(|n| {
        conv(n, 1).weight = ndarray::Array4::zeros((4, 1, 8, 4));
        conv(n, 1).padding = [0, 0, 4, 4];
        conv(n, 1).residual = None;
    });
    beyond(|n| n.classes.clear());
    beyond(|n| {
        n.classes.clear();
        n.outputs = vec![3, 0];
    });
    beyond(|n| {
        n.layers[2].op = Op::Requantize;
        *n.layers[3].op.weight_mut().unwrap() = ndarray::Array4::zeros((2, 2, 2, 4));
    });
    assert_eq!(n, 15);
}

/// The files of a network after a change of the JSON, the digest being that of the tensors.
fn errors_of(network: &QuantNetwork, change: impl Fn(&mut Value)) -> Vec<String> {
    let (json, tensors) = network.to_parts();
    let mut json: Value = serde_json::from_str(&json).unwrap();
    change(&mut json);
    let digest: String =
        Sha256::digest(&tensors).iter().map(|byte| format!("{byte:02x}")).collect();
    json["tensors_sha256"] = digest.into();
    let errors = QuantNetwork::from_parts(&json.to_string(), &tensors).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn format_1_keeps_its_limits() {
    let mut network = toy();
    network.layers[0].requantize.multiplier[2] = 32768;
    network.layers[1].requantize.shift[0] = 48;
    network.layers[3].op = toy().layers[3].op.clone();
    let as_1 = |json: &mut Value| {
        let mut one: Value = serde_json::from_str(&toy().to_parts().0).unwrap();
        one["layers"][2]["zero_point"] = 0.into();
        *json = one;
    };
    let found = errors_of(&network, as_1);
    let expected = [
        "layer \"pool\": key \"zero_point\" is unknown",
        "tensor \"conv1.multiplier\": channel 2 is 32768, outside 0..=32767",
        "tensor \"conv2.shift\": channel 0 is 48, outside 0..=47",
    ];
    assert!(
        found.len() == 3
            && expected.iter().zip(&found).all(|(start, line)| line.starts_with(start)),
        "{found:#?}"
    );
    let mut network = toy();
    let Op::Conv(first) = &mut network.layers[0].op else { panic!("it is a convolution") };
    first.weight = ndarray::Array4::zeros((4, 8, 1, 4));
    first.padding = [4, 4, 0, 0];
    let found = errors_of(&network, |json| {
        let mut one: Value = serde_json::from_str(&toy().to_parts().0).unwrap();
        one["layers"][0]["padding"] = json!([4, 4, 0, 0]);
        *json = one;
    });
    assert!(found[0].contains("kernel_height = 8 is outside 1..=7"), "{found:#?}");
}

#[test]
fn messages_of_wrong_keys() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 17] = [
        ("unknown operation", |json| json["layers"][1]["op"] = "lstm".into()),
        ("keys of format 1", |json| {
            json["layers"][0]["relu"] = true.into();
            json["layers"][0]["stride"] = 1.into();
        }),
        ("zero points beyond int8", |json| {
            json["input"]["zero_point"] = 128.into();
            json["layers"][0]["zero_point"] = (-129).into();
            json["layers"][1]["zero_point"] = json!(1e300);
            json["layers"][2]["zero_point"] = json!(0.5);
        }),
        ("bounds beyond int16", |json| {
            json["layers"][0]["low"] = (-32769).into();
            json["layers"][0]["high"] = json!(18446744073709551615u64);
        }),
        ("unknown rounding", |json| json["layers"][0]["rounding"] = "up".into()),
        ("three strides", |json| json["layers"][0]["stride"] = json!([1, 1, 1])),
        ("a negative dilation", |json| json["layers"][1]["dilation"] = json!([-1, 1])),
        ("huge sizes", |json| {
            json["layers"][1]["dilation"] = json!([18446744073709551615u64, 1]);
            json["layers"][1]["groups"] = json!(18446744073709551615u64);
            json["layers"][3]["kernel"] = json!([18446744073709551615u64, 18446744073709551615u64]);
            json["layers"][3]["stride"] = json!([18446744073709551615u64, 0]);
            json["layers"][4]["padding"] = json!([18446744073709551615u64, 0, 0, 0]);
        }),
        ("no window", |json| drop(json["layers"][3].as_object_mut().unwrap().remove("kernel"))),
        ("rounding of a pool", |json| json["layers"][3]["rounding"] = "half_even".into()),
        ("an input beside inputs", |json| json["layers"][7]["input"] = "add".into()),
        ("one input", |json| json["layers"][7]["inputs"] = json!(["mean"])),
        ("inputs that are no strings", |json| json["layers"][7]["inputs"] = json!(["mean", 3])),
        ("an unknown part", |json| json["layers"][7]["inputs"][1] = "nothing".into()),
        ("an unknown second map", |json| json["layers"][2]["other"] = "fc".into()),
        ("unknown outputs", |json| json["outputs"] = json!(["fc", "concat", "input", "nothing"])),
        ("outputs that are no list", |json| json["outputs"] = "fc".into()),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(name, change)| {
            let errors = errors_of(&toy_2(), change);
            assert!(errors.iter().all(|line| line.contains("; help: ")), "{name}: {errors:?}");
            format!("{name}:\n  {}", errors.join("\n  "))
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn keys_that_may_be_left_out_have_their_defaults() {
    let mut network = toy();
    network.classes.clear();
    network.layers[3].bounds = Bounds::INT8;
    for index in 0..2 {
        let Op::Conv(conv) = &mut network.layers[index].op else { panic!("it is a convolution") };
        (conv.residual, conv.max_pool) = (None, false);
        network.layers[index].bounds = Bounds::INT8;
    }
    let (json, tensors) = network.to_parts();
    let mut json: Value = serde_json::from_str(&json).unwrap();
    let remove = |value: &mut Value, keys: &[&str]| {
        keys.iter().for_each(|key| drop(value.as_object_mut().unwrap().shift_remove(*key)));
    };
    remove(&mut json, &["classes", "outputs"]);
    remove(&mut json["input"], &["zero_point", "preprocess"]);
    for layer in json["layers"].as_array_mut().unwrap() {
        let keys =
            ["dilation", "groups", "max_pool", "residual", "rounding", "zero_point", "low", "high"];
        remove(layer, &keys);
    }
    assert_eq!(QuantNetwork::from_parts(&json.to_string(), &tensors), Ok(network));
    // A residual without `after` comes before the scaling.
    let mut network = toy_2();
    conv(&mut network, "depthwise").residual = Some(Residual {
        from: TensorRef::Layer(0),
        stride: 1,
        multiplier: vector(&[1; 4]),
        after: false,
    });
    let (json, tensors) = network.to_parts();
    let mut json: Value = serde_json::from_str(&json).unwrap();
    remove(&mut json["layers"][1]["residual"], &["after"]);
    assert_eq!(QuantNetwork::from_parts(&json.to_string(), &tensors), Ok(network));
}
