//! Integer networks on images: accuracy, and agreement with the reference of `spec` on every logit.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use dataset::{Band, ReadOptions, RunSet, Source, Trained, TrainedImages};
use rayon::prelude::*;
use serde::Serialize;
use spec::{QuantNetwork, run_reference};
use tch::{Kind, Tensor};

use crate::data::Labeled;
use crate::evaluate::Evaluation;
use crate::integer;
use crate::options::Format;
use crate::table::Printed;
use crate::table::render::grouped;

/// Options of `trainer verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyOptions {
    /// Network folder or JSON file
    #[arg(long)]
    pub network: PathBuf,
    /// `sar-sim`, a folder of class folders of images (its `test`, if it has one), a CIFAR folder or archive, a folder of
    /// images without labels, or a single image
    #[arg(long, default_value = dataset::Source::SAR_SIM)]
    pub data: String,
    /// The band to read of images that have several: `vh`, `vv` or a number from 1 [default: as for training]
    #[arg(long)]
    pub band: Option<Band>,
    /// At most this many images, spread evenly [default: all]
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub images: Option<usize>,
    /// How the verdict is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Layout of this object.
    pub format_version: u32,
    /// Name of the network.
    pub network: String,
    /// What the images are; `test` only where the network is known not to have been trained on any.
    pub data: String,
    /// Images compared.
    pub n_images: usize,
    /// How many of them the network was trained or validated on, where that is recorded.
    pub n_trained_images: Option<usize>,
    /// Logits compared.
    pub n_logits: usize,
    /// Those that are equal.
    pub n_equal_logits: usize,
    /// The first that differs.
    pub first_difference: Option<Difference>,
    /// Part of the images that is classified rightly, where they have labels.
    pub accuracy: Option<f64>,
    /// All of it in one sentence.
    pub verdict: String,
}

/// A logit of which the trainer and the reference say different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Position of the image.
    pub image: usize,
    /// Position of the class.
    pub class: usize,
    /// What the trainer's integers give.
    pub trainer: i64,
    /// What the reference gives.
    pub reference: i64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, class, trainer, reference } = self;
        write!(
            f,
            "image {image}, class {class}: the trainer's integers give {trainer}, the reference {reference}"
        )
    }
}

/// Logits of both executors, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Logits compared.
    pub n_logits: usize,
    /// Those that are equal.
    pub n_equal: usize,
    /// The first that differs.
    pub first: Option<Difference>,
}

/// How well the integer network does; its logits are taken at their real values.
///
/// # Errors
/// See [`integer::logits`].
pub fn evaluate(network: &QuantNetwork, labeled: &Labeled) -> Result<Evaluation> {
    evaluate_logits(network, &integer::logits(network, &labeled.images)?, &labeled.labels)
}

/// As [`evaluate`], from logits that are there.
///
/// # Errors
/// What libtorch says of logits and labels that do not fit.
pub fn evaluate_logits(
    network: &QuantNetwork,
    logits: &Tensor,
    labels: &Tensor,
) -> Result<Evaluation> {
    let scale = network.layers.last().map_or(1.0, |layer| layer.scale);
    let classes = integer::first_largest(logits)?;
    let given = Vec::<i64>::try_from(labels)?;
    let n_right =
        classes.iter().zip(&given).filter(|(class, label)| **class as i64 == **label).count();
    let real = logits.to_kind(Kind::Double) * scale;
    Ok(Evaluation {
        accuracy: n_right as f64 / given.len() as f64,
        ..Evaluation::of(&real, labels)
    })
}

/// Compares the trainer's integer forward pass with the reference, on every logit of int8 `images`
/// (`[n, height, width, channels]`); gives the number of logits.
///
/// # Errors
/// The first logit that differs.
pub fn compare(network: &QuantNetwork, images: &Tensor) -> Result<usize> {
    let compared = compare_logits(network, images, &integer::logits(network, images)?)?;
    match compared.first {
        Some(difference) => bail!("{difference}"),
        None => Ok(compared.n_logits),
    }
}

/// The same with the trainer's logits given, `[n, classes]`; differences are counted.
///
/// # Errors
/// Images that do not fit the network.
pub fn compare_logits(
    network: &QuantNetwork,
    images: &Tensor,
    logits: &Tensor,
) -> Result<Comparison> {
    let ours = Vec::<Vec<i64>>::try_from(logits)?;
    let bytes = Vec::<i8>::try_from(images.flatten(0, -1))?;
    let inputs: Vec<&[i8]> = bytes.chunks_exact(network.input.n_bytes()).collect();
    let references: Vec<_> = inputs.par_iter().map(|image| run_reference(network, image)).collect();
    let mut compared = Comparison::default();
    for (image, (ours, reference)) in ours.iter().zip(references).enumerate() {
        let logits = reference?.logits;
        for (class, (&trainer, &reference)) in ours.iter().zip(&logits.values).enumerate() {
            let reference = i64::from(reference);
            compared.n_logits += 1;
            if trainer == reference {
                compared.n_equal += 1;
            } else if compared.first.is_none() {
                compared.first = Some(Difference { image, class, trainer, reference });
            }
        }
    }
    Ok(compared)
}

/// Checks that a network repeats another one: every weight, constant and label; only the record of how it came to be
/// may differ.
///
/// # Errors
/// The first layer that differs, with what can be the reason.
pub fn expect_same(found: &QuantNetwork, expected: &QuantNetwork, path: &Path) -> Result<()> {
    let differing =
        found.layers.iter().zip(&expected.layers).find(|(found, expected)| found != expected);
    let what = match differing {
        Some((layer, _)) => format!("layer `{}`", layer.name),
        None if found.layers.len() != expected.layers.len() => "the number of layers".to_owned(),
        None if found.classes != expected.classes => "the list of classes".to_owned(),
        None if found.input != expected.input => "the input".to_owned(),
        None => return Ok(()),
    };
    bail!(
        "the network is not the one in {}: {what} differs. Options have to be those of its provenance; with the same \
         ones, a processor of another kind lets libtorch add in another order",
        path.display()
    )
}

/// `trainer verify`: the verdict, and whether it is a failure.
///
/// # Errors
/// A network or image that cannot be read.
pub fn run(options: &VerifyOptions) -> Result<Printed> {
    let VerifyOptions { network, data, band, images, format } = options;
    let verified = verify(network, data, ReadOptions { band: *band }, *images)?;
    let failure = verified.first_difference.map(|difference| {
        format!("the trainer's integers and the reference differ; first in {difference}")
    });
    let text = match format {
        Format::Text => {
            format!("{} on {}\n{}", verified.network, verified.data, verified.verdict)
        }
        Format::Json => serde_json::to_string_pretty(&verified)?,
    };
    Ok(Printed { text, failure })
}

/// Runs a network file over images of `data`, both ways: its test images, or what [`dataset::Candidates::choose`] takes.
/// Without a band, images are read as for its training.
///
/// # Errors
/// A network or image that cannot be read.
pub fn verify(
    network: &Path,
    data: &str,
    options: ReadOptions,
    n_images: Option<usize>,
) -> Result<Verified> {
    let path = network;
    let network = spec::files::read_network(path)?;
    let trained_images = TrainedImages::beside(path, network.training_images_sha256())?;
    let preprocess = network
        .input
        .preprocess
        .as_ref()
        .context("the network says nothing about pre-processing")?;
    let recorded = network.band().map(str::parse).transpose()?;
    let source = Source::parse(data).reading(ReadOptions { band: options.band.or(recorded) });
    let trained = Trained {
        classes: &network.classes,
        split_seed: network.split_seed(),
        images: trained_images.as_ref(),
    };
    let run = source.candidates()?.choose(&trained, n_images)?;
    progress::say(&run.to_string());
    let labeled = Labeled::plain(&run.set, preprocess);
    let logits = integer::logits(&network, &labeled.images)?;
    let compared = compare_logits(&network, &labeled.images, &logits)?;
    let given = integer::first_largest(&logits)?;
    let accuracy = accuracy(&run, &given);
    Ok(Verified {
        format_version: 2,
        network: network.name.clone(),
        data: run.label(),
        n_images: given.len(),
        n_trained_images: run.n_trained,
        n_logits: compared.n_logits,
        n_equal_logits: compared.n_equal,
        first_difference: compared.first,
        accuracy,
        verdict: verdict(&compared, accuracy, given.len(), run.n_trained),
    })
}

fn accuracy(run: &RunSet, given: &[usize]) -> Option<f64> {
    let is_right = |(idx, class)| run.set.label(idx).map(|label| usize::from(label == class));
    let right = given.iter().copied().enumerate().map(is_right).sum::<Option<usize>>()?;
    Some(right as f64 / given.len() as f64)
}

fn verdict(
    compared: &Comparison,
    accuracy: Option<f64>,
    n_images: usize,
    n_trained: Option<usize>,
) -> String {
    let Comparison { n_logits, n_equal, first } = compared;
    let equal = if first.is_none() { "equal" } else { "DIFFERENT" };
    let (n_equal, n_logits) = (grouped(*n_equal), grouped(*n_logits));
    let images = format!("{} image{}", grouped(n_images), if n_images == 1 { "" } else { "s" });
    let known = match n_trained {
        Some(0) => "none of which is in the record of training images".to_owned(),
        Some(n) => {
            format!("of which {} were trained or validated on: no test accuracy", grouped(n))
        }
        None => "which may have been trained on: the network has no record of that".to_owned(),
    };
    match accuracy {
        Some(accuracy) => {
            let percent = 100.0 * accuracy;
            format!(
                "{equal}: {n_equal} of {n_logits} logits; accuracy {percent:.2} % on {images}, {known}"
            )
        }
        None => format!(
            "{equal}: {n_equal} of {n_logits} logits of {images}; without labels there is no accuracy"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_calls_a_test_only_what_is_known_to_be_one() {
        let equal = Comparison { n_logits: 24_250, n_equal: 24_250, first: None };
        let verdict = |n_trained| verdict(&equal, Some(0.9905), 2425, n_trained);
        assert_eq!(
            [Some(0), Some(1970), None].map(verdict),
            [
                "equal: 24,250 of 24,250 logits; accuracy 99.05 % on 2,425 images, none of which is in the record of training images",
                "equal: 24,250 of 24,250 logits; accuracy 99.05 % on 2,425 images, of which 1,970 were trained or validated on: no test \
                 accuracy",
                "equal: 24,250 of 24,250 logits; accuracy 99.05 % on 2,425 images, which may have been trained on: the network \
                 has no record of that",
            ]
        );
        let first = Some(Difference { image: 0, class: 1, trainer: 2, reference: 3 });
        let different = Comparison { n_logits: 10, n_equal: 9, first };
        assert_eq!(
            super::verdict(&different, None, 1, None),
            "DIFFERENT: 9 of 10 logits of 1 image; without labels there is no accuracy"
        );
    }

    #[test]
    fn logits_that_differ_are_counted() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/sar-sim-s2d");
        let network = spec::files::read_network(&path).unwrap();
        let images = Tensor::zeros([2, 64, 64, 1], (Kind::Int8, tch::Device::Cpu));
        let logits = integer::logits(&network, &images).unwrap();
        let compared = compare_logits(&network, &images, &logits).unwrap();
        assert_eq!(compared, Comparison { n_logits: 20, n_equal: 20, first: None });
        let value = logits.int64_value(&[1, 3]);
        _ = logits.get(1).get(3).fill_(value + 1);
        let compared = compare_logits(&network, &images, &logits).unwrap();
        let first = Difference { image: 1, class: 3, trainer: value + 1, reference: value };
        assert_eq!(compared, Comparison { n_logits: 20, n_equal: 19, first: Some(first) });
    }
}
