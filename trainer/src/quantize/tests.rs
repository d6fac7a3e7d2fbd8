//! Every built-in network, with random weights and statistics of random images, as integers.

use dataset::Random;
use spec::{Normalize, Pattern, Shape, Transfer};
use tch::{Device, Kind, Tensor};

use super::*;
use crate::architecture::Architecture;
use crate::prune::{self, Choice, Score};
use crate::{integer, verify};

/// Correlation of float and int8 logits of a network that was not trained.
const LEAST_CORRELATION: f64 = 0.97;
/// Images that scales are derived from.
const N_CALIBRATION: usize = 16;
const N_COMPARED: i64 = 2;

fn preprocess(image: Shape) -> Preprocess {
    let Shape { height, width, channels } = image;
    Preprocess {
        height,
        width,
        channels,
        transfer: Transfer::Linear,
        normalize: Normalize::PerChip,
        scale: 0.25,
        clip: 1.0,
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

/// Quantizes, compares with the reference on every logit, and with floating point.
fn check(model: &Model, image: Shape, pattern: Pattern) -> QuantNetwork {
    let name = &model.architecture.name;
    let sparsity = Sparsity { pattern, group: 16 };
    let choice =
        Choice { sparsity, score: Score::Magnitude, part: 1.0, gradients: None, pruned: None };
    let masks = prune::choose_masks(model, choice).unwrap();
    let calibration = noise(N_CALIBRATION, image, 100);
    let ranges = Ranges::measure(model, &masks, &calibration, Calibration::Maximum);
    let network =
        quantize(model, &masks, &ranges, &preprocess(image), classes(10), sparsity).unwrap();
    let images = noise(N_CALIBRATION, image, 200).images;
    let n_logits = verify::compare(&network, &images.narrow(0, 0, N_COMPARED)).unwrap();
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
            "a-convnet" | "s2d" | "s2d_narrow" | "s2d_s" | "s2d_s_narrow" | "linear" => {
                Shape { height: 64, width: 64, channels: 1 }
            }
            _ => Shape { height: 16, width: 16, channels: 3 },
        };
        let model = random_model(Architecture::named(name).unwrap(), image);
        check(&model, image, Pattern::Dense);
    }
}

#[test]
fn half_pruning_leaves_batch_norm_dense() {
    let image = Shape { height: 16, width: 16, channels: 3 };
    let model = random_model(Architecture::named("wrn-16-2").unwrap(), image);
    let network = check(&model, image, Pattern::UhpShared);
    let mut n_norms = 0;
    for (layer, quantized) in model.architecture.layers.iter().zip(&network.layers) {
        let Some(weight) = quantized.op.weight() else { continue };
        let (outputs, ..) = weight.dim();
        let n_kept = weight.iter().filter(|&&w| w != 0).count();
        let pattern = match &quantized.op {
            Op::Conv(conv) => conv.sparsity.pattern,
            Op::FullyConnected(fc) => fc.sparsity.pattern,
            Op::GlobalAveragePool => unreachable!("it has no weight"),
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
