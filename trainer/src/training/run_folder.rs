//! Where a run's checkpoints and metrics lie.

use std::path::PathBuf;

use crate::training::checkpoint;
use crate::training::phase::Phase;

/// Where checkpoints and metrics go.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// The folder, which exists.
    pub path: PathBuf,
    /// Continue from a checkpoint.
    pub resume: bool,
}

impl RunFolder {
    /// The checkpoint of a phase.
    pub fn checkpoint(&self, phase: Phase) -> PathBuf {
        self.path.join(format!("{phase}.safetensors"))
    }

    /// Whether a run that is resumed has nothing left to do in a phase.
    pub fn has_all_epochs(&self, phase: Phase, n_epochs: usize) -> bool {
        self.resume && checkpoint::n_epochs(&self.checkpoint(phase)).is_ok_and(|n| n == n_epochs)
    }

    /// One JSON object a line and epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }
}
