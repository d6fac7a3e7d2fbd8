//! The published networks of MLPerf Tiny, each compared with its runtime and measured.

use std::path::PathBuf;

use dataset::Band;
use import::Preset;

use crate::choice::ArraySizes;
use crate::error::FlowError;
use crate::log::Log;
use crate::report::{MlperfReport, MlperfRow};
use crate::verify::{VerifyOptions, verify};

/// Name, and the file as github.com/mlcommons/tiny has it below `benchmark/training/*/trained_models`.
const MODELS: [(&str, &str); 4] = [
    ("ResNet-8", "pretrainedResnet_quant.tflite"),
    ("DS-CNN (keyword spotting)", "kws_ref_model.tflite"),
    ("MobileNetV1 0.25 (visual wake words)", "vww_96_int8.tflite"),
    ("autoencoder (anomaly detection)", "ad01_int8.tflite"),
];

/// What is measured.
#[derive(Clone, Debug)]
pub struct MlperfOptions {
    /// The folder with the four files.
    pub models: PathBuf,
    /// Inputs of each.
    pub n_inputs: usize,
    /// Of the random ones.
    pub seed: u64,
    /// Images, half of the inputs of a network that they fit; `None` for random inputs alone.
    pub data: Option<String>,
    /// The band of images that have several.
    pub band: Option<Band>,
    /// The array.
    pub array: ArraySizes,
    /// The clock, in MHz.
    pub clock_mhz: f64,
    /// What is said meanwhile.
    pub log: Log,
}

/// Compares and measures each network.
///
/// # Errors
/// As [`verify`]; a folder that lacks one of the files.
pub fn mlperf(options: &MlperfOptions) -> Result<MlperfReport, FlowError> {
    if let Some((_, file)) = MODELS.iter().find(|(_, file)| !options.models.join(file).is_file()) {
        return Err(FlowError::NoModel {
            folder: options.models.clone(),
            file: (*file).to_owned(),
        });
    }
    let mut rows = Vec::new();
    for (name, file) in MODELS {
        options.log.say(&format!("{name}: {file}"));
        let with = |data: Option<String>| {
            verify(&VerifyOptions {
                model: options.models.join(file),
                n_inputs: options.n_inputs,
                seed: options.seed,
                data,
                band: options.band,
                preprocess: Preset::Bytes,
                array: options.array,
                clock_mhz: options.clock_mhz,
                log: options.log,
            })
        };
        let report = match with(options.data.clone()) {
            // What takes no images, or not these.
            Err(error @ (FlowError::Data(_) | FlowError::Import { .. }))
                if options.data.is_some() =>
            {
                options.log.say(&format!("{name}: random inputs alone: {error}"));
                with(None)?
            }
            other => other?,
        };
        rows.push(MlperfRow::new(name, report));
    }
    Ok(MlperfReport::new(options.clock_mhz, rows))
}
