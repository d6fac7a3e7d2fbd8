//! Reads ONNX models of int8: QDQ, where QuantizeLinear and DequantizeLinear stand around operators on real values, and
//! QOperator, where operators have quantized forms of their own.
//!
//! A file goes through four steps. `scan` finds what decoding it would cost, `prost` decodes it, and each node is worked out
//! in turn: a name stands for a constant, for the integers of a map, for its real values, or for real values that are
//! computed of maps and wait to be quantized (`value::Value`). A QuantizeLinear makes nodes of the graph of the last kind, so that
//! limits, pools and what changes the shape alone may stand between. How the axes of a tensor lie on rows, columns and channels
//! is followed (`view::View`), so that layout operations cost nothing and weights come out in the graph's order.
//!
//! [`write`](fn@write) goes the other way: a network becomes a model of integer operators with the same bits.
//!
//! Activations of uint8 are those of int8 and 128 more, exactly; the graph has them as int8.

mod affine;
mod attributes;
mod call;
mod channels;
mod emit;
mod fault;
mod layout;
mod linear;
mod operators;
mod outputs;
mod proto;
mod quantize;
mod quantized;
mod reader;
mod scan;
mod shapes;
mod tensor;
#[cfg(test)]
mod tests;
mod value;
mod view;
mod windows;
mod write;

use std::path::Path;

use prost::Message;
use spec::{Shape, shown};

use crate::Error;
use crate::graph::Graph;
use proto::data_type;
use tensor::External;
use value::Input;
use view::{Axis, View, n_values, shown_dims};

pub use write::write;

/// Reads an ONNX model of int8, as it lies in a file of `folder`: constants outside of the model are read there alone.
///
/// # Errors
/// Bytes that are no ONNX model; a model that is not quantized, or with other inputs than one of a fixed shape. What
/// operators are not supported is in [`Graph::problems`].
pub fn read(bytes: &[u8], folder: Option<&Path>) -> Result<Graph, Error> {
    scan::scan(bytes)?;
    let model = proto::Model::decode(bytes)
        .map_err(|error| Error::damaged("the model", shown(&error.to_string()).to_string()))?;
    let graph =
        model.graph.as_ref().ok_or_else(|| Error::damaged("the model", "it has no graph"))?;
    if model.producer_name == write::PRODUCER {
        return Err(Error::refused(
            "the model was written by `twofold export`",
            "give the network that it was written from",
        ));
    }
    check_quantized(graph)?;
    let (name, candidates) = inputs(graph)?;
    let mut first = None;
    for input in &candidates {
        let external = External::new(folder);
        let graph = reader::read(&model, &external, name, input)?;
        if graph.problems.is_empty() {
            return Ok(graph);
        }
        first.get_or_insert(graph);
    }
    Ok(first.expect("an input lies on a map in one way at least"))
}

/// A float model is told in one line what to do.
fn check_quantized(graph: &proto::Graph) -> Result<(), Error> {
    let is_quantized = |node: &proto::Node| {
        let operator = node.op_type.as_str();
        operator.contains("Quant")
            || operator.starts_with('Q')
            || matches!(operator, "ConvInteger" | "MatMulInteger" | "MultiThreshold")
    };
    if graph.node.is_empty() {
        return Err(Error::refused("the model has no nodes", "export it again"));
    }
    let qonnx = |node: &&proto::Node| {
        matches!(node.op_type.as_str(), "Quant" | "BipolarQuant" | "MultiThreshold")
    };
    let n_qonnx = graph.node.iter().filter(qonnx).count();
    if n_qonnx > 0 && !graph.node.iter().any(|node| node.op_type == "DequantizeLinear") {
        return Err(Error::refused(
            format!(
                "the model is quantized as QONNX does, with {n_qonnx} nodes of a number of bits of their own{}",
                bits(graph)
            ),
            "int8 is read: quantize to 8 bits and export QuantizeLinear and DequantizeLinear, with brevitas.export.export_onnx_qcdq or qonnx's QuantToQCDQ",
        ));
    }
    if graph.node.iter().any(is_quantized) {
        return Ok(());
    }
    Err(Error::refused(
        "the model computes in floating point",
        "quantize it to int8 (onnxruntime.quantization.quantize_static with activation_type and weight_type QuantType.QInt8, or a full-integer TFLite conversion), or train a student with `trainer train`",
    ))
}

/// The numbers of bits of QONNX nodes, as far as they are constants: `: 2, 4`.
fn bits(graph: &proto::Graph) -> String {
    let of = |node: &proto::Node| {
        let name = node.input.get(3).filter(|_| node.op_type == "Quant")?;
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == *name)?;
        let bits = tensor::Tensor::load(tensor, &External::new(None)).ok()?;
        bits.floats().and_then(|bits| bits.first()).map(ToString::to_string)
    };
    let bits: std::collections::BTreeSet<String> =
        graph.node.iter().take(1000).filter_map(of).collect();
    let bits = bits.into_iter().collect::<Vec<_>>().join(", ");
    if bits.is_empty() { bits } else { format!(" ({bits})") }
}

/// The name of the input, and the ways in which it may lie on a map: the axes do not say which of them are the channels.
fn inputs(graph: &proto::Graph) -> Result<(&str, Vec<Input>), Error> {
    // Older models name every initializer among the inputs, too.
    let constants: std::collections::HashSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs: Vec<&proto::ValueInfo> =
        graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).collect();
    let &[input] = &inputs[..] else {
        let names: Vec<String> =
            inputs.iter().take(8).map(|input| format!("{:?}", shown(&input.name))).collect();
        return Err(Error::refused(
            format!("the model has {} inputs: {}", inputs.len(), names.join(", ")),
            "a network has one; export one of its branches",
        ));
    };
    let place = format!("the input {:?}", shown(&input.name));
    let tensor = input.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
    let fixed = "give it a fixed one: python -m onnxruntime.tools.make_dynamic_shape_fixed";
    let unknown = |what: &str| Error::refused(format!("{place} has no {what}"), fixed);
    let tensor = tensor.ok_or_else(|| unknown("type"))?;
    if !matches!(tensor.elem_type, data_type::FLOAT | data_type::INT8 | data_type::UINT8) {
        let found = data_type::name(tensor.elem_type);
        return Err(Error::refused(
            format!("{place} is {found}"),
            "give it float32, int8 or uint8",
        ));
    }
    let shape = tensor.shape.as_ref().ok_or_else(|| unknown("shape"))?;
    let mut dims = Vec::new();
    for (index, dim) in shape.dim.iter().enumerate() {
        let size =
            dim.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        // An open batch is one image.
        let size = size.or((index == 0 && shape.dim.len() > 1).then_some(1));
        dims.push(size.ok_or_else(|| unknown("fixed shape"))?);
    }
    n_values(&dims).ok_or_else(|| {
        Error::refused(
            format!("{place} is {}", shown_dims(&dims)),
            "it is too large for the accelerator",
        )
    })?;
    let views = views(&dims);
    if views.is_empty() {
        return Err(Error::refused(
            format!("{place} is {}", shown_dims(&dims)),
            "a network takes one image: export it with a batch of 1, and no more than rows, columns and channels",
        ));
    }
    let input_of = |view| Input { view, data_type: tensor.elem_type, steps: Vec::new() };
    Ok((&input.name, views.into_iter().map(input_of).collect()))
}

/// The ways in which a tensor of these dimensions may lie on a map, the most usual first.
fn views(dims: &[usize]) -> Vec<View> {
    use Axis::{Channel, Column, Row};
    let of = |axes: &[Option<Axis>]| {
        let size = |wanted: Axis| {
            axes.iter().position(|axis| *axis == Some(wanted)).map_or(1, |index| dims[index])
        };
        let shape = Shape { height: size(Row), width: size(Column), channels: size(Channel) };
        View::new(shape, axes)
    };
    let (row, column, channel) = (Some(Row), Some(Column), Some(Channel));
    match dims {
        [_] => vec![of(&[channel])],
        [1, _] => vec![of(&[None, channel])],
        [_, _] => vec![of(&[row, column])],
        [1, _, _] => {
            vec![
                of(&[None, channel, column]),
                of(&[None, column, channel]),
                of(&[None, row, column]),
            ]
        }
        [_, _, _] => vec![of(&[channel, row, column]), of(&[row, column, channel])],
        [1, _, _, _] => {
            vec![of(&[None, channel, row, column]), of(&[None, row, column, channel])]
        }
        _ => Vec::new(),
    }
}
