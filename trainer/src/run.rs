//! One whole training run: teacher, student, integers, files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dataset::{DatasetKind, ImageSet, Source, Split, SplitOptions, TrainedImages};
use serde_json::{Map, Value, json};
use spec::{Preprocess, QuantNetwork, Shape};

use crate::architecture::Architecture;
use crate::closing;
use crate::config;
use crate::data::{Augmentation, Labeled};
use crate::fits::Fit;
use crate::folder;
use crate::metrics;
use crate::model::Model;
use crate::opening;
use crate::options::TrainOptions;
use crate::report::{self, DataReport, Outcome};
use crate::student::{self, Student};
use crate::teacher::{self, Teacher, TeacherKind};

pub(crate) const STREAM_TEACHER: u64 = 1;
pub(crate) const STREAM_STUDENT: u64 = 2;
pub(crate) const STREAM_VIEWS: u64 = 3;
pub(crate) const STREAM_FINE_TUNING: u64 = 4;

/// Version of the bindings, which do not tell it.
const TCH: &str = "0.24.0";
/// The one version of libtorch that these bindings link.
const LIBTORCH: &str = "2.11.0";
const NOTE: &str = "every choice was made on the validation images; the test images were classified once, at the end";

/// Images of a run.
pub struct Images {
    /// From an image to the network's input.
    pub preprocess: Preprocess,
    /// How the views of training images vary.
    pub augmentation: Augmentation,
    /// Weights are fitted to it.
    pub train: ImageSet,
    /// Choices are made on it.
    pub validation: ImageSet,
    /// Read at the start, so that a damaged file shows before training; classified at the end.
    pub test: ImageSet,
    /// What they are.
    pub kind: DatasetKind,
    /// What `result.json` says of them.
    pub data: DataReport,
    /// The validation images as tensors.
    pub plain_validation: Labeled,
    /// Where networks are trained on them.
    pub device: tch::Device,
    /// See [`Model::training_kind`].
    pub training_kind: tch::Kind,
}

impl Images {
    fn shape(&self) -> Shape {
        let Preprocess { height, width, channels, .. } = self.preprocess;
        Shape { height, width, channels }
    }

    /// What a network of this run was trained or validated on, apart from what its teacher brings.
    pub fn trained_images(&self) -> TrainedImages {
        TrainedImages::of([&self.train, &self.validation])
    }
}

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

/// Trains, quantizes, checks and writes a network.
///
/// # Errors
/// Unusable options or data, an interruption, or files that cannot be written; nothing half-written stays.
pub fn train(options: &TrainOptions) -> Result<Finished> {
    options.check()?;
    let options = &options.on_this_machine()?;
    tch::set_num_threads(i32::try_from(options.threads).context("too many threads")?);
    let (teacher, student) = networks(options)?;
    let images = load_images(options)?;
    if let Some(student) = &student {
        // Before the teacher is trained for it.
        student.flow(images.shape(), images.train.classes.len())?;
    }
    let given = match &teacher {
        TeacherKind::Given(folder) => Some(Teacher::read(folder, options, &images)?),
        TeacherKind::None | TeacherKind::New(_) => None,
    };
    let mut definitions = Vec::new();
    if let TeacherKind::New(architecture) = &teacher {
        definitions.push((teacher::PHASE, architecture));
    }
    definitions.extend(student.iter().map(|student| (student::PHASE, student)));
    let (folder, _lock) = folder::open(options, &images, &definitions, given.as_ref())?;
    let is_trained = match &teacher {
        TeacherKind::New(_) => folder.has_all_epochs(teacher::PHASE, options.teacher_epochs),
        TeacherKind::Given(_) | TeacherKind::None => true,
    };
    if !is_trained || student.is_some() && !student::is_trained(&folder, options) {
        folder::forget_result(&folder)?;
    }

    let fit = student.as_ref().map(|student| Fit::expected(student, options, &images));
    let told =
        opening::tell(options, &images, &teacher, student.as_ref(), fit.as_ref(), &folder.path);
    progress::say(&told);

    let teacher = match teacher {
        TeacherKind::New(architecture) => {
            Some(Teacher::train(architecture, options, &images, &folder)?)
        }
        TeacherKind::Given(_) | TeacherKind::None => given,
    };
    let student = match student {
        Some(student) => {
            Some(Student::train(student, teacher.as_ref(), options, &images, &folder)?)
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
    report::draw(&folder, &outcome, options)?;
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

/// What `result.json` would say of the images of a run.
///
/// # Errors
/// Data that cannot be read.
pub fn describe_images(options: &TrainOptions) -> Result<DataReport> {
    let source = config::source(options)?;
    let [train, validation, test] = load_splits(&source, options)?;
    Ok(data_report(&source, &train, &validation, &test))
}

fn load_splits(source: &Source, options: &TrainOptions) -> Result<[ImageSet; 3]> {
    let split = SplitOptions {
        seed: options.split_seed,
        validation: options.validation,
        ..SplitOptions::default()
    };
    let mut train = source.load(Split::Train, &split)?;
    if let Some(n) = options.train_images {
        train = train.spread(n);
    }
    let sets = [train, source.load(Split::Validation, &split)?, source.load(Split::Test, &split)?];
    for note in dataset::joined_notes(&sets) {
        progress::say(&format!("note: {}", spec::shown(&note)));
    }
    Ok(sets)
}

fn data_report(
    source: &Source,
    train: &ImageSet,
    validation: &ImageSet,
    test: &ImageSet,
) -> DataReport {
    DataReport {
        name: source.name(),
        kind: source.kind().name().to_owned(),
        description: describe(source).to_owned(),
        n_train: train.samples.len(),
        n_validation: validation.samples.len(),
        n_test: test.samples.len(),
        n_test_trained: TrainedImages::of([train, validation]).count(test),
        sha256_train: train.sha256(),
        sha256_validation: validation.sha256(),
        sha256_test: test.sha256(),
    }
}

pub(crate) fn load_images(options: &TrainOptions) -> Result<Images> {
    let source = config::source(options)?;
    let [train, validation, test] = load_splits(&source, options)?;
    let is_color = train.samples.first().is_some_and(|sample| sample.chip.channels() == 3);
    let preprocess = if is_color {
        let (mean, std) = dataset::channel_statistics(&train, options.downsample);
        Preprocess::photo(options.size, mean, std)
    } else {
        Preprocess::sar(options.size)
    };
    let preprocess = Preprocess { downsample: options.downsample, ..preprocess };
    if let Err(errors) = preprocess.validate() {
        bail!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let augmentation = Augmentation { shift: options.shift, gamma: 0.0, mirror: options.mirror };
    let plain_validation = Labeled::plain(&validation, &preprocess);
    let data = data_report(&source, &train, &validation, &test);
    let device = options.device()?;
    Ok(Images {
        preprocess,
        augmentation,
        train,
        validation,
        test,
        kind: source.kind(),
        data,
        plain_validation,
        device,
        training_kind: options.precision.kind(device),
    })
}

pub(crate) fn new_model(architecture: Architecture, images: &Images, seed: u64) -> Result<Model> {
    let n_classes = images.train.classes.len();
    let step = images.preprocess.step();
    let mut model = Model::new(architecture, images.shape(), step, n_classes, seed, images.device)?;
    model.training_kind = images.training_kind;
    Ok(model)
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

pub(crate) fn stream(seed: u64, stream: u64) -> u64 {
    seed.wrapping_mul(1000).wrapping_add(stream)
}

fn describe(source: &Source) -> &'static str {
    match source.kind() {
        DatasetKind::SarSim => {
            "simulated SAR chips made by this project: no real vehicle, no measurement"
        }
        _ => "images that the user brought; none of them is stored here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_pinned_ones() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("tch = \"={TCH}\"")));
        let requirements = include_str!("../../scripts/requirements-libtorch.txt");
        assert!(requirements.contains(&format!("\ntorch=={LIBTORCH} ")));
    }
}
