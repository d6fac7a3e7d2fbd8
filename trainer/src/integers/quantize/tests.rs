//! Every built-in network, with random weights and statistics of random images, as integers.

use std::collections::BTreeMap;

use dataset::Random;
use spec::{Normalize, Pattern, Shape, Transfer, fixed_channel};
use tch::{Device, Kind, Tensor};

use super::*;
use crate::integers::fake_quantize::FakeQuantized;
use crate::integers::{compare, integer};
use crate::network::architecture::Architecture;
use crate::network::model::is_trainable;

/// Correlation of float and int8 logits of a network that was not trained.
const LEAST_CORRELATION: f64 = 0.97;
/// Images that scales are derived from.
const N_CALIBRATION: usize = 16;
const N_COMPARED: i64 = 2;
/// Mean difference of fake-quantized logits from those of the integers, in units of the largest logit: half a step of the
/// logits, and in a deep network the few sums so near the middle of two steps that single precision sees them beyond it.
const FAKE_DIFFERENCE: f64 = 0.0005;
/// The same for a network so small that no sum is that near.
const FAKE_DIFFERENCE_SMALL: f64 = 0.5 / LOGIT_RANGE;
/// Part of the images that both classify alike.
const LEAST_AGREEMENT: f64 = 0.98;
const N_FAKE: usize = 64;
/// Cosine of the gradient through rounding with the one without.
const LEAST_COSINE: f64 = 0.9;
const CHIP: Shape = Shape { height: 64, width: 64, channels: 1 };
const COLOR: Shape = Shape { height: 16, width: 16, channels: 3 };

fn preprocess(image: Shape) -> Preprocess {
    let Shape { height, width, channels } = image;
    Preprocess {
        height,
        width,
        channels,
        downsample: 1,
        transfer: Transfer::Linear,
        normalize: Normalize::PerChip,
        scale: 0.25,
        clip: 1.0,
        zero_point: None,
    }
}

fn classes(n: usize) -> Vec<String> {
    (0..n).map(|class| format!("class {class}")).collect()
}

/// Bytes of every value.
fn noise(n: usize, image: Shape, seed: u64) -> Labeled {
    let mut random = Random::new(&[seed]);
    let bytes: Vec<i8> =
        (0..n * image.n_pixels() * image.channels).map(|_| random.bits() as i8).collect();
    let shape = [n, image.height, image.width, image.channels].map(|side| side as i64);
    let images = Tensor::from_slice(&bytes).view(shape);
    Labeled { images, labels: Tensor::zeros([n as i64], (Kind::Int64, Device::Cpu)) }
}

/// Random gains of both signs and biases, and the running statistics of some images.
fn random_model(architecture: Architecture, image: Shape) -> Model {
    // The threads of libtorch stand in the way of those of the test runner.
    tch::set_num_threads(1);
    let step = preprocess(image).step();
    let model = Model::new(architecture, image, step, 10, 3, Device::Cpu).unwrap();
    let _guard = tch::no_grad_guard();
    let mut random = Random::new(&[5]);
    for (name, tensor) in model.tensors() {
        let (center, spread) = match name.rsplit('.').next().unwrap() {
            "gain" => (0.7, 0.3),
            "bias" => (0.0, 0.2),
            _ => continue,
        };
        let n = tensor.numel();
        let values: Vec<f32> = (0..n).map(|_| (center + spread * random.normal()) as f32).collect();
        tensor.shallow_clone().copy_(&Tensor::from_slice(&values));
    }
    for seed in 0..8 {
        let _ =
            model.forward(&noise(N_CALIBRATION, image, seed).images, &Masks::new(), Mode::Training);
    }
    model
}

fn correlation(a: &Tensor, b: &Tensor) -> f64 {
    let centered = |t: &Tensor| {
        let t = t.to_kind(Kind::Double);
        &t - t.mean(Kind::Double)
    };
    let (a, b) = (centered(a), centered(b));
    let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// Masks of a pattern, chosen at random where it leaves a choice: of each pair, the outputs that share one keep the same.
fn half_masks(model: &Model, sparsity: Sparsity) -> Masks {
    let mut masks = BTreeMap::new();
    let mut random = Random::new(&[7]);
    for (layer, input) in model.architecture.layers.iter().zip(&model.flow.inputs) {
        let Some(n_taps) = layer.n_weight_taps(*input) else { continue };
        let (n_channels, pattern) = (input.channels, sparsity.pattern);
        if !layer.prune || pattern == Pattern::Dense || n_channels % 2 == 1 {
            continue;
        }
        let size = model.tensor(&format!("{}.weight", layer.name)).size();
        let n_outputs = size[0] as usize;
        let group = match pattern {
            Pattern::UhpFixed => n_outputs,
            Pattern::UhpShared => sparsity.group,
            _ => 1,
        };
        let mut keep = vec![0.0_f32; n_outputs * n_channels * n_taps];
        for first in (0..n_outputs).step_by(group) {
            for (pair, tap) in (0..n_channels / 2 * n_taps).map(|idx| (idx / n_taps, idx % n_taps))
            {
                let channel = match pattern {
                    Pattern::UhpFixed => fixed_channel(pair, tap),
                    _ => 2 * pair + random.below(2),
                };
                for output in first..(first + group).min(n_outputs) {
                    keep[(output * n_channels + channel) * n_taps + tap] = 1.0;
                }
            }
        }
        masks.insert(layer.name.clone(), Tensor::from_slice(&keep).view(&size[..]));
    }
    Masks::from_tensors(masks)
}

/// Quantizes, compares with the reference on every logit, and with floating point.
fn check(model: &Model, image: Shape, pattern: Pattern) -> QuantNetwork {
    let name = &model.architecture.name;
    let sparsity = Sparsity { pattern, group: 16 };
    let masks = half_masks(model, sparsity);
    let calibration = noise(N_CALIBRATION, image, 100);
    let ranges = Ranges::measure(model, &masks, &calibration, Calibration::Maximum);
    let network =
        quantize(model, &masks, &ranges, &preprocess(image), classes(10), sparsity).unwrap();
    let images = noise(N_CALIBRATION, image, 200).images;
    let n_logits = compare::check(&network, &images.narrow(0, 0, N_COMPARED)).unwrap();
    assert_eq!(n_logits, 10 * N_COMPARED as usize);
    let _guard = tch::no_grad_guard();
    let float = model.forward(&images, &masks, Mode::Evaluation);
    let float = &float - float.mean_dim(&[0_i64][..], true, Kind::Float);
    let integers = integer::logits(&network, &images).unwrap().to_kind(Kind::Float);
    let integers = &integers - integers.mean_dim(&[0_i64][..], true, Kind::Float);
    let correlation = correlation(&float, &integers);
    assert!(correlation > LEAST_CORRELATION, "{name}: {correlation}");
    network
}

#[test]
fn every_built_in_network_becomes_integers() {
    for name in Architecture::names() {
        let image = match name {
            "a-convnet" | "s2d" | "s2d_narrow" | "s2d_s" | "s2d_s_narrow" | "linear" => CHIP,
            _ => COLOR,
        };
        let model = random_model(Architecture::named(name).unwrap(), image);
        check(&model, image, Pattern::Dense);
    }
}

#[test]
fn half_pruning_leaves_batch_norm_dense() {
    let model = random_model(Architecture::named("wrn-16-2").unwrap(), COLOR);
    let network = check(&model, COLOR, Pattern::UhpShared);
    let mut n_norms = 0;
    for (layer, quantized) in model.architecture.layers.iter().zip(&network.layers) {
        let Some(weight) = quantized.op.weight() else { continue };
        let (outputs, ..) = weight.dim();
        let n_kept = weight.iter().filter(|&&w| w != 0).count();
        let pattern = match &quantized.op {
            Op::Conv(conv) => conv.sparsity.pattern,
            Op::FullyConnected(fc) => fc.sparsity.pattern,
            _ => unreachable!("it has no weight"),
        };
        match layer.op {
            OpSpec::BatchNorm { .. } => {
                n_norms += 1;
                assert_eq!(pattern, Pattern::Dense, "{}", layer.name);
                assert_eq!(n_kept, outputs, "{}", layer.name);
                assert!(weight.iter().all(|w| [-127, 0, 127].contains(w)), "{}", layer.name);
            }
            // Three channels make no pairs.
            _ if layer.name == "conv1" => assert_eq!(pattern, Pattern::Dense),
            _ => {
                assert_eq!(pattern, Pattern::UhpShared, "{}", layer.name);
                assert!(2 * n_kept <= weight.len() && 5 * n_kept > 2 * weight.len());
            }
        }
    }
    assert_eq!(n_norms, 7, "one a block and one at the end");
}

#[test]
fn half_pruning_leaves_layers_dense_that_say_so() {
    let definition = r#"
        name = "mixed"
        space_to_depth = 2
        layers = [
            { op = "conv", name = "first", channels = 16, kernel = 3, stride = 4 },
            { op = "conv", name = "whole", channels = 16, kernel = 3, prune = false },
            { op = "conv", name = "half", channels = 16, kernel = 3 },
            { op = "global_average_pool", name = "pool" },
            { op = "fully_connected", name = "fc", prune = false },
        ]
    "#;
    let model = random_model(Architecture::parse(definition).unwrap(), CHIP);
    for pattern in [Pattern::Unstructured, Pattern::UhpFixed, Pattern::UhpShared, Pattern::UhpFree]
    {
        let network = check(&model, CHIP, pattern);
        let patterns = network.layers.iter().filter_map(|layer| match &layer.op {
            Op::Conv(conv) => Some((layer.name.as_str(), conv.sparsity.pattern)),
            Op::FullyConnected(fc) => Some((layer.name.as_str(), fc.sparsity.pattern)),
            _ => None,
        });
        let expected = [
            ("first", pattern),
            ("whole", Pattern::Dense),
            ("half", pattern),
            ("fc", Pattern::Dense),
        ];
        assert_eq!(patterns.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn fake_quantization_computes_what_the_integers_do() {
    let networks = [
        ("s2d_s", CHIP, FAKE_DIFFERENCE_SMALL),
        ("a-convnet", CHIP, FAKE_DIFFERENCE),
        ("resnet20", COLOR, FAKE_DIFFERENCE),
        ("wrn-16-2", COLOR, FAKE_DIFFERENCE),
    ];
    for (name, image, largest) in networks {
        let model = random_model(Architecture::named(name).unwrap(), image);
        let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
        let masks = half_masks(&model, sparsity);
        let calibration = noise(N_CALIBRATION, image, 100);
        let ranges = Ranges::measure(&model, &masks, &calibration, Calibration::Percentile);
        let network =
            quantize(&model, &masks, &ranges, &preprocess(image), classes(10), sparsity).unwrap();
        let images = noise(N_FAKE, image, 300).images;
        let _guard = tch::no_grad_guard();
        let fake = model.forward(
            &images,
            &masks,
            Mode::QuantizationAware(&FakeQuantized::new(&model, &ranges)),
        );
        let float = model.forward(&images, &masks, Mode::Evaluation);
        let integers = integer::logits(&network, &images).unwrap().to_kind(Kind::Float);
        let scale = network.layers.last().unwrap().scale;
        let mean = |tensor: Tensor| tensor.mean(Kind::Double).double_value(&[]);
        let largest_logit = fake.abs().max().double_value(&[]);
        let difference = mean((&fake - &integers * scale).abs()) / largest_logit;
        let same = mean(fake.argmax(-1, false).eq_tensor(&integers.argmax(-1, false)));
        assert!(difference < largest, "{name}: {difference} of the largest logit");
        assert!(same >= LEAST_AGREEMENT, "{name}: {same} of the classes agree");
        let rounding = mean((&fake - &float).abs()) / largest_logit;
        assert!(rounding > 4.0 * difference, "{name}: rounding changes {rounding}");
    }
}

#[test]
fn fake_quantization_teaches_weights_and_batch_norm() {
    for (name, image) in [("s2d_s", CHIP), ("wrn-16-2", COLOR)] {
        let model = random_model(Architecture::named(name).unwrap(), image);
        let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
        let masks = half_masks(&model, sparsity);
        let images = noise(N_CALIBRATION, image, 100);
        let ranges = Ranges::measure(&model, &masks, &images, Calibration::Maximum);
        let statistics = || -> Vec<Tensor> {
            let untrained = model.tensors().filter(|(name, _)| !is_trainable(name));
            untrained.map(|(_, tensor)| tensor.copy()).collect()
        };
        let before = statistics();
        let gradients = |mode: Mode| -> Vec<(String, Tensor)> {
            let loss = model.forward(&images.images, &masks, mode);
            loss.cross_entropy_for_logits(&images.labels).backward();
            let trained = model.tensors().filter(|(name, _)| is_trainable(name));
            trained
                .map(|(name, tensor)| {
                    let gradient = tensor.grad().copy();
                    let _ = tensor.grad().zero_();
                    (name.clone(), gradient)
                })
                .collect()
        };
        let fake = gradients(Mode::QuantizationAware(&FakeQuantized::new(&model, &ranges)));
        let float = gradients(Mode::Evaluation);
        assert_eq!(before, statistics(), "running statistics stay");
        for ((part, fake), (_, float)) in fake.iter().zip(&float) {
            let cosine = |a: &Tensor, b: &Tensor| {
                let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
                dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
            };
            let cosine = cosine(fake, float);
            assert!(cosine > LEAST_COSINE, "{name}: gradient of {part}, {cosine}");
        }
        for (layer, mask) in masks.iter() {
            let (_, gradient) =
                fake.iter().find(|(name, _)| *name == format!("{layer}.weight")).unwrap();
            let pruned: Tensor = 1 - mask;
            let masked = (gradient * pruned).abs().sum(Kind::Double).double_value(&[]);
            assert_eq!(masked, 0.0, "{layer}: what is pruned gets no gradient");
        }
    }
}
