//! Whole training runs, small ones: what is exported, what is frozen, and that a run can be cut off anywhere.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dataset::{Random, SarSim, Split};
use ndarray::Array4;
use spec::{Op, Pattern, Preprocess, QuantNetwork, Shape, Sparsity};
use tch::Tensor;
use trainer::integers::compare;
use trainer::network::architecture::Architecture;
use trainer::network::data::{Augmentation, Labeled, fresh_views};
use trainer::network::model::Model;
use trainer::run::options::{SparsityKind, TrainOptions};
use trainer::run::{self, config};
use trainer::training::distill::Distillation;
use trainer::training::fit::{Epoch, fit_watched};
use trainer::training::options::FitOptions;
use trainer::training::phase::Phase;
use trainer::training::run_folder::RunFolder;
use trainer::training::schedule::{Pruning, Schedule, Score};

fn small(output: &Path, sparsity: SparsityKind) -> TrainOptions {
    TrainOptions {
        teacher: "s2d_s".to_owned(),
        student: "s2d_s".to_owned(),
        sparsity,
        epochs: 3,
        teacher_epochs: 1,
        views: 2,
        train_images: Some(70),
        batch: 32,
        output: Some(output.to_owned()),
        ..config::defaults()
    }
}

fn train(sparsity: SparsityKind) -> QuantNetwork {
    let folder = tempfile::tempdir().unwrap();
    run::train(&small(folder.path(), sparsity)).unwrap().network.unwrap()
}

/// Name, pattern and weight of each layer that has one.
fn weights(network: &QuantNetwork) -> Vec<(&str, Pattern, &Array4<i8>)> {
    let mut weights = Vec::new();
    for layer in &network.layers {
        let sparsity = match &layer.op {
            Op::Conv(conv) => conv.sparsity,
            Op::FullyConnected(fc) => fc.sparsity,
            _ => continue,
        };
        weights.push((layer.name.as_str(), sparsity.pattern, layer.op.weight().unwrap()));
    }
    weights
}

/// Non-zero weights of each pair of the layers that are pruned: `(output, tap, pair)` and which of the two are not zero.
fn pairs(network: &QuantNetwork) -> impl Iterator<Item = (usize, usize, usize, [bool; 2])> {
    let pruned = weights(network).into_iter().filter(|(_, pattern, _)| *pattern != Pattern::Dense);
    pruned.flat_map(|(.., weight)| {
        let (outputs, height, width, channels) = weight.dim();
        let mut pairs = Vec::new();
        for (output, tap, pair) in (0..outputs).flat_map(|o| {
            (0..height * width).flat_map(move |t| (0..channels / 2).map(move |p| (o, t, p)))
        }) {
            let at = |channel: usize| weight[[output, tap / width, tap % width, channel]] != 0;
            pairs.push((output, tap, pair, [at(2 * pair), at(2 * pair + 1)]));
        }
        pairs
    })
}

#[test]
fn fixed_pruning_keeps_the_channel_of_its_parity() {
    let network = train(SparsityKind::UhpFixed);
    let mut n_kept = 0;
    for (_, tap, pair, kept) in pairs(&network) {
        assert!(!kept[1 - (pair + tap) % 2], "pair {pair}, tap {tap}");
        n_kept += usize::from(kept[0] || kept[1]);
    }
    assert!(n_kept > 5000, "{n_kept} weights are kept");
}

#[test]
fn shared_pruning_keeps_one_of_each_pair_in_a_group() {
    let network = train(SparsityKind::UhpShared);
    let weights = weights(&network);
    let patterns: Vec<_> = weights.iter().map(|(name, pattern, _)| (*name, *pattern)).collect();
    let shared = ["conv1", "conv2", "conv3"].map(|name| (name, Pattern::UhpShared));
    assert_eq!((&patterns[..3], patterns[3]), (&shared[..], ("fc", Pattern::Dense)));
    for (name, _, weight) in &weights[..3] {
        let (outputs, height, width, channels) = weight.dim();
        for group in 0..outputs.div_ceil(16) {
            let members = group * 16..(group * 16 + 16).min(outputs);
            for (tap, pair) in
                (0..height * width).flat_map(|t| (0..channels / 2).map(move |p| (t, p)))
            {
                let used = [0, 1].map(|odd| {
                    members.clone().any(|output| {
                        weight[[output, tap / width, tap % width, 2 * pair + odd]] != 0
                    })
                });
                assert!(used != [true, true], "{name}: group {group}, tap {tap}, pair {pair}");
            }
        }
    }
    let path = Path::new("networks/some");
    compare::expect_same(&network, &network.clone(), path).unwrap();
    let mut other = network.clone();
    other.layers[2].requantize.bias[3] += 1;
    let message = compare::expect_same(&network, &other, path).unwrap_err().to_string();
    assert!(
        message.starts_with("the network is not the one in networks/some: layer `conv3` differs"),
        "{message}"
    );

    // Integers of the trainer and of the reference agree on images of any bytes, not just on chips.
    let mut random = Random::new(&[11]);
    let noise: Vec<i8> = (0..6 * 64 * 64).map(|_| random.bits() as i8).collect();
    let noise = Tensor::from_slice(&noise).view([6, 64, 64, 1]);
    assert_eq!(compare::check(&network, &noise).unwrap(), 60);
}

#[test]
fn dense_and_unstructured_go_the_same_way() {
    assert_eq!(train(SparsityKind::Dense).layers[0].op.weight().unwrap().dim(), (16, 3, 3, 16));
    let network = train(SparsityKind::Unstructured);
    let (n_kept, n_all) = pairs(&network).fold((0, 0), |(kept, all), (.., pair)| {
        (kept + pair.iter().filter(|&&k| k).count(), all + 2)
    });
    assert!(2 * n_kept <= n_all + 8 && 5 * n_kept > 2 * n_all, "{n_kept} of {n_all}");
    assert!(pairs(&network).any(|(.., kept)| kept == [true, true]));
}

#[test]
fn free_pruning_keeps_one_of_each_pair() {
    let network = train(SparsityKind::UhpFree);
    let (mut n_pairs, mut n_kept, mut n_even) = (0, 0, 0);
    for (.., kept) in pairs(&network) {
        assert_ne!(kept, [true, true]);
        n_pairs += 1;
        n_kept += usize::from(kept[0] || kept[1]);
        n_even += usize::from(kept[0]);
    }
    // Some kept weights are rounded to zero.
    assert!(10 * n_kept > 9 * n_pairs && n_even > n_pairs / 4, "{n_kept}, {n_even} of {n_pairs}");
}

/// Masks of each epoch of a short training.
fn masks_by_epoch(
    pattern: Pattern,
    schedule: Schedule,
    score: Score,
) -> Vec<BTreeMap<String, Tensor>> {
    let folder = tempfile::tempdir().unwrap();
    let set = SarSim::default().load_first(Split::Train, 64);
    let preprocess = Preprocess::sar(64);
    let image = Shape { height: 64, width: 64, channels: 1 };
    let architecture = Architecture::named("s2d_s").unwrap();
    let device = tch::Device::Cpu;
    let mut model = Model::new(architecture, image, preprocess.step(), 10, 5, device).unwrap();
    let options = FitOptions {
        phase: Phase::Student,
        n_epochs: 9,
        batch: 32,
        learning_rate: 0.05,
        momentum: 0.9,
        weight_decay: 5e-4,
        pruning: Pruning {
            sparsity: Sparsity { pattern, group: 16 },
            schedule,
            score,
            dense_part: 1.0 / 3.0,
            masked_decay: 0.02,
            permute: true,
        },
        distillation: Distillation::default(),
        seed: 5,
    };
    let run = RunFolder { path: folder.path().to_owned(), resume: false };
    let validation = Labeled::plain(&set, &preprocess);
    let mut seen = Vec::new();
    let augmentation = Augmentation { shift: 2, gamma: 0.0, mirror: false };
    let epoch_images = |epoch: usize| Epoch {
        labeled: fresh_views(&set, &preprocess, augmentation, &[5, epoch as u64]),
        teacher: None,
    };
    let last = fit_watched(&mut model, &options, &run, &validation, epoch_images, |masks| {
        let named = masks.into_iter().flat_map(|masks| masks.iter());
        seen.push(named.map(|(layer, mask)| (layer.clone(), mask.copy())).collect());
    })
    .unwrap();
    let stored = stored_masks(&run.checkpoint(Phase::Student));
    assert!(
        last.iter().all(|(layer, mask)| stored[layer] == *mask),
        "the checkpoint has the masks"
    );
    seen
}

fn n_kept(masks: &BTreeMap<String, Tensor>) -> f64 {
    masks.values().map(|mask| mask.sum(tch::Kind::Double).double_value(&[])).sum()
}

#[test]
fn masks_are_frozen_in_the_last_third_and_keep_half() {
    let patterns = [Pattern::Unstructured, Pattern::UhpFixed, Pattern::UhpShared, Pattern::UhpFree];
    for (pattern, schedule) in
        itertools::iproduct!(patterns, [Schedule::Once, Schedule::Gradual, Schedule::Rechosen])
    {
        let seen = masks_by_epoch(pattern, schedule, Score::Magnitude);
        let case = format!("{pattern:?} {schedule:?}");
        assert_eq!(seen.len(), 9);
        let known = pattern == Pattern::UhpFixed && schedule != Schedule::Gradual;
        assert_eq!(seen[2].is_empty(), !known, "{case}: dense for three epochs of nine");
        for masks in &seen[6..] {
            assert_eq!(masks.len(), 3, "{case}: the classifier stays dense");
            for (layer, mask) in masks {
                assert_eq!(*mask, seen[8][layer], "{case}: {layer} is frozen");
                let half = mask.numel().div_ceil(2) as f64;
                assert_eq!(mask.sum(tch::Kind::Double).double_value(&[]), half, "{case}: {layer}");
            }
        }
        match schedule {
            Schedule::Once => assert!(known || n_kept(&seen[3]) == n_kept(&seen[8]), "{case}"),
            Schedule::Gradual => {
                let kept: Vec<f64> = seen[3..].iter().map(n_kept).collect();
                assert!(kept.windows(2).all(|pair| pair[0] >= pair[1]), "{case}: {kept:?}");
                assert!(kept[0] > kept[5], "{case}: {kept:?}");
            }
            Schedule::Rechosen => assert_eq!(n_kept(&seen[3]), n_kept(&seen[8]), "{case}"),
        }
    }
}

#[test]
fn second_order_scores_choose_other_masks() {
    let [magnitude, second_order] = [Score::Magnitude, Score::SecondOrder]
        .map(|score| masks_by_epoch(Pattern::UhpShared, Schedule::Once, score).pop().unwrap());
    assert!(magnitude.iter().any(|(layer, mask)| *mask != second_order[layer]));
}

fn stored_masks(checkpoint: &Path) -> BTreeMap<String, Tensor> {
    let tensors = Tensor::read_safetensors(checkpoint).unwrap();
    tensors
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("mask/")?.to_owned(), tensor)))
        .collect()
}

fn start(folder: &Path, resume: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args([
        "train",
        "--teacher",
        "s2d_s",
        "--student",
        "s2d_s",
        "--views",
        "2",
        "--train-images",
        "128",
    ]);
    command
        .args(["--teacher-epochs", "3", "--epochs", "9", "--batch", "32", "--output"])
        .arg(folder);
    if resume {
        command.arg("--resume");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a run has finished `n` epochs.
fn wait_for_epochs(folder: &Path, n: usize) {
    let started = Instant::now();
    while std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default().lines().count()
        < n
    {
        assert!(started.elapsed() < Duration::from_secs(900), "the run does not get to epoch {n}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn result(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    (read("network.json"), read("weights.safetensors"))
}

#[test]
fn a_run_that_was_cut_off_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed, stopped) =
        (folder.path().join("whole"), folder.path().join("killed"), folder.path().join("stopped"));
    assert!(start(&whole, false).wait_with_output().unwrap().status.success());

    // Killed in the teacher, and again in the student.
    let mut child = start(&killed, false);
    wait_for_epochs(&killed, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut child = start(&killed, true);
    wait_for_epochs(&killed, 8);
    // Anywhere within an epoch, or while its checkpoint is written.
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    std::thread::sleep(Duration::from_millis(u64::from(nanoseconds % 97)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("network.json").exists());
    assert!(start(&killed, true).wait_with_output().unwrap().status.success());
    assert!(result(&killed) == result(&whole), "killed and resumed differs from uninterrupted");

    // Interrupted as by Ctrl-C.
    let child = start(&stopped, false);
    wait_for_epochs(&stopped, 5);
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("--resume continues from there"), "{message}");
    assert!(start(&stopped, true).wait_with_output().unwrap().status.success());
    assert!(
        result(&stopped) == result(&whole),
        "interrupted and resumed differs from uninterrupted"
    );
}

#[test]
fn resuming_needs_the_same_options() {
    let folder = tempfile::tempdir().unwrap();
    let resumed = TrainOptions { resume: true, ..small(folder.path(), SparsityKind::Dense) };
    run::train(&small(folder.path(), SparsityKind::Dense)).unwrap();
    let message =
        format!("{:#}", run::train(&TrainOptions { seed: 2, ..resumed.clone() }).unwrap_err());
    assert!(message.contains("holds another run: seed is 1 there and 2 here"), "{message}");
    std::fs::write(folder.path().join("student.safetensors"), b"damaged").unwrap();
    let message = format!("{:#}", run::train(&resumed).unwrap_err());
    assert!(message.contains("student.safetensors: not a checkpoint of this network"), "{message}");
}

#[test]
fn unusable_options_say_which() {
    let folder = tempfile::tempdir().unwrap();
    let small = || small(folder.path(), SparsityKind::Dense);
    let teacher = || "linear".to_owned();
    let cases = [
        (
            TrainOptions { size: 62, teacher: teacher(), ..small() },
            "give a --size that is a multiple of",
        ),
        (TrainOptions { epochs: 0, ..small() }, "--epochs is 0"),
        (TrainOptions { batch: 1, ..small() }, "--batch is 1"),
        (TrainOptions { distill: 1.5, ..small() }, "--distill is 1.5"),
        (TrainOptions { learning_rate: f64::NAN, ..small() }, "--learning-rate is NaN"),
        (TrainOptions { temperature: 0.0, ..small() }, "--temperature is 0"),
        (TrainOptions { student: "s3d".to_owned(), ..small() }, "no network is called `s3d`"),
        (TrainOptions { size: 62, ..small() }, "give a --size that is a multiple of"),
        (TrainOptions { size: 0, ..small() }, "--size is 0"),
        (TrainOptions { data: "no/such/data".to_owned(), ..small() }, "no/such/data: not a folder"),
        (TrainOptions { train_images: Some(0), ..small() }, "--train-images is 0"),
        (TrainOptions { validation: 0.0, data: ".".to_owned(), ..small() }, "validation is 0"),
    ];
    for (options, expected) in cases {
        let message = format!("{:#}", run::train(&options).unwrap_err());
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "refused before anything is trained or written: {left:?}");
}
