//! What each stage of a run is told.

use crate::training::distill::Distillation;
use crate::training::phase::Phase;
use crate::training::schedule::Pruning;

/// Hyper-parameters of one network's training.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Checkpoint, metrics and progress bear its name.
    pub phase: Phase,
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
    pub pruning: Pruning,
    /// The teacher's part of the loss.
    pub distillation: Distillation,
    /// Seeds what libtorch draws (dropout).
    pub seed: u64,
}

/// How a teacher is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TeacherOptions {
    /// Its epochs.
    pub fit: FitOptions,
    /// Spread of the random exponent of its views (natural logarithm).
    pub gamma: f64,
}

/// How a student is trained and made integers.
#[derive(Debug, Clone, PartialEq)]
pub struct StudentOptions {
    /// Its epochs.
    pub fit: FitOptions,
    /// Its epochs of quantization-aware fine-tuning, if there are any.
    pub fine_tuning: Option<FitOptions>,
    /// Random views of each image.
    pub n_views: usize,
    /// Seed of these views.
    pub view_seed: u64,
}
