//! TFLite files that the tests write: what is computed is what an interpreter of the tests computes.

use std::collections::HashMap;

use spec::{Bounds, Normalize, Op, Pattern, run_reference};
use twofold_import::graph::HostOp;
use twofold_import::{Error, Imported, Options, Preset, lower, tflite};

use crate::builder::{FLOAT32, Field, Model, Tensor, UINT8, code, normalization};
use crate::interpreter::{self, Map};
use crate::random::{self, Random};

fn imported(model: &Model) -> Imported {
    let graph = tflite::read(&model.bytes(), "model").unwrap_or_else(|error| panic!("{error}"));
    lower(graph, &Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn random_models_compute_what_an_interpreter_of_the_format_computes() {
    let mut n_kinds: HashMap<i32, usize> = HashMap::new();
    for seed in 0..600 {
        let model = random::model(seed);
        model.operators.iter().for_each(|operator| *n_kinds.entry(operator.code).or_default() += 1);
        let Imported { network, comparisons, .. } = imported(&model);
        assert!(comparisons.iter().all(|(_, found)| found.n_differ == 0), "{comparisons:?}");
        let mut random = Random::new(seed ^ 0x55aa);
        for _ in 0..2 {
            let image = random.image(network.input.n_bytes());
            let found = run_reference(&network, &image).expect("the image fits").logits.values;
            let Map { values, .. } = &interpreter::run(&model, &image)[&model.outputs[0]];
            let found: Vec<i32> = found.into_iter().map(i32::from).collect();
            assert_eq!(&found, values, "seed {seed}: {:?}", model.operators);
        }
    }
    assert!(n_kinds.len() >= 12 && n_kinds.values().all(|n| *n > 20), "{n_kinds:?}");
}

/// A model on an image of 6x6x4 with one convolution, its weights by output channel, tap and input channel.
fn with_conv(weight: impl Fn(usize, usize, usize) -> i8) -> Model {
    let mut model = Model::default();
    let input = model.tensor(Tensor::map(&[1, 6, 6, 4], 0.05, -3));
    let weights: Vec<i8> =
        (0..8 * 9 * 4).map(|index| weight(index / 36, index / 4 % 9, index % 4)).collect();
    let weight = model.tensor(Tensor::weight(&[8, 3, 3, 4], &weights, vec![0.01], 0));
    let options = [(1, Field::Int(1)), (2, Field::Int(1)), (3, Field::Byte(1))];
    let output = Tensor::map(&[1, 6, 6, 8], 0.04, -128);
    let output = model.operator(code::CONV_2D, &[input, weight, -1], &options, output);
    model.inputs = vec![input];
    model.outputs = vec![output];
    model
}

fn refusal(model: &Model) -> String {
    let read = tflite::read(&model.bytes(), "model");
    let error = read
        .and_then(|graph| lower(graph, &Options::default()))
        .map(|_| ())
        .expect_err("the model is refused");
    error.to_string()
}

#[test]
fn patterns_are_found_in_zeros() {
    let found = |weight: fn(usize, usize, usize) -> i8| {
        let imported = imported(&with_conv(weight));
        let sparsity = imported.network.layers[0].op.sparsity().unwrap();
        assert_eq!(imported.sparsity[0].1.sparsity, sparsity);
        (sparsity.pattern, sparsity.group)
    };
    let fixed = |_, tap: usize, c: usize| i8::from((c / 2 + tap) % 2 == c % 2);
    assert_eq!(found(fixed), (Pattern::UhpFixed, 0));
    assert_eq!(found(|k, _, c| i8::from(k / 4 == c % 2)), (Pattern::UhpShared, 4));
    assert_eq!(found(|k, _, c| i8::from(k % 2 == c % 2)), (Pattern::UhpFree, 0));
    assert_eq!(found(|_, _, _| 1), (Pattern::Dense, 0));
}

#[test]
fn what_only_names_a_map_anew_is_no_layer() {
    let mut model = with_conv(|k, _, c| (k + c) as i8);
    let (last, same) = (model.outputs[0], Tensor::map(&[1, 6, 6, 8], 0.04, -128));
    // The scale is the same: the convolution takes the bounds.
    let relu = model.operator(code::RELU, &[last], &[], same.clone());
    let softmax = model.operator(code::SOFTMAX, &[relu], &[], same);
    let real = Tensor { kind: FLOAT32, ..Tensor::map(&[1, 6, 6, 8], 1.0, 0) };
    let real = model.operator(code::DEQUANTIZE, &[softmax], &[], real);
    model.outputs = vec![real];
    let Imported { network, host, .. } = imported(&model);
    assert_eq!((network.layers.len(), &network.outputs[..]), (1, &[0][..]));
    let bounds = network.layers[0].bounds;
    assert_eq!(bounds, Bounds { low: -128, high: 127 });
    let steps: Vec<HostOp> = host.iter().map(|step| step.op).collect();
    assert_eq!(steps, [HostOp::Softmax, HostOp::Dequantize]);
    assert!(host.iter().all(|step| step.layer == network.layers[0].name));
}

#[test]
fn pads_go_into_the_next_convolution() {
    let mut model = with_conv(|k, _, c| (k + c) as i8);
    let paddings = model.tensor(Tensor::int32(&[4, 2], &[0, 0, 1, 2, 3, 0, 0, 0]));
    let padded = Tensor::map(&[1, 9, 9, 4], 0.05, -3);
    let padded = model.tensor(padded);
    let operator = model.operators[0].clone();
    model.operators[0].inputs[0] = padded;
    model.tensors[operator.outputs[0] as usize].shape = vec![1, 9, 9, 8];
    model.operators.insert(
        0,
        crate::builder::Operator {
            code: code::PAD,
            inputs: vec![0, paddings],
            outputs: vec![padded],
            options: Vec::new(),
        },
    );
    let network = imported(&model).network;
    let [layer] = &network.layers[..] else { panic!("{} layers", network.layers.len()) };
    let Op::Conv(conv) = &layer.op else { panic!("{:?}", layer.op) };
    assert_eq!(conv.padding, [2, 3, 4, 1]);
}

#[test]
fn everything_that_is_not_supported_is_told_at_once() {
    let mut model = with_conv(|_, _, _| 1);
    let mut last = model.outputs[0];
    for _ in 0..2 {
        last = model.operator(code::GELU, &[last], &[], Tensor::map(&[1, 6, 6, 8], 0.04, 0));
    }
    let options = [
        (0, Field::Byte(1)),
        (1, Field::Int(5)),
        (2, Field::Int(1)),
        (3, Field::Int(5)),
        (4, Field::Int(1)),
    ];
    let pooled = Tensor::map(&[1, 6, 1, 8], 0.04, -128);
    let pooled = model.operator(code::MAX_POOL_2D, &[model.outputs[0]], &options, pooled);
    model.outputs = vec![last, pooled];
    assert_eq!(
        refusal(&model),
        "3 parts of the model are not supported\n  \
         node 1 GELU \"tensor 3\" [1x6x6x8 int8 -> 1x6x6x8 int8]: there is no GELU; help: replace it in the original model by \
         operations that docs/import.md names, or end the model before it\n  \
         node 2 GELU \"tensor 4\" [1x6x6x8 int8 -> 1x6x6x8 int8]: there is no GELU; help: replace it in the original model by \
         operations that docs/import.md names, or end the model before it\n  \
         node 3 MAX_POOL_2D \"tensor 5\" [6x6x8 -> 6x1x8]: kernel_width = 5 is outside 1..=3; help: choose it within these limits"
    );
}

#[test]
fn models_of_other_types_are_refused_with_what_to_do() {
    for (kind, what, help) in
        [(FLOAT32, "float32", "representative_dataset"), (UINT8, "uint8", "TensorFlow 2")]
    {
        let mut model = with_conv(|_, _, _| 1);
        model
            .tensors
            .iter_mut()
            .filter(|tensor| tensor.data.is_empty())
            .for_each(|tensor| tensor.kind = kind);
        let message = refusal(&model);
        let expected = format!("this model computes with {what}, not with int8; help: ");
        assert!(message.starts_with(&expected) && message.contains(help), "{message}");
    }
    // Biases of another type, weights with zero points, and scales for other channels are told of the operator.
    let mut model = with_conv(|_, _, _| 1);
    model.tensors[1].zero_points = vec![3];
    assert!(refusal(&model).contains("have zero points"));
    let mut model = with_conv(|_, _, _| 1);
    (model.tensors[1].scales, model.tensors[1].zero_points) = (vec![0.1; 5], vec![0; 5]);
    assert!(refusal(&model).contains("5 scales along axis 0 for 8 output channels"));
    let mut model = with_conv(|_, _, _| 1);
    model.tensors[0].shape[0] = 2;
    assert!(refusal(&model).contains("another batch than 1"));
}

#[test]
fn a_quantization_of_the_input_is_the_hosts() {
    for (kind, zero_point, note) in
        [(FLOAT32, 0, "takes float32"), (UINT8, 125, "the host gives x - 128")]
    {
        let mut model = with_conv(|_, _, _| 1);
        let mut taken = Tensor { kind, ..Tensor::map(&[1, 6, 6, 4], 0.05, 0) };
        taken.zero_points = vec![zero_point];
        let taken = model.tensor(taken);
        model.operators.insert(
            0,
            crate::builder::Operator {
                code: code::QUANTIZE,
                inputs: vec![taken],
                outputs: vec![0],
                options: Vec::new(),
            },
        );
        model.inputs = vec![taken];
        let Imported { network, notes, .. } = imported(&model);
        assert_eq!((network.layers.len(), network.input.zero_point), (1, -3));
        assert!(notes[0].contains(note), "{notes:?}");
    }
}

#[test]
fn images_and_classes_are_what_the_user_says() {
    let graph = |channels: i32| {
        let mut model = Model::default();
        let input = model.tensor(Tensor::map(&[1, 2, 2, channels], 1.0 / 255.0, -128));
        let axes = model.tensor(Tensor::int32(&[2], &[1, 2]));
        let output = Tensor::map(&[1, channels], 0.01, 3);
        model.inputs = vec![input];
        model.outputs = vec![model.operator(code::MEAN, &[input, axes], &[], output)];
        tflite::read(&model.bytes(), "model").unwrap()
    };
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    for preset in Preset::ALL {
        let options = Options {
            classes: classes.clone(),
            preprocess: Some(preset),
            name: Some("mine".to_owned()),
        };
        let network = lower(graph(3), &options).unwrap().network;
        assert_eq!((&network.name[..], &network.classes), ("mine", &classes));
        let preprocess = network.input.preprocess.unwrap();
        assert_eq!(preprocess.zero_point, Some(-128), "{preset:?}");
    }
    let options = Options { preprocess: Some(Preset::ImageNet), ..Options::default() };
    let error = lower(graph(1), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an input of 2x2x1 takes no images of preset \"imagenet\"; help: leave --preprocess out and bring int8 data"
    );
    let options = Options { classes, ..Options::default() };
    assert!(matches!(lower(graph(1), &options), Err(Error::Network(_))));
}

#[test]
fn what_the_model_says_of_its_images_is_kept() {
    let mut model = with_conv(|_, _, _| 1);
    model.tensors[0].shape = vec![1, 6, 6, 3];
    let weights = vec![1; 8 * 9 * 3];
    model.tensors[1] = Tensor::weight(&[8, 3, 3, 3], &weights, vec![0.01], 0);
    model.metadata = normalization(&[127.5], &[51.0, 102.0, 25.5]);
    let Imported { network, notes, .. } = imported(&model);
    let preprocess = network.input.preprocess.unwrap();
    let (mean, std) = (vec![0.5; 3], vec![0.2, 0.4, 0.1]);
    assert_eq!(preprocess.normalize, Normalize::Fixed { mean, std });
    assert_eq!((preprocess.clip, preprocess.zero_point), (127.0 * f64::from(0.05f32), Some(-3)));
    assert!(notes[0].contains("mean [127.5]"), "{notes:?}");
    // Damage is told and costs nothing else.
    model.metadata.truncate(20);
    let Imported { network, notes, .. } = imported(&model);
    assert_eq!(network.input.preprocess, None);
    assert!(notes[0].starts_with("what the model says of its images is left out"), "{notes:?}");
}
