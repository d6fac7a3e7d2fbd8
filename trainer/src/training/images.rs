//! The images of a run, ready for its networks.

use anyhow::{Result, bail};
use dataset::{DatasetKind, ImageSet, Source, Split, SplitOptions, TrainedImages};
use spec::{Preprocess, Shape};

use crate::network::architecture::Architecture;
use crate::network::data::{Augmentation, Labeled};
use crate::network::model::Model;
use crate::training::outcome::DataReport;

/// Where images come from and how they are divided.
#[derive(Debug, Clone)]
pub struct DataOptions {
    /// Where they lie and what they are.
    pub source: Source,
    /// Into training, validation and test.
    pub split: SplitOptions,
    /// At most this many training images, spread evenly.
    pub n_train: Option<usize>,
}

/// What is made of images, and where networks are trained on them.
#[derive(Debug, Clone, Copy)]
pub struct InputOptions {
    /// Side of the input.
    pub size: usize,
    /// Side of the blocks that are averaged before.
    pub downsample: usize,
    /// How the views of training images vary.
    pub augmentation: Augmentation,
    /// Where networks are trained.
    pub device: tch::Device,
    /// See [`Model::training_kind`].
    pub training_kind: tch::Kind,
}

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

impl DataOptions {
    /// What `result.json` would say of the images of a run.
    ///
    /// # Errors
    /// Data that cannot be read.
    pub fn describe(&self) -> Result<DataReport> {
        Ok(self.report(&self.load()?))
    }

    /// Training, validation and test images.
    fn load(&self) -> Result<[ImageSet; 3]> {
        let load = |split: Split| self.source.load(split, &self.split);
        let mut train = load(Split::Train)?;
        if let Some(n) = self.n_train {
            train = train.spread(n);
        }
        let sets = [train, load(Split::Validation)?, load(Split::Test)?];
        for note in dataset::joined_notes(&sets) {
            flow::progress::say(&format!("note: {}", spec::shown(&note)));
        }
        Ok(sets)
    }

    fn report(&self, [train, validation, test]: &[ImageSet; 3]) -> DataReport {
        let kind = self.source.kind();
        let description = match kind {
            DatasetKind::SarSim => {
                "simulated SAR chips made by this project: no real vehicle, no measurement"
            }
            _ => "images that the user brought; none of them is stored here",
        };
        DataReport {
            name: self.source.name(),
            kind: kind.name().to_owned(),
            description: description.to_owned(),
            n_train: train.samples.len(),
            n_validation: validation.samples.len(),
            n_test: test.samples.len(),
            n_test_trained: TrainedImages::of([train, validation]).count(test),
            sha256_train: train.sha256(),
            sha256_validation: validation.sha256(),
            sha256_test: test.sha256(),
        }
    }
}

impl Images {
    /// Reads the images of a run; test images too, so that a damaged file shows before training.
    ///
    /// # Errors
    /// Data that cannot be read, or an input that no network takes.
    pub fn load(data: &DataOptions, input: &InputOptions) -> Result<Self> {
        let sets = data.load()?;
        let report = data.report(&sets);
        let [train, validation, test] = sets;
        let InputOptions { size, downsample, augmentation, device, training_kind } = *input;
        let is_color = train.samples.first().is_some_and(|sample| sample.chip.channels() == 3);
        let preprocess = if is_color {
            let (mean, std) = dataset::channel_statistics(&train, downsample);
            Preprocess::photo(size, mean, std)
        } else {
            Preprocess::sar(size)
        };
        let preprocess = Preprocess { downsample, ..preprocess };
        if let Err(errors) = preprocess.validate() {
            bail!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        let plain_validation = Labeled::plain(&validation, &preprocess);
        Ok(Self {
            preprocess,
            augmentation,
            train,
            validation,
            test,
            kind: data.source.kind(),
            data: report,
            plain_validation,
            device,
            training_kind,
        })
    }

    /// Rows, columns and channels of the input.
    pub fn shape(&self) -> Shape {
        let Preprocess { height, width, channels, .. } = self.preprocess;
        Shape { height, width, channels }
    }

    /// What a network of this run was trained or validated on, apart from what its teacher brings.
    pub fn trained_images(&self) -> TrainedImages {
        TrainedImages::of([&self.train, &self.validation])
    }

    /// A network for these images, with fresh weights.
    ///
    /// # Errors
    /// See [`Model::new`].
    pub fn new_model(&self, architecture: Architecture, seed: u64) -> Result<Model> {
        let (n_classes, step) = (self.train.classes.len(), self.preprocess.step());
        let mut model = Model::new(architecture, self.shape(), step, n_classes, seed, self.device)?;
        model.training_kind = self.training_kind;
        Ok(model)
    }
}

/// Images of each class.
pub(crate) fn class_counts(set: &ImageSet) -> Vec<usize> {
    let mut counts = vec![0; set.classes.len()];
    set.samples.iter().for_each(|sample| counts[sample.label] += 1);
    counts
}
