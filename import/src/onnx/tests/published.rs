//! The models beside the checkout, where they are.

use std::path::{Path, PathBuf};

use super::super::read;
use crate::graph::Op;
use crate::{Options, lower};

fn models() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models");
    folder.is_dir().then_some(folder)
}

fn bytes(name: &str) -> Option<Vec<u8>> {
    let path = models()?.join(name);
    let limit = spec::files::Limit::new("a model", 1 << 22);
    Some(spec::files::read_regular(&path, limit).expect("a model of the collection is readable"))
}

/// Three forms of one network: what they compute is the same.
#[test]
fn the_forms_of_a_published_network_are_one_network() {
    let forms = ["qop_s8s8", "qdq_s8s8", "qdq_u8s8"].map(|form| {
        let bytes = bytes(&format!("derived-onnx/resnet8_{form}_perchannel.onnx"))?;
        let graph = read(&bytes, None).unwrap();
        assert_eq!(graph.problems, []);
        assert_eq!(graph.nodes.len(), 14);
        assert!(matches!(graph.nodes[13].op, Op::FullyConnected(_)));
        let mut network = lower(graph, &Options::default()).unwrap().network;
        // The names are those of the files.
        for (index, layer) in network.layers.iter_mut().enumerate() {
            layer.name = index.to_string();
        }
        // So is what an add is compared with: one form rounds before the zero point is added, one after it.
        Some((network.layers, network.input, network.outputs))
    });
    assert!(forms.iter().all(|form| *form == forms[0]));
}

#[test]
fn models_that_are_not_int8_are_refused_in_a_line() {
    for (name, what) in [
        ("derived-onnx/resnet8_float.onnx", "floating point"),
        (
            "qonnx-zoo/TFC_2W2A.onnx",
            "QONNX does, with 8 nodes of a number of bits of their own (2)",
        ),
        ("mlperf-tiny/kws_ref_model.tflite", "the file is damaged"),
    ] {
        let Some(bytes) = bytes(name) else { continue };
        let error = read(&bytes, None).unwrap_err().to_string();
        assert!(error.contains(what) && !error.contains('\n'), "{name}: {error}");
    }
}
