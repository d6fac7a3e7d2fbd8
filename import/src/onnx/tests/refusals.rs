//! What is refused, and in which words.

use super::super::proto::{Function, data_type};
use super::super::read;
use super::build::{Builder, Quantized, int, ints, value_info};
use crate::graph::HostOp;
use crate::{Options, lower};

const MEANING: Quantized = Quantized { scale: 0.5, zero_point: 3, is_unsigned: false };

fn problems(builder: &Builder) -> Vec<String> {
    let graph = read(&builder.bytes(), None).unwrap();
    graph.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_unsupported_node_is_told_at_once() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 3, 8, 8]);
    let x = builder.qdq("x", MEANING);
    let y = builder.node("HardSwish", &[&x], Vec::new());
    let y = builder.qdq(&y, MEANING);
    let y = builder.node("Resize", &[&y], Vec::new());
    let y = builder.qdq(&y, MEANING);
    let w = builder.weight(&[4, 3, 1, 1], &[1; 12], &[0.5], 0);
    let z = builder.node("Conv", &[&x, &w], vec![ints("dilations", &[0, 1])]);
    let z = builder.qdq(&z, MEANING);
    let z = builder.node("Mul", &[&z, &y], Vec::new());
    builder.output(&z);
    let found = problems(&builder);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("node 2 HardSwish \"hardswish2 node\" [1x3x8x8]: this operation"));
    assert!(found[0].contains("help: replace the activation by Relu"));
    assert!(found[1].starts_with("node 5 Resize"), "{}", found[1]);
    assert!(found[2].contains("its attribute dilations is [0, 1]"), "{}", found[2]);
}

#[test]
fn what_the_host_does_is_named_and_goes_no_further() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 3, 8, 8]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[4, 3, 1, 1], &[1; 12], &[0.5], 0);
    let y = builder.node("Conv", &[&x, &w], Vec::new());
    let y = builder.qdq(&y, MEANING);
    let y = builder.node("Sigmoid", &[&y], Vec::new());
    let mut ends = builder.clone();
    ends.output(&y);
    let imported = lower(read(&ends.bytes(), None).unwrap(), &Options::default()).unwrap();
    assert_eq!(imported.host.len(), 1);
    assert_eq!(imported.host[0].op, HostOp::Sigmoid);
    let z = builder.node("Conv", &[&y, &w], Vec::new());
    let z = builder.qdq(&z, MEANING);
    builder.output(&z);
    let found = problems(&builder);
    assert!(found[0].contains("it reads what Sigmoid \"sigmoid6 node\" computes"), "{found:#?}");
}

#[test]
fn weights_and_activations_of_other_kinds_are_told_with_the_remedy() {
    let conv = |weight: &dyn Fn(&mut Builder) -> String| {
        let mut builder = Builder::new(data_type::FLOAT, &[1, 2, 8, 8]);
        let x = builder.qdq("x", MEANING);
        let w = weight(&mut builder);
        let y = builder.node("Conv", &[&x, &w], Vec::new());
        let y = builder.qdq(&y, MEANING);
        builder.output(&y);
        problems(&builder).join("\n")
    };
    let float = conv(&|builder| builder.floats(&[4, 2, 1, 1], &[1.0; 8]));
    assert!(float.contains("its weights are float32; help: quantize them"), "{float}");
    let asymmetric = conv(&|builder| {
        let ints = builder.int8(&[4, 2, 1, 1], &[127; 8]);
        let scale = builder.floats(&[], &[0.5]);
        let zero = builder.int8(&[], &[-9]);
        builder.node("DequantizeLinear", &[&ints, &scale, &zero], Vec::new())
    });
    assert!(asymmetric.contains("its weights are asymmetric"), "{asymmetric}");
    let by_input = conv(&|builder| builder.weight(&[4, 2, 1, 1], &[1; 8], &[0.5, 0.25], 1));
    assert!(by_input.contains("a scale for each element of axis 1"), "{by_input}");
    let int32 = conv(&|builder| {
        let ints = builder.int32(&[4, 2, 1, 1], &[1; 8]);
        let scale = builder.floats(&[], &[0.5]);
        builder.node("DequantizeLinear", &[&ints, &scale], Vec::new())
    });
    assert!(int32.contains("its weights are int32"), "{int32}");
}

#[test]
fn outputs_that_are_not_quantized_and_inputs_of_no_fixed_shape_are_told() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 2, 8, 8]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[4, 2, 1, 1], &[1; 8], &[0.5], 0);
    let y = builder.node("Conv", &[&x, &w], Vec::new());
    builder.output(&y);
    let found = problems(&builder);
    assert!(found[0].contains("leaves the network and is not quantized"), "{found:#?}");
    let input = |dims: &[i64]| {
        let mut builder = builder.clone();
        builder.graph.input = vec![value_info("x", data_type::FLOAT, dims)];
        read(&builder.bytes(), None).unwrap_err().to_string()
    };
    assert!(input(&[1, 2, 0, 8]).contains("the input \"x\" has no fixed shape; help: give it"));
    assert!(input(&[8, 2, 8, 8]).contains("a network takes one image"));
    builder.graph.input.push(value_info("y", data_type::FLOAT, &[1, 2]));
    let error = read(&builder.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("the model has 2 inputs: \"x\", \"y\"; help: a network has one"));
}

#[test]
fn axes_that_change_their_roles_are_told() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 6, 8, 4]);
    let x = builder.qdq("x", MEANING);
    let shape = builder.int64(&[1, 2, 3, 8, 4]);
    let y = builder.node("Reshape", &[&x, &shape], Vec::new());
    let w = builder.weight(&[4, 6, 1, 1], &[1; 24], &[0.5], 0);
    let z = builder.node("Conv", &[&x, &w], Vec::new());
    let z = builder.qdq(&z, MEANING);
    let t = builder.node("Transpose", &[&z], vec![ints("perm", &[0, 2, 1, 3])]);
    let v = builder.weight(&[4, 8, 1, 1], &[1; 32], &[0.5], 0);
    let t = builder.node("Conv", &[&t, &v], Vec::new());
    builder.output(&y);
    builder.output(&t);
    let found = problems(&builder);
    assert!(found[0].contains("it makes 1x2x3x8x4 of 1x6x8x4"), "{found:#?}");
    assert!(found[1].contains("a map of 8 rows, 4 columns and 4 channels in another order"));
}

#[test]
fn functions_of_the_model_and_old_operators_are_told() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 4]);
    let x = builder.qdq("x", MEANING);
    let y = builder.node("local.Block", &[&x], Vec::new());
    builder.output(&y);
    let mut model = builder.model();
    model.functions.push(Function { name: "Block".to_owned(), domain: "local".to_owned() });
    let graph = read(&prost::Message::encode_to_vec(&model), None).unwrap();
    assert!(graph.problems[0].to_string().contains("onnx.inliner.inline_local_functions"));
    builder.opset = 6;
    let error = read(&builder.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("of version 6 of ONNX's operators"), "{error}");
    let mut pooled = Builder::new(data_type::FLOAT, &[1, 4, 4, 4]);
    let x = pooled.qdq("x", MEANING);
    let y = pooled.node(
        "MaxPool",
        &[&x],
        vec![ints("kernel_shape", &[2, 2]), int("ceil_mode", 1), ints("dilations", &[2, 2])],
    );
    pooled.output(&y);
    assert!(problems(&pooled)[0].contains("its window has gaps"));
}
