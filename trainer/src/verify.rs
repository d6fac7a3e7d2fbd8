//! Integer networks on images: accuracy, and agreement with the reference of `spec` on every logit.

use std::path::Path;

use anyhow::{Context, Result, bail};
use dataset::{ReadOptions, Source, Split, SplitOptions};
use rayon::prelude::*;
use spec::{QuantNetwork, run_reference};
use tch::{Kind, Tensor};

use crate::data::Labeled;
use crate::evaluate::Evaluation;
use crate::integer;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Verified {
    /// Layout of this object.
    pub format_version: u32,
    /// Images compared.
    pub n_images: usize,
    /// Logits compared, all of them equal.
    pub n_logits: usize,
    /// Part of the images that are classified rightly.
    pub accuracy: f64,
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
    let ours = Vec::<Vec<i64>>::try_from(integer::logits(network, images)?)?;
    let bytes = Vec::<i8>::try_from(images.flatten(0, -1))?;
    let inputs: Vec<&[i8]> = bytes.chunks_exact(network.input.n_bytes()).collect();
    let references: Vec<_> = inputs.par_iter().map(|image| run_reference(network, image)).collect();
    for (idx, (ours, reference)) in ours.iter().zip(references).enumerate() {
        let logits = reference?.logits;
        for (class, (ours, reference)) in ours.iter().zip(&logits.values).enumerate() {
            if *ours != i64::from(*reference) {
                bail!(
                    "image {idx}, class {class}: the trainer's integers give {ours}, the reference {reference}"
                );
            }
        }
    }
    Ok(ours.len() * network.classes.len())
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

/// Runs a network file over the test images of `data`, both ways. Without a band, images are read as for its training.
///
/// # Errors
/// A network or image that cannot be read, or the first logit that differs.
pub fn verify(
    network: &Path,
    data: &str,
    options: ReadOptions,
    n_images: Option<usize>,
) -> Result<Verified> {
    let network = spec::files::read_network(network)?;
    let preprocess = network
        .input
        .preprocess
        .as_ref()
        .context("the network says nothing about pre-processing")?;
    let recorded = network.band().map(str::parse).transpose()?;
    let source = Source::parse(data).reading(ReadOptions { band: options.band.or(recorded) });
    let split = SplitOptions { seed: network.split_seed(), ..SplitOptions::default() };
    let mut set = source.load(Split::Test, &split)?.relabel(&network.classes, &source.name())?;
    for note in &set.notes {
        eprintln!("note: {}", spec::shown_lines(note));
    }
    if let Some(n) = n_images {
        set = set.spread(n);
    }
    let labeled = Labeled::plain(&set, preprocess);
    let n_logits = compare(&network, &labeled.images)?;
    Ok(Verified {
        format_version: 1,
        n_images: labeled.len(),
        n_logits,
        accuracy: evaluate(&network, &labeled)?.accuracy,
    })
}
