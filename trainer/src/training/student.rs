//! The student: trained, half-pruned and taught; then turned into integers.

use std::collections::BTreeMap;

use anyhow::Result;
use spec::{QuantNetwork, Sparsity};
use tch::Tensor;

use crate::integers::fake_quantize::FakeQuantized;
use crate::integers::quantize::{self, Calibration, Ranges};
use crate::integers::{compare, integer};
use crate::network::architecture::Architecture;
use crate::network::data::{Labeled, Views};
use crate::network::evaluate::{Evaluation, evaluate};
use crate::network::masks::Masks;
use crate::network::model::Model;
use crate::training::fit::{Epoch, fit, fit_quantized};
use crate::training::images::Images;
use crate::training::options::StudentOptions;
use crate::training::outcome::{self, Both, Given, StudentReport};
use crate::training::run_folder::RunFolder;
use crate::training::seeds;
use crate::training::teacher::{Lessons, Teacher};

/// Training images that scales are derived from.
const N_CALIBRATION: usize = 512;
/// Validation images on which the integer network is compared with the reference before it is written.
const N_COMPARED: usize = 64;

/// A trained student.
#[derive(Debug)]
pub struct Student {
    model: Model,
    masks: Masks,
    /// As it is exported.
    pub network: QuantNetwork,
    calibration: Calibration,
    is_fine_tuned: bool,
}

/// Integers that were tried, and how they do on the validation images.
struct Trial {
    network: QuantNetwork,
    ranges: Ranges,
    calibration: Calibration,
    validation: Evaluation,
}

/// The images of a student's epochs.
struct Lectures<'a> {
    views: Views<'a>,
    lessons: Option<Lessons>,
    seed: u64,
}

impl Lectures<'_> {
    fn epoch(&self, stream: u64, epoch: usize) -> Epoch {
        let picked = self.views.pick(&[self.seed, stream, epoch as u64]);
        let teacher = self.lessons.as_ref().map(|lessons| lessons.select(&picked));
        Epoch { labeled: self.views.select(&picked), teacher }
    }
}

/// Whether a resumed run has all epochs of the student, those of fine-tuning too.
pub(crate) fn is_trained(folder: &RunFolder, options: &StudentOptions) -> bool {
    let mut phases = [&options.fit].into_iter().chain(&options.fine_tuning);
    phases.all(|fit| folder.has_all_epochs(fit.phase, fit.n_epochs))
}

impl Student {
    /// Trains, prunes and quantizes; the integers are compared with the reference before they are given out.
    ///
    /// # Errors
    /// What [`fit`] says, or a network that the accelerator's constants cannot express.
    pub fn train(
        architecture: Architecture,
        teacher: Option<&Teacher>,
        options: &StudentOptions,
        images: &Images,
        folder: &RunFolder,
    ) -> Result<Self> {
        let StudentOptions { fit: fit_options, fine_tuning, n_views, view_seed } = options;
        let seed = seeds::of_weights(fit_options.seed, seeds::STUDENT);
        let mut model = images.new_model(architecture.clone(), seed)?;
        let (train, preprocess) = (&images.train, &images.preprocess);
        let path = [*view_seed, seeds::VIEWS];
        let views = Views::new(train, preprocess, images.augmentation, *n_views, &path);
        let with_features = fit_options.distillation.features > 0.0;
        let lessons = match teacher.filter(|_| !is_trained(folder, options)) {
            Some(teacher) => Some(teacher.lessons(&views, with_features)?),
            None => None,
        };
        let lectures = Lectures { views, lessons, seed: fit_options.seed };
        let validation = &images.plain_validation;
        let masks = fit(&mut model, fit_options, folder, validation, |epoch| {
            lectures.epoch(seeds::STUDENT, epoch)
        })?;
        let sparsity = fit_options.pruning.sparsity;
        let mut best = quantize_best(&model, &masks, sparsity, images)?;
        let mut is_fine_tuned = false;
        if let Some(fine_tuning) = fine_tuning {
            let mut tuned = images.new_model(architecture, seed)?;
            let trained: BTreeMap<String, Tensor> =
                model.tensors().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
            tuned.restore(&trained)?;
            let arithmetic = FakeQuantized::new(&tuned, &best.ranges);
            let rounded = (masks.copy(), &arithmetic as _);
            fit_quantized(&mut tuned, fine_tuning, folder, validation, rounded, |epoch| {
                lectures.epoch(seeds::FINE_TUNING, epoch)
            })?;
            let (ranges, calibration) = (best.ranges.clone(), best.calibration);
            let trial = Trial::new(&tuned, &masks, ranges, calibration, sparsity, images)?;
            if trial.beats(&best) {
                best = trial;
                is_fine_tuned = true;
            }
        }
        let n_compared = images.validation.samples.len().min(N_COMPARED);
        let compared = validation.select(&(0..n_compared).collect::<Vec<_>>());
        compare::check(&best.network, &compared.images)?;
        let Trial { network, calibration, .. } = best;
        Ok(Self { model, masks, network, calibration, is_fine_tuned })
    }

    /// How well the student does, in floating point and as exported.
    ///
    /// # Errors
    /// What libtorch says of images that do not fit.
    pub fn report(&self, images: &Images, test: &Labeled) -> Result<StudentReport> {
        let Self { model, masks, network, .. } = self;
        let labels: Vec<usize> =
            Vec::<i64>::try_from(&test.labels)?.into_iter().map(|label| label as usize).collect();
        let logits = integer::logits(network, &test.images)?;
        let given = integer::first_largest(&logits)?;
        let confusion = outcome::confusion(&labels, &given, network.classes.len());
        let validation = &images.plain_validation;
        let validation_logits = integer::logits(network, &validation.images)?;
        let count = |given: &[usize]| {
            let mut counts = vec![0; network.classes.len()];
            given.iter().for_each(|&class| counts[class] += 1);
            counts
        };
        let n_given = Given {
            validation: count(&integer::first_largest(&validation_logits)?),
            test: count(&given),
        };
        let (n_weights, n_kept) = model.count_weights(masks);
        Ok(StudentReport {
            name: model.architecture.name.clone(),
            n_parameters: model.n_parameters(),
            n_macs: model.n_macs(),
            n_weights,
            n_kept,
            float: Both {
                validation: evaluate(model, Some(masks), validation),
                test: evaluate(model, Some(masks), test),
            },
            int8: Both {
                validation: compare::evaluate_logits(
                    network,
                    &validation_logits,
                    &validation.labels,
                )?,
                test: compare::evaluate_logits(network, &logits, &test.labels)?,
            },
            calibration: serde_json::to_value(self.calibration)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            is_fine_tuned: self.is_fine_tuned,
            n_given,
            per_class: outcome::per_class(&confusion),
            confusion,
        })
    }
}

impl Trial {
    fn new(
        model: &Model,
        masks: &Masks,
        ranges: Ranges,
        calibration: Calibration,
        sparsity: Sparsity,
        images: &Images,
    ) -> Result<Self> {
        let (preprocess, classes) = (&images.preprocess, images.train.classes.clone());
        let network = quantize::quantize(model, masks, &ranges, preprocess, classes, sparsity)?;
        let validation = compare::evaluate(&network, &images.plain_validation)?;
        Ok(Self { network, ranges, calibration, validation })
    }

    /// More validation images right, or as many with less cross-entropy.
    fn beats(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.validation, other.validation);
        ours.accuracy > theirs.accuracy
            || ours.accuracy == theirs.accuracy && ours.cross_entropy < theirs.cross_entropy
    }
}

/// Quantizes under each calibration and keeps the better one on the validation images; the first where they are equal.
fn quantize_best(
    model: &Model,
    masks: &Masks,
    sparsity: Sparsity,
    images: &Images,
) -> Result<Trial> {
    let calibration_images =
        Labeled::plain(&images.train.clone().spread(N_CALIBRATION), &images.preprocess);
    let trial = |calibration| {
        let ranges = Ranges::measure(model, masks, &calibration_images, calibration);
        Trial::new(model, masks, ranges, calibration, sparsity, images)
    };
    let (maximum, percentile) = (trial(Calibration::Maximum)?, trial(Calibration::Percentile)?);
    Ok(if percentile.beats(&maximum) { percentile } else { maximum })
}
