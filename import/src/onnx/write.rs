//! Writes a network as an ONNX model that computes the same bits.
//!
//! ConvInteger and MatMulInteger give sums of 32 bits. A multiplier of 24 bits over a power of two is a binary64 number, and so
//! is its product with a sum as long as it has no more than 52 bits: Round, whose halves go to the even one, sees the exact
//! value. A layer that could exceed that is scaled in int64.
//!
//! The input is `[N, height, width, channels]` of int8, the bytes of an image as the accelerator takes them; each output has the
//! name of its layer and is `[N, height, width, channels]` of int8, or of int16 where its bounds ask for it.

mod layers;
mod nodes;

use prost::Message;
use spec::{QuantNetwork, Shape, TensorRef};

use super::proto::{Entry, Model, OperatorSet, data_type};
use nodes::{Graph, int};

/// The name of the program in what it writes: files are known by it.
pub(super) const PRODUCER: &str = "twofold";
/// The version of the file format that has these operators.
const IR_VERSION: i64 = 8;
/// The version of the operators.
const OPSET: i64 = 13;

/// The bytes of an ONNX model that computes what the network does.
///
/// # Panics
/// If the network does not pass [`QuantNetwork::validate`].
pub fn write(network: &QuantNetwork) -> Vec<u8> {
    let names = network.outputs.iter().map(|index| network.layers[*index].name.as_str());
    let mut graph = Graph::new(&network.name, names);
    let mut maps = vec![input(network, &mut graph)];
    let shapes = network.shapes();
    for (index, layer) in network.layers.iter().enumerate() {
        let writer = layers::Writer { network, shapes: &shapes, maps: &maps, index, layer };
        let map = writer.layer(&mut graph);
        maps.push(map);
    }
    for index in &network.outputs {
        let (layer, shape) = (&network.layers[*index], shapes[*index]);
        let (map, data_type) = (&maps[index + 1], layers::data_type_of(layer.bounds));
        graph.output(&layer.name, map, data_type, shape);
    }
    let classes = Entry { key: "classes".to_owned(), value: network.classes.join("\n") };
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.finish()),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: if network.classes.is_empty() { Vec::new() } else { vec![classes] },
        functions: Vec::new(),
    };
    model.encode_to_vec()
}

/// The input as the first layer sees it, channels first.
fn input(network: &QuantNetwork, graph: &mut Graph) -> String {
    let input = &network.input;
    let (block, channels) = (input.space_to_depth as i64, input.channels as i64);
    let [height, width] = [input.height, input.width].map(|side| side as i64);
    let name = graph.input(data_type::INT8, &[height, width, channels]);
    if block == 1 {
        return graph.transposed("input", &name, &[0, 3, 1, 2]);
    }
    let blocks = [-1, height / block, block, width / block, block, channels];
    let split = graph.reshaped("input", &name, &blocks);
    let moved = graph.transposed("input", &split, &[0, 2, 4, 5, 1, 3]);
    let Shape { height, width, channels } = input.shape();
    graph.reshaped("input", &moved, &[-1, channels as i64, height as i64, width as i64])
}

/// Where a map is in the list of the input and the layers.
fn position(map: TensorRef) -> usize {
    match map {
        TensorRef::Input => 0,
        TensorRef::Layer(index) => index + 1,
    }
}

/// The axis of the channels.
fn channel_axis() -> super::proto::Attribute {
    int("axis", 1)
}
