//! The teacher: trained in the run, or taken from the folder of a finished one; what it says is worked out once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use base16ct::lower::encode_string;
use dataset::TrainedImages;
use flow::progress::Progress;
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::interruption::INTERRUPTED;
use crate::limits::{CHECKPOINT, LESSONS};
use crate::network::architecture::Architecture;
use crate::network::data::{Augmentation, Labeled, Views, fresh_views};
use crate::network::evaluate::evaluate;
use crate::network::forward::Mode;
use crate::network::masks::Masks;
use crate::network::model::Model;
use crate::training::checkpoint;
use crate::training::distill::Lesson;
use crate::training::fit::{Epoch, fit};
use crate::training::images::Images;
use crate::training::options::TeacherOptions;
use crate::training::outcome::{Outcome, TeacherReport};
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::seeds;

/// Views of a batch of which the teacher is asked.
const BATCH: usize = 512;

/// What `--teacher` names.
#[derive(Debug)]
pub enum TeacherKind {
    /// The student learns alone.
    None,
    /// A network that is trained first.
    New(Architecture),
    /// The folder of a finished run.
    Given(PathBuf),
}

impl TeacherKind {
    /// `none`, a network, or else a folder.
    ///
    /// # Errors
    /// A name that is none of these.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "none" => Self::None,
            _ if !Architecture::names().contains(&name) && Path::new(name).is_dir() => {
                Self::Given(name.into())
            }
            _ => Self::New(Architecture::named(name)?),
        })
    }
}

/// A trained teacher and where its files are.
#[derive(Debug)]
pub struct Teacher {
    /// The network.
    pub model: Model,
    /// The run folder that it was trained in.
    folder: PathBuf,
    /// What its own run measured, where that is not this run.
    report: Option<TeacherReport>,
    /// The images that it was trained or validated on in another run, where that is recorded.
    pub trained_images: Option<TrainedImages>,
}

impl Teacher {
    /// Trains a teacher in the run.
    ///
    /// # Errors
    /// What [`fit`] says.
    pub fn train(
        architecture: Architecture,
        options: &TeacherOptions,
        images: &Images,
        folder: &RunFolder,
    ) -> Result<Self> {
        let seed = options.fit.seed;
        let mut model = images.new_model(architecture, seeds::of_weights(seed, seeds::TEACHER))?;
        let augmentation = Augmentation { gamma: options.gamma, ..images.augmentation };
        let (train, preprocess) = (&images.train, &images.preprocess);
        let epoch_images = |epoch: usize| {
            let path = [seed, seeds::TEACHER, epoch as u64];
            Epoch { labeled: fresh_views(train, preprocess, augmentation, &path), teacher: None }
        };
        fit(&mut model, &options.fit, folder, &images.plain_validation, epoch_images)?;
        Ok(Self { model, folder: folder.path.clone(), report: None, trained_images: None })
    }

    /// Reads a teacher from the folder of a finished run on the same validation and test images: one that was trained on
    /// them would teach what it must not know.
    ///
    /// # Errors
    /// A folder without a finished run, or one of other images.
    pub fn read(folder: &Path, images: &Images) -> Result<Self> {
        let shown = spec::shown_path(folder);
        let outcome = Outcome::read(folder).with_context(|| {
            format!("{shown}: not the folder of a finished run, so there is no teacher in it")
        })?;
        let report = outcome
            .teacher
            .with_context(|| format!("{shown}: that run had no teacher; name another folder"))?;
        ensure!(
            outcome.classes == images.train.classes,
            "{shown}: its teacher knows other classes than the data"
        );
        let size = outcome.options.get("size").and_then(serde_json::Value::as_u64);
        ensure!(
            size == Some(images.preprocess.height as u64),
            "{shown}: its teacher looks at images of another --size, {}; give the same",
            size.unwrap_or_default()
        );
        let downsample = outcome.options.get("downsample").and_then(serde_json::Value::as_u64);
        ensure!(
            downsample.unwrap_or(1) == images.preprocess.downsample as u64,
            "{shown}: its teacher looks at images with another --downsample, {}; give the same",
            downsample.unwrap_or(1)
        );
        let (there, here) = (&outcome.data, &images.data);
        for (what, is_same) in [
            ("validation images", there.sha256_validation == here.sha256_validation),
            ("test images", there.sha256_test == here.sha256_test),
        ] {
            ensure!(
                is_same,
                "{shown}: its teacher was trained with other {what} than this run's, so that it may have learned from images \
                 that measure the student; give the same data and --split-seed, or train a teacher on them"
            );
        }
        let origin = report.folder.clone().unwrap_or_else(|| folder.to_owned());
        let folder = origin.canonicalize().with_context(|| {
            format!("{}: the teacher of {shown} lies there and cannot be read", origin.display())
        })?;
        let definition = folder.join(format!("{}.toml", Phase::Teacher));
        let architecture = Architecture::named(&definition.to_string_lossy())?;
        let mut model = images.new_model(architecture, 0)?;
        checkpoint::load(&folder.join(format!("{}.safetensors", Phase::Teacher)), &mut model)?;
        let trained_images = TrainedImages::read(&folder.join(TrainedImages::FILE))?;
        if trained_images.is_none() && there.sha256_train != here.sha256_train {
            flow::progress::say(&format!(
                "note: {shown} has no record of what its teacher was trained on, which are other images than this run's, so that \
                 the record of this run will lack them"
            ));
        }
        Ok(Self {
            model,
            trained_images,
            folder: folder.clone(),
            report: Some(TeacherReport { folder: Some(folder), ..report }),
        })
    }

    /// How well the teacher does; measured here unless its own run did.
    pub fn report(&self, images: &Images, plain_test: &Labeled) -> TeacherReport {
        self.report.clone().unwrap_or_else(|| TeacherReport {
            name: self.model.architecture.name.clone(),
            folder: None,
            n_parameters: self.model.n_parameters(),
            n_macs: self.model.n_macs(),
            validation: evaluate(&self.model, None, &images.plain_validation),
            test: evaluate(&self.model, None, plain_test),
        })
    }

    /// What the teacher says of every view. Kept in the teacher's folder, so that runs with the same views share it.
    ///
    /// # Errors
    /// An interruption, or a file that cannot be read or written.
    pub fn lessons(&self, views: &Views, with_features: bool) -> Result<Lessons> {
        let name = format!("lessons-{}.safetensors", self.key(views, with_features)?);
        let path = self.folder.join(name);
        if !path.exists() {
            let lesson = self.ask(views, with_features)?;
            let mut tensors = vec![("logits", &lesson.logits)];
            tensors.extend(lesson.features.as_ref().map(|features| ("features", features)));
            checkpoint::write_tensors(&path, &tensors)?;
        }
        Lessons::read(&path, views.len())
    }

    fn ask(&self, views: &Views, with_features: bool) -> Result<Lesson> {
        let _guard = tch::no_grad_guard();
        let progress = Progress::new("lessons", views.len() as u64, "views");
        let (none, mut logits, mut features) = (Masks::new(), Vec::new(), Vec::new());
        for first in (0..views.len()).step_by(BATCH) {
            if INTERRUPTED.load(Ordering::Relaxed) {
                bail!(
                    "interrupted while the teacher looked at views; --resume starts with that again"
                );
            }
            let indices: Vec<usize> = (first..(first + BATCH).min(views.len())).collect();
            let images = views.select(&indices).images;
            let said = self.model.features_and_logits(&images, &none, Mode::Evaluation);
            logits.push(said.logits.to_device(Device::Cpu));
            if with_features {
                features.push(said.features.to_device(Device::Cpu));
            }
            progress.inc(indices.len() as u64);
        }
        progress.finish();
        let features = with_features.then(|| Tensor::cat(&features, 0));
        Ok(Lesson { logits: Tensor::cat(&logits, 0), features })
    }

    /// Tells apart what the teacher says by everything that it depends on.
    fn key(&self, views: &Views, with_features: bool) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(self.checkpoint()?);
        hash.update(views.key());
        hash.update([u8::from(with_features)]);
        Ok(encode_string(&hash.finalize()[..8]))
    }

    /// SHA-256 of its checkpoint, in hexadecimal digits.
    ///
    /// # Errors
    /// A checkpoint that cannot be read.
    pub fn digest(&self) -> Result<String> {
        Ok(encode_string(&Sha256::digest(self.checkpoint()?)))
    }

    fn checkpoint(&self) -> Result<Vec<u8>> {
        let path = self.folder.join(format!("{}.safetensors", Phase::Teacher));
        spec::files::read_regular(&path, CHECKPOINT)
            .with_context(|| format!("{}: cannot be read", path.display()))
    }
}

/// What the teacher says of each view, in plain memory that threads can share.
#[derive(Debug)]
pub struct Lessons {
    logits: Rows,
    features: Option<Rows>,
}

/// A matrix.
#[derive(Debug)]
struct Rows {
    values: Vec<f32>,
    n_columns: usize,
}

impl Lessons {
    fn read(path: &Path, n_views: usize) -> Result<Self> {
        let damaged = || format!("{}: damaged; remove it, and it is made again", path.display());
        let mut tensors: BTreeMap<String, Tensor> =
            checkpoint::read_tensors(path, LESSONS).with_context(damaged)?.into_iter().collect();
        let mut rows =
            |name: &str| tensors.remove(name).map(|tensor| Rows::new(&tensor)).transpose();
        let logits = rows("logits")?.with_context(damaged)?;
        ensure!(logits.values.len() == n_views * logits.n_columns, damaged());
        Ok(Self { logits, features: rows("features")? })
    }

    /// What it says of some views, in their order.
    pub fn select(&self, views: &[usize]) -> Lesson {
        Lesson {
            logits: self.logits.select(views),
            features: self.features.as_ref().map(|features| features.select(views)),
        }
    }
}

impl Rows {
    fn new(tensor: &Tensor) -> Result<Self> {
        let n_columns = *tensor.size().last().context("a matrix")? as usize;
        Ok(Self { values: Vec::try_from(tensor.flatten(0, -1))?, n_columns })
    }

    fn select(&self, rows: &[usize]) -> Tensor {
        let row = |&idx: &usize| &self.values[idx * self.n_columns..(idx + 1) * self.n_columns];
        let values: Vec<f32> = rows.iter().flat_map(row).copied().collect();
        Tensor::from_slice(&values).view([-1, self.n_columns as i64])
    }
}
