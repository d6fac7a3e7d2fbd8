//! `trainer verify`: a network file on images, with the trainer's integers and with the reference of `spec`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use dataset::{Band, ReadOptions, RunSet, Source, Trained, TrainedImages};
use serde::Serialize;

use crate::integers::compare::{Comparison, Difference, compare_logits};
use crate::integers::integer;
use crate::network::data::Labeled;
use crate::printing::{Format, Printed, grouped};

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
    flow::progress::say(&run.to_string());
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
}
