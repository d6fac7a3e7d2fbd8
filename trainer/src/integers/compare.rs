//! Integer networks on images: accuracy, and agreement with the reference of `spec` on every logit.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use rayon::prelude::*;
use serde::Serialize;
use spec::{QuantNetwork, run_reference};
use tch::{Kind, Tensor};

use crate::integers::integer;
use crate::network::data::Labeled;
use crate::network::evaluate::Evaluation;

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
    let scale = network.outputs.first().map_or(1.0, |output| network.layers[*output].scale);
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
pub fn check(network: &QuantNetwork, images: &Tensor) -> Result<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
