//! The published MLPerf Tiny models and others, where they are at hand: their outputs equal LiteRT's.
//!
//! They are no part of this repository. `TWOFOLD_MODELS` names their folder; the default is `shared/data/models` beside the checkout.

use std::path::PathBuf;

use flate2::read::DeflateDecoder;
use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use spec::run_reference;
use twofold_import::graph::HostOp;
use twofold_import::{Imported, Options, lower, tflite};

pub(crate) fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models");
    let folder = std::env::var_os("TWOFOLD_MODELS").map_or(beside, PathBuf::from);
    let is_there = folder.is_dir();
    if !is_there {
        eprintln!("no published models at {}: nothing is compared", folder.display());
    }
    is_there.then_some(folder)
}

fn imported(folder: &std::path::Path, file: &str) -> Imported {
    let bytes = std::fs::read(folder.join(file)).expect("the model is readable");
    let graph = tflite::read(&bytes, file).unwrap_or_else(|error| panic!("{file}: {error}"));
    lower(graph, &Options::default()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// An array of a NumPy archive, which is a zip file: found by the header before its name.
fn array(archive: &[u8], name: &str) -> ArrayD<i8> {
    let name = format!("{name}.npy");
    let is_header = |header: &&[u8]| {
        header.starts_with(b"PK\x03\x04")
            && header.get(30..30 + name.len()) == Some(name.as_bytes())
    };
    let mut headers = (0..archive.len()).map(|at| &archive[at..]);
    let header = headers.find(is_header).expect("the archive holds the array");
    let length = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let compressed = &header[30 + length(26) + length(28)..];
    ArrayD::read_npy(DeflateDecoder::new(compressed)).expect("an array of int8")
}

/// TFLite's softmax to int8: probabilities in steps of 1/256, less 128.
fn softmax(logits: &[i16], scale: f64) -> Vec<i16> {
    let largest = logits.iter().copied().max().unwrap_or(0);
    let powers: Vec<f64> =
        logits.iter().map(|logit| (f64::from(*logit - largest) * scale).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| ((power / sum * 256.0).round() - 128.0).min(127.0) as i16).collect()
}

/// Values that differ from LiteRT's, and the largest difference, over all golden inputs.
fn differences(folder: &std::path::Path, model: &str, golden: &str) -> (usize, usize, i32) {
    let imported = imported(folder, model);
    let archive = std::fs::read(folder.join("golden").join(golden));
    let archive = archive.expect("golden outputs are there");
    let (inputs, outputs) = (array(&archive, "input"), array(&archive, "output_xnnpack"));
    let (mut n_values, mut n_differ, mut largest) = (0, 0, 0);
    for (image, expected) in inputs.outer_iter().zip(outputs.outer_iter()) {
        let image: Vec<i8> = image.iter().copied().collect();
        let found = run_reference(&imported.network, &image).expect("the image fits");
        let expected: Vec<i8> = expected.iter().copied().collect();
        let mut values = found.logits.values;
        assert_eq!(values.len(), expected.len());
        if imported.host.iter().any(|step| step.op == HostOp::Softmax) {
            let layer = &imported.network.layers[imported.network.outputs[0]];
            values = softmax(&values, layer.scale);
        }
        for (found, expected) in values.iter().zip(&expected) {
            let difference = (i32::from(*found) - i32::from(*expected)).abs();
            n_values += 1;
            n_differ += usize::from(difference > 0);
            largest = largest.max(difference);
        }
    }
    (n_values, n_differ, largest)
}

#[test]
fn outputs_equal_litert() {
    let Some(folder) = folder() else { return };
    for (model, golden, n_values) in [
        ("mlperf-tiny/pretrainedResnet_quant.tflite", "pretrainedResnet_quant.npz", 8 * 10),
        ("mlperf-tiny/kws_ref_model.tflite", "kws_ref_model.npz", 8 * 12),
        ("mlperf-tiny/vww_96_int8.tflite", "vww_96_int8.npz", 8 * 2),
        ("mlperf-tiny/ad01_int8.tflite", "ad01_int8.npz", 8 * 640),
    ] {
        let (n_compared, n_differ, largest) = differences(&folder, model, golden);
        println!("{model}: {n_differ} of {n_compared} values differ, by at most {largest}");
        assert_eq!((n_compared, n_differ), (n_values, 0), "{model}");
    }
}

#[test]
fn a_file_of_an_old_converter_is_read_that_litert_refuses() {
    let Some(folder) = folder() else { return };
    let imported = imported(&folder, "tflm/person_detect.tflite");
    // 15 convolutions, 13 of them depthwise besides, and a mean; softmax and what comes before it are the host's.
    assert_eq!(imported.network.layers.len(), 29);
    assert_eq!(imported.host.len(), 1);
}
