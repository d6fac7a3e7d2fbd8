//! Published models against the runtimes that they are of, where both are at hand: `make runtimes` sets the runtimes up, and
//! `TWOFOLD_MODELS` names the folder of models, by default `shared/data/models` beside the checkout.

use std::path::{Path, PathBuf};

use flow::tools::{Runtimes, Tools};
use flow::{ArraySizes, ComparisonOptions, Log, Preset, VerifyOptions, verify};

fn model(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models");
    let folder = std::env::var_os("TWOFOLD_MODELS").map_or(beside, PathBuf::from);
    let is_set_up = Tools::find().is_ok_and(|tools| Runtimes::find(&tools).is_ok());
    let model = folder.join(name);
    let is_there = is_set_up && model.is_file();
    if !is_there {
        eprintln!("no runtimes, or no {}: nothing is compared", model.display());
    }
    is_there.then_some(model)
}

#[test]
fn every_map_is_that_of_the_runtime() {
    for name in ["mlperf-tiny/ad01_int8.tflite", "derived-onnx/resnet8_qop_s8s8_perchannel.onnx"] {
        let Some(model) = model(name) else { return };
        let report = verify(&VerifyOptions {
            model,
            preprocess: Preset::Bytes,
            comparison: ComparisonOptions {
                n_inputs: 2,
                seed: 1,
                data: None,
                band: None,
                array: ArraySizes::default(),
                clock_mhz: 50.0,
                log: Log::Silent,
            },
        })
        .unwrap();
        assert_eq!(report.failure(), None, "{name}");
        assert!(report.rtl.bit_exact && report.maps.len() >= 10, "{name}");
        // Of the first two random inputs none meets a half.
        assert_eq!(report.n_differ(), 0, "{name}");
    }
}
