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
        // So is what an add is compared with, one form rounding before the zero point is added and one after it: of its multipliers those are
        // taken that come closest.
        let adds = network.layers.iter_mut().filter_map(|layer| match &mut layer.op {
            spec::Op::Add(add) => Some(std::mem::take(&mut add.multiplier)),
            _ => None,
        });
        let adds: Vec<_> = adds.collect();
        Some((adds, network.layers, network.input, network.outputs))
    });
    for (adds, layers, input, outputs) in forms.iter().flatten() {
        let Some((first_adds, first_layers, first_input, first_outputs)) = &forms[0] else {
            return;
        };
        assert_eq!((layers, input, outputs), (first_layers, first_input, first_outputs));
        assert_eq!(adds.len(), 3);
        for (multiplier, first) in adds.iter().flatten().zip(first_adds.iter().flatten()) {
            assert!(multiplier.abs_diff(*first) <= 1);
        }
    }
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
