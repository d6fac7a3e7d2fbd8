//! What a run leaves for people: curves, confusion matrix, accuracy by class.

use std::process::Command;

use anyhow::Result;

use crate::run::plots::{self, Curve, Mark};
use crate::training::metrics;
use crate::training::options::FitOptions;
use crate::training::outcome::Outcome;
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::schedule::Pruning;

/// Draws what a run did into its folder: `curves.svg`, and of a student, trained by the options, `confusion.svg` and
/// `per_class.svg`.
///
/// # Errors
/// Metrics that cannot be read, or a folder that cannot be written.
pub fn draw(folder: &RunFolder, outcome: &Outcome, student: &FitOptions) -> Result<()> {
    let lines = metrics::read(&folder.metrics())?;
    let mut courses: Vec<Course> = Vec::new();
    for line in &lines {
        if courses.last().is_none_or(|course| course.phase != line.phase) {
            courses.push(Course::of(line.phase));
        }
        let course = courses.last_mut().expect("one was just pushed");
        course.loss.push(line.loss);
        course.accuracy.push(line.validation_accuracy);
        course.cross_entropy.push(line.validation_cross_entropy);
    }
    let marks = marks(&student.pruning, student.n_epochs);
    let is_taught = outcome.teacher.is_some() && student.distillation.weight != 0.0;
    let curves: Vec<Curve> = courses
        .iter()
        .map(|course| Curve {
            label: course.phase.name(),
            validation_accuracy: &course.accuracy,
            validation_cross_entropy: &course.cross_entropy,
            loss: &course.loss,
            loss_name: match course.phase {
                Phase::Student | Phase::FineTuning if is_taught => "distillation",
                Phase::Teacher | Phase::Student | Phase::FineTuning => "cross-entropy",
            },
            marks: if course.phase == Phase::Student { &marks } else { &[] },
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
struct Course {
    phase: Phase,
    loss: Vec<f64>,
    accuracy: Vec<f64>,
    cross_entropy: Vec<f64>,
}

impl Course {
    fn of(phase: Phase) -> Self {
        Self { phase, loss: Vec::new(), accuracy: Vec::new(), cross_entropy: Vec::new() }
    }
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
    use spec::{Pattern, Sparsity};

    use super::*;
    use crate::training::schedule::{Schedule, Score};

    #[test]
    fn the_pruning_epoch_is_marked() {
        let told = |pattern, schedule| {
            let pruning = Pruning {
                sparsity: Sparsity { pattern, group: 16 },
                schedule,
                score: Score::Magnitude,
                dense_part: 1.0 / 3.0,
                masked_decay: 0.0,
                permute: false,
            };
            let marks = marks(&pruning, 30).into_iter();
            marks.map(|mark| (mark.after, mark.text)).collect::<Vec<_>>()
        };
        assert_eq!(told(Pattern::Dense, Schedule::Once), []);
        let once = told(Pattern::UhpShared, Schedule::Once);
        assert_eq!(once, [(10, "pruned after epoch 10".to_owned())]);
        let fixed = told(Pattern::UhpFixed, Schedule::Once);
        assert_eq!(fixed, [(0, "pruned from the start".to_owned())]);
        for schedule in [Schedule::Gradual, Schedule::Rechosen] {
            let several = told(Pattern::UhpShared, schedule);
            assert_eq!(several[0], (10, "pruning begins after epoch 10".to_owned()));
            assert_eq!(several[1], (19, "masks frozen after epoch 19".to_owned()));
        }
    }
}
