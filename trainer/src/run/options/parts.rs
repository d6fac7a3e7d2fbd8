//! What each stage is told of the options.

use anyhow::{Result, bail};
use dataset::{DatasetKind, ReadOptions, Source, SplitOptions};
use spec::{Pattern, Sparsity};

use crate::network::data::Augmentation;
use crate::run::options::{DeviceKind, SparsityKind, TrainOptions};
use crate::training::distill::Distillation;
use crate::training::images::{DataOptions, InputOptions};
use crate::training::options::{FitOptions, StudentOptions, TeacherOptions};
use crate::training::phase::Phase;
use crate::training::schedule::Pruning;

impl TrainOptions {
    /// Where the images of a run come from.
    ///
    /// # Errors
    /// An unknown kind, or data of another kind.
    pub fn source(&self) -> Result<Source> {
        let kind = self.dataset.as_deref().map(str::parse::<DatasetKind>).transpose()?;
        let band = self.band.as_deref().map(str::parse).transpose()?;
        Ok(Source::with_kind(&self.data, kind)?.reading(ReadOptions { band }))
    }

    /// Which images are read, and how they are divided.
    ///
    /// # Errors
    /// See [`Self::source`].
    pub fn data_options(&self) -> Result<DataOptions> {
        let split = SplitOptions {
            seed: self.split_seed,
            validation: self.validation,
            ..SplitOptions::default()
        };
        Ok(DataOptions { source: self.source()?, split, n_train: self.train_images })
    }

    /// What is made of the images.
    ///
    /// # Errors
    /// See [`Self::device`].
    pub fn input_options(&self) -> Result<InputOptions> {
        let device = self.device()?;
        Ok(InputOptions {
            size: self.size,
            downsample: self.downsample,
            augmentation: Augmentation { shift: self.shift, gamma: 0.0, mirror: self.mirror },
            device,
            training_kind: self.precision.kind(device),
        })
    }

    /// How the teacher is trained.
    pub fn teacher_options(&self) -> TeacherOptions {
        let n_epochs = self.teacher_epochs;
        let fit = FitOptions { n_epochs, pruning: Pruning::NONE, ..self.fit(Phase::Teacher) };
        TeacherOptions { fit, gamma: self.teacher_gamma }
    }

    /// How the student is trained.
    pub fn student_options(&self) -> StudentOptions {
        let fine_tuning = FitOptions {
            n_epochs: self.qat_epochs,
            learning_rate: self.qat_learning_rate,
            pruning: Pruning::NONE,
            ..self.fit(Phase::FineTuning)
        };
        StudentOptions {
            fit: self.fit(Phase::Student),
            fine_tuning: (self.qat_epochs > 0).then_some(fine_tuning),
            n_views: self.views,
            view_seed: self.view_seed.unwrap_or(self.seed),
        }
    }

    /// What of the student survives.
    pub fn pruning(&self) -> Pruning {
        Pruning {
            sparsity: self.sparsity(),
            schedule: self.masks,
            score: self.score,
            dense_part: self.dense_part,
            masked_decay: self.masked_decay,
            permute: self.permute,
        }
    }

    /// Pattern and group of the student.
    pub fn sparsity(&self) -> Sparsity {
        let pattern = match self.sparsity {
            SparsityKind::Dense => Pattern::Dense,
            SparsityKind::Unstructured => Pattern::Unstructured,
            SparsityKind::UhpFixed => Pattern::UhpFixed,
            SparsityKind::UhpShared => Pattern::UhpShared,
            SparsityKind::UhpFree => Pattern::UhpFree,
        };
        Sparsity { pattern, group: if pattern == Pattern::UhpShared { self.group } else { 0 } }
    }

    fn fit(&self, phase: Phase) -> FitOptions {
        FitOptions {
            phase,
            n_epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            momentum: 0.9,
            weight_decay: self.weight_decay,
            pruning: self.pruning(),
            distillation: Distillation {
                temperature: self.temperature,
                weight: self.distill,
                features: self.features,
            },
            seed: self.seed,
        }
    }

    /// The same options, with what `auto` comes to on this machine: so a run is told and repeated.
    ///
    /// # Errors
    /// A GPU that was asked for and that libtorch does not see.
    pub fn on_this_machine(&self) -> Result<Self> {
        Ok(Self { precision: self.precision.on(self.device()?), ..self.clone() })
    }

    /// The device to compute on.
    ///
    /// # Errors
    /// A GPU that was asked for and that libtorch does not see.
    pub fn device(&self) -> Result<tch::Device> {
        match self.device {
            DeviceKind::Auto => Ok(tch::Device::cuda_if_available()),
            DeviceKind::Cpu => Ok(tch::Device::Cpu),
            DeviceKind::Cuda if tch::Cuda::is_available() => Ok(tch::Device::Cuda(0)),
            DeviceKind::Cuda => bail!(
                "--device is cuda, and this libtorch sees no GPU; help: leave the flag out, or set LIBTORCH to a build \
                 with CUDA"
            ),
        }
    }
}
