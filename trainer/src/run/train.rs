//! One whole training run: teacher, student, integers, files.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use dataset::TrainedImages;
use serde_json::{Map, Value, json};

use crate::network::architecture::Architecture;
use crate::network::data::Labeled;
use crate::run::closing::{self, Finished};
use crate::run::fits::Fit;
use crate::run::options::TrainOptions;
use crate::run::{config, folder, opening, report};
use crate::training::images::Images;
use crate::training::metrics;
use crate::training::outcome::Outcome;
use crate::training::phase::Phase;
use crate::training::student::{self, Student};
use crate::training::teacher::{Teacher, TeacherKind};

/// Version of the bindings, which do not tell it.
const TCH: &str = "0.24.0";
/// The one version of libtorch that these bindings link.
const LIBTORCH: &str = "2.11.0";
const NOTE: &str = "every choice was made on the validation images; the test images were classified once, at the end";

/// Trains, quantizes, checks and writes a network.
///
/// # Errors
/// Unusable options or data, an interruption, or files that cannot be written; nothing half-written stays.
pub fn train(options: &TrainOptions) -> Result<Finished> {
    options.check()?;
    let options = &options.on_this_machine()?;
    tch::set_num_threads(i32::try_from(options.threads).context("too many threads")?);
    let (teacher, student) = networks(options)?;
    let images = Images::load(&options.data_options()?, &options.input_options()?)?;
    let (teacher_options, student_options) = (options.teacher_options(), options.student_options());
    if let Some(student) = &student {
        // Before the teacher is trained for it.
        student.flow(images.shape(), images.train.classes.len())?;
    }
    let given = match &teacher {
        TeacherKind::Given(folder) => Some(Teacher::read(folder, &images)?),
        TeacherKind::None | TeacherKind::New(_) => None,
    };
    let mut definitions = Vec::new();
    if let TeacherKind::New(architecture) = &teacher {
        definitions.push((Phase::Teacher, architecture));
    }
    definitions.extend(student.iter().map(|student| (Phase::Student, student)));
    let (folder, _lock) = folder::open(options, &images.data, &definitions, given.as_ref())?;
    let is_trained = match &teacher {
        TeacherKind::New(_) => folder.has_all_epochs(Phase::Teacher, options.teacher_epochs),
        TeacherKind::Given(_) | TeacherKind::None => true,
    };
    if !is_trained || student.is_some() && !student::is_trained(&folder, &student_options) {
        folder::forget_result(&folder)?;
    }

    let (sparsity, seed) = (options.sparsity(), options.seed);
    let fit = student.as_ref().map(|student| Fit::expected(student, sparsity, seed, &images));
    let told =
        opening::tell(options, &images, &teacher, student.as_ref(), fit.as_ref(), &folder.path);
    flow::progress::say(&told);

    let teacher = match teacher {
        TeacherKind::New(architecture) => {
            Some(Teacher::train(architecture, &teacher_options, &images, &folder)?)
        }
        TeacherKind::Given(_) | TeacherKind::None => given,
    };
    let student = match student {
        Some(student) => {
            Some(Student::train(student, teacher.as_ref(), &student_options, &images, &folder)?)
        }
        None => None,
    };

    let plain_test = Labeled::plain(&images.test, &images.preprocess);
    let teacher_report = teacher.as_ref().map(|teacher| teacher.report(&images, &plain_test));
    let student_report =
        student.as_ref().map(|student| student.report(&images, &plain_test)).transpose()?;
    let mut trained_images = images.trained_images();
    if let Some(others) = teacher.as_ref().and_then(|teacher| teacher.trained_images.as_ref()) {
        trained_images.extend(others);
    }
    let mut network = student.map(|student| student.network);
    let name = &images.data.name;
    let mut outcome = Outcome {
        format_version: Outcome::format_version(),
        command: config::command(options, name)?,
        git_revision: report::git_revision(),
        options: options.to_json(name)?,
        versions: versions(),
        data: images.data.clone(),
        classes: images.train.classes.clone(),
        teacher: teacher_report,
        student: student_report,
        seconds: metrics::read(&folder.metrics())?.iter().map(|epoch| epoch.seconds).sum(),
        note: NOTE.to_owned(),
        warnings: Vec::new(),
    };
    outcome.warnings = closing::warnings(&images, &outcome);
    let record = trained_images.to_text();
    spec::files::write_atomically(&folder.path.join(TrainedImages::FILE), record.as_bytes())?;
    if let Some(network) = &mut network {
        network.provenance = provenance(options, &outcome, &trained_images);
        spec::files::write_own_network(network, &folder.path)
            .with_context(|| format!("{}: cannot write the network", folder.path.display()))?;
    }
    report::draw(&folder, &outcome, &student_options.fit)?;
    outcome.write(&folder.path)?;
    Ok(Finished { folder: folder.path, outcome, network })
}

/// Who teaches whom.
///
/// # Errors
/// Names that are no networks.
pub fn networks(options: &TrainOptions) -> Result<(TeacherKind, Option<Architecture>)> {
    Ok((TeacherKind::named(&options.teacher)?, student_named(&options.student)?))
}

fn student_named(name: &str) -> Result<Option<Architecture>> {
    if name == "none" {
        return Ok(None);
    }
    let is_folder = !Architecture::names().contains(&name) && Path::new(name).is_dir();
    ensure!(
        !is_folder,
        "--student {name} is a folder; it takes the name of a network or a .toml file (--teacher takes the folder of a run)"
    );
    Architecture::named(name).map(Some)
}

/// What the network file says of its origin.
fn provenance(options: &TrainOptions, outcome: &Outcome, trained_images: &TrainedImages) -> Value {
    let student = outcome.student.as_ref();
    json!({
        "command": outcome.command,
        "seed": options.seed,
        "options": outcome.options,
        "versions": outcome.versions,
        "data": outcome.data,
        "training_images": {
            "file": TrainedImages::FILE,
            "sha256": TrainedImages::sha256(&trained_images.to_text()),
            "n_digests": trained_images.len(),
        },
        "accuracy": {
            "teacher_validation": outcome.teacher.as_ref().map(|teacher| teacher.validation.accuracy),
            "teacher_test": outcome.teacher.as_ref().map(|teacher| teacher.test.accuracy),
            "float_validation": student.map(|student| student.float.validation.accuracy),
            "float_test": student.map(|student| student.float.test.accuracy),
            "int8_validation": student.map(|student| student.int8.validation.accuracy),
            "int8_test": student.map(|student| student.int8.test.accuracy),
        },
        "calibration": student.map(|student| &student.calibration),
        "kept_weights": student.map(|student| student.n_kept as f64 / student.n_weights as f64),
        "note": NOTE,
    })
}

fn versions() -> Map<String, Value> {
    let versions = [("trainer", env!("CARGO_PKG_VERSION")), ("tch", TCH), ("libtorch", LIBTORCH)];
    versions.map(|(name, version)| (name.to_owned(), version.into())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_pinned_ones() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("tch = \"={TCH}\"")));
        let requirements = include_str!("../../../scripts/requirements-libtorch.txt");
        assert!(requirements.contains(&format!("\ntorch=={LIBTORCH} ")));
    }
}
