//! Training of one network: epochs, learning rate, masks, checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use spec::Sparsity;
use tch::{Kind, Tensor};

use crate::checkpoint::{self, State};
use crate::data::Labeled;
use crate::distill::{self, Distillation};
use crate::model::{Model, is_trainable};
use crate::prune::{self, Masks};

/// Images of a batch when nothing is learned.
const EVALUATION_BATCH: usize = 256;

/// Set by Ctrl-C; training stops at the next batch.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Hyper-parameters of one network's training.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Name of the phase: checkpoint, metrics and progress bear it.
    pub phase: String,
    /// Passes over the training images.
    pub n_epochs: usize,
    /// Images of a batch.
    pub batch: usize,
    /// Peak of the learning rate: 5 % linear warm-up, then a cosine to zero.
    pub learning_rate: f64,
    /// Nesterov momentum.
    pub momentum: f64,
    /// Decay of weights; biases and batch-norm do not decay.
    pub weight_decay: f64,
    /// What survives.
    pub sparsity: Sparsity,
    /// Part of the epochs before masks are chosen, where they depend on weights.
    pub dense_part: f64,
    /// The teacher's part of the loss.
    pub distillation: Distillation,
    /// Seeds what libtorch draws (dropout).
    pub seed: u64,
}

/// Images of one epoch in their order, and the teacher's logits for them.
#[derive(Debug)]
pub struct Epoch {
    /// Images and labels.
    pub labeled: Labeled,
    /// `[n, classes]`.
    pub teacher: Option<Tensor>,
}

/// Where checkpoints and metrics go.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// The folder, which exists.
    pub path: PathBuf,
    /// Continue from a checkpoint.
    pub resume: bool,
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Serialize)]
struct Metrics<'a> {
    phase: &'a str,
    epoch: usize,
    loss: f64,
    validation_accuracy: f64,
    learning_rate: f64,
    images_per_second: f64,
}

impl RunFolder {
    /// The checkpoint of a phase.
    pub fn checkpoint(&self, phase: &str) -> PathBuf {
        self.path.join(format!("{phase}.safetensors"))
    }

    fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }
}

/// Trains `model` in place and returns its masks.
///
/// `epoch_images` gives the images of an epoch by its number; masks that depend on weights are chosen once, after
/// the dense part, and stay as they are.
///
/// # Errors
/// A checkpoint that cannot be read or written, or an interruption (the last epoch is then on disk).
pub fn fit(
    model: &mut Model,
    options: &FitOptions,
    folder: &RunFolder,
    validation: &Labeled,
    epoch_images: impl Fn(usize) -> Epoch,
) -> Result<Masks> {
    let path = folder.checkpoint(&options.phase);
    let mut state = if folder.resume && path.exists() {
        checkpoint::load(&path, model)?
    } else {
        State::default()
    };
    if state.masks.is_none() && prune::is_known_in_advance(options.sparsity.pattern) {
        state.masks = Some(prune::choose_masks(model, options.sparsity)?);
    }
    let n_dense = ((options.n_epochs as f64 * options.dense_part).round() as usize).max(1);
    let progress = progress_bar(options.n_epochs, &options.phase);
    progress.set_position(state.n_epochs as u64);
    progress.reset_eta();
    while state.n_epochs < options.n_epochs {
        if state.masks.is_none() && state.n_epochs >= n_dense {
            let masks = prune::choose_masks(model, options.sparsity)?;
            apply_masks(&mut state.momentum, &masks);
            state.masks = Some(masks);
        }
        let started = std::time::Instant::now();
        tch::manual_seed((options.seed.wrapping_mul(1_000_003) + state.n_epochs as u64) as i64);
        let images = epoch_images(state.n_epochs);
        let n_images = images.labeled.len();
        let (loss, learning_rate) = one_epoch(model, options, &images, &mut state, &path)?;
        let validation_accuracy =
            accuracy(model, state.masks.as_ref().unwrap_or(&Masks::new()), validation);
        state.n_epochs += 1;
        checkpoint::save(&path, model, &state)?;
        let metrics = Metrics {
            phase: &options.phase,
            epoch: state.n_epochs,
            loss,
            validation_accuracy,
            learning_rate,
            images_per_second: n_images as f64 / started.elapsed().as_secs_f64(),
        };
        append_line(&folder.metrics(), &serde_json::to_string(&metrics)?)?;
        progress.set_message(format!(
            "loss {loss:.4}, validation {:.2} %",
            100.0 * validation_accuracy
        ));
        progress.inc(1);
    }
    progress.finish();
    Ok(state.masks.unwrap_or_default())
}

/// Part of the images that the network classifies rightly.
pub fn accuracy(model: &Model, masks: &Masks, labeled: &Labeled) -> f64 {
    let classes = logits(model, masks, &labeled.images).argmax(-1, false);
    classes.eq_tensor(&labeled.labels).to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}

/// Logits of many images, `[n, classes]`, in evaluation mode.
pub fn logits(model: &Model, masks: &Masks, images: &Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    let batches = images.split(EVALUATION_BATCH as i64, 0);
    Tensor::cat(
        &batches.iter().map(|batch| model.forward(batch, masks, false)).collect::<Vec<_>>(),
        0,
    )
}

/// Mean loss and last learning rate of one epoch.
fn one_epoch(
    model: &Model,
    options: &FitOptions,
    images: &Epoch,
    state: &mut State,
    path: &Path,
) -> Result<(f64, f64)> {
    let n_images = images.labeled.len();
    let batch = options.batch.min(n_images);
    // An incomplete last batch is left out: its statistics would be noise.
    let n_steps = n_images / batch;
    let none = Masks::new();
    let masks = state.masks.as_ref().unwrap_or(&none);
    let (mut total, mut rate) = (0.0, 0.0);
    for step in 0..n_steps {
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!(
                "interrupted in epoch {} of phase `{}`; {} holds {} epochs, and --resume continues from there",
                state.n_epochs + 1,
                options.phase,
                path.display(),
                state.n_epochs
            );
        }
        let part = |tensor: &Tensor| tensor.narrow(0, (step * batch) as i64, batch as i64);
        let logits = model.forward(&part(&images.labeled.images), masks, true);
        let teacher = images.teacher.as_ref().map(part);
        let loss = distill::loss(
            &logits,
            &part(&images.labeled.labels),
            teacher.as_ref(),
            options.distillation,
        );
        loss.backward();
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            bail!("the loss of phase `{}` is not finite; lower --learning-rate", options.phase);
        }
        total += value;
        rate = learning_rate(options, state.n_epochs * n_steps + step, options.n_epochs * n_steps);
        update(model, options, rate, &mut state.momentum);
    }
    Ok((total / n_steps as f64, rate))
}

/// Learning rate at a step of all steps.
fn learning_rate(options: &FitOptions, step: usize, n_steps: usize) -> f64 {
    let warm_up = (n_steps / 20).max(1);
    if step < warm_up {
        return options.learning_rate * (step + 1) as f64 / warm_up as f64;
    }
    let done = (step - warm_up) as f64 / (n_steps - warm_up).max(1) as f64;
    options.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// One step of stochastic gradient descent with Nesterov momentum; gradients are spent.
fn update(model: &Model, options: &FitOptions, rate: f64, momentum: &mut BTreeMap<String, Tensor>) {
    let _guard = tch::no_grad_guard();
    for (name, tensor) in model.tensors().filter(|(name, _)| is_trainable(name)) {
        let mut spent = tensor.grad();
        let mut gradient = spent.copy();
        if name.ends_with(".weight") {
            gradient += tensor * options.weight_decay;
        }
        let velocity = momentum.entry(name.clone()).or_insert_with(|| gradient.zeros_like());
        let _ = velocity.g_mul_scalar_(options.momentum);
        let _ = velocity.g_add_(&gradient);
        let step = (gradient + &*velocity * options.momentum) * rate;
        let _ = tensor.shallow_clone().g_sub_(&step);
        let _ = spent.zero_();
    }
}

/// Momentum of pruned weights is forgotten.
fn apply_masks(momentum: &mut BTreeMap<String, Tensor>, masks: &Masks) {
    for (layer, mask) in masks {
        if let Some(velocity) = momentum.get_mut(&format!("{layer}.weight")) {
            let _ = velocity.g_mul_(mask);
        }
    }
}

fn progress_bar(n_epochs: usize, phase: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix:>10} {bar:30} {pos}/{len} epochs, {eta} left, {msg}")
            .expect("the template is well-formed");
    ProgressBar::new(n_epochs as u64).with_style(style).with_prefix(phase.to_owned())
}

fn append_line(path: &Path, line: &str) -> Result<()> {
    use std::io::Write;
    let context = || format!("{}: cannot be written", path.display());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).with_context(context)?;
    writeln!(file, "{line}").with_context(context)
}
