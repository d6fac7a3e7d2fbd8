//! What came of a run: `result.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::JSON;
use crate::network::evaluate::Evaluation;

/// Name of the file in a run folder; it appears when the run is finished.
pub const FILE: &str = "result.json";
/// Version of its layout.
const FORMAT_VERSION: u32 = 1;

/// On the images that choices were made on, and on those that were read once, at the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Both {
    /// Choices were made on it.
    pub validation: Evaluation,
    /// Read once.
    pub test: Evaluation,
}

/// How often each class is given to the images of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Of the validation images.
    pub validation: Vec<u64>,
    /// Of the test images.
    pub test: Vec<u64>,
}

/// A teacher and how well it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherReport {
    /// Its architecture.
    pub name: String,
    /// The run that it comes from, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Trainable numbers.
    pub n_parameters: usize,
    /// Multiply-accumulates an image.
    pub n_macs: usize,
    /// On validation images.
    pub validation: Evaluation,
    /// On test images.
    pub test: Evaluation,
}

/// A student and how well it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudentReport {
    /// Its architecture.
    pub name: String,
    /// Trainable numbers before pruning.
    pub n_parameters: usize,
    /// Multiply-accumulates an image before pruning.
    pub n_macs: usize,
    /// Weights of convolutions and fully connected layers.
    pub n_weights: usize,
    /// Those that the masks keep.
    pub n_kept: usize,
    /// In floating point.
    pub float: Both,
    /// As exported.
    pub int8: Both,
    /// What its scales were derived from.
    pub calibration: String,
    /// Whether quantization-aware fine-tuning was done and was better on the validation images.
    #[serde(default)]
    pub is_fine_tuned: bool,
    /// How often the exported network gives each class.
    #[serde(default)]
    pub n_given: Given,
    /// Test images by true class (rows) and the class that the exported network gives (columns).
    pub confusion: Vec<Vec<u64>>,
    /// Part of each class's test images that the exported network classifies rightly.
    pub per_class: Vec<f64>,
}

/// The images of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// Name without the path.
    pub name: String,
    /// Kind on the command line.
    pub kind: String,
    /// What it is.
    pub description: String,
    /// Training images.
    pub n_train: usize,
    /// Validation images.
    pub n_validation: usize,
    /// Test images.
    pub n_test: usize,
    /// Those that are training or validation images as well, pixel by pixel.
    #[serde(default)]
    pub n_test_trained: usize,
    /// Over names, labels and samples.
    pub sha256_train: String,
    /// The same of the validation images.
    pub sha256_validation: String,
    /// The same of the test images.
    pub sha256_test: String,
}

impl DataReport {
    /// What to say of test images that are training images as well.
    pub(crate) fn leak(&self) -> Option<String> {
        (self.n_test_trained > 0).then(|| {
            format!(
                "{} of the {} test images are training or validation images as well, pixel by pixel: no accuracy of this run is a \
                 test accuracy; remove the copies",
                self.n_test_trained, self.n_test
            )
        })
    }
}

/// All of `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Layout of this object.
    pub format_version: u32,
    /// What to type to repeat the run, with a name in place of the data's path.
    pub command: String,
    /// Revision of this repository, with `+` where files were changed; empty outside a checkout.
    pub git_revision: String,
    /// Every flag.
    pub options: Map<String, Value>,
    /// Programs and libraries.
    pub versions: Map<String, Value>,
    /// The images.
    pub data: DataReport,
    /// Class names, in the order of the labels.
    pub classes: Vec<String>,
    /// The teacher, if there is one.
    pub teacher: Option<TeacherReport>,
    /// The student, if there is one.
    pub student: Option<StudentReport>,
    /// Wall-clock time of all epochs, before and after interruptions, in seconds.
    pub seconds: f64,
    /// How the images were used.
    pub note: String,
    /// Signs that something went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Outcome {
    /// Version of the layout that this program writes.
    pub fn format_version() -> u32 {
        FORMAT_VERSION
    }

    /// Names of the networks that the run trained.
    pub(crate) fn trained(&self) -> Vec<&str> {
        let teacher = self.teacher.as_ref().filter(|teacher| teacher.folder.is_none());
        let names = teacher.map(|teacher| teacher.name.as_str()).into_iter();
        names.chain(self.student.as_ref().map(|student| student.name.as_str())).collect()
    }

    /// Reads the result of a finished run.
    ///
    /// # Errors
    /// A run that is not finished, or a file of another layout.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = spec::files::read_text(&path, JSON)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{}: not the result of a run", path.display()))
    }

    /// Writes the result.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)? + "\n";
        spec::files::write_atomically(&path, text.as_bytes())
            .with_context(|| format!("{}: cannot be written", path.display()))
    }
}

/// Counts of true class (rows) and given class (columns).
pub fn confusion(labels: &[usize], given: &[usize], n_classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; n_classes]; n_classes];
    for (&label, &class) in labels.iter().zip(given) {
        counts[label][class] += 1;
    }
    counts
}

/// Part of each row that is on the diagonal; 0 for a class without images.
pub fn per_class(confusion: &[Vec<u64>]) -> Vec<f64> {
    let part = |(class, row): (usize, &Vec<u64>)| {
        row[class] as f64 / row.iter().sum::<u64>().max(1) as f64
    };
    confusion.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusion_has_true_classes_in_rows() {
        let counts = confusion(&[0, 0, 1, 2], &[0, 2, 1, 1], 3);
        assert_eq!(counts, [[1, 0, 1], [0, 1, 0], [0, 1, 0]]);
        assert_eq!(per_class(&counts), [0.5, 1.0, 0.0]);
    }

    #[test]
    fn an_unfinished_run_has_no_result() {
        let folder = tempfile::tempdir().unwrap();
        let error = Outcome::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("result.json: cannot be read"), "{error}");
        std::fs::write(folder.path().join(FILE), "{}").unwrap();
        let error = Outcome::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("result.json: not the result of a run"), "{error}");
    }
}
