//! What is to be pruned: by which pattern and score, and when masks are chosen.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use spec::{Pattern, Sparsity};

/// Masks that are chosen over several epochs are frozen from this part of the epochs on.
const FROZEN_FROM: f64 = 2.0 / 3.0;

/// What makes a weight worth keeping. A unit of several weights is worth the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// `|w|`.
    Magnitude,
    /// `w^2 E[g^2]`, with `g` the gradient of the loss: the diagonal second-order estimate of what removal costs
    /// (LeCun et al., 1989, with the Fisher information in place of the Hessian).
    SecondOrder,
}

/// When masks that depend on weights are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Once, after the dense part; then frozen.
    Once,
    /// Surest units first, from the end of the dense part to two thirds of the epochs; then frozen.
    Gradual,
    /// Anew before each epoch, from the end of the dense part to two thirds of the epochs, with the decay of SR-STE
    /// (Zhou et al., 2021) on what is masked; then frozen.
    Rechosen,
}

/// Which weights survive, and how that is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pruning {
    /// Pattern and group.
    pub sparsity: Sparsity,
    /// When masks are chosen.
    pub schedule: Schedule,
    /// What is worth keeping.
    pub score: Score,
    /// Part of the epochs before anything is pruned, where masks depend on weights.
    pub dense_part: f64,
    /// Decay of masked weights under [`Schedule::Rechosen`].
    pub masked_decay: f64,
    /// Pair channels anew before the first choice.
    pub permute: bool,
}

impl Pruning {
    /// Nothing is pruned.
    pub const NONE: Self = Self {
        sparsity: Sparsity { pattern: Pattern::Dense, group: 0 },
        schedule: Schedule::Once,
        score: Score::Magnitude,
        dense_part: 0.0,
        masked_decay: 0.0,
        permute: false,
    };

    /// Checks that some epoch is left after the dense ones.
    ///
    /// # Errors
    /// A dense part that takes all epochs.
    pub fn check(&self, n_epochs: usize) -> Result<()> {
        ensure!(
            self.is_known_in_advance() || self.n_dense(n_epochs) < n_epochs,
            "of {n_epochs} epochs no one is left to prune in after a dense part of {}; give more --epochs, or a smaller \
             --dense-part",
            self.dense_part
        );
        Ok(())
    }

    fn n_dense(&self, n_epochs: usize) -> usize {
        ((n_epochs as f64 * self.dense_part).round() as usize).max(1)
    }

    /// The part of the pruning that has to be done in an epoch, and whether masks are chosen (again) before it.
    pub(crate) fn part_at(&self, epoch: usize, n_epochs: usize, chosen: bool) -> (f64, bool) {
        let n_dense = self.n_dense(n_epochs);
        let n_open = ((n_epochs as f64 * FROZEN_FROM).round() as usize).max(n_dense + 1);
        if epoch < n_dense {
            return (0.0, false);
        }
        let is_open = epoch < n_open;
        match self.schedule {
            Schedule::Once => (1.0, !chosen),
            Schedule::Rechosen => (1.0, is_open || !chosen),
            Schedule::Gradual => {
                // Cubic, as Zhu and Gupta (2017): most is pruned while much is left.
                let done = (epoch + 1 - n_dense) as f64 / (n_open - n_dense) as f64;
                (1.0 - (1.0 - done.min(1.0)).powi(3), is_open || !chosen)
            }
        }
    }

    /// Epochs that are done when masks are chosen for the first time, and for the last; none where nothing is pruned.
    pub fn chosen_after(&self, n_epochs: usize) -> Option<(usize, usize)> {
        if self.sparsity.pattern == Pattern::Dense {
            return None;
        }
        if self.is_known_in_advance() {
            return Some((0, 0));
        }
        let first = (0..n_epochs).find(|&epoch| self.part_at(epoch, n_epochs, false).1)?;
        let again = (first..n_epochs).rfind(|&epoch| self.part_at(epoch, n_epochs, true).1);
        Some((first, again.unwrap_or(first)))
    }

    /// Whether masks are there from the first epoch, since their positions depend on no weight.
    pub fn is_known_in_advance(&self) -> bool {
        match self.sparsity.pattern {
            Pattern::Dense => true,
            Pattern::UhpFixed => self.schedule != Schedule::Gradual,
            Pattern::Unstructured | Pattern::UhpShared | Pattern::UhpFree => false,
        }
    }
}
