//! The file of `sim --logits`: what the RTL made of every image, for whoever checks it with another executor.

use serde::Serialize;
use spec::{Logits, QuantNetwork};

use crate::images::Images;

/// Version of the file's layout.
const FORMAT_VERSION: u32 = 2;

#[derive(Serialize)]
struct LogitsFile<'a> {
    /// First, so that the file is known as this program's.
    format: &'static str,
    format_version: u32,
    network: &'a str,
    images: Vec<ImageLogits<'a>>,
}

#[derive(Serialize)]
struct ImageLogits<'a> {
    /// Path below the data folder; of int8 and random images what they are and the position, from 0.
    file: String,
    /// Name of the true class, if it is known.
    label: Option<&'a str>,
    /// Position of the largest logit.
    class: usize,
    /// Name of that class; null where the outputs are no classes.
    class_name: Option<&'a str>,
    logits: &'a [i16],
}

/// The file as JSON; `logits` are those of `images`, in order.
pub(crate) fn to_json(network: &QuantNetwork, images: &Images, logits: &[Logits]) -> String {
    let class_name = |class: usize| network.classes.get(class).map(String::as_str);
    let images = logits.iter().enumerate().map(|(index, Logits { values, class })| ImageLogits {
        file: images.name(index),
        label: images.label(index).and_then(class_name),
        class: *class,
        class_name: class_name(*class),
        logits: values,
    });
    let file = LogitsFile {
        format: "twofold-logits",
        format_version: FORMAT_VERSION,
        network: &network.name,
        images: images.collect(),
    };
    serde_json::to_string_pretty(&file).expect("keys are strings") + "\n"
}
