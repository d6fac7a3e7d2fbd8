//! The student: trained, half-pruned and taught; then turned into integers.

use std::collections::BTreeMap;

use anyhow::Result;
use spec::QuantNetwork;
use tch::Tensor;

use crate::architecture::Architecture;
use crate::data::{Labeled, Views};
use crate::evaluate::{Evaluation, evaluate};
use crate::fit::{Epoch, FitOptions, RunFolder, fit, fit_quantized};
use crate::model::Model;
use crate::options::TrainOptions;
use crate::prune::{Masks, Pruning};
use crate::quantize::{self, Calibration, Ranges};
use crate::report::{self, Both, Given, StudentReport};
use crate::run::{Images, STREAM_FINE_TUNING, STREAM_STUDENT, STREAM_VIEWS, new_model, stream};
use crate::teacher::{Lessons, Teacher};
use crate::{integer, verify};

/// Name of the student's phase, and of its files in a run folder.
pub const PHASE: &str = "student";
/// Name of the phase of quantization-aware fine-tuning.
pub const QAT_PHASE: &str = "qat";
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
pub(crate) fn is_trained(folder: &RunFolder, options: &TrainOptions) -> bool {
    folder.has_all_epochs(PHASE, options.epochs)
        && (options.qat_epochs == 0 || folder.has_all_epochs(QAT_PHASE, options.qat_epochs))
}

impl Student {
    /// Trains, prunes and quantizes; the integers are compared with the reference before they are given out.
    ///
    /// # Errors
    /// What [`fit`] says, or a network that the accelerator's constants cannot express.
    pub fn train(
        architecture: Architecture,
        teacher: Option<&Teacher>,
        options: &TrainOptions,
        images: &Images,
        folder: &RunFolder,
    ) -> Result<Self> {
        let seed = stream(options.seed, STREAM_STUDENT);
        let mut model = new_model(architecture.clone(), images, seed)?;
        let (train, preprocess) = (&images.train, &images.preprocess);
        let path = [options.view_seed.unwrap_or(options.seed), STREAM_VIEWS];
        let views = Views::new(train, preprocess, images.augmentation, options.views, &path);
        let lessons = match teacher.filter(|_| !is_trained(folder, options)) {
            Some(teacher) => Some(teacher.lessons(&views, options.features > 0.0)?),
            None => None,
        };
        let lectures = Lectures { views, lessons, seed: options.seed };
        let validation = &images.plain_validation;
        let fit_options = options.fit_options(PHASE);
        let masks = fit(&mut model, &fit_options, folder, validation, |epoch| {
            lectures.epoch(STREAM_STUDENT, epoch)
        })?;
        let mut best = quantize_best(&model, &masks, options, images)?;
        let mut is_fine_tuned = false;
        if options.qat_epochs > 0 {
            let fit_options = FitOptions {
                n_epochs: options.qat_epochs,
                learning_rate: options.qat_learning_rate,
                pruning: Pruning::NONE,
                ..options.fit_options(QAT_PHASE)
            };
            let mut tuned = new_model(architecture, images, seed)?;
            let trained: BTreeMap<String, Tensor> =
                model.tensors().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
            tuned.restore(&trained)?;
            let rounded = (masks.copy(), &best.ranges);
            fit_quantized(&mut tuned, &fit_options, folder, validation, rounded, |epoch| {
                lectures.epoch(STREAM_FINE_TUNING, epoch)
            })?;
            let trial =
                Trial::new(&tuned, &masks, best.ranges.clone(), best.calibration, options, images)?;
            if trial.beats(&best) {
                best = trial;
                is_fine_tuned = true;
            }
        }
        let n_compared = images.validation.samples.len().min(N_COMPARED);
        let compared = validation.select(&(0..n_compared).collect::<Vec<_>>());
        verify::compare(&best.network, &compared.images)?;
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
        let confusion = report::confusion(&labels, &given, network.classes.len());
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
                validation: verify::evaluate_logits(
                    network,
                    &validation_logits,
                    &validation.labels,
                )?,
                test: verify::evaluate_logits(network, &logits, &test.labels)?,
            },
            calibration: serde_json::to_value(self.calibration)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            is_fine_tuned: self.is_fine_tuned,
            n_given,
            per_class: report::per_class(&confusion),
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
        options: &TrainOptions,
        images: &Images,
    ) -> Result<Self> {
        let (preprocess, classes) = (&images.preprocess, images.train.classes.clone());
        let network =
            quantize::quantize(model, masks, &ranges, preprocess, classes, options.sparsity())?;
        let validation = verify::evaluate(&network, &images.plain_validation)?;
        Ok(Self { network, ranges, calibration, validation })
    }

    /// More validation images right, or as many with less cross-entropy.
    fn beats(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.validation, other.validation);
        ours.accuracy > theirs.accuracy
            || ours.accuracy == theirs.accuracy && ours.cross_entropy < theirs.cross_entropy
    }
}

/// Quantizes under each calibration and keeps the better one on the validation images, the first in a tie.
fn quantize_best(
    model: &Model,
    masks: &Masks,
    options: &TrainOptions,
    images: &Images,
) -> Result<Trial> {
    let calibration_images =
        Labeled::plain(&images.train.clone().spread(N_CALIBRATION), &images.preprocess);
    let trial = |calibration| {
        let ranges = Ranges::measure(model, masks, &calibration_images, calibration);
        Trial::new(model, masks, ranges, calibration, options, images)
    };
    let (maximum, percentile) = (trial(Calibration::Maximum)?, trial(Calibration::Percentile)?);
    let is_better = percentile.validation.accuracy > maximum.validation.accuracy;
    Ok(if is_better { percentile } else { maximum })
}
