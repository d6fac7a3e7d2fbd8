//! Training of one network: epochs, learning rate, masks, checkpoints.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use flow::progress::Progress;
use tch::{Kind, Tensor};

use crate::interruption::INTERRUPTED;
use crate::network::data::Labeled;
use crate::network::evaluate::evaluate_as;
use crate::network::forward::{LayerArithmetic, Mode};
use crate::network::masks::{Churn, Masks};
use crate::network::model::{Model, is_trainable};
use crate::training::checkpoint::{self, State};
use crate::training::distill::{self, Distillation, Lesson};
use crate::training::metrics::{self, Metrics};
use crate::training::optimize::{forget_momentum, learning_rate, update};
use crate::training::options::FitOptions;
use crate::training::permute::permute_channels;
use crate::training::prune::{self, Choice, SquaredGradients};
use crate::training::run_folder::RunFolder;
use crate::training::schedule::{Schedule, Score};

/// Batches whose gradients tell what a weight is worth.
const GRADIENT_BATCHES: usize = 16;
/// Part of a layer's mask that may change in an epoch before a warning: beyond it, training chases its masks.
const HIGH_CHURN: f64 = 0.05;

/// Images of one epoch in their order, and what the teacher says of them.
#[derive(Debug)]
pub struct Epoch {
    /// Images and labels.
    pub labeled: Labeled,
    /// Over all images of the epoch.
    pub teacher: Option<Lesson>,
}

/// Trains `model` in place and returns its masks.
///
/// `epoch_images` gives the images of an epoch by its number; the next epoch's are made while one is learned.
///
/// # Errors
/// A checkpoint that cannot be read or written, or an interruption (the last epoch is then on disk).
pub fn fit(
    model: &mut Model,
    options: &FitOptions,
    folder: &RunFolder,
    validation: &Labeled,
    epoch_images: impl Fn(usize) -> Epoch + Sync,
) -> Result<Masks> {
    fit_watched(model, options, folder, validation, epoch_images, |_| {})
}

/// As [`fit`]; `watch` sees the masks of each epoch that was done, where they are chosen.
///
/// # Errors
/// See [`fit`].
pub fn fit_watched(
    model: &mut Model,
    options: &FitOptions,
    folder: &RunFolder,
    validation: &Labeled,
    epoch_images: impl Fn(usize) -> Epoch + Sync,
    watch: impl FnMut(Option<&Masks>),
) -> Result<Masks> {
    run_epochs(model, options, folder, validation, None, epoch_images, watch)
}

/// As [`fit`], of a network whose layers are in the arithmetic of its integers, with masks that were chosen before.
///
/// # Errors
/// See [`fit`].
pub fn fit_quantized(
    model: &mut Model,
    options: &FitOptions,
    folder: &RunFolder,
    validation: &Labeled,
    (masks, arithmetic): (Masks, &dyn LayerArithmetic),
    epoch_images: impl Fn(usize) -> Epoch + Sync,
) -> Result<Masks> {
    let rounded = Some((masks, arithmetic));
    run_epochs(model, options, folder, validation, rounded, epoch_images, |_| {})
}

fn run_epochs(
    model: &mut Model,
    options: &FitOptions,
    folder: &RunFolder,
    validation: &Labeled,
    rounded: Option<(Masks, &dyn LayerArithmetic)>,
    epoch_images: impl Fn(usize) -> Epoch + Sync,
    mut watch: impl FnMut(Option<&Masks>),
) -> Result<Masks> {
    let path = folder.checkpoint(options.phase);
    let mut state = if folder.resume && path.exists() {
        checkpoint::load(&path, model)?
    } else {
        State::default()
    };
    let modes = match rounded {
        Some((masks, arithmetic)) => {
            state.masks = Some(masks);
            let mode = Mode::QuantizationAware(arithmetic);
            Modes { training: mode, evaluation: mode, chooses_masks: false }
        }
        None => {
            Modes { training: Mode::Training, evaluation: Mode::Evaluation, chooses_masks: true }
        }
    };
    metrics::forget_after(&folder.metrics(), options.phase, state.n_epochs)?;
    let progress = Progress::new(options.phase.name(), options.n_epochs as u64, "epochs");
    progress.start_at(state.n_epochs as u64);
    std::thread::scope(|scope| -> Result<()> {
        let make = |epoch: usize| {
            let epoch_images = &epoch_images;
            (epoch < options.n_epochs).then(|| scope.spawn(move || epoch_images(epoch)))
        };
        let mut next = make(state.n_epochs);
        while let Some(made) = next.take() {
            let Ok(images) = made.join() else { bail!("making the images of an epoch failed") };
            next = make(state.n_epochs + 1);
            let started = std::time::Instant::now();
            tch::manual_seed((options.seed.wrapping_mul(1_000_003) + state.n_epochs as u64) as i64);
            let churn = if modes.chooses_masks {
                renew_masks(model, options, &images, &mut state)?
            } else {
                None
            };
            let (loss, learning_rate) =
                one_epoch(model, options, &images, modes.training, &mut state, &path)?;
            let images_per_second = images.labeled.len() as f64 / started.elapsed().as_secs_f64();
            let validation = evaluate_as(model, state.masks.as_ref(), validation, modes.evaluation);
            state.n_epochs += 1;
            watch(state.masks.as_ref());
            let metrics = Metrics {
                phase: options.phase,
                epoch: state.n_epochs,
                loss,
                validation_accuracy: validation.accuracy,
                validation_cross_entropy: validation.cross_entropy,
                learning_rate,
                mask_churn: churn,
                images_per_second,
                seconds: started.elapsed().as_secs_f64(),
            };
            metrics.append(&folder.metrics())?;
            checkpoint::save(&path, model, &state)?;
            if let Some(churn) = churn.filter(|churn| churn.largest > HIGH_CHURN) {
                progress.say(&format!(
                    "warning: {:.1} % of a mask changed before epoch {}; raise --masked-decay, or choose masks once",
                    100.0 * churn.largest,
                    state.n_epochs
                ));
            }
            progress
                .step(&format!("loss {loss:.4}, validation {:.2} %", 100.0 * validation.accuracy));
        }
        Ok(())
    })?;
    progress.finish();
    Ok(state.masks.unwrap_or_default())
}

/// How one phase runs the network.
struct Modes<'a> {
    training: Mode<'a>,
    evaluation: Mode<'a>,
    chooses_masks: bool,
}

/// Chooses the masks of the coming epoch where they are not frozen; gives what changed where it is chosen again.
fn renew_masks(
    model: &Model,
    options: &FitOptions,
    images: &Epoch,
    state: &mut State,
) -> Result<Option<Churn>> {
    let pruning = &options.pruning;
    let (part, choose) = if pruning.is_known_in_advance() {
        (1.0, state.masks.is_none())
    } else {
        pruning.part_at(state.n_epochs, options.n_epochs, state.masks.is_some())
    };
    if !choose {
        if let Some(masks) = &mut state.masks {
            masks.straight_through = false;
        }
        return Ok(None);
    }
    let earlier = state.masks.take();
    if pruning.permute && earlier.is_none() {
        permute_channels(model, &mut state.momentum, pruning.sparsity)?;
    }
    let gradients = match pruning.score {
        Score::SecondOrder => Some(squared_gradients(model, options, images, earlier.as_ref())),
        Score::Magnitude => None,
    };
    let rechosen = pruning.schedule == Schedule::Rechosen;
    let choice = Choice {
        sparsity: pruning.sparsity,
        score: pruning.score,
        part,
        gradients: gradients.as_ref(),
        pruned: earlier.as_ref().filter(|_| !rechosen),
    };
    let mut masks = prune::choose_masks(model, choice)?;
    masks.straight_through =
        rechosen && pruning.part_at(state.n_epochs + 1, options.n_epochs, true).1;
    if !masks.straight_through {
        forget_momentum(&mut state.momentum, &masks);
    }
    let churn = earlier.map(|earlier| masks.churn_since(&earlier));
    state.masks = Some(masks);
    Ok(churn.filter(|_| rechosen))
}

/// Mean squared gradient of each weight over some batches, with the network as it is used.
fn squared_gradients(
    model: &Model,
    options: &FitOptions,
    images: &Epoch,
    masks: Option<&Masks>,
) -> SquaredGradients {
    let none = Masks::new();
    let mut squares = SquaredGradients::new();
    let batch = options.batch.min(images.labeled.len());
    let n_batches = (images.labeled.len() / batch).min(GRADIENT_BATCHES);
    for step in 0..n_batches {
        let part = |tensor: &Tensor| tensor.narrow(0, (step * batch) as i64, batch as i64);
        let logits =
            model.forward(&part(&images.labeled.images), masks.unwrap_or(&none), Mode::Evaluation);
        batch_loss(&logits, None, images, options.distillation, part).backward();
        let _guard = tch::no_grad_guard();
        for (name, tensor) in model.tensors().filter(|(name, _)| is_trainable(name)) {
            let mut gradient = tensor.grad();
            if let Some(layer) = name.strip_suffix(".weight") {
                let square = gradient.square() / n_batches as f64;
                squares
                    .entry(layer.to_owned())
                    .and_modify(|sum| *sum += &square)
                    .or_insert_with(|| square.copy());
            }
            let _ = gradient.zero_();
        }
    }
    squares
}

/// The loss of one batch; `part` cuts it out of the epoch.
fn batch_loss(
    logits: &Tensor,
    features: Option<&Tensor>,
    images: &Epoch,
    distillation: Distillation,
    part: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let labels = part(&images.labeled.labels).to_device(logits.device());
    let lesson = |tensor: &Tensor| part(tensor).to_device(logits.device());
    let teacher = images.teacher.as_ref();
    let teacher_logits = teacher.map(|teacher| lesson(&teacher.logits));
    let loss = distill::loss(logits, &labels, teacher_logits.as_ref(), distillation);
    match (features, teacher.and_then(|teacher| teacher.features.as_ref())) {
        (Some(ours), Some(theirs)) if distillation.features > 0.0 => {
            loss + distill::similarity_loss(ours, &lesson(theirs)) * distillation.features
        }
        _ => loss,
    }
}

/// Mean loss and last learning rate of one epoch; a message about an interruption names `path`, the checkpoint.
pub(crate) fn one_epoch(
    model: &Model,
    options: &FitOptions,
    images: &Epoch,
    mode: Mode,
    state: &mut State,
    path: &Path,
) -> Result<(f64, f64)> {
    let n_images = images.labeled.len();
    let batch = options.batch.min(n_images);
    // An incomplete last batch is left out: its statistics would be noise.
    let n_steps = n_images / batch;
    let none = Masks::new();
    let masks = state.masks.as_ref().unwrap_or(&none);
    let (mut total, mut rate) = (Tensor::zeros([1], (Kind::Double, model.device)), 0.0);
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
        let output = model.features_and_logits(&part(&images.labeled.images), masks, mode);
        let (features, logits) = (Some(&output.features), &output.logits);
        let loss = batch_loss(logits, features, images, options.distillation, part);
        loss.backward();
        total += loss.detach();
        rate = learning_rate(options, state.n_epochs * n_steps + step, options.n_epochs * n_steps);
        update(model, options, masks, rate, &mut state.momentum);
    }
    let mean = total.double_value(&[0]) / n_steps as f64;
    if !mean.is_finite() {
        bail!("the loss of phase `{}` is not finite; lower --learning-rate", options.phase);
    }
    Ok((mean, rate))
}
