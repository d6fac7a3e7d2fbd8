//! What exporters and quantizers write around the operators.

use spec::Shape;

use super::super::proto::{Tensor, data_type};
use super::super::read;
use super::build::{Builder, Quantized, int, ints, text};
use crate::graph::{Graph, Op};
use crate::{Options, lower};

const MEANING: Quantized = Quantized { scale: 0.5, zero_point: 3, is_unsigned: false };
const OTHER: Quantized = Quantized { scale: 0.25, zero_point: -7, is_unsigned: false };

fn graph(builder: &Builder) -> Graph {
    let graph = read(&builder.bytes(), None).unwrap();
    assert_eq!(graph.problems, []);
    lower(graph.clone(), &Options::default()).unwrap();
    graph
}

fn bounds(graph: &Graph, node: usize) -> [i16; 2] {
    let bounds = graph.nodes[node].bounds;
    [bounds.low, bounds.high]
}

/// Conv, Clip from 0 to 6, MaxPool and a Relu in floating point, then one QuantizeLinear: limits are those of the convolution.
#[test]
fn limits_and_pools_between_a_convolution_and_its_scale_are_exact() {
    let mut builder = Builder::new(data_type::FLOAT, &[0, 2, 8, 8]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[4, 2, 1, 1], &[1; 8], &[0.5], 0);
    let y = builder.node("Conv", &[&x, &w], Vec::new());
    let (low, high) = (builder.floats(&[], &[0.0]), builder.floats(&[], &[6.0]));
    let y = builder.node("Clip", &[&y, &low, &high], Vec::new());
    let y = builder.node(
        "MaxPool",
        &[&y],
        vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])],
    );
    let y = builder.node("Relu", &[&y], Vec::new());
    let y = builder.qdq(&y, MEANING);
    builder.output(&y);
    let graph = graph(&builder);
    assert!(
        matches!(graph.nodes[0].op, Op::Conv(_)) && matches!(graph.nodes[1].op, Op::MaxPool(_))
    );
    assert_eq!(bounds(&graph, 0), [3, 15]);
}

/// Brevitas limits integers between the two, PyTorch those of 7 bits.
#[test]
fn limits_of_integers_are_those_of_the_layer() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 2, 8, 8]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[4, 2, 1, 1], &[1; 8], &[0.5], 0);
    let y = builder.node("Conv", &[&x, &w], Vec::new());
    let q = builder.quantize(&y, Quantized { is_unsigned: true, ..MEANING });
    let bound = |builder: &mut Builder, value: i32| {
        let (data_type, int32_data) = (data_type::UINT8, vec![value]);
        let name = format!("bound {value}");
        let tensor = Tensor { data_type, int32_data, name: name.clone(), ..Tensor::default() };
        builder.graph.initializer.push(tensor);
        name
    };
    let (low, high) = (bound(&mut builder, 0), bound(&mut builder, 127));
    let q = builder.node("Clip", &[&q, &low, &high], Vec::new());
    let y = builder.dequantize(&q, Quantized { is_unsigned: true, ..MEANING });
    builder.output(&y);
    let graph = graph(&builder);
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(bounds(&graph, 0), [-128, -1]);
    assert!(graph.notes.iter().any(|note| note.contains("is uint8 in the file: 128 more")));
}

/// Weights and biases in floating point behind QuantizeLinear of their own, a matrix that is transposed, constants that are cast and
/// computed: what PyTorch's exporters leave unfolded.
#[test]
fn constants_are_worked_out() {
    let mut folded = Builder::new(data_type::FLOAT, &[1, 3]);
    let x = folded.qdq("x", MEANING);
    let w = folded.weight(&[3, 2], &[2, -1, 4, 0, 6, -3], &[0.5], 0);
    let b = folded.bias(&[8, -12], &[0.25]);
    let y = folded.node("Gemm", &[&x, &w, &b], Vec::new());
    let y = folded.qdq(&y, OTHER);
    folded.output(&y);

    let mut builder = Builder::new(data_type::FLOAT, &[1, 3]);
    let x = builder.qdq("x", MEANING);
    let w = builder.floats(&[2, 3], &[1.0, 2.0, 3.0, -0.5, 0.0, -1.5]);
    let scale = builder.floats(&[], &[0.5]);
    let zero = builder.int64(&[0]);
    let zero = builder.node("Cast", &[&zero], vec![int("to", data_type::INT8.into())]);
    let w = builder.node("QuantizeLinear", &[&w, &scale, &zero], Vec::new());
    let w = builder.node("DequantizeLinear", &[&w, &scale, &zero], Vec::new());
    let w = builder.node("Transpose", &[&w], vec![ints("perm", &[1, 0])]);
    let b = builder.floats(&[2], &[2.0, -3.0]);
    let x_scale = builder.floats(&[], &[0.5]);
    let product = builder.node("Mul", &[&scale, &x_scale], Vec::new());
    let zero = builder.int32(&[], &[0]);
    let b = builder.node("QuantizeLinear", &[&b, &product, &zero], Vec::new());
    let b = builder.node("DequantizeLinear", &[&b, &product, &zero], Vec::new());
    let y = builder.node("MatMul", &[&x, &w], Vec::new());
    let y = builder.node("Add", &[&b, &y], Vec::new());
    let y = builder.qdq(&y, OTHER);
    builder.output(&y);
    assert_eq!(graph(&builder).nodes[0].op, graph(&folded).nodes[0].op);
}

/// `x.view(x.size(0), -1)`, as it is exported with an open batch.
#[test]
fn shapes_that_are_computed_are_worked_out() {
    let mut builder = Builder::new(data_type::FLOAT, &[0, 2, 2, 3]);
    let x = builder.qdq("x", MEANING);
    let shape = builder.node("Shape", &[&x], Vec::new());
    let first = builder.int64(&[0]);
    builder.graph.initializer.last_mut().unwrap().dims.clear();
    let batch = builder.node("Gather", &[&shape, &first], vec![int("axis", 0)]);
    let axes = builder.int64(&[0]);
    let batch = builder.node("Unsqueeze", &[&batch, &axes], Vec::new());
    let rest = builder.int64(&[-1]);
    let shape = builder.node("Concat", &[&batch, &rest], vec![int("axis", 0)]);
    let y = builder.node("Reshape", &[&x, &shape], Vec::new());
    let weights: Vec<i8> = (0..12).collect();
    let w = builder.weight(&[1, 12], &weights, &[0.5], 0);
    let y = builder.node("Gemm", &[&y, &w], vec![int("transB", 1)]);
    let y = builder.qdq(&y, OTHER);
    builder.output(&y);
    let graph = graph(&builder);
    let Op::FullyConnected(fc) = &graph.nodes[0].op else { panic!("{:?}", graph.nodes[0]) };
    // Channel c of pixel (y, x) is element (c * 2 + y) * 3 + x.
    assert_eq!(fc.weight.dim(), (1, 2, 3, 2));
    assert_eq!(
        fc.weight.iter().copied().collect::<Vec<i8>>(),
        [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    );
}

#[test]
fn channels_last_are_found_behind_a_transposition() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 5, 6, 2]);
    let x = builder.node("Transpose", &["x"], vec![ints("perm", &[0, 3, 1, 2])]);
    let x = builder.qdq(&x, MEANING);
    let w = builder.weight(&[4, 2, 3, 2], &[1; 48], &[0.5], 0);
    let y = builder.node(
        "Conv",
        &[&x, &w],
        vec![text("auto_pad", "SAME_LOWER"), ints("strides", &[2, 2])],
    );
    let y = builder.qdq(&y, MEANING);
    let y = builder.node("Transpose", &[&y], vec![ints("perm", &[0, 2, 3, 1])]);
    let v = builder.weight(&[4, 3], &[1; 12], &[0.5], 1);
    let y = builder.node("MatMul", &[&y, &v], Vec::new());
    let y = builder.qdq(&y, MEANING);
    let axes = builder.int64(&[1, 2]);
    builder.opset = 18;
    let y = builder.node("ReduceMean", &[&y, &axes], vec![int("keepdims", 0)]);
    let y = builder.qdq(&y, MEANING);
    builder.output(&y);
    let graph = graph(&builder);
    assert_eq!(graph.tensor(graph.inputs[0]).shape, Shape { height: 5, width: 6, channels: 2 });
    let Op::Conv(conv) = &graph.nodes[0].op else { panic!("{:?}", graph.nodes[0]) };
    assert_eq!((conv.padding, conv.stride), ([1, 1, 0, 0], [2, 2]));
    assert!(matches!(graph.nodes[1].op, Op::Conv(_)));
    assert!(matches!(graph.nodes[2].op, Op::GlobalAveragePool));
}

/// A batch normalization that was left behind a convolution becomes scales, biases and, where it is negative, other signs.
#[test]
fn batch_normalization_becomes_scales_and_biases() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 1, 4, 4]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[2, 1, 1, 1], &[5, 7], &[0.5], 0);
    let y = builder.node("Conv", &[&x, &w], Vec::new());
    let gain = builder.floats(&[2], &[2.0, -1.0]);
    let offset = builder.floats(&[2], &[1.0, 0.5]);
    let mean = builder.floats(&[2], &[0.5, 1.0]);
    let variance = builder.floats(&[2], &[4.0, 1.0]);
    let epsilon = super::super::proto::Attribute {
        name: "epsilon".to_owned(),
        r#type: 1,
        ..Default::default()
    };
    let y =
        builder.node("BatchNormalization", &[&y, &gain, &offset, &mean, &variance], vec![epsilon]);
    let y = builder.qdq(&y, MEANING);
    builder.output(&y);
    let graph = graph(&builder);
    let Op::Conv(conv) = &graph.nodes[0].op else { panic!("{:?}", graph.nodes[0]) };
    assert_eq!(conv.weight.iter().copied().collect::<Vec<i8>>(), [5, -7]);
    assert_eq!(conv.weight_scales, [0.5, 0.5]);
    // 1 - 0.5 * 2 / 2 and 0.5 + 1 * 1 / 1, in steps of 0.25.
    assert_eq!(conv.bias, [2, 6]);
    assert_eq!(graph.notes.iter().filter(|note| note.contains("rounded")).count(), 0);
}

/// What is added to a map of another scale is computed for all 256 values.
#[test]
fn a_constant_for_each_channel_of_a_map_is_added_exactly() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 3]);
    let x = builder.qdq("x", Quantized { scale: 0.1, zero_point: 3, is_unsigned: false });
    let c = builder.floats(&[3], &[0.333, -1.7, 0.05]);
    let y = builder.node("Add", &[&x, &c], Vec::new());
    let y = builder.qdq(&y, Quantized { scale: 0.07, zero_point: -5, is_unsigned: false });
    builder.output(&y);
    let network =
        lower(read(&builder.bytes(), None).unwrap(), &Options::default()).unwrap().network;
    for value in i8::MIN..=i8::MAX {
        let found = spec::run_reference(&network, &[value; 3]).unwrap().logits.values;
        let expected = [0.333f32, -1.7, 0.05].map(|constant| {
            let real = 0.1f32 * f32::from(i16::from(value) - 3) + constant;
            ((real / 0.07).round_ties_even() - 5.0).clamp(-128.0, 127.0) as i16
        });
        assert_eq!(found, expected, "{value}");
    }
}
