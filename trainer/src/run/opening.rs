//! What is decided when training starts, for a person to read: the images, what is made of them, who teaches whom, and
//! whether the student fits the array.

use std::fmt::Write;

use dataset::DatasetKind;
use spec::{Pattern, Preprocess, Transfer, shown};

use crate::network::architecture::Architecture;
use crate::run::fits::Fit;
use crate::run::options::TrainOptions;
use crate::training::images::{Images, class_counts};
use crate::training::teacher::TeacherKind;

mod sizes;

use sizes::Sizes;

/// Classes up to which each has a line of its own.
const MOST_CLASSES: usize = 20;

/// The lines, and the warnings below them. `fit` is there with a student.
pub(crate) fn tell(
    options: &TrainOptions,
    images: &Images,
    teacher: &TeacherKind,
    student: Option<&Architecture>,
    fit: Option<&Fit>,
    folder: &std::path::Path,
) -> String {
    let sizes = Sizes::new(&images.train, &images.preprocess);
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{name:<9} {}", shown(what));
    };
    line("data", &data(options, images));
    for class in classes(images, &sizes) {
        line("", &class);
    }
    line("chips", &sizes.to_string());
    line("input", &input(&images.preprocess));
    line("views", &views(options));
    line("teacher", &teacher_line(options, teacher));
    line("student", &student_line(options, student));
    if let Some(fit) = fit {
        line("array", &fit.to_string());
    }
    line("folder", &folder.display().to_string());
    let warnings = sizes.warnings().into_iter().chain(empty_classes(images));
    for warning in warnings.chain(images.data.leak()) {
        _ = writeln!(text, "warning: {}", shown(&warning));
    }
    text.trim_end().to_owned()
}

/// Name, number of classes, channels, and whether these are radar chips or photographs, and why.
fn data(options: &TrainOptions, images: &Images) -> String {
    let n_classes = images.train.classes.len();
    let channels = if images.preprocess.channels == 1 { "gray" } else { "color" };
    let kind = images.kind;
    // As `dataset::Source::is_photo` decides.
    let is_photo = match kind {
        DatasetKind::Folder => images.preprocess.channels == 3,
        kind => kind.is_photo(),
    };
    let what = if is_photo { "photographs" } else { "radar chips" };
    let why = match (kind, &options.dataset) {
        (DatasetKind::SarSim, _) => "simulated".to_owned(),
        (DatasetKind::Folder, _) if is_photo => {
            "since some training images have color; --dataset says otherwise".to_owned()
        }
        (DatasetKind::Folder, _) => {
            "since no training image has color; --dataset says otherwise".to_owned()
        }
        (kind, Some(_)) => format!("by --dataset {kind}"),
        (kind, None) => format!("by its files, which are those of {kind}"),
    };
    format!("{}: {n_classes} classes, {channels}, {what} ({why})", images.data.name)
}

/// A line a class, or one for all where there are many.
fn classes(images: &Images, sizes: &Sizes) -> Vec<String> {
    let names: Vec<_> = images.train.classes.iter().map(|name| shown(name)).collect();
    let sets = [&images.train, &images.validation, &images.test];
    let counts = sets.map(class_counts);
    let totals = sets.map(|set| set.samples.len());
    if names.len() > MOST_CLASSES {
        let range = |counts: &[usize]| match (counts.iter().min(), counts.iter().max()) {
            (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
            (least, _) => least.copied().unwrap_or(0).to_string(),
        };
        let [train, validation, test] = [0, 1, 2].map(|set| range(&counts[set]));
        let [all_train, all_validation, all_test] = totals;
        return vec![
            format!("{all_train} training, {all_validation} validation and {all_test} test images"),
            format!("{train}, {validation} and {test} of each class"),
        ];
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 40);
    let row = |name: &str, counts: [String; 3], size: &str| {
        let [train, validation, test] = counts;
        format!("{name:<width$}  {train:>7}  {validation:>10}  {test:>7}  {size}")
            .trim_end()
            .to_owned()
    };
    let heads = ["train", "validation", "test"].map(str::to_owned);
    let mut rows = vec![row("class", heads, "median size")];
    for (class, name) in names.iter().enumerate() {
        let counts = [0, 1, 2].map(|set| counts[set][class].to_string());
        rows.push(row(name, counts, &sizes.of_class(class)));
    }
    rows.push(row("all", totals.map(|total| total.to_string()), ""));
    rows
}

fn empty_classes(images: &Images) -> Vec<String> {
    let sets = [
        (&images.train, "training", "nothing tells what it looks like"),
        (&images.validation, "validation", "no choice takes it into account"),
        (&images.test, "test", "its accuracy stays unknown"),
    ];
    let mut warnings = Vec::new();
    for (set, name, so) in sets {
        let counts = class_counts(set);
        let empty: Vec<_> = set
            .classes
            .iter()
            .zip(&counts)
            .filter(|(_, n)| **n == 0)
            .map(|(name, _)| name)
            .collect();
        if let Some(first) = empty.first() {
            let others = match empty.len() {
                1 => format!("class {first} has"),
                n => format!("{n} classes, such as {first}, have"),
            };
            warnings.push(format!("{others} no {name} image: {so}"));
        }
    }
    warnings
}

fn input(preprocess: &Preprocess) -> String {
    let Preprocess { height, width, downsample, transfer, .. } = preprocess;
    let blocks = match downsample {
        1 => String::new(),
        n => format!("blocks of {n}x{n} pixels averaged, then "),
    };
    let values = match transfer {
        Transfer::SquareRoot => {
            "square roots of magnitudes, each chip by its own mean and deviation"
        }
        Transfer::Linear => "samples as they are, by mean and deviation of the training images",
    };
    format!("{blocks}{height}x{width} pixels about the center; {values}")
}

fn views(options: &TrainOptions) -> String {
    let mirror = if options.mirror { "mirrored" } else { "not mirrored" };
    format!("{} of each image, moved by up to {} pixels, {mirror}", options.views, options.shift)
}

fn teacher_line(options: &TrainOptions, teacher: &TeacherKind) -> String {
    match teacher {
        TeacherKind::None => "none; the student learns from labels alone".to_owned(),
        TeacherKind::New(network) => format!("{}, {} epochs", network.name, options.teacher_epochs),
        TeacherKind::Given(folder) => format!("that of {}, trained before", folder.display()),
    }
}

fn student_line(options: &TrainOptions, student: Option<&Architecture>) -> String {
    let Some(student) = student else { return "none; the teacher alone is trained".to_owned() };
    let sparsity = options.sparsity();
    let group = match sparsity.pattern {
        Pattern::UhpShared => format!(" in groups of {}", sparsity.group),
        _ => String::new(),
    };
    let epochs = options.epochs;
    let pruned = match options.pruning().chosen_after(epochs) {
        None => String::new(),
        Some((0, 0)) => ", pruned from the start".to_owned(),
        Some((first, last)) if first == last => format!(", pruned after epoch {first}"),
        Some((first, last)) => format!(", pruned from epoch {first} to {last}"),
    };
    let tuning = match options.qat_epochs {
        0 => String::new(),
        n => format!(", then {n} epochs of quantization-aware fine-tuning"),
    };
    let name = &student.name;
    format!("{name}, {}{group}, {epochs} epochs{pruned}{tuning}", options.sparsity_name())
}
