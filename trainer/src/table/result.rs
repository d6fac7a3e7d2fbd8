//! What a run leaves in its folder as `result.json`, as far as a table needs it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Name of the file.
pub const FILE_NAME: &str = "result.json";
const FORMAT_VERSION: u32 = 1;

/// One finished run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunResult {
    /// Layout of the file.
    pub format_version: u32,
    /// Commit that the trainer was started from, where it is known.
    pub git_revision: Option<String>,
    /// What it was trained and measured on.
    pub data: DataFacts,
    /// The teacher, trained or brought; none for a student alone.
    pub teacher: Option<TeacherResult>,
    /// The student; none for a teacher alone.
    pub student: Option<StudentResult>,
    /// Time that the run took, all parts together.
    pub seconds: f64,
}

/// Images of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Name of the data.
    pub name: String,
    /// Images trained on.
    pub n_train: usize,
    /// Images that choices were made on.
    pub n_validation: usize,
    /// Images that were read once, at the end.
    pub n_test: usize,
    /// Digest of the test images.
    pub sha256_test: String,
}

/// A network's score on some images.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Score {
    /// Part of the images that are classified rightly, 0 to 1.
    pub accuracy: f64,
}

/// Scores on the two sets that were not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Scores {
    /// Where choices were made.
    pub validation: Score,
    /// Read once.
    pub test: Score,
}

/// The teacher of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TeacherResult {
    /// Its network.
    pub name: String,
    /// Weights, biases and batch-norm.
    pub n_parameters: u64,
    /// Multiplications an image.
    pub n_macs: u64,
    /// In floating point.
    #[serde(flatten)]
    pub scores: Scores,
}

/// The student of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StudentResult {
    /// Its network.
    pub name: String,
    /// Weights of convolutions and fully connected layers.
    pub n_weights: u64,
    /// Those that are not pruned.
    pub n_kept: u64,
    /// In floating point.
    pub float: Scores,
    /// As exported.
    pub int8: Scores,
}

/// Reads the result of a run; `None` where there is none yet.
///
/// # Errors
/// A file that cannot be read or is no result; the message names it.
pub fn read(folder: &Path) -> Result<Option<RunResult>> {
    let path = folder.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("{}: cannot be read", path.display()))?,
    };
    let damaged =
        || format!("{}: not the result of a run; remove it to train again", path.display());
    let result: RunResult = serde_json::from_str(&text).with_context(damaged)?;
    ensure!(
        result.format_version == FORMAT_VERSION,
        "{}: format version {}, and this program reads {FORMAT_VERSION}; remove it to train again",
        path.display(),
        result.format_version
    );
    Ok(Some(result))
}
