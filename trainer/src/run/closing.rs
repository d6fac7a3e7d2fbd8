//! What came of a run, for a person to read: accuracies, warnings, files, and what to do next.

use std::fmt::Write;
use std::path::PathBuf;

use dataset::TrainedImages;
use spec::{QuantNetwork, shown};

use crate::network::evaluate::Evaluation;
use crate::run::config;
use crate::run::fits::Fit;
use crate::run::options::TrainOptions;
use crate::training::images::{Images, class_counts};
use crate::training::outcome::{FILE, Outcome};

/// Chance of as many right answers by a network that learned nothing, above which a network is said to be one.
const SIGNIFICANCE: f64 = 0.05;
/// Classes named in a warning.
const MOST_NAMES: usize = 5;

/// What a run made.
#[derive(Debug)]
pub struct Finished {
    /// The run folder.
    pub folder: PathBuf,
    /// What `result.json` says.
    pub outcome: Outcome,
    /// The exported student.
    pub network: Option<QuantNetwork>,
}

/// Signs that a run went wrong: networks that are no better than always giving the most frequent class, and classes that
/// the student never gives.
pub(crate) fn warnings(images: &Images, outcome: &Outcome) -> Vec<String> {
    let mut warnings: Vec<String> = outcome.data.leak().into_iter().collect();
    let counts = class_counts(&images.validation);
    let networks = [
        ("teacher", outcome.teacher.as_ref().map(|teacher| teacher.validation)),
        ("int8 student", outcome.student.as_ref().map(|student| student.int8.validation)),
    ];
    for (name, evaluation) in networks {
        let Some(Evaluation { accuracy, .. }) = evaluation else { continue };
        warnings.extend(learned_nothing(name, accuracy, &counts, &outcome.classes));
    }
    let Some(student) = &outcome.student else { return warnings };
    let sets = [("validation", &images.validation, &student.n_given.validation)];
    let test = ("test", &images.test, &student.n_given.test);
    for (name, set, n_given) in sets.into_iter().chain([test]) {
        let counts = class_counts(set);
        let never: Vec<&str> = (outcome.classes.iter().zip(n_given).zip(&counts))
            .filter(|((_, given), count)| **given == 0 && **count > 0)
            .map(|((class, _), _)| class.as_str())
            .collect();
        if !never.is_empty() {
            let n = set.samples.len();
            warnings.push(format!(
                "the int8 student never predicts {} on the {n} {name} images",
                named(&never)
            ));
        }
    }
    warnings
}

/// Whether validation tells a network from one that always gives the most frequent class of the validation images: a
/// one-sided binomial test. Where not even a network without a fault would pass it, the images are too few to tell.
fn learned_nothing(
    network: &str,
    accuracy: f64,
    counts: &[usize],
    classes: &[String],
) -> Option<String> {
    let n: usize = counts.iter().sum();
    let (class, &most) =
        counts.iter().enumerate().max_by_key(|(idx, n)| (**n, usize::MAX - idx))?;
    let n_right = (accuracy * n as f64).round() as usize;
    let part = most as f64 / n.max(1) as f64;
    let chance = chance_of_at_least(n_right, n, part);
    let best = chance_of_at_least(n, n, part);
    if best > SIGNIFICANCE {
        let images = if n == 1 { "image is" } else { "images are" };
        return Some(format!(
            "{n} validation {images} too few to tell whether the {network} learned anything: {n_right} of {n} right ({:.2} %); \
             chance alone gets all of them right in {:.0} % of all cases",
            100.0 * accuracy,
            100.0 * best
        ));
    }
    (chance > SIGNIFICANCE).then(|| {
        format!(
            "by the validation images the {network} learned nothing: {n_right} of {n} right ({:.2} %), where always \
             answering {} gives {most} ({:.2} %); chance alone does as well or better in {:.0} % of all cases",
            100.0 * accuracy,
            classes[class],
            100.0 * most as f64 / n as f64,
            100.0 * chance
        )
    })
}

/// Chance that of `n` answers, each right with probability `p`, `least` or more are right.
fn chance_of_at_least(least: usize, n: usize, p: f64) -> f64 {
    if least == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    let mut logs = vec![0.0; n + 1];
    for k in 1..=n {
        logs[k] = logs[k - 1] + (k as f64).ln();
    }
    let term = |k: usize| {
        let ways = logs[n] - logs[k] - logs[n - k];
        (ways + k as f64 * p.ln() + (n - k) as f64 * (1.0 - p).ln()).exp()
    };
    (least..=n).map(term).sum::<f64>().min(1.0)
}

fn named(classes: &[&str]) -> String {
    let shown = classes.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    match classes.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} other classes"),
    }
}

/// The closing words of a run.
pub fn summary(finished: &Finished, options: &TrainOptions) -> String {
    let Outcome { data, teacher, student, seconds, warnings, .. } = &finished.outcome;
    let folder = &finished.folder;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |words: String| _ = writeln!(text, "{}", words.trim_end());
    let what = match (student, teacher) {
        (Some(student), Some(teacher)) => {
            format!("{}, {}, taught by {}", student.name, options.sparsity_name(), teacher.name)
        }
        (Some(student), None) => format!("{}, {}", student.name, options.sparsity_name()),
        (None, teacher) => {
            teacher.as_ref().map_or_else(String::new, |teacher| teacher.name.clone())
        }
    };
    let n_classes = finished.outcome.classes.len();
    let time = flow::progress::duration(*seconds);
    line(format!("{what}, on {}: {n_classes} classes, trained in {time}", data.name));
    line(String::new());
    let row = |name: &str, [validation, test]: [String; 2]| {
        format!("{name:<16} {validation:>12} {test:>12}")
    };
    let percent = |evaluation: &Evaluation| format!("{:.2} %", 100.0 * evaluation.accuracy);
    let test = if data.n_test_trained == 0 { "test" } else { "no test" };
    line(row("accuracy", ["validation", test].map(str::to_owned)));
    if let Some(teacher) = teacher {
        line(row("teacher", [&teacher.validation, &teacher.test].map(percent)));
    }
    if let Some(student) = student {
        for (name, both) in [("student, float", &student.float), ("student, int8", &student.int8)] {
            line(row(name, [&both.validation, &both.test].map(percent)));
        }
    }
    line(row("images", [data.n_validation, data.n_test].map(|n| n.to_string())));
    if let Some(student) = student {
        let part = 100.0 * student.n_kept as f64 / student.n_weights.max(1) as f64;
        line(String::new());
        line(format!("kept weights: {} of {} ({part:.1} %)", student.n_kept, student.n_weights));
    }
    let fit = finished.network.as_ref().map(Fit::of);
    if let Some(fit) = &fit {
        line(format!("array: {fit}"));
    }
    for warning in warnings {
        line(format!("warning: {}", shown(warning)));
    }
    line(format!("files in {}: {}", folder.display(), files(&finished.outcome)));
    line(format!("next: {}", next(finished, options, fit.as_ref())));
    text.trim_end().to_owned()
}

fn files(outcome: &Outcome) -> String {
    let mut files = Vec::new();
    if outcome.student.is_some() {
        files.push("network.json and weights.safetensors (the int8 student)");
    }
    files.extend([FILE, "metrics.jsonl", "curves.svg", TrainedImages::FILE]);
    if outcome.student.is_some() {
        files.extend(["confusion.svg", "per_class.svg"]);
    }
    files.join(", ")
}

/// The command that a person most likely wants now.
fn next(finished: &Finished, options: &TrainOptions, fit: Option<&Fit>) -> String {
    let quoted = |word: &str| config::quoted(word);
    let folder = quoted(&finished.folder.display().to_string());
    let data = match options.data.as_str() {
        dataset::Source::SAR_SIM => None,
        path => Some(quoted(path)),
    };
    match fit {
        None => {
            let data = data.map_or(String::new(), |data| format!(" --data {data}"));
            format!("cargo run --release -p trainer -- train --teacher {folder}{data}")
        }
        Some(fit) => {
            let data = data.map_or(String::new(), |data| format!(" DATA={data}"));
            let fit = if matches!(fit, Fit::Short(_)) { " FIT=1" } else { "" };
            format!("make sim NETWORK={folder}{data}{fit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_the_binomial_distribution() {
        let is_near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        is_near(chance_of_at_least(0, 10, 0.3), 1.0);
        is_near(chance_of_at_least(10, 10, 0.5), 1.0 / 1024.0);
        is_near(chance_of_at_least(9, 10, 0.5), 11.0 / 1024.0);
        // By counting: 1 - 0.9^3.
        is_near(chance_of_at_least(1, 3, 0.1), 0.271);
        let large = chance_of_at_least(150, 10_000, 0.01);
        assert!(large > 1e-7 && large < 2e-6, "{large}");
    }

    #[test]
    fn a_network_that_always_gives_the_largest_class_learned_nothing() {
        let classes = ["Cargo", "Tanker", "Other"].map(str::to_owned);
        let told = |n_right: usize| {
            learned_nothing("teacher", n_right as f64 / 80.0, &[20, 43, 17], &classes)
        };
        let message = told(43).unwrap();
        assert!(
            message.contains("the teacher learned nothing: 43 of 80 right (53.75 %)"),
            "{message}"
        );
        assert!(message.contains("answering Tanker gives 43 (53.75 %)"), "{message}");
        // The chance of 50 or more is 7.1 %, that of 51 or more 4.5 %.
        assert!(told(50).is_some() && told(51).is_none() && told(80).is_none());
        assert!(told(0).is_some());
    }

    #[test]
    fn too_few_images_tell_nothing() {
        let classes = ["a", "b"].map(str::to_owned);
        let told = |n_right: usize, counts: &[usize; 2]| {
            let n: usize = counts.iter().sum();
            learned_nothing("teacher", n_right as f64 / n as f64, counts, &classes)
        };
        let too_few = "2 validation images are too few to tell whether the teacher learned anything: 2 of 2 right \
                       (100.00 %); chance alone gets all of them right in 25 % of all cases";
        assert_eq!(told(2, &[1, 1]).unwrap(), too_few);
        assert!(told(1, &[1, 0]).unwrap().starts_with("1 validation image is too few"));
        // All of five right is a chance of 7.8 % where three are of one class, all of six one of 1.6 %.
        assert!(told(5, &[3, 2]).unwrap().contains("too few") && told(6, &[3, 3]).is_none());
        assert!(told(3, &[3, 3]).unwrap().contains("learned nothing"));
    }

    #[test]
    fn many_classes_are_named_in_part() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(
            named(&["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e and 2 other classes"
        );
    }
}
