//! What a run leaves for people and programs: `result.json`, curves, confusion matrix, accuracy by class.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evaluate::Evaluation;
use crate::fit::RunFolder;
use crate::limits::JSON;
use crate::metrics;
use crate::options::TrainOptions;
use crate::plots::{self, Curve, Mark};
use crate::prune::Pruning;
use crate::{student, teacher};

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
    fn trained(&self) -> Vec<&str> {
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

/// Draws what a run did into its folder: `curves.svg`, and of a student `confusion.svg` and `per_class.svg`.
///
/// # Errors
/// Metrics that cannot be read, or a folder that cannot be written.
pub fn draw(folder: &RunFolder, outcome: &Outcome, options: &TrainOptions) -> Result<()> {
    let lines = metrics::read(&folder.metrics())?;
    let mut phases: Vec<Phase> = Vec::new();
    for line in &lines {
        if phases.last().is_none_or(|phase| phase.name != line.phase) {
            phases.push(Phase { name: &line.phase, ..Phase::default() });
        }
        let phase = phases.last_mut().expect("one was just pushed");
        phase.loss.push(line.loss);
        phase.accuracy.push(line.validation_accuracy);
        phase.cross_entropy.push(line.validation_cross_entropy);
    }
    let student = options.fit_options(student::PHASE);
    let marks = marks(&student.pruning, student.n_epochs);
    let curves: Vec<Curve> = phases
        .iter()
        .map(|phase| Curve {
            label: phase.name,
            validation_accuracy: &phase.accuracy,
            validation_cross_entropy: &phase.cross_entropy,
            loss: &phase.loss,
            loss_name: match phase.name {
                teacher::PHASE => "cross-entropy",
                _ if outcome.teacher.is_none() || options.distill == 0.0 => "cross-entropy",
                _ => "distillation",
            },
            marks: if phase.name == student::PHASE { &marks } else { &[] },
        })
        .collect();
    let title = format!("{} on {}", outcome.trained().join(" and "), outcome.data.name);
    plots::curves(&folder.path.join("curves.svg"), &title, &curves)?;
    if let Some(student) = &outcome.student {
        let n_classes = outcome.classes.len();
        let counts = student.confusion.concat();
        let counts = ndarray::Array2::from_shape_vec((n_classes, n_classes), counts)?;
        plots::confusion_matrix(&folder.path.join("confusion.svg"), &outcome.classes, &counts)?;
        let path = folder.path.join("per_class.svg");
        plots::per_class_accuracy(&path, &outcome.classes, &student.per_class)?;
    }
    Ok(())
}

/// When the student is pruned.
fn marks(pruning: &Pruning, n_epochs: usize) -> Vec<Mark> {
    match pruning.chosen_after(n_epochs) {
        None => Vec::new(),
        Some((0, 0)) => vec![Mark { after: 0, text: "pruned from the start".to_owned() }],
        Some((first, last)) if first == last => {
            vec![Mark { after: first, text: format!("pruned after epoch {first}") }]
        }
        Some((first, last)) => vec![
            Mark { after: first, text: format!("pruning begins after epoch {first}") },
            Mark { after: last, text: format!("masks frozen after epoch {last}") },
        ],
    }
}

/// Epochs of one phase.
#[derive(Default)]
struct Phase<'a> {
    name: &'a str,
    loss: Vec<f64>,
    accuracy: Vec<f64>,
    cross_entropy: Vec<f64>,
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

/// Revision of the checkout that the program runs in.
pub fn git_revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(revision) = git(&["rev-parse", "HEAD"]) else { return String::new() };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => revision,
        _ => revision + "+",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::options::SparsityKind;
    use crate::prune::Schedule;

    #[test]
    fn confusion_has_true_classes_in_rows() {
        let counts = confusion(&[0, 0, 1, 2], &[0, 2, 1, 1], 3);
        assert_eq!(counts, [[1, 0, 1], [0, 1, 0], [0, 1, 0]]);
        assert_eq!(per_class(&counts), [0.5, 1.0, 0.0]);
    }

    #[test]
    fn the_pruning_epoch_is_marked() {
        let told = |sparsity, schedule| {
            let options = TrainOptions { sparsity, masks: schedule, ..config::defaults() };
            let options = options.fit_options(student::PHASE);
            let marks = marks(&options.pruning, 30).into_iter();
            marks.map(|mark| (mark.after, mark.text)).collect::<Vec<_>>()
        };
        assert_eq!(told(SparsityKind::Dense, Schedule::Once), []);
        let once = told(SparsityKind::UhpShared, Schedule::Once);
        assert_eq!(once, [(10, "pruned after epoch 10".to_owned())]);
        let fixed = told(SparsityKind::UhpFixed, Schedule::Once);
        assert_eq!(fixed, [(0, "pruned from the start".to_owned())]);
        for schedule in [Schedule::Gradual, Schedule::Rechosen] {
            let several = told(SparsityKind::UhpShared, schedule);
            assert_eq!(several[0], (10, "pruning begins after epoch 10".to_owned()));
            assert_eq!(several[1], (19, "masks frozen after epoch 19".to_owned()));
        }
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
