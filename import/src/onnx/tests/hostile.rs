//! Files that are damaged or made to harm: an error of a few lines, no panic, no memory beyond what the file asks for.

use std::fs;

use proptest::prelude::*;
use prost::Message;

use super::super::proto::{Graph, Node, Tensor, data_type};
use super::super::read;
use super::build::{Builder, Quantized, external, int, ints};
use crate::{Error, Options, lower};

const MEANING: Quantized = Quantized { scale: 0.5, zero_point: 3, is_unsigned: false };

/// A small network with every kind of part that the reader follows.
fn model() -> Builder {
    let mut builder = Builder::new(data_type::FLOAT, &[0, 2, 6, 5]);
    let x = builder.qdq("x", MEANING);
    let w = builder.weight(&[4, 2, 3, 3], &[1; 72], &[0.5; 4], 0);
    let b = builder.bias(&[1, -2, 3, -4], &[0.25; 4]);
    let y = builder.node("Conv", &[&x, &w, &b], vec![ints("pads", &[1, 1, 1, 1])]);
    let y = builder.node("Relu", &[&y], Vec::new());
    let y = builder.qdq(&y, MEANING);
    let z =
        builder.node("MaxPool", &[&y], vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]);
    let z = builder.node("Add", &[&y, &z], Vec::new());
    let z = builder.qdq(&z, MEANING);
    let z = builder.node("Concat", &[&z, &y], vec![int("axis", 1)]);
    let z = builder.qdq(&z, MEANING);
    let shape = builder.int64(&[1, -1]);
    let z = builder.node("Reshape", &[&z, &shape], Vec::new());
    let w = builder.weight(&[240, 3], &[-1; 720], &[0.5; 3], 1);
    let z = builder.node("MatMul", &[&z, &w], Vec::new());
    let c = builder.floats(&[3], &[1.0, 2.0, 3.0]);
    let z = builder.node("Add", &[&z, &c], Vec::new());
    let z = builder.qdq(&z, MEANING);
    let z = builder.node("Softmax", &[&z], Vec::new());
    builder.output(&z);
    builder
}

fn run(bytes: &[u8]) -> Result<(), Error> {
    lower(read(bytes, None)?, &Options::default()).map(drop)
}

#[test]
fn the_model_itself_is_read() {
    run(&model().bytes()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = model().bytes();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Err(error) = run(&bytes) {
            prop_assert!(error.to_string().len() < 100_000);
        }
    }

    #[test]
    fn damaged_structures_do_no_harm(
        seed in any::<[prop::sample::Index; 6]>(),
        value in any::<i64>(),
        small in -3i64..20,
    ) {
        let mut model = model().model();
        let graph = model.graph.as_mut().expect("the model has a graph");
        let node = seed[0].index(graph.node.len());
        let tensor = seed[1].index(graph.initializer.len());
        let number = if seed[2].index(2) == 0 { value } else { small };
        match seed[3].index(9) {
            0 => damage_attribute(&mut graph.node[node], number, seed[4]),
            1 => damage_dims(&mut graph.initializer[tensor], number, seed[4]),
            2 => graph.initializer[tensor].data_type = (number % 30) as i32,
            3 => graph.initializer[tensor].raw_data.truncate(seed[4].index(8)),
            4 => graph.node.swap(node, seed[4].index(17)),
            5 => exchange_input(graph, node, seed[4], seed[5]),
            6 => graph.node[node].op_type = graph.node[seed[4].index(graph.node.len())].op_type.clone(),
            7 => { graph.node.remove(node); }
            _ => graph.node[node].output = graph.node[seed[4].index(graph.node.len())].output.clone(),
        }
        if let Err(error) = run(&model.encode_to_vec()) {
            prop_assert!(error.to_string().len() < 100_000);
        }
    }
}

fn damage_attribute(node: &mut Node, number: i64, at: prop::sample::Index) {
    if node.attribute.is_empty() {
        return;
    }
    let index = at.index(node.attribute.len());
    let attribute = &mut node.attribute[index];
    attribute.i = number;
    if !attribute.ints.is_empty() {
        let index = at.index(attribute.ints.len());
        attribute.ints[index] = number;
    }
}

fn damage_dims(tensor: &mut Tensor, number: i64, at: prop::sample::Index) {
    match tensor.dims.len() {
        0 => tensor.dims.push(number),
        n => tensor.dims[at.index(n)] = number,
    }
}

fn exchange_input(
    graph: &mut Graph,
    node: usize,
    from: prop::sample::Index,
    at: prop::sample::Index,
) {
    let source = graph.node[from.index(graph.node.len())].output.clone();
    let inputs = &mut graph.node[node].input;
    if !inputs.is_empty() {
        let index = at.index(inputs.len());
        inputs[index] = source[0].clone();
    }
}

#[test]
fn lengths_beyond_the_file_and_memory_beyond_reason_are_refused_before_decoding() {
    // A graph that says it has 2^60 bytes.
    let mut long = vec![0x3a];
    prost::encoding::encode_varint(1 << 60, &mut long);
    let error = read(&long, None).unwrap_err().to_string();
    assert!(error.contains("a length goes beyond its end"), "{error}");
    // Ten million empty tensors, two bytes each.
    let tensors: Vec<u8> = [0x2a, 0x00].repeat(10_000_000);
    let mut many = vec![0x3a];
    prost::encoding::encode_varint(tensors.len() as u64, &mut many);
    many.extend(tensors);
    let error = read(&many, None).unwrap_err().to_string();
    assert!(error.contains("more than a gibibyte of memory"), "{error}");
    // Groups within groups, which a decoder may follow by calling itself.
    let error = read(&[0x0b; 100_000], None).unwrap_err().to_string();
    assert!(error.contains("a tag is of no kind that is known"), "{error}");
}

#[test]
fn sizes_that_overflow_are_refused() {
    let mut builder = model();
    builder.graph.initializer[0].dims = vec![i64::MAX, i64::MAX];
    let error = read(&builder.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("values are too many"), "{error}");
    let mut builder = model();
    builder.graph.initializer[0].dims = vec![-1];
    let error = read(&builder.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("is negative"), "{error}");
}

/// Constants that are worked out again and again would fill any memory.
#[test]
fn constants_that_grow_without_end_are_refused() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 4]);
    let x = builder.qdq("x", MEANING);
    let mut c = builder.int64(&[1; 8]);
    for _ in 0..60 {
        c = builder.node("Concat", &[&c, &c], vec![int("axis", 0)]);
    }
    let y = builder.node("Reshape", &[&x, &c], Vec::new());
    builder.output(&y);
    let size = builder.int64(&[1 << 20]);
    let mut large = builder.node("ConstantOfShape", &[&size], Vec::new());
    for _ in 0..100 {
        large = builder.node("Mul", &[&large, &large], Vec::new());
    }
    let graph = read(&builder.bytes(), None).unwrap();
    let faults: Vec<&str> = graph.problems.iter().map(|problem| &problem.fault[..]).collect();
    assert_eq!(faults, ["it joins constants that are no shape", "its constants are too many"]);
}

/// Maps that are joined to themselves have channels without end.
#[test]
fn maps_that_grow_without_end_are_refused() {
    let mut builder = Builder::new(data_type::FLOAT, &[1, 4]);
    let mut x = builder.qdq("x", MEANING);
    for _ in 0..80 {
        x = builder.node("Concat", &[&x, &x], vec![int("axis", 1)]);
    }
    let x = builder.qdq(&x, MEANING);
    builder.output(&x);
    assert!(!read(&builder.bytes(), None).unwrap().problems.is_empty());
}

/// Those of the convolution.
fn weights(builder: &mut Builder) -> &mut Tensor {
    let mut tensors = builder.graph.initializer.iter_mut();
    tensors.find(|tensor| tensor.dims == [4, 2, 3, 3]).expect("there is one")
}

#[test]
fn external_data_is_read_in_the_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("model");
    fs::create_dir(&below).unwrap();
    fs::write(folder.path().join("secret"), [1; 64]).unwrap();
    fs::write(below.join("data"), [1; 80]).unwrap();
    std::os::unix::fs::symlink("../secret", below.join("link")).unwrap();
    let read_with = |entries: &[(&str, &str)]| {
        let mut builder = model();
        let weights = weights(&mut builder);
        *weights = external(&weights.name.clone(), &[4, 2, 3, 3], data_type::INT8, entries);
        read(&builder.bytes(), Some(&below)).map_err(|error| error.to_string())
    };
    let inside = read_with(&[("location", "data"), ("offset", "8"), ("length", "72")]).unwrap();
    assert_eq!(inside, read(&model().bytes(), None).unwrap());
    for (location, reason) in [
        ("../secret", "outside of the folder"),
        ("/etc/passwd", "outside of the folder"),
        ("link", "symbolic link"),
        ("absent", "No such file"),
        ("", "it has no name"),
    ] {
        let error = read_with(&[("location", location)]).unwrap_err();
        assert!(error.contains(reason) && !error.contains('\n'), "{location}: {error}");
    }
    for (key, value, reason) in [
        ("offset", "9", "it has 80 bytes, and 72 from byte 9 on are asked for"),
        ("offset", "18446744073709551615", "are asked for"),
        ("offset", "-1", "its external offset is \"-1\""),
        ("length", "71", "71 bytes of external data where 72 are needed"),
    ] {
        let error = read_with(&[("location", "data"), (key, value)]).unwrap_err();
        assert!(error.contains(reason), "{key} {value}: {error}");
    }
    let mut builder = model();
    let weights = weights(&mut builder);
    let entries = [("location", "data")];
    *weights = external(&weights.name.clone(), &[4, 2, 3, 3], data_type::INT8, &entries);
    let error = read(&builder.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("only the model itself was given"), "{error}");
}
