//! `metrics.jsonl`: one JSON object an epoch.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::limits::METRICS;
use crate::network::masks::Churn;
use crate::training::phase::Phase;

/// What one epoch did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Phase of the run.
    pub phase: Phase,
    /// Number of the epoch within its phase, from 1.
    pub epoch: usize,
    /// Mean loss of the training batches.
    pub loss: f64,
    /// Part of the validation images that is classified rightly.
    pub validation_accuracy: f64,
    /// Mean cross-entropy on the validation images, in nats.
    pub validation_cross_entropy: f64,
    /// Learning rate of the last batch.
    pub learning_rate: f64,
    /// What changed in the masks before this epoch, where they were chosen again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_churn: Option<Churn>,
    /// Training images a second.
    pub images_per_second: f64,
    /// Wall-clock time of training and validation, in seconds.
    pub seconds: f64,
}

impl Metrics {
    /// Adds a line to a file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn append(&self, path: &Path) -> Result<()> {
        use std::io::Write;
        let context = || format!("{}: cannot be written", path.display());
        let mut file = spec::files::open_append(path)?;
        let line = serde_json::to_string(self)? + "\n";
        file.write_all(line.as_bytes()).with_context(context)
    }
}

/// Every line of a file, which may be missing; a last line that was cut off is left out.
///
/// # Errors
/// A file that cannot be read, or a line that is no epoch.
pub fn read(path: &Path) -> Result<Vec<Metrics>> {
    let text = match spec::files::read_text(path, METRICS) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("{}: cannot be read", path.display()))?,
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(idx, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("{}: line {} is no epoch", path.display(), idx + 1))
    };
    whole.lines().enumerate().map(parse).collect()
}

/// Removes the epochs of a phase after the first `n_epochs`: a run that was killed writes them again.
///
/// # Errors
/// A file that cannot be read or written.
pub fn forget_after(path: &Path, phase: Phase, n_epochs: usize) -> Result<()> {
    let lines = read(path)?;
    let kept: Vec<_> =
        lines.iter().filter(|line| line.phase != phase || line.epoch <= n_epochs).collect();
    if lines.is_empty() && !path.exists() {
        return Ok(());
    }
    let mut text = String::new();
    for line in kept {
        text += &(serde_json::to_string(line)? + "\n");
    }
    spec::files::write_atomically(path, text.as_bytes())
        .with_context(|| format!("{}: cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(phase: Phase, epoch: usize) -> Metrics {
        Metrics {
            phase,
            epoch,
            loss: 0.5,
            validation_accuracy: 0.25,
            validation_cross_entropy: 1.5,
            learning_rate: 0.05,
            mask_churn: None,
            images_per_second: 100.0,
            seconds: 2.0,
        }
    }

    #[test]
    fn epochs_that_are_run_again_and_half_a_line_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        forget_after(&path, Phase::Student, 0).unwrap();
        assert!(!path.exists());
        let lines = [line(Phase::Teacher, 1), line(Phase::Teacher, 2), line(Phase::Student, 1)];
        lines.iter().for_each(|line| line.append(&path).unwrap());
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.clone() + "{\"phase\":\"stu").unwrap();
        assert_eq!(read(&path).unwrap(), lines);
        forget_after(&path, Phase::Student, 0).unwrap();
        assert_eq!(read(&path).unwrap(), lines[..2]);
        std::fs::write(&path, whole + "no epoch\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("metrics.jsonl: line 4 is no epoch"), "{error}");
    }
}
