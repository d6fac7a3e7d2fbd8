//! The published networks of MLPerf Tiny, each compared with its runtime and measured.

use std::path::PathBuf;

use import::Preset;

use crate::error::FlowError;
use crate::report::{MlperfReport, MlperfRow};
use crate::verify::{ComparisonOptions, VerifyOptions, verify};

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
    /// What each is given, images only where they fit it, and on which array.
    pub comparison: ComparisonOptions,
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
        let MlperfOptions { models, comparison } = options;
        comparison.log.say(&format!("{name}: {file}"));
        let with = |data: Option<String>| {
            verify(&VerifyOptions {
                model: models.join(file),
                preprocess: Preset::Bytes,
                comparison: ComparisonOptions { data, ..comparison.clone() },
            })
        };
        let report = match with(comparison.data.clone()) {
            // What takes no images, or not these.
            Err(error @ (FlowError::Data(_) | FlowError::Import { .. }))
                if comparison.data.is_some() =>
            {
                comparison.log.say(&format!("{name}: random inputs alone: {error}"));
                with(None)?
            }
            other => other?,
        };
        rows.push(MlperfRow::new(name, report));
    }
    Ok(MlperfReport::new(options.comparison.clock_mhz, rows))
}
