//! One whole training run: teacher, student, integers, files.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dataset::{DatasetKind, ImageSet, Source, Split, SplitOptions};
use serde_json::{Value, json};
use spec::{Pattern, Preprocess, QuantNetwork, Shape};
use tch::Tensor;

use crate::architecture::Architecture;
use crate::data::{Augmentation, Labeled, cached_views, fresh_views, pick_views};
use crate::distill::Distillation;
use crate::fit::{self, Epoch, FitOptions, RunFolder, fit};
use crate::model::Model;
use crate::options::TrainOptions;
use crate::prune::Masks;
use crate::quantize::{self, Calibration, Ranges};
use crate::verify;

/// Training images that scales are derived from.
const N_CALIBRATION: usize = 512;
/// Validation images on which the integer network is compared with the reference before it is written.
const N_COMPARED: usize = 64;

const STREAM_TEACHER: u64 = 1;
const STREAM_STUDENT: u64 = 2;
const STREAM_VIEWS: u64 = 3;

/// What a run achieved.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Folder of `network.json` and `weights.safetensors`.
    pub folder: PathBuf,
    /// The network that was written there.
    pub network: QuantNetwork,
}

/// Images of a run.
struct Images {
    source: Source,
    split: SplitOptions,
    preprocess: Preprocess,
    train: ImageSet,
    validation: ImageSet,
    /// The validation images as tensors.
    plain_validation: Labeled,
}

/// Trains, quantizes, checks and writes a network.
///
/// # Errors
/// Unusable options or data, an interruption, or files that cannot be written; nothing half-written stays.
pub fn train(options: &TrainOptions) -> Result<Outcome> {
    check_options(options)?;
    tch::set_num_threads(i32::try_from(options.threads).context("too many threads")?);
    let student = Architecture::named(&options.student)?;
    let teacher =
        if options.teacher == "none" { None } else { Some(Architecture::named(&options.teacher)?) };
    let images = load_images(options)?;
    let folder = open_folder(options, &images.source.name())?;

    let teacher =
        teacher.map(|teacher| train_teacher(teacher, options, &images, &folder)).transpose()?;
    let (student, masks) = train_student(student, teacher.as_ref(), options, &images, &folder)?;
    let (mut network, calibration) = quantize_best(&student, &masks, options, &images)?;
    let first = images
        .plain_validation
        .select(&(0..images.validation.samples.len().min(N_COMPARED)).collect::<Vec<_>>());
    verify::compare(&network, &first.images)?;

    let test = images.source.load(Split::Test, &images.split)?;
    let plain_test = Labeled::plain(&test, &images.preprocess);
    let validation = &images.plain_validation;
    network.provenance = json!({
        "command": options.command(&images.source.name()),
        "seed": options.seed,
        "options": options_without_path(options, &images.source.name())?,
        "versions": { "trainer": env!("CARGO_PKG_VERSION"), "tch": "0.24.0", "libtorch": "2.11.0" },
        "data": {
            "name": images.source.name(),
            "description": describe(&images.source),
            "n_train": images.train.samples.len(),
            "n_validation": images.validation.samples.len(),
            "n_test": test.samples.len(),
            "sha256_train": images.train.sha256(),
            "sha256_validation": images.validation.sha256(),
            "sha256_test": test.sha256(),
        },
        "accuracy": {
            "teacher_validation": teacher.as_ref().map(|teacher| fit::accuracy(teacher, &Masks::new(), validation)),
            "teacher_test": teacher.as_ref().map(|teacher| fit::accuracy(teacher, &Masks::new(), &plain_test)),
            "float_validation": fit::accuracy(&student, &masks, validation),
            "float_test": fit::accuracy(&student, &masks, &plain_test),
            "int8_validation": verify::accuracy(&network, validation)?,
            "int8_test": verify::accuracy(&network, &plain_test)?,
        },
        "calibration": calibration,
        "kept_weights": quantize::kept_part(&network),
        "note": "every choice was made on the validation images; the test images were read once, at the end",
    });
    spec::files::write_network(&network, &folder.path)
        .with_context(|| format!("{}: cannot write the network", folder.path.display()))?;
    Ok(Outcome { folder: folder.path, network })
}

fn check_options(options: &TrainOptions) -> Result<()> {
    let count = |flag: &str, value: usize| {
        ensure!(value > 0, "--{flag} is 0; it has to be at least 1");
        Ok(())
    };
    count("epochs", options.epochs)?;
    count("teacher-epochs", options.teacher_epochs)?;
    count("views", options.views)?;
    count("group", options.group)?;
    count("threads", options.threads)?;
    ensure!(options.batch > 1, "--batch is {}; batch-norm needs at least 2", options.batch);
    let part = |flag: &str, value: f64| {
        ensure!((0.0..=1.0).contains(&value), "--{flag} is {value}; it has to be within 0 and 1");
        Ok(())
    };
    part("distill", options.distill)?;
    part("dense-part", options.dense_part)?;
    for (flag, value) in
        [("learning-rate", options.learning_rate), ("temperature", options.temperature)]
    {
        ensure!(
            value.is_finite() && value > 0.0,
            "--{flag} is {value}; it has to be a number above zero"
        );
    }
    for (flag, value) in
        [("weight-decay", options.weight_decay), ("teacher-gamma", options.teacher_gamma)]
    {
        ensure!(
            value.is_finite() && value >= 0.0,
            "--{flag} is {value}; it has to be zero or above"
        );
    }
    if options.sparsity().pattern == Pattern::UhpFree {
        bail!(
            "sparsity `uhp-free` is not there yet: the array's selector is shared by all columns; \
             use `uhp-shared` or `uhp-fixed`"
        );
    }
    Ok(())
}

fn load_images(options: &TrainOptions) -> Result<Images> {
    let source = Source::parse(&options.data);
    let preprocess = Preprocess::sar(options.size);
    preprocess.validate()?;
    let split = SplitOptions {
        seed: options.seed,
        validation: options.validation,
        ..SplitOptions::default()
    };
    let mut train = source.load(Split::Train, &split)?;
    if let Some(n) = options.train_images {
        ensure!(n > 0, "--train-images is 0; it has to be at least 1");
        train = train.spread(n);
    }
    let validation = source.load(Split::Validation, &split)?;
    let plain_validation = Labeled::plain(&validation, &preprocess);
    Ok(Images { source, split, preprocess, train, validation, plain_validation })
}

/// Makes the run folder, or checks that the one to resume had the same options.
fn open_folder(options: &TrainOptions, data: &str) -> Result<RunFolder> {
    let path = options.output.clone().unwrap_or_else(|| {
        let student = Path::new(&options.student)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Path::new("runs").join(format!("{data}-{student}-{}", options.sparsity_name()))
    });
    let shown = path.display();
    std::fs::create_dir_all(&path)
        .with_context(|| format!("{shown}: the run folder cannot be made"))?;
    let config_path = path.join("options.json");
    let config = serde_json::to_string_pretty(options)? + "\n";
    if options.resume {
        let stored = std::fs::read_to_string(&config_path).with_context(|| {
            format!("{shown}: holds no run to resume; leave --resume out to start one")
        })?;
        ensure!(
            stored == config,
            "{shown}: holds a run with other options ({}); give the same ones, or another --output",
            config_path.display()
        );
    } else {
        for name in [
            "teacher.safetensors",
            "student.safetensors",
            "metrics.jsonl",
            "network.json",
            "weights.safetensors",
        ] {
            match std::fs::remove_file(path.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("{shown}: cannot remove the old {name}"));
                }
                _ => {}
            }
        }
        spec::files::write_atomically(&config_path, config.as_bytes())?;
    }
    Ok(RunFolder { path, resume: options.resume })
}

fn new_model(architecture: Architecture, images: &Images, seed: u64) -> Result<Model> {
    let Preprocess { height, width, channels, .. } = images.preprocess;
    let image = Shape { height, width, channels };
    Model::new(architecture, image, images.preprocess.step(), images.train.classes.len(), seed)
}

fn fit_options(options: &TrainOptions, phase: &str) -> FitOptions {
    FitOptions {
        phase: phase.to_owned(),
        n_epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        momentum: 0.9,
        weight_decay: options.weight_decay,
        sparsity: options.sparsity(),
        dense_part: options.dense_part,
        distillation: Distillation { temperature: options.temperature, weight: options.distill },
        seed: options.seed,
    }
}

fn train_teacher(
    architecture: Architecture,
    options: &TrainOptions,
    images: &Images,
    folder: &RunFolder,
) -> Result<Model> {
    let mut teacher = new_model(architecture, images, stream(options.seed, STREAM_TEACHER))?;
    let augmentation = Augmentation { shift: options.shift, gamma: options.teacher_gamma };
    let fit_options = FitOptions {
        n_epochs: options.teacher_epochs,
        sparsity: spec::Sparsity::default(),
        ..fit_options(options, "teacher")
    };
    let epoch_images = |epoch: usize| {
        let path = [options.seed, STREAM_TEACHER, epoch as u64];
        Epoch {
            labeled: fresh_views(&images.train, &images.preprocess, augmentation, &path),
            teacher: None,
        }
    };
    fit(&mut teacher, &fit_options, folder, &images.plain_validation, epoch_images)?;
    Ok(teacher)
}

fn train_student(
    architecture: Architecture,
    teacher: Option<&Model>,
    options: &TrainOptions,
    images: &Images,
    folder: &RunFolder,
) -> Result<(Model, Masks)> {
    let mut student = new_model(architecture, images, stream(options.seed, STREAM_STUDENT))?;
    let augmentation = Augmentation { shift: options.shift, gamma: 0.0 };
    let path = [options.seed, STREAM_VIEWS];
    let views = cached_views(&images.train, &images.preprocess, augmentation, options.views, &path);
    // Asked for by the first epoch, so that a run resumed after its last one does not pay for it.
    let teacher_logits = OnceCell::new();
    let all_logits = |teacher: &Model| {
        eprintln!("the teacher looks at {} views", views.len());
        fit::logits(teacher, &Masks::new(), &views.images)
    };
    let epoch_images = |epoch: usize| {
        let path = [options.seed, STREAM_STUDENT, epoch as u64];
        let picked = pick_views(images.train.samples.len(), options.views, &path);
        let indices = Tensor::from_slice(&picked.iter().map(|&idx| idx as i64).collect::<Vec<_>>());
        let teacher = teacher.map(|teacher| {
            teacher_logits.get_or_init(|| all_logits(teacher)).index_select(0, &indices)
        });
        Epoch { labeled: views.select(&picked), teacher }
    };
    let fit_options = fit_options(options, "student");
    let masks = fit(&mut student, &fit_options, folder, &images.plain_validation, epoch_images)?;
    Ok((student, masks))
}

/// Quantizes under each calibration and keeps the better one on the validation images, the first in a tie.
fn quantize_best(
    student: &Model,
    masks: &Masks,
    options: &TrainOptions,
    images: &Images,
) -> Result<(QuantNetwork, Calibration)> {
    let calibration_images =
        Labeled::plain(&images.train.clone().spread(N_CALIBRATION), &images.preprocess);
    let mut best: Option<(f64, QuantNetwork, Calibration)> = None;
    for calibration in [Calibration::Maximum, Calibration::Percentile] {
        let ranges = Ranges::measure(student, masks, &calibration_images, calibration);
        let classes = images.train.classes.clone();
        let network = quantize::quantize(
            student,
            masks,
            &ranges,
            &images.preprocess,
            classes,
            options.sparsity(),
        )?;
        let accuracy = verify::accuracy(&network, &images.plain_validation)?;
        if best.as_ref().is_none_or(|(other, ..)| accuracy > *other) {
            best = Some((accuracy, network, calibration));
        }
    }
    let (_, network, calibration) = best.expect("two calibrations were tried");
    Ok((network, calibration))
}

fn stream(seed: u64, stream: u64) -> u64 {
    seed.wrapping_mul(1000).wrapping_add(stream)
}

fn describe(source: &Source) -> &'static str {
    match source.kind() {
        DatasetKind::SarSim => {
            "simulated SAR chips made by this project: no real vehicle, no measurement"
        }
        _ => "images that the user brought; none of them is stored here",
    }
}

fn options_without_path(options: &TrainOptions, data: &str) -> Result<Value> {
    Ok(serde_json::to_value(TrainOptions { data: data.to_owned(), ..options.clone() })?)
}
